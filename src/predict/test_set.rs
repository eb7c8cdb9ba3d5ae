//! A run's network on the held-out test images: once, for the runs that a report names.
//!
//! Called by the sweep when it writes a report. The images are in the prepared corpus: a folder of their own, or the rows
//! that the split holds out. They choose nothing, so the numbers are what a new image of their kind may expect.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{AskError, TrainedRun, ask};
use crate::{
    base::signals::Signals,
    corpus::{self, MappedCorpus, Part, PreparationProgress, npy::NpyError},
    predictions::{self, Prediction, PredictionsError},
    run::{RunDataset, RunDir},
};

/// The held-out images of a dataset.
#[derive(Debug)]
pub(crate) struct TestImages {
    mapped: MappedCorpus,
    /// File of each row of the corpus.
    names: Vec<String>,
    /// The rows that are held out, in file order.
    rows: Vec<usize>,
}

/// Why the test images were not predicted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TestSetError {
    /// An array of the corpus cannot be used.
    #[error(transparent)]
    Array(#[from] NpyError),
    /// The files of the corpus do not belong together.
    #[error("`{}`: {problem}", path.display())]
    Corpus {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The network gave no answers.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The answers cannot be written.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
}

impl TestImages {
    /// The held-out images of a dataset; `None` where it has none.
    ///
    /// # Errors
    /// [`TestSetError::Array`] and [`TestSetError::Corpus`].
    pub(crate) fn open(dataset: &RunDataset) -> Result<Option<Self>, TestSetError> {
        let folder = dataset.test.as_ref().unwrap_or(&dataset.cache);
        let mapped = MappedCorpus::open(folder)?;
        let fail = |path: &Path, problem: String| TestSetError::Corpus { path: path.to_owned(), problem };
        let rows: Vec<usize> = if dataset.test.is_some() {
            (0..mapped.len()).collect()
        } else {
            let parts = corpus::read_split(&dataset.split)?;
            if parts.len() != mapped.len() {
                let problem =
                    format!("the split is of {} images, the corpus has {}", parts.len(), mapped.len());
                return Err(fail(&dataset.split, problem));
            }
            (0..parts.len()).filter(|&row| parts[row] == Part::Test).collect()
        };
        if rows.is_empty() {
            return Ok(None);
        }
        let side = dataset.image_size as usize;
        if mapped.shape()[1..] != [side, side] {
            let shape = mapped.shape();
            return Err(fail(folder, format!("images of shape {shape:?} are not {side} x {side}")));
        }
        if let Some(&row) = rows.iter().find(|&&row| usize::from(mapped.label(row)) >= dataset.classes.len())
        {
            let problem = format!("label {} of image {row} is no class", mapped.label(row));
            return Err(fail(folder, problem));
        }
        let path = folder.join(corpus::INDEX_FILE);
        let text = fs::read_to_string(&path).map_err(|error: io::Error| fail(&path, error.to_string()))?;
        let index = corpus::parse_index(&text).map_err(|problem| fail(&path, problem))?;
        if index.len() != mapped.len() {
            let problem = format!("{} files, but the corpus has {} images", index.len(), mapped.len());
            return Err(fail(&path, problem));
        }
        Ok(Some(Self { mapped, names: index.into_iter().map(|entry| entry.file).collect(), rows }))
    }

    /// Number of held-out images, at least 1.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

/// Asks a run's network about the test images and writes `test_predictions.csv` into its directory.
///
/// # Errors
/// [`TestSetError`], at the first signal too; no file is written then.
pub(crate) fn predict_test_set(
    worker: &Path,
    run: &TrainedRun,
    images: &TestImages,
    progress: &dyn PreparationProgress,
    signals: &Signals,
) -> Result<Vec<Prediction>, TestSetError> {
    let pixels = |place: usize| Ok(images.mapped.image(images.rows[place]).to_vec());
    let answers = ask(worker, run, None, images.len(), pixels, progress, signals)?;
    // Every image was loaded: none is refused.
    let predictions: Vec<Prediction> = answers
        .into_iter()
        .flatten()
        .zip(&images.rows)
        .map(|(answer, &row)| Prediction {
            image: images.names[row].clone(),
            label: usize::from(images.mapped.label(row)),
            predicted: answer.predicted,
            probabilities: answer.probabilities,
        })
        .collect();
    predictions::write(&RunDir::new(&run.dir).test_predictions(), &predictions, run.dataset.classes.len())?;
    Ok(predictions)
}
