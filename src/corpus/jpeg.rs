//! JPEG to gray.
//!
//! zune-jpeg is called directly rather than through `image`, for two reasons. Strict: `image` asks for leniency and
//! paints what is missing of a damaged file in flat gray, which would silently become training data. Fast: of a YCbCr
//! file only the Y channel is decoded, which is the BT.601 luma that every other format is converted to.

use image::{GrayImage, metadata::Orientation};
use zune_jpeg::{
    JpegDecoder,
    errors::DecodeErrors,
    zune_core::{
        bytestream::{ZByteIoError, ZCursor},
        colorspace::ColorSpace,
        options::DecoderOptions,
    },
};

use super::{
    decode_error::{DecodeError, check_size},
    gray,
    sniff::Format,
};

/// Decodes to gray; the orientation is not applied yet.
pub(super) fn decode(bytes: &[u8]) -> Result<(GrayImage, Orientation), DecodeError> {
    let options =
        DecoderOptions::default().set_strict_mode(true).set_max_width(usize::MAX).set_max_height(usize::MAX);
    if let Some(kind) = unread_frame(bytes) {
        return Err(DecodeError::Frame(kind));
    }
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(broken)?;
    let missing = || DecodeError::Broken { format: Format::Jpeg, reason: "no frame header".to_owned() };
    let info = decoder.info().ok_or_else(missing)?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let output = match decoder.input_colorspace().ok_or_else(missing)? {
        ColorSpace::Luma | ColorSpace::YCbCr => ColorSpace::Luma,
        ColorSpace::RGB | ColorSpace::CMYK | ColorSpace::YCCK => ColorSpace::RGB,
        other => {
            let reason = format!("colour space {other:?} is not supported");
            return Err(DecodeError::Broken { format: Format::Jpeg, reason });
        }
    };
    check_size(width, height, output.num_components())?;
    if !has_end_marker(bytes) {
        return Err(DecodeError::Truncated(Format::Jpeg));
    }
    let orientation = decoder
        .exif()
        .and_then(|exif| Orientation::from_exif_chunk(exif))
        .unwrap_or(Orientation::NoTransforms);
    decoder.set_options(options.jpeg_set_out_colorspace(output));
    let pixels = decoder.decode().map_err(broken)?;
    let pixels = if output == ColorSpace::Luma { pixels } else { gray::from_rgb8(&pixels) };
    let image = GrayImage::from_raw(width, height, pixels).ok_or_else(|| DecodeError::Broken {
        format: Format::Jpeg,
        reason: "fewer pixels than the header says".to_owned(),
    })?;
    Ok((image, orientation))
}

fn broken(error: DecodeErrors) -> DecodeError {
    let reason = match error {
        DecodeErrors::ExhaustedData | DecodeErrors::IoErrors(ZByteIoError::NotEnoughBytes(..)) => {
            return DecodeError::Truncated(Format::Jpeg);
        }
        DecodeErrors::Format(reason) => reason,
        DecodeErrors::FormatStatic(reason) => reason.to_owned(),
        error => format!("{error:?}"),
    };
    let reason = reason.trim_start_matches("[strict-mode]: ").trim_end_matches('.').replace('\n', " ");
    DecodeError::Broken { format: Format::Jpeg, reason }
}

/// What the first frame is, where it is of a kind that is not read (ITU-T T.81, table B.1). Medical archives have such files.
fn unread_frame(bytes: &[u8]) -> Option<&'static str> {
    let mut rest = bytes.get(2..)?;
    loop {
        let start = rest.iter().position(|&byte| byte == 0xff)?;
        let skip = rest[start..].iter().position(|&byte| byte != 0xff)?;
        let marker = rest[start + skip];
        rest = &rest[start + skip + 1..];
        match marker {
            0xc3 => return Some("lossless (frame SOF3)"),
            0xc5..=0xc7 => return Some("hierarchical (frames SOF5 to SOF7)"),
            0xc9 => return Some("arithmetically coded (frame SOF9)"),
            0xca => return Some("arithmetically coded (frame SOF10)"),
            0xcb => return Some("lossless and arithmetically coded (frame SOF11)"),
            0xcd..=0xcf => return Some("hierarchical and arithmetically coded (frames SOF13 to SOF15)"),
            0xf7 => return Some("a JPEG-LS"),
            // Two bytes of length, one of precision.
            0xc0..=0xc2 => {
                return (rest.get(2).is_some_and(|precision| *precision == 12))
                    .then_some("of 12 bits a sample");
            }
            // The pixels begin, or the image ends.
            0xda | 0xd9 => return None,
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = rest.first_chunk().copied().map(u16::from_be_bytes)?;
                rest = rest.get(usize::from(length)..)?;
            }
        }
    }
}

/// Whether the end-of-image marker is reached from the start, segment by segment (ITU-T T.81, annex B). A marker inside
/// a segment, such as that of an embedded thumbnail, does not count; nor does what follows the end.
fn has_end_marker(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    loop {
        // Between the segments of a scan lies entropy-coded data, in which 0xff is followed by 0 or a restart marker.
        let Some(start) = rest.iter().position(|&byte| byte == 0xff) else { return false };
        let Some(skip) = rest[start..].iter().position(|&byte| byte != 0xff) else { return false };
        let marker = rest[start + skip];
        rest = &rest[start + skip + 1..];
        match marker {
            0xd9 => return true,
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let &[high, low, ..] = rest else { return false };
                let Some(after) = rest.get(usize::from(u16::from_be_bytes([high, low]))..) else {
                    return false;
                };
                rest = after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_are_not_read_are_named() {
        let app = [0xff, 0xe0, 0, 4, 0xff, 0xc3];
        let file = |marker: u8, precision: u8| {
            let frame = [0xff, marker, 0, 11, precision, 0, 8, 0, 8, 1, 1, 0x11, 0];
            [&[0xff, 0xd8][..], &app, &[0xff], &frame].concat()
        };
        let message = |marker, precision| decode(&file(marker, precision)).unwrap_err().to_string();
        assert_eq!(
            message(0xc3, 16),
            "the JPEG is lossless (frame SOF3); convert it to a baseline JPEG or to PNG"
        );
        assert!(message(0xc9, 8).contains("arithmetically coded (frame SOF9)"));
        assert!(message(0xc1, 12).contains("12 bits a sample"));
        assert!(message(0xf7, 8).contains("JPEG-LS"));
        // What is read, what is none, and every length of it.
        for marker in [0xc0, 0xc1, 0xc2, 0xc4, 0xda, 0xd9] {
            assert_eq!(unread_frame(&file(marker, 8)), None, "{marker:x}");
        }
        let whole = file(0xc3, 8);
        // Cut off anywhere it is named, or not, without a panic.
        let named = (0..whole.len()).filter(|&len| unread_frame(&whole[..len]).is_some()).count();
        assert_eq!(named, whole.len() - 11);
    }

    #[test]
    fn the_end_is_found_by_walking_the_segments() {
        let soi = [0xff, 0xd8];
        let thumbnail = [0xff, 0xe1, 0, 6, 0xff, 0xd9, 0xff, 0xd9];
        let scan = [0xff, 0xda, 0, 2, 1, 2, 0xff, 0x00, 3, 0xff, 0xd0, 4];
        let end = [0xff, 0xff, 0xd9];
        assert!(has_end_marker(&[&soi[..], &thumbnail, &scan, &end].concat()));
        assert!(has_end_marker(&[&soi[..], &scan, &end, b"trailing"].concat()));
        let cut = [&soi[..], &thumbnail, &scan].concat();
        for len in 0..=cut.len() {
            assert!(!has_end_marker(&cut[..len]), "{len}");
        }
    }
}
