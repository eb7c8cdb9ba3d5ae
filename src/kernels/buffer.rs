//! Memory that is asked for once and kept: zeroed, aligned to cache lines, and on large pages where the system has them.
//!
//! A vector is one cache line: where buffers begin anywhere else, every load touches two. And a dense layer of the paper's
//! grid has 800 MB of weights: on pages of 4 KiB, walking through it costs an address translation every 64 vectors; on
//! pages of 2 MiB that disappears.

use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;
/// Buffers below this gain nothing from a larger page.
const LARGE: usize = 4 << 20;

/// Numbers from the start of a cache line on. It never grows, so that they stay there.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    /// A line longer than needed.
    memory: Vec<T>,
    /// Elements before the first line.
    start: usize,
    len: usize,
}

impl<T: Copy + Default> Buffer<T> {
    /// `n` zeros.
    pub(super) fn zeros(n: usize) -> Self {
        #[cfg(test)]
        tests::count(n * size_of::<T>());
        // Fresh from the system, where it comes from there: untouched memory is not there yet.
        let memory = vec![T::default(); n + LINE / size_of::<T>()];
        advise(&memory);
        let start = memory.as_ptr().align_offset(LINE).min(LINE / size_of::<T>());
        Self { memory, start, len: n }
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.memory[self.start..self.start + self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.memory[self.start..self.start + self.len]
    }
}

/// A small array on the stack, from the start of a cache line on.
#[repr(align(64))]
pub(super) struct Aligned<T>(pub(super) T);

/// Asks for large pages, before the first write. A refusal costs speed and nothing else.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "madvise, on memory of our own")]
fn advise<T>(buffer: &[T]) {
    let bytes = std::mem::size_of_val(buffer);
    if bytes < LARGE {
        return;
    }
    const PAGE: usize = 4096;
    let start = (buffer.as_ptr() as usize).next_multiple_of(PAGE);
    let end = (buffer.as_ptr() as usize + bytes) / PAGE * PAGE;
    // SAFETY: whole pages inside the buffer; this advice leaves their contents as they are.
    unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise<T>(_buffer: &[T]) {}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static BYTES: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count(bytes: usize) {
        BYTES.set(BYTES.get() + bytes);
    }

    /// What `make` makes, and the bytes of the buffers that it made on this thread.
    pub(in crate::kernels) fn counted<T>(make: impl FnOnce() -> T) -> (T, u64) {
        let before = BYTES.get();
        let made = make();
        (made, (BYTES.get() - before) as u64)
    }

    #[test]
    fn buffers_are_zero_and_begin_with_a_cache_line() {
        for n in [0, 1, 16, 1000, LARGE] {
            let mut floats = Buffer::<f32>::zeros(n);
            assert_eq!((floats.len(), floats.as_ptr() as usize % LINE), (n, 0));
            assert!(floats.iter().all(|value| *value == 0.0));
            floats.fill(1.0);
            let bytes = Buffer::<u8>::zeros(n);
            assert_eq!((bytes.len(), bytes.as_ptr() as usize % LINE), (n, 0));
        }
    }
}
