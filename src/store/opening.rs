//! How the database is opened for reading: so that what is read is right.
//!
//! Where the database is behind (views of another program, runs of a sweep that was killed), it is put right first, or, where
//! it cannot be written, only seen right: the reader's connection hides what is wrong behind temporary views.

use std::path::Path;

use sqlx::raw_sql;

use super::{
    Reader, Store,
    connection::{Lying, look, reading},
    error::{StoreError, sqlite},
    live, place, views,
};

impl Reader {
    /// Opens the runs database for reading only, also while a sweep writes to it. Every write through it is refused. One of an
    /// older schema is migrated first.
    ///
    /// # Errors
    /// [`StoreError::NoDatabase`] if nothing was run yet, [`StoreError::Elsewhere`] where only other machines have one, [`StoreError::OlderSchema`] where an older one cannot be written;
    /// else as [`Store::open`].
    pub async fn open(runs_dir: &Path) -> Result<Self, StoreError> {
        let place = place::find(runs_dir)?;
        if !matches!(look(&place.file)?, Lying::File(_)) {
            return Err(place.nothing(runs_dir));
        }
        Self::open_file(runs_dir, &place.file).await
    }

    /// As [`Self::open`], a database that is known to be that of a runs directory.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn open_file(runs_dir: &Path, file: &Path) -> Result<Self, StoreError> {
        let path = file.to_owned();
        let connection = match reading(&path).await {
            Err(StoreError::OlderSchema { path, found, known }) => {
                // Who may write it brings it up to date here, so that an upgrade of the program is no obstacle to looking at
                // old results; for anybody else it stays an error.
                let older = |_| StoreError::OlderSchema { path: path.clone(), found, known };
                Store::put_right(runs_dir, &path).await.map_err(older)?;
                reading(&path).await?
            }
            connection => connection?,
        };
        let mut reader = Self { connection, directory: runs_dir.to_owned(), file: path };
        reader.be_right().await?;
        Ok(reader)
    }

    /// Puts the database right where it is behind; else hides what is wrong in it from this connection.
    async fn be_right(&mut self) -> Result<(), StoreError> {
        if self.is_right().await? {
            return Ok(());
        }
        // Of no consequence where it fails: what it left is hidden below.
        let _ = Store::put_right(&self.directory, &self.file).await;
        let current = views::are_current(&mut self.connection).await?;
        let cut_off = live::cut_off(&mut self.connection, &self.directory).await?;
        if current && cut_off.is_empty() {
            return Ok(());
        }
        // Temporary views lie in memory; the file stays protected by the way it was opened.
        self.pragma("PRAGMA query_only = OFF; PRAGMA temp_store = MEMORY").await?;
        if !cut_off.is_empty() {
            live::overlay(&mut self.connection, &cut_off).await?;
        }
        views::overlay(&mut self.connection).await?;
        self.pragma("PRAGMA query_only = ON").await
    }

    async fn is_right(&mut self) -> Result<bool, StoreError> {
        Ok(views::are_current(&mut self.connection).await?
            && live::cut_off(&mut self.connection, &self.directory).await?.is_empty())
    }

    async fn pragma(&mut self, sql: &'static str) -> Result<(), StoreError> {
        raw_sql(sql).execute(&mut self.connection).await.map_err(sqlite("set up the connection"))?;
        Ok(())
    }
}
