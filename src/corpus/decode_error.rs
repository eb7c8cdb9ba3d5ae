//! Why a file is not taken as an image, and the sizes that are refused. Of every decoder.

use thiserror::Error;

use super::sniff::Format;

/// Most pixels an image may have: seven times the largest flat-panel detectors.
pub const MAX_PIXELS: u64 = 200_000_000;

/// Most bytes one decoded image may take before it is gray.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// Why a file is not taken as an image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Another kind of file.
    #[error("the content is {0}; JPEG, PNG and WebP are read")]
    Other(&'static str),
    /// No known kind of file.
    #[error("the content is no known image; JPEG, PNG and WebP are read")]
    Unknown,
    /// A decompression bomb, or an image that is no radiograph.
    #[error("{width} x {height} pixels are more than is read ({} million pixels, 1 GiB decoded)", MAX_PIXELS / 1_000_000)]
    TooLarge {
        /// Pixels in a row.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// The file ends before the image does.
    #[error("the {0} is cut off")]
    Truncated(Format),
    /// A JPEG of a kind that no decoder here reads.
    #[error("the JPEG is {0}; convert it to a baseline JPEG or to PNG")]
    Frame(&'static str),
    /// The decoder gave up.
    #[error("the {format} is damaged: {reason}")]
    Broken {
        /// The format.
        format: Format,
        /// The decoder's words.
        reason: String,
    },
}

/// Refuses sizes over the limits.
pub(super) fn check_size(width: u32, height: u32, bytes_per_pixel: usize) -> Result<(), DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || pixels * bytes_per_pixel as u64 > MAX_BYTES {
        return Err(DecodeError::TooLarge { width, height });
    }
    Ok(())
}
