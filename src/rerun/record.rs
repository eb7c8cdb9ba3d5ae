//! What a training left in its directory, as far as it is compared: curves and predictions. Weights are compared file to
//! file, since they may be larger than memory.

use std::{collections::BTreeMap, io, path::Path};

use crate::{
    follow::{FollowProblem, read_run},
    predictions::{self, Prediction, PredictionsError},
    run::RunDir,
    tags,
};

/// Curves and predictions of one training.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The last value of each tag and step.
    pub scalars: BTreeMap<(String, i64), f32>,
    /// Absent where no predictions were written.
    pub predictions: Option<Vec<Prediction>>,
}

/// Why a directory cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// An event file cannot be read.
    #[error(transparent)]
    Events(#[from] FollowProblem),
    /// The predictions cannot be read.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// There is nothing to compare.
    #[error("`{}` holds no event files with scalars", .0.display())]
    Empty(std::path::PathBuf),
}

/// The tag that a curve of a built-in trainer has now.
fn present(tag: String) -> String {
    if tag == tags::EARLIER_BATCH_LOSS { tags::BATCH_LOSS.to_owned() } else { tag }
}

impl Record {
    /// Reads a run's directory.
    ///
    /// # Errors
    /// [`RecordError`], the first problem: a comparison with half of the numbers would say too much.
    pub(crate) fn read(dir: &Path) -> Result<Self, RecordError> {
        let poll = read_run(dir);
        if let Some(problem) = poll.problems.into_iter().find(FollowProblem::loses_points) {
            return Err(problem.into());
        }
        if poll.scalars.is_empty() {
            return Err(RecordError::Empty(dir.to_owned()));
        }
        let scalars =
            poll.scalars.into_iter().map(|point| ((present(point.tag), point.step), point.value)).collect();
        let path = RunDir::new(dir).predictions();
        let predictions = match predictions::read(&path, &[]) {
            Ok(read) => Some(read.rows),
            Err(PredictionsError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            // A program's own table is no answer that could be compared.
            Err(PredictionsError::Syntax { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { scalars, predictions })
    }
}
