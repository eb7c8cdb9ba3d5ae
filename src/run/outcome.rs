//! `outcome.json`, the last word on an attempt: written as its last act, by the trainer, or by the sweep for those that could
//! not do it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{failure::Failure, folder::RunDir, state::RunState, used::Phases};
use crate::base::files::{Durability, FileError, read_regular, write_whole};

/// Exit code of a worker that was told when to pause, and has: its state is kept, and its run goes on later. None of
/// `sysexits.h`, and none of a signal.
pub const PAUSED_EXIT: u8 = 79;

/// No outcome is larger, bytes; one has less than a kilobyte and the tail of a log.
const MOST_BYTES: u64 = 1 << 20;

/// Why an outcome cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    /// The file system says no.
    #[error("cannot read `{}`: {error}", path.display())]
    Io {
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

/// `outcome.json`: how an attempt ended, written atomically as its last act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The attempt that ended.
    pub attempt: u32,
    /// `completed` or `failed`.
    pub state: RunState,
    /// Why, where it failed.
    pub failure: Option<Failure>,
    /// End, seconds since 1970.
    pub finished: f64,
    /// Peak resident memory of the attempt, bytes, where known.
    pub peak_memory: Option<u64>,
    /// Peak memory of its device, bytes, where the trainer tells; files of earlier versions do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_device_memory: Option<u64>,
    /// Where the attempt's time went, where the trainer tells; files of earlier versions do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// The epoch that a built-in trainer went on with; absent where it began with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_from: Option<u32>,
    /// 32 hex digits of the BLAKE3 hash of each file that the attempt left, by name; files of earlier versions have none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

impl Outcome {
    /// The outcome in a run's directory; `None` if there is none.
    ///
    /// # Errors
    /// If it is there and cannot be read or understood.
    pub fn read(dir: &Path) -> Result<Option<Self>, OutcomeError> {
        let path = RunDir::new(dir).outcome();
        let bytes = match read_regular(&path, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(FileError { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(FileError { source: error, .. }) => return Err(OutcomeError::Io { path, error }),
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| OutcomeError::Format { path, error })
    }

    /// Writes the outcome into a run's directory.
    ///
    /// # Errors
    /// The file and what failed.
    pub fn write(&self, dir: &Path, durability: Durability) -> Result<(), FileError> {
        let mut text = serde_json::to_vec_pretty(self).expect("an outcome is plain JSON");
        text.push(b'\n');
        write_whole(&RunDir::new(dir).outcome(), &[&text], durability)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::{Evidence, FailureKind};

    #[test]
    fn an_outcome_is_written_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Outcome::read(folder.path()).unwrap().is_none());
        let failure = Failure {
            kind: FailureKind::Signal,
            reason: "killed by SIGABRT".into(),
            log_tail: "a\nb".into(),
            evidence: Evidence { signal: Some(6), ..Evidence::default() },
        };
        let outcome = Outcome {
            attempt: 2,
            state: RunState::Failed,
            failure: Some(failure),
            finished: 1_700_000_000.25,
            peak_memory: Some(1 << 30),
            peak_device_memory: Some(1 << 31),
            phases: None,
            resumed_from: None,
            files: BTreeMap::new(),
        };
        outcome.write(folder.path(), Durability::Written).unwrap();
        assert_eq!(Outcome::read(folder.path()).unwrap(), Some(outcome));
        let files: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(files, ["outcome.json"]);
    }

    #[test]
    fn what_cannot_be_read_or_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outcome.json");
        fs::write(&path, "{").unwrap();
        let error = Outcome::read(folder.path()).expect_err("half a file").to_string();
        assert!(error.starts_with(&format!("`{}` is not an outcome: EOF", path.display())), "{error}");
        let occupied = folder.path().join("outcome.json");
        let outcome = Outcome {
            attempt: 1,
            state: RunState::Completed,
            failure: None,
            finished: 0.0,
            peak_memory: None,
            peak_device_memory: None,
            phases: None,
            resumed_from: None,
            files: BTreeMap::new(),
        };
        let error = outcome
            .write(&occupied, Durability::Written)
            .expect_err("a file where a folder belongs")
            .to_string();
        assert_eq!(error, format!("cannot create folder `{}`", occupied.display()));
    }
}
