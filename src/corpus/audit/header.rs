//! Colour type and bit depth of an image file, from its header alone.
//!
//! Called by the audit: the prepared images are all 8-bit gray, but what they were before may tell the class. Leaves
//! everything else about files to `decode`.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek},
    path::Path,
};

/// What the file at `path` holds: `8-bit gray`, `8-bit colour`, `16-bit gray+alpha`, `8-bit palette`; `None` where the
/// header is none of JPEG, PNG or WebP.
///
/// # Errors
/// Where the file cannot be read.
pub(super) fn colours(path: &Path) -> io::Result<Option<String>> {
    read(&mut BufReader::new(File::open(path)?))
}

fn read(file: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
    let mut start = [0; 30];
    let known = fill(file, &mut start)?;
    let described = match &start[..known] {
        [0xff, 0xd8, ..] => {
            file.seek(io::SeekFrom::Start(2))?;
            jpeg(file)?
        }
        // The first chunk of a PNG is IHDR: width, height, bit depth, colour type.
        [0x89, b'P', b'N', b'G', ..] if known >= 26 => png(start[24], start[25]),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] if known == 30 => webp(&start),
        _ => None,
    };
    Ok(described)
}

/// Reads until the buffer is full or the file ends; the number of bytes read.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

/// Walks the segments of a JPEG to its frame header (ITU-T T.81, B.2.2): precision, height, width, components.
fn jpeg(file: &mut (impl Read + Seek)) -> io::Result<Option<String>> {
    loop {
        let mut marker = [0; 2];
        if fill(file, &mut marker)? < 2 || marker[0] != 0xff {
            return Ok(None);
        }
        match marker[1] {
            // A fill byte before the marker.
            0xff => {
                file.seek(io::SeekFrom::Current(-1))?;
            }
            0x01 | 0xd0..=0xd8 => {}
            0xd9 | 0xda => return Ok(None),
            code => {
                let mut length = [0; 2];
                if fill(file, &mut length)? < 2 {
                    return Ok(None);
                }
                // C4, C8 and CC are tables and a reserved code, not frames.
                if matches!(code, 0xc0..=0xcf) && !matches!(code, 0xc4 | 0xc8 | 0xcc) {
                    let mut frame = [0; 6];
                    if fill(file, &mut frame)? < 6 {
                        return Ok(None);
                    }
                    let colours = match frame[5] {
                        1 => "gray",
                        3 => "colour",
                        4 => "CMYK",
                        _ => return Ok(None),
                    };
                    return Ok(Some(format!("{}-bit {colours}", frame[0])));
                }
                file.seek(io::SeekFrom::Current(i64::from(u16::from_be_bytes(length)) - 2))?;
            }
        }
    }
}

/// PNG specification, 11.2.1.
fn png(depth: u8, colour_type: u8) -> Option<String> {
    let colours = match colour_type {
        0 => "gray",
        2 => "colour",
        3 => "palette",
        4 => "gray+alpha",
        6 => "colour+alpha",
        _ => return None,
    };
    Some(format!("{depth}-bit {colours}"))
}

/// The first chunk of a WebP: the alpha flag of `VP8X`, or of the header of `VP8L`; `VP8 ` has no alpha.
fn webp(start: &[u8; 30]) -> Option<String> {
    let has_alpha = match &start[12..16] {
        b"VP8X" => start[20] & 0x10 != 0,
        // Signature byte, then 14 bits of width, 14 of height, the alpha bit.
        b"VP8L" => start[24] & 0x10 != 0,
        b"VP8 " => false,
        _ => return None,
    };
    Some(if has_alpha { "8-bit colour+alpha" } else { "8-bit colour" }.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn colours_of(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images");
        colours(&folder.join(name)).unwrap().unwrap_or_else(|| "unknown".to_owned())
    }

    #[test]
    fn the_fixtures_are_what_their_names_say() {
        for (name, expected) in [
            ("gray.jpg", "8-bit gray"),
            ("color_420.jpg", "8-bit colour"),
            ("progressive.jpg", "8-bit colour"),
            ("cmyk.jpg", "8-bit CMYK"),
            ("gray.png", "8-bit gray"),
            ("rgb.png", "8-bit colour"),
            ("palette.png", "4-bit palette"),
            ("rgba.webp", "8-bit colour+alpha"),
            ("color.webp", "8-bit colour"),
        ] {
            assert_eq!(colours_of(name), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, kind in 0..4) {
            let start: &[u8] = [&b"\xff\xd8"[..], b"\x89PNG", b"RIFF\0\0\0\0WEBPVP8L", b""][kind as usize];
            bytes.splice(0..0, start.iter().copied());
            let _ = read(&mut Cursor::new(bytes)).unwrap();
        }
    }
}
