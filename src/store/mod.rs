//! The runs database `gridboard.db`: the ledger of runs, their curves and confusion matrices, and the SQL views for users.
//! The only home of sqlx.
//!
//! The sweep loop writes through one [`Store`] from [`Store::open`]; listings, reports and `gridboard sql` read through
//! one from [`Store::open_existing`]. Event files and `outcome.json` are the truth and are left to others; the database
//! is their index, and the only place that knows which runs are owed.
//!
//! # Durability
//! The database is in WAL mode: readers never wait for the writer nor the writer for them, and whatever was committed
//! survives the end of any process, by `kill -9` too. The new experiment, its ledger and each end of an attempt are
//! also synced to the disk before the call returns, so a power cut never forgets a finished run; it may take back the
//! curves and starts that were written since the last such call.
//!
//! # Views
//! The tables begin with an underscore and may change. These views are the contract for users, in any SQLite from 3.9:
//!
//! | view | a row is | columns |
//! |---|---|---|
//! | `experiments` | an experiment | experiment, created, runs, pending, running, completed, failed, fingerprint, spec |
//! | `runs` | a run, with its last attempt | experiment, run, state, seed, attempts, started, finished, seconds, device, slot, host, failure, reason, peak_memory, threads, core_seconds, training_seconds, training_core_seconds, validation_seconds, validation_core_seconds, directory, predictions, parameters, id, position |
//! | `attempts` | an attempt | experiment, run, attempt, state, started, finished, seconds, device, slot, host, pid, failure, reason, log_tail, peak_memory, threads, core_seconds, training_seconds, training_core_seconds, validation_seconds, validation_core_seconds |
//! | `history` | a point of a curve | experiment, run, tag, step, value, wall_time |
//! | `leaderboard` | a run, ranked or not | experiment, rank, run, state, seed, train_accuracy, train_loss, validation_accuracy, validation_accuracy_low, validation_accuracy_high, validation_loss, validation_images, best_epoch, best_value, mcnemar_p, against_best, reason |
//! | `grid_points` | a grid point over its seeds | experiment, rank, grid_point, seeds, seeds_wanted, train_accuracy_mean, train_accuracy_deviation, train_loss_mean, train_loss_deviation, validation_accuracy_mean, validation_accuracy_deviation, validation_loss_mean, validation_loss_deviation, by_mean, by_deviation, best_mean, best_deviation, mcnemar_p, axis_values |
//! | `class_metrics` | a class in a run | experiment, run, class_index, class, support, precision, recall, f1 |
//! | `confusion` | a pair of classes in a run | experiment, run, true_class, predicted_class, images |
//! | *the experiment's name* | a ranked run | rank, run, *a column per axis*, seed, state, train_accuracy, train_loss, validation_accuracy, validation_loss, *the rule's metrics if they are others*, validation_accuracy_low, validation_accuracy_high, best_epoch, best_value, mcnemar_p |
//!
//! Times are seconds since 1970, memory is in bytes, `core_seconds` are user and system time, `directory` and `predictions` are relative to the runs directory,
//! `parameters` and `spec` are JSON. Values are the f32 of the event file widened to f64 (of a zero, SQLite drops the sign). A value is NULL in `history`
//! where the point is NaN; in the leaderboards it is NULL where the metric is NaN or was never written, and `reason`
//! tells which. The view of an experiment leaves unranked runs out, because SQLite sorts NULL first: `select * from tab3
//! order by rank limit 10` is the top ten. `validation_accuracy_low` and `_high` are the 95 % Wilson interval of the
//! accuracy of the run's predictions of `validation_images` images. `best_epoch`, `best_value` (the rule's first metric where
//! it was best), `mcnemar_p` (the exact test against rank 1), `against_best` and the view `grid_points` are kept when a sweep
//! ends and when a report is made: NULL, or no row, before and once they are out of date. A deviation is that of the
//! sample; `seeds` are those that rank, of `seeds_wanted`. An axis that shares its name with another column gets the suffix `_axis`.
//! Names with a `-` are written in double quotes: `select * from "tab3-small"`.

mod attempts;
mod classes;
mod error;
mod evidence;
mod experiments;
mod leaderboard;
mod ledger;
mod passing;
mod query;
mod scalars;
mod schema;
mod statistics;
#[cfg(test)]
mod testing;
mod views;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

pub use attempts::{AttemptRecord, AttemptState, NewAttempt, Orphan};
pub use error::StoreError;
pub use experiments::{ExperimentKey, ExperimentRecord};
pub use ledger::{RunKey, RunRecord};
pub use query::{QueryResult, SqlValue};
pub use scalars::{Curve, Point};
pub use statistics::Untaken;
pub use views::axis_columns;

use error::sqlite;

/// The file in the runs directory.
pub const FILE_NAME: &str = "gridboard.db";

/// How long a statement waits for another process' write transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// Between two tries, where SQLite does not wait by itself.
const PATIENCE: Duration = Duration::from_millis(20);

/// An open runs database: one connection, on a thread of its own.
#[derive(Debug)]
pub struct Store {
    connection: SqliteConnection,
    directory: PathBuf,
    /// Interned tags that are committed.
    tags: HashMap<String, i64>,
    /// What the connection's next commit does.
    commits: Commit,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Commit {
    /// The operating system has it: survives the process.
    Written,
    /// The disk has it: survives a power cut.
    Synced,
}

impl Store {
    /// Opens the runs database for writing; creates directory and database where they are missing, and migrates an older
    /// schema.
    ///
    /// # Errors
    /// If the directory cannot be made, or the file is no database of ours or of a newer schema.
    pub async fn open(runs_dir: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(runs_dir)
            .map_err(|source| StoreError::CreateDirectory { directory: runs_dir.to_owned(), source })?;
        let path = runs_dir.join(FILE_NAME);
        let options = options(&path)
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Normal)
            // 32 MiB: the inner pages of the curves of many live runs stay at hand.
            .pragma("cache_size", "-32768")
            // A long reader makes the log grow; it shrinks to 64 MiB again at the next checkpoint.
            .pragma("journal_size_limit", "67108864");
        let mut connection = connect(&options, &path).await?;
        schema::recognise(&mut connection, &path).await?;
        write_ahead(&mut connection).await?;
        let migrated = schema::migrate(&mut connection, &path).await?;
        let mut store = Self {
            connection,
            directory: runs_dir.to_owned(),
            tags: HashMap::new(),
            commits: Commit::Written,
        };
        if migrated {
            store.renew_views().await?;
        }
        Ok(store)
    }

    /// Opens the runs database for reading only, also while a sweep writes to it. Every write through it is refused. One of
    /// an older schema is migrated first.
    ///
    /// # Errors
    /// [`StoreError::NoDatabase`] if nothing was run yet, [`StoreError::OlderSchema`] where an older one cannot be written;
    /// else as [`Store::open`].
    pub async fn open_existing(runs_dir: &Path) -> Result<Self, StoreError> {
        let path = runs_dir.join(FILE_NAME);
        if !path.is_file() {
            return Err(StoreError::NoDatabase { directory: runs_dir.to_owned() });
        }
        let connection = match reader(&path).await {
            Err(StoreError::OlderSchema { path, found, known }) => {
                // Who may write it brings it up to date here, so that an upgrade of the program is no obstacle to looking at
                // old results; for anybody else it stays an error.
                let migrated = Self::open(runs_dir).await.map_err(|_| StoreError::OlderSchema {
                    path: path.clone(),
                    found,
                    known,
                })?;
                migrated.close().await?;
                reader(&path).await?
            }
            connection => connection?,
        };
        Ok(Self {
            connection,
            directory: runs_dir.to_owned(),
            tags: HashMap::new(),
            commits: Commit::Written,
        })
    }

    /// The runs directory, as it was given.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Closes the database. The last one to close folds the log into the database file and removes it, and locks every
    /// reader out meanwhile: a writer that ends with its process takes [`Store::leave`].
    ///
    /// # Errors
    /// If SQLite fails to close.
    pub async fn close(self) -> Result<(), StoreError> {
        self.connection.close().await.map_err(sqlite("close the runs database"))
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
    /// If SQLite fails to read or write; everything that was committed stays in the database with its log.
    pub async fn leave(mut self) -> Result<(), StoreError> {
        // What comes back as a row says whether somebody was in the way, which is no error.
        let folded = sqlx::raw_sql("PRAGMA busy_timeout = 1000; PRAGMA wal_checkpoint(TRUNCATE)")
            .execute(&mut self.connection)
            .await
            .map_err(sqlite("fold the log into the runs database"));
        // Dropped, its thread would close it.
        std::mem::forget(self.connection);
        folded.map(|_| ())
    }

    /// Begins a transaction that takes the write lock at once, so that it cannot fail half-way for want of it.
    async fn begin(&mut self, commit: Commit) -> Result<Transaction<'_, Sqlite>, StoreError> {
        if self.commits != commit {
            let pragma = match commit {
                Commit::Written => "PRAGMA synchronous = NORMAL",
                Commit::Synced => "PRAGMA synchronous = FULL",
            };
            sqlx::raw_sql(pragma)
                .execute(&mut self.connection)
                .await
                .map_err(sqlite("set the durability of the runs database"))?;
            self.commits = commit;
        }
        self.connection
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(sqlite("begin a change of the runs database"))
    }
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        // Rows cross from the connection's thread; a small buffer makes the two take turns.
        .row_buffer_size(1024)
        .disable_statement_logging()
}

async fn connect(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, StoreError> {
    // The first look into the file may come with the settings of the connection already.
    options.connect().await.map_err(sqlite("open the runs database")).map_err(|error| error.at(path))
}

/// A connection for reading only.
async fn reader(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = options(path).read_only(true).pragma("query_only", "ON");
    match checked(&options, path).await {
        // SQLITE_READONLY, SQLITE_CANTOPEN: the directory belongs to somebody else, and SQLite cannot put its lock file
        // there. Where no log waits beside the database, nobody has it open, and it can be read without locks.
        Err(error) if (error.is_sqlite(8) || error.is_sqlite(14)) && !has_log(path) => {
            checked(&options.immutable(true), path).await
        }
        connection => connection,
    }
}

/// A connection to a database of ours, for reading.
async fn checked(options: &SqliteConnectOptions, path: &Path) -> Result<SqliteConnection, StoreError> {
    let mut connection = connect(options, path).await?;
    schema::check(&mut connection, path).await?;
    Ok(connection)
}

/// Whether a log lies beside the database: somebody has it open, or was killed.
fn has_log(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).metadata().is_ok_and(|log| log.len() > 0)
}

/// Puts the database into WAL mode, which it keeps.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    // SQLite does not wait for the lock of this change. Whoever holds it is another process that opens the new database
    // and makes the same change.
    let mut left = BUSY_TIMEOUT;
    loop {
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *connection)
            .await
            .map_err(sqlite("put the runs database into WAL mode"));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                return Err(StoreError::Sqlite {
                    action: "put the runs database into WAL mode",
                    message: format!("this file system keeps it in mode `{mode}`"),
                    code: None,
                });
            }
            // SQLITE_BUSY
            Err(error) if error.is_sqlite(5) && left > PATIENCE => {
                tokio::time::sleep(PATIENCE).await;
                left -= PATIENCE;
            }
            Err(error) => return Err(error),
        }
    }
}

/// SQLite's whole numbers are signed.
fn whole(what: &'static str, value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::TooLarge { what, value })
}

/// A number that the schema keeps in range.
fn narrow<T: TryFrom<i64>>(what: &'static str, value: i64) -> Result<T, StoreError> {
    T::try_from(value).map_err(|_| StoreError::Corrupt(format!("the {what} {value}")))
}

/// A word that the schema keeps among the known ones.
fn word<T: std::str::FromStr<Err = String>>(word: &str) -> Result<T, StoreError> {
    word.parse().map_err(StoreError::Corrupt)
}

fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Json { action: format!("write {what} as JSON"), source })
}

fn from_json<T: serde::de::DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|source| StoreError::Json { action: format!("read {what} in the runs database"), source })
}

#[cfg(test)]
mod tests;
