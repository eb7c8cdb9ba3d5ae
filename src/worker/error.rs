//! Everything that ends an attempt before its time, and how it reads in `outcome.json`.
//!
//! Every other module of the worker returns [`TrainError`] or something that becomes one.

use std::{io, path::PathBuf};

use gridboard::{
    base::files::FileError,
    figure::FigureError,
    predictions::PredictionsError,
    run::{FailureKind, RunFileError},
    spec::ParameterError,
    tfevents::WriteError,
};
use tch::TchError;

use crate::{data::DataError, engine::EngineError, stop::Reason, weights::WeightsError};

/// Why an attempt ended without results.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrainError {
    /// Someone wants the attempt to stop. No failure: the run is still owed.
    #[error("stopped: {0}")]
    Stopped(Reason),
    /// The training loss is no number any more.
    #[error("the loss became {loss} in epoch {epoch}, batch {batch}")]
    Diverged {
        /// NaN or an infinity.
        loss: f32,
        /// From 0, as in the event files.
        epoch: u32,
        /// Within the epoch, from 0.
        batch: usize,
    },
    /// The training losses were numbers, but the validation loss is not.
    #[error("the validation loss became {loss} after epoch {epoch}")]
    DivergedInValidation {
        /// NaN or an infinity.
        loss: f64,
        /// From 0.
        epoch: u32,
    },
    /// `run.json` cannot be read.
    #[error(transparent)]
    ReadRunFile(RunFileError),
    /// `run.json` is not of a run that is trained here.
    #[error("`{}`: {problem}", path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the run cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The run's device is not there.
    #[error("device `{0}` is not visible to libtorch")]
    Device(String),
    /// A parameter of the run is not what the trainer needs.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The network cannot be made or computed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The corpus cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The initial weights cannot be used, or the weights cannot be saved.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// An event file cannot be written.
    #[error(transparent)]
    Events(#[from] WriteError),
    /// The confusion matrix cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// `predictions.csv` cannot be written.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// The images of a prediction do not come as they should, or nobody takes the answers.
    #[error("{0}")]
    Stream(String),
    /// A bug.
    #[error("the trainer panicked: {0}")]
    Panic(String),
}

impl From<TchError> for TrainError {
    fn from(error: TchError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<Reason> for TrainError {
    fn from(reason: Reason) -> Self {
        Self::Stopped(reason)
    }
}

impl From<FileError> for TrainError {
    fn from(FileError { path, source, .. }: FileError) -> Self {
        Self::Write { path, source }
    }
}

impl TrainError {
    /// The kind for `outcome.json`; `None` for an attempt that was stopped.
    pub(crate) fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Stopped(_) => None,
            Self::Diverged { .. } | Self::DivergedInValidation { .. } => Some(FailureKind::Diverged),
            Self::Engine(error) | Self::Weights(WeightsError::Engine(error)) if error.is_out_of_memory() => {
                Some(FailureKind::OutOfMemory)
            }
            Self::Engine(error) | Self::Weights(WeightsError::Engine(error)) if error.is_cuda_fault() => {
                Some(FailureKind::CudaFault)
            }
            Self::Panic(_) => Some(FailureKind::Panic),
            _ if self.is_full_disk() => Some(FailureKind::DiskFull),
            Self::Data(_) => Some(FailureKind::BadData),
            _ => Some(FailureKind::Trainer),
        }
    }

    /// Whether a file did not fit onto the disk, or into the user's share of it.
    fn is_full_disk(&self) -> bool {
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
            if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
                return true;
            }
            cause = error.source();
        }
        false
    }

    /// All that libtorch has said, with its stack trace, where the message is another: for the log.
    pub(crate) fn words(&self) -> Option<String> {
        match self {
            Self::Engine(error) | Self::Weights(WeightsError::Engine(error)) => error.words(),
            _ => None,
        }
    }

    /// The message and all its causes on one line.
    pub(crate) fn one_line(&self) -> String {
        let mut line = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            line.push_str(": ");
            line.push_str(&error.to_string());
            cause = error.source();
        }
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libtorch_says_has_its_kind() {
        let torch = |message: &str| TrainError::from(TchError::Torch(message.to_owned()));
        let full = torch("CUDA out of memory. Tried to allocate 2.00 GiB.\nframe #0: c10::Error::Error\n");
        assert_eq!(full.kind(), Some(FailureKind::OutOfMemory));
        assert_eq!(full.one_line(), "the GPU has no memory left: 2.1 GB more were asked for");
        let whole = "CUDA out of memory. Tried to allocate 2.00 GiB.\nframe #0: c10::Error::Error";
        assert_eq!(full.words().as_deref(), Some(whole), "the stack is for the log");
        let fault =
            torch("CUDA error: an illegal memory access was encountered\nframe #0: c10::Error::Error\n");
        assert_eq!(fault.kind(), Some(FailureKind::CudaFault));
        assert_eq!(fault.one_line(), "the GPU failed: an illegal memory access");
        let whole = "CUDA error: an illegal memory access was encountered\nframe #0: c10::Error::Error";
        assert_eq!(fault.words().as_deref(), Some(whole));
        let error = torch("sizes differ\nframe #0: c10::Error::Error\n");
        assert_eq!(error.kind(), Some(FailureKind::Trainer));
        assert_eq!(error.one_line(), "libtorch: sizes differ");
        assert_eq!(error.words().as_deref(), Some("sizes differ\nframe #0: c10::Error::Error"));
    }

    #[test]
    fn a_full_disk_and_bad_data_have_their_kinds() {
        let write = |errno| TrainError::Write {
            path: "x/state.safetensors".into(),
            source: io::Error::from_raw_os_error(errno),
        };
        for (errno, kind) in
            [(28, FailureKind::DiskFull), (122, FailureKind::DiskFull), (13, FailureKind::Trainer)]
        {
            assert_eq!(write(errno).kind(), Some(kind));
        }
        let problem = "the split is of 3 images, the corpus has 4".to_owned();
        let mismatch = TrainError::from(DataError::Mismatch { path: "split.npy".into(), problem });
        assert_eq!(mismatch.kind(), Some(FailureKind::BadData));
        assert_eq!(TrainError::Panic("no".into()).kind(), Some(FailureKind::Panic));
    }

    #[test]
    fn causes_are_on_the_line_once() {
        let source = io::Error::other("disk full");
        let error = TrainError::Write { path: "x/outcome.json".into(), source };
        assert_eq!(error.one_line(), "cannot write `x/outcome.json`: disk full");
        let error = TrainError::Diverged { loss: f32::NAN, epoch: 2, batch: 17 };
        assert_eq!(error.one_line(), "the loss became NaN in epoch 2, batch 17");
        assert_eq!(error.kind(), Some(FailureKind::Diverged));
        assert_eq!(TrainError::Stopped(Reason::Terminated).kind(), None);
    }
}
