//! Why an attempt failed.

use serde::{Deserialize, Serialize};

use super::{evidence::Evidence, words::words};

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, for queries.
    pub kind: FailureKind,
    /// One line that says what happened.
    pub reason: String,
    /// The last lines of the log.
    pub log_tail: String,
    /// What was seen of the end, for queries and for who decides whether it is tried again.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
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
    /// It took longer than a run may.
    Timeout,
    /// It wrote no point and no line of its log for as long as that is allowed.
    Stalled,
    /// The process ended well, but the metrics that the ranking needs were never written.
    NoMetrics,
    /// The CUDA device failed under it: what it says of itself, not a mistake of the program's.
    CudaFault,
    /// The built-in trainer met a bug of its own.
    Panic,
    /// Prepared images, labels or the split are missing, damaged, or do not belong together.
    BadData,
    /// A file of the run did not fit onto the disk.
    DiskFull,
    /// Nobody saw how it ended: its sweep or its supervisor was killed, or its job is gone.
    Lost,
    /// Its job was ended by a cluster for one of a higher priority.
    Preempted,
    /// Its job has reached its time limit.
    TimeLimit,
    /// The node of its job failed.
    NodeFailed,
    /// Its job was put back into the queue.
    Requeued,
    /// Its job was cancelled by somebody else.
    JobCancelled,
}

impl FailureKind {
    /// Whether a cluster has ended the attempt, for reasons that are none of the run's.
    #[must_use]
    pub fn is_of_cluster(self) -> bool {
        matches!(
            self,
            Self::Preempted | Self::TimeLimit | Self::NodeFailed | Self::Requeued | Self::JobCancelled
        )
    }

    /// Whether what fails one run in this way may let another one pass, since it follows from the run's parameters.
    #[must_use]
    pub fn depends_on_parameters(self) -> bool {
        match self {
            Self::Diverged | Self::OutOfMemory | Self::Timeout | Self::NoMetrics => true,
            Self::Exit
            | Self::Signal
            | Self::Trainer
            | Self::Launch
            | Self::CudaFault
            | Self::Stalled
            | Self::Panic
            | Self::BadData
            | Self::DiskFull
            | Self::Lost
            | Self::Preempted
            | Self::TimeLimit
            | Self::NodeFailed
            | Self::Requeued
            | Self::JobCancelled => false,
        }
    }
}

words!(FailureKind:
    Diverged = "diverged", Exit = "exit", Signal = "signal", OutOfMemory = "out_of_memory", Trainer = "trainer",
    Launch = "launch", Timeout = "timeout", Stalled = "stalled", NoMetrics = "no_metrics", CudaFault = "cuda_fault",
    Panic = "panic", BadData = "bad_data", DiskFull = "disk_full", Lost = "lost",
    Preempted = "preempted", TimeLimit = "time_limit", NodeFailed = "node_failed", Requeued = "requeued",
    JobCancelled = "job_cancelled");
