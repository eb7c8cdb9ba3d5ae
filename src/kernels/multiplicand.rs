//! What the convolutions multiply: f32, or bf16 with sums in f32 (`train.precision: bf16`).
//!
//! Only multiplicands are rounded: transformed weights and tiles (`winograd`), gradients and pixels (`weights_gradient`).
//! Weights, moments, activations, transforms and all sums stay f32. Dense layers stay f32 altogether: their weights, which
//! are what takes the time, must be streamed for Adam in any case.

#![expect(unsafe_code, reason = "loads and stores through pointers")]

use super::{
    simd::{Halves, LANES, Simd, each},
    winner_lists::WinnerLists,
};

/// Numbers as they are multiplied, on the vectors `S`.
pub(super) trait Multiplicand<S: Simd> {
    /// Numbers that one operation sums over.
    const STEP: usize;
    /// Whether patches have to be packed, to be rounded on the way.
    const PACKS: bool;
    /// A number in memory.
    type T: Copy;
    /// `STEP` times sixteen numbers.
    type F: Copy;

    /// Stores sixteen numbers one behind the other.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store(s: S, to: *mut Self::T, value: S::V);
    /// Stores `STEP` vectors so that [`Self::load`] gives them back at once.
    ///
    /// # Safety
    /// They are writable.
    unsafe fn store_lines(s: S, to: *mut Self::T, lines: [S::V; 2]);
    /// `STEP` vectors.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn load(s: S, from: *const Self::T) -> Self::F;
    /// `STEP` numbers for all lanes.
    ///
    /// # Safety
    /// They are readable.
    unsafe fn splat(s: S, from: *const Self::T) -> Self::F;
    /// The sum and all products.
    fn multiply(s: S, a: Self::F, b: Self::F, sum: S::V) -> S::V;

    /// Channels that a pixel of a packed patch has, of `width` real ones.
    fn pixel(width: usize) -> usize;
    /// Stores sixteen or 32 channels of a pixel of a packed patch.
    ///
    /// # Safety
    /// `width` floats are readable, and as many numbers writable as [`Self::pixel`] says.
    unsafe fn pack(s: S, from: *const f32, width: usize, to: *mut Self::T);
    /// Makes a channel's list of gradients ready to be multiplied.
    fn prepare(s: S, lists: &mut WinnerLists, out: usize);
    /// Adds to `to` (nine taps of `width` channels, `inputs` apart) the patches of one channel's list, each times its
    /// gradient.
    ///
    /// # Safety
    /// The places of the list are inside the patch; the taps are writable.
    unsafe fn add_patches(
        s: S,
        lists: &WinnerLists,
        out: usize,
        patch: (*const Self::T, usize),
        width: usize,
        to: *mut f32,
        inputs: usize,
    );
}

/// f32.
pub(super) struct Full;

impl<S: Simd> Multiplicand<S> for Full {
    const STEP: usize = 1;
    const PACKS: bool = false;
    type T = f32;
    type F = S::V;

    #[inline(always)]
    unsafe fn store(s: S, to: *mut f32, value: S::V) {
        // SAFETY: the caller's promise.
        unsafe { s.store(to, value) };
    }

    #[inline(always)]
    unsafe fn store_lines(s: S, to: *mut f32, [line, _]: [S::V; 2]) {
        // SAFETY: the caller's promise.
        unsafe { s.store(to, line) };
    }

    #[inline(always)]
    unsafe fn load(s: S, from: *const f32) -> S::V {
        // SAFETY: the caller's promise.
        unsafe { s.load(from) }
    }

    #[inline(always)]
    unsafe fn splat(s: S, from: *const f32) -> S::V {
        // SAFETY: the caller's promise.
        s.splat(unsafe { *from })
    }

    #[inline(always)]
    fn multiply(s: S, a: S::V, b: S::V, sum: S::V) -> S::V {
        s.fma(a, b, sum)
    }

    #[inline(always)]
    fn pixel(width: usize) -> usize {
        width
    }

    #[inline(always)]
    unsafe fn pack(s: S, from: *const f32, width: usize, to: *mut f32) {
        for part in (0..width).step_by(LANES) {
            // SAFETY: the caller's promise.
            unsafe { s.store(to.add(part), s.load(from.add(part))) };
        }
    }

    #[inline(always)]
    fn prepare(_s: S, _lists: &mut WinnerLists, _out: usize) {}

    #[inline(always)]
    unsafe fn add_patches(
        s: S,
        lists: &WinnerLists,
        out: usize,
        patch: (*const f32, usize),
        width: usize,
        to: *mut f32,
        inputs: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            match (S::WIDE, width > LANES) {
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

/// `ROWS` rows of taps from `first_row` on, `C` vectors of input channels, of [`Multiplicand::add_patches`] in f32.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn multiples<S: Simd, const ROWS: usize, const C: usize>(
    s: S,
    lists: &WinnerLists,
    out: usize,
    first_row: usize,
    (patch, columns): (*const f32, usize),
    to: *mut f32,
    inputs: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let (gradients, places) = lists.channel(out);
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
        for (gradient, place) in gradients.iter().zip(places) {
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

/// bf16 with sums in f32.
pub(super) struct Half;

impl<S: Halves> Multiplicand<S> for Half {
    const STEP: usize = 2;
    const PACKS: bool = true;
    type T = u16;
    type F = S::P;

    #[inline(always)]
    unsafe fn store(s: S, to: *mut u16, value: S::V) {
        // SAFETY: the caller's promise.
        unsafe { s.store_halves(to, value) };
    }

    #[inline(always)]
    unsafe fn store_lines(s: S, to: *mut u16, [first, second]: [S::V; 2]) {
        // SAFETY: the caller's promise.
        unsafe { s.store_pairs(to, first, second) };
    }

    #[inline(always)]
    unsafe fn load(s: S, from: *const u16) -> S::P {
        // SAFETY: the caller's promise.
        unsafe { s.load_pairs(from) }
    }

    #[inline(always)]
    unsafe fn splat(s: S, from: *const u16) -> S::P {
        // SAFETY: the caller's promise.
        unsafe { s.splat_pair(from) }
    }

    #[inline(always)]
    fn multiply(s: S, a: S::P, b: S::P, sum: S::V) -> S::V {
        s.dot(a, b, sum)
    }

    #[inline(always)]
    fn pixel(_width: usize) -> usize {
        2 * LANES
    }

    #[inline(always)]
    unsafe fn pack(s: S, from: *const f32, width: usize, to: *mut u16) {
        // SAFETY: the caller's promise.
        unsafe {
            let second = if width > LANES { s.load(from.add(LANES)) } else { s.splat(0.0) };
            s.store_pixel(to, s.load(from), second);
        }
    }

    #[inline(always)]
    fn prepare(s: S, lists: &mut WinnerLists, out: usize) {
        lists.round(s, out);
    }

    #[inline(always)]
    unsafe fn add_patches(
        s: S,
        lists: &WinnerLists,
        out: usize,
        patch: (*const u16, usize),
        width: usize,
        to: *mut f32,
        inputs: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            for row in (0..3).step_by(if S::WIDE { 3 } else { 1 }) {
                match (S::WIDE, width > LANES) {
                    (true, true) => pairs::<S, 3, 2>(s, lists, out, row, patch, to, inputs),
                    (true, false) => pairs::<S, 3, 1>(s, lists, out, row, patch, to, inputs),
                    (false, true) => pairs::<S, 1, 2>(s, lists, out, row, patch, to, inputs),
                    (false, false) => pairs::<S, 1, 1>(s, lists, out, row, patch, to, inputs),
                }
            }
        }
    }
}

/// As [`multiples`], two entries of the list at a time.
///
/// # Safety
/// As there.
#[inline(always)]
unsafe fn pairs<S: Halves, const ROWS: usize, const C: usize>(
    s: S,
    lists: &WinnerLists,
    out: usize,
    first_row: usize,
    (patch, columns): (*const u16, usize),
    to: *mut f32,
    inputs: usize,
) {
    const PIXEL: usize = 2 * LANES;
    // SAFETY: the caller's promise.
    unsafe {
        let (gradients, places) = lists.pairs_of(out);
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
        let patch = patch.add(first_row * columns * PIXEL);
        for (gradients, places) in gradients.iter().zip(places) {
            let gradients = s.splat_pair(gradients.as_ptr());
            let corners = places.map(|place| patch.add(place as usize * PIXEL));
            for (row, sums) in sums.iter_mut().enumerate() {
                for (column, sums) in sums.iter_mut().enumerate() {
                    let tap = (row * columns + column) * PIXEL;
                    let zipped = s.zip(s.load_pairs(corners[0].add(tap)), s.load_pairs(corners[1].add(tap)));
                    for (sum, pixels) in sums.iter_mut().zip(zipped) {
                        *sum = s.dot(gradients, pixels, *sum);
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
