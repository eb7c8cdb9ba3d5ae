//! A completed run's predictions, taken into the database: confusion counts, per-class metrics, and which images are right.
//!
//! Called by the sweep when an attempt has ended, and by the report for runs of older versions.

use crate::{
    base::error::with_causes,
    predictions::{self, Hits},
    run::RunDir,
    store::{RunKey, Store},
};

/// Takes a completed run's predictions into the database: confusion counts and per-class metrics. A run without a
/// predictions file (a command that writes none) has none.
///
/// # Errors
/// What is wrong with the file, or with the database.
pub async fn take_predictions(
    store: &mut Store,
    run: RunKey,
    run_dir: &RunDir,
    relative: &str,
    classes: &[String],
) -> Result<(), TakeError> {
    let path = run_dir.predictions();
    if !path.exists() {
        return Ok(());
    }
    let rows = predictions::read(&path).map_err(|error| TakeError::File(with_causes(&error)))?;
    // A command without a dataset names no classes: then they are called by their index.
    let numbered: Vec<String>;
    let classes = if classes.is_empty() {
        let k = rows.first().map_or(0, |row| row.probabilities.len());
        numbered = (0..k).map(|class| class.to_string()).collect();
        &numbered
    } else {
        classes
    };
    let known = |class: usize| class < classes.len();
    if let Some(row) = rows.iter().find(|row| !known(row.label) || !known(row.predicted)) {
        let (label, predicted, k) = (row.label, row.predicted, classes.len());
        let image = &row.image;
        let path = path.display();
        let reason = format!(
            "`{path}`: image `{image}` has label {label}, predicted {predicted}; there are {k} classes"
        );
        return Err(TakeError::File(reason));
    }
    let matrix = predictions::confusion(&rows, classes.len());
    store.put_confusion(run, &matrix, classes, Some(&Hits::of(&rows))).await?;
    store.set_predictions(run, Some(relative)).await?;
    Ok(())
}

/// Why predictions were not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// The file is wrong: that fails the run.
    #[error("{0}")]
    File(String),
    /// The database is: that fails the sweep.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
}
