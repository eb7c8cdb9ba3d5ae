//! Runs and experiments are taken out of the database: with everything that was kept of them, or not at all.
//!
//! Called where a spec changes, and by `gridboard delete`. The files are the caller's.

use sqlx::SqliteConnection;

use super::{Commit, statistics::forget};
use crate::store::{
    ExperimentKey, RunKey, Store,
    error::{StoreError, sqlite},
    experiment_view::identifier,
    ranking::rank_by_spec,
};

const ACTION: &str = "delete runs";

/// The tables that hold something of a run, the run's own last.
const OF_A_RUN: [&str; 12] = [
    "_scalar WHERE run_id",
    "_latest WHERE run_id",
    "_chunk WHERE run_id",
    "_series WHERE run_id",
    "_confusion WHERE run_id",
    "_class_metric WHERE run_id",
    "_ranking WHERE run_id",
    "_validation WHERE run_id",
    "_statistic WHERE run_id",
    "_decision WHERE run_id",
    "_attempt WHERE run_id",
    ITSELF,
];

/// The run's own row.
const ITSELF: &str = "_run WHERE id";

impl Store {
    /// Removes an experiment with its runs and its view. One that is not there is removed already.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn remove_experiment(&mut self, experiment: ExperimentKey) -> Result<(), StoreError> {
        let ExperimentKey(id) = experiment;
        let mut transaction = self.begin(Commit::Synced).await?;
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM _experiment WHERE id = ?1")
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        let Some(name) = name else { return Ok(()) };
        forget(&mut transaction, experiment).await?;
        for table in OF_A_RUN {
            let sql = format!("DELETE FROM {table} IN (SELECT id FROM _run WHERE experiment_id = ?1)");
            delete(&mut transaction, &sql, id).await?;
        }
        delete(&mut transaction, "DELETE FROM _point WHERE experiment_id = ?1", id).await?;
        delete(&mut transaction, "DELETE FROM _experiment WHERE id = ?1", id).await?;
        // Safe: the name is quoted.
        let view = sqlx::AssertSqlSafe(format!("DROP VIEW IF EXISTS main.{}", identifier(&name)));
        sqlx::raw_sql(view).execute(&mut *transaction).await.map_err(sqlite(ACTION))?;
        transaction.commit().await.map_err(sqlite(ACTION))
    }

    /// Removes runs of an experiment and ranks the others anew.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn remove_runs(
        &mut self,
        experiment: ExperimentKey,
        runs: &[RunKey],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Synced).await?;
        forget(&mut transaction, experiment).await?;
        remove_runs(&mut transaction, runs).await?;
        rank_by_spec(&mut transaction, experiment).await?;
        transaction.commit().await.map_err(sqlite(ACTION))
    }
}

/// Removes runs within a transaction, in which the statistics of their experiment are forgotten: those name other runs.
pub(super) async fn remove_runs(
    connection: &mut SqliteConnection,
    runs: &[RunKey],
) -> Result<(), StoreError> {
    for table in OF_A_RUN {
        let sql = format!("DELETE FROM {table} = ?1");
        for run in runs {
            delete(connection, &sql, run.get()).await?;
        }
    }
    Ok(())
}

/// Removes everything of a run but its place in the ledger, within a transaction.
pub(super) async fn clear_run(connection: &mut SqliteConnection, run: RunKey) -> Result<(), StoreError> {
    for table in OF_A_RUN.iter().filter(|table| **table != ITSELF) {
        delete(connection, &format!("DELETE FROM {table} = ?1"), run.get()).await?;
    }
    Ok(())
}

async fn delete(connection: &mut SqliteConnection, sql: &str, key: i64) -> Result<(), StoreError> {
    // Safe: names of our own schema.
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(key);
    query.execute(connection).await.map_err(sqlite(ACTION))?;
    Ok(())
}
