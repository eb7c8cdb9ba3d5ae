//! Threads that no run uses go to the runs that start.
//!
//! Used by the scheduler after it has placed runs. A device's slots share its threads, and where slots stay free, or are
//! about to be, because nothing waits or memory keeps the others out, the cores behind them would idle. A run takes them
//! only if its results do not depend on its number of threads; a run that is live keeps what it was started with.

use super::{messages::Effect, scheduler::Scheduler, slot::Slot};

/// A live run that will be gone after this part of the new one's time leaves its threads to it.
const SOON: f64 = 0.1;

impl Scheduler {
    /// Shares the unused threads of each device among the starts in `effects`, evenly.
    pub(super) fn share_threads(&mut self, now: f64, effects: &mut [Effect]) {
        let mut starts: Vec<Start> =
            (0..).zip(&*effects).filter_map(|(place, effect)| self.elastic(place, effect)).collect();
        starts.sort_by_key(|start| (start.device, start.place));
        for starts in starts.chunk_by(|one, other| one.device == other.device) {
            let spare = self.spare_threads(now, starts);
            let n = u32::try_from(starts.len()).unwrap_or(u32::MAX);
            for (nth, start) in (0..).zip(starts) {
                if let Some(Effect::Start { threads, .. }) = effects.get_mut(start.place) {
                    *threads += spare / n + u32::from(nth < spare % n);
                    self.set_threads(start.run, *threads);
                }
            }
        }
    }

    /// Threads of a device that no other run will use for most of the time of those that start on it now.
    fn spare_threads(&self, now: f64, starts: &[Start]) -> u32 {
        let Some(device) = starts.first().map(|start| start.device) else { return 0 };
        let waiting = self.has_waiting();
        // The usual case, at every start but the last ones of a sweep: whatever ends makes room for what waits.
        if waiting && !self.has_free_slot(device) {
            return 0;
        }
        let is_new = |run: u64| starts.iter().any(|start| start.run == run);
        // What is gone soon for the shortest of the new ones is so for the others.
        let shortest = starts.iter().try_fold(f64::INFINITY, |least, start| {
            Some(least.min(self.run_remaining_seconds(now, start.run)?))
        });
        let soon = |run: u64| {
            shortest.zip(self.run_remaining_seconds(now, run)).is_some_and(|(new, rest)| rest < SOON * new)
        };
        let here = |slot: &Slot| slot.device_index == device;
        let used = self.live().filter(|live| here(&self.slots()[live.slot as usize])).map(|live| {
            let leaves = !waiting && !is_new(live.run) && soon(live.run);
            if leaves { 0 } else { self.threads_of(live.run) }
        });
        let all: u32 = self.slots().iter().filter(|slot| here(slot)).map(|slot| slot.threads).sum();
        all.saturating_sub(used.sum())
    }

    /// A start of a run that may have more threads.
    fn elastic(&self, place: usize, effect: &Effect) -> Option<Start> {
        match *effect {
            Effect::Start { run, slot, .. } if self.is_elastic(run) => {
                Some(Start { place, run, device: self.slots()[slot as usize].device_index })
            }
            Effect::Start { .. } | Effect::Stop { .. } | Effect::Finished(_) => None,
        }
    }
}

/// A start among the effects of a step.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Its place among them.
    place: usize,
    run: u64,
    device: u32,
}
