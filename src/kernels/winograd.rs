//! 3 x 3 convolutions by Winograd's F(4 x 4, 3 x 3): tiles of 4 x 4 outputs from tiles of 6 x 6 inputs with 36
//! multiplications in place of 144 (A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks", 2016,
//! arXiv:1509.09308).
//!
//! `M = U * V` elementwise, summed over input channels, with `U = G g G'`, `V = B' d B` and `Y = A' M A`: the sum over
//! channels is one matrix product for each of the 36 places of a tile.
//!
//! This file knows neither pooling nor images: a caller gathers input tiles as vectors of channels and takes output
//! tiles likewise. So forward passes and gradients of inputs, which are convolutions too, share it.
//!
//! Layouts: transformed weights `[36][panel][in][width]`, where a panel is two vectors of output channels (the last may
//! be one), so that a product reads them in order (in bf16 `[36][panel][in / 2][width][2]`); transformed inputs `[36][tile][in]` and products `[36][tile][width]`,
//! with the 36 a little apart so that they do not fall on the same cache lines.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::{
    buffer::{Aligned, Buffer},
    multiplicand::Multiplicand,
    precision::Precision,
    simd::{LANES, Simd, each},
};

/// Places of a transformed tile.
const PLACES: usize = 36;
/// Tiles that are transformed and multiplied together: as many as keep both sides of the product in the second-level
/// cache with 128 channels. A multiple of the rows of [`product`].
const CHUNK: usize = 48;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Output channels of a panel.
const PANEL: usize = 2 * LANES;

/// A tile of vectors.
pub(super) type Tile<V, const N: usize> = [[V; N]; N];

/// Room for one thread's work.
#[derive(Debug)]
pub(super) struct Scratch {
    inputs: Buffer<f32>,
    products: Buffer<f32>,
}

/// Numbers of `bytes` bytes between two places of the transformed inputs.
const fn input_stride(channels: usize, bytes: usize) -> usize {
    CHUNK * channels + LINE / bytes
}

/// Floats between two places of the products.
const PRODUCT_STRIDE: usize = CHUNK * PANEL + LANES;

impl Scratch {
    /// For up to `channels` input channels.
    pub(super) fn new(channels: usize, precision: Precision) -> Self {
        let bytes = precision.bytes();
        Self {
            inputs: Buffer::zeros(PLACES * input_stride(channels, bytes) * bytes / size_of::<f32>()),
            products: Buffer::zeros(PLACES * PRODUCT_STRIDE),
        }
    }
}

impl Scratch {
    /// Bytes that all of it takes.
    pub(super) const fn bytes(channels: usize, precision: Precision) -> usize {
        let bytes = precision.bytes();
        PLACES * (input_stride(channels, bytes) * bytes + PRODUCT_STRIDE * size_of::<f32>())
    }
}

/// Room for transformed weights, in floats.
pub(super) const fn transformed_len(inputs: usize, outputs: usize, precision: Precision) -> usize {
    PLACES * inputs * outputs * precision.bytes() / size_of::<f32>()
}

/// Which way the weights are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From input to output.
    Forward,
    /// From the gradient of the output to that of the input: taps in reverse, channels exchanged.
    Backward,
}

/// One side of `G g G'`: three taps become six.
#[inline(always)]
fn weights_1d<S: Simd>(s: S, [a, b, c]: [S::V; 3]) -> [S::V; 6] {
    let ends = s.mul(s.add(a, c), s.splat(-1.0 / 6.0));
    let sixth = s.mul(b, s.splat(1.0 / 6.0));
    let outer = s.fma(a, s.splat(1.0 / 24.0), s.mul(c, s.splat(1.0 / 6.0)));
    let twelfth = s.mul(b, s.splat(1.0 / 12.0));
    [
        s.mul(a, s.splat(0.25)),
        s.sub(ends, sixth),
        s.add(ends, sixth),
        s.add(outer, twelfth),
        s.sub(outer, twelfth),
        c,
    ]
}

/// One side of `B' d B`.
#[inline(always)]
fn inputs_1d<S: Simd>(s: S, [a, b, c, d, e, f]: [S::V; 6]) -> [S::V; 6] {
    let (two, four) = (s.splat(2.0), s.splat(4.0));
    let even = s.fnma(four, c, e);
    let odd = s.fnma(four, b, d);
    let near = s.sub(e, c);
    let far = s.mul(two, s.sub(d, b));
    // 4 a - 5 c + e, and likewise of b, d, f.
    let first = s.fma(four, s.sub(a, c), near);
    let last = s.fma(four, s.sub(b, d), s.sub(f, d));
    [first, s.add(even, odd), s.sub(even, odd), s.add(near, far), s.sub(near, far), last]
}

/// One side of `A' M A`.
#[inline(always)]
fn outputs_1d<S: Simd>(s: S, [a, b, c, d, e, f]: [S::V; 6]) -> [S::V; 4] {
    let (sum1, difference1) = (s.add(b, c), s.sub(b, c));
    let (sum2, difference2) = (s.add(d, e), s.sub(d, e));
    [
        s.add(a, s.add(sum1, sum2)),
        s.fma(s.splat(2.0), difference2, difference1),
        s.fma(s.splat(4.0), sum2, sum1),
        s.add(f, s.fma(s.splat(8.0), difference2, difference1)),
    ]
}

/// Applies a one-dimensional transform to the columns, then to the rows.
#[inline(always)]
fn both_sides<V: Copy, const N: usize, const M: usize>(
    tile: &Tile<V, N>,
    one: impl Fn([V; N]) -> [V; M],
) -> Tile<V, M> {
    let columns: [[V; M]; N] = each(
        #[inline(always)]
        |column| {
            one(each(
                #[inline(always)]
                |row| tile[row][column],
            ))
        },
    );
    each(
        #[inline(always)]
        |row| {
            one(each(
                #[inline(always)]
                |column| columns[column][row],
            ))
        },
    )
}

/// `G g G'` of the kernel with these taps.
#[inline(always)]
fn transform_kernel<S: Simd>(s: S, tap: impl Fn(usize) -> S::V, direction: Direction) -> Tile<S::V, 6> {
    let kernel: Tile<S::V, 3> = each(
        #[inline(always)]
        |r| {
            each(
                #[inline(always)]
                |c| match direction {
                    Direction::Forward => tap(3 * r + c),
                    Direction::Backward => tap(8 - (3 * r + c)),
                },
            )
        },
    );
    both_sides(
        &kernel,
        #[inline(always)]
        |v| weights_1d(s, v),
    )
}

/// Transforms weights `[out][9][in]`.
#[inline(always)]
pub(super) fn transform_weights<S: Simd, M: Multiplicand<S>>(
    s: S,
    weights: &[f32],
    inputs: usize,
    outputs: usize,
    direction: Direction,
    transformed: &mut [f32],
) {
    assert!(
        weights.len() >= 9 * inputs * outputs
            && size_of_val(transformed) == PLACES * inputs * outputs * size_of::<M::T>()
    );
    assert!(inputs.is_multiple_of(LANES) && outputs.is_multiple_of(LANES));
    let row = 9 * inputs;
    // SAFETY: a block of 16 x 16 channels lies inside both lengths asserted.
    unsafe {
        for out_block in (0..outputs).step_by(LANES) {
            for in_block in (0..inputs).step_by(LANES) {
                // [tap][sixteen channels to sum over][sixteen channels of a vector]
                let mut taps = Aligned([[[0.0f32; LANES]; LANES]; 9]);
                for (tap, block) in taps.0.iter_mut().enumerate() {
                    let from = weights.as_ptr().add(out_block * row + tap * inputs + in_block);
                    match direction {
                        Direction::Forward => s.transpose(from, row, block.as_mut_ptr().cast(), LANES),
                        Direction::Backward => {
                            for (line, to) in block.iter_mut().enumerate() {
                                s.store(to.as_mut_ptr(), s.load(from.add(line * row)));
                            }
                        }
                    }
                }
                let (depth, depth_block, width, width_block) = match direction {
                    Direction::Forward => (inputs, in_block, outputs, out_block),
                    Direction::Backward => (outputs, out_block, inputs, in_block),
                };
                let panel = width_block / PANEL * PANEL;
                let panel_width = (width - panel).min(PANEL);
                for line in (0..LANES).step_by(M::STEP) {
                    let places: [Tile<S::V, 6>; 2] = each(
                        #[inline(always)]
                        |of| {
                            let line = &|tap: usize| s.load(taps.0[tap][(line + of).min(LANES - 1)].as_ptr());
                            transform_kernel(s, line, direction)
                        },
                    );
                    let at =
                        panel * depth + (depth_block + line) * panel_width + (width_block - panel) * M::STEP;
                    for place in 0..PLACES {
                        let lines = places.map(|places| places[place / 6][place % 6]);
                        let to = transformed.as_mut_ptr().cast::<M::T>();
                        M::store_lines(s, to.add(place * depth * width + at), lines);
                    }
                }
            }
        }
    }
}

/// `R` rows of `a` (`[.., depth]`, rows `a_stride` apart) times a panel of `C` vectors.
///
/// # Safety
/// All of that is readable; `R` rows of `C` vectors, `PANEL` floats apart, are writable.
#[inline(always)]
unsafe fn product<S: Simd, M: Multiplicand<S>, const R: usize, const C: usize>(
    s: S,
    a: *const M::T,
    a_stride: usize,
    depth: usize,
    panel: *const M::T,
    to: *mut f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[s.splat(0.0); C]; R];
        for i in 0..depth / M::STEP {
            let columns: [M::F; C] = each(
                #[inline(always)]
                |c| M::load(s, panel.add((i * C + c) * LANES * M::STEP)),
            );
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = M::splat(s, a.add(r * a_stride + i * M::STEP));
                for (sum, column) in sums.iter_mut().zip(&columns) {
                    *sum = M::multiply(s, factor, *column, *sum);
                }
            }
        }
        for (r, row) in sums.iter().enumerate() {
            for (c, sum) in row.iter().enumerate() {
                s.store(to.add(r * PANEL + c * LANES), *sum);
            }
        }
    }
}

/// What a convolution has just done with some tiles.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    /// Gathered and transformed inputs.
    Gather,
    /// Multiplied.
    Products,
    /// Transformed products back and handed them out.
    Emit,
}

/// Convolves `tiles` tiles: `gather(tile, channel)` gives sixteen channels of an input tile, and `emit(tile, channel,
/// outputs)` takes sixteen channels of the output tile. `lap` hears of each piece of work.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
pub(super) fn convolve<S: Simd, M: Multiplicand<S>>(
    s: S,
    tiles: usize,
    (inputs, outputs): (usize, usize),
    transformed: &[f32],
    scratch: &mut Scratch,
    mut lap: impl FnMut(Work),
    gather: impl Fn(usize, usize) -> Tile<S::V, 6>,
    mut emit: impl FnMut(usize, usize, Tile<S::V, 4>),
) {
    let stride = input_stride(inputs, size_of::<M::T>());
    assert!(size_of_val(transformed) == PLACES * inputs * outputs * size_of::<M::T>());
    assert!(inputs.is_multiple_of(LANES) && outputs.is_multiple_of(LANES));
    assert!(size_of_val(&scratch.inputs[..]) >= PLACES * stride * size_of::<M::T>());
    assert!(scratch.products.len() >= PLACES * PRODUCT_STRIDE);
    let (from, to) = (scratch.inputs.as_mut_ptr().cast::<M::T>(), scratch.products.as_mut_ptr());
    for first in (0..tiles).step_by(CHUNK) {
        let n = CHUNK.min(tiles - first);
        for tile in 0..n {
            for channel in (0..inputs).step_by(LANES) {
                let places = both_sides(
                    &gather(first + tile, channel),
                    #[inline(always)]
                    |v| inputs_1d(s, v),
                );
                for (place, value) in places.as_flattened().iter().enumerate() {
                    // SAFETY: place < 36, tile < CHUNK and channel + 16 <= inputs, inside the length asserted.
                    unsafe { M::store(s, from.add(place * stride + tile * inputs + channel), *value) };
                }
            }
        }
        lap(Work::Gather);
        for panel in (0..outputs).step_by(PANEL) {
            let width = (outputs - panel).min(PANEL);
            for place in 0..PLACES {
                // SAFETY: the rows of a product are rounded up inside CHUNK; what lies behind the last tile is finite
                // and its product is not looked at. Panels lie one behind the other in `transformed`.
                unsafe {
                    let (a, b) = (
                        from.add(place * stride) as *const M::T,
                        transformed.as_ptr().cast::<M::T>().add(place * inputs * outputs + panel * inputs),
                    );
                    let to = to.add(place * PRODUCT_STRIDE);
                    let rows = if S::WIDE { 12 } else { 2 };
                    for row in (0..n).step_by(rows) {
                        let (a, to) = (a.add(row * inputs), to.add(row * PANEL));
                        match (S::WIDE, width == PANEL) {
                            (true, true) => product::<S, M, 12, 2>(s, a, inputs, inputs, b, to),
                            (true, false) => product::<S, M, 12, 1>(s, a, inputs, inputs, b, to),
                            (false, true) => product::<S, M, 2, 2>(s, a, inputs, inputs, b, to),
                            (false, false) => product::<S, M, 2, 1>(s, a, inputs, inputs, b, to),
                        }
                    }
                }
            }
            lap(Work::Products);
            for tile in 0..n {
                for channel in (0..width).step_by(LANES) {
                    let places: Tile<S::V, 6> = each(
                        #[inline(always)]
                        |row| {
                            each(
                                #[inline(always)]
                                |column| {
                                    let place = 6 * row + column;
                                    // SAFETY: as above.
                                    unsafe { s.load(to.add(place * PRODUCT_STRIDE + tile * PANEL + channel)) }
                                },
                            )
                        },
                    );
                    let outputs = both_sides(
                        &places,
                        #[inline(always)]
                        |v| outputs_1d(s, v),
                    );
                    emit(first + tile, panel + channel, outputs);
                }
            }
            lap(Work::Emit);
        }
    }
}
