//! What programs say when memory runs out, and one short sentence for it.
//!
//! Pure. The trainer puts the sentence into `outcome.json` in place of libtorch's words, the launcher into the reason of a
//! program that left none; the words themselves stay in the log. Where a text only makes it probable that memory was
//! short, as cuDNN's do, the sentence says so.

use std::fmt;

use crate::base::human;

/// Whose memory ran out, and how much more was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    of: Memory,
    /// Bytes.
    asked: Option<u64>,
    /// Words that may mean something else too.
    hint: Option<&'static str>,
}

/// Where it was short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Host,
    Device,
}

/// Words that mean it, of PyTorch's allocators, CUDA, cuBLAS, C++ and Python.
const SURE: [(&str, Memory); 13] = [
    ("CUDA out of memory", Memory::Device),
    ("CUDA error: out of memory", Memory::Device),
    ("CUDA driver error: out of memory", Memory::Device),
    ("CUDA_ERROR_OUT_OF_MEMORY", Memory::Device),
    ("OutOfMemoryError", Memory::Device),
    ("CUBLAS_STATUS_ALLOC_FAILED", Memory::Device),
    ("CUDNN_STATUS_ALLOC_FAILED", Memory::Device),
    ("DefaultCPUAllocator: not enough memory", Memory::Host),
    ("DefaultCPUAllocator: can't allocate memory", Memory::Host),
    ("MemoryError", Memory::Host),
    ("bad_alloc", Memory::Host),
    ("Cannot allocate memory", Memory::Host),
    ("memory allocation of ", Memory::Host),
];

/// Words of cuDNN that mean it as a rule: it cannot load a kernel, or no algorithm's workspace fits.
const PROBABLE: [(&str, &str); 3] = [
    ("CUDNN_STATUS_INTERNAL_ERROR", "cuDNN failed with an internal error"),
    ("unable to find an engine to execute this computation", "cuDNN found no algorithm that fits"),
    ("Unable to find a valid cuDNN algorithm", "cuDNN found no algorithm that fits"),
];

impl Shortage {
    /// What a line of a log, or an error's message, says of it; `None` where it speaks of something else.
    #[must_use]
    pub fn told_by(text: &str) -> Option<Self> {
        let asked = asked(text);
        let sure = SURE.iter().find(|(words, _)| text.contains(words));
        // Rust's allocator is only that with its whole sentence.
        if let Some((_, of)) = sure.filter(|(words, _)| !words.ends_with(' ') || asked.is_some()) {
            return Some(Self { of: *of, asked, hint: None });
        }
        let (_, hint) = PROBABLE.iter().find(|(words, _)| text.contains(words))?;
        Some(Self { of: Memory::Device, asked: None, hint: Some(hint) })
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.of {
            Memory::Host => "the machine",
            Memory::Device => "the GPU",
        };
        match (self.hint, self.asked) {
            (Some(hint), _) => write!(f, "{of} has probably no memory left: {hint}"),
            (None, Some(asked)) => {
                write!(f, "{of} has no memory left: {} more were asked for", human::bytes(asked))
            }
            (None, None) => write!(f, "{of} has no memory left"),
        }
    }
}

/// The bytes of `Tried to allocate 2.00 GiB`, `you tried to allocate 800 bytes`, `memory allocation of 4096 bytes failed`.
fn asked(text: &str) -> Option<u64> {
    let places = ["llocate ", "memory allocation of "]
        .into_iter()
        .flat_map(|before| text.match_indices(before).map(|(at, before)| &text[at + before.len()..]));
    places.filter_map(amount).next()
}

/// The bytes that a text begins with: a number and its unit.
fn amount(text: &str) -> Option<u64> {
    let mut words = text.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    let unit = match words.next()?.trim_end_matches(|letter: char| !letter.is_alphanumeric()) {
        "bytes" => 1.0,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and is shown rounded"
    )]
    Some((number * unit) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As programs printed them.
    #[test]
    fn every_way_of_saying_it_is_one_short_sentence() {
        for (text, sentence) in [
            (
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.19 GiB \
                 is free. Including non-PyTorch memory, this process has 77.9 GiB memory in use.",
                "the GPU has no memory left: 2.1 GB more were asked for",
            ),
            (
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
                "the GPU has no memory left: 21.0 MB more were asked for",
            ),
            (
                "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call",
                "the GPU has no memory left",
            ),
            ("CUDA driver error: out of memory", "the GPU has no memory left"),
            (
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`\nException raised from \
                 createCublasHandle at /pytorch/aten/src/ATen/cuda/CublasHandlePool.cpp:8 (most recent call first):",
                "the GPU has no memory left",
            ),
            ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", "the GPU has no memory left"),
            (
                "RuntimeError: cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
                "the GPU has probably no memory left: cuDNN failed with an internal error",
            ),
            (
                "RuntimeError: GET was unable to find an engine to execute this computation",
                "the GPU has probably no memory left: cuDNN found no algorithm that fits",
            ),
            (
                "FIND was unable to find an engine to execute this computation",
                "the GPU has probably no memory left: cuDNN found no algorithm that fits",
            ),
            (
                "RuntimeError: Unable to find a valid cuDNN algorithm to run convolution",
                "the GPU has probably no memory left: cuDNN found no algorithm that fits",
            ),
            (
                "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to \
                 allocate 1600000000000 bytes. Error code 12 (Cannot allocate memory)",
                "the machine has no memory left: 1.6 TB more were asked for",
            ),
            ("  what():  std::bad_alloc", "the machine has no memory left"),
            ("MemoryError", "the machine has no memory left"),
            (
                "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 7.45 GiB for an array with shape (9, 9)",
                "the machine has no memory left: 8.0 GB more were asked for",
            ),
            ("OSError: [Errno 12] Cannot allocate memory", "the machine has no memory left"),
            (
                "memory allocation of 17179869184 bytes failed",
                "the machine has no memory left: 17.2 GB more were asked for",
            ),
        ] {
            let told = Shortage::told_by(text).map(|shortage| shortage.to_string());
            assert_eq!(told.as_deref(), Some(sentence), "{text}");
        }
    }

    #[test]
    fn other_errors_are_none() {
        for text in [
            "",
            "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)",
            "CUDA error: an illegal memory access was encountered",
            "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
            "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(handle)`",
            "memory allocation of the first layer is 3 MB",
            "search engines: unable to find an engine",
        ] {
            assert_eq!(Shortage::told_by(text), None, "{text}");
        }
    }
}
