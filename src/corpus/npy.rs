//! NumPy's `.npy` files of bytes: `|u1`, C order.
//!
//! Format: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>, written as version 1.0 and read as
//! 1.0 to 3.0. Called by the cache, the split and the mapped corpus.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::base::files::{Durability, FileError, write_whole};

/// Length of the header that [`header`] writes, bytes. Fixed, so that rows can be written before their number is known.
pub const HEADER_LEN: usize = 128;

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header that is read: NumPy's own limit.
const MAX_HEADER: usize = 10_000;

/// Where the data of an array lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Length of each axis, outermost first.
    pub shape: Vec<u64>,
    /// First byte of the data.
    pub offset: usize,
}

impl Layout {
    /// Length of the whole file, bytes; `None` where it is over 2^64.
    #[must_use]
    pub fn file_len(&self) -> Option<u64> {
        let data = self.shape.iter().try_fold(1_u64, |product, &axis| product.checked_mul(axis))?;
        data.checked_add(self.offset as u64)
    }
}

/// Why a file is not an array of bytes.
#[derive(Debug, Error)]
pub enum NpyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The header is not that of an array of bytes in C order.
    #[error("`{}`: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// The header of an array of bytes: [`HEADER_LEN`] bytes, which hold three axes under 2^48.
///
/// # Panics
/// Where the shape is longer than the fixed length holds.
#[must_use]
pub fn header(shape: &[u64]) -> Vec<u8> {
    let axes = match shape {
        [axis] => format!("({axis},)"),
        axes => format!("({})", axes.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    let length = u16::try_from(HEADER_LEN - 10).expect("the header is short");
    bytes.extend(length.to_le_bytes());
    bytes.extend(format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {axes}, }}").as_bytes());
    assert!(bytes.len() < HEADER_LEN, "a shape of at most three axes");
    bytes.resize(HEADER_LEN - 1, b' ');
    bytes.push(b'\n');
    bytes
}

/// Reads a header from the start of a file.
///
/// # Errors
/// Says in words what is not an array of bytes in C order.
pub fn parse_header(bytes: &[u8]) -> Result<Layout, String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a .npy file")?;
    let (version, length, start) = match *rest {
        [1, _, a, b, ..] => (1, usize::from(u16::from_le_bytes([a, b])), 10),
        [version @ (2 | 3), _, a, b, c, d, ..] => (version, u32::from_le_bytes([a, b, c, d]) as usize, 12),
        [version, _, ..] => return Err(format!("version {version} of the .npy format is not known")),
        _ => return Err("the header is cut off".to_owned()),
    };
    if length > MAX_HEADER {
        return Err(format!("the header claims {length} bytes (version {version})"));
    }
    let text = bytes.get(start..start + length).ok_or("the header is cut off")?;
    let text = std::str::from_utf8(text).map_err(|_| "the header is not text")?;
    let kind = field(text, "descr").and_then(quoted).ok_or("the header names no `descr`")?;
    if !matches!(kind, "|u1" | "u1" | "<u1" | ">u1" | "|b1") {
        return Err(format!("the array holds `{kind}`, not bytes (`|u1`)"));
    }
    match field(text, "fortran_order") {
        Some(order) if order.starts_with("False") => {}
        Some(_) => return Err("the array is in Fortran order".to_owned()),
        None => return Err("the header names no `fortran_order`".to_owned()),
    }
    let shape = field(text, "shape")
        .and_then(|shape| shape.strip_prefix('('))
        .and_then(|shape| shape.split_once(')'))
        .ok_or("the header names no `shape`")?
        .0
        .split(',')
        .map(str::trim)
        .filter(|axis| !axis.is_empty())
        .map(|axis| axis.parse::<u64>().map_err(|_| format!("`{axis}` is not the length of an axis")))
        .collect::<Result<_, _>>()?;
    Ok(Layout { shape, offset: start + length })
}

/// What follows `'name':` in the header's Python dictionary.
fn field<'text>(header: &'text str, name: &str) -> Option<&'text str> {
    let (_, rest) = header.split_once(&format!("'{name}'"))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// The text in quotes that `text` starts with.
fn quoted(text: &str) -> Option<&str> {
    Some(text.strip_prefix('\'')?.split_once('\'')?.0)
}

/// Reads the header of a file and checks that the file is as long as the header says.
///
/// # Errors
/// [`NpyError`], the path named.
pub fn read_layout(path: &Path) -> Result<Layout, NpyError> {
    let io = |source| FileError::at("read", path)(source);
    let file = fs::File::open(path).map_err(io)?;
    let len = file.metadata().map_err(io)?.len();
    let mut start = Vec::new();
    file.take(MAX_HEADER as u64 + 12).read_to_end(&mut start).map_err(io)?;
    let layout = parse_header(&start).map_err(|reason| format_error(path, reason))?;
    if layout.file_len() != Some(len) {
        let reason = format!("an array of shape {:?} does not make {len} bytes", layout.shape);
        return Err(format_error(path, reason));
    }
    Ok(layout)
}

/// An array of bytes in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Array {
    /// Length of each axis, outermost first.
    pub shape: Vec<u64>,
    /// Row-major.
    pub data: Vec<u8>,
}

/// Reads the next array of a stream in which arrays follow each other; `None` at its end.
///
/// # Errors
/// Says in words what is not an array of bytes in C order, or where the stream ends before the array does.
pub fn read_from(input: &mut impl Read) -> Result<Option<Array>, String> {
    let mut start = Vec::new();
    let mut take = |start: &mut Vec<u8>, length: usize| {
        let wanted = start.len() + length;
        let read = input.by_ref().take(length as u64).read_to_end(start);
        read.map_err(|error| format!("the array cannot be read: {error}"))?;
        if start.len() < wanted && !start.is_empty() {
            return Err(format!("the stream ends after {} bytes of an array's header", start.len()));
        }
        Ok(())
    };
    // Magic, version, and the two bytes that every version has of the header's length.
    take(&mut start, 10)?;
    if start.is_empty() {
        return Ok(None);
    }
    if !start.starts_with(MAGIC) {
        return Err("not a .npy array".to_owned());
    }
    let length = if start[6] == 1 {
        usize::from(u16::from_le_bytes([start[8], start[9]]))
    } else {
        take(&mut start, 2)?;
        u32::from_le_bytes([start[8], start[9], start[10], start[11]]) as usize
    };
    if length > MAX_HEADER {
        return Err(format!("the header claims {length} bytes"));
    }
    take(&mut start, length)?;
    let layout = parse_header(&start)?;
    let len = layout.file_len().map(|len| len - layout.offset as u64);
    let len = len.ok_or_else(|| format!("shape {:?} does not fit in memory", layout.shape))?;
    let mut data = Vec::new();
    let read = input.take(len).read_to_end(&mut data);
    read.map_err(|error| format!("the array cannot be read: {error}"))?;
    if data.len() as u64 != len {
        return Err(format!("the stream ends after {} of the {len} bytes of an array", data.len()));
    }
    Ok(Some(Array { shape: layout.shape, data }))
}

/// Reads a whole array: its shape and its bytes.
///
/// # Errors
/// [`NpyError`], the path named.
pub fn read(path: &Path) -> Result<(Vec<u64>, Vec<u8>), NpyError> {
    let layout = read_layout(path)?;
    let mut bytes = fs::read(path).map_err(FileError::at("read", path))?;
    if layout.file_len() != Some(bytes.len() as u64) {
        return Err(format_error(path, "the file changed while it was read".to_owned()));
    }
    bytes.drain(..layout.offset);
    Ok((layout.shape, bytes))
}

/// Writes a whole array, atomically.
///
/// # Errors
/// [`NpyError::File`].
pub fn write(path: &Path, shape: &[u64], data: &[u8]) -> Result<(), NpyError> {
    Ok(write_whole(path, &[&header(shape), data], Durability::Synced)?)
}

/// A [`NpyError::Format`] of the file.
pub(super) fn format_error(path: &Path, reason: String) -> NpyError {
    NpyError::Format { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_is_what_numpy_writes() {
        let bytes = header(&[2134, 224, 224]);
        assert_eq!(bytes.len(), HEADER_LEN);
        assert_eq!(HEADER_LEN % 64, 0);
        assert!(bytes.starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '|u1', 'fortran_order': False, "));
        assert_eq!(parse_header(&bytes), Ok(Layout { shape: vec![2134, 224, 224], offset: HEADER_LEN }));
        assert_eq!(parse_header(&header(&[5])).map(|layout| layout.shape), Ok(vec![5]));
        assert_eq!(parse_header(&header(&[1 << 40; 3])).map(|layout| layout.file_len()), Ok(None));
    }

    /// `np.save` of `np.zeros((2, 3), 'u1')`, NumPy 2.4, and what it would write for other arrays.
    #[test]
    fn headers_of_numpy_are_read() {
        let numpy = |dict: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            let mut text = dict.to_owned();
            text.push_str(&" ".repeat(117 - dict.len()));
            text.push('\n');
            bytes.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
            bytes.extend(text.as_bytes());
            parse_header(&bytes)
        };
        let good = numpy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }").unwrap();
        assert_eq!(good, Layout { shape: vec![2, 3], offset: 128 });
        let error = |dict| numpy(dict).unwrap_err();
        assert!(error("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }").contains("<f4"));
        assert!(error("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }").contains("Fortran"));
        assert!(error("{'descr': '|u1', 'fortran_order': False, }").contains("shape"));
        assert!(error("{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }").contains("`-2`"));
    }

    #[test]
    fn a_short_or_long_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        write(&path, &[2, 2], &[1, 2, 3, 4]).unwrap();
        assert_eq!(read(&path).unwrap(), (vec![2, 2], vec![1, 2, 3, 4]));
        for data in [&[1, 2, 3][..], &[1, 2, 3, 4, 5]] {
            write(&path, &[2, 2], data).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("a.npy") && error.contains("[2, 2]"), "{error}");
        }
    }

    #[test]
    fn a_stream_of_arrays_is_read_one_by_one_and_its_end_is_noticed() {
        // The second as NumPy's version 2 of the format has it: four bytes of length.
        let long =
            b"\x93NUMPY\x02\x00\x3c\x00\x00\x00{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), } ";
        let stream = [&header(&[3])[..], &[1, 2, 3], long, &[4, 5], &header(&[0, 7])[..]].concat();
        let mut input = &stream[..];
        assert_eq!(read_from(&mut input), Ok(Some(Array { shape: vec![3], data: vec![1, 2, 3] })));
        assert_eq!(read_from(&mut input), Ok(Some(Array { shape: vec![2, 1], data: vec![4, 5] })));
        assert_eq!(read_from(&mut input), Ok(Some(Array { shape: vec![0, 7], data: vec![] })));
        assert_eq!(read_from(&mut input), Ok(None));
        for cut in 1..131 {
            let error = read_from(&mut &stream[..cut]).unwrap_err();
            assert!(error.contains("the stream ends after"), "{cut}: {error}");
        }
        assert_eq!(read_from(&mut &b"\xff\xd8\xff\xe0 a JPEG"[..]), Err("not a .npy array".to_owned()));
    }

    proptest! {
        #[test]
        fn arbitrary_streams_never_panic(mut bytes: Vec<u8>, framed: bool) {
            if framed {
                bytes.splice(0..0, *b"\x93NUMPY\x01\x00\x3c\x00{'descr': '|u1', 'fortran_order': False, 'shape': (");
            }
            let _ = read_from(&mut &bytes[..]);
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, framed: bool) {
            if framed {
                bytes.splice(0..0, *b"\x93NUMPY\x01\x00\x20\x00{'descr': '|u1', 'shape': (");
            }
            let _ = parse_header(&bytes);
        }

        #[test]
        fn shapes_survive(shape in proptest::collection::vec(0_u64..1 << 48, 1..=3)) {
            prop_assert_eq!(parse_header(&header(&shape)).map(|layout| layout.shape), Ok(shape));
        }
    }
}
