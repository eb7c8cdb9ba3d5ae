//! What a trainer takes back, and what is wrong with its files.

use sqlx::SqliteConnection;

use super::Commit;
use crate::{
    event::{Cut, Resumed},
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
        if cuts.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin(Commit::Written).await?;
        for cut in cuts {
            cut_curve(&mut transaction, run, &cut.tag, cut.from).await?;
        }
        transaction.commit().await.map_err(sqlite(CUT))
    }

    /// Removes all points of a run.
    ///
    /// # Errors
    /// If the database cannot be written; then nothing is removed.
    pub async fn clear_curves(&mut self, run: RunKey) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Written).await?;
        forget_curves(&mut transaction, run).await?;
        transaction.commit().await.map_err(sqlite(FORGET))
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

const CUT: &str = "remove points that a trainer took back";
const FORGET: &str = "remove the points of a run";

/// Removes the end of a curve, from a step on.
async fn cut_curve(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: &str,
    from: i64,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM _scalar WHERE run_id = ?1 AND step >= ?3
         AND tag_id = (SELECT id FROM _tag WHERE name = ?2)",
        "DELETE FROM _chunk WHERE run_id = ?1 AND last_step >= ?3
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
            .bind(tag)
            .bind(from)
            .execute(&mut *connection)
            .await
            .map_err(sqlite(CUT))?;
    }
    Ok(())
}

/// Removes the points of a run that are not before where an attempt goes on.
pub(super) async fn cut_to(
    connection: &mut SqliteConnection,
    run: RunKey,
    resumed: Resumed,
) -> Result<(), StoreError> {
    let tags: Vec<String> =
        sqlx::query_scalar("SELECT t.name FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1")
            .bind(run)
            .fetch_all(&mut *connection)
            .await
            .map_err(sqlite(CUT))?;
    for tag in tags {
        cut_curve(connection, run, &tag, resumed.first_step(&tag)).await?;
    }
    Ok(())
}

/// Removes all points of a run.
pub(super) async fn forget_curves(connection: &mut SqliteConnection, run: RunKey) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM _scalar WHERE run_id = ?1",
        "DELETE FROM _latest WHERE run_id = ?1",
        "DELETE FROM _chunk WHERE run_id = ?1",
        "DELETE FROM _series WHERE run_id = ?1",
    ] {
        sqlx::query(sql).bind(run).execute(&mut *connection).await.map_err(sqlite(FORGET))?;
    }
    Ok(())
}
