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

use super::{
    FollowProblem,
    links::{self, Target, is_event_file},
};

/// Sub-runs are one or two levels deep. The bound keeps a poll cheap where a trainer unpacks something below its run.
const MAX_DEPTH: usize = 8;

/// A directory that changed within this time is read again: file systems stamp in ticks of up to two seconds, and a file
/// made later in the tick of the last reading leaves the stamp as it was.
const SETTLED: Duration = Duration::from_secs(3);

/// The directories of a run that are known.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// What links may lead to beside the run's folder, without links itself.
    allowed: Option<PathBuf>,
    directories: BTreeMap<PathBuf, Directory>,
    /// The links in them, and whether it has been told that one leads outside.
    links: BTreeMap<PathBuf, Link>,
}

#[derive(Debug)]
struct Directory {
    /// Names from the root down, joined by slashes; empty for the root.
    prefix: String,
    depth: usize,
    /// Whether the path itself may be a link: the run's folder, and links that are followed.
    follows: bool,
    /// Whether it was reached by a link below the run's folder.
    linked: bool,
    /// The modification time at the last reading, where later changes are sure to move it.
    settled: Option<SystemTime>,
    /// Whether its problem has been told.
    told: bool,
}

#[derive(Debug)]
struct Link {
    /// Prefix and depth of the directory that it lies in.
    prefix: String,
    depth: usize,
    told: bool,
}

/// What a directory holds, beside event files.
#[derive(Default)]
struct Below {
    directories: Vec<OsString>,
    links: Vec<OsString>,
}

impl Directory {
    fn new(prefix: String, depth: usize, linked: bool) -> Self {
        Self { prefix, depth, follows: false, linked, settled: None, told: false }
    }

    /// One that a link may lead to.
    fn following(prefix: String, depth: usize, linked: bool) -> Self {
        Self { follows: true, ..Self::new(prefix, depth, linked) }
    }
}

impl Tree {
    pub(super) fn new(root: &Path) -> Self {
        let directories = BTreeMap::from([(root.to_owned(), Directory::following(String::new(), 0, false))]);
        Self { root: root.to_owned(), allowed: None, directories, links: BTreeMap::new() }
    }

    /// Lets links lead to what lies below `folder`.
    pub(super) fn allow(&mut self, folder: &Path) {
        self.allowed = fs::canonicalize(folder).ok();
    }

    /// Hands directory, prefix and path of the event files in every changed directory to `found`, known ones included.
    pub(super) fn refresh(
        &mut self,
        now: SystemTime,
        problems: &mut Vec<FollowProblem>,
        mut found: impl FnMut(&Path, &str, PathBuf),
    ) {
        let waiting: Vec<PathBuf> = self.directories.keys().cloned().collect();
        self.read(waiting, now, problems, &mut found);
        let linked = self.follow_links(problems, &mut found);
        self.read(linked, now, problems, &mut found);
    }

    /// Reads directories, and the new ones below them.
    fn read(
        &mut self,
        mut waiting: Vec<PathBuf>,
        now: SystemTime,
        problems: &mut Vec<FollowProblem>,
        found: &mut impl FnMut(&Path, &str, PathBuf),
    ) {
        while let Some(path) = waiting.pop() {
            let Some(directory) = self.directories.get_mut(&path) else { continue };
            match directory.refresh(&path, now, found) {
                Ok(below) => {
                    directory.told = false;
                    let (depth, linked) = (directory.depth + 1, directory.linked);
                    let prefix = directory.prefix.clone();
                    // Links in what a link leads to would be a tree without an end.
                    for name in below.links.iter().filter(|_| !linked) {
                        let link = Link { prefix: prefix.clone(), depth, told: false };
                        self.links.entry(path.join(name)).or_insert(link);
                    }
                    for name in below.directories {
                        let below = path.join(&name);
                        if depth <= MAX_DEPTH && !self.directories.contains_key(&below) {
                            let name = join(&prefix, &name.to_string_lossy());
                            self.directories.insert(below.clone(), Directory::new(name, depth, linked));
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

    /// Looks where the links lead, since that changes without the link. Returns the directories that are new.
    fn follow_links(
        &mut self,
        problems: &mut Vec<FollowProblem>,
        found: &mut impl FnMut(&Path, &str, PathBuf),
    ) -> Vec<PathBuf> {
        let mut new = Vec::new();
        if self.links.is_empty() {
            return new;
        }
        let Ok(root) = fs::canonicalize(&self.root) else { return new };
        self.links.retain(|path, link| {
            if !fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()) {
                return false;
            }
            match links::target(&root, self.allowed.as_deref(), path) {
                Target::Directory if link.depth <= MAX_DEPTH => {
                    if !self.directories.contains_key(path) {
                        let name = path.file_name().unwrap_or_default().to_string_lossy();
                        let prefix = join(&link.prefix, &name);
                        self.directories.insert(path.clone(), Directory::following(prefix, link.depth, true));
                        new.push(path.clone());
                    }
                }
                Target::EventFile => {
                    found(path.parent().unwrap_or(&self.root), &link.prefix, path.clone());
                }
                // It may have led to a directory of the run before.
                Target::Outside(target) => {
                    self.directories.retain(|directory, _| !directory.starts_with(path));
                    if !link.told {
                        link.told = true;
                        problems.push(FollowProblem::Outside { path: path.clone(), target });
                    }
                }
                Target::Directory | Target::Nothing => {}
            }
            true
        });
        new
    }
}

impl Directory {
    /// The directories and links in `path`, unless it is unchanged.
    fn refresh(
        &mut self,
        path: &Path,
        now: SystemTime,
        found: &mut impl FnMut(&Path, &str, PathBuf),
    ) -> io::Result<Below> {
        // Where a directory became a link, it is gone; the link is followed as one, or not.
        let metadata = if self.follows { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let modified = metadata.modified()?;
        if self.settled == Some(modified) {
            return Ok(Below::default());
        }
        self.settled = None;
        let mut below = Below::default();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // The type of the entry itself, so that a link is seen as one.
            let kind = entry.file_type()?;
            if kind.is_dir() {
                below.directories.push(entry.file_name());
            } else if kind.is_symlink() {
                below.links.push(entry.file_name());
            } else if kind.is_file() && is_event_file(&entry.path()) {
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
