//! A slot: one unit of concurrency on a device.
//!
//! Made by device placement, filled by the scheduler, read by the launcher for the environment of the child.

/// The kinds of device. Seconds per FLOP are learned for each kind apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceKind {
    /// The processor's cores.
    Cpu,
    /// A CUDA device.
    Cuda,
}

/// One unit of concurrency: at most one attempt at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Place in the list of slots, from 0; what the scheduler's effects name.
    pub index: u32,
    /// For people: `cpu/0`, `cuda:0/1` (device, slash, number of the slot on the device).
    pub label: String,
    /// Id of the device: `cpu`, or a CUDA device's UUID.
    pub device: String,
    /// Place of the device in the list of capacities that the scheduler is given.
    pub device_index: u32,
    /// Threads that an attempt on this slot may use; at least 1.
    pub threads: u32,
}

impl Slot {
    /// The id of the processor as a device.
    pub const CPU: &'static str = "cpu";
    /// The start of a label where a slot is no part of this machine, and only one of the jobs that may be in Slurm at once.
    pub const IN_SLURM: &'static str = "slurm/";

    /// The kind of the slot's device.
    #[must_use]
    pub fn kind(&self) -> DeviceKind {
        if self.device == Self::CPU { DeviceKind::Cpu } else { DeviceKind::Cuda }
    }

    /// Its device for people: `cpu`, `cuda:0`.
    #[must_use]
    pub fn device_name(&self) -> &str {
        self.label.rsplit_once('/').map_or(&self.label, |(device, _)| device)
    }

    /// The number of the slot's CUDA device, from its label; `None` on the processor.
    #[must_use]
    pub fn cuda_index(&self) -> Option<&str> {
        let (device, _) = self.label.rsplit_once('/')?;
        device.strip_prefix("cuda:")
    }

    /// Threads of a run, where every slot is of the processor; `None` where one is of a CUDA device, and without slots.
    #[must_use]
    pub fn processor_threads(slots: &[Self]) -> Option<u32> {
        let processor = slots.iter().all(|slot| slot.kind() == DeviceKind::Cpu);
        slots.iter().map(|slot| slot.threads).max().filter(|_| processor)
    }
}
