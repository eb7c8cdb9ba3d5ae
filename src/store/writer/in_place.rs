//! Whether the file that the writer has open is still the database: asked before every change, as nobody else would notice.
//!
//! A file that was deleted or replaced can be written to for as long as it is open, and is gone with the process. Where it was
//! deleted the writer still has all of it, and writes it anew under its name; another writer of this program finds that by the
//! id that both files bear, and goes over to it. Where it was emptied, or another file lies there, nothing more is written.

use sqlx::{Connection as _, SqliteConnection};

use super::{Commit, Store, writing};
use crate::store::{
    birth,
    connection::{Lying, look},
    error::{StoreError, sqlite},
    schema,
};

impl Store {
    /// Sees to it that the open file is the one that lies under the database's name: before changes, and before what is read
    /// must be what others read too.
    ///
    /// # Errors
    /// [`StoreError::Lost`] where it is not and cannot be mended.
    pub async fn be_in_place(&mut self) -> Result<(), StoreError> {
        let path = self.file.clone();
        let how = match look(&path) {
            Ok(Lying::File(found)) if found == self.identity => return Ok(()),
            Ok(Lying::Missing) => {
                birth::give_name(&mut self.reader.connection, &path).await?;
                "deleted"
            }
            Ok(Lying::File(_)) => "replaced by another file",
            Ok(Lying::Empty) => return Err(StoreError::Lost { path, how: "emptied", rescued: false }),
            Err(StoreError::NotAFile { .. }) => {
                return Err(StoreError::Lost { path, how: "replaced", rescued: false });
            }
            Err(error) => return Err(error),
        };
        self.go_over(how).await
    }

    /// What is behind an error: of a file that is emptied or replaced in the middle of a change, SQLite says only that it is
    /// malformed.
    pub async fn cause_of(&mut self, error: StoreError) -> StoreError {
        if !error.is_loss() {
            return error;
        }
        match self.be_in_place().await {
            Err(lost @ StoreError::Lost { .. }) => lost,
            _ => error,
        }
    }

    /// Opens what lies under the name now, if it is a copy of this database.
    async fn go_over(&mut self, how: &'static str) -> Result<(), StoreError> {
        let path = self.file.clone();
        let lost = || StoreError::Lost { path: path.clone(), how, rescued: false };
        let mut connection = writing(&path, self.patience).await.map_err(|_| lost())?;
        let (theirs, anew) = marks(&mut connection).await.map_err(|_| lost())?;
        let Lying::File(identity) = look(&path)? else { return Err(lost()) };
        if theirs.is_none() || theirs != marks(&mut self.connection).await?.0 {
            return Err(lost());
        }
        // Another writer has found it deleted.
        let how = if anew { "deleted" } else { how };
        self.identity = identity;
        self.lost.get_or_insert(how);
        self.take_connection(connection);
        Ok(())
    }

    /// Opens the database once more, after an error that may have left the connection in the middle of something. It must be the
    /// same one: none is made.
    ///
    /// # Errors
    /// [`StoreError::Lost`], or where it cannot be opened.
    pub async fn reconnect(&mut self) -> Result<(), StoreError> {
        self.be_in_place().await?;
        let path = self.file.clone();
        let connection = writing(&path, self.patience).await?;
        self.take_connection(connection);
        Ok(())
    }

    fn take_connection(&mut self, connection: SqliteConnection) {
        // The old one is closed by its own thread.
        drop(std::mem::replace(&mut self.reader.connection, connection));
        self.tags.clear();
        self.commits = Commit::Written;
    }

    /// What has to be said before the database is left: that it was lost in between, or is damaged.
    ///
    /// # Errors
    /// [`StoreError::Lost`], [`StoreError::Damaged`].
    pub(super) async fn must_be_whole(&mut self) -> Result<(), StoreError> {
        self.be_in_place().await?;
        let path = self.file.clone();
        if path.metadata().is_ok_and(|file| file.len() <= MOST_CHECKED) {
            // By a connection of its own, which has none of the pages in memory.
            let mut connection = writing(&path, self.patience).await?;
            let problem = schema::problem(&mut connection).await?;
            connection.close().await.map_err(sqlite("close the runs database"))?;
            if let Some(what) = problem {
                return Err(StoreError::Damaged { path, what });
            }
        }
        match self.lost {
            Some(how) => Err(StoreError::Lost { path, how, rescued: true }),
            None => Ok(()),
        }
    }
}

/// A larger database is not read through at the end of a sweep; `gridboard doctor` does it.
const MOST_CHECKED: u64 = 64 << 20;

/// The id that a database and its copies bear; empty in one of before there were ids.
pub(super) async fn id(connection: &mut SqliteConnection) -> Result<String, StoreError> {
    Ok(marks(connection).await?.0.unwrap_or_default())
}

/// The id that a database and its copies bear, and whether it was written anew after it was deleted.
async fn marks(connection: &mut SqliteConnection) -> Result<(Option<String>, bool), StoreError> {
    sqlx::query_as(
        "SELECT (SELECT value FROM _meta WHERE name = 'id'), EXISTS (SELECT 1 FROM _meta WHERE name = 'written_anew')",
    )
    .fetch_one(connection)
    .await
    .map_err(sqlite("read the runs database"))
}
