//! VGG and ResNet as tensors: torchvision's networks on gray images, with a head for the run's classes.
//!
//! [`Baseline`] is what the engine trains; `tensors` holds what is stored under torchvision's names, `vgg` and `resnet`
//! say what is computed with it, `dropout` draws masks. Which layers there are is `model` of the library; files of weights are read in `weights`.
//!
//! A gray image becomes the three channels of ImageNet, each with that channel's mean taken off and divided by its
//! deviation. The head has one output for two classes (the logit of the second, under a sigmoid) and K for more, as the
//! grid CNNs have: a softmax over two outputs only ever sees their difference, so one logit is the same model with half
//! of the head, and loss, threshold and probabilities are shared by all families.
//!
//! In training, batch norms use the statistics of the batch and move their running ones (momentum 0.1, unbiased variance)
//! and dropout draws its masks from a stream of ours (see `init`): they depend on seed and step alone, not on libtorch's
//! generator, the device or the threads. A frozen backbone takes no gradients, and its batch norms neither use nor move
//! the statistics of the batch; dropout stays, since it is part of how the head is trained.

mod dropout;
mod resnet;
mod tensors;
#[cfg(test)]
mod tests;
mod vgg;

use gridboard::{
    model::{Architecture, IMAGENET_DEVIATION, IMAGENET_MEAN, outputs},
    spec::Freeze,
};
use tch::{Device, TchError, Tensor};

use crate::engine::EngineError;
use dropout::Dropout;
use resnet::ResnetLayers;
use tensors::{Linear, Tensors};
pub(crate) use tensors::{Role, Stored};
use vgg::VggLayers;

/// A network of torchvision.
#[derive(Debug)]
pub(crate) struct Baseline {
    tensors: Tensors,
    backbone: Backbone,
    head: Linear,
    /// f32 `[1, 3, 1, 1]`.
    mean: Tensor,
    /// f32 `[1, 3, 1, 1]`.
    deviation: Tensor,
    classes: usize,
    freeze: Freeze,
    dropout: Dropout,
}

#[derive(Debug)]
enum Backbone {
    Vgg(VggLayers),
    Resnet(ResnetLayers),
}

/// Whether a forward pass is one of training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Dropout, and batch norm by the batch.
    Training,
    /// Neither.
    Evaluation,
}

impl Baseline {
    /// The network with weights of no value yet: zeros, which [`Self::initialise`] or a file fill.
    ///
    /// # Errors
    /// [`EngineError::Model`] where the image is too small; [`EngineError::Torch`] where memory is short.
    pub(crate) fn new(
        architecture: &Architecture,
        image_size: u32,
        classes: u32,
        freeze: Freeze,
        device: Device,
    ) -> Result<Self, EngineError> {
        architecture.layers(image_size, classes)?;
        let mut tensors = Tensors::new(device, freeze);
        let outputs = outputs(classes).into();
        let (backbone, head) = match architecture {
            Architecture::Vgg(model) => {
                let (layers, head) = VggLayers::new(*model, outputs, &mut tensors)?;
                (Backbone::Vgg(layers), head)
            }
            Architecture::Resnet(model) => {
                let (layers, head) = ResnetLayers::new(*model, outputs, &mut tensors)?;
                (Backbone::Resnet(layers), head)
            }
            Architecture::GridCnn(_) => unreachable!("grid CNNs are built by `network`"),
        };
        let per_channel = |values: [f64; 3]| {
            let values = values.map(|value| value as f32);
            Tensor::f_from_slice(&values)?.f_reshape([1, 3, 1, 1])?.f_to_device(device)
        };
        tensors.join_counts()?;
        Ok(Self {
            tensors,
            backbone,
            head,
            mean: per_channel(IMAGENET_MEAN)?,
            deviation: per_channel(IMAGENET_DEVIATION)?,
            classes: classes as usize,
            freeze,
            dropout: Dropout::new(0),
        })
    }

    /// Draws the weights as torchvision does for a network without weights, and begins the masks of dropout. Each tensor
    /// has a stream of the seed.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn initialise(&mut self, seed: u64) -> Result<(), TchError> {
        self.dropout = Dropout::new(seed);
        self.tensors.initialise(seed)
    }

    /// Everything that is stored, in torchvision's order.
    pub(crate) fn stored(&self) -> &[Stored] {
        self.tensors.all()
    }

    /// The parameters that are trained, with their role.
    pub(crate) fn trained(&self) -> impl Iterator<Item = &Stored> {
        self.stored().iter().filter(|stored| stored.tensor.requires_grad())
    }

    /// Masks of dropout that were drawn.
    pub(crate) fn masks(&self) -> u64 {
        self.dropout.used()
    }

    /// Goes on behind so many masks.
    pub(crate) fn set_masks(&mut self, used: u64) {
        self.dropout.go_on(used);
    }

    /// Where the tensors are.
    pub(crate) fn device(&self) -> Device {
        self.mean.device()
    }

    /// Logits of images `[n, 1, h, w]`, f32 in 0..=1: `[n]` for two classes (of the second), `[n, K]` for more.
    ///
    /// # Errors
    /// [`EngineError::BatchNorm`] where a batch norm in training would see one value a channel; [`EngineError::Torch`] where
    /// memory is short.
    pub(crate) fn forward(&mut self, images: &Tensor, mode: Mode) -> Result<Tensor, EngineError> {
        // One gray channel less three means is three channels.
        let x = images.f_sub(&self.mean)?.f_div_(&self.deviation)?;
        let features = match &self.backbone {
            Backbone::Vgg(layers) => {
                let dropout = (mode == Mode::Training).then_some(&mut self.dropout);
                layers.forward(&x, dropout)?
            }
            Backbone::Resnet(layers) => {
                let by_batch = mode == Mode::Training && self.freeze == Freeze::None;
                let features = layers.forward(&x, by_batch)?;
                if by_batch {
                    self.tensors.count_batch()?;
                }
                features
            }
        };
        let logits = self.head.forward(&features)?;
        Ok(if self.classes == 2 { logits.f_squeeze_dim(1)? } else { logits })
    }

    /// Bytes of the largest output of a layer, of one image of `side` x `side` pixels.
    pub(crate) fn largest_output(&self, side: usize) -> usize {
        let floats = match &self.backbone {
            Backbone::Vgg(_) => 64 * side * side,
            // Behind a convolution of stride 2; four times the channels come with a quarter of the pixels.
            Backbone::Resnet(_) => 64 * side.div_ceil(2) * side.div_ceil(2),
        };
        floats * size_of::<f32>()
    }
}
