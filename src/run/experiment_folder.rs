//! The folder of an experiment: what each file in it is called.
//!
//! The one home of these names, as `folder` is of those in a run's.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::folder::{EVENTS, RunDir};
use crate::base::files::{FileError, remove_if_there};

/// The directory of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExperimentDir(PathBuf);

impl ExperimentDir {
    /// Ends the name of the event file of the sweep's own run in TensorBoard.
    pub const BOARD: &'static str = "board";

    /// The directory of the experiment of this name.
    #[must_use]
    pub fn new(runs_dir: &Path, experiment: &str) -> Self {
        Self(runs_dir.join(experiment))
    }

    /// A directory that is known to be an experiment's.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The spec as it is run, resolved.
    #[must_use]
    pub fn spec(&self) -> PathBuf {
        self.0.join("experiment.yaml")
    }

    /// What the database knows of the experiment beside its spec and its runs' folders.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.0.join("ledger.json")
    }

    /// The points that a search has suggested.
    #[must_use]
    pub fn search(&self) -> PathBuf {
        self.0.join("search.jsonl")
    }

    /// Held by the process that sweeps the experiment.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join(".lock")
    }

    /// Which database has what is newest of the experiment, where there are several.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join(".database")
    }

    /// Signs of life of the process that sweeps the experiment, for other machines.
    #[must_use]
    pub fn leases(&self) -> PathBuf {
        self.0.join(".lease")
    }

    /// The mark of the experiment's processes; held as long as one of its supervisors lives.
    #[must_use]
    pub fn children(&self) -> PathBuf {
        self.0.join(".children")
    }

    /// Where a sweep that listens takes requests of other terminals and answers them.
    #[must_use]
    pub fn control(&self) -> PathBuf {
        self.0.join(".control")
    }

    /// Orders to jobs of a cluster, and what they answer.
    #[must_use]
    pub fn slurm(&self) -> PathBuf {
        self.0.join(".slurm")
    }

    /// The runs whose folders are being removed.
    #[must_use]
    pub fn removal(&self) -> PathBuf {
        self.0.join(".removal")
    }

    /// Which image trains, validates or is held out, for workers.
    #[must_use]
    pub fn split(&self) -> PathBuf {
        self.0.join("split.npy")
    }

    /// The same for people.
    #[must_use]
    pub fn split_table(&self) -> PathBuf {
        self.0.join("corpus.csv")
    }

    /// Tab. 1, for a report that is made anew. (A folder of the cache has another file of that name.)
    #[must_use]
    pub fn loading_table(&self) -> PathBuf {
        self.0.join("corpus.json")
    }

    /// What `gridboard corpus` found.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.0.join("corpus_audit.json")
    }

    /// Where the cores' time of the last sweep went.
    #[must_use]
    pub fn account(&self) -> PathBuf {
        self.0.join("sweep.json")
    }

    /// What the slots did, for Perfetto.
    #[must_use]
    pub fn trace(&self) -> PathBuf {
        self.0.join("trace.json")
    }

    /// The report's folder.
    #[must_use]
    pub fn report(&self) -> PathBuf {
        self.0.join("report")
    }

    /// Removes the event files of the sweep's own run, all but this one.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn remove_boards_but(&self, kept: &Path) -> Result<(), FileError> {
        let entries = fs::read_dir(&self.0).map_err(FileError::at("read", &self.0))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_board = path.extension().is_some_and(|last| last == Self::BOARD)
                && path.file_name().is_some_and(|name| name.to_string_lossy().contains(EVENTS));
            if is_board && path != kept {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// The directory of a run of the experiment.
    #[must_use]
    pub fn run(&self, name: &str) -> RunDir {
        RunDir::new(&self.0.join(name))
    }
}
