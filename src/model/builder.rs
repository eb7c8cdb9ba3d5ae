//! Layers one behind the other, each taking its input's shape from the one before: what VGG and ResNet are listed with.

use super::layers::{Activation, Layer, LayerKind, ModelError, product, shrink};

/// A network under listing.
pub(super) struct Builder {
    layers: Vec<Layer>,
    /// Channels of the last output; features once it is flat.
    pub(super) channels: u64,
    /// Side of the last output, pixels; 1 once it is flat.
    pub(super) side: u64,
}

/// A convolution.
#[derive(Clone, Copy)]
pub(super) struct Convolution {
    pub(super) outputs: u64,
    pub(super) kernel: u64,
    pub(super) stride: u64,
    pub(super) padding: u64,
    pub(super) bias: bool,
}

impl Builder {
    pub(super) fn new(channels: u32, side: u32) -> Self {
        Self { layers: Vec::new(), channels: channels.into(), side: side.into() }
    }

    pub(super) fn finish(self) -> Vec<Layer> {
        self.layers
    }

    fn push(&mut self, name: &str, kind: LayerKind, activation: Activation, (parameters, flops): (u64, u64)) {
        let (channels, side) = (self.channels, self.side);
        let output_shape = match kind {
            LayerKind::Flatten | LayerKind::Dense | LayerKind::Dropout => vec![channels],
            _ => vec![channels, side, side],
        };
        self.layers.push(Layer { name: name.to_owned(), kind, activation, output_shape, parameters, flops });
    }

    /// Sides of windows that slide over a padded input, rounded down. Callers pad by half of the window, so that it fits
    /// whatever the side.
    fn slide(&mut self, kernel: u64, stride: u64, padding: u64) {
        self.side = (self.side + 2 * padding).saturating_sub(kernel) / stride + 1;
    }

    pub(super) fn convolution(&mut self, name: &str, convolution: Convolution, activation: Activation) {
        let Convolution { outputs, kernel, stride, padding, bias } = convolution;
        let weights = product(&[outputs, self.channels, kernel, kernel]);
        self.slide(kernel, stride, padding);
        self.channels = outputs;
        let flops = product(&[2, weights, self.side, self.side]);
        let parameters = weights.saturating_add(if bias { outputs } else { 0 });
        self.push(name, LayerKind::Conv2d, activation, (parameters, flops));
    }

    /// A scale and a shift for each channel.
    pub(super) fn batch_norm(&mut self, name: &str, activation: Activation) {
        let parameters = product(&[2, self.channels]);
        self.push(name, LayerKind::BatchNormalization, activation, (parameters, 0));
    }

    /// 2x2, stride 2, no padding.
    pub(super) fn halve(&mut self, name: &str) -> Result<(), ModelError> {
        shrink(name, self.side, 2)?;
        self.slide(2, 2, 0);
        self.push(name, LayerKind::MaxPooling2d, Activation::None, (0, 0));
        Ok(())
    }

    /// 3x3, stride 2, padding 1.
    pub(super) fn overlapping_pool(&mut self, name: &str) {
        self.slide(3, 2, 1);
        self.push(name, LayerKind::MaxPooling2d, Activation::None, (0, 0));
    }

    pub(super) fn average_pool(&mut self, name: &str, side: u64) {
        self.side = side;
        self.push(name, LayerKind::AdaptiveAveragePooling2d, Activation::None, (0, 0));
    }

    pub(super) fn add(&mut self, name: &str) {
        self.push(name, LayerKind::Add, Activation::Relu, (0, 0));
    }

    pub(super) fn flatten(&mut self) {
        self.channels = product(&[self.channels, self.side, self.side]);
        self.side = 1;
        self.push("flatten", LayerKind::Flatten, Activation::None, (0, 0));
    }

    pub(super) fn dense(&mut self, name: &str, units: u64, activation: Activation) {
        let weights = product(&[self.channels, units]);
        self.channels = units;
        let costs = (weights.saturating_add(units), product(&[2, weights]));
        self.push(name, LayerKind::Dense, activation, costs);
    }

    pub(super) fn dropout(&mut self, name: &str) {
        self.push(name, LayerKind::Dropout, Activation::None, (0, 0));
    }
}
