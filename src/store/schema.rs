//! The schema: its versions, and what a file must be to be opened.
//!
//! `user_version` counts the migrations that were applied, `application_id` marks the file as ours. A migration that was
//! released is never edited; a new one is appended, and makes tables only: the views are `views`' business.

use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, raw_sql};

use super::{
    error::{StoreError, sqlite},
    ranking::rank_all,
    validation::count_confusions,
    views,
};

/// The migrations in order; the version of a schema is how many of them it has.
pub(super) const MIGRATIONS: [&str; 13] = [
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_core_seconds.sql"),
    include_str!("migrations/0003_statistics.sql"),
    include_str!("migrations/0004_apart_from_views.sql"),
    include_str!("migrations/0005_problem.sql"),
    include_str!("migrations/0006_series.sql"),
    include_str!("migrations/0007_resumed_from.sql"),
    include_str!("migrations/0008_evidence.sql"),
    include_str!("migrations/0009_states.sql"),
    include_str!("migrations/0010_search.sql"),
    include_str!("migrations/0011_chunks.sql"),
    include_str!("migrations/0012_importance.sql"),
    include_str!("migrations/0013_job.sql"),
];

/// The version that this program reads and writes.
#[expect(clippy::cast_possible_truncation, reason = "a handful of migrations")]
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// "GRID" in ASCII, at offset 68 of the file: <https://www.sqlite.org/fileformat.html#application_id>.
pub(super) const APPLICATION_ID: i32 = 0x4752_4944;

/// What was found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No tables at all: an older program was cut off while it made the database.
    Nothing,
    /// A schema of ours.
    Version(u32),
}

/// Brings schema and views up to date, in one transaction that excludes every other writer; a new database gets both.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let action = "migrate the runs database";
    // Tables that are made anew are dropped: with foreign keys on, what refers to their rows would go as well, and a rename
    // would look into views that are behind. Neither can be said within a transaction.
    raw_sql("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON")
        .execute(&mut *connection)
        .await
        .map_err(sqlite(action))?;
    let migrated = migrate_in_one(connection, path).await;
    raw_sql("PRAGMA foreign_keys = ON; PRAGMA legacy_alter_table = OFF")
        .execute(connection)
        .await
        .map_err(sqlite(action))?;
    migrated
}

async fn migrate_in_one(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let action = "migrate the runs database";
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sqlite(action))?;
    let version = match inspect(&mut transaction, path).await? {
        Found::Nothing => 0,
        Found::Version(version) => version,
    };
    if version < VERSION {
        for migration in &MIGRATIONS[version as usize..] {
            raw_sql(*migration).execute(&mut *transaction).await.map_err(sqlite(action))?;
        }
        // Tells a copy of this database from another one.
        raw_sql("INSERT OR IGNORE INTO _meta (name, value) VALUES ('id', lower(hex(randomblob(16))))")
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
        // What SQL cannot work out in every SQLite.
        count_confusions(&mut transaction).await?;
        // By the rules of this program.
        rank_all(&mut transaction).await?;
        let stamp = format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}");
        raw_sql(AssertSqlSafe(stamp)).execute(&mut *transaction).await.map_err(sqlite(action))?;
    }
    if version < VERSION || !views::are_current(&mut transaction).await? {
        views::renew(&mut transaction).await?;
    }
    transaction.commit().await.map_err(sqlite(action))
}

/// Whether a database of ours has schema and views of this program, so that there is nothing to migrate.
pub(super) async fn is_current(connection: &mut SqliteConnection, path: &Path) -> Result<bool, StoreError> {
    Ok(inspect(connection, path).await? == Found::Version(VERSION) && views::are_current(connection).await?)
}

/// What SQLite finds wrong with the file, reading it through; `None` where it holds together.
pub(super) async fn problem(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(connection)
        .await
        .map_err(sqlite("check the runs database"));
    match found {
        Ok(word) if word == "ok" => Ok(None),
        Ok(problem) => Ok(Some(problem)),
        Err(error) if error.is_loss() => Ok(Some(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Checks that a file opened for reading holds a schema of ours, of the version that this program reads.
pub(super) async fn check(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    match inspect(connection, path).await? {
        Found::Nothing => Err(StoreError::NoDatabase { directory: path.parent().unwrap_or(path).to_owned() }),
        Found::Version(found) if found < VERSION => {
            Err(StoreError::OlderSchema { path: path.to_owned(), found, known: VERSION })
        }
        Found::Version(_) => Ok(()),
    }
}

/// What a file holds. Changes nothing in it.
///
/// # Errors
/// Where it is no database, not ours, or of a newer program.
pub(super) async fn inspect(connection: &mut SqliteConnection, path: &Path) -> Result<Found, StoreError> {
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
        (APPLICATION_ID, found, 1..) if found > VERSION => {
            Err(StoreError::NewerSchema { path: path.to_owned(), found, known: VERSION })
        }
        (APPLICATION_ID, version, 1..) => Ok(Found::Version(version)),
        (_, 0, 0) => Ok(Found::Nothing),
        _ => Err(StoreError::NotADatabase { path: path.to_owned() }),
    }
}
