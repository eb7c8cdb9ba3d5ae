//! What users do to runs that have no live attempt: other states, and the marks that they give them.

use sqlx::SqliteConnection;

use super::Commit;
use crate::{
    run::{Marks, RunState},
    store::{
        ExperimentKey, RunKey, Store,
        convert::to_json,
        error::{StoreError, sqlite},
        ranking::rank_by_spec,
    },
};

const ACTION: &str = "change the state of a run";

impl Store {
    /// Moves a run that has no live attempt and no results to another state: `pending`, `paused` or `cancelled`. One that has
    /// either stays as it is.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn move_run(&mut self, run: RunKey, state: RunState) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Synced).await?;
        put(&mut transaction, run, state).await?;
        transaction.commit().await.map_err(sqlite(ACTION))
    }

    /// As [`Store::move_run`], all or none of several runs of an experiment, which is ranked anew.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn move_runs(
        &mut self,
        experiment: ExperimentKey,
        runs: &[RunKey],
        state: RunState,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Synced).await?;
        for run in runs {
            put(&mut transaction, *run, state).await?;
        }
        rank_by_spec(&mut transaction, experiment).await?;
        transaction.commit().await.map_err(sqlite(ACTION))
    }

    /// Notes what users say of a run, as its file has it.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn set_marks(&mut self, run: RunKey, marks: &Marks) -> Result<(), StoreError> {
        let action = "note what is said of a run";
        let tags = to_json("the tags of a run", &marks.tags)?;
        let mut transaction = self.begin(Commit::Synced).await?;
        sqlx::query("UPDATE _run SET tags = ?2, note = ?3, archived = ?4 WHERE id = ?1")
            .bind(run)
            .bind(tags)
            .bind(marks.note.as_deref())
            .bind(marks.archived)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }
}

async fn put(connection: &mut SqliteConnection, run: RunKey, state: RunState) -> Result<(), StoreError> {
    let moved = sqlx::query(
        "UPDATE _run SET state = ?2 WHERE id = ?1 AND state IN ('pending', 'paused', 'failed', 'cancelled', 'stopped')",
    )
    .bind(run)
    .bind(state.as_str())
    .execute(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    if moved.rows_affected() > 0 {
        // What was said of its failure is no reason any more.
        sqlx::query("DELETE FROM _ranking WHERE run_id = ?1")
            .bind(run)
            .execute(connection)
            .await
            .map_err(sqlite(ACTION))?;
    }
    Ok(())
}
