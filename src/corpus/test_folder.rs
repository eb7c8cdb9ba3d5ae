//! A held-out test set with a folder of its own: prepared and cached like the images that train, and compared with them.
//!
//! Called by the sweep and by the audit. Leaves to others what a share of the images is: that is the split's.

use std::{collections::HashSet, path::Path, sync::atomic::AtomicBool};

use super::{CorpusError, PreparationProgress, Prepared, prepare::prepare};
use crate::spec::{Dataset, Source, TestSet};

/// Prepares the test folder of a dataset with the dataset's classes, size and blur; `None` where it has no such folder.
///
/// # Errors
/// As [`prepare`], said of `dataset.test`.
pub fn prepare_test_folder(
    dataset: &Dataset,
    cache_root: &Path,
    progress: &dyn PreparationProgress,
    cancelled: Option<&AtomicBool>,
) -> Result<Option<Prepared>, CorpusError> {
    let Some(TestSet::Folder(folder)) = &dataset.test else { return Ok(None) };
    let held_out = Dataset { source: Source::Images(folder.clone()), test: None, ..dataset.clone() };
    prepare(&held_out, cache_root, progress, cancelled).map(Some).map_err(CorpusError::in_test_folder)
}

impl Prepared {
    /// Files whose bytes are those of a file of `other`, in index order.
    #[must_use]
    pub fn copies_of(&self, other: &Self) -> Vec<&str> {
        let known: HashSet<&str> = other.files.iter().map(|file| file.hash.as_str()).collect();
        let copies = self.files.iter().filter(|file| known.contains(file.hash.as_str()));
        copies.map(|file| file.file.as_str()).collect()
    }
}
