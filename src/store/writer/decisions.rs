//! What stopping rules have decided of runs.

use super::Commit;
use crate::{
    run::{Decided, RunKey},
    store::{
        Store,
        convert::whole,
        error::{StoreError, sqlite},
    },
};

const ACTION: &str = "keep a decision of a stopping rule";

/// Adds a decision behind the others of its run.
pub(super) const INSERT: &str = "INSERT INTO _decision (run_id, number, attempt, epochs, action, reason)
    SELECT ?1, 1 + coalesce(max(number), 0), ?2, ?3, ?4, ?5 FROM _decision WHERE run_id = ?1
    HAVING NOT EXISTS (SELECT 1 FROM _decision d WHERE d.run_id = ?1 AND d.attempt = ?2 AND d.epochs = ?3 AND d.action = ?4)";

impl Store {
    /// Keeps a decision of an attempt. The same one once more changes nothing.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn note_decision(
        &mut self,
        run: RunKey,
        attempt: u32,
        decided: &Decided,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Written).await?;
        sqlx::query(INSERT)
            .bind(run)
            .bind(attempt)
            .bind(whole("number of epochs", decided.epochs)?)
            .bind(decided.action.as_str())
            .bind(&decided.reason)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        transaction.commit().await.map_err(sqlite(ACTION))
    }
}
