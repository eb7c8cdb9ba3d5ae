//! What a trainer takes back, and what is wrong with its files.

use super::Commit;
use crate::{
    event::Cut,
    store::{
        RunKey, Store,
        error::{StoreError, sqlite},
    },
};

impl Store {
    /// Removes the ends of curves that no longer count, in one transaction.
    ///
    /// # Errors
    /// If the database cannot be written; then nothing is removed.
    pub async fn cut_curves(&mut self, run: RunKey, cuts: &[Cut]) -> Result<(), StoreError> {
        let action = "remove points that a trainer took back";
        if cuts.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin(Commit::Written).await?;
        for cut in cuts {
            for sql in [
                "DELETE FROM _scalar WHERE run_id = ?1 AND step >= ?3
                 AND tag_id = (SELECT id FROM _tag WHERE name = ?2)",
                "DELETE FROM _latest WHERE run_id = ?1 AND step >= ?3
                 AND tag_id = (SELECT id FROM _tag WHERE name = ?2)",
                // The point that is last now.
                "INSERT INTO _latest (run_id, tag_id, step, value)
                 SELECT run_id, tag_id, step, value FROM _scalar
                 WHERE run_id = ?1 AND tag_id = (SELECT id FROM _tag WHERE name = ?2) AND step < ?3
                 ORDER BY step DESC LIMIT 1
                 ON CONFLICT (run_id, tag_id) DO UPDATE SET step = excluded.step, value = excluded.value",
            ] {
                sqlx::query(sql)
                    .bind(run)
                    .bind(&cut.tag)
                    .bind(cut.from)
                    .execute(&mut *transaction)
                    .await
                    .map_err(sqlite(action))?;
            }
        }
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Removes all points of a run.
    ///
    /// # Errors
    /// If the database cannot be written; then nothing is removed.
    pub async fn clear_curves(&mut self, run: RunKey) -> Result<(), StoreError> {
        let action = "remove the points of a run";
        let mut transaction = self.begin(Commit::Written).await?;
        for sql in [
            "DELETE FROM _scalar WHERE run_id = ?1",
            "DELETE FROM _latest WHERE run_id = ?1",
            "DELETE FROM _series WHERE run_id = ?1",
        ] {
            sqlx::query(sql).bind(run).execute(&mut *transaction).await.map_err(sqlite(action))?;
        }
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Keeps with an attempt what is wrong with its event files.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn note_problem(&mut self, run: RunKey, attempt: u32, problem: &str) -> Result<(), StoreError> {
        let action = "note a problem of an attempt";
        let mut transaction = self.begin(Commit::Written).await?;
        sqlx::query("UPDATE _attempt SET problem = ?3 WHERE run_id = ?1 AND attempt = ?2")
            .bind(run)
            .bind(attempt)
            .bind(problem)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }
}
