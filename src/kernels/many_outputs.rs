//! Dense layers with many outputs, made for few images and up to hundreds of millions of weights: the memory is the
//! limit, so each weight is read once forwards and, with its moments, read and written once backwards.
//!
//! Layouts: features `[n][F]`, weights `[F][S]`, outputs and their gradients `[n][S]`, F and S whole vectors.
//!
//! Backwards, a few rows of weights at a time: their part of the input's gradient from the weights as they are, their own
//! gradient (a sum over the images, never stored: it would be as large as the layer) and Adam at once. The input's
//! gradient takes the place of the input, cut off where that is not over zero, which is the gradient of the ReLU (and
//! pooling winner) it came from.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use super::{
    adam,
    buffer::{Aligned, Buffer},
    simd::{LANES, Simd, each},
};

/// Rows of weights that stay in the first-level cache while all images pass over them.
const ROWS: usize = 64;

/// `R` images times `ROWS` rows of weights, `C` vectors wide, added to what is there.
///
/// # Safety
/// `rows` floats at each of `R` rows of `x`, `rows` rows of `C` vectors at `w` and `R` at `y` are there.
#[inline(always)]
unsafe fn product<S: Simd, const R: usize, const C: usize>(
    s: S,
    x: (*const f32, usize),
    w: (*const f32, usize),
    y: (*mut f32, usize),
    rows: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums: [[S::V; C]; R] = each(
            #[inline(always)]
            |r| {
                each(
                    #[inline(always)]
                    |c| s.load(y.0.add(r * y.1 + c * LANES)),
                )
            },
        );
        for row in 0..rows {
            let weights: [S::V; C] = each(
                #[inline(always)]
                |c| s.load(w.0.add(row * w.1 + c * LANES)),
            );
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = s.splat(*x.0.add(r * x.1 + row));
                for (sum, weights) in sums.iter_mut().zip(&weights) {
                    *sum = s.fma(factor, *weights, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                s.store(y.0.add(r * y.1 + c * LANES), *sum);
            }
        }
    }
}

/// Adds the product of some features (columns `from ..` of `x`, which has `stride` columns) and their weights to the sums
/// `[n][S]`.
#[inline(always)]
pub(super) fn forward<S: Simd>(
    s: S,
    x: &[f32],
    stride: usize,
    from: usize,
    weights: &[f32],
    width: usize,
    sums: &mut [f32],
) {
    let (n, features) = (sums.len() / width, weights.len() / width);
    assert!(x.len() >= n * stride && from + features <= stride && width.is_multiple_of(LANES));
    for first in (0..features).step_by(ROWS) {
        let rows = ROWS.min(features - first);
        let mut image = 0;
        while image < n {
            let r = if n - image >= 8 && S::WIDE {
                8
            } else if n - image >= 2 {
                2
            } else {
                1
            };
            let mut column = 0;
            while column < width {
                let c = if width - column >= 2 * LANES { 2 } else { 1 };
                // SAFETY: images, rows and columns are inside what was asserted.
                unsafe {
                    let x = (x.as_ptr().add(image * stride + from + first), stride);
                    let w = (weights.as_ptr().add(first * width + column), width);
                    let y = (sums.as_mut_ptr().add(image * width + column), width);
                    match (r, c) {
                        (8, 2) => product::<S, 8, 2>(s, x, w, y, rows),
                        (8, _) => product::<S, 8, 1>(s, x, w, y, rows),
                        (2, 2) => product::<S, 2, 2>(s, x, w, y, rows),
                        (2, _) => product::<S, 2, 1>(s, x, w, y, rows),
                        (_, 2) => product::<S, 1, 2>(s, x, w, y, rows),
                        _ => product::<S, 1, 1>(s, x, w, y, rows),
                    }
                }
                column += c * LANES;
            }
            image += r;
        }
    }
}

/// The operands of a backward pass over some features.
pub(super) struct Backward<'a> {
    /// Images.
    pub(super) n: usize,
    /// `[S][N]`: gradient of the outputs, transposed; N is n rounded up to whole vectors, the rest zero.
    pub(super) transposed: &'a [f32],
    /// `[n][S]`: gradient of the outputs.
    pub(super) gradient: &'a [f32],
    /// S, whole vectors.
    pub(super) width: usize,
    /// Weights and moments of these features, `[features][S]` each.
    pub(super) weights: [&'a mut [f32]; 3],
    /// Adam's rate at this step.
    pub(super) rate: f32,
    /// Whether the input's gradient is wanted.
    pub(super) wants_input: bool,
}

/// Some columns of `[n][F]` features, which one thread has for itself while others have theirs.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    /// The first image's first feature of these.
    pub(super) start: *mut f32,
    /// Features of an image, F.
    pub(super) stride: usize,
}

// SAFETY: whoever hands them to threads gives each thread columns of its own.
unsafe impl Send for Columns {}

/// The gradient's part of [`Backward`]: `R` features of the input's gradient, transposed, for `C` vectors of images.
///
/// # Safety
/// `R` rows of weights, `width` rows of `transposed` and `R` rows of `to`, both `stride` apart, are there.
#[inline(always)]
unsafe fn input_gradient<S: Simd, const R: usize, const C: usize>(
    s: S,
    w: *const f32,
    width: usize,
    transposed: *const f32,
    to: *mut f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[s.splat(0.0); C]; R];
        for output in 0..width {
            let images: [S::V; C] = each(
                #[inline(always)]
                |c| s.load(transposed.add(output * stride + c * LANES)),
            );
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = s.splat(*w.add(r * width + output));
                for (sum, images) in sums.iter_mut().zip(&images) {
                    *sum = s.fma(factor, *images, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                s.store(to.add(r * stride + c * LANES), *sum);
            }
        }
    }
}

/// The gradient of `R` rows of weights, `C` vectors wide, and Adam with it.
///
/// # Safety
/// `n` images of `x` and of the gradient and `R` rows of weights and moments are there.
#[inline(always)]
unsafe fn update<S: Simd, const R: usize, const C: usize>(
    s: S,
    n: usize,
    x: Columns,
    gradient: *const f32,
    width: usize,
    [w, m, v]: [*mut f32; 3],
    rate: f32,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[s.splat(0.0); C]; R];
        for image in 0..n {
            let outputs: [S::V; C] = each(
                #[inline(always)]
                |c| s.load(gradient.add(image * width + c * LANES)),
            );
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = s.splat(*x.start.add(image * x.stride + r));
                for (sum, outputs) in sums.iter_mut().zip(&outputs) {
                    *sum = s.fma(factor, *outputs, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                let at = r * width + c * LANES;
                adam::update(s, *sum, [w.add(at), m.add(at), v.add(at)], rate);
            }
        }
    }
}

/// The backward pass over some features: `x` becomes its gradient, the weights are updated.
///
/// # Safety
/// `x` has `n` rows and as many columns as there are rows of weights, which no other thread touches meanwhile.
#[inline(always)]
pub(super) unsafe fn backward<S: Simd>(s: S, x: Columns, operands: Backward<'_>) {
    let Backward { n, transposed, gradient, width, weights: [w, m, v], rate, wants_input } = operands;
    let features = w.len() / width;
    let images = n.next_multiple_of(LANES);
    assert!(transposed.len() == width * images && gradient.len() >= n * width);
    assert!(w.len() == m.len() && w.len() == v.len() && w.len() == features * width);
    assert!(features.is_multiple_of(LANES) && width.is_multiple_of(LANES));
    let pointers = [w.as_mut_ptr(), m.as_mut_ptr(), v.as_mut_ptr()];
    // [sixteen features][images], and sixteen of each turned round.
    let mut kept: Buffer<f32> = Buffer::zeros(LANES * images);
    let mut turned = Aligned([0.0f32; LANES * LANES]);
    for first in (0..features).step_by(LANES) {
        // SAFETY: sixteen features from `first` on are there, for `n` images, by the caller's promise and the lengths
        // asserted.
        unsafe {
            let weights = pointers.map(|start| start.add(first * width));
            let x = Columns { start: x.start.add(first), ..x };
            for image in 0..n {
                // One line of each image is too short a stride for the processor to see where it leads.
                s.prefetch(x.start.wrapping_add(image * x.stride + 4 * LANES));
            }
            if wants_input {
                let step = if S::WIDE { 8 } else { 2 };
                for row in (0..LANES).step_by(step) {
                    let w = weights[0].add(row * width);
                    let mut image = 0;
                    while image < images {
                        let (from, to) =
                            (transposed.as_ptr().add(image), kept.as_mut_ptr().add(row * images + image));
                        let pair = images - image >= 2 * LANES;
                        match (S::WIDE, pair) {
                            (true, true) => input_gradient::<S, 8, 2>(s, w, width, from, to, images),
                            (true, false) => input_gradient::<S, 8, 1>(s, w, width, from, to, images),
                            (false, true) => input_gradient::<S, 2, 2>(s, w, width, from, to, images),
                            (false, false) => input_gradient::<S, 2, 1>(s, w, width, from, to, images),
                        }
                        image += if pair { 2 * LANES } else { LANES };
                    }
                }
            }
            let step = if S::WIDE { 8 } else { 2 };
            for row in (0..LANES).step_by(step) {
                let x = Columns { start: x.start.add(row), ..x };
                let mut column = 0;
                while column < width {
                    let weights = weights.map(|start| start.add(row * width + column));
                    let gradient = gradient.as_ptr().add(column);
                    let pair = width - column >= 2 * LANES;
                    match (S::WIDE, pair) {
                        (true, true) => update::<S, 8, 2>(s, n, x, gradient, width, weights, rate),
                        (true, false) => update::<S, 8, 1>(s, n, x, gradient, width, weights, rate),
                        (false, true) => update::<S, 2, 2>(s, n, x, gradient, width, weights, rate),
                        (false, false) => update::<S, 2, 1>(s, n, x, gradient, width, weights, rate),
                    }
                    column += if pair { 2 * LANES } else { LANES };
                }
            }
            if wants_input {
                for image in (0..n).step_by(LANES) {
                    s.transpose(kept.as_ptr().add(image), images, turned.0.as_mut_ptr(), LANES);
                    for line in 0..LANES.min(n - image) {
                        let to = x.start.add((image + line) * x.stride);
                        let value = s.load(turned.0.as_ptr().add(line * LANES));
                        s.store(to, s.where_positive(s.load(to), value));
                    }
                }
            }
        }
    }
}
