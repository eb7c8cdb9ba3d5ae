//! The networks as arithmetic: layers, shapes, parameters, FLOPs, memory; which of them cannot be built.
//!
//! Knows nothing of libtorch, so that planning needs none. The trainer builds the same layers with tensors.

mod check;
mod layers;
mod memory;
mod summary;

use crate::spec::{Family, ParameterError, Parameters, parameter::View};

pub use check::{ImpossibleRun, ImpossibleRuns, check};
pub use layers::{Activation, Layer, LayerKind, ModelError, layers, outputs};
pub use memory::{FUSED_PROCESS_BYTES, memory_on_processor};
pub use summary::{PROCESS_BYTES, Summary, summary};

/// A network of the paper's family: convolutions, dense layers, one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GridCnn {
    /// 3x3 convolutions, each with ReLU and a 2x2 max pooling.
    pub conv_layers: u32,
    /// Hidden dense layers with ReLU.
    pub dense_layers: u32,
    /// Width of every layer, at least 1.
    pub layer_size: u32,
}

impl GridCnn {
    /// Reads the parameters of a run.
    ///
    /// # Errors
    /// A parameter is missing, of the wrong type or out of range; a spec that was validated never gives one.
    pub fn from_parameters(parameters: &Parameters) -> Result<Self, ParameterError> {
        let view = View { family: Family::GridCnn, parameters };
        Ok(Self {
            conv_layers: view.int("conv_layers")?,
            dense_layers: view.int("dense_layers")?,
            layer_size: view.int("layer_size")?,
        })
    }
}
