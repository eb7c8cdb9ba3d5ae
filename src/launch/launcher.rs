//! What the sweep asks of whoever executes attempts.
//!
//! Implemented by [`LocalLauncher`](super::LocalLauncher) for processes of this machine, by
//! [`SlurmLauncher`](super::SlurmLauncher) for jobs of a cluster, and by a stand-in in the tests of the sweep loop. What has a
//! queue leaves its attempts alive, and adopts those that an earlier Gridboard has left, which for processes cannot be.

use std::{future::Future, io, path::PathBuf};

use nix::sys::signal::Signal;

use super::{
    end::AttemptEnd,
    plan::{LaunchPlan, PlanError},
};
use crate::{
    base::error::is_shortage,
    event::Resumed,
    run::{Evidence, Failure, FailureKind, Handle},
};

/// Starts and stops attempts, and tells how they end.
pub trait Launcher {
    /// Starts an attempt and answers with its handle. Its end is told by [`Self::next`].
    ///
    /// # Errors
    /// If the run is live, or the attempt cannot be started.
    fn start(&mut self, plan: &LaunchPlan) -> Result<Handle, LaunchError>;

    /// Asks an attempt and all that it has started to end, or kills them. It stays live until its end is told. Nothing
    /// happens if the run is not live.
    ///
    /// # Errors
    /// If it cannot be reached.
    fn stop(&mut self, run: u64, kill: bool) -> Result<(), LaunchError>;

    /// Waits for the next news of an attempt; for ever if none is live. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = News>;

    /// Takes over the attempt of a run that an earlier Gridboard has left; `None` where there is none. It is live from then on.
    fn adopt(&mut self, _run: u64) -> Option<LeftAttempt> {
        None
    }

    /// Whether attempts wait in a queue before they begin, and outlive Gridboard.
    fn is_queue(&self) -> bool {
        false
    }

    /// Whether the next attempt of a run whose last one was cut off by a time limit has a longer one.
    fn gives_more_time(&self, _run: u64) -> bool {
        false
    }

    /// What the attempt of a live run is in, in words, as the end of a sentence that begins with the run; `None` where there is
    /// nothing to say.
    fn situation(&self, _run: u64) -> Option<String> {
        None
    }
}

/// What a launcher tells.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// An attempt that was in a queue has begun.
    Began {
        /// The run.
        run: u64,
        /// Where.
        host: String,
        /// When, seconds since 1970 on the clock there.
        time: f64,
        /// What the queue calls it.
        job: String,
    },
    /// An attempt has ended.
    Ended(Box<AttemptEnd>),
    /// Something worth a word.
    Note(String),
    /// Something that is not as it should be, and stops nothing.
    Warning(String),
}

/// An attempt that an earlier Gridboard has left.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftAttempt {
    /// How the launcher knows it.
    pub handle: Handle,
    /// Its number.
    pub attempt: u32,
    /// The run's directory.
    pub run_dir: PathBuf,
    /// Its start, seconds since 1970.
    pub started: f64,
    /// Where it goes on with an earlier one.
    pub resumed: Option<Resumed>,
}

/// Why an attempt could not be started or signalled.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The log cannot be opened or written.
    #[error("cannot write the log `{}`: {error}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The process cannot be started.
    #[error("cannot start `{program}`: {error}{detail}")]
    Start {
        /// The program, as the plan names it.
        program: String,
        /// Why.
        error: io::Error,
        /// What more can be said; empty, or begins with a space.
        detail: &'static str,
    },
    /// There is no process to watch over the attempt.
    #[error("cannot start a supervisor: {0}")]
    Supervisor(io::Error),
    /// A path or an argument that a job would be told is no text.
    #[error("`{0}` is no UTF-8, and cannot be told to a job")]
    NotText(String),
    /// It cannot be said what is to be started.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The run has a live attempt.
    #[error("run {0} has a live attempt")]
    Live(u64),
    /// A signal cannot be sent.
    #[error("cannot send {signal} to process {pid} of run {run}: {error}")]
    Signal {
        /// The run.
        run: u64,
        /// The process.
        pid: u32,
        /// The signal.
        signal: Signal,
        /// Why.
        error: io::Error,
    },
}

impl LaunchError {
    /// The run's failure, where an attempt was not started.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure {
            kind: FailureKind::Launch,
            reason: self.to_string(),
            log_tail: String::new(),
            evidence: Evidence::default(),
        }
    }

    /// Whether the machine has no more of something that other attempts give back when they end: descriptors, processes,
    /// memory, room on the disk.
    #[must_use]
    pub fn is_shortage(&self) -> bool {
        match self {
            Self::Log { error, .. }
            | Self::Start { error, .. }
            | Self::Signal { error, .. }
            | Self::Supervisor(error) => is_shortage(error),
            Self::Live(_) | Self::NotText(_) | Self::Plan(_) => false,
        }
    }
}
