//! Multiplications of bf16 with sums in f32, where the processor has them (AVX-512 BF16).
//!
//! A bf16 is the upper half of an f32: 8 bits of mantissa, rounded to nearest even. A vector of pairs holds 32 of them, and
//! one instruction multiplies and adds both products of each pair: twice the multiplications of f32 in the same time. On
//! other processors the arithmetic is emulated, which is for tests and of no use.

#![expect(
    unsafe_code,
    reason = "entering code with other instructions enabled; reads from and writes to pointers"
)]

use super::{InstructionSet, LANES, Simd, portable::Portable};

/// Whether this processor multiplies bf16.
#[must_use]
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        InstructionSet::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Work that multiplies bf16.
pub(in crate::kernels) trait HalfKernel {
    /// Does it. Implementations are `#[inline(always)]`.
    fn run_halves<S: Halves>(self, simd: S);
}

/// Operations on pairs of bf16.
pub(in crate::kernels) trait Halves: Simd {
    /// Sixteen pairs.
    type P: Copy;

    /// Rounds sixteen floats and stores them one behind the other.
    ///
    /// # Safety
    /// Sixteen bf16 are writable.
    unsafe fn store_halves(self, to: *mut u16, value: Self::V);
    /// Rounds twice sixteen floats and stores them as pairs: of each lane, `first` and `second`.
    ///
    /// # Safety
    /// Thirty-two bf16 are writable.
    unsafe fn store_pairs(self, to: *mut u16, first: Self::V, second: Self::V);
    /// Rounds twice sixteen floats and stores them in the order in which [`Self::zip`] takes them apart again.
    ///
    /// # Safety
    /// Thirty-two bf16 are writable.
    unsafe fn store_pixel(self, to: *mut u16, first: Self::V, second: Self::V);
    /// Sixteen pairs from memory.
    ///
    /// # Safety
    /// Thirty-two bf16 are readable.
    unsafe fn load_pairs(self, from: *const u16) -> Self::P;
    /// One pair for all lanes.
    ///
    /// # Safety
    /// Two bf16 are readable.
    unsafe fn splat_pair(self, from: *const u16) -> Self::P;
    /// Pairs of what [`Self::store_pixel`] stored of two pixels: of their first sixteen numbers, and of the others.
    fn zip(self, a: Self::P, b: Self::P) -> [Self::P; 2];
    /// `sum` and both products of each pair.
    fn dot(self, a: Self::P, b: Self::P, sum: Self::V) -> Self::V;
}

/// Rounded to the nearest bf16, of two equally near the even one; what is no number stays so.
#[inline(always)]
pub(in crate::kernels) fn round(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

/// A bf16 as a float.
#[inline(always)]
pub(in crate::kernels) fn widen(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

impl Halves for Portable {
    type P = [[u16; 2]; LANES];

    #[inline(always)]
    unsafe fn store_halves(self, to: *mut u16, value: Self::V) {
        for (at, value) in value.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *to.add(at) = round(value) };
        }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, to: *mut u16, first: Self::V, second: Self::V) {
        for (at, (first, second)) in first.into_iter().zip(second).enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *to.cast::<[u16; 2]>().add(at) = [round(first), round(second)] };
        }
    }

    #[inline(always)]
    unsafe fn store_pixel(self, to: *mut u16, first: Self::V, second: Self::V) {
        // SAFETY: the caller's promise.
        unsafe {
            self.store_halves(to, first);
            self.store_halves(to.add(LANES), second);
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(self, from: *const u16) -> Self::P {
        // SAFETY: the caller's promise.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn splat_pair(self, from: *const u16) -> Self::P {
        // SAFETY: the caller's promise.
        [unsafe { *from.cast() }; LANES]
    }

    #[inline(always)]
    fn zip(self, a: Self::P, b: Self::P) -> [Self::P; 2] {
        let (a, b) = (a.as_flattened(), b.as_flattened());
        [0, LANES].map(|from| std::array::from_fn(|lane| [a[from + lane], b[from + lane]]))
    }

    #[inline(always)]
    fn dot(self, a: Self::P, b: Self::P, sum: Self::V) -> Self::V {
        std::array::from_fn(|lane| {
            let product = |at: usize| widen(a[lane][at]) * widen(b[lane][at]);
            sum[lane] + product(1) + product(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::dispatch_halves, *};

    struct Check;

    impl HalfKernel for Check {
        #[inline(always)]
        fn run_halves<S: Halves>(self, s: S) {
            let numbers = |salt: u32| -> [f32; LANES] {
                std::array::from_fn(|lane| {
                    let bits = (lane as u32 * 7 + salt).wrapping_mul(2_654_435_761);
                    (bits >> 8) as f32 / (1 << 23) as f32 - 1.0
                })
            };
            let (a, b) = (numbers(1), numbers(2));
            let vector = |numbers: &[f32; LANES]| unsafe { s.load(numbers.as_ptr()) };
            let mut halves = [0u16; 2 * LANES];
            unsafe { s.store_halves(halves.as_mut_ptr(), vector(&a)) };
            assert_eq!(halves[..LANES], a.map(round));
            let mut pairs = halves;
            unsafe { s.store_pairs(pairs.as_mut_ptr(), vector(&a), vector(&b)) };
            for lane in 0..LANES {
                assert_eq!(pairs[2 * lane..2 * lane + 2], [round(a[lane]), round(b[lane])]);
            }
            let array = |v| {
                let mut to = [0.0f32; LANES];
                unsafe { s.store(to.as_mut_ptr(), v) };
                to
            };
            // Sums of the products of rounded numbers, in f32.
            let exact = |x: f32, y: f32| f64::from(widen(round(x))) * f64::from(widen(round(y)));
            let near =
                |ours: f32, exact: f64| assert!((f64::from(ours) - exact).abs() < 1e-6, "{ours} {exact}");
            let factor = [round(0.3), round(-0.7)];
            let sums = unsafe {
                array(s.dot(s.splat_pair(factor.as_ptr()), s.load_pairs(pairs.as_ptr()), vector(&b)))
            };
            for lane in 0..LANES {
                near(sums[lane], f64::from(b[lane]) + exact(0.3, a[lane]) + exact(-0.7, b[lane]));
            }
            // Two pixels of 32 channels, zipped.
            let (c, d) = (numbers(3), numbers(4));
            let (mut one, mut other) = ([0u16; 2 * LANES], [0u16; 2 * LANES]);
            let zipped = unsafe {
                s.store_pixel(one.as_mut_ptr(), vector(&a), vector(&b));
                s.store_pixel(other.as_mut_ptr(), vector(&c), vector(&d));
                s.zip(s.load_pairs(one.as_ptr()), s.load_pairs(other.as_ptr()))
            };
            for (zipped, (one, other)) in zipped.into_iter().zip([(a, c), (b, d)]) {
                let sums = unsafe { array(s.dot(s.splat_pair(factor.as_ptr()), zipped, s.splat(0.0))) };
                for lane in 0..LANES {
                    near(sums[lane], exact(0.3, one[lane]) + exact(-0.7, other[lane]));
                }
            }
        }
    }

    #[test]
    fn operations_are_what_they_say() {
        Check.run_halves(Portable);
        dispatch_halves(InstructionSet::Avx512, Check);
    }

    #[test]
    fn rounding_is_to_the_nearest_even() {
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 1.0 / 256.0, 1.0),
            (1.0 + 3.0 / 256.0, 1.0 + 4.0 / 256.0),
            (1.0 + 1.01 / 256.0, 1.0 + 2.0 / 256.0),
            (-255.0, -255.0),
            (f32::MAX, f32::INFINITY),
        ] {
            assert_eq!(widen(round(value)), expected);
        }
        assert!(widen(round(f32::NAN)).is_nan());
    }
}
