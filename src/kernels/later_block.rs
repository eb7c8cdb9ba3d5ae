//! A later block: 3 x 3 convolution of many channels, bias, 2 x 2 max pooling, ReLU, and its gradients.
//!
//! Layouts, with channel counts rounded up to whole vectors: input `[side, side, in]`; weights `[out][9][in]`; bias
//! `[out]`; pooled output, its winners and its gradient `[p, p, out]` with p = (side - 2) / 2.
//!
//! What is skipped, exactly: forwards, outputs that no pooling window covers. Backwards only the winner of each window
//! of four carries a gradient, and none where the ReLU cut it off. The gradient of the weights visits those alone
//! (`weights_gradient`). The gradient of the input is a convolution of the winners' gradients, put back in their places
//! tile by tile, with the weights turned round.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::{
    block_shape::Shape,
    multiplicand::Multiplicand,
    simd::{Simd, each},
    stopwatch::{Stage, Stopwatch},
    winograd::{self, Scratch, Tile, Work},
};

/// One image: pooled values and winners.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn forward<S: Simd, M: Multiplicand<S>>(
    s: S,
    shape: Shape,
    input: &[f32],
    transformed: &[f32],
    bias: &[f32],
    scratch: &mut Scratch,
    output: &mut [f32],
    winners: &mut [u8],
    watch: (&mut Stopwatch, usize),
) {
    let Shape { side, inputs, outputs } = shape;
    let p = shape.pooled();
    assert!(input.len() == shape.input_len() && bias.len() == outputs);
    assert!(output.len() == shape.output_len() && winners.len() == output.len());
    let across = p.div_ceil(2);
    let (to, to_winners) = (output.as_mut_ptr(), winners.as_mut_ptr());
    winograd::convolve::<S, M>(
        s,
        across * across,
        (inputs, outputs),
        transformed,
        scratch,
        #[inline(always)]
        |work| {
            let stage = match work {
                Work::Gather => Stage::Gather,
                Work::Products => Stage::Products,
                Work::Emit => Stage::Emit,
            };
            watch.0.lap(watch.1, stage);
        },
        #[inline(always)]
        |tile: usize, channel: usize| -> Tile<S::V, 6> {
            let (top, left) = (4 * (tile / across), 4 * (tile % across));
            // What lies outside only reaches outputs that no window covers: any pixel does there.
            let columns: [usize; 6] = each(
                #[inline(always)]
                |column| (left + column).min(side - 1),
            );
            each(
                #[inline(always)]
                |row| {
                    let row = (top + row).min(side - 1) * side;
                    // SAFETY: a pixel of the input, and a vector inside its channels.
                    each(
                        #[inline(always)]
                        |column: usize| unsafe {
                            s.load(input.as_ptr().add((row + columns[column]) * inputs + channel))
                        },
                    )
                },
            )
        },
        #[inline(always)]
        |tile: usize, channel: usize, values: Tile<S::V, 4>| {
            // SAFETY: a vector inside the channels; windows are inside the output.
            let bias = unsafe { s.load(bias.as_ptr().add(channel)) };
            for window in 0..4 {
                let (dy, dx) = (window / 2, window % 2);
                let (y, x) = (2 * (tile / across) + dy, 2 * (tile % across) + dx);
                if y < p && x < p {
                    let four = each(
                        #[inline(always)]
                        |which| s.add(values[2 * dy + which / 2][2 * dx + which % 2], bias),
                    );
                    let (best, winner) = s.pool(four);
                    let at = (y * p + x) * outputs + channel;
                    // SAFETY: as above.
                    unsafe {
                        s.store(to.add(at), best);
                        s.store_winners(to_winners.add(at), winner);
                    }
                }
            }
        },
    );
}

/// One image: the gradient of the input from that of the pooled output. `transformed` are weights for
/// [`winograd::Direction::Backward`].
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn input_gradient<S: Simd, M: Multiplicand<S>>(
    s: S,
    shape: Shape,
    gradient: &[f32],
    winners: &[u8],
    transformed: &[f32],
    scratch: &mut Scratch,
    input_gradient: &mut [f32],
    watch: (&mut Stopwatch, usize),
) {
    let Shape { side, inputs, outputs } = shape;
    let p = shape.pooled();
    assert!(gradient.len() == shape.output_len() && winners.len() == gradient.len());
    assert!(input_gradient.len() == shape.input_len());
    let across = side.div_ceil(4);
    // Tile t covers input rows 4 t .. 4 t + 4, which convolution outputs 4 t - 2 .. 4 t + 4 reach: windows 2 t - 1 .. 2 t + 2.
    let to = input_gradient.as_mut_ptr();
    winograd::convolve::<S, M>(
        s,
        across * across,
        (outputs, inputs),
        transformed,
        scratch,
        #[inline(always)]
        |work| {
            let stage = match work {
                Work::Gather => Stage::GatherBackward,
                Work::Products => Stage::ProductsBackward,
                Work::Emit => Stage::EmitBackward,
            };
            watch.0.lap(watch.1, stage);
        },
        #[inline(always)]
        |tile: usize, channel: usize| -> Tile<S::V, 6> {
            let (top, left) = (2 * (tile / across), 2 * (tile % across));
            let mut values = [[s.splat(0.0); 6]; 6];
            for dy in 0..3 {
                for dx in 0..3 {
                    let (y, x) = ((top + dy).wrapping_sub(1), (left + dx).wrapping_sub(1));
                    if y < p && x < p {
                        let at = (y * p + x) * outputs + channel;
                        // SAFETY: the window is inside the output.
                        let (value, winner) = unsafe {
                            (s.load(gradient.as_ptr().add(at)), s.load_winners(winners.as_ptr().add(at)))
                        };
                        for which in 0..4u8 {
                            let (row, column) = (usize::from(which) / 2, usize::from(which) % 2);
                            values[2 * dy + row][2 * dx + column] = s.where_winner(winner, which, value);
                        }
                    }
                }
            }
            values
        },
        #[inline(always)]
        |tile: usize, channel: usize, values: Tile<S::V, 4>| {
            for (dy, row) in values.iter().enumerate() {
                for (dx, value) in row.iter().enumerate() {
                    let (y, x) = (4 * (tile / across) + dy, 4 * (tile % across) + dx);
                    if y < side && x < side {
                        // SAFETY: a pixel of the input, and a vector inside its channels.
                        unsafe { s.store(to.add((y * side + x) * inputs + channel), *value) };
                    }
                }
            }
        },
    );
}
