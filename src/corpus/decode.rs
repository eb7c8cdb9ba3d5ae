//! The bytes of an image file to 8-bit gray, upright.
//!
//! JPEG, PNG and WebP of every colour type and bit depth, by content and not by name; of an animation the first frame.
//! The size is checked from the header, before anything of that size is allocated. Called by `prepare`.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    metadata::Orientation,
};
use thiserror::Error;

use super::{
    gray, jpeg,
    sniff::{Content, Format, sniff},
};

/// Most pixels an image may have: seven times the largest flat-panel detectors.
pub const MAX_PIXELS: u64 = 200_000_000;

/// Most bytes one decoded image may take before it is gray.
const MAX_BYTES: u64 = 1 << 30;

/// An upright gray image and what its file said.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// 0 black to 255 white; width and height are those of the upright image.
    pub image: GrayImage,
    /// The format that the content had.
    pub format: Format,
}

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
    /// The decoder gave up.
    #[error("the {format} is damaged: {reason}")]
    Broken {
        /// The format.
        format: Format,
        /// The decoder's words.
        reason: String,
    },
}

/// Decodes an image file.
///
/// # Errors
/// [`DecodeError`]; also where the decoder panics, which damaged files have made decoders do.
pub fn decode(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let format = match sniff(bytes) {
        Content::Image(format) => format,
        Content::Other(name) => return Err(DecodeError::Other(name)),
        Content::Unknown => return Err(DecodeError::Unknown),
    };
    let decoded = catch_unwind(AssertUnwindSafe(|| match format {
        Format::Jpeg => jpeg::decode(bytes),
        Format::Png => with_image(bytes, format, ImageFormat::Png),
        Format::WebP => with_image(bytes, format, ImageFormat::WebP),
    }));
    let (image, orientation) = decoded
        .unwrap_or_else(|_| Err(DecodeError::Broken { format, reason: "the decoder panicked".to_owned() }))?;
    Ok(Decoded { image: upright(image, orientation), format })
}

/// Refuses sizes over the limits.
pub(super) fn check_size(width: u32, height: u32, bytes_per_pixel: usize) -> Result<(), DecodeError> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || pixels * bytes_per_pixel as u64 > MAX_BYTES {
        return Err(DecodeError::TooLarge { width, height });
    }
    Ok(())
}

fn with_image(
    bytes: &[u8],
    format: Format,
    image_format: ImageFormat,
) -> Result<(GrayImage, Orientation), DecodeError> {
    let broken = |error: ImageError| match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            DecodeError::Truncated(format)
        }
        // The crate's outer message repeats the format; the inner one says what is wrong.
        ImageError::Decoding(ref error) => {
            let inner =
                std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
            DecodeError::Broken { format, reason: inner.trim_end_matches('.').to_owned() }
        }
        error => DecodeError::Broken { format, reason: error.to_string().trim_end_matches('.').to_owned() },
    };
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), image_format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, usize::from(decoder.color_type().bytes_per_pixel()))?;
    let orientation = decoder.orientation().map_err(broken)?;
    let image = DynamicImage::from_decoder(decoder).map_err(broken)?;
    let image = gray::from_dynamic(image)
        .and_then(|pixels| GrayImage::from_raw(width, height, pixels))
        .ok_or_else(|| DecodeError::Broken { format, reason: "unknown colour type".to_owned() })?;
    Ok((image, orientation))
}

fn upright(image: GrayImage, orientation: Orientation) -> GrayImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageLuma8(image);
    image.apply_orientation(orientation);
    image.into_luma8()
}
