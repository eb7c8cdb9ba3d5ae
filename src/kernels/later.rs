//! A later block: 3 x 3 convolution of many channels, bias, 2 x 2 max pooling, ReLU, and its gradients.
//!
//! Layouts, with channel counts rounded up to whole vectors: input `[side, side, in]`; weights `[out][9][in]`; bias
//! `[out]`; pooled output, its winners and its gradient `[p, p, out]` with p = (side - 2) / 2.
//!
//! What is skipped, exactly: forwards, outputs that no pooling window covers. Backwards only the winner of each window
//! of four carries a gradient, and none where the ReLU cut it off. The gradient of the weights visits those alone: a
//! list of (place, gradient) for each output channel, then nine multiples of input vectors for each entry. The gradient
//! of the input is a convolution of the winners' gradients, put back in their places tile by tile, with the weights
//! turned round.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::{
    buffer::Buffer,
    simd::{LANES, NONE, Simd, each},
    stopwatch::{Stage, Stopwatch},
    winograd::{self, Scratch, Tile, Work},
};

/// Windows of a row whose entries are listed together: their input patch stays in the first-level cache.
const RUN: usize = 28;
/// Columns of such a patch.
const PATCH: usize = 2 * RUN + 2;
/// Input channels of such a patch.
const WIDTH: usize = 2 * LANES;

/// Sizes of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Rows and columns of the input.
    pub(super) side: usize,
    /// Channels of the input, whole vectors.
    pub(super) inputs: usize,
    /// Channels of the output, whole vectors.
    pub(super) outputs: usize,
}

impl Shape {
    /// Rows and columns of the pooled output.
    pub(super) const fn pooled(&self) -> usize {
        (self.side - 2) / 2
    }

    const fn input_len(&self) -> usize {
        self.side * self.side * self.inputs
    }

    const fn output_len(&self) -> usize {
        self.pooled() * self.pooled() * self.outputs
    }

    /// Length of the weights.
    pub(super) const fn weights_len(&self) -> usize {
        9 * self.inputs * self.outputs
    }
}

/// One image: pooled values and winners.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn forward<S: Simd>(
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
    winograd::convolve(
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
pub(super) fn input_gradient<S: Simd>(
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
    winograd::convolve(
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

/// Room for one thread's lists.
#[derive(Debug)]
pub(super) struct Lists {
    /// `[out][RUN]`: gradient of an entry.
    gradients: Buffer<f32>,
    /// `[out][RUN]`: the pixel of the run's patch where the winner's own begins.
    places: Vec<u32>,
    /// `[out]`.
    lengths: Vec<u32>,
    /// `[4, PATCH, WIDTH]`: input rows of a run of windows, for some of the channels.
    patch: Buffer<f32>,
}

impl Lists {
    /// For up to `outputs` channels.
    pub(super) fn new(outputs: usize) -> Self {
        Self {
            gradients: Buffer::zeros(outputs * RUN),
            places: vec![0; outputs * RUN],
            lengths: vec![0; outputs],
            patch: Buffer::zeros(4 * PATCH * WIDTH),
        }
    }

    /// Lists the winners of `n` windows, a run of one row; a patch has `columns` columns.
    #[inline(always)]
    fn fill(&mut self, outputs: usize, gradient: &[f32], winners: &[u8], n: usize, columns: usize) {
        let places: [u32; 5] = [0, 1, columns, columns + 1, 0].map(|place| place as u32);
        self.lengths[..outputs].fill(0);
        for window in 0..n {
            let row = window * outputs..(window + 1) * outputs;
            let base = (2 * window) as u32;
            let lists = self.gradients.chunks_exact_mut(RUN).zip(self.places.chunks_exact_mut(RUN));
            let entries = gradient[row.clone()].iter().zip(&winners[row]);
            for (((list, list_places), length), (value, winner)) in lists.zip(&mut self.lengths).zip(entries)
            {
                // Written in any case, kept where there is a winner: a branch would be guessed wrong half the time.
                let end = *length as usize;
                list[end.min(RUN - 1)] = *value;
                list_places[end.min(RUN - 1)] = base + places[usize::from(winner & 7).min(4)];
                *length += u32::from(*winner != NONE);
            }
        }
    }
}

/// Adds one image's gradients of weights and bias to `sums` and `bias_sums`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn weights_gradient<S: Simd>(
    s: S,
    shape: Shape,
    input: &[f32],
    gradient: &[f32],
    winners: &[u8],
    lists: &mut Lists,
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
    let packs = inputs > WIDTH;
    let columns = if packs { PATCH } else { side };
    let runs = p.div_ceil(RUN);
    for y in 0..p {
        for run in 0..runs {
            let (start, end) = (p * run / runs, p * (run + 1) / runs);
            let entries = (y * p + start) * outputs..(y * p + end) * outputs;
            lists.fill(outputs, &gradient[entries.clone()], &winners[entries], end - start, columns);
            for (out, sum) in bias_sums.iter_mut().enumerate() {
                let list = &lists.gradients[out * RUN..][..lists.lengths[out] as usize];
                *sum += list.iter().sum::<f32>();
            }
            watch.lap(layer, Stage::Lists);
            for channel in (0..inputs).step_by(WIDTH) {
                let width = (inputs - channel).min(WIDTH);
                // SAFETY: rows 2 y .. 2 y + 4 and columns 2 start .. 2 end + 2 are inside the input, since windows are;
                // the packed patch has room for PATCH columns; a list's places are those of windows in the run, so that
                // the taps stay inside the patch; sums were checked.
                unsafe {
                    let corner = input.as_ptr().add((2 * y * side + 2 * start) * inputs + channel);
                    let patch = if packs {
                        for row in 0..4 {
                            for column in 0..2 * (end - start) + 2 {
                                let pixel = corner.add((row * side + column) * inputs);
                                let to = lists.patch.as_mut_ptr().add((row * PATCH + column) * width);
                                for part in (0..width).step_by(LANES) {
                                    s.store(to.add(part), s.load(pixel.add(part)));
                                }
                            }
                        }
                        lists.patch.as_ptr()
                    } else {
                        corner
                    };
                    for out in 0..outputs {
                        let to = sums.as_mut_ptr().add(out * 9 * inputs + channel);
                        let patch = (patch, columns);
                        match (S::WIDE, width == WIDTH) {
                            (true, true) => multiples::<S, 3, 2>(s, lists, out, 0, patch, to, inputs),
                            (true, false) => multiples::<S, 3, 1>(s, lists, out, 0, patch, to, inputs),
                            (false, true) => {
                                for row in 0..3 {
                                    multiples::<S, 1, 2>(s, lists, out, row, patch, to, inputs);
                                }
                            }
                            (false, false) => {
                                for row in 0..3 {
                                    multiples::<S, 1, 1>(s, lists, out, row, patch, to, inputs);
                                }
                            }
                        }
                    }
                }
            }
            watch.lap(layer, Stage::Weights);
        }
    }
}

/// Adds the patches of one channel's list (places in a patch of so many columns, `C` vectors a pixel), each times its
/// gradient, to the gradient of that channel's weights: `ROWS` rows of taps from `first_row` on, `C` vectors of input
/// channels.
///
/// # Safety
/// Lists and patch are whole; `to` has three taps in each of those rows, `inputs` apart.
#[inline(always)]
unsafe fn multiples<S: Simd, const ROWS: usize, const C: usize>(
    s: S,
    lists: &Lists,
    out: usize,
    first_row: usize,
    (patch, columns): (*const f32, usize),
    to: *mut f32,
    inputs: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let length = lists.lengths[out] as usize;
        let list = &lists.gradients[out * RUN..][..length];
        let places = &lists.places[out * RUN..][..length];
        let at = |row: usize, column: usize, c: usize| ((first_row + row) * 3 + column) * inputs + c * LANES;
        let mut sums: [[[S::V; C]; 3]; ROWS] = each(
            #[inline(always)]
            |row| {
                each(
                    #[inline(always)]
                    |column| {
                        each(
                            #[inline(always)]
                            |c| s.load(to.add(at(row, column, c))),
                        )
                    },
                )
            },
        );
        let patch = patch.add(first_row * columns * C * LANES);
        for (gradient, place) in list.iter().zip(places) {
            let gradient = s.splat(*gradient);
            let corner = patch.add(*place as usize * C * LANES);
            for (row, sums) in sums.iter_mut().enumerate() {
                for (column, sums) in sums.iter_mut().enumerate() {
                    for (c, sum) in sums.iter_mut().enumerate() {
                        let pixel = s.load(corner.add(((row * columns + column) * C + c) * LANES));
                        *sum = s.fma(gradient, pixel, *sum);
                    }
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (column, sums) in sums.iter().enumerate() {
                for (c, sum) in sums.iter().enumerate() {
                    s.store(to.add(at(row, column, c)), *sum);
                }
            }
        }
    }
}
