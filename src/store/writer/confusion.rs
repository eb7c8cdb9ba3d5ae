//! What a run's predictions say: its confusion matrix with the class metrics that follow, and where the file lies.

use sqlx::SqliteConnection;

use super::Commit;
use crate::{
    metrics::{ClassMetrics, ConfusionMatrix},
    predictions::Hits,
    store::{
        RunKey, Store,
        convert::whole,
        error::{StoreError, sqlite},
        validation::put_validation,
    },
};

const ACTION: &str = "keep the confusion matrix of a run";

impl Store {
    /// Replaces the confusion matrix of a run, its precision, recall and F1 per class, the interval of its accuracy, and
    /// which images it has right with the area under the ROC curve of two classes, where the predictions themselves are known. As in scikit-learn, a ratio without a
    /// denominator is 0.
    ///
    /// # Errors
    /// [`StoreError::ClassCount`] if the names are not those of the matrix, or if the database cannot be written.
    pub async fn put_confusion(
        &mut self,
        run: RunKey,
        matrix: &ConfusionMatrix,
        classes: &[String],
        (hits, auc): (Option<&Hits>, Option<f64>),
    ) -> Result<(), StoreError> {
        if matrix.classes() != classes.len() {
            return Err(StoreError::ClassCount { matrix: matrix.classes(), names: classes.len() });
        }
        let mut transaction = self.begin(Commit::Written).await?;
        put_confusion(&mut transaction, run, matrix, classes, (hits, auc)).await?;
        transaction.commit().await.map_err(sqlite(ACTION))
    }

    /// Notes where a run's predictions lie, relative to the runs directory.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or if the database cannot be written.
    pub async fn set_predictions(&mut self, run: RunKey, path: Option<&str>) -> Result<(), StoreError> {
        let action = "note the predictions of a run";
        let mut transaction = self.begin(Commit::Written).await?;
        let done = sqlx::query("UPDATE _run SET predictions = ?2 WHERE id = ?1")
            .bind(run)
            .bind(path)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NoSuchRun { key: run.get() });
        }
        transaction.commit().await.map_err(sqlite(action))
    }
}

/// Puts the confusion matrix of a run and what follows from it in place of what was there, within a transaction.
pub(super) async fn put_confusion(
    connection: &mut SqliteConnection,
    run: RunKey,
    matrix: &ConfusionMatrix,
    classes: &[String],
    (hits, auc): (Option<&Hits>, Option<f64>),
) -> Result<(), StoreError> {
    for sql in ["DELETE FROM _class_metric WHERE run_id = ?1", "DELETE FROM _confusion WHERE run_id = ?1"] {
        sqlx::query(sql).bind(run).execute(&mut *connection).await.map_err(sqlite(ACTION))?;
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
        .execute(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        for predicted in 0..classes.len() {
            sqlx::query(
                "INSERT INTO _confusion (run_id, true_class, predicted_class, images) VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(run)
            .bind(whole("class", index as u64)?)
            .bind(whole("class", predicted as u64)?)
            .bind(whole("number of images", matrix.count(index, predicted))?)
            .execute(&mut *connection)
            .await
            .map_err(sqlite(ACTION))?;
        }
    }
    put_validation(connection, run, matrix.into(), hits, auc).await
}
