//! The convolution blocks of a network, one image at a time through all of them.
//!
//! Forwards an image is a part of its own. Backwards a part is a group of images with its own sums of gradients, and how
//! many groups there are depends on shapes alone. Threads only differ in their workspaces.

use std::ops::Range;

use super::{
    adam::{self, Weights},
    block_shape,
    buffer::Buffer,
    first_block, later_block,
    multiplicand::{Full, Half, Multiplicand},
    precision::Precision,
    simd::{HalfKernel, Halves, InstructionSet, Kernel, Simd, dispatch, dispatch_halves, padded},
    stopwatch::{Lap, Stage, Stopwatch},
    threads::{ranges, share},
    weights_gradient::weights_gradient,
    winner_lists::WinnerLists,
    winograd::{self, Direction, Scratch},
};

/// A later block's parameters.
#[derive(Debug)]
pub(super) struct LaterBlock {
    pub(super) shape: block_shape::Shape,
    /// `[out][9][in]`.
    pub(super) weights: Weights,
    /// `[out]`.
    pub(super) bias: Weights,
    /// The weights as the forward pass takes them.
    forward: Buffer<f32>,
    /// The weights as the gradient of the input takes them.
    backward: Buffer<f32>,
}

/// What a block makes of a batch.
#[derive(Debug)]
struct Output {
    /// Pooled values of an image.
    len: usize,
    /// `[batch][len]`.
    values: Buffer<f32>,
    /// `[batch][len]`.
    winners: Buffer<u8>,
}

/// What one thread needs for itself.
#[derive(Debug)]
struct Workspace {
    /// Pixels in 0..=1.
    image: Buffer<f32>,
    /// Gradients of the outputs of all blocks but the last, for one image.
    gradients: Vec<Buffer<f32>>,
    scratch: Scratch,
    lists: WinnerLists,
    watch: Stopwatch,
}

/// Gradients of the parameters, summed over a group of images.
#[derive(Debug)]
struct Sums {
    /// The first block's.
    first: Buffer<f32>,
    /// The later blocks' weights and biases.
    later: Vec<[Buffer<f32>; 2]>,
}

/// Groups of a batch, unless their sums would take more than [`SUMS_BYTES`].
const GROUPS: usize = 16;
/// Bytes that all groups' sums may take.
const SUMS_BYTES: usize = 64 << 20;

/// Groups of a batch, where the later blocks have so many weights.
pub(super) fn groups(batch: usize, weights: usize) -> usize {
    (SUMS_BYTES / size_of::<f32>() / weights.max(1)).clamp(1, GROUPS).min(batch)
}

/// One or more blocks.
#[derive(Debug)]
pub(super) struct Convolutions {
    side: usize,
    channels: usize,
    precision: Precision,
    /// `[10, C]`: taps and bias.
    pub(super) first: Weights,
    pub(super) later: Vec<LaterBlock>,
    outputs: Vec<Output>,
    /// One for each thread.
    workspaces: Vec<Workspace>,
    /// One for each group.
    sums: Vec<Sums>,
    /// Whether the transformed weights are those of the weights.
    fresh: bool,
}

impl Convolutions {
    /// `blocks` blocks of `channels` channels (real ones) on images of `side` pixels, with parameters zero.
    pub(super) fn new(
        side: usize,
        blocks: usize,
        channels: usize,
        batch: usize,
        threads: usize,
        precision: Precision,
    ) -> Self {
        let channels = padded(channels);
        let mut sides = vec![first_block::pooled(side)];
        let mut later = Vec::new();
        for _ in 1..blocks {
            let shape =
                block_shape::Shape { side: *sides.last().unwrap_or(&0), inputs: channels, outputs: channels };
            sides.push(shape.pooled());
            let transformed = || Buffer::zeros(winograd::transformed_len(channels, channels, precision));
            later.push(LaterBlock {
                shape,
                weights: Weights::new(shape.weights_len()),
                bias: Weights::new(channels),
                forward: transformed(),
                backward: transformed(),
            });
        }
        let outputs: Vec<Output> = sides
            .iter()
            .map(|side| side * side * channels)
            .map(|len| Output {
                len,
                values: Buffer::zeros(batch * len),
                winners: Buffer::zeros(batch * len),
            })
            .collect();
        let workspaces = (0..threads.min(batch))
            .map(|_| Workspace {
                image: Buffer::zeros(side * side),
                gradients: outputs[..blocks - 1].iter().map(|output| Buffer::zeros(output.len)).collect(),
                scratch: Scratch::new(if blocks > 1 { channels } else { 0 }, precision),
                lists: WinnerLists::new(channels, precision),
                watch: Stopwatch::new(blocks),
            })
            .collect();
        let weights: usize = later.iter().map(|layer| layer.shape.weights_len()).sum();
        let sums = (0..groups(batch, weights))
            .map(|_| Sums {
                first: Buffer::zeros(first_block::weights_len(channels)),
                later: later
                    .iter()
                    .map(|layer: &LaterBlock| [Buffer::zeros(layer.weights.w.len()), Buffer::zeros(channels)])
                    .collect(),
            })
            .collect();
        Self {
            side,
            channels,
            precision,
            first: Weights::new(first_block::weights_len(channels)),
            later,
            outputs,
            workspaces,
            sums,
            fresh: false,
        }
    }

    /// Rows and columns of the last block's output.
    pub(super) fn pooled(&self) -> usize {
        self.later.last().map_or(first_block::pooled(self.side), |layer| layer.shape.pooled())
    }

    /// Channels as they lie in memory.
    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Features of an image as they lie in memory: the last block's output, row, column, channel.
    pub(super) fn features_len(&self) -> usize {
        self.outputs.last().map_or(0, |output| output.len)
    }

    /// The features of the batch, `[batch][F]`; before the backward pass they have become their gradient.
    pub(super) fn features(&mut self) -> &mut [f32] {
        self.outputs.last_mut().map_or(&mut [], |output| &mut output.values)
    }

    /// Starts or ends the measurement of times.
    pub(super) fn measure(&mut self, on: bool) {
        self.workspaces.iter_mut().for_each(|workspace| workspace.watch.set(on));
    }

    /// What was measured.
    pub(super) fn add_laps(&self, laps: &mut Vec<Lap>) {
        self.workspaces.iter().for_each(|workspace| workspace.watch.add_to(0, laps));
    }

    /// Says that somebody wrote into the weights.
    pub(super) fn weights_changed(&mut self) {
        self.fresh = false;
    }

    /// Features of `n` images, from their bytes `[n][side * side]`.
    pub(super) fn forward(&mut self, set: InstructionSet, bytes: &[u8], n: usize) {
        let precision = self.precision;
        if !self.fresh {
            let layers: Vec<(usize, &mut LaterBlock)> = (1..).zip(&mut self.later).collect();
            share(layers, &mut self.workspaces, |(at, layer), workspace| {
                workspace.watch.start();
                enter(set, precision, Transform(layer));
                workspace.watch.lap(at, Stage::Transform);
            });
            self.fresh = true;
        }
        let images = bytes.chunks_exact(self.side * self.side).take(n);
        let mut parts: Vec<(&[u8], Vec<ImageOutput<'_>>)> = images.map(|image| (image, Vec::new())).collect();
        for output in &mut self.outputs {
            let len = output.len;
            let images = output.values.chunks_exact_mut(len).zip(output.winners.chunks_exact_mut(len));
            for ((_, outputs), image) in parts.iter_mut().zip(images) {
                outputs.push(image);
            }
        }
        let (side, channels, first, later) = (self.side, self.channels, &self.first.w, &self.later);
        share(parts, &mut self.workspaces, |(bytes, outputs), workspace| {
            enter(set, precision, Forward { side, channels, first, later, bytes, outputs, workspace });
        });
    }

    /// Updates all parameters, from the gradient of the features of `n` images in place of the features.
    pub(super) fn backward(&mut self, set: InstructionSet, bytes: &[u8], n: usize, rate: f32) {
        let precision = self.precision;
        let groups = ranges(n, self.sums.len(), 1);
        let (side, channels, later, outputs) = (self.side, self.channels, &self.later, &self.outputs);
        let parts = groups.iter().cloned().zip(&mut self.sums).collect();
        share(parts, &mut self.workspaces, |(images, sums): (Range<usize>, &mut Sums), workspace| {
            enter(
                set,
                precision,
                Backward { side, channels, later, outputs, bytes, images, workspace, sums },
            );
        });

        let watch = &mut self.workspaces[0].watch;
        watch.start();
        let used = &self.sums[..groups.len()];
        let parts: Vec<&[f32]> = used.iter().map(|sums| &sums.first[..]).collect();
        adam::step(set, &mut self.first, &parts, rate);
        watch.lap(0, Stage::Adam);
        for (at, layer) in self.later.iter_mut().enumerate() {
            let part = |which: usize| -> Vec<&[f32]> {
                used.iter().map(|sums| &sums.later[at][which][..]).collect()
            };
            adam::step(set, &mut layer.weights, &part(0), rate);
            adam::step(set, &mut layer.bias, &part(1), rate);
            watch.lap(at + 1, Stage::Adam);
        }
        self.fresh = false;
    }
}

/// Values and winners that a block makes of one image.
type ImageOutput<'a> = (&'a mut [f32], &'a mut [u8]);

/// Pixels to 0..=1.
pub(super) fn scale(bytes: &[u8], pixels: &mut [f32]) {
    for (pixel, byte) in pixels.iter_mut().zip(bytes) {
        *pixel = f32::from(*byte) / 255.0;
    }
}

/// Work on multiplicands of either precision.
trait Rounded {
    /// Does it. Implementations are `#[inline(always)]`.
    fn run<S: Simd, M: Multiplicand<S>>(self, s: S);
}

struct InFull<K>(K);

impl<K: Rounded> Kernel for InFull<K> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        self.0.run::<S, Full>(s);
    }
}

struct InHalf<K>(K);

impl<K: Rounded> HalfKernel for InHalf<K> {
    #[inline(always)]
    fn run_halves<S: Halves>(self, s: S) {
        self.0.run::<S, Half>(s);
    }
}

/// Runs work with the instructions and the precision asked for.
fn enter(set: InstructionSet, precision: Precision, work: impl Rounded) {
    match precision {
        Precision::Fp32 => dispatch(set, InFull(work)),
        Precision::Bf16 => dispatch_halves(set, InHalf(work)),
    }
}

struct Transform<'a>(&'a mut LaterBlock);

impl Rounded for Transform<'_> {
    #[inline(always)]
    fn run<S: Simd, M: Multiplicand<S>>(self, s: S) {
        let LaterBlock { shape, weights, forward, backward, .. } = self.0;
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        winograd::transform_weights::<S, M>(s, &weights.w, inputs, outputs, Direction::Forward, forward);
        winograd::transform_weights::<S, M>(s, &weights.w, inputs, outputs, Direction::Backward, backward);
    }
}

struct Forward<'a> {
    side: usize,
    channels: usize,
    first: &'a [f32],
    later: &'a [LaterBlock],
    /// One image.
    bytes: &'a [u8],
    /// Of each block.
    outputs: Vec<ImageOutput<'a>>,
    workspace: &'a mut Workspace,
}

impl Rounded for Forward<'_> {
    #[inline(always)]
    fn run<S: Simd, M: Multiplicand<S>>(self, s: S) {
        let Self { side, channels, first, later, bytes, outputs, workspace } = self;
        let Workspace { image, scratch, watch, .. } = workspace;
        watch.start();
        scale(bytes, image);
        let first = &first[..first_block::weights_len(channels)];
        let mut outputs = outputs.into_iter();
        let (values, winners) = outputs.next().expect("there is a first block");
        first_block::forward(s, image, side, first, channels, values, winners);
        watch.lap(0, Stage::First);
        let mut input: &[f32] = values;
        for ((at, layer), (values, winners)) in (1..).zip(later).zip(outputs) {
            let LaterBlock { shape, forward, bias, .. } = layer;
            let watch = (&mut *watch, at);
            later_block::forward::<S, M>(s, *shape, input, forward, &bias.w, scratch, values, winners, watch);
            input = values;
        }
    }
}

struct Backward<'a> {
    side: usize,
    channels: usize,
    later: &'a [LaterBlock],
    outputs: &'a [Output],
    bytes: &'a [u8],
    images: Range<usize>,
    workspace: &'a mut Workspace,
    sums: &'a mut Sums,
}

impl Rounded for Backward<'_> {
    #[inline(always)]
    fn run<S: Simd, M: Multiplicand<S>>(self, s: S) {
        let Self { side, channels, later, outputs, bytes, images, workspace, sums } = self;
        let Workspace { image: pixels, gradients, scratch, lists, watch } = workspace;
        watch.start();
        let Sums { first, later: sums } = sums;
        first.fill(0.0);
        for sums in sums.iter_mut().flatten() {
            sums.fill(0.0);
        }
        for image in images {
            let values =
                |block: usize| &outputs[block].values[image * outputs[block].len..][..outputs[block].len];
            let winners =
                |block: usize| &outputs[block].winners[image * outputs[block].len..][..outputs[block].len];
            for (at, layer) in later.iter().enumerate().rev() {
                let (below, above) = gradients.split_at_mut(at + 1);
                let gradient = above.first().map_or_else(|| values(at + 1), |gradient| &gradient[..]);
                let [weights, bias] = &mut sums[at];
                let (input, winners) = (values(at), winners(at + 1));
                let of = (&mut *watch, at + 1);
                weights_gradient::<S, M>(s, layer.shape, input, gradient, winners, lists, weights, bias, of);
                let (to, of) = (&mut below[at], (&mut *watch, at + 1));
                later_block::input_gradient::<S, M>(
                    s,
                    layer.shape,
                    gradient,
                    winners,
                    &layer.backward,
                    scratch,
                    to,
                    of,
                );
            }
            scale(&bytes[image * side * side..][..side * side], pixels);
            let gradient = gradients.first().map_or_else(|| values(0), |gradient| &gradient[..]);
            first_block::backward(s, pixels, side, channels, gradient, winners(0), first);
            watch.lap(0, Stage::FirstBackward);
        }
    }
}
