//! The first block in one pass: 3 x 3 convolution of a one-channel image, bias, 2 x 2 max pooling, ReLU.
//!
//! Layouts, with `C` channels rounded up to whole vectors: image `[side, side]`; weights `[9, C]` and, last, the bias
//! `[C]`; pooled `[p, p, C]` with p = (side - 2) / 2; winners likewise, a byte each.
//!
//! What is skipped, exactly: the convolution's own output is never stored, only the largest of each window of four and
//! which one it was (ReLU after pooling: max(relu(x)) = relu(max(x))). A row or column that no window covers is never
//! computed. Backwards only winners carry a gradient, so that a quarter of the products remain, and those are picked out
//! of the window's 4 x 4 patch by a permutation; there is no gradient of the image.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::simd::{LANES, Simd, each};

/// Taps of the kernel.
const TAPS: usize = 9;

/// Length of the weights with their bias, `[10, C]`.
pub(super) const fn weights_len(channels: usize) -> usize {
    (TAPS + 1) * channels
}

/// Side of the pooled output.
pub(super) const fn pooled(side: usize) -> usize {
    (side - 2) / 2
}

/// Pooled values and winners of one image.
#[inline(always)]
pub(super) fn forward<S: Simd>(
    s: S,
    image: &[f32],
    side: usize,
    weights: &[f32],
    channels: usize,
    output: &mut [f32],
    winners: &mut [u8],
) {
    let p = pooled(side);
    assert!(image.len() == side * side && weights.len() == weights_len(channels));
    assert!(output.len() == p * p * channels && winners.len() == output.len());
    assert!(channels.is_multiple_of(LANES));
    for y in 0..p {
        for block in (0..channels).step_by(LANES) {
            // SAFETY: `block` is a whole vector inside `channels`; the patch of window (y, x) spans rows and columns up
            // to 2 p + 1 < side.
            unsafe {
                let tap = |tap: usize| s.load(weights.as_ptr().add(tap * channels + block));
                let taps: [S::V; TAPS] = each(tap);
                let bias = tap(TAPS);
                for x in 0..p {
                    let patch = image.as_ptr().add(2 * y * side + 2 * x);
                    let pixels: [[S::V; 4]; 4] = each(
                        #[inline(always)]
                        |row| {
                            each(
                                #[inline(always)]
                                |column| s.splat(*patch.add(row * side + column)),
                            )
                        },
                    );
                    let four = each(
                        #[inline(always)]
                        |which| {
                            let mut sum = bias;
                            for tap in 0..TAPS {
                                let pixel = pixels[which / 2 + tap / 3][which % 2 + tap % 3];
                                sum = s.fma(pixel, taps[tap], sum);
                            }
                            sum
                        },
                    );
                    let (best, winner) = s.pool(four);
                    let at = (y * p + x) * channels + block;
                    s.store(output.as_mut_ptr().add(at), best);
                    s.store_winners(winners.as_mut_ptr().add(at), winner);
                }
            }
        }
    }
}

/// Adds one image's gradient of the weights and bias to `sums` (`[10, C]`), from the gradient of the pooled output.
#[inline(always)]
pub(super) fn backward<S: Simd>(
    s: S,
    image: &[f32],
    side: usize,
    channels: usize,
    gradient: &[f32],
    winners: &[u8],
    sums: &mut [f32],
) {
    let p = pooled(side);
    assert!(image.len() == side * side && sums.len() == weights_len(channels));
    assert!(gradient.len() == p * p * channels && winners.len() == gradient.len());
    assert!(channels.is_multiple_of(LANES));
    for y in 0..p {
        for block in (0..channels).step_by(LANES) {
            // SAFETY: as in `forward`.
            unsafe {
                // Sums of a row of windows, so that small gradients are not lost in large sums.
                let mut row_sums = [s.splat(0.0); TAPS + 1];
                for x in 0..p {
                    let at = (y * p + x) * channels + block;
                    let winner = s.load_winners(winners.as_ptr().add(at));
                    let gradient = s.where_any(winner, s.load(gradient.as_ptr().add(at)));
                    let patch = s.load_patch(image.as_ptr().add(2 * y * side + 2 * x), side);
                    for (tap, row_sum) in row_sums[..TAPS].iter_mut().enumerate() {
                        let pixel = s.pick(patch, winner, tap / 3, tap % 3);
                        *row_sum = s.fma(gradient, pixel, *row_sum);
                    }
                    row_sums[TAPS] = s.add(row_sums[TAPS], gradient);
                }
                for (tap, row_sum) in row_sums.iter().enumerate() {
                    let to = sums.as_mut_ptr().add(tap * channels + block);
                    s.store(to, s.add(s.load(to), *row_sum));
                }
            }
        }
    }
}
