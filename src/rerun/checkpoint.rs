//! Two checkpoints, number by number, without holding either in memory.
//!
//! A safetensors file is eight bytes (the length of the header, little-endian), the header (JSON: for each tensor its
//! type, shape and range of bytes, and `__metadata__`), and the bytes:
//! <https://huggingface.co/docs/safetensors/index#format>. The crate of that name belongs to the trainer; reading the
//! header takes less than a dependency of the orchestrator's.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::compare::Part;

/// Longest header that is read: safetensors' own limit.
const MAX_HEADER: u64 = 100_000_000;

/// Why two checkpoints cannot be compared.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {problem}", path.display())]
pub struct CheckpointError {
    path: PathBuf,
    problem: String,
}

/// What a checkpoint says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tensor {
    name: String,
    shape: String,
    kind: Kind,
    /// Numbers in it.
    len: u64,
}

/// The types that the trainer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Weights and running statistics.
    F32,
    /// Batches that a batch norm has counted.
    I64,
}

impl Kind {
    const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::I64 => 8,
        }
    }
}

/// A checkpoint that is read in the order of its bytes.
struct Reader {
    path: PathBuf,
    file: BufReader<File>,
    /// In the order of their bytes.
    tensors: Vec<Tensor>,
}

/// Compares the tensors of two files. Metadata, which has the program's version, is not compared.
///
/// # Errors
/// A file cannot be read or is none.
pub(super) fn compare(then: &Path, now: &Path) -> Result<Part, CheckpointError> {
    let mut part = Part::new("weights");
    let (mut then, mut now) = (Reader::open(then)?, Reader::open(now)?);
    if then.tensors != now.tensors {
        // Another network: no number has a partner.
        let numbers = |reader: &Reader| reader.tensors.iter().map(|tensor| tensor.len).sum::<u64>();
        part.missing(numbers(&then).max(numbers(&now)));
        return Ok(part);
    }
    for Tensor { name, kind, len, .. } in then.tensors.clone() {
        for _ in 0..len {
            let (first, again) = (then.number(kind)?, now.number(kind)?);
            part.number(first, again, || name.clone());
        }
    }
    Ok(part)
}

impl Reader {
    fn open(path: &Path) -> Result<Self, CheckpointError> {
        let fail = |problem: String| CheckpointError { path: path.to_owned(), problem };
        let io = |error: io::Error| fail(error.to_string());
        let mut file = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER {
            return Err(fail(format!("no safetensors file: its header claims {length} bytes")));
        }
        let mut header = Vec::new();
        file.by_ref().take(length).read_to_end(&mut header).map_err(io)?;
        let header: Map<String, Value> =
            serde_json::from_slice(&header).map_err(|error| fail(format!("no safetensors file: {error}")))?;
        let mut tensors = Vec::new();
        for (name, about) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
            let range = |at: usize| about["data_offsets"][at].as_u64();
            let (Some(word), Some(start), Some(end)) = (about["dtype"].as_str(), range(0), range(1)) else {
                return Err(fail(format!("no safetensors file: tensor `{name}` has no type or place")));
            };
            let kind = match word {
                "F32" => Kind::F32,
                "I64" => Kind::I64,
                other => return Err(fail(format!("tensor `{name}` holds {other}, not F32 or I64"))),
            };
            let Some(bytes) = end.checked_sub(start) else {
                return Err(fail(format!("tensor `{name}` ends before it begins")));
            };
            let len = bytes / kind.bytes();
            tensors.push((start, Tensor { name, shape: about["shape"].to_string(), kind, len }));
        }
        tensors.sort_by_key(|(start, _)| *start);
        let tensors = tensors.into_iter().map(|(_, tensor)| tensor).collect();
        Ok(Self { path: path.to_owned(), file, tensors })
    }

    /// The next number. A count is exact up to 2^53.
    #[expect(clippy::cast_precision_loss, reason = "no training has 2^53 batches")]
    fn number(&mut self, kind: Kind) -> Result<f64, CheckpointError> {
        Ok(match kind {
            Kind::F32 => f32::from_le_bytes(self.array()?).into(),
            Kind::I64 => i64::from_le_bytes(self.array()?) as f64,
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let mut bytes = [0; N];
        self.file
            .read_exact(&mut bytes)
            .map_err(|error| CheckpointError { path: self.path.clone(), problem: error.to_string() })?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as the crate writes it: tensors in the order of their bytes, whatever that of the header.
    fn file(folder: &Path, name: &str, metadata: &str, values: &[f32]) -> PathBuf {
        let split = values.len() - 1;
        let header = format!(
            r#"{{"__metadata__":{{"gridboard":"{metadata}"}},
               "z":{{"dtype":"F32","shape":[1],"data_offsets":[{0},{1}]}},
               "a":{{"dtype":"F32","shape":[{split}],"data_offsets":[0,{0}]}}}}"#,
            4 * split,
            4 * values.len(),
        );
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn weights_are_compared_and_placed_and_metadata_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let one = file(folder.path(), "one", "0.1", &[0.5, -2.0, 0.25]);
        let same = compare(&one, &file(folder.path(), "same", "0.2", &[0.5, -2.0, 0.25])).unwrap();
        assert_eq!((same.compared, same.different), (3, 0));
        let other = compare(&one, &file(folder.path(), "other", "0.1", &[0.5, -2.0, 0.5])).unwrap();
        assert_eq!((other.different, other.largest.unwrap().place.as_str()), (1, "z"));
        let shape = compare(&one, &file(folder.path(), "shape", "0.1", &[0.5, -2.0])).unwrap();
        assert_eq!((shape.compared, shape.different, shape.largest), (3, 3, None));
    }

    #[test]
    fn counts_of_a_batch_norm_are_compared_as_whole_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let counted = |name: &str, kind: &str, count: i64| {
            let header = format!(
                r#"{{"bn1.num_batches_tracked":{{"dtype":"{kind}","shape":[],"data_offsets":[0,8]}}}}"#
            );
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend(count.to_le_bytes());
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        // Equal as 32-bit floats.
        let (one, other) = (counted("one", "I64", 1 << 25), counted("other", "I64", (1 << 25) + 1));
        let same = compare(&one, &one).unwrap();
        assert_eq!((same.compared, same.different), (1, 0));
        let apart = compare(&one, &other).unwrap();
        assert_eq!((apart.different, apart.largest.unwrap().place.as_str()), (1, "bn1.num_batches_tracked"));
        let foreign = compare(&one, &counted("foreign", "BOOL", 0)).unwrap_err().to_string();
        assert!(foreign.contains("holds BOOL, not F32 or I64"), "{foreign}");
    }

    #[test]
    fn what_is_no_checkpoint_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let one = file(folder.path(), "one", "0.1", &[0.5, -2.0, 0.25]);
        let message = |bytes: &[u8]| {
            let path = folder.path().join("bad");
            std::fs::write(&path, bytes).unwrap();
            compare(&one, &path).unwrap_err().to_string()
        };
        assert!(message(b"").contains("bad`: "));
        assert!(message(&[255; 20]).contains("no safetensors file"));
        assert!(message(b"\x02\0\0\0\0\0\0\0[]").contains("no safetensors file"));
        let whole = std::fs::read(&one).unwrap();
        assert!(message(&whole[..whole.len() - 2]).contains("bad`: "));
    }
}
