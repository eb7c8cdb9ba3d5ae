//! The gradient of a later block's weights, which only the winners of the pooling windows carry.
//!
//! Layouts are those of `later`. A row of windows at a time, or a piece of one: for each output channel a list of the
//! winners' gradients and of the places of their 3 x 3 patches; then, a few input channels at a time, nine multiples of
//! vectors of channels for each entry. What does not win, or was cut off by the ReLU, is not in the list: at least three
//! quarters of the dense product.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::{
    block_shape::Shape,
    multiplicand::Multiplicand,
    simd::Simd,
    stopwatch::{Stage, Stopwatch},
    winner_lists::{PATCH, RUN, WIDTH, WinnerLists},
};

/// Adds one image's gradients of weights and bias to `sums` and `bias_sums`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn weights_gradient<S: Simd, M: Multiplicand<S>>(
    s: S,
    shape: Shape,
    input: &[f32],
    gradient: &[f32],
    winners: &[u8],
    lists: &mut WinnerLists,
    sums: &mut [f32],
    bias_sums: &mut [f32],
    watch: (&mut Stopwatch, usize),
) {
    let (watch, layer) = watch;
    let Shape { side, inputs, outputs } = shape;
    let p = shape.pooled();
    assert!(input.len() == shape.input_len() && gradient.len() == shape.output_len());
    assert!(winners.len() == gradient.len());
    assert!(sums.len() == shape.weights_len() && bias_sums.len() == outputs);
    assert!(lists.lengths.len() >= outputs && lists.patch.len() == 4 * PATCH * WIDTH);
    // With few channels the input is its own patch: it lies as close together as a packed one.
    let packs = inputs > WIDTH || M::PACKS;
    let columns = if packs { PATCH } else { side };
    let runs = p.div_ceil(RUN);
    for y in 0..p {
        for run in 0..runs {
            let (start, end) = (p * run / runs, p * (run + 1) / runs);
            let entries = (y * p + start) * outputs..(y * p + end) * outputs;
            lists.fill(outputs, &gradient[entries.clone()], &winners[entries], end - start, columns);
            for (out, sum) in bias_sums.iter_mut().enumerate() {
                *sum += lists.channel(out).0.iter().sum::<f32>();
                M::prepare(s, lists, out);
            }
            watch.listed(layer, &lists.lengths[..outputs]);
            watch.lap(layer, Stage::WinnerLists);
            for channel in (0..inputs).step_by(WIDTH) {
                let width = (inputs - channel).min(WIDTH);
                // SAFETY: rows 2 y .. 2 y + 4 and columns 2 start .. 2 end + 2 are inside the input, since windows are;
                // the packed patch has room for PATCH columns; a list's places are those of windows in the run, so that
                // the taps stay inside the patch; sums were checked.
                unsafe {
                    let corner = input.as_ptr().add((2 * y * side + 2 * start) * inputs + channel);
                    let patch: *const M::T = if packs {
                        let packed: *mut M::T = lists.patch.as_mut_ptr().cast();
                        for row in 0..4 {
                            for column in 0..2 * (end - start) + 2 {
                                let pixel = corner.add((row * side + column) * inputs);
                                let to = packed.add((row * PATCH + column) * M::pixel(width));
                                M::pack(s, pixel, width, to);
                            }
                        }
                        packed
                    } else {
                        corner.cast()
                    };
                    for out in 0..outputs {
                        let to = sums.as_mut_ptr().add(out * 9 * inputs + channel);
                        M::add_patches(s, lists, out, (patch, columns), width, to, inputs);
                    }
                }
            }
            watch.lap(layer, Stage::Weights);
        }
    }
}
