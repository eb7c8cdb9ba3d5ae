//! The states of a run.

use serde::{Deserialize, Serialize};

use super::words::words;

/// The state of a run in the ledger. Every run of a grid is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Owed: never started, or interrupted.
    Pending,
    /// An attempt is alive.
    Running,
    /// Finished with results.
    Completed,
    /// The last attempt failed; running the spec again retries it.
    Failed,
}

words!(RunState: Pending = "pending", Running = "running", Completed = "completed", Failed = "failed");
