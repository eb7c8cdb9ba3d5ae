//! Tails the event files of one run: what trainers log becomes points of curves.
//!
//! Used by the sweep for live attempts (poll, wait, poll) and by whoever rebuilds the database from directories
//! ([`read_run`]). Any program's event files do: a file whose name contains `tfevents`, at any moderate depth below the run
//! directory. Nothing here writes, waits or watches.
//!
//! TensorBoard takes a step at or below an earlier one, of the same tag and sub-run, for a restart from a checkpoint and
//! drops the points from there on. The follower hands on every point, in file order, a replaced file's points again; the
//! store keeps the last point of each tag and step, and whoever restarts a run cuts its later points.

mod file;
mod tree;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use thiserror::Error;

use crate::{
    event::Scalar,
    tfevents::{Corruption, ScalarTags},
};
use file::{EventFile, State};
use tree::Tree;

/// What a poll found.
#[derive(Debug, Default)]
pub struct Poll {
    /// New points: files in the order of their paths, points in file order.
    pub scalars: Vec<Scalar>,
    /// What could not be read, each told once.
    pub problems: Vec<FollowProblem>,
}

/// Something under a run directory that could not be read. The rest of the run is followed all the same.
#[derive(Debug, Error)]
pub enum FollowProblem {
    /// A file or directory is not readable; it is tried again at every poll.
    #[error("cannot read `{}`: {error}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not an event file from here on; it is left alone until it is replaced.
    #[error("event file `{}` is corrupt at byte {offset}: {corruption}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the bad record starts.
        offset: u64,
        /// What is wrong with it.
        corruption: Corruption,
    },
}

/// Follows the event files of one run.
#[derive(Debug)]
pub struct RunFollower {
    tree: Tree,
    files: BTreeMap<PathBuf, EventFile>,
    /// Per directory: which of its tags are scalars.
    tags: HashMap<PathBuf, ScalarTags>,
}

impl RunFollower {
    /// A follower of the run in `run_dir`, which need not exist yet.
    #[must_use]
    pub fn new(run_dir: &Path) -> Self {
        Self { tree: Tree::new(run_dir), files: BTreeMap::new(), tags: HashMap::new() }
    }

    /// Everything new since the last poll, up to the end of the last whole record of each file.
    ///
    /// Where nothing changed this costs a `stat` per directory and file.
    pub fn poll(&mut self) -> Poll {
        let mut poll = Poll::default();
        self.tree.refresh(SystemTime::now(), &mut poll.problems, |directory, prefix, path| {
            self.files.entry(path).or_insert_with(|| EventFile::new(directory, prefix));
        });
        self.files.retain(|path, file| {
            let tags = self.tags.entry(file.directory().to_owned()).or_default();
            file.poll(path, tags, &mut poll) == State::Present
        });
        poll
    }
}

/// Everything that the event files of a run hold.
#[must_use]
pub fn read_run(run_dir: &Path) -> Poll {
    RunFollower::new(run_dir).poll()
}

#[cfg(test)]
mod tests;
