//! The time that a sweep still needs: the rest of the schedule, played forward with predicted run times.
//!
//! Asked by the terminal's progress line through [`Scheduler`], about once a second. It plays the list schedule
//! (longest first, each on the slot that is free first) and leaves memory admission out: the answer is an estimate for
//! people, and the error of the predicted times is larger.

use std::{cmp::Ordering, cmp::Reverse, collections::BinaryHeap};

use super::{
    cost::{Line, UnderWay},
    live::RunningJob,
    scheduler::Scheduler,
    slot::DeviceKind,
};

impl Scheduler {
    /// Seconds until the last run ends, if nothing fails and nobody cancels. `None` while the sweep is paused, and until a run has completed or
    /// reported progress on every kind of device in use. Where live runs wait in a cluster's queue, as many run at once as do now: how long
    /// the queue is for others is not known. `now` is on the clock that `step` is given.
    #[must_use]
    pub fn remaining_seconds(&self, now: f64) -> Option<f64> {
        if self.is_paused() {
            return None;
        }
        let lines = Lines::fitted_to(self, now);
        let mut ends: BinaryHeap<Reverse<SlotFree>> = BinaryHeap::with_capacity(self.slots().len());
        let mut busy = vec![None; self.slots().len()];
        let mut queued = Vec::new();
        for (position, live) in self.live_by_position() {
            if live.queued {
                queued.push(position);
            } else {
                busy[live.claim.slot as usize] = Some(lines.rest_of(self, position, live, now)?);
            }
        }
        let mut last = busy.iter().copied().flatten().fold(0.0, f64::max);
        for slot in self.slots().iter().filter(|slot| self.is_usable(slot)) {
            let seconds = busy[slot.index as usize];
            if queued.is_empty() || seconds.is_some() {
                ends.push(Reverse(SlotFree { seconds: seconds.unwrap_or(0.0), slot: slot.index }));
            }
        }
        for position in queued.into_iter().chain(self.waiting_positions()) {
            let Reverse(mut free) = ends.pop()?;
            let kind = self.slots()[free.slot as usize].kind();
            free.seconds += lines.get(kind)?.seconds(self.job(position).cost);
            last = last.max(free.seconds);
            ends.push(Reverse(free));
        }
        Some(last)
    }

    /// Seconds until a live run ends. `None` if it is not live, or nothing is known yet.
    #[must_use]
    pub fn run_remaining_seconds(&self, now: f64, run: u64) -> Option<f64> {
        let (position, live) = self.live_run(run)?;
        Lines::fitted_to(self, now).rest_of(self, position, live, now)
    }
}

/// The learned lines, with what the live runs have shown so far.
struct Lines {
    cpu: Option<Line>,
    cuda: Option<Line>,
}

impl Lines {
    fn fitted_to(scheduler: &Scheduler, now: f64) -> Self {
        let under_way = |kind: DeviceKind| -> Vec<UnderWay> {
            scheduler
                .live_by_position()
                .filter(|(_, live)| scheduler.slots()[live.claim.slot as usize].kind() == kind)
                .filter(|(_, live)| !live.queued)
                .filter_map(|(position, live)| {
                    let progress = live.progress?;
                    let seconds = (progress.at.min(now) - live.started).max(0.0);
                    let part = progress.fraction - live.done;
                    Some(UnderWay { cost: scheduler.job(position).cost * part, seconds, part })
                })
                .collect()
        };
        let line = |kind| scheduler.cost_model().line(kind, &under_way(kind));
        Self { cpu: line(DeviceKind::Cpu), cuda: line(DeviceKind::Cuda) }
    }

    fn get(&self, kind: DeviceKind) -> Option<Line> {
        match kind {
            DeviceKind::Cpu => self.cpu,
            DeviceKind::Cuda => self.cuda,
        }
    }

    /// Seconds that a live run still needs: by its own progress where it has reported any, else by the line.
    fn rest_of(&self, scheduler: &Scheduler, position: usize, live: &RunningJob, now: f64) -> Option<f64> {
        let rest = match live.progress {
            Some(progress) => {
                let part = (progress.fraction - live.done) / (1.0 - live.done);
                live.started + (progress.at - live.started) / part - now
            }
            None => {
                let kind = scheduler.slots()[live.claim.slot as usize].kind();
                live.started + self.get(kind)?.seconds(scheduler.job(position).cost * (1.0 - live.done)) - now
            }
        };
        Some(rest.max(0.0))
    }
}

/// When a slot is free, from now; ordered by that, then by slot.
#[derive(Clone, Copy, Debug)]
struct SlotFree {
    seconds: f64,
    slot: u32,
}

impl Ord for SlotFree {
    fn cmp(&self, other: &Self) -> Ordering {
        self.seconds.total_cmp(&other.seconds).then(self.slot.cmp(&other.slot))
    }
}

impl PartialOrd for SlotFree {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SlotFree {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SlotFree {}
