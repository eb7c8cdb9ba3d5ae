//! What programs say when a CUDA device fails under them, and one short sentence for it.
//!
//! Pure. Used by the trainer for libtorch's exceptions and by the launcher for the logs of other programs. A device-side assert
//! or a missing kernel is a mistake of the program or the set-up, and no fault: the device does what it was told.

use std::fmt;

/// A device that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CudaFault(&'static str);

/// Words of CUDA, cuBLAS, cuDNN and the driver that mean it, and what they mean in a sentence.
const WORDS: [(&str, &str); 13] = [
    ("an illegal memory access was encountered", "an illegal memory access"),
    ("CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access"),
    ("CUDA error: misaligned address", "a misaligned address"),
    ("an illegal instruction was encountered", "an illegal instruction"),
    ("unspecified launch failure", "an unspecified launch failure"),
    ("uncorrectable ECC error", "its memory has an error that ECC cannot correct"),
    ("uncorrectable NVLink error", "an NVLink error that cannot be corrected"),
    ("the launch timed out and was terminated", "a kernel took too long and was ended"),
    ("CUDA error: hardware stack error", "a hardware stack error"),
    ("CUDA error: unknown error", "an unknown error"),
    ("GPU is lost", "it is lost"),
    ("CUBLAS_STATUS_EXECUTION_FAILED", "a kernel of cuBLAS failed"),
    ("CUDNN_STATUS_EXECUTION_FAILED", "a kernel of cuDNN failed"),
];

impl CudaFault {
    /// What a line of a log, or an error's message, says of it; `None` where it speaks of something else.
    #[must_use]
    pub fn told_by(text: &str) -> Option<Self> {
        WORDS.iter().find(|(words, _)| text.contains(words)).map(|(_, meaning)| Self(meaning))
    }
}

impl fmt::Display for CudaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the GPU failed: {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Shortage;

    /// As programs printed them.
    #[test]
    fn a_device_that_failed_is_one_short_sentence() {
        for (text, sentence) in [
            (
                "CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be asynchronously reported at \
                 some other API call, so the stacktrace below might be incorrect.",
                "the GPU failed: an illegal memory access",
            ),
            (
                "RuntimeError: CUDA error: unspecified launch failure",
                "the GPU failed: an unspecified launch failure",
            ),
            (
                "CUDA error: uncorrectable ECC error encountered",
                "the GPU failed: its memory has an error that ECC cannot correct",
            ),
            ("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "the GPU failed: a kernel of cuDNN failed"),
            (
                "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(handle)`",
                "the GPU failed: a kernel of cuBLAS failed",
            ),
        ] {
            let told = CudaFault::told_by(text).map(|fault| fault.to_string());
            assert_eq!(told.as_deref(), Some(sentence), "{text}");
            assert_eq!(Shortage::told_by(text), None, "{text}");
        }
    }

    #[test]
    fn other_errors_are_none() {
        for text in [
            "",
            "CUDA error: out of memory",
            "CUDA error: device-side assert triggered",
            "CUDA error: no kernel image is available for execution on the device",
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
        ] {
            assert_eq!(CudaFault::told_by(text), None, "{text}");
        }
    }
}
