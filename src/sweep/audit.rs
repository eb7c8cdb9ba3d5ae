//! The audit of an experiment's images: prepares and splits them as a sweep does, then has them checked.
//!
//! Called by `gridboard corpus`. What is checked and how is `corpus::audit`'s; `publish` keeps it for the report.

use std::{path::Path, sync::atomic::AtomicBool};

use super::{SweepError, prepare_corpus};
use crate::{
    corpus::{
        self, Part, PreparationProgress,
        audit::{Audit, Images},
    },
    spec::{Dataset, OnError, Source, TestSet},
};

/// What tells how far an audit is: first the images are prepared, then they are looked at.
pub(crate) struct AuditProgress<'a> {
    /// Of the preparation.
    pub preparing: &'a dyn PreparationProgress,
    /// Of the looking.
    pub looking: &'a dyn PreparationProgress,
}

/// Prepares, splits and checks the images of a spec. Files that cannot be read are told, whatever the spec says of them.
/// `group_by` names groups other than the spec's.
///
/// # Errors
/// As [`prepare_corpus`] and `corpus::audit::audit`.
pub(crate) fn audit_dataset(
    dataset: &Dataset,
    cache: &Path,
    group_by: Option<&str>,
    progress: &AuditProgress<'_>,
    cancelled: &AtomicBool,
) -> Result<Audit, SweepError> {
    let dataset = Dataset { on_error: OnError::Skip, ..dataset.clone() };
    let corpus = prepare_corpus(&dataset, cache, progress.preparing, cancelled)?;
    let folder = match &dataset.source {
        Source::Images(folder) => Some(folder.clone()),
        Source::Phantom(_) => None,
    };
    let parts = corpus.parts.clone();
    let mut sets = vec![Images { prepared: &corpus.prepared, folder, parts, full_names: false }];
    if let (Some(test), Some(TestSet::Folder(folder))) = (&corpus.test, &dataset.test) {
        let parts = vec![Part::Test; test.files.len()];
        sets.push(Images { prepared: test, folder: Some(folder.clone()), parts, full_names: true });
    }
    let group_by = group_by.or(dataset.group_by.as_deref());
    let audit =
        corpus::audit::audit(&corpus.fingerprint, &sets, group_by, progress.looking, Some(cancelled))?;
    Ok(audit)
}

/// Checks the images of a folder with a folder per class.
///
/// # Errors
/// As `corpus::audit::prepare_folder` and `corpus::audit::audit`.
pub(crate) fn audit_folder(
    folder: &Path,
    cache: &Path,
    group_by: Option<&str>,
    progress: &AuditProgress<'_>,
    cancelled: &AtomicBool,
) -> Result<Audit, SweepError> {
    let prepared = corpus::audit::prepare_folder(folder, cache, progress.preparing, Some(cancelled))?;
    let folder = Some(folder.to_owned());
    let sets = [Images { prepared: &prepared, folder, parts: Vec::new(), full_names: false }];
    let fingerprint = &prepared.fingerprint;
    Ok(corpus::audit::audit(fingerprint, &sets, group_by, progress.looking, Some(cancelled))?)
}
