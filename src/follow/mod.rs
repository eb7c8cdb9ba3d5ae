//! Tails the event files of one run: what trainers log becomes points of curves.
//!
//! Used by the sweep for live attempts (poll, wait, poll) and by whoever rebuilds the database from directories
//! ([`read_run`]). Any program's event files do: a file whose name contains `tfevents`, at any moderate depth below the run
//! directory. Nothing here writes, waits or watches.
//!
//! Curves are those that TensorBoard shows: see `curves` for steps that go back. A file that is written anew, or that comes to
//! lie before one that was read, has its directory read again from the start, so that a run that was followed and one that is
//! read at its end have the same points.

mod curves;
mod earlier;
mod file;
mod links;
mod problem;
mod tree;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    event::{Cut, Scalar},
    tfevents::{ScalarTags, hparams},
};
use curves::{Curves, Source};
use file::{EventFile, Look};
use tree::Tree;

pub use earlier::Earlier;
pub use problem::FollowProblem;

/// What a poll found.
#[derive(Debug, Default)]
pub struct Poll {
    /// Ends of curves from earlier polls that no longer count. They come before the points.
    pub cuts: Vec<Cut>,
    /// New points: files in the order of their paths, points in file order, each tag and step once.
    pub scalars: Vec<Scalar>,
    /// What could not be read or is not as it looks, each told once.
    pub problems: Vec<FollowProblem>,
}

/// Follows the event files of one run.
#[derive(Debug)]
pub struct RunFollower {
    tree: Tree,
    files: BTreeMap<PathBuf, EventFile>,
    /// By directory: its number, and which of its tags are scalars.
    directories: HashMap<PathBuf, (usize, ScalarTags)>,
    curves: Curves,
    /// How many files there have been.
    numbered: usize,
    /// Whether what Gridboard itself has measured is read too.
    with_own: bool,
}

impl RunFollower {
    /// A follower of the run in `run_dir`, which need not exist yet.
    #[must_use]
    pub fn new(run_dir: &Path) -> Self {
        Self {
            tree: Tree::new(run_dir),
            files: BTreeMap::new(),
            directories: HashMap::new(),
            curves: Curves::default(),
            numbered: 0,
            with_own: false,
        }
    }

    /// Lets links lead to what lies below `folder`, too: where an imported run's event files are.
    #[must_use]
    pub fn with_links_to(mut self, folder: &Path) -> Self {
        self.tree.allow(folder);
        self
    }

    /// Reads what Gridboard itself has measured of the machine, too: for whoever puts all points of a run into the database.
    #[must_use]
    pub fn with_own(mut self) -> Self {
        self.with_own = true;
        self
    }

    /// Everything new since the last poll, up to the end of the last whole record of each file.
    ///
    /// Where nothing changed this costs a `stat` per directory and file.
    pub fn poll(&mut self) -> Poll {
        let mut problems = Vec::new();
        let anew = self.find(&mut problems);
        let mut grown = Vec::new();
        let mut void: HashSet<usize> = anew;
        self.files.retain(|path, file| {
            match file.look(path, &mut problems) {
                Look::Gone => return false,
                Look::Unchanged => {}
                Look::Grown => grown.push(path.clone()),
                Look::Anew => {
                    void.insert(file.directory());
                }
            }
            true
        });
        for &directory in &void {
            self.curves.forget(directory);
        }
        if !void.is_empty() {
            let voided = self.files.iter_mut().filter(|(_, file)| void.contains(&file.directory()));
            grown.extend(voided.map(|(path, file)| {
                file.rewind();
                path.clone()
            }));
            grown.sort();
            grown.dedup();
        }
        for path in grown {
            let Some(file) = self.files.get_mut(&path) else { continue };
            let directory = path.parent().unwrap_or(&path);
            let (_, tags) = self.directories.get_mut(directory).expect("a file's directory has a number");
            file.read(&path, tags, &mut self.curves, &mut problems);
        }
        if self.curves.is_empty() {
            return Poll { problems, ..Poll::default() };
        }
        let (cuts, scalars) = self.curves.take();
        Poll { cuts, scalars, problems }
    }

    /// Looks for new files. Returns the directories where one lies before a file that was read.
    fn find(&mut self, problems: &mut Vec<FollowProblem>) -> HashSet<usize> {
        let mut new: Vec<(PathBuf, usize)> = Vec::new();
        self.tree.refresh(SystemTime::now(), problems, |directory, prefix, path| {
            // What Gridboard has written itself is no sign of life, and the database has it.
            if self.files.contains_key(&path) || (!self.with_own && is_own(&path)) {
                return;
            }
            let number = self.directories.len();
            let (number, _) =
                self.directories.entry(directory.to_owned()).or_insert((number, ScalarTags::default()));
            let source = Source { directory: *number, file: self.numbered };
            self.numbered += 1;
            self.files.insert(path.clone(), EventFile::new(prefix, source, &path));
            new.push((path, *number));
        });
        new.retain(|(path, number)| {
            let later = self.files.range(path.clone()..).filter(|(_, file)| file.directory() == *number);
            later.into_iter().any(|(_, file)| file.is_begun())
        });
        new.into_iter().map(|(_, number)| number).collect()
    }
}

/// Whether a file is one that Gridboard has written beside the run's.
fn is_own(path: &Path) -> bool {
    hparams::is_session(path)
}

/// Everything that the event files of a run hold, but for what Gridboard itself has measured.
#[must_use]
pub fn read_run(run_dir: &Path) -> Poll {
    RunFollower::new(run_dir).poll()
}

#[cfg(test)]
mod tests;
