//! What users and devices do to a sweep in the middle of it: single runs are cancelled and requeued, all are paused and go on, a
//! device is set aside.
//!
//! A part of the scheduler. Rules are in the folder's head.

use super::{
    messages::{Effect, Standing},
    scheduler::{Phase, Scheduler},
    task::{Fate, Wish},
};

impl Scheduler {
    /// What a run is in at the moment; `None` for one that is not of this sweep.
    #[must_use]
    pub fn standing(&self, run: u64) -> Option<Standing> {
        let position = *self.positions.get(&run)?;
        let task = &self.tasks[position];
        Some(match task.fate {
            Fate::Open if self.live.contains_key(&position) => Standing::Live,
            Fate::Open => Standing::Waiting,
            Fate::Paused => Standing::Paused,
            Fate::Held => Standing::Held,
            Fate::Stopped => Standing::Stopped,
            Fate::Delayed(at) => Standing::Delayed { at },
            Fate::Completed => Standing::Completed,
            Fate::Failed => Standing::Failed,
            Fate::Cancelled => Standing::Cancelled,
            Fate::Left => Standing::Left,
        })
    }

    /// How many waiting runs are to start before a waiting run.
    #[must_use]
    pub fn waiting_before(&self, run: u64) -> usize {
        let Some(position) = self.positions.get(&run) else { return 0 };
        self.queue.positions().take_while(|other| other < position).count()
    }

    /// Slots on which runs may start, whether they are busy or not.
    #[must_use]
    pub fn usable_slots(&self) -> usize {
        self.slots().iter().filter(|slot| self.is_usable(slot)).count()
    }

    /// The memory that a run is estimated to need on its device, bytes; more than any has where it is to be alone.
    #[must_use]
    pub fn memory_of(&self, run: u64) -> Option<u64> {
        Some(self.tasks[*self.positions.get(&run)?].memory())
    }

    /// Number of the last attempt that a run has made; 0 before the first.
    #[must_use]
    pub fn last_attempt(&self, run: u64) -> u32 {
        let Some(position) = self.positions.get(&run) else { return 0 };
        let task = &self.tasks[*position];
        task.job.attempt.saturating_sub(1) + task.attempts
    }

    /// Seconds that a live run should take from where its attempt began, by what completed runs have taken.
    #[must_use]
    pub fn expected_seconds(&self, run: u64) -> Option<f64> {
        let (position, live) = self.live_run(run)?;
        let kind = self.slots()[live.claim.slot as usize].kind();
        self.cost_model().seconds(kind, self.job(position).cost * (1.0 - live.done))
    }

    /// Whether live runs were asked to make room, and nothing starts.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.phase == Phase::Paused
    }

    /// Whether runs may still start.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Ready | Phase::Running | Phase::Paused)
    }

    /// Whether a device is left on which a run may start.
    #[must_use]
    pub fn has_devices(&self) -> bool {
        self.pool.has_slots()
    }

    /// When a run is due that waits to be tried again, at the latest.
    #[must_use]
    pub fn next_due(&self) -> Option<f64> {
        self.delays.next().filter(|_| self.phase == Phase::Running)
    }

    pub(super) fn pause(&mut self, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Running {
            return;
        }
        self.phase = Phase::Paused;
        for position in self.live.keys() {
            let task = &mut self.tasks[*position];
            if task.wish == Wish::On {
                task.wish = Wish::Pause;
                effects.push(Effect::Stop { run: task.job.run, kill: false });
            }
        }
    }

    pub(super) fn go_on(&mut self, now: f64, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Paused {
            return;
        }
        self.phase = Phase::Running;
        for task in self.tasks.iter_mut().filter(|task| task.fate == Fate::Paused) {
            task.fate = Fate::Open;
        }
        self.wake(now, effects);
    }

    /// Lets the runs start whose moment has come, and whatever else may.
    pub(super) fn wake(&mut self, now: f64, effects: &mut Vec<Effect>) {
        while let Some((at, position)) = self.delays.take(now) {
            // One that was cancelled or requeued meanwhile waits for nothing.
            if self.tasks[position].fate == Fate::Delayed(at) {
                self.delayed -= 1;
                self.enqueue(position, Fate::Open);
            }
        }
        if self.phase == Phase::Running {
            self.fill(now, self.pool.with_free_slots(), effects);
        }
    }

    pub(super) fn cancel_run(&mut self, now: f64, run: u64, effects: &mut Vec<Effect>) {
        let Some(position) = self.positions.get(&run).copied() else { return };
        if self.live.contains_key(&position) {
            let task = &mut self.tasks[position];
            let asked = std::mem::replace(&mut task.wish, Wish::Cancel);
            // One that is asked to make room is on its way.
            if asked == Wish::On {
                effects.push(Effect::Stop { run, kill: false });
            }
            return;
        }
        match self.tasks[position].fate {
            Fate::Open | Fate::Paused => self.queue.remove(position),
            Fate::Delayed(_) => self.delayed -= 1,
            Fate::Failed => self.failed -= 1,
            Fate::Held => drop(self.held.remove(&position)),
            Fate::Left => {}
            Fate::Completed | Fate::Cancelled | Fate::Stopped => return,
        }
        self.tasks[position].fate = Fate::Cancelled;
        self.cancelled_runs += 1;
        // What was kept for it is open to all.
        if self.pool.forget(position) && self.phase == Phase::Running {
            self.fill(now, self.pool.with_free_slots(), effects);
        }
    }

    pub(super) fn requeue(&mut self, now: f64, run: u64, effects: &mut Vec<Effect>) {
        let Some(position) = self.positions.get(&run).copied().filter(|_| self.is_open()) else { return };
        match self.tasks[position].fate {
            Fate::Failed => self.failed -= 1,
            Fate::Cancelled => self.cancelled_runs -= 1,
            Fate::Left => {}
            Fate::Delayed(_) => self.delayed -= 1,
            Fate::Stopped => self.stopped -= 1,
            Fate::Held => drop(self.held.remove(&position)),
            Fate::Open | Fate::Paused | Fate::Completed => return,
        }
        let task = &mut self.tasks[position];
        (task.counted, task.had_once, task.alone) = (0, false, false);
        self.enqueue(position, Fate::Open);
        if self.phase == Phase::Running {
            self.fill(now, self.pool.with_free_slots(), effects);
        }
    }

    pub(super) fn cancel(&mut self, effects: &mut Vec<Effect>) {
        let kill = match self.phase {
            Phase::Ready | Phase::Running | Phase::Paused | Phase::Draining => false,
            Phase::Stopping => true,
            Phase::Finished => return,
        };
        self.phase = Phase::Stopping;
        self.cancelled = true;
        effects.extend(
            self.live.keys().map(|position| Effect::Stop { run: self.tasks[*position].job.run, kill }),
        );
    }

    pub(super) fn set_aside(&mut self, now: f64, device: u32, effects: &mut Vec<Effect>) {
        if (device as usize) >= self.pool.len() || !self.pool.set_aside(device as usize) {
            return;
        }
        if !self.pool.has_slots() && self.is_open() {
            self.phase = Phase::Draining;
        }
        // A run that was too large for the others may start alone on the largest of them now.
        if self.phase == Phase::Running {
            self.fill(now, self.pool.with_free_slots(), effects);
        }
    }
}
