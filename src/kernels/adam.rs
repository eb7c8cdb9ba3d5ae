//! Adam in one pass over weight, gradient and moments, in Keras' form (`keras/src/optimizers/adam.py`, `update_step`):
//! epsilon is added to sqrt(v) before the correction of the bias.
//!
//! ```text
//! m += (g - m) (1 - b1)
//! v += (g² - v) (1 - b2)
//! w -= m a / (sqrt(v) + eps),   a = lr sqrt(1 - b2^t) / (1 - b1^t)
//! ```

#![expect(unsafe_code, reason = "loads and stores through pointers")]

use super::buffer::Buffer;
use super::simd::{InstructionSet, Kernel, LANES, Simd, dispatch, padded};

/// Keras' defaults.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f32 = 1e-7;

/// Share of the new gradient in the first moment: m after the first step is this times the gradient.
pub(super) const SHARE_1: f32 = (1.0 - BETA_1) as f32;
const SHARE_2: f32 = (1.0 - BETA_2) as f32;

/// A parameter and its running means, in the layout of its layer, whole vectors long.
#[derive(Debug)]
pub(super) struct Weights {
    /// The values.
    pub(super) w: Buffer<f32>,
    /// Mean of the gradient.
    pub(super) m: Buffer<f32>,
    /// Mean of the gradient's square.
    pub(super) v: Buffer<f32>,
}

impl Weights {
    /// `n` zeros (rounded up to whole vectors), at rest.
    pub(super) fn new(n: usize) -> Self {
        let n = padded(n);
        Self { w: Buffer::zeros(n), m: Buffer::zeros(n), v: Buffer::zeros(n) }
    }

    /// The three slices of a range of elements.
    pub(super) fn all(&mut self) -> [&mut [f32]; 3] {
        [&mut self.w, &mut self.m, &mut self.v]
    }
}

/// The step size with the correction of the bias, in f32 where Keras has f32: at the first steps 1 - b2^t loses five of
/// its digits there, and a rate computed in f64 leads to another curve. `step` counts from 1.
pub(super) fn rate(learning_rate: f64, step: u32) -> f32 {
    let step = i32::try_from(step).unwrap_or(i32::MAX);
    let rest = |beta: f64| 1.0 - f64::from(beta as f32).powi(step) as f32;
    learning_rate as f32 * rest(BETA_2).sqrt() / rest(BETA_1)
}

/// Updates one vector of weights at each of three pointers.
///
/// # Safety
/// Sixteen floats are readable and writable at each.
#[inline(always)]
pub(super) unsafe fn update<S: Simd>(s: S, gradient: S::V, [w, m, v]: [*mut f32; 3], rate: f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let first = s.load(m);
        let first = s.fma(s.sub(gradient, first), s.splat(SHARE_1), first);
        s.store(m, first);
        let second = s.load(v);
        let change = s.sub(s.mul(gradient, gradient), second);
        let second = s.fma(change, s.splat(SHARE_2), second);
        s.store(v, second);
        let ratio = s.adam_ratio(first, second, EPSILON);
        s.store(w, s.fnma(ratio, s.splat(rate), s.load(w)));
    }
}

/// Updates small parameters: the gradient is the sum of `parts`, added up in their order. Whole vectors.
pub(super) fn step(set: InstructionSet, weights: &mut Weights, parts: &[&[f32]], rate: f32) {
    assert!(parts.iter().all(|part| part.len() == weights.w.len() && part.len().is_multiple_of(LANES)));
    dispatch(set, Step { weights, parts, rate });
}

struct Step<'a> {
    weights: &'a mut Weights,
    parts: &'a [&'a [f32]],
    rate: f32,
}

impl Kernel for Step<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { weights, parts, rate } = self;
        for at in (0..weights.w.len()).step_by(LANES) {
            // SAFETY: all slices are equally many whole vectors long, as `step` asserts and `Weights` is made.
            unsafe {
                let mut gradient = s.splat(0.0);
                for part in parts {
                    gradient = s.add(gradient, s.load(part.as_ptr().add(at)));
                }
                let pointers = weights.all().map(|slice| slice.as_mut_ptr().add(at));
                update(s, gradient, pointers, rate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::tests::available;
    use super::*;

    #[test]
    fn many_steps_follow_the_formula_in_f64() {
        for set in available() {
            let mut weights = Weights::new(20);
            let n = weights.w.len();
            assert_eq!(n, 32);
            for (at, w) in weights.w.iter_mut().enumerate() {
                *w = at as f32 / 10.0 - 1.0;
            }
            let mut exact: Vec<[f64; 3]> = weights.w.iter().map(|w| [f64::from(*w), 0.0, 0.0]).collect();
            for step_number in 1..=60 {
                let part = |salt: usize| -> Vec<f32> {
                    (0..n)
                        .map(|at| ((at * 31 + salt + step_number as usize * 17) % 101) as f32 / 1e3 - 0.05)
                        .collect()
                };
                let (a, b) = (part(0), part(50));
                let rate = rate(0.003, step_number);
                step(set, &mut weights, &[&a, &b], rate);
                for (at, [w, m, v]) in exact.iter_mut().enumerate() {
                    let gradient = f64::from(a[at]) + f64::from(b[at]);
                    *m += (gradient - *m) * (1.0 - BETA_1);
                    *v += (gradient * gradient - *v) * (1.0 - BETA_2);
                    *w -= f64::from(rate) * *m / (v.sqrt() + f64::from(EPSILON));
                }
            }
            for (at, [w, m, v]) in exact.into_iter().enumerate() {
                assert!((f64::from(weights.w[at]) - w).abs() < 2e-6, "{set:?}: {} is not {w}", weights.w[at]);
                assert!((f64::from(weights.m[at]) - m).abs() < 1e-7);
                assert!((f64::from(weights.v[at]) / v - 1.0).abs() < 1e-4);
            }
        }
    }

    #[test]
    fn the_rate_is_that_of_keras_in_f32() {
        assert!((rate(0.001, 1) / 0.000_316_2 - 1.0).abs() < 1e-3);
        assert!((rate(0.001, 1_000_000) - 0.001).abs() < 1e-9);
    }
}
