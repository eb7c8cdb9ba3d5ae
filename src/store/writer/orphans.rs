//! Runs that a dead orchestrator left running or paused are taken back: owed again, their attempts lost.
//!
//! The orchestrator of an experiment does it for its own, before it starts runs; whoever opens the database to write does it
//! for experiments that nobody sweeps, so that no table goes on calling their runs running.

use sqlx::SqliteConnection;
use sqlx_macros::FromRow;

use super::Commit;
use crate::store::{
    ExperimentKey, RunKey, Store,
    convert::narrow,
    error::{StoreError, sqlite},
    live,
    ranking::rank_by_spec,
};

const ACTION: &str = "take back the runs of an interrupted sweep";

/// An attempt that a dead orchestrator left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The run.
    pub run: RunKey,
    /// The run's name.
    pub name: String,
    /// The attempt.
    pub attempt: u32,
    /// Its process, should it be alive.
    pub pid: u32,
    /// The machine of the process.
    pub host: String,
}

#[derive(FromRow)]
struct OrphanRow {
    id: i64,
    name: String,
    attempt: i64,
    pid: i64,
    host: String,
}

impl OrphanRow {
    fn orphan(self) -> Result<Orphan, StoreError> {
        Ok(Orphan {
            run: RunKey::new(self.id),
            name: self.name,
            attempt: narrow("attempt", self.attempt)?,
            pid: narrow("process id", self.pid)?,
            host: self.host,
        })
    }
}

impl Store {
    /// Moves the runs that a dead orchestrator left running or paused back to pending; their attempts are lost. Returns
    /// the runs that are owed since an orchestrator of theirs died, in the order of the grid; somebody who only looked may have
    /// taken them back before. Only for the one orchestrator of the experiment, before it starts runs.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn reset_orphans(&mut self, experiment: ExperimentKey) -> Result<Vec<Orphan>, StoreError> {
        let mut transaction = self.begin(Commit::Synced).await?;
        take_back(&mut transaction, experiment).await?;
        // Nobody saw them end: that tells them from runs that were stopped.
        let rows: Vec<OrphanRow> = sqlx::query_as(
            "SELECT r.id, r.name, a.attempt, a.pid, a.host
             FROM _run r JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
             WHERE r.experiment_id = ?1 AND r.state = 'pending' AND a.state = 'lost' AND a.finished IS NULL
             ORDER BY r.position, r.id",
        )
        .bind(experiment)
        .fetch_all(&mut *transaction)
        .await
        .map_err(sqlite(ACTION))?;
        transaction.commit().await.map_err(sqlite(ACTION))?;
        rows.into_iter().map(OrphanRow::orphan).collect()
    }

    /// Takes back the runs of every experiment that nobody sweeps.
    pub(super) async fn take_back_cut_off(&mut self) -> Result<(), StoreError> {
        let directory = self.directory.clone();
        if live::cut_off(&mut self.connection, &directory).await?.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin(Commit::Synced).await?;
        // Asked again now that no other can write: a sweep that takes its lock from here on has no run in the ledger yet.
        for experiment in live::cut_off(&mut transaction, &directory).await? {
            take_back(&mut transaction, experiment).await?;
            // The dead sweep ranks them no more.
            rank_by_spec(&mut transaction, experiment).await?;
        }
        transaction.commit().await.map_err(sqlite(ACTION))
    }
}

async fn take_back(connection: &mut SqliteConnection, experiment: ExperimentKey) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE _attempt SET state = 'lost', failure = 'lost', reason = ?2 WHERE state = 'running'
         AND run_id IN (SELECT id FROM _run WHERE experiment_id = ?1 AND state = 'running')",
    )
    .bind(experiment)
    .bind(live::REASON)
    .execute(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    sqlx::query(
        "UPDATE _run SET state = 'pending' WHERE experiment_id = ?1 AND state IN ('running', 'paused')",
    )
    .bind(experiment)
    .execute(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(())
}
