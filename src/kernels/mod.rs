//! Kernels for the paper's family of networks on processors: exact, and several times faster than general libraries.
//!
//! A network is C blocks of [3 x 3 convolution - ReLU - 2 x 2 max pooling], D hidden dense layers with ReLU, and an output
//! layer. What is known about it beforehand pays: the first convolution has one channel; behind a pooling at most a
//! quarter of a convolution's outputs carry a gradient; a dense layer's gradient is of the batch's rank and never needs
//! storing. Each file says which layouts it has, what it skips and why that is exact.
//!
//! In reading order: `simd` (vectors on AVX-512, AVX2 and plain Rust, chosen at run time), `first`, `winograd` and `later`
//! (convolution blocks), `wide` and `thin` (dense layers), `adam`; then what ties them to a network: `convolutions`,
//! `dense`, `layout`, [`Network`]; and [`loss`].
//!
//! The trainer uses it for runs on the processor and keeps libtorch's path beside it, which it is tested against. Nothing
//! here knows about files, runs or libtorch. Same weights and batches on the same processor: same bits,
//! with any number of threads and whatever else runs.

mod adam;
mod block_shape;
mod buffer;
mod convolutions;
mod cost;
mod dense;
mod few_outputs;
mod first_block;
mod footprint;
mod later_block;
mod layout;
mod limits;
pub mod loss;
mod many_outputs;
mod multiplicand;
mod network;
mod precision;
mod simd;
mod stopwatch;
mod threads;
mod weights_gradient;
mod winner_lists;
mod winograd;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rounded;

pub use cost::{Cost, cost};
pub use footprint::memory_bytes;
pub use limits::{Limits, limits};
pub use network::{Execution, Network, ParameterInfo, Part, Shape, TooSmall};
pub use precision::Precision;
pub use simd::{InstructionSet, has_bf16};
pub use stopwatch::{Lap, Stage};
