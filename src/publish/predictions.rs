//! A completed run's predictions: counted, then taken into the database: confusion counts, per-class metrics, and which images
//! are right.
//!
//! The sweep counts them when it judges an attempt, and keeps them when its ledger is written; the report does both for runs
//! of older versions.

use crate::{
    base::error::with_causes,
    metrics::ConfusionMatrix,
    predictions::{self, Hits},
    run::RunDir,
    store::{RunKey, Store, StoreError},
};

/// Takes a completed run's predictions into the database. A run without a predictions file (a command that writes none) has
/// none.
///
/// # Errors
/// What is wrong with the file, or with the database.
pub(super) async fn take_predictions(
    store: &mut Store,
    run: RunKey,
    run_dir: &RunDir,
    relative: &str,
    classes: &[String],
) -> Result<(), TakeError> {
    match Answers::read(run_dir, relative, classes).map_err(TakeError::File)? {
        Some(answers) => Ok(answers.keep(store, run).await?),
        None => Ok(()),
    }
}

/// A completed run's predictions, counted: read where the run is judged, kept where the database is written.
#[derive(Clone, Debug)]
pub struct Answers {
    matrix: ConfusionMatrix,
    classes: Vec<String>,
    hits: Hits,
    /// Relative to the runs directory.
    file: String,
}

impl Answers {
    /// Reads the predictions of the run in `run_dir`, which the database will find at `relative`. `None` where there are none.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(run_dir: &RunDir, relative: &str, classes: &[String]) -> Result<Option<Self>, String> {
        let path = run_dir.predictions();
        if !path.exists() {
            return Ok(None);
        }
        let rows = predictions::read(&path).map_err(|error| with_causes(&error))?;
        // A command without a dataset names no classes: then they are called by their index.
        let classes = if classes.is_empty() {
            let k = rows.first().map_or(0, |row| row.probabilities.len());
            (0..k).map(|class| class.to_string()).collect()
        } else {
            classes.to_vec()
        };
        let known = |class: usize| class < classes.len();
        if let Some(row) = rows.iter().find(|row| !known(row.label) || !known(row.predicted)) {
            let (label, predicted, k) = (row.label, row.predicted, classes.len());
            let image = &row.image;
            let path = path.display();
            return Err(format!(
                "`{path}`: image `{image}` has label {label}, predicted {predicted}; there are {k} classes"
            ));
        }
        let matrix = predictions::confusion(&rows, classes.len());
        Ok(Some(Self { matrix, classes, hits: Hits::of(&rows), file: relative.to_owned() }))
    }

    /// Keeps them in the database. Doing it again changes nothing.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn keep(&self, store: &mut Store, run: RunKey) -> Result<(), StoreError> {
        store.put_confusion(run, &self.matrix, &self.classes, Some(&self.hits)).await?;
        store.set_predictions(run, Some(&self.file)).await
    }
}

/// Why predictions were not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    /// The file is wrong.
    #[error("{0}")]
    File(String),
    /// The database is.
    #[error(transparent)]
    Store(#[from] StoreError),
}
