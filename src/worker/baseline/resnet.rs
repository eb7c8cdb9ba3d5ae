//! ResNet's forward pass, without its head. Layers, names and order are those of `torchvision/models/resnet.py`.

use gridboard::model::{Block, COLOURS, Resnet, STEM_WIDTH};
use tch::{TchError, Tensor};

use super::tensors::{BatchNorm, Convolution, Linear, LinearStart, Role, Tensors};
use crate::engine::EngineError;

/// All layers of a ResNet but the last.
#[derive(Debug)]
pub(super) struct ResnetLayers {
    stem: Normalised,
    blocks: Vec<Residual>,
}

/// A convolution and the batch norm behind it.
#[derive(Debug)]
struct Normalised {
    convolution: Convolution,
    norm: BatchNorm,
}

/// A block: what is added to its input, and how that comes to the shape of the sum.
#[derive(Debug)]
struct Residual {
    convolutions: Vec<Normalised>,
    downsample: Option<Normalised>,
}

impl ResnetLayers {
    /// The layers, and the head.
    pub(super) fn new(
        model: Resnet,
        outputs: i64,
        tensors: &mut Tensors,
    ) -> Result<(Self, Linear), TchError> {
        let stem = Normalised::new(["conv1", "bn1"], [STEM_WIDTH, COLOURS, 7], 2, tensors)?;
        let mut blocks = Vec::new();
        let mut features = STEM_WIDTH;
        for block in model.blocks() {
            blocks.push(Residual::new(&block, tensors)?);
            features = block.outputs;
        }
        let shape = [outputs, i64::from(features)];
        let head = tensors.linear("fc", shape, Role::Head, LinearStart::Default)?;
        Ok((Self { stem, blocks }, head))
    }

    /// Features `[n, 512]` or `[n, 2048]` of normalised images `[n, 3, h, w]`. `by_batch` is for batch norm.
    pub(super) fn forward(&self, x: &Tensor, by_batch: bool) -> Result<Tensor, EngineError> {
        let mut x = self.stem.forward(x, by_batch)?.f_relu_()?;
        x = x.f_max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)?;
        for block in &self.blocks {
            x = block.forward(&x, by_batch)?;
        }
        Ok(x.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)?)
    }
}

impl Normalised {
    fn new(
        [convolution, norm]: [&str; 2],
        [outputs, inputs, kernel]: [u32; 3],
        stride: u32,
        tensors: &mut Tensors,
    ) -> Result<Self, TchError> {
        Ok(Self {
            convolution: tensors.convolution(convolution, [outputs, inputs, kernel], stride, false)?,
            norm: tensors.batch_norm(norm, outputs)?,
        })
    }

    fn forward(&self, x: &Tensor, by_batch: bool) -> Result<Tensor, EngineError> {
        self.norm.forward(&self.convolution.forward(x)?, by_batch)
    }
}

impl Residual {
    fn new(block: &Block, tensors: &mut Tensors) -> Result<Self, TchError> {
        let Block { name, inputs: block_inputs, outputs: block_outputs, stride, .. } = block;
        let mut inputs = *block_inputs;
        let mut convolutions = Vec::new();
        for (number, (kernel, stride, outputs)) in (1..).zip(block.convolutions()) {
            let names = [format!("{name}.conv{number}"), format!("{name}.bn{number}")];
            let names = [names[0].as_str(), names[1].as_str()];
            convolutions.push(Normalised::new(names, [outputs, inputs, kernel], stride, tensors)?);
            inputs = outputs;
        }
        let downsample = match block.has_downsample() {
            true => {
                let names = [format!("{name}.downsample.0"), format!("{name}.downsample.1")];
                let names = [names[0].as_str(), names[1].as_str()];
                Some(Normalised::new(names, [*block_outputs, *block_inputs, 1], *stride, tensors)?)
            }
            false => None,
        };
        Ok(Self { convolutions, downsample })
    }

    fn forward(&self, input: &Tensor, by_batch: bool) -> Result<Tensor, EngineError> {
        let mut x = input.shallow_clone();
        for (place, layer) in self.convolutions.iter().enumerate() {
            x = layer.forward(&x, by_batch)?;
            if place + 1 < self.convolutions.len() {
                x = x.f_relu_()?;
            }
        }
        let mut sum = match &self.downsample {
            Some(downsample) => x.f_add_(&downsample.forward(input, by_batch)?)?,
            None => x.f_add_(input)?,
        };
        Ok(sum.f_relu_()?)
    }
}
