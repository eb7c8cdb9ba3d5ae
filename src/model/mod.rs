//! The networks as arithmetic: layers, shapes, parameters, FLOPs, memory; which of them cannot be built.
//!
//! Knows nothing of libtorch, so that planning needs none. The trainer builds the same layers with tensors.

mod builder;
mod layers;
mod memory;
mod resnet;
mod summary;
mod vgg;

use crate::spec::{Family, ParameterError, Parameters, parameter::View};

pub use layers::{Activation, Layer, LayerKind, ModelError, layers, outputs};
pub use memory::{CUDA_HOST_BYTES, CUDA_LIBRARIES_BYTES, FUSED_PROCESS_BYTES, memory_on_processor};
pub use resnet::{Block, EXPANSION, Resnet, STAGE_WIDTHS, STEM_WIDTH};
pub use summary::{PROCESS_BYTES, Summary, summary};
pub use vgg::{CLASSIFIER_WIDTH, POOLED_SIDE, Vgg, VggStep};

/// Channels of the input of VGG and ResNet, which were made for colour: each gets the gray image.
pub const COLOURS: u32 = 3;
/// Mean of each channel of ImageNet, as torchvision's networks expect it to be taken off.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of each channel of ImageNet, by which torchvision's networks expect it to be divided.
pub const IMAGENET_DEVIATION: [f64; 3] = [0.229, 0.224, 0.225];

/// The network of a run, whichever family it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Of the paper's own family.
    GridCnn(GridCnn),
    /// VGG.
    Vgg(Vgg),
    /// ResNet.
    Resnet(Resnet),
}

impl Architecture {
    /// The network that a run's parameters say; `None` for a `command`, whose network is its own affair.
    ///
    /// # Errors
    /// A parameter is missing, of the wrong type or out of range; a spec that was validated never gives one.
    pub fn from_parameters(family: Family, parameters: &Parameters) -> Result<Option<Self>, ParameterError> {
        Ok(Some(match family {
            Family::GridCnn => Self::GridCnn(GridCnn::from_parameters(parameters)?),
            Family::Vgg16 => Self::Vgg(Vgg::Vgg16),
            Family::Vgg19 => Self::Vgg(Vgg::Vgg19),
            Family::Resnet18 => Self::Resnet(Resnet::Resnet18),
            Family::Resnet50 => Self::Resnet(Resnet::Resnet50),
            Family::Command => return Ok(None),
        }))
    }

    /// The layers for square images of `image_size` pixels.
    ///
    /// # Errors
    /// [`ModelError::TooSmall`] names the first layer that the image is too small for.
    pub fn layers(&self, image_size: u32, n_classes: u32) -> Result<Vec<Layer>, ModelError> {
        match self {
            Self::GridCnn(model) => layers(model, image_size, n_classes),
            Self::Vgg(model) => model.layers(image_size, n_classes),
            Self::Resnet(model) => Ok(model.layers(image_size, n_classes)),
        }
    }

    /// Channels of the input: one gray channel, or [`COLOURS`].
    #[must_use]
    pub const fn input_channels(&self) -> u32 {
        match self {
            Self::GridCnn(_) => 1,
            Self::Vgg(_) | Self::Resnet(_) => COLOURS,
        }
    }
}

impl From<GridCnn> for Architecture {
    fn from(model: GridCnn) -> Self {
        Self::GridCnn(model)
    }
}

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
        let view = View { families: &[Family::GridCnn], parameters };
        Ok(Self {
            conv_layers: view.int("conv_layers")?,
            dense_layers: view.int("dense_layers")?,
            layer_size: view.int("layer_size")?,
        })
    }
}
