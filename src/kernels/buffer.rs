//! Memory that is asked for once and kept: zeroed, and on large pages where the system has them.
//!
//! A dense layer of the paper's grid has 800 MB of weights. On pages of 4 KiB, walking through it costs an address
//! translation every 64 vectors; on pages of 2 MiB that disappears.

/// Buffers below this gain nothing from a larger page.
const LARGE: usize = 4 << 20;

/// `n` zeros.
pub(super) fn zeros(n: usize) -> Vec<f32> {
    let buffer = vec![0.0f32; n];
    advise(&buffer);
    buffer
}

/// `n` zero bytes.
pub(super) fn bytes(n: usize) -> Vec<u8> {
    let buffer = vec![0u8; n];
    advise(&buffer);
    buffer
}

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
