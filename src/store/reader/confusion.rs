//! Confusion matrices as they are read.

use crate::{
    metrics::ConfusionMatrix,
    store::{
        Reader, RunKey,
        convert::narrow,
        error::{StoreError, sqlite},
    },
};

impl Reader {
    /// The confusion matrix of a run, where it has one.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn confusion(&mut self, run: RunKey) -> Result<Option<ConfusionMatrix>, StoreError> {
        let rows: Vec<(i64, i64, i64)> = sqlx::query_as(
            "SELECT true_class, predicted_class, images FROM _confusion WHERE run_id = ?1
             ORDER BY true_class, predicted_class",
        )
        .bind(run)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the confusion matrix of a run"))?;
        if rows.is_empty() {
            return Ok(None);
        }
        let classes = rows.len().isqrt();
        let mut counts: Vec<u64> = Vec::with_capacity(rows.len());
        for (place, (truth, predicted, images)) in rows.into_iter().enumerate() {
            let expected = ((place / classes) as i64, (place % classes) as i64);
            if (truth, predicted) != expected {
                return Err(StoreError::Corrupt("a confusion matrix that is not square".to_owned()));
            }
            counts.push(narrow("number of images", images)?);
        }
        ConfusionMatrix::from_counts(counts)
            .map(Some)
            .ok_or_else(|| StoreError::Corrupt("a confusion matrix that is not square".to_owned()))
    }
}
