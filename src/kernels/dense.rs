//! A dense layer: which of the two layouts it has, its division into parts, its bias and its ReLU.

#![expect(unsafe_code, reason = "threads share a buffer, each with columns of its own")]

use std::ops::Range;

use super::{
    adam::{self, Weights},
    buffer::Buffer,
    few_outputs::{self, WeightColumns},
    many_outputs::{self, Columns},
    simd::{InstructionSet, Kernel, LANES, Simd, dispatch, padded},
    stopwatch::{Lap, Stage, Stopwatch},
    threads::{ranges, share, split},
};

/// An output layer of fewer outputs is [`thin`].
const THIN: usize = 8;
/// Layers of fewer weights are not worth a second thread.
const SMALL: usize = 1 << 15;
/// Parts that a forward pass is cut into: each has sums of its own.
pub(super) const PARTS: usize = 16;

/// Whether a layer (hidden ones have a ReLU) is [`thin`].
pub(super) const fn is_thin(outputs: usize, relu: bool) -> bool {
    outputs < THIN && !relu
}

/// Outputs as they lie in memory: the next layer reads whole vectors.
pub(super) const fn width(outputs: usize, relu: bool) -> usize {
    if is_thin(outputs, relu) { outputs } else { padded(outputs) }
}

/// The layer.
#[derive(Debug)]
pub(super) struct Dense {
    /// Features, F, whole vectors.
    inputs: usize,
    /// Outputs as they lie: whole vectors in wide layers.
    width: usize,
    thin: bool,
    relu: bool,
    /// `[F][S]`, or `[K][F]` where thin.
    pub(super) weights: Weights,
    /// `[width]`, rounded up.
    pub(super) bias: Weights,
    /// `[batch][width]`: outputs, then their gradient.
    pub(super) output: Buffer<f32>,
    /// `[PARTS][batch][width]`: each part's sums.
    partial: Buffer<f32>,
    /// `[width][N]`: the outputs' gradient, transposed.
    transposed: Buffer<f32>,
    /// One for each thread.
    workers: Vec<Stopwatch>,
}

impl Dense {
    /// A layer of zeros; hidden layers have a ReLU.
    pub(super) fn new(inputs: usize, outputs: usize, relu: bool, batch: usize, threads: usize) -> Self {
        let (width, thin) = (width(outputs, relu), is_thin(outputs, relu));
        let workers = vec![Stopwatch::new(1); if inputs * width < SMALL { 1 } else { threads }];
        Self {
            inputs,
            width,
            thin,
            relu,
            weights: Weights::new(inputs * width),
            bias: Weights::new(width),
            output: Buffer::zeros(batch * width),
            partial: Buffer::zeros(PARTS * batch * width),
            transposed: Buffer::zeros(if thin { 0 } else { width * padded(batch) }),
            workers,
        }
    }

    /// Whether the weights are `[K][F]`.
    pub(super) fn is_thin(&self) -> bool {
        self.thin
    }

    /// Outputs as they lie in memory.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Starts or ends the measurement of times.
    pub(super) fn measure(&mut self, on: bool) {
        self.workers.iter_mut().for_each(|watch| watch.set(on));
    }

    /// What was measured; the network counts this layer as `layer`.
    pub(super) fn add_laps(&self, layer: usize, laps: &mut Vec<Lap>) {
        self.workers.iter().for_each(|watch| watch.add_to(layer, laps));
    }

    /// The outputs of `n` images with the features `x`, `[n][F]`.
    pub(super) fn forward(&mut self, set: InstructionSet, x: &[f32], n: usize) {
        let (inputs, width, thin) = (self.inputs, self.width, self.thin);
        let ranges = ranges(inputs, PARTS, 4 * LANES);
        let sums = n * width;
        let used = &mut self.partial[..ranges.len() * sums];
        used.fill(0.0);
        let weights = &self.weights.w;
        let parts = ranges.iter().zip(used.chunks_exact_mut(sums)).collect();
        share(parts, &mut self.workers, |(range, sums): (&Range<usize>, &mut [f32]), watch| {
            watch.start();
            let (from, features) = (range.start, range.len());
            dispatch(set, Forward { x, stride: inputs, from, features, weights, width, thin, sums });
            watch.lap(0, Stage::Dense);
        });
        self.workers[0].start();
        for (image, output) in self.output[..sums].chunks_exact_mut(width).enumerate() {
            for (at, output) in output.iter_mut().enumerate() {
                let mut sum = self.bias.w[at];
                for part in self.partial.chunks_exact(sums).take(ranges.len()) {
                    sum += part[image * width + at];
                }
                // Not `max`: what is no number stays so.
                *output = if self.relu && sum < 0.0 { 0.0 } else { sum };
            }
        }
        self.workers[0].lap(0, Stage::Dense);
    }

    /// The gradient of the outputs, in their place, made into that of the features, in theirs (where wanted), and the
    /// weights updated.
    pub(super) fn backward(
        &mut self,
        set: InstructionSet,
        x: &mut [f32],
        n: usize,
        rate: f32,
        wants_input: bool,
    ) {
        let (inputs, width, thin) = (self.inputs, self.width, self.thin);
        let gradient = &self.output[..n * width];
        assert!(x.len() >= n * inputs);
        let columns = padded(n);
        self.workers[0].start();
        if !thin {
            for output in 0..width {
                for image in 0..columns {
                    let value = if image < n { gradient[image * width + output] } else { 0.0 };
                    self.transposed[output * columns + image] = value;
                }
            }
        }
        self.workers[0].lap(0, Stage::DenseBackward);
        let transposed = if thin { &[] } else { &self.transposed[..width * columns] };
        let ranges = ranges(inputs, 4 * PARTS, 4 * LANES);
        let x = Columns { start: x.as_mut_ptr(), stride: inputs };
        let bases = self.weights.all().map(|part| Columns { start: part.as_mut_ptr(), stride: inputs });
        if thin {
            let parts = ranges
                .iter()
                .map(|range| {
                    // SAFETY: the start of a range is inside the features.
                    let shift =
                        |part: Columns| unsafe { Columns { start: part.start.add(range.start), ..part } };
                    let operands = few_outputs::Backward {
                        n,
                        features: range.len(),
                        gradient,
                        outputs: width,
                        rate,
                        wants_input,
                    };
                    ThinBackward { x: shift(x), weights: WeightColumns(bases.map(shift)), operands }
                })
                .collect();
            share(parts, &mut self.workers, |part, watch| {
                watch.start();
                dispatch(set, part);
                watch.lap(0, Stage::DenseBackward);
            });
        } else {
            let [w, m, v] = self.weights.all().map(|part| split(part, &ranges, width));
            let parts = ranges
                .iter()
                .zip(w.into_iter().zip(m).zip(v))
                .map(|(range, ((w, m), v))| {
                    // SAFETY: as above.
                    let start = unsafe { x.start.add(range.start) };
                    let weights = [w, m, v];
                    let operands =
                        many_outputs::Backward { n, transposed, gradient, width, weights, rate, wants_input };
                    WideBackward { x: Columns { start, ..x }, operands }
                })
                .collect();
            share(parts, &mut self.workers, |part, watch| {
                watch.start();
                dispatch(set, part);
                watch.lap(0, Stage::DenseBackward);
            });
        }
        self.workers[0].start();
        let mut bias = vec![0.0f32; self.bias.w.len()];
        for image in gradient.chunks_exact(width) {
            for (sum, value) in bias.iter_mut().zip(image) {
                *sum += value;
            }
        }
        adam::step(set, &mut self.bias, &[&bias], rate);
        self.workers[0].lap(0, Stage::DenseBackward);
    }
}

struct Forward<'a> {
    x: &'a [f32],
    stride: usize,
    from: usize,
    features: usize,
    weights: &'a [f32],
    width: usize,
    thin: bool,
    sums: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, stride, from, features, weights, width, thin, sums } = self;
        if thin {
            few_outputs::forward(s, x, stride, from, features, weights, width, sums);
        } else {
            let weights = &weights[from * width..(from + features) * width];
            many_outputs::forward(s, x, stride, from, weights, width, sums);
        }
    }
}

struct ThinBackward<'a> {
    x: Columns,
    weights: WeightColumns,
    operands: few_outputs::Backward<'a>,
}

impl Kernel for ThinBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: the ranges of `Dense::backward` do not overlap, and lie inside features and weights.
        unsafe { few_outputs::backward(s, self.x, self.weights, self.operands) }
    }
}

struct WideBackward<'a> {
    x: Columns,
    operands: many_outputs::Backward<'a>,
}

impl Kernel for WideBackward<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        // SAFETY: as above.
        unsafe { many_outputs::backward(s, self.x, self.operands) }
    }
}
