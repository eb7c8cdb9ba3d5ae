//! What a run is, where the database and the lock of its experiment disagree: the one place that decides it.
//!
//! `_run.state` is what every view, listing and report shows. A sweep that was killed leaves runs `running` there, and only
//! the lock of its experiment, which the operating system has freed, tells that nobody runs them. Whoever opens the database
//! therefore asks here which experiments were cut off, before anything is read: who may write takes their runs back
//! ([`super::writer`]), anybody else hides the tables behind temporary views that say the same.

use std::path::Path;

use sqlx::{AssertSqlSafe, SqliteConnection, raw_sql};
use sqlx_macros::FromRow;

use super::{
    ExperimentKey,
    error::{StoreError, sqlite},
    ranking::rank_by_spec,
};
use crate::{
    base::{disk::may_be_shared, program::host},
    run::ExperimentDir,
};

#[derive(FromRow)]
struct Running {
    id: i64,
    name: String,
    /// Whether all of its running attempts were started on this machine.
    here: bool,
}

/// The experiments of a runs directory whose sweeps were cut off, as far as the database does not know it.
///
/// A lock that nobody holds tells nothing of another machine where the file system may not carry locks between machines: there
/// its runs are believed until their own machine looks.
pub(super) async fn cut_off(
    connection: &mut SqliteConnection,
    runs_dir: &Path,
) -> Result<Vec<ExperimentKey>, StoreError> {
    let running: Vec<Running> = sqlx::query_as(
        "SELECT e.id, e.name, min(a.host IS NOT NULL AND a.host = ?1) AS here
         FROM _run r JOIN _experiment e ON e.id = r.experiment_id
         LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
         WHERE r.state = 'running' GROUP BY e.id",
    )
    .bind(host())
    .fetch_all(connection)
    .await
    .map_err(sqlite("look for runs that were cut off"))?;
    let dead = |running: &Running| {
        !ExperimentDir::new(runs_dir, &running.name).is_locked() && (running.here || !may_be_shared(runs_dir))
    };
    Ok(running.into_iter().filter(dead).map(|running| ExperimentKey(running.id)).collect())
}

/// Hides the tables of runs and attempts from this connection behind views in which the runs of these experiments are owed
/// again. The views of the file do not see them, and have to be hidden as well ([`super::views::overlay`]).
pub(super) async fn overlay(
    connection: &mut SqliteConnection,
    cut_off: &[ExperimentKey],
) -> Result<(), StoreError> {
    let ids: Vec<String> = cut_off.iter().map(|ExperimentKey(id)| id.to_string()).collect();
    let ids = ids.join(", ");
    let owed = format!("experiment_id IN ({ids})");
    let lost = format!("run_id IN (SELECT id FROM main._run WHERE state = 'running' AND {owed})");
    hide(connection, "_run", &owed, "pending").await?;
    hide(connection, "_attempt", &lost, "interrupted").await?;
    // The dead sweep may have had no time to rank what had ended.
    let ranks = "CREATE TEMP TABLE _ranking (run_id INTEGER PRIMARY KEY, rank INTEGER, reason TEXT);
                 INSERT INTO temp._ranking SELECT run_id, rank, reason FROM main._ranking;
                 CREATE TEMP TABLE _series (run_id INTEGER, wanted TEXT, tag_id INTEGER, PRIMARY KEY (run_id, wanted));
                 INSERT INTO temp._series SELECT run_id, wanted, tag_id FROM main._series";
    raw_sql(ranks).execute(&mut *connection).await.map_err(sqlite("look at runs that were cut off"))?;
    for experiment in cut_off {
        rank_by_spec(connection, *experiment).await?;
    }
    Ok(())
}

/// Hides a table behind a view of the same rows, in which `state` is `instead` where it is running and `condition` holds.
async fn hide(
    connection: &mut SqliteConnection,
    table: &str,
    condition: &str,
    instead: &str,
) -> Result<(), StoreError> {
    let action = "look at runs that were cut off";
    let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1, 'main')")
        .bind(table)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(action))?;
    let columns: Vec<String> = columns
        .into_iter()
        .map(|column| match column.as_str() {
            "state" => {
                format!(
                    "CASE WHEN state = 'running' AND {condition} THEN '{instead}' ELSE state END AS state"
                )
            }
            _ => column,
        })
        .collect();
    // Safe: names of our own schema, and numbers.
    let sql = format!("CREATE TEMP VIEW {table} AS SELECT {} FROM main.{table}", columns.join(", "));
    raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(sqlite(action))?;
    Ok(())
}
