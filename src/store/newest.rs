//! Which database has what is newest of an experiment, where several machines have one each.
//!
//! Whoever changes an experiment's rows says so in its folder, by the id of the database. A database that is behind would train
//! completed runs again: it is renewed from the folders first.

use std::{fs, path::Path};

use super::{Store, error::StoreError, place};
use crate::{
    base::files::{Durability, read_regular, write_whole},
    run::ExperimentDir,
};

/// No id is longer, bytes.
const MOST_BYTES: u64 = 256;

/// The id of the database that has what is newest of an experiment; `None` where it was never one of several.
fn newest(dir: &ExperimentDir) -> Option<String> {
    let text = read_regular(&dir.database(), MOST_BYTES).ok()?;
    Some(String::from_utf8_lossy(&text).trim().to_owned())
}

impl Store {
    /// Sees to it that no other database has what is newer of an experiment, before its rows are changed.
    ///
    /// # Errors
    /// [`StoreError::Behind`].
    pub fn must_be_newest(&self, dir: &ExperimentDir) -> Result<(), StoreError> {
        match newest(dir) {
            Some(id) if id != self.id => {
                let experiment = dir.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                Err(StoreError::Behind { experiment, host: self.place.host_of(&id).map(str::to_owned) })
            }
            _ => Ok(()),
        }
    }

    /// Says that this database has what is newest of an experiment, where there may be several. To be called
    /// under the experiment's lock.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn be_newest(&self, dir: &ExperimentDir) -> Result<(), StoreError> {
        let known = newest(dir);
        let is_one_of_several = known.is_some() || self.place.is_noted(&self.directory);
        if !is_one_of_several || known.as_ref() == Some(&self.id) {
            return Ok(());
        }
        let text = format!("{}\n", self.id);
        write_whole(&dir.database(), &[text.as_bytes()], Durability::Written)
            .map_err(|error| StoreError::Note { path: error.path, source: error.source })
    }
}

/// The experiments of a runs directory of which this machine's database does not have what is newest, and the machines whose
/// database has, where they are known.
#[must_use]
pub(crate) fn behind(runs_dir: &Path) -> Vec<(String, Option<String>)> {
    let Some((place, own)) = place::find(runs_dir).ok().and_then(|place| {
        let own = place.noted_id(runs_dir)?.to_owned();
        Some((place, own))
    }) else {
        return Vec::new();
    };
    let entries = fs::read_dir(runs_dir).into_iter().flatten().flatten();
    let mut behind: Vec<(String, Option<String>)> = entries
        .filter_map(|entry| {
            let id = newest(&ExperimentDir::at(&entry.path())).filter(|id| *id != own)?;
            Some((entry.file_name().to_string_lossy().into_owned(), place.host_of(&id).map(str::to_owned)))
        })
        .collect();
    behind.sort();
    behind
}
