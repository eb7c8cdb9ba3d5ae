//! A database that is made anew beside the one that is there, and takes its place once it is whole: what `index --rebuild` needs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    FILE_NAME, Reader, Store, birth,
    connection::{Lying, look},
    error::StoreError,
    place::{self, Place},
};
use crate::run::ExperimentDir;

/// A database that is being made.
#[derive(Debug)]
pub(crate) struct Anew {
    runs_dir: PathBuf,
    place: Place,
}

impl Anew {
    /// Of a runs directory.
    ///
    /// # Errors
    /// Where it cannot be said where it is to lie.
    pub(crate) fn new(runs_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { runs_dir: runs_dir.to_owned(), place: place::find_for_new(runs_dir)? })
    }

    /// The database that is there, or that in the runs directory where this one is to lie elsewhere.
    ///
    /// # Errors
    /// [`StoreError::NoDatabase`], or why it cannot be read.
    pub(crate) async fn before(&self) -> Result<Reader, StoreError> {
        let is_there = |path: &Path| matches!(look(path), Ok(Lying::File(_)));
        let file = Some(self.place.file.clone()).filter(|file| is_there(file));
        let file = file.or_else(|| self.place.left_behind(&self.runs_dir));
        let file = file.ok_or_else(|| StoreError::NoDatabase { directory: self.runs_dir.clone() })?;
        Reader::open_file(&self.runs_dir, &file).await
    }

    /// A folder that the new one is made in, as that of a runs directory.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(crate) fn room(&self) -> Result<TempDir, StoreError> {
        birth::room(&self.place.file)
    }

    /// Puts the database that lies in `room`, closed and whole, in its place: it has what is newest of these experiments. Returns
    /// what the one of before is called now. Only for who knows that nobody writes there.
    ///
    /// # Errors
    /// Where a file cannot be renamed or written.
    pub(crate) async fn take_place(
        &self,
        room: &Path,
        experiments: impl Iterator<Item = &ExperimentDir>,
    ) -> Result<Option<PathBuf>, StoreError> {
        let mut kept = birth::take_place(&room.join(FILE_NAME), &self.place.file).await?;
        let experiments: Vec<&ExperimentDir> = experiments.collect();
        if self.place.is_noted(&self.runs_dir) || experiments.iter().any(|dir| dir.database().exists()) {
            let store = Store::open_at(&self.runs_dir, self.place.clone()).await?;
            for dir in experiments {
                store.be_newest(dir)?;
            }
            store.close().await?;
            if let Some(left) = self.place.left_behind(&self.runs_dir) {
                kept = kept.or(Some(birth::set_aside(&left).await?));
            }
        }
        Ok(kept)
    }
}
