//! The states of a run.

use serde::{Deserialize, Serialize};

use super::words::words;

/// The state of a run in the ledger. Every run of a grid is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Owed: never started, interrupted, or to be tried again.
    Pending,
    /// An attempt is alive.
    Running,
    /// Its attempt was ended by `gridboard pause`; it goes on when its sweep is resumed. Only a live sweep has such runs.
    Paused,
    /// Finished with results.
    Completed,
    /// Has the results of the same run of another experiment.
    Reused,
    /// The last attempt failed; running the spec again retries it.
    Failed,
    /// The user does not want it: it is not trained before it is requeued.
    Cancelled,
    /// Ended by a stopping rule before its last epoch, by intention.
    Stopped,
}

words!(RunState:
    Pending = "pending", Running = "running", Paused = "paused", Completed = "completed", Reused = "reused",
    Failed = "failed", Cancelled = "cancelled", Stopped = "stopped");

impl RunState {
    /// Whether the run has the results of a whole training: only such runs rank.
    #[must_use]
    pub const fn has_results(self) -> bool {
        matches!(self, Self::Completed | Self::Reused)
    }

    /// Whether running the spec trains it.
    #[must_use]
    pub const fn is_owed(self) -> bool {
        matches!(self, Self::Pending | Self::Running | Self::Paused | Self::Failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_its_state_in_text_and_json() {
        assert_eq!(RunState::ALL.len(), 8);
        for state in RunState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert!(!(state.has_results() && state.is_owed()), "{state}");
        }
    }
}
