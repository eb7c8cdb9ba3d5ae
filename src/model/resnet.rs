//! ResNet (He et al., arXiv:1512.03385), as torchvision has it (`torchvision/models/resnet.py`): version 1.5, in which the
//! 3x3 convolution of a bottleneck has the stride, not the 1x1 before it.

use super::{
    COLOURS,
    builder::{Builder, Convolution},
    layers::{Activation, Layer, last_activation, outputs},
};

/// Channels behind the first convolution.
pub const STEM_WIDTH: u32 = 64;
/// Channels inside the blocks of each of the four stages.
pub const STAGE_WIDTHS: [u32; 4] = [64, 128, 256, 512];
/// Channels behind a bottleneck for each one inside.
pub const EXPANSION: u32 = 4;

/// A ResNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resnet {
    /// Basic blocks: 2, 2, 2, 2.
    Resnet18,
    /// Bottlenecks: 3, 4, 6, 3.
    Resnet50,
}

/// One residual block. Its name is torchvision's, `layer1.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// `layer1.0`.
    pub name: String,
    /// Channels of its input.
    pub inputs: u32,
    /// Channels inside.
    pub width: u32,
    /// Channels of its output.
    pub outputs: u32,
    /// 2 where a stage halves the image, else 1.
    pub stride: u32,
    /// Whether it is 1x1, 3x3, 1x1 and not 3x3, 3x3.
    pub is_bottleneck: bool,
}

impl Block {
    /// Side of the kernel, stride and outputs of each convolution in turn.
    #[must_use]
    pub fn convolutions(&self) -> Vec<(u32, u32, u32)> {
        if self.is_bottleneck {
            vec![(1, 1, self.width), (3, self.stride, self.width), (1, 1, self.outputs)]
        } else {
            vec![(3, self.stride, self.width), (3, 1, self.outputs)]
        }
    }

    /// Whether the input is brought to the shape of the output by a 1x1 convolution with the block's stride.
    #[must_use]
    pub const fn has_downsample(&self) -> bool {
        self.stride != 1 || self.inputs != self.outputs
    }
}

impl Resnet {
    /// The blocks in turn.
    #[must_use]
    pub fn blocks(self) -> Vec<Block> {
        let (depths, is_bottleneck) = match self {
            Self::Resnet18 => ([2, 2, 2, 2], false),
            Self::Resnet50 => ([3, 4, 6, 3], true),
        };
        let mut inputs = STEM_WIDTH;
        let mut blocks = Vec::new();
        for (stage, (depth, width)) in (1..).zip(depths.into_iter().zip(STAGE_WIDTHS)) {
            let outputs = if is_bottleneck { width * EXPANSION } else { width };
            for number in 0..depth {
                let stride = if stage > 1 && number == 0 { 2 } else { 1 };
                let name = format!("layer{stage}.{number}");
                blocks.push(Block { name, inputs, width, outputs, stride, is_bottleneck });
                inputs = outputs;
            }
        }
        blocks
    }

    /// The layers for square images of `image_size` pixels: of any size, since everything is padded.
    pub(super) fn layers(self, image_size: u32, n_classes: u32) -> Vec<Layer> {
        let convolution = |(kernel, stride, outputs): (u32, u32, u32)| Convolution {
            outputs: outputs.into(),
            kernel: kernel.into(),
            stride: stride.into(),
            padding: (kernel / 2).into(),
            bias: false,
        };
        let mut builder = Builder::new(COLOURS, image_size);
        builder.convolution("conv1", convolution((7, 2, STEM_WIDTH)), Activation::None);
        builder.batch_norm("bn1", Activation::Relu);
        builder.overlapping_pool("maxpool");
        for block in self.blocks() {
            let input = (builder.channels, builder.side);
            let convolutions = block.convolutions();
            for (number, shape) in (1..).zip(&convolutions) {
                let last = number == convolutions.len();
                let activation = if last { Activation::None } else { Activation::Relu };
                builder.convolution(
                    &format!("{}.conv{number}", block.name),
                    convolution(*shape),
                    Activation::None,
                );
                builder.batch_norm(&format!("{}.bn{number}", block.name), activation);
            }
            if block.has_downsample() {
                (builder.channels, builder.side) = input;
                let shape = convolution((1, block.stride, block.outputs));
                builder.convolution(&format!("{}.downsample.0", block.name), shape, Activation::None);
                builder.batch_norm(&format!("{}.downsample.1", block.name), Activation::None);
            }
            builder.add(&format!("{}.add", block.name));
        }
        builder.average_pool("avgpool", 1);
        builder.flatten();
        builder.dense("fc", outputs(n_classes).into(), last_activation(n_classes));
        builder.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published by torchvision for 1000 classes at 224 pixels: parameters, and billions of multiply-adds to two digits
    /// (`ResNet50_Weights.IMAGENET1K_V1.meta`, `num_params` and `_ops`).
    #[test]
    fn counts_are_those_that_torchvision_publishes() {
        for (resnet, parameters, billions) in
            [(Resnet::Resnet18, 11_689_512, 1.814), (Resnet::Resnet50, 25_557_032, 4.089)]
        {
            let layers = resnet.layers(224, 1000);
            assert_eq!(layers.iter().map(|layer| layer.parameters).sum::<u64>(), parameters, "{resnet:?}");
            let flops = layers.iter().map(|layer| layer.flops).sum::<u64>();
            assert!((flops as f64 / 2e9 - billions).abs() < 0.001, "{resnet:?}: {flops}");
        }
    }

    #[test]
    fn names_and_shapes_are_those_of_torchvision() {
        let layers = Resnet::Resnet50.layers(64, 2);
        let find =
            |name: &str| layers.iter().find(|layer| layer.name == name).expect(name).output_shape.clone();
        assert_eq!(find("conv1"), [64, 32, 32]);
        assert_eq!(find("maxpool"), [64, 16, 16]);
        assert_eq!(find("layer2.0.conv1"), [128, 16, 16]);
        assert_eq!(find("layer2.0.conv2"), [128, 8, 8]);
        assert_eq!(find("layer2.0.downsample.1"), [512, 8, 8]);
        assert_eq!(find("layer4.2.add"), [2048, 2, 2]);
        assert_eq!(find("fc"), [1]);
        let basic = Resnet::Resnet18.layers(64, 3);
        assert!(basic.iter().all(|layer| layer.name != "layer1.0.downsample.0"));
        assert!(basic.iter().any(|layer| layer.name == "layer4.0.downsample.0"));
        assert_eq!(
            basic.last().map(|layer| (layer.output_shape.clone(), layer.activation)),
            Some((vec![3], Activation::Softmax))
        );
    }
}
