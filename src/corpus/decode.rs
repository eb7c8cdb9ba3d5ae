//! The bytes of an image file to 8-bit gray, upright.
//!
//! JPEG, PNG and WebP of every colour type and bit depth, by content and not by name; of an animation the first frame.
//! The size is checked from the header, before anything of that size is allocated. Called by `prepare` and, for single files,
//! by `predict`.

use std::{
    fs,
    io::{self, Cursor},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use image::{
    DynamicImage, GrayImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    metadata::Orientation,
};

use super::{
    decode_error::{DecodeError, MAX_BYTES, check_size},
    gray, jpeg,
    sniff::{Content, Format, sniff},
};

/// Longest file that is read as an image, bytes.
const MAX_FILE: u64 = 1 << 30;

/// An upright gray image and what its file said.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// 0 black to 255 white; width and height are those of the upright image.
    pub image: GrayImage,
    /// The format that the content had.
    pub format: Format,
    /// The largest value of a file of 16 bits a sample, alpha apart.
    pub wide: Option<u16>,
}

/// Reads and decodes an image file; the bytes of the file come with the image.
///
/// # Errors
/// One line that says why it is none: too long, unreadable, or as [`DecodeError`].
pub fn read_image(path: &Path) -> Result<(Vec<u8>, Decoded), String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let len = fs::metadata(path).map_err(unreadable)?.len();
    if len > MAX_FILE {
        return Err(format!("{len} bytes are more than an image file of 1 GiB"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let decoded = decode(&bytes).map_err(|error| error.to_string())?;
    Ok((bytes, decoded))
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
        Format::Jpeg => jpeg::decode(bytes).map(|(image, orientation)| (image, orientation, None)),
        Format::Png => with_image(bytes, format, ImageFormat::Png),
        Format::WebP => with_image(bytes, format, ImageFormat::WebP),
    }));
    let (image, orientation, wide) = decoded
        .unwrap_or_else(|_| Err(DecodeError::Broken { format, reason: "the decoder panicked".to_owned() }))?;
    Ok(Decoded { image: upright(image, orientation), format, wide })
}

fn with_image(
    bytes: &[u8],
    format: Format,
    image_format: ImageFormat,
) -> Result<(GrayImage, Orientation, Option<u16>), DecodeError> {
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
    let wide = gray::largest_wide(&image);
    let image = gray::from_dynamic(image)
        .and_then(|pixels| GrayImage::from_raw(width, height, pixels))
        .ok_or_else(|| DecodeError::Broken { format, reason: "unknown colour type".to_owned() })?;
    Ok((image, orientation, wide))
}

fn upright(image: GrayImage, orientation: Orientation) -> GrayImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::ImageLuma8(image);
    image.apply_orientation(orientation);
    image.into_luma8()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fixtures() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
    }

    /// Every fixture against what Pillow and OpenCV say (scripts/make_image_fixtures.py): exact where the format is
    /// lossless, within the rounding of inverse transforms where it is not.
    #[test]
    fn all_kinds_of_files_become_the_right_gray() {
        let mut seen = 0;
        for entry in fs::read_dir(fixtures()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let Some(image) = name.strip_suffix(".gray") else { continue };
            let expected = fs::read(&path).unwrap();
            let side = |at: usize| u32::from(u16::from_le_bytes([expected[at], expected[at + 1]]));
            let decoded = decode(&fs::read(fixtures().join(image)).unwrap()).unwrap();
            assert_eq!(decoded.image.dimensions(), (side(0), side(2)), "{image}");
            let apart = |(a, b): (&u8, &u8)| a.abs_diff(*b);
            let worst = decoded.image.as_raw().iter().zip(&expected[4..]).map(apart).max().unwrap();
            let allowed = match image {
                "color.webp" | "rgb.jpg" | "cmyk.jpg" => 3,
                jpeg if jpeg.ends_with(".jpg") => 1,
                _ => 0,
            };
            assert!(worst <= allowed, "{image}: {worst} gray levels apart");
            seen += 1;
        }
        assert_eq!(seen, 26);
    }

    #[test]
    fn formats_come_from_the_content() {
        let format = |name: &str| decode(&fs::read(fixtures().join(name)).unwrap()).unwrap().format;
        assert_eq!(format("gray.jpg"), Format::Jpeg);
        assert_eq!(format("rgba.webp"), Format::WebP);
        let error = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
        assert!(error(b"GIF89a").contains("GIF"));
        assert!(error(b"").contains("empty"));
        assert!(error(b"\0\x01\x02").contains("no known image"));
    }

    /// At every place: nothing is painted over, nothing panics.
    #[test]
    fn cut_off_files_are_refused() {
        for name in ["gray.jpg", "color_420.jpg", "progressive.jpg", "restarts.jpg", "rgb.png", "rgba.webp"] {
            let bytes = fs::read(fixtures().join(name)).unwrap();
            // The last bytes of some formats say nothing: the end chunk of a PNG with a checksum, the padding of a WebP.
            let whole = bytes.len()
                - match name.rsplit('.').next() {
                    Some("png") => 16,
                    Some("webp") => 1,
                    _ => 0,
                };
            for len in (0..whole).step_by(7).chain([whole - 1]) {
                assert!(decode(&bytes[..len]).is_err(), "{name} cut to {len} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn damaged_files_never_panic() {
        for name in ["color_420.jpg", "progressive.jpg", "palette.png", "rgba.webp", "color.webp", "cmyk.jpg"]
        {
            let bytes = fs::read(fixtures().join(name)).unwrap();
            for at in (0..bytes.len()).step_by(3) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0xff;
                let _ = decode(&damaged);
            }
        }
    }

    #[test]
    fn bombs_are_refused_by_their_header() {
        let mut jpeg = fs::read(fixtures().join("gray.jpg")).unwrap();
        let frame = jpeg.windows(2).position(|bytes| bytes == [0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        assert_eq!(decode(&jpeg).unwrap_err(), DecodeError::TooLarge { width: 65535, height: 65535 });

        // A PNG of 60,000 x 60,000 black pixels that begins well: only the header is looked at.
        let mut png = fs::read(fixtures().join("gray.png")).unwrap();
        png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        let error = decode(&png).unwrap_err();
        assert_eq!(error, DecodeError::TooLarge { width: 60_000, height: 60_000 });
        assert!(error.to_string().contains("200 million"), "{error}");
        assert!(check_size(15_000, 13_000, 1).is_ok());
        assert!(check_size(15_000, 13_000, 8).is_err());
    }

    /// CRC-32 of PNG, bit by bit.
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(
                crc ^ u32::from(byte),
                |crc, _| {
                    if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
                },
            )
        })
    }
}
