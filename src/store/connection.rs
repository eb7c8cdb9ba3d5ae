//! Connections to the file: their settings, who may read it, and which file it is.
//!
//! The database file is opened by SQLite alone, never beside it: closing a file gives up all locks that the process holds on
//! it, SQLite's too (<https://www.sqlite.org/howtocorrupt.html>, 2.2). What has to be known of the file without SQLite is asked
//! of its name.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{AssertSqlSafe, ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    error::{StoreError, sqlite},
    schema,
};
use crate::base::disk::network;

/// The file in the runs directory.
pub const FILE_NAME: &str = "gridboard.db";

/// How long a statement waits for another process' write transaction.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(BUSY_TIMEOUT)
        // Rows cross from the connection's thread; a small buffer makes the two take turns.
        .row_buffer_size(1024)
        .disable_statement_logging()
}

pub(super) async fn connect(
    options: &SqliteConnectOptions,
    path: &Path,
) -> Result<SqliteConnection, StoreError> {
    // The first look into the file may come with the settings of the connection already.
    options.connect().await.map_err(sqlite("open the runs database")).map_err(|error| error.at(path))
}

/// A connection for reading only, to a database of this schema.
pub(super) async fn reading(path: &Path) -> Result<SqliteConnection, StoreError> {
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

/// Whether the database may be in WAL mode. The index of the log is memory that all processes share, which those of other
/// machines cannot: <https://www.sqlite.org/wal.html>, "Overview". On a file system of a network it has a rollback journal, which
/// is slower, and as safe as the locks of that file system.
pub(super) fn may_write_ahead(path: &Path) -> bool {
    network(path.parent().unwrap_or(Path::new("."))).is_none()
}

/// Puts a database that was moved into the mode of its file system. One that others have open stays as it is.
pub(super) async fn settle_journal(connection: &mut SqliteConnection, path: &Path) {
    let wanted = if may_write_ahead(path) { "wal" } else { "delete" };
    let found: Result<String, _> =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *connection).await;
    if found.is_ok_and(|found| found != wanted) {
        set_journal(connection, wanted).await;
    }
}

/// Puts a database into a journal mode. Where that cannot be had now, since others have it open, the next one will do it.
pub(super) async fn set_journal(connection: &mut SqliteConnection, mode: &'static str) {
    // Safe: a constant.
    let _ = sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA journal_mode = {mode}"))).execute(connection).await;
}

/// The file that SQLite keeps beside the database: `-wal`, `-shm` or `-journal`.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether a log lies beside the database: somebody has it open, or was killed.
fn has_log(path: &Path) -> bool {
    beside(path, "-wal").metadata().is_ok_and(|log| log.len() > 0)
}

/// What lies under the name of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lying {
    /// Nothing.
    Missing,
    /// A file without content, which an older program left that was cut off while it made the database.
    Empty,
    /// A file.
    File(Identity),
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// Looks under the name of the database.
///
/// # Errors
/// [`StoreError::NotAFile`] for a folder and the like, or where it cannot be looked at.
pub(super) fn look(path: &Path) -> Result<Lying, StoreError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // What is no link by now was named by another first command in between: for this look it was missing.
            let link = fs::symlink_metadata(path).is_ok_and(|named| named.is_symlink());
            return match link {
                true => Err(StoreError::NotAFile { path: path.to_owned(), what: "a link to nothing" }),
                false => Ok(Lying::Missing),
            };
        }
        Err(source) => return Err(StoreError::Look { path: path.to_owned(), source }),
    };
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "a folder" } else { "no file" };
        return Err(StoreError::NotAFile { path: path.to_owned(), what });
    }
    if metadata.len() == 0 {
        return Ok(Lying::Empty);
    }
    Ok(Lying::File(Identity { device: metadata.dev(), inode: metadata.ino() }))
}
