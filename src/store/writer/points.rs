//! The points that a search has suggested, and their runs.

use sqlx::SqliteConnection;

use super::Commit;
use crate::{
    grid::Suggested,
    run::{RunKey, RunSpec},
    store::{
        ExperimentKey, Store,
        convert::{to_json, whole},
        error::{StoreError, sqlite},
    },
};

const ACTION: &str = "keep a point of a search";

impl Store {
    /// Keeps a point and adds its runs to the ledger; returns their keys. The same point once more changes nothing.
    ///
    /// # Errors
    /// As [`Store::insert_runs`].
    pub async fn add_point(
        &mut self,
        experiment: ExperimentKey,
        point: &Suggested,
        runs: &[RunSpec],
    ) -> Result<Vec<RunKey>, StoreError> {
        let mut transaction = self.begin(Commit::Written).await?;
        put(&mut transaction, experiment, point).await?;
        transaction.commit().await.map_err(sqlite(ACTION))?;
        self.insert_runs(experiment, runs.iter().cloned()).await?;
        let mut keys = Vec::with_capacity(runs.len());
        for run in runs {
            let key: i64 =
                sqlx::query_scalar("SELECT id FROM _run WHERE experiment_id = ?1 AND content_id = ?2")
                    .bind(experiment)
                    .bind(&run.id)
                    .fetch_one(&mut self.connection)
                    .await
                    .map_err(sqlite(ACTION))?;
            keys.push(RunKey::new(key));
        }
        Ok(keys)
    }

    /// Keeps these points of an experiment, and no others.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn set_points(
        &mut self,
        experiment: ExperimentKey,
        points: &[Suggested],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Synced).await?;
        sqlx::query("DELETE FROM _point WHERE experiment_id = ?1")
            .bind(experiment)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        for point in points {
            put(&mut transaction, experiment, point).await?;
        }
        transaction.commit().await.map_err(sqlite(ACTION))
    }
}

async fn put(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    point: &Suggested,
) -> Result<(), StoreError> {
    sqlx::query("INSERT OR REPLACE INTO _point (experiment_id, number, suggestion) VALUES (?1, ?2, ?3)")
        .bind(experiment)
        .bind(whole("number of a point", point.number)?)
        .bind(to_json("a suggestion", point)?)
        .execute(connection)
        .await
        .map_err(sqlite(ACTION))?;
    Ok(())
}
