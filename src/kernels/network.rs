//! The network of the grid CNN family on these kernels: forward pass, backward pass with Adam, weights in and out.

use std::ops::Range;

use super::{
    adam::{self, Weights},
    buffer::Buffer,
    convolutions::{Convolutions, scale},
    dense::Dense,
    layout::Layout,
    precision::Precision,
    simd::{InstructionSet, padded},
    stopwatch::Lap,
};

/// What a network looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows and columns of an image, pixels.
    pub image_size: usize,
    /// Blocks of convolution, pooling and ReLU.
    pub conv_layers: usize,
    /// Hidden dense layers.
    pub dense_layers: usize,
    /// Channels of every convolution, units of every hidden dense layer.
    pub layer_size: usize,
    /// Logits of an image: 1 for two classes, else one a class.
    pub outputs: usize,
}

/// How a network is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Execution {
    /// Images of the largest batch.
    pub batch_size: usize,
    /// Threads; the results do not depend on it.
    pub threads: usize,
    /// Instructions to use; where the processor lacks them, portable code.
    pub instructions: InstructionSet,
    /// How the convolutions round.
    pub precision: Precision,
}

/// A weight or a bias as PyTorch's `state_dict` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterInfo {
    /// `conv1.weight`, `dense2.bias`, `output.weight`.
    pub name: String,
    /// `[out, in, 3, 3]`, `[out, in]` or `[out]`; features are flattened channel, row, column.
    pub shape: Vec<usize>,
}

/// Which values of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The parameter itself.
    Value,
    /// Adam's running mean of its gradient.
    FirstMoment,
    /// Adam's running mean of its gradient's square.
    SecondMoment,
}

/// A network with its optimizer. All memory is taken when it is made and kept.
#[derive(Debug)]
pub struct Network {
    shape: Shape,
    execution: Execution,
    /// `[batch][image_size * image_size]`.
    bytes: Buffer<u8>,
    /// Images of the last batch.
    n: usize,
    convolutions: Option<Convolutions>,
    /// Where there is no convolution: `[batch][F]`, the pixels.
    pixels: Buffer<f32>,
    features_len: usize,
    dense: Vec<Dense>,
    /// `[n][outputs]`.
    logits: Buffer<f32>,
    parameters: Vec<(ParameterInfo, Layout)>,
    step: u32,
}

impl Network {
    /// A network of zeros.
    ///
    /// # Errors
    /// [`TooSmall`] where the image does not reach through the convolutions.
    pub fn new(shape: Shape, execution: Execution) -> Result<Self, TooSmall> {
        let Shape { image_size, conv_layers, dense_layers, layer_size, outputs } = shape;
        let Execution { batch_size, threads, precision, .. } = execution;
        let mut side = image_size;
        for block in 1..=conv_layers {
            side = side.saturating_sub(2) / 2;
            if side == 0 {
                return Err(TooSmall { image_size, block });
            }
        }
        let convolutions = (conv_layers > 0)
            .then(|| Convolutions::new(image_size, conv_layers, layer_size, batch_size, threads, precision));
        let features_len =
            convolutions.as_ref().map_or(padded(image_size * image_size), Convolutions::features_len);
        let mut dense = Vec::new();
        let mut inputs = features_len;
        for layer in 0..=dense_layers {
            let hidden = layer < dense_layers;
            let width = if hidden { layer_size } else { outputs };
            let made = Dense::new(inputs, width, hidden, batch_size, threads);
            inputs = made.width();
            dense.push(made);
        }
        let pixels = if conv_layers == 0 { batch_size * features_len } else { 0 };
        let mut network = Self {
            shape,
            execution,
            bytes: Buffer::zeros(batch_size * image_size * image_size),
            n: 0,
            convolutions,
            pixels: Buffer::zeros(pixels),
            features_len,
            dense,
            logits: Buffer::zeros(batch_size * outputs),
            parameters: Vec::new(),
            step: 0,
        };
        network.parameters = network.list();
        Ok(network)
    }

    fn list(&self) -> Vec<(ParameterInfo, Layout)> {
        let Shape { image_size, conv_layers, dense_layers, layer_size, outputs } = self.shape;
        let mut list = Vec::new();
        let mut add = |name: &str, kind: &str, shape: Vec<usize>, layout| {
            list.push((ParameterInfo { name: format!("{name}.{kind}"), shape }, layout));
        };
        // Positions and channels of the features, real and as they lie.
        let (mut positions, mut channels, mut width) = (image_size * image_size, 1, 1);
        if let Some(convolutions) = &self.convolutions {
            width = convolutions.channels();
            for block in 1..=conv_layers {
                let name = format!("conv{block}");
                let inputs = if block == 1 { 1 } else { layer_size };
                let (weights, bias) = if block == 1 {
                    (
                        Layout::First { outputs: layer_size, width },
                        Layout::Vector { from: 9 * width, n: layer_size },
                    )
                } else {
                    (
                        Layout::LaterBlock { inputs, outputs: layer_size, width },
                        Layout::Vector { from: 0, n: layer_size },
                    )
                };
                add(&name, "weight", vec![layer_size, inputs, 3, 3], weights);
                add(&name, "bias", vec![layer_size], bias);
            }
            positions = convolutions.pooled() * convolutions.pooled();
            channels = layer_size;
        }
        let mut stride = self.features_len;
        for (at, layer) in self.dense.iter().enumerate() {
            let (name, n) = if at < dense_layers {
                (format!("dense{}", at + 1), layer_size)
            } else {
                ("output".to_owned(), outputs)
            };
            let layout = if layer.is_thin() {
                Layout::Thin { positions, channels, width, outputs: n, stride }
            } else {
                Layout::Wide { positions, channels, width, outputs: n, stride: layer.width() }
            };
            add(&name, "weight", vec![n, positions * channels], layout);
            add(&name, "bias", vec![n], Layout::Vector { from: 0, n });
            (positions, channels, width, stride) = (1, n, layer.width(), layer.width());
        }
        list
    }

    /// What it looks like.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Weight and bias of each layer in turn.
    pub fn parameters(&self) -> impl Iterator<Item = &ParameterInfo> {
        self.parameters.iter().map(|(info, _)| info)
    }

    /// Updates made so far.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.step
    }

    /// Goes on behind so many updates, for a network that is given the values and moments that it had then.
    pub fn set_steps(&mut self, steps: u32) {
        self.step = steps;
    }

    /// The layer of a parameter: a convolution, or a dense layer by its place.
    fn weights(&self, parameter: usize) -> &Weights {
        let (layer, is_bias, n_convs) = (parameter / 2, parameter % 2 == 1, self.shape.conv_layers);
        if layer >= n_convs {
            let layer = &self.dense[layer - n_convs];
            return if is_bias { &layer.bias } else { &layer.weights };
        }
        let convolutions = self.convolutions.as_ref().expect("a convolution's parameter is of one");
        match layer.checked_sub(1).map(|later| &convolutions.later[later]) {
            None => &convolutions.first,
            Some(layer) if is_bias => &layer.bias,
            Some(layer) => &layer.weights,
        }
    }

    /// [`Self::weights`], to write.
    fn weights_mut(&mut self, parameter: usize) -> &mut Weights {
        let (layer, is_bias, n_convs) = (parameter / 2, parameter % 2 == 1, self.shape.conv_layers);
        if layer >= n_convs {
            let layer = &mut self.dense[layer - n_convs];
            return if is_bias { &mut layer.bias } else { &mut layer.weights };
        }
        let convolutions = self.convolutions.as_mut().expect("a convolution's parameter is of one");
        convolutions.weights_changed();
        match layer.checked_sub(1).map(|later| &mut convolutions.later[later]) {
            None => &mut convolutions.first,
            Some(layer) if is_bias => &mut layer.bias,
            Some(layer) => &mut layer.weights,
        }
    }

    /// Rows of a parameter (by its place in [`Self::parameters`]): the first of PyTorch's dimensions.
    #[must_use]
    pub fn rows(&self, parameter: usize) -> usize {
        self.parameters[parameter].1.rows()
    }

    /// Sets some rows of a parameter or of its moments, from PyTorch's layout. Sixteen rows at a time are written fastest.
    ///
    /// # Panics
    /// Where there are not as many values as those rows have.
    pub fn set_rows(&mut self, parameter: usize, part: Part, rows: Range<usize>, values: &[f32]) {
        let layout = self.parameters[parameter].1;
        assert!(rows.end <= layout.rows() && values.len() == rows.len() * layout.row_len());
        let Weights { w, m, v } = self.weights_mut(parameter);
        let stored = match part {
            Part::Value => w,
            Part::FirstMoment => m,
            Part::SecondMoment => v,
        };
        layout.each(rows, |from, to| stored[to] = values[from]);
    }

    /// Some rows of a parameter or of its moments, in PyTorch's layout.
    ///
    /// # Panics
    /// Where there is not as much room as those rows need.
    pub fn get_rows(&self, parameter: usize, part: Part, rows: Range<usize>, values: &mut [f32]) {
        let layout = self.parameters[parameter].1;
        assert!(rows.end <= layout.rows() && values.len() == rows.len() * layout.row_len());
        let Weights { w, m, v } = self.weights(parameter);
        let stored = match part {
            Part::Value => w,
            Part::FirstMoment => m,
            Part::SecondMoment => v,
        };
        layout.each(rows, |to, from| values[to] = stored[from]);
    }

    /// Sets a parameter (by its place in [`Self::parameters`]) or its moments, from PyTorch's layout.
    ///
    /// # Panics
    /// Where it has another number of values.
    pub fn set(&mut self, parameter: usize, part: Part, values: &[f32]) {
        self.set_rows(parameter, part, 0..self.rows(parameter), values);
    }

    /// A parameter (by its place in [`Self::parameters`]) or its moments, in PyTorch's layout.
    #[must_use]
    pub fn get(&self, parameter: usize, part: Part) -> Vec<f32> {
        let mut values = vec![0.0; self.parameters[parameter].1.len()];
        self.get_rows(parameter, part, 0..self.rows(parameter), &mut values);
        values
    }

    /// Starts (or ends) the measurement of what each stage of each layer takes.
    pub fn measure(&mut self, on: bool) {
        self.dense.iter_mut().for_each(|layer| layer.measure(on));
        if let Some(convolutions) = &mut self.convolutions {
            convolutions.measure(on);
        }
    }

    /// What was measured since [`Self::measure`]: one for each stage of each layer that has it.
    #[must_use]
    pub fn laps(&self) -> Vec<Lap> {
        let mut laps = Vec::new();
        if let Some(convolutions) = &self.convolutions {
            convolutions.add_laps(&mut laps);
        }
        for (layer, dense) in (self.shape.conv_layers..).zip(&self.dense) {
            dense.add_laps(layer, &mut laps);
        }
        laps
    }

    /// Logits `[n][outputs]` of `n` images, each `[image_size * image_size]`, 0 black to 255 white.
    ///
    /// # Panics
    /// Where an image has another size or there are more than a batch.
    pub fn forward(&mut self, images: &[&[u8]]) -> &[f32] {
        let size = self.shape.image_size * self.shape.image_size;
        let n = images.len();
        assert!(n <= self.execution.batch_size, "{n} images are more than a batch");
        for (image, bytes) in images.iter().zip(self.bytes.chunks_exact_mut(size)) {
            bytes.copy_from_slice(image);
        }
        self.n = n;
        if n == 0 {
            return &[];
        }
        let set = self.execution.instructions;
        let mut x: &[f32] = match &mut self.convolutions {
            Some(convolutions) => {
                convolutions.forward(set, &self.bytes, n);
                convolutions.features()
            }
            None => {
                let rows = self.pixels.chunks_exact_mut(self.features_len);
                for (row, bytes) in rows.zip(self.bytes.chunks_exact(size)).take(n) {
                    scale(bytes, row);
                }
                &self.pixels
            }
        };
        for layer in &mut self.dense {
            layer.forward(set, x, n);
            x = &layer.output;
        }
        let outputs = self.shape.outputs;
        for (to, from) in
            self.logits.chunks_exact_mut(outputs).zip(x.chunks_exact(x.len() / self.execution.batch_size))
        {
            to.copy_from_slice(&from[..outputs]);
        }
        &self.logits[..n * outputs]
    }

    /// One update of all parameters: from the gradient of the loss by the logits of the last forward pass,
    /// `[n][outputs]`. Spends what that pass left: another must come before the next.
    ///
    /// # Panics
    /// Where the gradient has another length than the logits, or no forward pass came before.
    pub fn backward(&mut self, gradient: &[f32], learning_rate: f64) {
        let (n, outputs) = (std::mem::take(&mut self.n), self.shape.outputs);
        assert!(n > 0 && gradient.len() == n * outputs, "a gradient for each logit of a forward pass");
        self.step = self.step.saturating_add(1);
        let rate = adam::rate(learning_rate, self.step);
        let set = self.execution.instructions;
        let last = self.dense.last_mut().expect("the output layer is always there");
        let width = last.width();
        for (to, from) in last.output.chunks_exact_mut(width).zip(gradient.chunks_exact(outputs)) {
            to[..outputs].copy_from_slice(from);
            to[outputs..].fill(0.0);
        }
        for at in (1..self.dense.len()).rev() {
            let (below, above) = self.dense.split_at_mut(at);
            above[0].backward(set, &mut below[at - 1].output, n, rate, true);
        }
        match &mut self.convolutions {
            Some(convolutions) => {
                self.dense[0].backward(set, convolutions.features(), n, rate, true);
                convolutions.backward(set, &self.bytes, n, rate);
            }
            None => self.dense[0].backward(set, &mut self.pixels, n, rate, false),
        }
    }
}

/// The image is too small for the convolutions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image of {image_size} x {image_size} pixels leaves nothing for convolution {block}")]
pub struct TooSmall {
    /// Rows and columns of the image.
    pub image_size: usize,
    /// The block, from 1.
    pub block: usize,
}
