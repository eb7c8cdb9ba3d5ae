//! Why a network cannot be made or computed, and what libtorch's own words say of it.
//!
//! Made by the engine and by what it is built of (`network`, `baseline`); `error` of the worker says what that means for
//! the attempt.

use gridboard::{
    model::ModelError,
    run::{CudaFault, Shortage},
    spec::ParameterError,
};
use tch::TchError;

/// Why a network cannot be made or computed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
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
    /// An operation of libtorch failed.
    #[error("{}", in_words(.0))]
    Torch(TchError),
}

/// Not a source: what is worth reading of a C++ exception is in the message, and the rest should not come back with the
/// causes.
impl From<TchError> for EngineError {
    fn from(error: TchError) -> Self {
        Self::Torch(error)
    }
}

impl EngineError {
    /// Whether the host or the device has no memory left.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        matches!(self, Self::Torch(error) if Shortage::told_by(&error.to_string()).is_some())
    }

    /// Whether the device failed.
    pub(crate) fn is_cuda_fault(&self) -> bool {
        let fault = |error: &TchError| CudaFault::told_by(&error.to_string()).is_some();
        matches!(self, Self::Torch(error) if !self.is_out_of_memory() && fault(error))
    }

    /// All that libtorch has said, with its stack trace, where the message is another: for the log.
    pub(crate) fn words(&self) -> Option<String> {
        match self {
            Self::Torch(error) => {
                let text = message(error);
                let is_told =
                    text.trim() == first_line(error) && !self.is_out_of_memory() && !self.is_cuda_fault();
                (!is_told).then(|| text.trim().to_owned())
            }
            _ => None,
        }
    }
}

/// One sentence where memory ran out or the device failed, else libtorch's own.
fn in_words(error: &TchError) -> String {
    let text = error.to_string();
    match (Shortage::told_by(&text), CudaFault::told_by(&text)) {
        (Some(shortage), _) => shortage.to_string(),
        (None, Some(fault)) => fault.to_string(),
        (None, None) => format!("libtorch: {}", first_line(error)),
    }
}

/// The part of a C++ exception that says what happened. libtorch appends the place in its sources and a stack trace
/// (`Exception raised from … (most recent call first): frame #0 …`), and puts its own assertion before the words.
fn first_line(error: &TchError) -> String {
    let text = message(error);
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

/// All that a C++ exception says, with its stack trace.
fn message(error: &TchError) -> String {
    match error {
        TchError::Torch(message) => message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn torch(message: &str) -> EngineError {
        EngineError::Torch(TchError::Torch(message.to_owned()))
    }

    #[test]
    fn a_cpp_exception_loses_its_stack_trace() {
        let error = torch(
            "\nmat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)\nException raised from meta at \
             ../LinearAlgebra.cpp:193 (most recent call first):\nframe #0: c10::Error::Error\n",
        );
        assert_eq!(error.to_string(), "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)");
        assert!(!error.is_out_of_memory());
    }

    #[test]
    fn a_real_exception_is_one_short_line() {
        let left = tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu));
        let error = EngineError::from(left.f_matmul(&left).unwrap_err());
        assert_eq!(
            error.to_string(),
            "libtorch: mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
            "{error:?}"
        );
    }

    /// The allocator of a real libtorch, asked for more than any machine has.
    #[test]
    fn memory_that_ran_out_is_one_short_sentence_and_libtorchs_words_are_kept() {
        let error = EngineError::from(
            tch::Tensor::f_zeros([1 << 50], (tch::Kind::Uint8, tch::Device::Cpu)).unwrap_err(),
        );
        assert!(error.is_out_of_memory(), "{error:?}");
        assert_eq!(error.to_string(), "the machine has no memory left: 1.1 PB more were asked for");
        let words = error.words().unwrap();
        assert!(words.contains("you tried to allocate 1125899906842624 bytes"), "{words}");
        let error = torch("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`");
        assert_eq!(error.to_string(), "the GPU has no memory left");
        assert_eq!(torch("sizes differ").words(), None);
    }
}
