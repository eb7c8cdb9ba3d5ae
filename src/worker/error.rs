//! Everything that ends an attempt before its time, and how it reads in `outcome.json`.
//!
//! Every other module of the worker returns [`TrainError`] or something that becomes one.

use std::{io, path::PathBuf};

use gridboard::{
    base::files::FileError,
    figure::FigureError,
    model::ModelError,
    predictions::PredictionsError,
    run::{FailureKind, RunFileError},
    spec::ParameterError,
    tfevents::WriteError,
};
use tch::TchError;

use crate::{data::DataError, stop::Reason, weights::WeightsError};

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
    /// `train.kernels: fused` on a device or for a network that they are not made for.
    #[error(
        "`train.kernels: fused` runs grid CNNs on the processor only; `auto` or `plain` runs the others and CUDA"
    )]
    NoFusedKernels,
    /// `run.json` says too little to build a network.
    #[error("run.json: {0}")]
    Incomplete(&'static str),
    /// A batch norm in training would see a single value of each channel.
    #[error(
        "`{layer}` cannot normalise a batch of one image with one pixel left; choose a `train.batch_size` that leaves no \
         single image for the last batch, or a larger `dataset.image_size`"
    )]
    BatchNorm {
        /// The layer.
        layer: String,
    },
    /// `train.precision: bf16` where nothing multiplies bf16.
    #[error(
        "`train.precision: bf16` needs a processor with AVX-512 BF16, which this one has not; `fp32` runs everywhere, and \
         `train.kernels: plain` rounds to bf16 without being faster for it"
    )]
    NoBf16,
    /// `train.precision: bf16` for a network that is not made for it.
    #[error("`train.precision: bf16` is for grid CNNs; VGG and ResNet have `fp32`, and `tf32` on CUDA")]
    NoBf16Baseline,
    /// `train.precision: tf32` on a processor.
    #[error("`train.precision: tf32` is a precision of CUDA devices; a processor has `fp32` and `bf16`")]
    NoTf32,
    /// A parameter of the run is not what the trainer needs.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The network cannot be built.
    #[error(transparent)]
    Model(#[from] ModelError),
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
    /// An operation of libtorch failed.
    #[error("libtorch: {}", first_line(.0))]
    Torch(TchError),
    /// A bug.
    #[error("the trainer panicked: {0}")]
    Panic(String),
}

/// Not a source: what is worth reading of a C++ exception is in the message, and the rest should not come back with the
/// causes.
impl From<TchError> for TrainError {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
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
            Self::Torch(error) if is_out_of_memory(&error.to_string()) => Some(FailureKind::OutOfMemory),
            _ => Some(FailureKind::Trainer),
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

/// What the allocators of libtorch say when memory runs out: CUDA's, the host's, and C++'s own.
fn is_out_of_memory(message: &str) -> bool {
    ["out of memory", "not enough memory", "can't allocate memory", "std::bad_alloc"]
        .iter()
        .any(|words| message.contains(words))
}

/// The part of a C++ exception that says what happened. libtorch appends the place in its sources and a stack trace
/// (`Exception raised from … (most recent call first): frame #0 …`), and puts its own assertion before the words.
fn first_line(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(message) => message.clone(),
        other => other.to_string(),
    };
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| {
            !line.is_empty() && !line.starts_with("Exception raised from") && !line.starts_with("frame #")
        })
        .unwrap_or("an operation failed without a message");
    let words = line.rsplit_once("INTERNAL ASSERT FAILED").map_or(line, |(_, words)| words);
    words.split(" Exception raised from ").next().unwrap_or(words).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torch(message: &str) -> TrainError {
        TrainError::Torch(TchError::Torch(message.to_owned()))
    }

    #[test]
    fn a_cpp_exception_loses_its_stack_trace() {
        let error = torch(
            "\nmat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)\nException raised from meta at \
             ../LinearAlgebra.cpp:193 (most recent call first):\nframe #0: c10::Error::Error\n",
        );
        assert_eq!(error.one_line(), "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)");
        assert_eq!(error.kind(), Some(FailureKind::Trainer));
    }

    #[test]
    fn a_real_exception_is_one_short_line() {
        let left = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu));
        let error = TrainError::from(left.f_matmul(&left).unwrap_err());
        assert_eq!(
            error.one_line(),
            "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
            "{error:?}"
        );
    }

    #[test]
    fn memory_is_told_apart() {
        for message in [
            "CUDA out of memory. Tried to allocate 2.00 GiB.",
            "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to \
             allocate 99 bytes. Error code 12 (Cannot allocate memory)",
        ] {
            assert_eq!(torch(message).kind(), Some(FailureKind::OutOfMemory));
        }
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
