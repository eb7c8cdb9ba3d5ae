//! Whether results on a corpus can be trusted: what is in it, what is there twice, and what gives the class away.
//!
//! Called by `gridboard corpus` (through `sweep`). Works on the prepared images, so on what networks see, and on what
//! `index.csv` and the headers of the files say of the originals. In reading order: `look` measures an image, `index` and
//! `duplicates` find copies, `groups` looks for groups on both sides of the split, `features`, `logistic` and `shortcuts`
//! ask how well the class can be told without looking at a lung, `census` counts, `warnings` says what to worry about.

mod census;
mod duplicates;
mod features;
mod folder;
mod groups;
mod header;
mod index;
mod logistic;
mod look;
mod shortcuts;
mod warnings;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use census::{ClassCensus, Spread};
pub use duplicates::{Duplicates, Likeness, Member, Pair};
pub use folder::prepare_folder;
pub use groups::{GroupCheck, SplitGroup};
pub use shortcuts::Shortcut;
pub use warnings::{Warning, WarningKind};

use super::{BadFile, CorpusError, MappedCorpus, Part, PreparationProgress, Prepared};
use look::Look;

/// Everything that was found out about a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Content id of images, settings and split, where a spec says how to split; else of the images.
    pub fingerprint: String,
    /// In index order.
    pub classes: Vec<ClassCensus>,
    /// All images that can be read, those of a test folder included.
    pub images: u64,
    /// Side of the prepared images that were compared, pixels.
    pub image_size: u32,
    /// Whether the images are split.
    pub is_split: bool,
    /// Files that cannot be read, and why.
    pub unreadable: Vec<BadFile>,
    /// Images that are there more than once.
    pub duplicates: Duplicates,
    /// Groups and the split; absent where no pattern names groups.
    pub groups: Option<GroupCheck>,
    /// How well the class can be told from one property, and last from all of them.
    pub shortcuts: Vec<Shortcut>,
    /// What makes results worth less; empty for a corpus without known faults.
    pub warnings: Vec<Warning>,
}

/// Prepared images to look at.
pub struct Images<'a> {
    /// The images.
    pub prepared: &'a Prepared,
    /// The folder that the files of the index lie in; absent for phantoms, which have no files.
    pub folder: Option<PathBuf>,
    /// The part of every image; empty where they are not split.
    pub parts: Vec<Part>,
    /// Whether files are named with their folder, to tell them from those of another.
    pub full_names: bool,
}

/// One image as the checks see it.
#[derive(Clone, Debug)]
struct Subject {
    file: String,
    class: String,
    label: u8,
    part: Option<Part>,
    /// Upright original, pixels.
    width: u32,
    height: u32,
    bytes: u64,
    format: String,
    /// Colour type and bit depth of the file.
    colours: String,
    bytes_hash: String,
    look: Look,
}

/// Looks at every image and checks the corpus. `group_by` names the groups, as in `dataset.group_by`.
///
/// # Errors
/// Where a prepared array cannot be opened, the pattern is none or matches nothing, or `cancelled` became true.
pub fn audit(
    fingerprint: &str,
    sets: &[Images<'_>],
    group_by: Option<&str>,
    progress: &dyn PreparationProgress,
    cancelled: Option<&AtomicBool>,
) -> Result<Audit, CorpusError> {
    progress.start(sets.iter().map(|set| set.prepared.files.len()).sum());
    let looked: Result<Vec<Vec<Subject>>, CorpusError> =
        sets.iter().map(|set| subjects(set, progress, cancelled)).collect();
    progress.finish();
    let subjects = looked?.concat();
    let is_split = sets.iter().any(|set| !set.parts.is_empty());
    let classes: Vec<String> = sets.first().map(|set| set.prepared.classes.clone()).unwrap_or_default();
    let mut audit = Audit {
        fingerprint: fingerprint.to_owned(),
        classes: census::count(&classes, &subjects),
        images: subjects.len() as u64,
        image_size: sets.first().map_or(0, |set| set.prepared.image_size),
        is_split,
        unreadable: sets.iter().flat_map(|set| set.prepared.skipped.iter().cloned()).collect(),
        duplicates: duplicates::find(&subjects),
        groups: group_by.map(|pattern| groups::check(&subjects, pattern)).transpose()?,
        shortcuts: shortcuts::measure(&subjects, classes.len()),
        warnings: Vec::new(),
    };
    audit.warnings = warnings::warnings(&audit);
    Ok(audit)
}

fn subjects(
    set: &Images<'_>,
    progress: &dyn PreparationProgress,
    cancelled: Option<&AtomicBool>,
) -> Result<Vec<Subject>, CorpusError> {
    let mapped = MappedCorpus::open(&set.prepared.folder)?;
    let subject = |(row, entry): (usize, &super::IndexEntry)| {
        if cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
            return Err(CorpusError::Cancelled);
        }
        let path = set.folder.as_ref().map(|folder| folder.join(&entry.file));
        // The prepared image is at hand even where its file is not any more, or its name is no UTF-8.
        let colours = path.as_ref().and_then(|path| header::colours(path).ok().flatten());
        let file = match &path {
            Some(path) if set.full_names => path.display().to_string(),
            _ => entry.file.clone(),
        };
        let subject = Subject {
            file,
            class: set.prepared.classes[usize::from(entry.label)].clone(),
            label: entry.label,
            part: set.parts.get(row).copied(),
            width: entry.width,
            height: entry.height,
            bytes: entry.bytes,
            format: entry.format.clone(),
            colours: colours.unwrap_or_else(|| "unknown".to_owned()),
            bytes_hash: entry.hash.clone(),
            look: Look::at(mapped.image(row), set.prepared.image_size),
        };
        progress.advance();
        Ok(subject)
    };
    set.prepared.files.par_iter().enumerate().map(subject).collect()
}

#[cfg(test)]
impl Default for Subject {
    fn default() -> Self {
        Self {
            file: String::new(),
            class: "normal".to_owned(),
            label: 0,
            part: None,
            width: 64,
            height: 64,
            bytes: 1000,
            format: "png".to_owned(),
            colours: "8-bit gray".to_owned(),
            bytes_hash: String::new(),
            look: Look::at(&[0; 16], 4),
        }
    }
}
