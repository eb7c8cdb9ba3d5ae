//! The links in a run's folder: where they lead, and what that means for the follower.
//!
//! Used by `tree`. TensorBoard goes through every link. The follower goes through those that stay in the run's folder, and
//! says so where one leads out of it to event files: what is written elsewhere belongs to somebody else, and stays where it
//! is when the run is cleared or moved.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// At most so many entries of a folder outside are looked at, to see whether there are event files in it.
const LOOK: usize = 256;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To a directory of the run.
    Directory,
    /// To a file of the run that is named as an event file, by the link's own name.
    EventFile,
    /// Out of the run's folder, to event files.
    Outside(PathBuf),
    /// Nowhere yet, round in a circle, or to what is nobody's event file.
    Nothing,
}

/// Looks where the link at `path` leads; `root` is the run's folder, without links, and `allowed` is as good.
pub(super) fn target(root: &Path, allowed: Option<&Path>, path: &Path) -> Target {
    let Ok(target) = fs::canonicalize(path) else { return Target::Nothing };
    let Ok(metadata) = fs::metadata(&target) else { return Target::Nothing };
    let inside = target.starts_with(root) || allowed.is_some_and(|allowed| target.starts_with(allowed));
    if metadata.is_dir() {
        // A link to a folder that it lies in leads round for ever.
        let around = path.parent().and_then(|parent| fs::canonicalize(parent).ok());
        match (inside, around.is_none_or(|around| around.starts_with(&target))) {
            (_, true) => Target::Nothing,
            (true, false) => Target::Directory,
            (false, false) if holds_events(&target) => Target::Outside(target),
            (false, false) => Target::Nothing,
        }
    } else if metadata.is_file() && is_event_file(path) {
        if inside { Target::EventFile } else { Target::Outside(target) }
    } else {
        Target::Nothing
    }
}

/// Whether a path is named as TensorBoard wants event files named.
pub(super) fn is_event_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("tfevents"))
}

/// Whether there are event files in a folder or right below it, as far as a short look tells.
fn holds_events(folder: &Path) -> bool {
    let mut left = LOOK;
    let mut waiting = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = waiting.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            if left == 0 {
                return false;
            }
            left -= 1;
            let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_dir && depth < 2 {
                waiting.push((entry.path(), depth + 1));
            } else if !is_dir && is_event_file(&entry.path()) {
                return true;
            }
        }
    }
    false
}
