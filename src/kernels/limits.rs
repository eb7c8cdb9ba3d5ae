//! What this machine can do at most: multiplications and additions, and bytes from memory, in the same vectors as the
//! kernels and on as many threads. A kernel's share of it says how much there is left to gain.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use std::{hint::black_box, time::Instant};

use super::{
    buffer::Buffer,
    simd::{HalfKernel, Halves, InstructionSet, Kernel, LANES, Simd, dispatch, dispatch_halves, has_bf16},
    threads::{ranges, share, split},
};

/// The limits of some threads together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Floating point operations a second, f32: two for each lane of a fused multiplication and addition.
    pub flops: f64,
    /// The same with bf16 multiplicands, where the processor has them.
    pub bf16_flops: Option<f64>,
    /// Bytes a second that are read from memory, or read and written, whichever is more.
    pub bytes: f64,
}

/// Independent sums: enough to hide the latency of an operation.
const CHAINS: usize = 12;
/// Rounds of the chains.
const ROUNDS: usize = 4_000_000;
/// Bytes of the memory that is walked through: far more than any cache.
const WALKED: usize = 512 << 20;
/// Measurements; the best counts.
const REPEATS: usize = 3;

/// Measures them, in some seconds.
#[must_use]
pub fn limits(set: InstructionSet, threads: usize) -> Limits {
    let flops = |operations: f64, run: &(dyn Fn() + Sync)| {
        let seconds = best(|| share(vec![(); threads], &mut vec![(); threads], |(), ()| run()));
        operations * (threads * CHAINS * ROUNDS * LANES) as f64 / seconds
    };
    let mut memory: Buffer<f32> = Buffer::zeros(WALKED / size_of::<f32>());
    memory.fill(1.0);
    let mut walk = |writes: bool| {
        let seconds = best(|| {
            let ranges = ranges(memory.len(), threads, LANES);
            let parts = split(&mut memory, &ranges, 1);
            share(parts, &mut vec![(); threads], |part, ()| dispatch(set, Walk { part, writes }));
        });
        (WALKED * if writes { 2 } else { 1 }) as f64 / seconds
    };
    Limits {
        flops: flops(2.0, &|| dispatch(set, Multiply)),
        bf16_flops: (has_bf16() && set == InstructionSet::Avx512)
            .then(|| flops(4.0, &|| dispatch_halves(set, Multiply))),
        bytes: walk(false).max(walk(true)),
    }
}

/// Seconds of the fastest run.
fn best(mut run: impl FnMut()) -> f64 {
    let seconds = (0..REPEATS).map(|_| {
        let begun = Instant::now();
        run();
        begun.elapsed().as_secs_f64()
    });
    seconds.fold(f64::INFINITY, f64::min)
}

struct Multiply;

impl Kernel for Multiply {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (a, b) = (s.splat(black_box(0.5)), s.splat(black_box(0.25)));
        let mut sums = [s.splat(black_box(1.0)); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = s.fma(*sum, a, b);
            }
        }
        black_box(sums.iter().map(|sum| s.sum(*sum)).sum::<f32>());
    }
}

impl HalfKernel for Multiply {
    #[inline(always)]
    fn run_halves<S: Halves>(self, s: S) {
        let pair = black_box([0u16; 2]);
        // SAFETY: two numbers are there.
        let a = unsafe { s.splat_pair(pair.as_ptr()) };
        let mut sums = [s.splat(black_box(1.0)); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = s.dot(a, a, *sum);
            }
        }
        black_box(sums.iter().map(|sum| s.sum(*sum)).sum::<f32>());
    }
}

struct Walk<'a> {
    part: &'a mut [f32],
    writes: bool,
}

impl Kernel for Walk<'_> {
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { part, writes } = self;
        let mut sums = [s.splat(0.0); 4];
        for four in part.chunks_exact_mut(4 * LANES) {
            for (at, sum) in sums.iter_mut().enumerate() {
                // SAFETY: four vectors are there.
                unsafe {
                    let place = four.as_mut_ptr().add(at * LANES);
                    let value = s.load(place);
                    if writes {
                        s.store(place, s.add(value, *sum));
                    } else {
                        *sum = s.add(*sum, value);
                    }
                }
            }
        }
        black_box(sums.iter().map(|sum| s.sum(*sum)).sum::<f32>());
    }
}
