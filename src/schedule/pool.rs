//! The devices as the scheduler sees them: free slots, memory that is spoken for, and the device that is owed to a
//! run that memory keeps waiting.
//!
//! Used by the scheduler alone; it knows memory and positions, not runs. The rules are in the folder's head.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::{queue::Queue, slot::Slot};

/// All devices.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    devices: Vec<Device>,
    /// The largest capacity of a device that has slots, bytes.
    largest: u64,
    /// Devices that have slots, by free memory and place, so that the one to owe is found without a scan.
    by_room: BTreeSet<(u64, Reverse<usize>)>,
    owed: Option<Owed>,
    /// Tells the claims of one owing from those of earlier ones.
    owings: u64,
}

#[derive(Clone, Debug)]
struct Device {
    /// Bytes.
    capacity: u64,
    /// Sum of the estimates of the live runs, bytes.
    used: u64,
    live: u32,
    slots: u32,
    free: BinaryHeap<Reverse<u32>>,
    /// Whether no run may start on it any more.
    aside: bool,
}

/// A device owed to a waiting run.
#[derive(Clone, Debug)]
struct Owed {
    position: usize,
    memory: u64,
    device: usize,
    /// Sum of the estimates of the live runs that overtook, bytes.
    overtaken_bytes: u64,
    overtaken_slots: u32,
}

/// What a live run holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// The slot.
    pub(super) slot: u32,
    /// The device.
    pub(super) device: usize,
    memory: u64,
    /// The owing that the run overtook, by number.
    overtook: Option<u64>,
}

impl Pool {
    /// The devices of `slots`, all idle.
    pub(super) fn new(slots: &[Slot], capacities: &[u64]) -> Self {
        let mut devices: Vec<Device> = capacities
            .iter()
            .map(|capacity| Device {
                // A run that needs a device alone needs more than any has.
                capacity: (*capacity).min(Queue::MOST - 1),
                used: 0,
                live: 0,
                slots: 0,
                free: BinaryHeap::new(),
                aside: false,
            })
            .collect();
        for slot in slots {
            let device = &mut devices[slot.device_index as usize];
            device.slots += 1;
            device.free.push(Reverse(slot.index));
        }
        let equipped = devices.iter().enumerate().filter(|(_, device)| device.slots > 0);
        let by_room = equipped.map(|(index, device)| (device.room(), Reverse(index))).collect();
        let mut pool = Self { devices, largest: 0, by_room, owed: None, owings: 0 };
        pool.find_largest();
        pool
    }

    fn find_largest(&mut self) {
        let usable = self.devices.iter().filter(|device| device.slots > 0 && !device.aside);
        self.largest = usable.map(|device| device.capacity).max().unwrap_or(0);
    }

    /// Number of devices.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// Whether a device is left on which runs may start.
    pub(super) fn has_slots(&self) -> bool {
        !self.by_room.is_empty()
    }

    /// Whether the device is set aside.
    pub(super) fn is_aside(&self, device: usize) -> bool {
        self.devices[device].aside
    }

    /// Lets no run start on the device any more. False where that was so already.
    pub(super) fn set_aside(&mut self, device: usize) -> bool {
        let state = &mut self.devices[device];
        if std::mem::replace(&mut state.aside, true) {
            return false;
        }
        state.free.clear();
        let room = state.room();
        self.by_room.remove(&(room, Reverse(device)));
        self.owed.take_if(|owed| owed.device == device);
        self.find_largest();
        true
    }

    /// Forgets what is owed to the run at `position`, which waits no more. Whether anything was.
    pub(super) fn forget(&mut self, position: usize) -> bool {
        self.owed.take_if(|owed| owed.position == position).is_some()
    }

    /// Places of the devices with a free slot.
    pub(super) fn with_free_slots(&self) -> Vec<usize> {
        (0..self.devices.len()).filter(|device| self.has_free_slot(*device)).collect()
    }

    /// Whether the device has a free slot.
    pub(super) fn has_free_slot(&self, device: usize) -> bool {
        !self.devices[device].free.is_empty()
    }

    /// The first waiting run that is admissible on the device, which has a free slot. Owes the first waiting run a
    /// device if memory keeps it from starting here.
    pub(super) fn pick(&mut self, device: usize, queue: &Queue) -> Option<usize> {
        let first = queue.first()?;
        let fits = |limit: Option<u64>, memory: u64| limit.is_some_and(|limit| memory <= limit);
        if self.owed.is_none() && !fits(self.limit(device), queue.memory(first)) {
            self.owe(first, queue.memory(first));
        }
        let overtaking = self.overtaking_limit(device).and_then(|limit| queue.first_within(limit));
        let owed = self.owed.as_ref().filter(|owed| fits(self.limit(device), owed.memory));
        match (overtaking, owed.map(|owed| owed.position)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// Whether the rules of the folder's head let a waiting run start on the device: said independently of
    /// [`Self::pick`].
    #[cfg(test)]
    pub(super) fn admits(&self, device: usize, position: usize, memory: u64) -> bool {
        let state = &self.devices[device];
        let fits = state.used.checked_add(memory).is_some_and(|sum| sum <= state.capacity);
        let alone = state.live == 0 && state.capacity == self.largest && memory > self.largest;
        let leaves_what_is_owed = self.owed.as_ref().is_none_or(|owed| {
            owed.device != device
                || owed.position == position
                || (owed.overtaken_slots + 1 < state.slots
                    && memory
                        .checked_add(owed.overtaken_bytes)
                        .and_then(|sum| sum.checked_add(owed.memory))
                        .is_some_and(|sum| sum <= state.capacity))
        });
        !state.free.is_empty() && (fits || alone) && leaves_what_is_owed
    }

    /// Takes a free slot of the device for the run at `position`. Where that run was owed a device, the answer's
    /// second part is that device, which is open to all again.
    pub(super) fn claim(&mut self, device: usize, position: usize, memory: u64) -> (Claim, Option<usize>) {
        let released = self.owed.take_if(|owed| owed.position == position).map(|owed| owed.device);
        let overtook = match &mut self.owed {
            Some(owed) if owed.device == device => {
                owed.overtaken_bytes = owed.overtaken_bytes.saturating_add(memory);
                owed.overtaken_slots += 1;
                Some(self.owings)
            }
            _ => None,
        };
        let slot = self.change(device, |device| {
            device.used = device.used.saturating_add(memory);
            device.live += 1;
            device.free.pop().expect("a run is placed only where a slot is free").0
        });
        (Claim { slot, device, memory, overtook }, released)
    }

    /// Gives back what an ended run held.
    pub(super) fn release(&mut self, claim: Claim) {
        if let Some(owed) = self.owed.as_mut().filter(|_| claim.overtook == Some(self.owings)) {
            owed.overtaken_bytes = owed.overtaken_bytes.saturating_sub(claim.memory);
            owed.overtaken_slots -= 1;
        }
        self.change(claim.device, |device| {
            device.used = device.used.saturating_sub(claim.memory);
            device.live -= 1;
            if !device.aside {
                device.free.push(Reverse(claim.slot));
            }
        });
    }

    /// The largest memory that may start on the device, leaving aside what is owed, bytes. `None` beside a run that
    /// runs alone.
    fn limit(&self, device: usize) -> Option<u64> {
        let state = &self.devices[device];
        if state.live == 0 && state.capacity == self.largest {
            return Some(Queue::MOST);
        }
        state.capacity.checked_sub(state.used)
    }

    /// The largest memory that may start on the device if it is not the run that is owed it, bytes. `None` where no
    /// further run may overtake.
    fn overtaking_limit(&self, device: usize) -> Option<u64> {
        let limit = self.limit(device)?;
        let Some(owed) = self.owed.as_ref().filter(|owed| owed.device == device) else {
            return Some(limit);
        };
        let state = &self.devices[device];
        if owed.overtaken_slots + 1 >= state.slots {
            return None;
        }
        let beside = state.capacity.checked_sub(owed.memory)?.checked_sub(owed.overtaken_bytes)?;
        Some(beside.min(limit))
    }

    /// Owes the run at `position` the device with the most free memory among those that can ever hold it.
    fn owe(&mut self, position: usize, memory: u64) {
        let needed = memory.min(self.largest);
        let device = self
            .by_room
            .iter()
            .rev()
            .map(|(_, Reverse(device))| *device)
            .find(|device| self.devices[*device].capacity >= needed);
        if let Some(device) = device {
            self.owings += 1;
            self.owed = Some(Owed { position, memory, device, overtaken_bytes: 0, overtaken_slots: 0 });
        }
    }

    /// Changes a device and keeps the index by free memory.
    fn change<T>(&mut self, device: usize, change: impl FnOnce(&mut Device) -> T) -> T {
        let state = &mut self.devices[device];
        let before = state.room();
        let answer = change(state);
        let after = state.room();
        if before != after && !state.aside {
            self.by_room.remove(&(before, Reverse(device)));
            self.by_room.insert((after, Reverse(device)));
        }
        answer
    }

    /// Asserts what must hold between the structures; `claims` are those of all live runs.
    #[cfg(test)]
    pub(super) fn sanity_check(&self, claims: &[Claim]) {
        for (index, device) in self.devices.iter().enumerate() {
            let here = || claims.iter().filter(|claim| claim.device == index);
            let used: u64 = here().map(|claim| claim.memory).sum();
            assert_eq!(device.used, used, "memory of device {index}");
            assert_eq!(device.live as usize, here().count(), "live runs on device {index}");
            if device.aside {
                assert!(device.free.is_empty() && !self.by_room.contains(&(device.room(), Reverse(index))));
                continue;
            }
            assert_eq!(device.live as usize + device.free.len(), device.slots as usize);
            assert!(
                used <= device.capacity || (device.live == 1 && device.capacity == self.largest),
                "device {index} holds {used} bytes of {} in {} runs",
                device.capacity,
                device.live
            );
            if device.slots > 0 {
                assert!(self.by_room.contains(&(device.room(), Reverse(index))));
            }
        }
        if let Some(owed) = &self.owed {
            let overtakers = || claims.iter().filter(|claim| claim.overtook == Some(self.owings));
            assert!(overtakers().all(|claim| claim.device == owed.device));
            assert_eq!(owed.overtaken_slots as usize, overtakers().count());
            assert_eq!(owed.overtaken_bytes, overtakers().map(|claim| claim.memory).sum::<u64>());
            let device = &self.devices[owed.device];
            assert!(
                owed.overtaken_slots < device.slots,
                "a slot is left for the run that is owed the device"
            );
            assert!(
                owed.overtaken_bytes == 0 || owed.overtaken_bytes + owed.memory <= device.capacity,
                "the memory is left for the run that is owed the device"
            );
        }
    }
}

impl Device {
    /// Memory that is not spoken for, bytes.
    fn room(&self) -> u64 {
        self.capacity.saturating_sub(self.used)
    }
}
