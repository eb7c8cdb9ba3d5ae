//! The schema: its versions, and what a file must be to be opened.
//!
//! `user_version` counts the migrations that were applied, `application_id` marks the file as ours. A migration that was
//! released is never edited; a new one is appended.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, raw_sql};

use super::{
    error::{StoreError, sqlite},
    statistics::count_confusions,
};

/// The migrations in order; the version of a schema is how many of them it has.
pub(super) const MIGRATIONS: [&str; 3] = [
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_core_seconds.sql"),
    include_str!("migrations/0003_statistics.sql"),
];

/// The version that this program reads and writes.
#[expect(clippy::cast_possible_truncation, reason = "a handful of migrations")]
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// "GRID" in ASCII, at offset 68 of the file: <https://www.sqlite.org/fileformat.html#application_id>.
pub(super) const APPLICATION_ID: i32 = 0x4752_4944;

/// What was found in a file.
enum Found {
    /// No tables at all.
    Nothing,
    /// A schema of ours.
    Version(u32),
}

/// Refuses a file that is no database, or not ours, before anything is changed in it. A new one passes.
pub(super) async fn recognise(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    match inspect(connection, path).await? {
        Found::Version(found) if found > VERSION => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known: VERSION })
        }
        Found::Version(_) | Found::Nothing => Ok(()),
    }
}

/// Brings the schema up to date, in one transaction that excludes every other writer.
///
/// Returns whether an older schema was migrated, after which the views of the experiments have to be made anew.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    let action = "migrate the runs database";
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sqlite(action))?;
    recognise(&mut transaction, path).await?;
    let version = match inspect(&mut transaction, path).await? {
        Found::Nothing => 0,
        Found::Version(version) => version,
    };
    if version < VERSION {
        for migration in &MIGRATIONS[version as usize..] {
            raw_sql(*migration).execute(&mut *transaction).await.map_err(sqlite(action))?;
        }
        // What SQL cannot work out in every SQLite.
        count_confusions(&mut transaction).await?;
        let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}");
        raw_sql(AssertSqlSafe(stamp)).execute(&mut *transaction).await.map_err(sqlite(action))?;
    }
    transaction.commit().await.map_err(sqlite(action))?;
    Ok(0 < version && version < VERSION)
}

/// Checks that a file opened for reading holds a schema of ours, of the version that this program reads.
pub(super) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    recognise(connection, path).await?;
    match inspect(connection, path).await? {
        Found::Nothing => Err(StoreError::NoDatabase { directory: path.parent().unwrap_or(path).to_owned() }),
        Found::Version(found) if found < VERSION => {
            Err(StoreError::OlderSchema { path: path.to_owned(), found, known: VERSION })
        }
        Found::Version(_) => Ok(()),
    }
}

async fn inspect(connection: &mut SqliteConnection, path: &Path) -> Result<Found, StoreError> {
    let (application, version, objects): (i32, u32, i64) = sqlx::query_as(
        "SELECT (SELECT application_id FROM pragma_application_id),
                (SELECT user_version FROM pragma_user_version),
                (SELECT count(*) FROM sqlite_master)",
    )
    .fetch_one(connection)
    .await
    .map_err(sqlite("read the runs database"))
    .map_err(|error| error.at(path))?;
    match (application, version, objects) {
        (APPLICATION_ID, version, 1..) => Ok(Found::Version(version)),
        (_, 0, 0) => Ok(Found::Nothing),
        _ => Err(StoreError::NotADatabase { path: path.to_owned() }),
    }
}
