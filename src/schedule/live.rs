//! Live attempts, and what is heard of them between their start and their end.

use super::pool::Claim;

/// A live attempt.
#[derive(Clone, Debug)]
pub(super) struct RunningJob {
    pub(super) claim: Claim,
    pub(super) started: f64,
    /// Whether it is in a cluster's queue, and has not begun.
    pub(super) queued: bool,
    pub(super) progress: Option<Advance>,
    /// The part of the work that earlier attempts have done, from 0, below 1.
    pub(super) done: f64,
    pub(super) threads: u32,
}

/// The last progress report of a live attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advance {
    pub(super) at: f64,
    /// Over 0, up to 1.
    pub(super) fraction: f64,
}

/// A smaller part of a run says nothing about the whole.
const LEAST_PROGRESS: f64 = 1e-6;

impl RunningJob {
    /// One that starts now.
    pub(super) fn new(claim: Claim, now: f64, threads: u32) -> Self {
        Self { claim, started: now, queued: false, progress: None, done: 0.0, threads }
    }
    /// It has come so far.
    pub(super) fn progress(&mut self, now: f64, fraction: f64) {
        if fraction - self.done >= LEAST_PROGRESS {
            self.progress = Some(Advance { at: now, fraction: fraction.min(1.0) });
        }
    }

    /// It has begun after its time in a queue.
    pub(super) fn began(&mut self, now: f64) {
        (self.started, self.queued) = (now, false);
    }

    /// It goes on with what earlier attempts have done.
    pub(super) fn goes_on(&mut self, done: f64) {
        if (0.0..1.0).contains(&done) {
            self.done = done;
        }
    }
}
