//! Vectors as one AVX-512 register.

#![expect(unsafe_code, reason = "intrinsics")]

use std::arch::x86_64::*;

use super::{HalfKernel, Halves, Kernel, LANES, NONE, Simd};

/// Proof that the processor has AVX-512 F, BW, DQ and VL, and BF16 where that is asked for.
#[derive(Clone, Copy)]
pub(super) struct Avx512<const BF16: bool>(());

/// Runs a kernel compiled with AVX-512.
///
/// # Safety
/// The processor has what [`super::InstructionSet::Avx512`] names.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn enter(kernel: impl Kernel) {
    kernel.run(Avx512::<false>(()));
}

/// Runs a kernel compiled with AVX-512 and its multiplication of bf16.
///
/// # Safety
/// The processor has what [`super::InstructionSet::Avx512`] names, and BF16.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma")]
pub(super) unsafe fn enter_halves(kernel: impl HalfKernel) {
    kernel.run_halves(Avx512::<true>(()));
}

// SAFETY, here and in every method below: a value of `Avx512` exists only inside `enter` or
// `enter_halves`; where pointers are read or
// written, the caller promises what the trait asks.
impl<const BF16: bool> Simd for Avx512<BF16> {
    type V = __m512;
    type I = __m512i;
    const WIDE: bool = true;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn fnma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn where_positive(self, sign: __m512, value: __m512) -> __m512 {
        unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(sign, _mm512_setzero_ps()), value) }
    }

    /// Both operations from 14-bit estimates and one Newton step each: the divider would take as long as the memory.
    #[inline(always)]
    fn adam_ratio(self, m: __m512, v: __m512, epsilon: f32) -> __m512 {
        unsafe {
            // Below this a root is nothing beside the epsilon, and at zero its reciprocal is none.
            let v = _mm512_max_ps(_mm512_set1_ps(1e-30), v);
            let r = _mm512_rsqrt14_ps(v);
            let root = _mm512_mul_ps(v, r);
            // root + root/2 * (1 - root * r)
            let error = _mm512_fnmadd_ps(root, r, _mm512_set1_ps(1.0));
            let root = _mm512_fmadd_ps(_mm512_mul_ps(root, _mm512_set1_ps(0.5)), error, root);
            let divisor = _mm512_add_ps(root, _mm512_set1_ps(epsilon));
            let r = _mm512_rcp14_ps(divisor);
            let quotient = _mm512_mul_ps(m, r);
            let rest = _mm512_fnmadd_ps(quotient, divisor, m);
            _mm512_fmadd_ps(rest, r, quotient)
        }
    }

    #[inline(always)]
    fn sum(self, v: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(v) }
    }

    #[inline(always)]
    fn pool(self, [a, b, c, d]: [__m512; 4]) -> (__m512, __m512i) {
        unsafe {
            let zero = _mm512_setzero_ps();
            let b_wins = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(b, a);
            let above = _mm512_max_ps(b, a);
            let d_wins = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(d, c);
            let below = _mm512_max_ps(d, c);
            let below_wins = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(below, above);
            let best = _mm512_max_ps(below, above);
            let winner = _mm512_maskz_set1_epi32(b_wins, 1);
            let lower = _mm512_mask_set1_epi32(_mm512_set1_epi32(2), d_wins, 3);
            let winner = _mm512_mask_mov_epi32(winner, below_wins, lower);
            let none = _mm512_cmp_ps_mask::<_CMP_NGT_UQ>(best, zero);
            let winner = _mm512_mask_set1_epi32(winner, none, i32::from(NONE));
            // The second operand comes back where one is no number: it stays so.
            (_mm512_max_ps(zero, best), winner)
        }
    }

    #[inline(always)]
    fn where_winner(self, winner: __m512i, which: u8, value: __m512) -> __m512 {
        unsafe {
            let mask = _mm512_cmpeq_epi32_mask(winner, _mm512_set1_epi32(i32::from(which)));
            _mm512_maskz_mov_ps(mask, value)
        }
    }

    #[inline(always)]
    fn where_any(self, winner: __m512i, value: __m512) -> __m512 {
        unsafe {
            let mask = _mm512_cmpneq_epi32_mask(winner, _mm512_set1_epi32(i32::from(NONE)));
            _mm512_maskz_mov_ps(mask, value)
        }
    }

    #[inline(always)]
    fn pick(self, patch: __m512, winner: __m512i, row: usize, column: usize) -> __m512 {
        unsafe {
            // Winner 0, 1, 2, 3 stands at 0, 1, 4, 5; the permutation takes the index modulo 16.
            let below = _mm512_srli_epi32::<1>(winner);
            let at = _mm512_add_epi32(winner, _mm512_add_epi32(below, below));
            let tap = _mm512_set1_epi32((row * 4 + column) as i32);
            _mm512_permutexvar_ps(_mm512_add_epi32(at, tap), patch)
        }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: __m512) {
        unsafe { _mm512_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn load_winners(self, from: *const u8) -> __m512i {
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
    }

    #[inline(always)]
    unsafe fn store_winners(self, to: *mut u8, winners: __m512i) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(winners)) }
    }

    #[inline(always)]
    unsafe fn load_patch(self, from: *const f32, stride: usize) -> __m512 {
        unsafe {
            let row = |row: usize| _mm_loadu_ps(from.add(row * stride));
            let above = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(row(0)), row(1));
            let below = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(row(2)), row(3));
            _mm512_insertf32x8::<1>(_mm512_castps256_ps512(above), below)
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        unsafe {
            let mut rows = [_mm512_setzero_ps(); LANES];
            for (row, vector) in rows.iter_mut().enumerate() {
                *vector = _mm512_loadu_ps(from.add(row * from_stride));
            }
            // Pairs of rows, then fours within 128 bits, then 128-bit quarters twice.
            let mut pairs = rows;
            for i in 0..8 {
                pairs[2 * i] = _mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]);
                pairs[2 * i + 1] = _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]);
            }
            let mut fours = pairs;
            for i in 0..4 {
                let four = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]]
                    .map(|v| _mm512_castps_pd(v));
                fours[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(four[0], four[2]));
                fours[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(four[0], four[2]));
                fours[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(four[1], four[3]));
                fours[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(four[1], four[3]));
            }
            // Quarter q of `fours[4 i + j]` holds column 4 q + j of rows 4 i .. 4 i + 4.
            for j in 0..4 {
                let (a, b, c, d) = (fours[j], fours[4 + j], fours[8 + j], fours[12 + j]);
                let ab_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b);
                let ab_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b);
                let cd_even = _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d);
                let cd_odd = _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d);
                let columns = [
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_even, cd_even),
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(ab_odd, cd_odd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(ab_even, cd_even),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(ab_odd, cd_odd),
                ];
                for (quarter, column) in columns.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * quarter + j) * to_stride), column);
                }
            }
        }
    }

    #[inline(always)]
    fn prefetch(self, address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
    }
}

impl Halves for Avx512<true> {
    type P = __m512bh;

    #[inline(always)]
    unsafe fn store_halves(self, to: *mut u16, value: __m512) {
        unsafe { to.cast::<__m256bh>().write_unaligned(_mm512_cvtneps_pbh(value)) }
    }

    #[inline(always)]
    unsafe fn store_pairs(self, to: *mut u16, first: __m512, second: __m512) {
        unsafe {
            let [first, second] = [first, second].map(|v| rounded(v));
            let pairs = _mm512_or_si512(first, _mm512_slli_epi32::<16>(second));
            _mm512_storeu_si512(to.cast(), pairs);
        }
    }

    #[inline(always)]
    unsafe fn store_pixel(self, to: *mut u16, first: __m512, second: __m512) {
        unsafe {
            // The second operand's numbers come first; then fours of both in turn, as `unpacklo` and `unpackhi` take them.
            let both: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(second, first));
            let order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
            _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi64(order, both));
        }
    }

    #[inline(always)]
    unsafe fn load_pairs(self, from: *const u16) -> __m512bh {
        unsafe { std::mem::transmute(_mm512_loadu_si512(from.cast())) }
    }

    #[inline(always)]
    unsafe fn splat_pair(self, from: *const u16) -> __m512bh {
        unsafe { std::mem::transmute(_mm512_set1_epi32(from.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    fn zip(self, a: __m512bh, b: __m512bh) -> [__m512bh; 2] {
        unsafe {
            let [a, b] = [a, b].map(|pairs| std::mem::transmute::<__m512bh, __m512i>(pairs));
            [_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)].map(|pairs| std::mem::transmute(pairs))
        }
    }

    #[inline(always)]
    fn dot(self, a: __m512bh, b: __m512bh, sum: __m512) -> __m512 {
        unsafe { _mm512_dpbf16_ps(sum, a, b) }
    }
}

/// Sixteen bf16 in the lower halves of the lanes.
#[inline(always)]
unsafe fn rounded(value: __m512) -> __m512i {
    unsafe { _mm512_cvtepu16_epi32(std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(value))) }
}
