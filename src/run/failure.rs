//! Why an attempt failed.

use serde::{Deserialize, Serialize};

use super::words::words;

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, for queries.
    pub kind: FailureKind,
    /// One line that says what happened.
    pub reason: String,
    /// The last lines of the log.
    pub log_tail: String,
}

/// Kinds of failure, told apart because each wants another answer from the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The loss became NaN or infinite.
    Diverged,
    /// The process ended with a status other than 0.
    Exit,
    /// The process was ended by a signal that Gridboard did not send.
    Signal,
    /// Memory ran out, on the host or on the device.
    OutOfMemory,
    /// The trainer reported an error of its own: data, weights, files.
    Trainer,
    /// The process could not be started.
    Launch,
    /// The process ended well, but the metrics that the ranking needs were never written.
    NoMetrics,
}

words!(FailureKind:
    Diverged = "diverged", Exit = "exit", Signal = "signal", OutOfMemory = "out_of_memory", Trainer = "trainer",
    Launch = "launch", NoMetrics = "no_metrics");
