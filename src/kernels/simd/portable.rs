//! Vectors as arrays: correct everywhere, as fast as the compiler makes it.

#![expect(unsafe_code, reason = "loads and stores through pointers, as the trait has them")]

use super::{LANES, NONE, Simd, each};

/// Needs no instructions.
#[derive(Clone, Copy)]
pub(super) struct Portable;

type V = [f32; LANES];
type I = [u8; LANES];

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    each(
        #[inline(always)]
        |lane| f(a[lane], b[lane]),
    )
}

impl Simd for Portable {
    type V = V;
    type I = I;
    const WIDE: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> V {
        [value; LANES]
    }

    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        zip(
            a,
            b,
            #[inline(always)]
            |a, b| a + b,
        )
    }

    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        zip(
            a,
            b,
            #[inline(always)]
            |a, b| a - b,
        )
    }

    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        zip(
            a,
            b,
            #[inline(always)]
            |a, b| a * b,
        )
    }

    // `f32::mul_add` is a call of a function where there is no such instruction.
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        each(
            #[inline(always)]
            |lane| a[lane] * b[lane] + c[lane],
        )
    }

    #[inline(always)]
    fn fnma(self, a: V, b: V, c: V) -> V {
        each(
            #[inline(always)]
            |lane| c[lane] - a[lane] * b[lane],
        )
    }

    #[inline(always)]
    fn where_positive(self, sign: V, value: V) -> V {
        zip(
            sign,
            value,
            #[inline(always)]
            |sign, value| if sign > 0.0 { value } else { 0.0 },
        )
    }

    #[inline(always)]
    fn adam_ratio(self, m: V, v: V, epsilon: f32) -> V {
        zip(
            m,
            v,
            #[inline(always)]
            |m, v| m / (v.sqrt() + epsilon),
        )
    }

    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        let eight: [f32; 8] = each(
            #[inline(always)]
            |lane| v[lane] + v[lane + 8],
        );
        let four: [f32; 4] = each(
            #[inline(always)]
            |lane| eight[lane] + eight[lane + 4],
        );
        (four[0] + four[2]) + (four[1] + four[3])
    }

    #[inline(always)]
    fn pool(self, four: [V; 4]) -> (V, I) {
        let (mut values, mut winners) = ([0.0; LANES], [0; LANES]);
        for lane in 0..LANES {
            let (mut best, mut winner) = (four[0][lane], 0);
            for (which, values) in (0..).zip(&four).skip(1) {
                if values[lane] > best {
                    (best, winner) = (values[lane], which);
                }
            }
            winners[lane] = if best > 0.0 { winner } else { NONE };
            // Not `max`: what is no number stays so.
            values[lane] = if best < 0.0 { 0.0 } else { best };
        }
        (values, winners)
    }

    #[inline(always)]
    fn where_winner(self, winner: I, which: u8, value: V) -> V {
        each(
            #[inline(always)]
            |lane| if winner[lane] == which { value[lane] } else { 0.0 },
        )
    }

    #[inline(always)]
    fn where_any(self, winner: I, value: V) -> V {
        each(
            #[inline(always)]
            |lane| if winner[lane] == NONE { 0.0 } else { value[lane] },
        )
    }

    #[inline(always)]
    fn pick(self, patch: V, winner: I, row: usize, column: usize) -> V {
        each(
            #[inline(always)]
            |lane| {
                let winner = usize::from(winner[lane]);
                patch[((winner >> 1) * 4 + (winner & 1) + row * 4 + column) % LANES]
            },
        )
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> V {
        // SAFETY: the caller's promise; an array of floats has their alignment.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: V) {
        // SAFETY: as above.
        unsafe { *to.cast() = value };
    }

    #[inline(always)]
    unsafe fn load_winners(self, from: *const u8) -> I {
        // SAFETY: as above.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn store_winners(self, to: *mut u8, winners: I) {
        // SAFETY: as above.
        unsafe { *to.cast() = winners };
    }

    #[inline(always)]
    unsafe fn load_patch(self, from: *const f32, stride: usize) -> V {
        // SAFETY: four floats in each of four rows, as promised.
        each(
            #[inline(always)]
            |at| unsafe { *from.add(at / 4 * stride + at % 4) },
        )
    }

    #[inline(always)]
    fn prefetch(self, _address: *const f32) {}
}
