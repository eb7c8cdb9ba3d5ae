//! A run as the scheduler has it: the job, the attempts that it has made, and what became of it.
//!
//! Used by the scheduler alone.

use super::messages::Job;

/// A run of the sweep.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) job: Job,
    /// Attempts made in this sweep: what numbers the next one.
    pub(super) attempts: u32,
    /// Those that count against the limit: none that was paused, and none before the run was requeued.
    pub(super) counted: u32,
    /// Whether it needs a device alone, since memory ran out beside others.
    pub(super) alone: bool,
    /// Whether a failure that is worth one more attempt has had it.
    pub(super) had_once: bool,
    /// What is to become of its live attempt.
    pub(super) wish: Wish,
    pub(super) fate: Fate,
}

/// What is to become of a live attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// It goes on.
    On,
    /// It is asked to end, and the run waits again.
    Pause,
    /// It is asked to end, and the run is cancelled.
    Cancel,
    /// It is asked to end, and the run is held back.
    Hold,
    /// It is asked to end, and the run is not made again.
    Stop,
}

/// What became of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    /// It waits or is live.
    Open,
    /// It waits, and was paused.
    Paused,
    /// It is held back until it is released.
    Held,
    /// It waits until this moment, to be tried again.
    Delayed(f64),
    Completed,
    Failed,
    Cancelled,
    /// Ended before its time, by intention.
    Stopped,
    /// Gridboard has ended it; it is owed to another sweep.
    Left,
}

impl Task {
    pub(super) fn new(mut job: Job) -> Self {
        job.cost = if job.cost.is_finite() { job.cost.max(0.0) } else { 0.0 };
        let fate = if job.cancelled { Fate::Cancelled } else { Fate::Open };
        Self { job, attempts: 0, counted: 0, alone: false, had_once: false, wish: Wish::On, fate }
    }

    /// Whether it never had an attempt, in this sweep or before.
    pub(super) fn is_new(&self) -> bool {
        self.attempts == 0 && self.job.attempt <= 1
    }

    /// Number of the attempt that was last started.
    pub(super) fn attempt(&self) -> u32 {
        self.job.attempt + self.attempts.saturating_sub(1)
    }

    /// Memory that it needs on its device, bytes; more than any has where it is to be alone.
    pub(super) fn memory(&self) -> u64 {
        if self.alone { u64::MAX } else { self.job.memory }
    }

    /// Takes an attempt back that does not count.
    pub(super) fn uncount(&mut self) {
        self.counted = self.counted.saturating_sub(1);
    }
}
