//! The audit of an experiment's images, and where it is kept for the report.
//!
//! Called by `gridboard corpus`; read by the report. What is checked and how is `corpus::audit`'s.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::{SweepError, prepare_corpus};
use crate::{
    base::files::{Durability, write_whole},
    corpus::{
        self, Part, Progress,
        audit::{Audit, Images},
    },
    run::ExperimentDir,
    spec::{Dataset, OnError, Source, TestSet},
};

/// What tells how far an audit is: first the images are prepared, then they are looked at.
pub struct AuditProgress<'a> {
    /// Of the preparation.
    pub preparing: &'a dyn Progress,
    /// Of the looking.
    pub looking: &'a dyn Progress,
}

/// Prepares, splits and checks the images of a spec. Files that cannot be read are told, whatever the spec says of them.
/// `group_by` names groups other than the spec's.
///
/// # Errors
/// As [`prepare_corpus`] and `corpus::audit::audit`.
pub fn audit_dataset(
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
pub fn audit_folder(
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

/// Keeps an audit for the report of an experiment; the path it is kept at.
///
/// # Errors
/// Where the file cannot be written.
pub fn keep_audit(runs_dir: &Path, experiment: &str, audit: &Audit) -> Result<PathBuf, SweepError> {
    let path = ExperimentDir::new(runs_dir, experiment).audit();
    let text = serde_json::to_vec_pretty(audit).expect("names and numbers are JSON");
    write_whole(&path, &[&text], Durability::Synced)?;
    Ok(path)
}

/// The audit in an experiment's directory, where it is of the images and the split with this content id.
///
/// # Errors
/// Where there is a file that cannot be read.
pub(super) fn kept_audit(
    dir: &ExperimentDir,
    fingerprint: Option<&str>,
) -> Result<Option<Audit>, SweepError> {
    let path = dir.audit();
    let fail = |source| SweepError::Io { what: "read", path: path.clone(), source };
    let audit: Audit = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    Ok(Some(audit).filter(|audit| Some(audit.fingerprint.as_str()) == fingerprint))
}
