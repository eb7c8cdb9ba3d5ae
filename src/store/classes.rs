//! Confusion matrices and the class metrics that follow from them.

use crate::{
    metrics::{ClassMetrics, ConfusionMatrix},
    predictions::Hits,
};

use super::{
    Commit, RunKey, Store,
    error::{StoreError, sqlite},
    narrow,
    statistics::put_validation,
    whole,
};

impl Store {
    /// Replaces the confusion matrix of a run, its precision, recall and F1 per class, the interval of its accuracy, and
    /// which images it has right, where the predictions themselves are known. As in scikit-learn, a ratio without a
    /// denominator is 0.
    ///
    /// # Errors
    /// [`StoreError::ClassCount`] if the names are not those of the matrix, or if the database cannot be written.
    pub async fn put_confusion(
        &mut self,
        run: RunKey,
        matrix: &ConfusionMatrix,
        classes: &[String],
        hits: Option<&Hits>,
    ) -> Result<(), StoreError> {
        let action = "keep the confusion matrix of a run";
        if matrix.classes() != classes.len() {
            return Err(StoreError::ClassCount { matrix: matrix.classes(), names: classes.len() });
        }
        let mut transaction = self.begin(Commit::Written).await?;
        for sql in ["DELETE FROM _class_metric WHERE run_id = ?1", "DELETE FROM _confusion WHERE run_id = ?1"]
        {
            sqlx::query(sql).bind(run).execute(&mut *transaction).await.map_err(sqlite(action))?;
        }
        for (index, class) in classes.iter().enumerate() {
            let ClassMetrics { precision, recall, f1, .. } = matrix.class_metrics(index);
            sqlx::query(
                "INSERT INTO _class_metric (run_id, class_index, class, support, precision, recall, f1)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )
            .bind(run)
            .bind(whole("class", index as u64)?)
            .bind(class)
            .bind(whole("number of images", matrix.support(index))?)
            .bind(precision)
            .bind(recall)
            .bind(f1)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
            for predicted in 0..classes.len() {
                sqlx::query(
                    "INSERT INTO _confusion (run_id, true_class, predicted_class, images) VALUES (?1, ?2, ?3, ?4)",
                )
                .bind(run)
                .bind(whole("class", index as u64)?)
                .bind(whole("class", predicted as u64)?)
                .bind(whole("number of images", matrix.count(index, predicted))?)
                .execute(&mut *transaction)
                .await
                .map_err(sqlite(action))?;
            }
        }
        put_validation(&mut transaction, run, matrix.into(), hits).await?;
        transaction.commit().await.map_err(sqlite(action))
    }

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
