//! Vectors as two AVX registers.

#![expect(unsafe_code, reason = "intrinsics")]

use std::arch::x86_64::*;

use super::{Kernel, NONE, Simd};

/// Proof that the processor has AVX2 and FMA.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

type V = [__m256; 2];
type I = [__m256i; 2];

/// Runs a kernel compiled with AVX2 and FMA.
///
/// # Safety
/// The processor has both.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn enter(kernel: impl Kernel) {
    kernel.run(Avx2(()));
}

#[inline(always)]
fn both(f: impl Fn(usize) -> __m256) -> V {
    [f(0), f(1)]
}

// SAFETY, here and in every method below: a value of `Avx2` exists only inside `enter`; where pointers are read or
// written, the caller promises what the trait asks.
impl Simd for Avx2 {
    type V = V;
    type I = I;
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> V {
        both(
            #[inline(always)]
            |_| unsafe { _mm256_set1_ps(value) },
        )
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_add_ps(a[i], b[i]) },
        )
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_sub_ps(a[i], b[i]) },
        )
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_mul_ps(a[i], b[i]) },
        )
    }

    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_fmadd_ps(a[i], b[i], c[i]) },
        )
    }

    #[inline(always)]
    fn fnma(self, a: V, b: V, c: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_fnmadd_ps(a[i], b[i], c[i]) },
        )
    }

    #[inline(always)]
    fn where_positive(self, sign: V, value: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(sign[i], _mm256_setzero_ps()), value[i]) },
        )
    }

    #[inline(always)]
    fn adam_ratio(self, m: V, v: V, epsilon: f32) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_div_ps(m[i], _mm256_add_ps(_mm256_sqrt_ps(v[i]), _mm256_set1_ps(epsilon))) },
        )
    }

    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        unsafe {
            let eight = _mm256_add_ps(v[0], v[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn pool(self, four: [V; 4]) -> (V, I) {
        let half = |i: usize| unsafe {
            let [a, b, c, d] = [four[0][i], four[1][i], four[2][i], four[3][i]];
            let zero = _mm256_setzero_ps();
            let number = |n| _mm256_castsi256_ps(_mm256_set1_epi32(n));
            let greater = |a, b| _mm256_cmp_ps::<_CMP_GT_OQ>(a, b);
            let (above, below) = (_mm256_max_ps(b, a), _mm256_max_ps(d, c));
            let upper = _mm256_and_ps(greater(b, a), number(1));
            let lower = _mm256_blendv_ps(number(2), number(3), greater(d, c));
            let winner = _mm256_blendv_ps(upper, lower, greater(below, above));
            let best = _mm256_max_ps(below, above);
            let winner = _mm256_blendv_ps(number(i32::from(NONE)), winner, greater(best, zero));
            (_mm256_max_ps(zero, best), _mm256_castps_si256(winner))
        };
        let ((v0, i0), (v1, i1)) = (half(0), half(1));
        ([v0, v1], [i0, i1])
    }

    #[inline(always)]
    fn where_winner(self, winner: I, which: u8, value: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe {
                let mask = _mm256_cmpeq_epi32(winner[i], _mm256_set1_epi32(i32::from(which)));
                _mm256_and_ps(_mm256_castsi256_ps(mask), value[i])
            },
        )
    }

    #[inline(always)]
    fn where_any(self, winner: I, value: V) -> V {
        both(
            #[inline(always)]
            |i| unsafe {
                let none = _mm256_cmpeq_epi32(winner[i], _mm256_set1_epi32(i32::from(NONE)));
                _mm256_andnot_ps(_mm256_castsi256_ps(none), value[i])
            },
        )
    }

    #[inline(always)]
    fn pick(self, patch: V, winner: I, row: usize, column: usize) -> V {
        both(
            #[inline(always)]
            |i| unsafe {
                let below = _mm256_srli_epi32::<1>(winner[i]);
                let at = _mm256_add_epi32(winner[i], _mm256_add_epi32(below, below));
                let at = _mm256_add_epi32(at, _mm256_set1_epi32((row * 4 + column) as i32));
                // Each permutation takes three bits of the index; the fourth says which half of the patch.
                let upper = _mm256_permutevar8x32_ps(patch[0], at);
                let lower = _mm256_permutevar8x32_ps(patch[1], at);
                _mm256_blendv_ps(upper, lower, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(at)))
            },
        )
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> V {
        both(
            #[inline(always)]
            |i| unsafe { _mm256_loadu_ps(from.add(8 * i)) },
        )
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: V) {
        unsafe {
            _mm256_storeu_ps(to, value[0]);
            _mm256_storeu_ps(to.add(8), value[1]);
        }
    }

    #[inline(always)]
    unsafe fn load_winners(self, from: *const u8) -> I {
        unsafe {
            [
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())),
                _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.add(8).cast())),
            ]
        }
    }

    #[inline(always)]
    unsafe fn store_winners(self, to: *mut u8, winners: I) {
        unsafe {
            let half = |v| _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256::<1>(v));
            _mm_storeu_si128(to.cast(), _mm_packus_epi16(half(winners[0]), half(winners[1])));
        }
    }

    #[inline(always)]
    unsafe fn load_patch(self, from: *const f32, stride: usize) -> V {
        both(
            #[inline(always)]
            |i| unsafe {
                let row = |row: usize| _mm_loadu_ps(from.add((2 * i + row) * stride));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(row(0)), row(1))
            },
        )
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
}
