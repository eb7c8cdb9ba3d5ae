//! Where the audit of an experiment's images is kept for its report.
//!
//! Written by `gridboard corpus`, read by the report. What is checked and how is `corpus::audit`'s.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::PublishError;
use crate::{
    base::{
        error::with_causes,
        files::{Durability, read_regular, write_whole},
    },
    corpus::audit::Audit,
    run::ExperimentDir,
};

/// Keeps an audit for the report of an experiment; the path it is kept at.
///
/// # Errors
/// Where the file cannot be written.
pub(crate) fn keep_audit(runs_dir: &Path, experiment: &str, audit: &Audit) -> Result<PathBuf, PublishError> {
    let path = ExperimentDir::new(runs_dir, experiment).audit();
    let text = serde_json::to_vec_pretty(audit).expect("names and numbers are JSON");
    write_whole(&path, &[&text], Durability::Synced)?;
    Ok(path)
}

/// The audit in an experiment's directory, where it is of the images and the split with this content id.
///
/// # Errors
/// Where there is a file that cannot be read, in words: the report does without.
pub(super) fn kept_audit(dir: &ExperimentDir, fingerprint: Option<&str>) -> Result<Option<Audit>, String> {
    let audit: Option<Audit> = kept(&dir.audit())?;
    Ok(audit.filter(|audit| Some(audit.fingerprint.as_str()) == fingerprint))
}

/// What is kept as JSON at `path`; none where there is no file.
///
/// # Errors
/// Where there is one that cannot be read, in words.
pub(super) fn kept<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, String> {
    let bytes = match read_regular(path, MOST_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(with_causes(&error)),
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| format!("`{}` is not what was written there: {error}", path.display()))
}

/// No kept file is larger, bytes: an audit with a million pairs of images has a third of it.
const MOST_BYTES: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_told_and_a_missing_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        assert!(kept_audit(&dir, None).unwrap().is_none());
        std::fs::write(dir.audit(), "{").unwrap();
        let problem = kept_audit(&dir, None).unwrap_err();
        assert!(problem.contains("corpus_audit.json` is not what was written there: EOF"), "{problem}");
        std::fs::remove_file(dir.audit()).unwrap();
        std::fs::create_dir(dir.audit()).unwrap();
        let problem = kept_audit(&dir, None).unwrap_err();
        assert!(problem.ends_with("corpus_audit.json`: it is a folder, not a regular file"), "{problem}");
    }
}
