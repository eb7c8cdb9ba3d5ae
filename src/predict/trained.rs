//! What a run's directory holds of its trained network: `run.json`, the checkpoint, and how its images were made.
//!
//! Called before anything is started, so that whatever is missing is said at once and in words.

use std::path::{Path, PathBuf};

use crate::{
    corpus::Preprocess,
    run::{ExperimentDir, RunDataset, RunDir, RunFile, RunFileError},
    spec::{self, Dataset, Family, Overrides, SpecError, Untold},
};

/// A run whose network can be asked.
#[derive(Clone, Debug)]
pub(crate) struct TrainedRun {
    /// The run's directory.
    pub dir: PathBuf,
    /// What its attempt was told.
    pub file: RunFile,
    /// The corpus that it was trained on.
    pub dataset: RunDataset,
}

/// Why a run's network cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum TrainedRunError {
    /// `run.json` cannot be read.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// `run.json` says too little.
    #[error("`{}`: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The trainer is a program of the user's.
    #[error("run `{}` was trained by a command of yours, whose network only that command knows", .0.display())]
    Command(PathBuf),
    /// There are no weights.
    #[error("run `{}` has no `{}`", .0.display(), RunDir::CHECKPOINT)]
    NoCheckpoint(PathBuf),
    /// The spec beside the run cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl TrainedRunError {
    /// What can be done.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::RunFile(RunFileError::Missing(_)) => {
                Some("`gridboard runs` lists the runs and their states")
            }
            Self::NoCheckpoint(_) => {
                Some("weights are kept when a run completes: `gridboard show` says how it ended")
            }
            _ => None,
        }
    }
}

impl TrainedRun {
    /// The trained run in a directory.
    ///
    /// # Errors
    /// [`TrainedRunError`] names what is missing.
    pub(crate) fn open(dir: &Path) -> Result<Self, TrainedRunError> {
        let file = RunFile::read(dir)?;
        if file.family == Family::Command {
            return Err(TrainedRunError::Command(dir.to_owned()));
        }
        let dataset = file.dataset.clone().ok_or_else(|| TrainedRunError::Format {
            path: RunDir::new(dir).run_file(),
            problem: "`dataset` is missing".to_owned(),
        })?;
        if !RunDir::new(dir).checkpoint().is_file() {
            return Err(TrainedRunError::NoCheckpoint(dir.to_owned()));
        }
        Ok(Self { dir: dir.to_owned(), file, dataset })
    }

    /// What was done to every image of the corpus that the run was trained on.
    ///
    /// # Errors
    /// Where the run's file is of an older version and the experiment's spec is gone, or is not that of the run's images.
    pub(crate) fn preprocess(&self) -> Result<Preprocess, TrainedRunError> {
        let (path, dataset) = match &self.file.provenance {
            Some(provenance) => (RunDir::new(&self.dir).run_file(), provenance.spec.dataset.clone()),
            None => {
                let path = ExperimentDir::at(self.dir.parent().unwrap_or(Path::new("."))).spec();
                let dataset =
                    spec::load(&path, &Overrides { untold: Untold::Higher, ..Overrides::default() })?.dataset;
                (path, dataset)
            }
        };
        preprocess(dataset.as_ref(), self.dataset.image_size)
            .map_err(|problem| TrainedRunError::Format { path, problem })
    }
}

/// The steps of the spec's dataset, where it makes images of `side`.
fn preprocess(dataset: Option<&Dataset>, side: u32) -> Result<Preprocess, String> {
    let dataset = dataset.ok_or("there is no `dataset`, but the run has images")?;
    if dataset.image_size != side {
        let now = dataset.image_size;
        return Err(format!(
            "`dataset.image_size` is {now}, but the run was trained on images of {side} pixels"
        ));
    }
    Preprocess::new(dataset).ok_or_else(|| "`dataset.blur` is no Gaussian kernel".to_owned())
}
