//! The directories of a run, and the event files that appear in them.
//!
//! Used by the follower at every poll. Reads a directory only where its modification time says that it changed.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::FollowProblem;

/// Sub-runs are one or two levels deep. The bound keeps a poll cheap where a trainer unpacks something below its run.
const MAX_DEPTH: usize = 8;

/// A directory that changed within this time is read again: file systems stamp in ticks of up to two seconds, and a file
/// made later in the tick of the last reading leaves the stamp as it was.
const SETTLED: Duration = Duration::from_secs(3);

/// The directories of a run that are known.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    directories: BTreeMap<PathBuf, Directory>,
}

#[derive(Debug)]
struct Directory {
    /// Names from the root down, joined by slashes; empty for the root.
    prefix: String,
    depth: usize,
    /// The modification time at the last reading, where later changes are sure to move it.
    settled: Option<SystemTime>,
    /// Whether its problem has been told.
    told: bool,
}

impl Directory {
    fn new(prefix: String, depth: usize) -> Self {
        Self { prefix, depth, settled: None, told: false }
    }
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        let directories = BTreeMap::from([(root.to_owned(), Directory::new(String::new(), 0))]);
        Self { root: root.to_owned(), directories }
    }

    /// Hands directory, prefix and path of the event files in every changed directory to `found`, known ones included.
    pub(super) fn refresh(
        &mut self,
        now: SystemTime,
        problems: &mut Vec<FollowProblem>,
        mut found: impl FnMut(&Path, &str, PathBuf),
    ) {
        let mut waiting: Vec<PathBuf> = self.directories.keys().cloned().collect();
        while let Some(path) = waiting.pop() {
            let Some(directory) = self.directories.get_mut(&path) else { continue };
            match directory.refresh(&path, now, &mut found) {
                Ok(below) => {
                    directory.told = false;
                    let (depth, prefix) = (directory.depth + 1, directory.prefix.clone());
                    for name in below {
                        let below = path.join(&name);
                        if depth <= MAX_DEPTH && !self.directories.contains_key(&below) {
                            let name = join(&prefix, &name.to_string_lossy());
                            self.directories.insert(below.clone(), Directory::new(name, depth));
                            waiting.push(below);
                        }
                    }
                }
                Err(error) if is_gone(&error) => {
                    directory.settled = None;
                    if path != self.root {
                        self.directories.remove(&path);
                    }
                }
                Err(error) => {
                    if !directory.told {
                        directory.told = true;
                        problems.push(FollowProblem::Unreadable { path, error });
                    }
                }
            }
        }
    }
}

impl Directory {
    /// The directories in `path`, unless it is unchanged.
    fn refresh(
        &mut self,
        path: &Path,
        now: SystemTime,
        found: &mut impl FnMut(&Path, &str, PathBuf),
    ) -> io::Result<Vec<OsString>> {
        // The run directory may be reached by a link. One below it that became a link is gone.
        let metadata = if self.depth == 0 { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let modified = metadata.modified()?;
        if self.settled == Some(modified) {
            return Ok(Vec::new());
        }
        self.settled = None;
        let mut below = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // The type of the entry itself: a link is neither, so that nothing outside of the run is read.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                below.push(entry.file_name());
            } else if kind.is_file() && entry.file_name().to_string_lossy().contains("tfevents") {
                found(path, &self.prefix, entry.path());
            }
        }
        let settled = now.duration_since(modified).is_ok_and(|age| age >= SETTLED);
        self.settled = settled.then_some(modified);
        Ok(below)
    }
}

/// A path or tag below `prefix`.
pub(super) fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { [prefix, "/", name].concat() }
}

/// Whether a path is not there, or no longer.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
