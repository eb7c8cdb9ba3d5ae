//! `ledger.json`: what the database knows of an experiment that neither its spec nor the folders of its runs tell.
//!
//! Written by whoever changes which runs an experiment has: the sweep before it begins, the deletion of a run, an import. Read
//! where the database is made anew from the folders, or compared with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::experiment_folder::ExperimentDir;
use crate::{
    base::files::{Durability, FileError, read_regular, write_whole},
    spec::Experiment,
};

/// No file is larger, bytes: names of a million runs.
const MOST_BYTES: u64 = 256 << 20;

/// Why the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerFileError {
    /// The file system says no.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is none.
    #[error("`{}` is no record of an experiment: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: serde_json::Error,
    },
}

/// What the database knows of an experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerFile {
    /// When the experiment was first run, seconds since 1970.
    pub created: f64,
    /// Content id of images and split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The spec.
    pub spec: Experiment,
    /// Names of runs that are not those the grid gives them, by content id: a run keeps the name of its folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
    /// Content ids of runs of the grid that were deleted.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<String>,
    /// Where the runs were imported from; absent for those that were trained here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportSource>,
}

/// The directory that an experiment was imported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportSource {
    /// The log directory, absolute and without links.
    pub directory: PathBuf,
    /// Whether its event files were copied; else they are linked to.
    pub copied: bool,
}

impl LedgerFile {
    /// The file of an experiment; `None` where there is none: nothing was run, or by an older version.
    ///
    /// # Errors
    /// Where it is there and cannot be read or understood.
    pub fn read(dir: &ExperimentDir) -> Result<Option<Self>, LedgerFileError> {
        let path = dir.ledger();
        match read_regular(&path, MOST_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| LedgerFileError::Format { path, error }),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the file, where it says something else than the one that is there.
    ///
    /// # Errors
    /// The file and what failed.
    pub fn write(&self, dir: &ExperimentDir) -> Result<(), FileError> {
        if Self::read(dir).is_ok_and(|there| there.as_ref() == Some(self)) {
            return Ok(());
        }
        let mut text = serde_json::to_vec_pretty(self).expect("names and finite numbers are JSON");
        text.push(b'\n');
        write_whole(&dir.ledger(), &[&text], Durability::Synced)
    }

    /// The directory whose event files the runs' links may lead to.
    #[must_use]
    pub fn linked(&self) -> Option<&Path> {
        self.import.as_ref().filter(|import| !import.copied).map(|import| import.directory.as_path())
    }
}
