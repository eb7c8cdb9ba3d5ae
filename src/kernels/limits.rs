//! What this machine can do at most: multiplications and additions, and bytes from memory, in the same vectors as the
//! kernels and on as many threads. A kernel's share of it says how much there is left to gain.

#![expect(unsafe_code, reason = "loads and stores through pointers; slices are checked first")]

use std::hint::black_box;

use super::{
    buffer::Buffer,
    simd::{HalfKernel, Halves, InstructionSet, Kernel, LANES, Simd, dispatch, dispatch_halves, has_bf16},
    stopwatch::thread_seconds,
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

/// Measures them, in some seconds. As the stages of a step, in processor time: what a busy machine takes away from the
/// threads lowers neither.
#[must_use]
pub fn limits(set: InstructionSet, threads: usize) -> Limits {
    let flops = |operations: f64, run: &(dyn Fn() + Sync)| {
        operations * (CHAINS * ROUNDS * LANES) as f64 * best(vec![(); threads], |()| run())
    };
    let mut memory: Buffer<f32> = Buffer::zeros(WALKED / size_of::<f32>());
    memory.fill(1.0);
    let ranges = ranges(memory.len(), threads, LANES);
    let mut walk = |writes: bool| {
        let part = WALKED / threads * if writes { 2 } else { 1 };
        let parts = split(&mut memory, &ranges, 1);
        part as f64 * best(parts, |part| dispatch(set, Walk { part, writes }))
    };
    Limits {
        flops: flops(2.0, &|| dispatch(set, Multiply)),
        bf16_flops: (has_bf16() && set == InstructionSet::Avx512)
            .then(|| flops(4.0, &|| dispatch_halves(set, Multiply))),
        bytes: walk(false).max(walk(true)),
    }
}

/// Runs `work` on every part, each on a thread of its own, and answers how often a second all of them together could be done:
/// the sum over the threads, the best of some goes.
fn best<T: Send>(mut parts: Vec<T>, work: impl Fn(&mut T) + Sync) -> f64 {
    let go = |_| {
        let mut rates = vec![0.0; parts.len()];
        let pairs: Vec<(&mut T, &mut f64)> = parts.iter_mut().zip(&mut rates).collect();
        let mut workers = vec![(); pairs.len()];
        share(pairs, &mut workers, |(part, rate), ()| {
            let begun = thread_seconds();
            work(part);
            *rate = (thread_seconds() - begun).recip();
        });
        rates.iter().sum::<f64>()
    };
    (0..REPEATS).map(go).fold(0.0, f64::max)
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
