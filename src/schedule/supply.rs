//! Runs that come while the sweep lasts: those of a search, whose points are chosen when a slot is free, and those that are
//! held back, since a stopping rule lets them go on in turn. And what a budget leaves.
//!
//! A part of the scheduler. Which run comes next is for the loop to say: it is asked with [`Scheduler::wants_more`].

use super::{
    messages::{Effect, Job},
    scheduler::{Phase, Scheduler},
    task::{Fate, Task, Wish},
};

impl Scheduler {
    /// Lets the sweep last until [`Input::Closed`](super::Input::Closed): more runs are to come.
    #[must_use]
    pub fn with_more(mut self) -> Self {
        self.more = true;
        self
    }

    /// Holds every run back until it is released, and lets the sweep last as [`Self::with_more`] does.
    #[must_use]
    pub fn held_back(mut self) -> Self {
        for position in 0..self.tasks.len() {
            if self.tasks[position].fate == Fate::Open {
                self.queue.remove(position);
                self.hold(position);
            }
        }
        self.with_more()
    }

    /// Lets only so many runs begin that never had an attempt; the others are left to another sweep. Runs that have begun go on.
    #[must_use]
    pub fn with_new_runs(mut self, most: Option<u64>) -> Self {
        self.new_runs = most;
        self
    }

    /// Whether a run that never had an attempt may begin.
    #[must_use]
    pub fn may_begin_new(&self) -> bool {
        self.new_runs != Some(0)
    }

    /// Whether a slot is free that no waiting run is to have, and more runs are to come.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        self.more
            && self.phase == Phase::Running
            && self.queue.is_empty()
            && !self.pool.with_free_slots().is_empty()
    }

    /// The first run that is held back and never had an attempt.
    #[must_use]
    pub fn next_held(&self) -> Option<u64> {
        let is_new = |position: &&usize| self.tasks[**position].is_new();
        self.held.iter().find(is_new).map(|position| self.tasks[*position].job.run)
    }

    /// The runs that are held back after an attempt.
    #[must_use]
    pub fn parked(&self) -> Vec<u64> {
        let has_begun = |position: &&usize| !self.tasks[**position].is_new();
        self.held.iter().filter(has_begun).map(|position| self.tasks[*position].job.run).collect()
    }

    /// Whether nothing is alive and nothing waits, for a slot or for its moment.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.live.is_empty() && self.queue.is_empty() && self.delayed == 0
    }

    pub(super) fn hold(&mut self, position: usize) {
        self.tasks[position].fate = Fate::Held;
        self.held.insert(position);
    }

    pub(super) fn add(&mut self, now: f64, job: Job, effects: &mut Vec<Effect>) {
        if self.positions.contains_key(&job.run) {
            return;
        }
        let position = self.tasks.len();
        self.positions.insert(job.run, position);
        self.tasks.push(Task::new(job));
        self.queue.grow(self.tasks.len());
        if self.tasks[position].fate == Fate::Cancelled {
            self.cancelled_runs += 1;
            return;
        }
        self.enqueue(position, Fate::Open);
        if self.phase == Phase::Running {
            self.fill(now, self.pool.with_free_slots(), effects);
        }
    }

    pub(super) fn release(&mut self, now: f64, run: u64, effects: &mut Vec<Effect>) {
        let Some(position) = self.positions.get(&run).copied().filter(|_| self.is_open()) else { return };
        if self.held.remove(&position) {
            self.enqueue(position, Fate::Open);
            if self.phase == Phase::Running {
                self.fill(now, self.pool.with_free_slots(), effects);
            }
        }
    }

    /// Asks a live run to end, so that it is held back after its attempt.
    pub(super) fn park(&mut self, run: u64, effects: &mut Vec<Effect>) {
        self.ask(run, Wish::Hold, effects);
    }

    /// Ends a run for good: it is asked to end where it is live.
    pub(super) fn stop_run(&mut self, run: u64, effects: &mut Vec<Effect>) {
        self.ask(run, Wish::Stop, effects);
        let Some(position) = self.positions.get(&run).copied() else { return };
        if self.held.remove(&position) {
            self.tasks[position].fate = Fate::Stopped;
            self.stopped += 1;
        }
    }

    fn ask(&mut self, run: u64, wish: Wish, effects: &mut Vec<Effect>) {
        let Some(position) = self.positions.get(&run).copied() else { return };
        if self.live.contains_key(&position) && self.tasks[position].wish == Wish::On {
            self.tasks[position].wish = wish;
            effects.push(Effect::Stop { run, kill: false });
        }
    }

    /// A run begins that never had an attempt. Where it is the last one that may, the others are left.
    pub(super) fn begins(&mut self) {
        if let Some(left) = &mut self.new_runs {
            *left = left.saturating_sub(1);
        }
        self.leave_new();
    }

    /// Leaves the runs that never began, where no more of them may.
    pub(super) fn leave_new(&mut self) {
        if self.may_begin_new() {
            return;
        }
        for position in 0..self.tasks.len() {
            if !self.tasks[position].is_new() {
                continue;
            }
            if self.queue.contains(position) {
                self.queue.remove(position);
                self.pool.forget(position);
            } else if !self.held.remove(&position) {
                continue;
            }
            self.tasks[position].fate = Fate::Left;
        }
    }
}
