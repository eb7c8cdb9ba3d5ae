//! The views of a database: those of `views.sql`, and one of each experiment's name.
//!
//! They are made anew by whoever may write and finds them to be another program's, so that a new program answers from an old
//! database as from its own. A reader that may not write makes them for itself alone, as temporary views, which hide those of
//! the file; so it does with the tables, where they call runs running whose sweep is dead (see `reader::live`).

use sqlx::{AssertSqlSafe, SqliteConnection, raw_sql};

use super::{
    convert::from_json,
    error::{StoreError, sqlite},
    experiment_view::{self, identifier},
};
use crate::spec::Experiment;

const FIXED: &str = include_str!("views.sql");

/// How a view begins.
const CREATE: &str = "CREATE VIEW ";

/// Where views are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the file, in place of those that are there.
    File,
    /// In this connection alone.
    Connection,
}

/// The views that every database has: name, and the rest of the statement from the name on.
fn fixed() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIXED.split(CREATE).skip(1).filter_map(|rest| Some((rest.split_once(' ')?.0, rest)))
}

/// Of which program views are: 16 hex digits that follow from the text of all that it makes.
fn mark() -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(FIXED.as_bytes());
    hash.update(experiment_view::sample().as_bytes());
    hash.finalize().to_hex()[..16].to_owned()
}

/// Whether the views of a database of this schema are this program's.
pub(super) async fn are_current(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let found: Option<String> = sqlx::query_scalar("SELECT value FROM _meta WHERE name = 'views'")
        .fetch_optional(connection)
        .await
        .map_err(sqlite("read the runs database"))?;
    Ok(found.is_some_and(|found| found == mark()))
}

/// Makes all views anew and notes whose they are. Within a transaction.
pub(super) async fn renew(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    make(connection, Place::File).await?;
    sqlx::query("INSERT OR REPLACE INTO _meta (name, value) VALUES ('views', ?1)")
        .bind(mark())
        .execute(connection)
        .await
        .map_err(sqlite("make the views of the runs database"))?;
    Ok(())
}

/// Hides the views of the file from this connection behind its own.
pub(super) async fn overlay(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    make(connection, Place::Connection).await
}

async fn make(connection: &mut SqliteConnection, place: Place) -> Result<(), StoreError> {
    let action = "make the views of the runs database";
    let rows: Vec<(i64, String, String, String)> =
        sqlx::query_as("SELECT id, name, axes, spec FROM _experiment ORDER BY id")
            .fetch_all(&mut *connection)
            .await
            .map_err(sqlite("read the experiments"))?;
    let mut sql = String::new();
    let mut add = |name: &str, rest: &str| match place {
        Place::File => sql += &format!("DROP VIEW IF EXISTS main.{name};\n{CREATE}{rest};\n"),
        Place::Connection => sql += &format!("CREATE TEMP VIEW {rest};\n"),
    };
    for (name, rest) in fixed() {
        // An experiment of before may have a name that has been taken for a view since: it keeps its own.
        if rows.iter().any(|(_, experiment, ..)| experiment.eq_ignore_ascii_case(name)) {
            continue;
        }
        add(name, rest.trim_end().trim_end_matches(';'));
    }
    for (id, name, axes, spec) in rows {
        let spec: Experiment = from_json("the spec of an experiment", &spec)?;
        let axes: Vec<String> = from_json("the axes of an experiment", &axes)?;
        add(&identifier(&name), &experiment_view::text(id, &name, &axes, &spec.rank));
    }
    // Safe: constants, and quoted names.
    raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(sqlite(action))?;
    Ok(())
}

/// Makes the view of one experiment anew.
pub(super) async fn renew_one(
    connection: &mut SqliteConnection,
    id: i64,
    name: &str,
    axes: &[String],
    rule: &crate::spec::RankRule,
) -> Result<(), StoreError> {
    let view = experiment_view::text(id, name, axes, rule);
    // Safe: every name in it is quoted.
    let sql = AssertSqlSafe(format!("DROP VIEW IF EXISTS {};\n{CREATE}{view}", identifier(name)));
    raw_sql(sql).execute(connection).await.map_err(sqlite("make the view of an experiment"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RESERVED_EXPERIMENTS;

    #[test]
    fn every_view_of_the_file_is_found_and_its_name_is_reserved() {
        let names: Vec<&str> = fixed().map(|(name, _)| name).collect();
        assert_eq!(names.len(), FIXED.matches(CREATE).count());
        assert!(names.iter().all(|name| RESERVED_EXPERIMENTS.contains(name)), "{names:?}");
        assert!(fixed().all(|(name, rest)| rest.starts_with(&format!("{name} AS\n"))));
    }
}
