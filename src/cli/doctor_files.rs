//! The part of `gridboard doctor` that looks whether files are what was written: prepared images, the runs' results. Reads
//! everything once, which takes a second for each gigabyte or two.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    base::{error::with_causes, human::counted},
    corpus,
    run::RunDir,
};

/// More of a kind are counted.
const LISTED: usize = 10;

/// What was looked at, in words, and what is wrong with it.
pub(super) struct Checked {
    pub(super) what: String,
    pub(super) problems: Vec<String>,
}

/// The prepared images in the cache.
pub(super) fn cache(root: &Path) -> Checked {
    let folders: Vec<PathBuf> = folders(&root.join("corpus")).filter(|folder| is_published(folder)).collect();
    let damaged: Vec<String> = folders
        .iter()
        .filter_map(|folder| corpus::cached_fingerprint(folder).err())
        .map(|problem| format!("prepared images {problem}; they are prepared again when they are needed"))
        .collect();
    Checked {
        what: format!("{} with their hashes", counted(folders.len(), "prepared corpus")),
        problems: first(damaged),
    }
}

/// The files that the attempts in a runs directory have sealed.
pub(super) fn runs(runs_dir: &Path) -> Checked {
    let (mut runs, mut files, mut problems) = (0, 0, Vec::new());
    for dir in folders(runs_dir).flat_map(|experiment| folders(&experiment).collect::<Vec<_>>()) {
        match RunDir::new(&dir).look_at_seal() {
            Ok(seal) => {
                files += seal.whole.len() + seal.altered.len();
                runs += usize::from(!seal.whole.is_empty() || !seal.altered.is_empty());
                problems.extend(seal.altered.iter().map(|name| {
                    format!(
                        "`{}` is not what its run left: its content has changed",
                        dir.join(name).display()
                    )
                }));
            }
            Err(error) => problems.push(with_causes(&error)),
        }
    }
    let what = format!("{} of {} with their hashes", counted(files, "file"), counted(runs, "run"));
    Checked { what, problems: first(problems) }
}

/// The first problems, and how many more there are.
fn first(mut problems: Vec<String>) -> Vec<String> {
    let more = problems.len().saturating_sub(LISTED);
    problems.truncate(LISTED);
    if more > 0 {
        problems.push(format!("and {more} more of this kind"));
    }
    problems
}

/// Folders that are being made have another name.
fn is_published(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'))
}

fn folders(parent: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders.into_iter()
}
