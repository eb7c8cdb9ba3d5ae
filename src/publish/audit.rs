//! Where the audit of an experiment's images is kept for its report.
//!
//! Written by `gridboard corpus`, read by the report. What is checked and how is `corpus::audit`'s.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::PublishError;
use crate::{
    base::files::{Durability, FileError, write_whole},
    corpus::audit::Audit,
    run::ExperimentDir,
};

/// Keeps an audit for the report of an experiment; the path it is kept at.
///
/// # Errors
/// Where the file cannot be written.
pub fn keep_audit(runs_dir: &Path, experiment: &str, audit: &Audit) -> Result<PathBuf, PublishError> {
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
) -> Result<Option<Audit>, PublishError> {
    let path = dir.audit();
    let fail = FileError::at("read", &path);
    let audit: Audit = match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| fail(error.into()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error).into()),
    };
    Ok(Some(audit).filter(|audit| Some(audit.fingerprint.as_str()) == fingerprint))
}
