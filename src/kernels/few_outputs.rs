//! Dense layers with few outputs: the network's last.
//!
//! Layouts: features `[n][F]`, weights `[K][F]`, outputs and their gradients `[n][K]`, F whole vectors. Behind a
//! convolution the features are the larger side here: each is read once forwards, and read and replaced by its gradient
//! once backwards, together with the gradient of the weights and Adam.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::{
    adam,
    buffer::Buffer,
    many_outputs::Columns,
    simd::{LANES, Simd},
};

/// Features that all images and outputs pass over together.
const CHUNK: usize = 4 * LANES;

/// Adds the product of some features (columns `from ..` of `x`, which has `stride` columns) and their weights (the same
/// columns of `[K][stride]`) to the sums `[n][K]`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn forward<S: Simd>(
    s: S,
    x: &[f32],
    stride: usize,
    from: usize,
    features: usize,
    weights: &[f32],
    outputs: usize,
    sums: &mut [f32],
) {
    let n = sums.len() / outputs;
    assert!(x.len() >= n * stride && weights.len() >= outputs * stride);
    assert!(from + features <= stride && features.is_multiple_of(LANES));
    // Eight thousand features at a time: their weights stay in the cache while the images pass.
    const SPAN: usize = 8192;
    for first in (0..features).step_by(SPAN) {
        let span = SPAN.min(features - first);
        for image in 0..n {
            for output in 0..outputs {
                // SAFETY: features from + first .. + span of an image and of an output's weights, as asserted.
                unsafe {
                    let x = x.as_ptr().add(image * stride + from + first);
                    let w = weights.as_ptr().add(output * stride + from + first);
                    let mut four = [s.splat(0.0); 4];
                    let mut at = 0;
                    while at + CHUNK <= span {
                        for (part, sum) in four.iter_mut().enumerate() {
                            let at = at + part * LANES;
                            *sum = s.fma(s.load(x.add(at)), s.load(w.add(at)), *sum);
                        }
                        at += CHUNK;
                    }
                    while at < span {
                        four[0] = s.fma(s.load(x.add(at)), s.load(w.add(at)), four[0]);
                        at += LANES;
                    }
                    let sum = s.add(s.add(four[0], four[1]), s.add(four[2], four[3]));
                    sums[image * outputs + output] += s.sum(sum);
                }
            }
        }
    }
}

/// Some columns of the weights `[K][F]` and of their moments.
#[derive(Clone, Copy)]
pub(super) struct WeightColumns(pub(super) [Columns; 3]);

/// The operands of a backward pass over some features.
pub(super) struct Backward<'a> {
    /// Images.
    pub(super) n: usize,
    /// Features of these, whole vectors.
    pub(super) features: usize,
    /// `[n][K]`: gradient of the outputs.
    pub(super) gradient: &'a [f32],
    /// K.
    pub(super) outputs: usize,
    /// Adam's rate at this step.
    pub(super) rate: f32,
    /// Whether the input's gradient is wanted.
    pub(super) wants_input: bool,
}

/// The backward pass over some features: `x` becomes its gradient (cut off where it is not over zero), the weights are
/// updated.
///
/// # Safety
/// `x` has `n` rows and the weights have `outputs` of `features` columns, which no other thread touches meanwhile.
#[inline(always)]
pub(super) unsafe fn backward<S: Simd>(s: S, x: Columns, weights: WeightColumns, operands: Backward<'_>) {
    let Backward { n, features, gradient, outputs, rate, wants_input } = operands;
    assert!(gradient.len() >= n * outputs && features.is_multiple_of(LANES));
    // Gradients of the weights, kept until the input's gradient has been made from the weights as they are.
    let mut kept: Buffer<f32> = Buffer::zeros(outputs * CHUNK);
    for first in (0..features).step_by(CHUNK) {
        let chunk = CHUNK.min(features - first);
        // SAFETY: the columns are there, by the caller's promise.
        unsafe {
            let x = Columns { start: x.start.add(first), ..x };
            let weights = weights.0.map(|part| Columns { start: part.start.add(first), ..part });
            for image in 0..n {
                for line in (0..CHUNK).step_by(LANES) {
                    s.prefetch(x.start.wrapping_add(image * x.stride + CHUNK + line));
                }
            }
            for output in 0..outputs {
                let to = kept.as_mut_ptr().add(output * CHUNK);
                let factor = |image: usize| s.splat(*gradient.as_ptr().add(image * outputs + output));
                if chunk == CHUNK {
                    let mut sums = [s.splat(0.0); 4];
                    for image in 0..n {
                        let factor = factor(image);
                        let row = x.start.add(image * x.stride);
                        for (part, sum) in sums.iter_mut().enumerate() {
                            *sum = s.fma(factor, s.load(row.add(part * LANES)), *sum);
                        }
                    }
                    for (part, sum) in sums.iter().enumerate() {
                        s.store(to.add(part * LANES), *sum);
                    }
                } else {
                    for at in (0..chunk).step_by(LANES) {
                        let mut sum = s.splat(0.0);
                        for image in 0..n {
                            sum = s.fma(factor(image), s.load(x.start.add(image * x.stride + at)), sum);
                        }
                        s.store(to.add(at), sum);
                    }
                }
            }
            if wants_input {
                for at in (0..chunk).step_by(LANES) {
                    for image in 0..n {
                        let mut sum = s.splat(0.0);
                        for output in 0..outputs {
                            let factor = s.splat(*gradient.as_ptr().add(image * outputs + output));
                            let w = weights[0].start.add(output * weights[0].stride + at);
                            sum = s.fma(factor, s.load(w), sum);
                        }
                        let to = x.start.add(image * x.stride + at);
                        s.store(to, s.where_positive(s.load(to), sum));
                    }
                }
            }
            for output in 0..outputs {
                for at in (0..chunk).step_by(LANES) {
                    let gradient = s.load(kept.as_ptr().add(output * CHUNK + at));
                    let pointers = weights.map(|part| part.start.add(output * part.stride + at));
                    adam::update(s, gradient, pointers, rate);
                }
            }
        }
    }
}
