//! The writer's side of the store: used by the sweep, and by the verbs that write.
//!
//! One [`Store`] is one connection. It is a [`Reader`] too, so that the sweep reads what it has just written. Each method that
//! writes is one transaction, and may be called again with the same arguments where its answer was lost: what was committed
//! then stays as it is.

mod attempts;
mod bound;
mod bulk;
mod chunks;
mod confusion;
mod curves;
mod cuts;
mod decisions;
mod experiments;
mod in_place;
mod ledger;
mod marks;
mod orphans;
mod points;
mod ranks;
mod removal;
mod statistics;

use std::{
    collections::HashMap,
    ops::{Deref, DerefMut},
    path::Path,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection, Sqlite, SqliteConnection, Transaction, sqlite::SqliteSynchronous};

pub use attempts::NewAttempt;
pub use bound::{Binder, BoundCurves};
pub use bulk::{Bulk, LoadedAnswers, LoadedRun};
pub use orphans::Orphan;

use super::{
    Reader, birth,
    connection::{BUSY_TIMEOUT, Identity, Lying, connect, look, options, settle_journal},
    error::{StoreError, sqlite},
    place::{self, Place},
    schema::{self, Found},
};

/// How long a reader waits for another process' write transaction before it helps itself.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// The runs database as it is written.
#[derive(Debug)]
pub struct Store {
    reader: Reader,
    /// Interned tags that are committed.
    tags: HashMap<String, i64>,
    /// How far the chunks of curves are.
    kept: chunks::Kept,
    /// What the connection's next commit does.
    commits: Commit,
    /// How long a call waits for another process' write transaction.
    patience: Duration,
    /// The file that is open.
    identity: Identity,
    /// Where it lies.
    pub(in crate::store) place: Box<Place>,
    /// What tells it from others.
    pub(in crate::store) id: String,
    /// What became of an earlier file of this database, where it had to be written anew.
    lost: Option<&'static str>,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// The operating system has it: survives the process.
    Written,
    /// The disk has it: survives a power cut.
    Synced,
    /// Nothing: the database is being loaded, and is thrown away where that fails.
    Loaded,
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Store {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

impl Store {
    /// Opens the runs database for writing; creates directory and database where they are missing, brings schema and views up
    /// to date, and takes back the runs of other experiments whose sweeps are dead.
    ///
    /// # Errors
    /// If the directory or the database cannot be made, or the file is no database of ours or of a newer schema;
    /// [`StoreError::Elsewhere`] and [`StoreError::Gone`] where an empty one would hide another.
    pub async fn open(runs_dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(runs_dir)
            .map_err(|source| StoreError::CreateDirectory { directory: runs_dir.to_owned(), source })?;
        Self::open_at(runs_dir, place::find(runs_dir)?).await
    }

    /// As [`Self::open`], where it is known where the database is to lie.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(in crate::store) async fn open_at(runs_dir: &Path, place: Place) -> Result<Self, StoreError> {
        if !matches!(look(&place.file)?, Lying::File(_)) {
            place.must_be_free(runs_dir)?;
            let folder = place.file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)
                .map_err(|source| StoreError::CreateDatabase { path: place.file.clone(), source })?;
        }
        birth::ensure(&place.file).await?;
        let mut store = Self::open_with(runs_dir, place, BUSY_TIMEOUT).await?;
        store.place.keep(runs_dir, &store.id)?;
        settle_journal(&mut store.reader.connection, &store.reader.file).await;
        Ok(store)
    }

    /// Puts a database right that a reader has found to be behind. Does not wait long for others, and makes no database.
    pub(in crate::store) async fn put_right(runs_dir: &Path, file: &Path) -> Result<(), StoreError> {
        Self::open_with(runs_dir, Place::known(file), SHORT_PATIENCE).await?.close().await
    }

    async fn open_with(runs_dir: &Path, place: Place, patience: Duration) -> Result<Self, StoreError> {
        let path = place.file.clone();
        let mut connection = writing(&path, patience).await?;
        if schema::inspect(&mut connection, &path).await? == Found::Nothing {
            connection.close().await.map_err(sqlite("close the runs database"))?;
            birth::replace_begun(&path).await?;
            connection = writing(&path, patience).await?;
        }
        if !schema::is_current(&mut connection, &path).await? {
            schema::migrate(&mut connection, &path).await?;
        }
        let Lying::File(identity) = look(&path)? else {
            return Err(StoreError::Lost { path, how: "deleted", rescued: false });
        };
        let id = in_place::id(&mut connection).await?;
        let place = Box::new(place);
        let reader = Reader { connection, directory: runs_dir.to_owned(), file: path };
        let (tags, kept, commits) = (HashMap::new(), chunks::Kept::default(), Commit::Written);
        let mut store = Self { reader, tags, kept, commits, patience, identity, place, id, lost: None };
        chunks::make_missing(&mut store.reader.connection).await?;
        store.take_back_cut_off().await?;
        Ok(store)
    }

    /// Sets how long each later call waits for another process' write transaction.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub async fn set_patience(&mut self, patience: Duration) -> Result<(), StoreError> {
        self.patience = patience;
        // Safe: a number.
        let pragma = AssertSqlSafe(format!("PRAGMA busy_timeout = {}", patience.as_millis()));
        sqlx::raw_sql(pragma)
            .execute(&mut self.reader.connection)
            .await
            .map_err(sqlite("set the patience with other writers"))?;
        Ok(())
    }

    /// Closes the database. The last one to close folds the log into the database file and removes it, and locks every
    /// reader out meanwhile: a writer that ends with its process takes [`Store::leave`].
    ///
    /// # Errors
    /// If SQLite fails to close.
    pub async fn close(self) -> Result<(), StoreError> {
        self.reader.close().await
    }

    /// Ends the use of the database by a process that is about to end itself, at no reader's cost.
    ///
    /// The last connection to close folds the log in under an exclusive lock, and `sqlite3` does not wait for locks unless
    /// it is told to: a query that came at that moment would be refused with `database is locked`. So the log is folded in
    /// and emptied here, where SQLite lets readers pass, and the connection is never closed; its locks go with the
    /// process. The empty log stays beside the database until the next one who opens it. A reader in an old transaction
    /// keeps the log from being emptied; after a second it is left as it is, which is no loss: whoever opens the database
    /// reads it along.
    ///
    /// # Errors
    /// If SQLite fails to read or write; everything that was committed stays in the database with its log. [`StoreError::Lost`]
    /// and [`StoreError::Damaged`] where the file was lost since it was opened, also where nothing is missing in it now, or
    /// does not hold together.
    pub async fn leave(mut self) -> Result<(), StoreError> {
        let whole = self.must_be_whole().await;
        // What comes back as a row says whether somebody was in the way, which is no error.
        let folded = sqlx::raw_sql("PRAGMA busy_timeout = 1000; PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut self.reader.connection)
            .await
            .map_err(sqlite("fold the log into the runs database"));
        // Dropped, its thread would close it.
        std::mem::forget(self.reader.connection);
        whole.and(folded.map(|_| ()))
    }

    /// Begins a transaction that takes the write lock at once, so that it cannot fail half-way for want of it.
    async fn begin(&mut self, commit: Commit) -> Result<Transaction<'_, Sqlite>, StoreError> {
        self.be_in_place().await?;
        if self.commits != commit && self.commits != Commit::Loaded {
            let pragma = match commit {
                Commit::Written | Commit::Loaded => "PRAGMA synchronous = NORMAL",
                Commit::Synced => "PRAGMA synchronous = FULL",
            };
            sqlx::raw_sql(pragma)
                .execute(&mut self.reader.connection)
                .await
                .map_err(sqlite("set the durability of the runs database"))?;
            self.commits = commit;
        }
        self.reader
            .connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sqlite("begin a change of the runs database"))
    }
}

/// A connection for writing to a file that is there.
async fn writing(path: &Path, patience: Duration) -> Result<SqliteConnection, StoreError> {
    let options = options(path)
        .busy_timeout(patience)
        .synchronous(SqliteSynchronous::Normal)
        // 32 MiB: the inner pages of the curves of many live runs stay at hand.
        .pragma("cache_size", "-32768")
        // A long reader makes the log grow; it shrinks to 64 MiB again at the next checkpoint.
        .pragma("journal_size_limit", "67108864");
    connect(&options, path).await
}
