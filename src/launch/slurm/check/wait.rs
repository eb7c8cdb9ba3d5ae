//! How long the check of a node is waited for. Pure: no clock, no process.
//!
//! In the queue it waits no longer than [`IN_QUEUE`]: where the cluster is full, the runs are to stand in the queue themselves,
//! and not behind a check that stands there first. Three of them that fail alike stop the sweep, too.

use crate::launch::slurm::queue::{Seen, State};

/// How long it may wait in the queue, seconds.
const IN_QUEUE: f64 = 60.0;
/// How long it may run beyond what its limit allows, seconds: Slurm ends it late.
const AT_WORK: f64 = super::super::request::CHECK_MINUTES as f64 * 60.0 + 120.0;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Wait,
    /// It has stood in the queue for long enough.
    TooLate,
    /// It has ended without an answer.
    Silent,
}

/// A check that was submitted at moment 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    /// For a file that a node has written to be seen here, seconds.
    settle: f64,
    begun: Option<f64>,
    gone: Option<f64>,
}

impl Wait {
    /// `is_shared`: the folder may lie on a network file system, which shows a file up to a minute late.
    pub(super) fn new(is_shared: bool) -> Self {
        Self { settle: if is_shared { 75.0 } else { 2.0 }, begun: None, gone: None }
    }

    /// Takes in what the queue says. `None`: it is not there any more.
    pub(super) fn seen(&mut self, seen: Option<&Seen>, now: f64) {
        match seen.map(|seen| &seen.state) {
            Some(State::Waiting | State::Other(_)) => self.gone = None,
            Some(State::Running) => {
                self.begun.get_or_insert(now);
                self.gone = None;
            }
            Some(State::Over(_)) | None => {
                self.gone.get_or_insert(now);
            }
        }
    }

    /// Whether it has not begun, as far as is known.
    pub(super) fn is_queued(&self) -> bool {
        self.begun.is_none() && self.gone.is_none()
    }

    pub(super) fn step(&self, now: f64) -> Step {
        match (self.gone, self.begun) {
            (Some(gone), _) if now - gone >= self.settle => Step::Silent,
            (Some(_), _) => Step::Wait,
            (None, Some(begun)) if now - begun >= AT_WORK => Step::Silent,
            (None, Some(_)) => Step::Wait,
            (None, None) if now >= IN_QUEUE => Step::TooLate,
            (None, None) => Step::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::slurm::queue::{JobId, Over};

    fn seen(state: State) -> Seen {
        let id = JobId { array: 1, task: None };
        Seen { id, state, reason: None, nodes: String::new(), name: String::new() }
    }

    #[test]
    fn the_queue_is_waited_for_a_minute_and_no_longer() {
        let mut wait = Wait::new(false);
        assert!(wait.is_queued());
        for now in [1.0, 30.0, 59.0] {
            wait.seen(Some(&seen(State::Waiting)), now);
            assert_eq!(wait.step(now), Step::Wait);
        }
        assert_eq!(wait.step(60.0), Step::TooLate);
        // One that has begun is waited for.
        wait.seen(Some(&seen(State::Running)), 60.0);
        assert!(!wait.is_queued());
        assert_eq!((wait.step(61.0), wait.step(60.0 + AT_WORK)), (Step::Wait, Step::Silent));
    }

    #[test]
    fn an_answer_may_be_seen_later_than_the_end() {
        for (is_shared, settle) in [(false, 2.0), (true, 75.0)] {
            for over in [Some(seen(State::Over(Over::Completed))), None] {
                let mut wait = Wait::new(is_shared);
                wait.seen(over.as_ref(), 10.0);
                wait.seen(over.as_ref(), 11.0);
                assert!(!wait.is_queued());
                assert_eq!(wait.step(10.0 + settle - 0.1), Step::Wait);
                assert_eq!(wait.step(10.0 + settle), Step::Silent);
            }
        }
    }
}
