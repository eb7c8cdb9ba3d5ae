//! What a file is, by its first bytes: names lie about formats, so they are never asked.
//!
//! Called by `decode`. Knows more formats than can be decoded, so that an error can name what was found.

use std::fmt;

/// An image format that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JPEG: baseline and progressive, gray, colour and CMYK.
    Jpeg,
    /// PNG of any colour type and bit depth.
    Png,
    /// WebP, lossy and lossless.
    WebP,
}

impl Format {
    /// The word of `index.csv`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::WebP => "webp",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::WebP => "WebP",
        })
    }
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// An image that is decoded.
    Image(Format),
    /// A known thing that is not decoded: its name.
    Other(&'static str),
    /// Nothing known.
    Unknown,
}

/// First bytes and what they mean; `?` matches any byte.
const SIGNATURES: &[(&[u8], Content)] = &[
    (b"\xff\xd8\xff", Content::Image(Format::Jpeg)),
    (b"\x89PNG\r\n\x1a\n", Content::Image(Format::Png)),
    (b"RIFF????WEBP", Content::Image(Format::WebP)),
    (b"GIF8", Content::Other("GIF")),
    (b"II*\0", Content::Other("TIFF")),
    (b"MM\0*", Content::Other("TIFF")),
    (b"II+\0", Content::Other("BigTIFF")),
    (b"MM\0+", Content::Other("BigTIFF")),
    (b"????ftypavi", Content::Other("AVIF")),
    (b"????ftyphe", Content::Other("HEIC")),
    (b"????ftypmif1", Content::Other("HEIF")),
    (b"????ftypmsf1", Content::Other("HEIF")),
    (b"????ftyp", Content::Other("an MP4 video")),
    (b"\0\0\0\x0cjP  ", Content::Other("JPEG 2000")),
    (b"\xff\x4f\xff\x51", Content::Other("JPEG 2000")),
    (b"\0\0\0\x0cJXL ", Content::Other("JPEG XL")),
    (b"\xff\x0a", Content::Other("JPEG XL")),
    (b"\0\0\x01\0", Content::Other("an icon (ICO)")),
    (b"8BPS", Content::Other("Photoshop (PSD)")),
    (b"\x76\x2f\x31\x01", Content::Other("OpenEXR")),
    (b"DDS ", Content::Other("DDS")),
    (b"qoif", Content::Other("QOI")),
    (b"NRRD", Content::Other("NRRD")),
    (b"\x93NUMPY", Content::Other("a NumPy array")),
    (b"\x89HDF", Content::Other("HDF5")),
    (b"%PDF", Content::Other("PDF")),
    (b"PK\x03\x04", Content::Other("a ZIP archive")),
    (b"\x1f\x8b", Content::Other("gzip data")),
    (b"version https://git-lfs", Content::Other("a Git LFS pointer, not the file itself")),
];

/// What the content is.
pub(super) fn sniff(bytes: &[u8]) -> Content {
    if bytes.is_empty() {
        return Content::Other("an empty file");
    }
    // DICOM has a free preamble of 128 bytes, which may look like a TIFF; so it is asked first.
    if bytes.get(128..132) == Some(b"DICM") {
        return Content::Other("DICOM");
    }
    for (signature, content) in SIGNATURES {
        let matches = |(byte, expected): (&u8, &u8)| *expected == b'?' || byte == expected;
        if bytes.len() >= signature.len() && bytes.iter().zip(*signature).all(matches) {
            return *content;
        }
    }
    match bytes {
        // A bitmap says its own length, so that text that starts with "BM" is not taken for one.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => return Content::Other("BMP"),
        [b'P', b'1'..=b'7', b'\n' | b' ' | b'\r' | b'\t', ..] => return Content::Other("PNM"),
        _ => {}
    }
    text(bytes).map_or(Content::Unknown, Content::Other)
}

/// The kind of text, where the content is text.
fn text(bytes: &[u8]) -> Option<&'static str> {
    let start = &bytes[..bytes.len().min(512)];
    if start.iter().any(|&byte| byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c)) {
        return None;
    }
    // The window may cut a character in two.
    if std::str::from_utf8(start).is_err_and(|error| error.error_len().is_some()) {
        return None;
    }
    let lower = String::from_utf8_lossy(start).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    Some(if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        "an HTML page"
    } else if lower.contains("<svg") {
        "SVG"
    } else {
        "text"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_told_apart() {
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM\x02\0");
        let check = |bytes: &[u8], expected| assert_eq!(sniff(bytes), expected, "{bytes:?}");
        check(b"\xff\xd8\xff\xe0\0\x10JFIF", Content::Image(Format::Jpeg));
        check(b"\x89PNG\r\n\x1a\n\0\0\0\x0d", Content::Image(Format::Png));
        check(b"RIFF\x24\0\0\0WEBPVP8 ", Content::Image(Format::WebP));
        check(b"RIFF\x24\0\0\0WAVEfmt ", Content::Unknown);
        check(b"GIF89a\x01\0", Content::Other("GIF"));
        check(b"BM\x36\x04\0\0\0\0\0\0", Content::Other("BMP"));
        check(b"BMI of the patients", Content::Other("text"));
        check(b"MM\0*\0\0\0\x08", Content::Other("TIFF"));
        check(b"\0\0\0\x18ftypheic\0\0", Content::Other("HEIC"));
        check(&dicom, Content::Other("DICOM"));
        check(b"", Content::Other("an empty file"));
        check(b"\xef\xbb\xbf <!DOCTYPE html><html>", Content::Other("an HTML page"));
        check("Größe,Alter\n".as_bytes(), Content::Other("text"));
        check(b"\x00\x01\x02\x03", Content::Unknown);
        check(b"\xff", Content::Unknown);
    }
}
