//! A completed run's predictions: counted, then taken into the database: confusion counts, per-class metrics, and which images
//! are right.
//!
//! The sweep counts them when it judges an attempt, and keeps them when its ledger is written; the report does both for runs
//! whose predictions are not taken yet. A file that cannot be read is a warning: the training is none the worse for it.

use std::{io, path::Path};

use crate::{
    base::error::with_causes,
    metrics::{ConfusionMatrix, roc_auc_binary},
    predictions::{self, Hits, Predictions, PredictionsError},
    run::RunDir,
    store::{LoadedAnswers, RunKey, Store, StoreError},
};

/// Takes a completed run's predictions into the database. A run without a predictions file (a command that writes none) has
/// none. Returns what could not be read, a sentence each with file and line.
///
/// # Errors
/// Where the database cannot be written.
pub(super) async fn take_predictions(
    store: &mut Store,
    run: RunKey,
    run_dir: &RunDir,
    relative: &str,
    classes: &[String],
) -> Result<Vec<String>, StoreError> {
    let (answers, warnings) = Answers::read(run_dir, relative, classes);
    if let Some(answers) = answers {
        answers.keep(store, run).await?;
    }
    Ok(warnings)
}

/// A completed run's predictions, counted: read where the run is judged, kept where the database is written.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    matrix: ConfusionMatrix,
    classes: Vec<String>,
    /// None where images cannot be told apart by name and class.
    hits: Option<Hits>,
    /// Area under the ROC curve of two classes; none without probabilities, or without images of one of them.
    auc: Option<f64>,
    /// Relative to the runs directory.
    file: String,
}

impl Answers {
    /// Reads the predictions of the run in `run_dir`, which the database will find at `relative`. `classes` are the names
    /// in index order, empty where the experiment has none. There are no answers where there is no file, and where its
    /// meaning is not clear: that is among the warnings, a sentence each with file and line.
    #[must_use]
    pub(crate) fn read(run_dir: &RunDir, relative: &str, classes: &[String]) -> (Option<Self>, Vec<String>) {
        let path = run_dir.predictions();
        let read = match predictions::read(&path, classes) {
            Ok(read) if read.rows.is_empty() => return (None, Vec::new()),
            Ok(read) => read,
            Err(PredictionsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return (None, Vec::new());
            }
            Err(error) => {
                return (None, vec![format!("{}: the run has no confusion matrix", in_folder(&error))]);
            }
        };
        let mut warnings = told(&read);
        let hits = Hits::from_predictions(&read.rows);
        if hits.is_none() {
            let why = "images of one class have one name: no test against other runs";
            warnings.push(format!("`{}`: {why}", RunDir::PREDICTIONS));
        }
        let matrix = predictions::confusion(&read.rows, read.classes.len());
        let auc = area(&read);
        (Some(Self { matrix, classes: read.classes, hits, auc, file: relative.to_owned() }), warnings)
    }

    /// Keeps them in the database. Doing it again changes nothing.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub(crate) async fn keep(&self, store: &mut Store, run: RunKey) -> Result<(), StoreError> {
        store.put_confusion(run, &self.matrix, &self.classes, (self.hits.as_ref(), self.auc)).await?;
        store.set_predictions(run, Some(&self.file)).await
    }
}

impl Answers {
    /// As a load of the database takes them.
    #[must_use]
    pub(crate) fn loaded(&self) -> LoadedAnswers<'_> {
        let Self { matrix, classes, hits, auc, file } = self;
        LoadedAnswers { matrix, classes, hits: hits.as_ref(), auc: *auc, file }
    }
}

/// Area under the ROC curve of the positive (last) of two classes.
fn area(read: &Predictions) -> Option<f64> {
    if read.classes.len() != 2 {
        return None;
    }
    let scores =
        read.rows.iter().map(|row| row.probabilities.get(1).copied()).collect::<Option<Vec<f32>>>()?;
    let positive: Vec<bool> = read.rows.iter().map(|row| row.label == 1).collect();
    roc_auc_binary(&scores, &positive)
}

/// What was left out of a file, as sentences.
fn told(read: &Predictions) -> Vec<String> {
    let sentence =
        |(line, problem): &(u64, String)| format!("`{}`, line {line}: {problem}", RunDir::PREDICTIONS);
    read.warnings.iter().map(sentence).collect()
}

/// An error in words that are kept with the run: they name the file in its folder, wherever that is.
fn in_folder(error: &PredictionsError) -> String {
    match error {
        PredictionsError::Io { source, .. } => format!("`{}`: {source}", RunDir::PREDICTIONS),
        PredictionsError::Syntax { line, problem, .. } => {
            format!("`{}`, line {line}: {problem}", RunDir::PREDICTIONS)
        }
    }
}

/// The predictions of a run as they are shown beside its ledger, and what to say of them. There are none where the file
/// cannot be read, or is not the one that was counted when the run ended.
#[must_use]
pub(crate) fn checked_predictions(
    path: &Path,
    classes: &[String],
    counted: Option<&ConfusionMatrix>,
) -> (Option<Predictions>, Vec<String>) {
    let read = match predictions::read(path, classes) {
        Ok(read) => read,
        Err(error) => return (None, vec![with_causes(&error)]),
    };
    let mut warnings = told(&read);
    if let Some(counted) = counted {
        let shown = predictions::confusion(&read.rows, read.classes.len());
        if shown != *counted {
            let right = |matrix: &ConfusionMatrix| format!("{} of {}", matrix.correct(), matrix.total());
            warnings.push(format!(
                "`{}` was changed after the run had ended: it has {} images right, {} were when it was counted",
                path.display(),
                right(&shown),
                right(counted)
            ));
            return (None, warnings);
        }
    }
    (Some(read), warnings)
}
