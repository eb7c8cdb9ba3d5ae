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
    base::{disk::may_be_shared, process::boot_id, program::host},
    run::ExperimentDir,
};

/// What is said of an attempt whose end nobody saw.
pub(super) const REASON: &str = "its sweep was killed";

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
/// its runs are believed until their own machine looks, unless the folder is a copy of the one that was swept. A machine is known
/// by its boot, and by its name where it was started again since.
pub(super) async fn cut_off(
    connection: &mut SqliteConnection,
    runs_dir: &Path,
) -> Result<Vec<ExperimentKey>, StoreError> {
    let running: Vec<Running> = sqlx::query_as(
        "SELECT e.id, e.name, min(coalesce(a.boot_id = ?2, 0) OR coalesce(a.host = ?1, 0)) AS here
         FROM _run r JOIN _experiment e ON e.id = r.experiment_id
         LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
         WHERE r.state IN ('running', 'paused') GROUP BY e.id",
    )
    .bind(host())
    .bind(boot_id())
    .fetch_all(connection)
    .await
    .map_err(sqlite("look for runs that were cut off"))?;
    let shared = may_be_shared(runs_dir);
    let dead = |running: &Running| {
        let dir = ExperimentDir::new(runs_dir, &running.name);
        !dir.is_locked() && is_dead(running.here, shared, dir.is_copied())
    };
    Ok(running.into_iter().filter(dead).map(|running| ExperimentKey(running.id)).collect())
}

/// Whether the runs of a sweep whose lock nobody holds are dead. `shared` says that other machines may write there.
pub(super) fn is_dead(here: bool, shared: bool, copied: bool) -> bool {
    here || !shared || copied
}

/// Hides the tables of runs and attempts from this connection behind views in which the runs of these experiments are owed
/// again. The views of the file do not see them, and have to be hidden as well ([`super::views::overlay`]).
pub(super) async fn overlay(
    connection: &mut SqliteConnection,
    cut_off: &[ExperimentKey],
) -> Result<(), StoreError> {
    let ids: Vec<String> = cut_off.iter().map(|ExperimentKey(id)| id.to_string()).collect();
    let ids = ids.join(", ");
    let owed = format!("state IN ('running', 'paused') AND experiment_id IN ({ids})");
    hide(connection, "_run", &owed, &[("state", "pending")]).await?;
    let lost = format!("state = 'running' AND run_id IN (SELECT id FROM main._run WHERE {owed})");
    let instead = [("state", "lost"), ("failure", "lost"), ("reason", REASON)];
    hide(connection, "_attempt", &lost, &instead).await?;
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

/// Hides a table behind a view of the same rows, in which columns have other words where `condition` holds.
async fn hide(
    connection: &mut SqliteConnection,
    table: &str,
    condition: &str,
    instead: &[(&str, &str)],
) -> Result<(), StoreError> {
    let action = "look at runs that were cut off";
    let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1, 'main')")
        .bind(table)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(action))?;
    let columns: Vec<String> = columns
        .into_iter()
        .map(|column| match instead.iter().find(|(name, _)| *name == column) {
            Some((_, word)) => format!("CASE WHEN {condition} THEN '{word}' ELSE {column} END AS {column}"),
            None => column,
        })
        .collect();
    // Safe: names of our own schema, and numbers.
    let sql = format!("CREATE TEMP VIEW {table} AS SELECT {} FROM main.{table}", columns.join(", "));
    raw_sql(AssertSqlSafe(sql)).execute(connection).await.map_err(sqlite(action))?;
    Ok(())
}
