//! What the sweep asks of whoever executes attempts.
//!
//! Implemented by [`LocalLauncher`](super::LocalLauncher) for processes of this machine, and by a stand-in in the tests of
//! the sweep loop. A cluster engine implements it beside them; it will also `adopt` the jobs that an earlier Gridboard
//! left alive, which for processes cannot be.

use std::{future::Future, io, path::PathBuf};

use nix::sys::signal::Signal;

use super::{end::AttemptEnd, plan::LaunchPlan};
use crate::{
    base::error::is_shortage,
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

    /// Waits for the next end of an attempt; for ever if none is live. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = AttemptEnd>;
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
            Self::Live(_) => false,
        }
    }
}
