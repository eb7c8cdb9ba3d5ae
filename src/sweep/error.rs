//! What can stop a sweep. A failed run cannot: it is data.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    base::{files::FileError, human::counted},
    corpus::CorpusError,
    index::RecordError,
    launch::{FindWorkerError, SlurmError},
    run::Busy,
    store::StoreError,
    tfevents::WriteError,
};

impl From<RecordError> for SweepError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Store(error) => error.into(),
            RecordError::File(error) => error.into(),
        }
    }
}

impl From<FileError> for SweepError {
    fn from(FileError { action, path, source }: FileError) -> Self {
        Self::Io { what: action, path, source }
    }
}

/// Why a sweep could not be carried out.
#[derive(Debug, Error)]
pub enum SweepError {
    /// Another process sweeps this experiment.
    #[error("experiment {by} (lock file {path})", path = path.display())]
    Locked {
        /// Which, and by whom.
        by: Busy,
        /// The lock file.
        path: PathBuf,
    },
    /// Somebody on another machine has taken the experiment over.
    #[error("experiment `{experiment}` was taken over by {by}: it goes on there, and this program ends{}", if *.jobs { "; its jobs stay" } else { "" })]
    TakenOver {
        /// The experiment.
        experiment: String,
        /// By whom.
        by: String,
        /// Whether runs are jobs of a cluster.
        jobs: bool,
    },
    /// The spec of this name that was run before says something else, and completed runs of it would be lost.
    #[error("the spec of `{experiment}` has changed since it ran:\n{}", listing(differences))]
    Changed {
        /// The experiment.
        experiment: String,
        /// One line a changed key: `key: old -> new`.
        differences: Vec<String>,
        /// Runs that the new spec has not.
        lost: usize,
        /// Completed ones of them.
        completed: usize,
    },
    /// The images are not those that the experiment's runs were trained on.
    #[error(
        "the images of `{experiment}` have changed since it ran: content id {old}, and {new} is what is there"
    )]
    OtherImages {
        /// The experiment.
        experiment: String,
        /// The content id of the earlier runs.
        old: String,
        /// The content id of the images in place.
        new: String,
        /// Runs on the earlier images.
        lost: usize,
        /// Completed ones of them.
        completed: usize,
    },
    /// The database does not know the experiment, and its folder has finished runs: one of the two was deleted.
    #[error(
        "{} of experiment `{experiment}` {} in `{}` and {} not in the database",
        counted(*.runs, "finished run"),
        if *.runs == 1 { "lies" } else { "lie" },
        .dir.display(),
        if *.runs == 1 { "is" } else { "are" }
    )]
    Unknown {
        /// The experiment.
        experiment: String,
        /// Its folder.
        dir: PathBuf,
        /// Finished runs in it.
        runs: usize,
    },
    /// A file or folder could not be used.
    #[error("cannot {what} {path}: {source}", path = path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The machine has no room for a single run.
    #[error("run `{run}` cannot be started, and no other run is alive that could make room for it: {reason}")]
    NoStart {
        /// The run's name.
        run: String,
        /// Why not.
        reason: String,
    },
    /// A signal came before the sweep.
    #[error("interrupted")]
    Interrupted,
    /// There is nobody to watch over the attempts.
    #[error("cannot start the keeper of the attempts: {0}")]
    Launcher(io::Error),
    /// Jobs of the experiment are in a cluster, and this sweep is not to use it.
    #[error("{} of `{experiment}` {} in Slurm, and the launcher is this machine", counted(*.jobs, "attempt"), if *.jobs == 1 { "is" } else { "are" })]
    InCluster {
        /// The experiment.
        experiment: String,
        /// Attempts.
        jobs: usize,
    },
    /// The cluster does not do what is asked of it.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// The slots do not fit the runs.
    #[error(transparent)]
    Setup(#[from] crate::schedule::SetupError),
    /// The images could not be prepared.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The built-in trainer is not there.
    #[error(transparent)]
    Worker(#[from] FindWorkerError),
    /// The runs database could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event file could not be written.
    #[error(transparent)]
    Events(#[from] WriteError),
}

fn listing(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

impl SweepError {
    /// Whether the command line or the spec is at fault, rather than the machine.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Changed { .. }
            | Self::OtherImages { .. }
            | Self::Unknown { .. }
            | Self::InCluster { .. } => true,
            Self::Slurm(error) => !error.passes(),
            Self::Corpus(error) => error.is_usage(),
            _ => false,
        }
    }

    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::InCluster { .. } => Some(
                "--launcher slurm takes them over; with it they may be cancelled, too (`gridboard cancel --all`)".to_owned(),
            ),
            Self::Slurm(error) => Some(error.hint().to_owned()),
            Self::Locked { by, .. } => Some(match by.elsewhere() {
                None => "wait for it, or stop it with Ctrl-C in its terminal".to_owned(),
                Some(host) => format!(
                    "wait for it, or stop it on {host}; `gridboard pause`, `cancel` and `drain` reach it from here too; \
                     `--take-over` makes it end there and goes on here"
                ),
            }),
            Self::Changed { experiment, lost, completed, .. }
            | Self::OtherImages { experiment, lost, completed, .. } => Some(format!(
                "--replace deletes {} that the new spec has not ({completed} completed) and trains what is missing; \
                 --set experiment={experiment}-2 keeps all and runs the new spec under a name of its own",
                counted(*lost, "run")
            )),
            Self::NoStart { .. } => Some(
                "make room (see `ulimit -a` and `df`) and run the spec again: what has not been trained is still owed"
                    .to_owned(),
            ),
            Self::Unknown { experiment, dir, .. } => Some(format!(
                "`gridboard index --rebuild` takes them into the database; `gridboard delete {experiment}` trains them all again; \
                 --set experiment={experiment}-2 leaves them in `{}`",
                dir.display()
            )),
            Self::Corpus(error) => error.hint(),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Worker(error) => Some(error.hint().to_owned()),
            _ => None,
        }
    }
}
