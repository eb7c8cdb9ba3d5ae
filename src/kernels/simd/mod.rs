//! Vectors of sixteen floats on three instruction sets, and the choice between them at run time.
//!
//! A kernel is written once, generic over [`Simd`], and compiled three times: for AVX-512 (a vector is one register), for
//! AVX2 with FMA (two registers) and for anything else (an array). [`dispatch`] enters the copy that fits, inside a
//! function that has the instructions enabled; everything below it must be `#[inline(always)]` to be compiled with them.
//!
//! Sixteen is the unit of every layout of this folder, whatever the instruction set, so that buffers mean the same on all.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod halves;
mod portable;

pub use halves::has_bf16;
pub(super) use halves::{HalfKernel, Halves};
#[cfg(test)]
pub(super) use halves::{round, widen};

/// Floats in a vector.
pub(super) const LANES: usize = 16;

/// A number of channels or features, rounded up to whole vectors.
pub(super) const fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// The array of `f(0)`, `f(1)`, ... As [`std::array::from_fn`], but sure to be compiled into its caller and so with the
/// caller's instructions; closures for it are `#[inline(always)]` too.
#[inline(always)]
pub(super) fn each<T: Copy, const N: usize>(f: impl Fn(usize) -> T) -> [T; N] {
    let mut values = [f(0); N];
    for (at, value) in values.iter_mut().enumerate().skip(1) {
        *value = f(at);
    }
    values
}

/// Which position of a pooling window won: 0, 1 above, 2, 3 below; or [`NONE`].
pub(super) const NONE: u8 = 4;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// AVX-512 F, BW, DQ and VL: sixteen floats a register, 32 registers.
    Avx512,
    /// AVX2 and FMA: eight floats a register, 16 registers.
    Avx2,
    /// What the compiler makes of plain Rust.
    Portable,
}

impl InstructionSet {
    /// The best that this processor has.
    #[must_use]
    pub fn best() -> Self {
        [Self::Avx512, Self::Avx2].into_iter().find(|set| set.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            match self {
                Self::Avx512 => {
                    is_x86_feature_detected!("avx512f")
                        && is_x86_feature_detected!("avx512bw")
                        && is_x86_feature_detected!("avx512dq")
                        && is_x86_feature_detected!("avx512vl")
                        && Self::Avx2.is_available()
                }
                Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
                Self::Portable => true,
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            self == Self::Portable
        }
    }

    /// Its name, for logs and benchmarks.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

/// Work that is compiled for every instruction set.
pub(super) trait Kernel {
    /// Does it. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S);
}

/// Runs `kernel` with the instructions of `set`, or portably where the processor lacks them.
#[expect(unsafe_code, reason = "entering code with other instructions enabled")]
pub(super) fn dispatch(set: InstructionSet, kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    if set.is_available() {
        match set {
            // SAFETY: the processor has the instructions: asked just above.
            InstructionSet::Avx512 => return unsafe { avx512::enter(kernel) },
            // SAFETY: as above.
            InstructionSet::Avx2 => return unsafe { avx2::enter(kernel) },
            InstructionSet::Portable => {}
        }
    }
    kernel.run(portable::Portable);
}

/// Runs `kernel` with AVX-512 BF16 if that is the set and the processor has it, or emulated.
#[expect(unsafe_code, reason = "entering code with other instructions enabled")]
pub(super) fn dispatch_halves(set: InstructionSet, kernel: impl HalfKernel) {
    #[cfg(target_arch = "x86_64")]
    if set == InstructionSet::Avx512 && has_bf16() {
        // SAFETY: the processor has the instructions: asked just above.
        return unsafe { avx512::enter_halves(kernel) };
    }
    kernel.run_halves(portable::Portable);
}

/// Operations on vectors of sixteen floats (`V`) and of sixteen small integers (`I`).
///
/// A value of an implementing type is the proof that the processor has the instructions, so that arithmetic is safe;
/// only what takes a pointer is not.
pub(super) trait Simd: Copy {
    /// Sixteen floats.
    type V: Copy;
    /// Sixteen winners of pooling windows.
    type I: Copy;
    /// Whether some thirty vectors fit in registers; else about seven.
    const WIDE: bool;

    /// All lanes the same.
    fn splat(self, value: f32) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`, rounded once where the processor can.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `value` where `sign` is over zero, else 0.
    fn where_positive(self, sign: Self::V, value: Self::V) -> Self::V;
    /// `m / (sqrt(v) + epsilon)` for `v >= 0`, within a few units in the last place where sqrt(v) matters beside
    /// an epsilon of 1e-7.
    fn adam_ratio(self, m: Self::V, v: Self::V, epsilon: f32) -> Self::V;
    /// The sum of the lanes, always in the same order.
    fn sum(self, v: Self::V) -> f32;

    /// Largest of four, cut off at zero, and which one it was: the first of equals, [`NONE`] where it is not over zero.
    fn pool(self, four: [Self::V; 4]) -> (Self::V, Self::I);
    /// `value` where the winner is `which`, else 0.
    fn where_winner(self, winner: Self::I, which: u8, value: Self::V) -> Self::V;
    /// `value` where there is a winner, else 0.
    fn where_any(self, winner: Self::I, value: Self::V) -> Self::V;
    /// Of a 4 x 4 patch (row by row in one vector), the pixel that tap `(row, column)` of a 3 x 3 kernel sees when it
    /// stands on the winner; anything where there is none.
    fn pick(self, patch: Self::V, winner: Self::I, row: usize, column: usize) -> Self::V;

    /// Sixteen floats from memory.
    ///
    /// # Safety
    /// They are readable.
    #[expect(unsafe_code, reason = "reads from a pointer")]
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Sixteen floats to memory.
    ///
    /// # Safety
    /// They are writable.
    #[expect(unsafe_code, reason = "writes to a pointer")]
    unsafe fn store(self, to: *mut f32, value: Self::V);
    /// Sixteen winners, a byte each.
    ///
    /// # Safety
    /// They are readable.
    #[expect(unsafe_code, reason = "reads from a pointer")]
    unsafe fn load_winners(self, from: *const u8) -> Self::I;
    /// Sixteen winners, a byte each.
    ///
    /// # Safety
    /// They are writable.
    #[expect(unsafe_code, reason = "writes to a pointer")]
    unsafe fn store_winners(self, to: *mut u8, winners: Self::I);
    /// Four floats from each of four rows that lie `stride` apart.
    ///
    /// # Safety
    /// They are readable.
    #[expect(unsafe_code, reason = "reads from a pointer")]
    unsafe fn load_patch(self, from: *const f32, stride: usize) -> Self::V;
    /// The transpose of sixteen rows of sixteen.
    ///
    /// # Safety
    /// Sixteen floats are readable at each of 16 rows `from_stride` apart, and writable likewise.
    #[expect(unsafe_code, reason = "reads from and writes to pointers")]
    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for row in 0..LANES {
            for column in 0..LANES {
                // SAFETY: the caller's promise.
                unsafe { *to.add(column * to_stride + row) = *from.add(row * from_stride + column) };
            }
        }
    }
    /// Tells the processor that an address is read soon.
    fn prefetch(self, address: *const f32);
}

#[cfg(test)]
pub(super) mod tests;
