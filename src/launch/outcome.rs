//! `outcome.json`, the last word on a run: read after an attempt, written for the attempts that could not do it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::run::Outcome;

/// The file in the run's directory.
pub const OUTCOME_FILE: &str = "outcome.json";

/// Why an outcome cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    /// The file system says no.
    #[error("cannot {verb} `{}`: {error}", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is not an outcome.
    #[error("`{}` is not an outcome: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: serde_json::Error,
    },
}

/// The outcome in a run's directory; `None` if there is none.
///
/// # Errors
/// If it is there and cannot be read or understood.
pub fn read_outcome(run_dir: &Path) -> Result<Option<Outcome>, OutcomeError> {
    let path = run_dir.join(OUTCOME_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(OutcomeError::Io { verb: "read", path, error }),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| OutcomeError::Format { path, error })
}

/// Writes the outcome into a run's directory: under another name first, so that a reader sees all of it or nothing.
///
/// # Errors
/// If the file cannot be written.
pub fn write_outcome(run_dir: &Path, outcome: &Outcome) -> Result<(), OutcomeError> {
    let path = run_dir.join(OUTCOME_FILE);
    let part = run_dir.join(format!("{OUTCOME_FILE}.part"));
    let write = || {
        let mut text = serde_json::to_vec_pretty(outcome)?;
        text.push(b'\n');
        fs::write(&part, text)?;
        fs::rename(&part, &path)
    };
    write().map_err(|error| OutcomeError::Io { verb: "write", path: path.clone(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Failure, FailureKind, RunState};

    #[test]
    fn an_outcome_is_written_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_outcome(folder.path()).unwrap().is_none());
        let failure = Failure {
            kind: FailureKind::Signal,
            reason: "killed by SIGABRT".into(),
            log_tail: "a\nb".into(),
        };
        let outcome = Outcome {
            attempt: 2,
            state: RunState::Failed,
            failure: Some(failure),
            finished: 1_700_000_000.25,
            peak_memory: Some(1 << 30),
            phases: None,
        };
        write_outcome(folder.path(), &outcome).unwrap();
        assert_eq!(read_outcome(folder.path()).unwrap(), Some(outcome));
        let files: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, [OUTCOME_FILE]);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(OUTCOME_FILE);
        fs::write(&path, "{").unwrap();
        let error = read_outcome(folder.path()).expect_err("half a file").to_string();
        assert!(error.starts_with(&format!("`{}` is not an outcome: EOF", path.display())), "{error}");
        let missing = folder.path().join("missing");
        let outcome = Outcome {
            attempt: 1,
            state: RunState::Completed,
            failure: None,
            finished: 0.0,
            peak_memory: None,
            phases: None,
        };
        let error = write_outcome(&missing, &outcome).expect_err("no folder").to_string();
        assert!(
            error.starts_with(&format!("cannot write `{}`", missing.join(OUTCOME_FILE).display())),
            "{error}"
        );
    }
}
