//! The tensors of a file that `torch.save(model.state_dict(), path)` wrote.
//!
//! Two formats exist. Since PyTorch 1.6 the file is a zip archive, uncompressed: `NAME/data.pkl` describes the tensors, and
//! `NAME/data/KEY` holds the numbers of each storage (`torch/csrc/jit/serialization`, `torch/serialization.py`). Older
//! files, torchvision's among them, are five parts one behind the other: a magic number, a version and facts about the
//! machine, the pickle, the list of storages, and then for each its length and its numbers (`_legacy_save`).

use std::{collections::HashMap, io::Cursor, rc::Rc};

use zip::{CompressionMethod, ZipArchive};

use super::{
    numbers::{Found, Numbers},
    pickle::{self, PickleError, Value, View},
};

/// The pickle of a network's dictionary has some hundred bytes a tensor.
const MOST_PICKLE_BYTES: u64 = 64 << 20;
/// Begins a file of the older format: the pickled number 0x1950a86a20f9469cfc6c.
const LEGACY_MAGIC: [u8; 15] =
    [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// Why a file is no state_dict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateDictError {
    /// The zip archive is damaged.
    #[error(transparent)]
    Zip(#[from] zip::result::ZipError),
    /// What describes the tensors is refused.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// The file is no state_dict.
    #[error("{0}")]
    Format(String),
}

/// Tensors by name, over the bytes of a file.
pub(super) struct StateDict<'a> {
    tensors: Vec<(String, Rc<View>)>,
    /// The bytes of each storage.
    storages: HashMap<String, &'a [u8]>,
}

/// Whether a file is of one of the two formats.
pub(super) fn is_state_dict(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&LEGACY_MAGIC)
}

impl<'a> StateDict<'a> {
    /// Reads what tensors there are.
    ///
    /// # Errors
    /// Where the file is damaged, would have to run code, or holds something else than tensors by name.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, StateDictError> {
        let (value, storages) =
            if bytes.starts_with(&LEGACY_MAGIC) { legacy(bytes)? } else { archive(bytes)? };
        let Value::Dict(entries) = value else {
            return Err(StateDictError::Format("it holds no dictionary of tensors".to_owned()));
        };
        let mut tensors = Vec::new();
        for (name, tensor) in entries.borrow().iter() {
            match (name, tensor) {
                (Value::Text(name), Value::Tensor(view)) => tensors.push((name.clone(), view.clone())),
                (Value::Text(name), _) => {
                    return Err(StateDictError::Format(format!(
                        "its entry `{name}` is no tensor: the file must hold the state_dict alone"
                    )));
                }
                _ => return Err(StateDictError::Format("a name in it is no text".to_owned())),
            }
        }
        Ok(Self { tensors, storages })
    }

    /// Every tensor with its name.
    ///
    /// # Errors
    /// Where one reaches beyond its storage.
    pub(super) fn tensors(&self) -> Result<Vec<(String, Found<'a>)>, StateDictError> {
        self.tensors.iter().map(|(name, view)| Ok((name.clone(), self.found(name, view)?))).collect()
    }

    fn found(&self, name: &str, view: &View) -> Result<Found<'a>, StateDictError> {
        let numbers = match view.storage.kind.as_str() {
            "Float" => Numbers::F32,
            "Half" => Numbers::F16,
            "BFloat16" => Numbers::BF16,
            "Double" => Numbers::F64,
            "Long" => Numbers::I64,
            other => Numbers::Other(format!("torch.{other}Storage")),
        };
        let (shape, strides) = (view.shape.clone(), view.strides.clone());
        let outside = || StateDictError::Format(format!("the numbers of `{name}` are not in the file"));
        let bytes = *self.storages.get(&view.storage.key).ok_or_else(outside)?;
        let start = view.offset.checked_mul(numbers.size().unwrap_or(0)).ok_or_else(outside)?;
        let found = Found { numbers, shape, strides, bytes: bytes.get(start..).ok_or_else(outside)? };
        if found.is_inside() { Ok(found) } else { Err(outside()) }
    }
}

/// The pickle of a file, and the bytes of each storage.
type Parts<'a> = (Value, HashMap<String, &'a [u8]>);

/// A zip archive. Everything lies in one folder, whose name is the file's when it was saved.
fn archive(bytes: &[u8]) -> Result<Parts<'_>, StateDictError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))?;
    let mut pickled = None;
    let mut storages = HashMap::new();
    for place in 0..archive.len() {
        let entry = archive.by_index(place)?;
        let name = entry.name()?.into_owned();
        let Some((_, inside)) = name.split_once('/') else { continue };
        let key = inside.strip_prefix("data/");
        if inside != "data.pkl" && key.is_none() {
            continue;
        }
        if entry.compression() != CompressionMethod::Stored {
            return Err(StateDictError::Format(format!(
                "`{name}` in it is compressed, which torch.save never does"
            )));
        }
        let start = entry.data_start().and_then(|start| usize::try_from(start).ok());
        let end = start.and_then(|start| start.checked_add(usize::try_from(entry.size()).ok()?));
        let content = start.zip(end).and_then(|(start, end)| bytes.get(start..end));
        let content = content.ok_or_else(|| StateDictError::Format(format!("`{name}` in it is cut off")))?;
        match key {
            Some(key) => drop(storages.insert(key.to_owned(), content)),
            None if entry.size() > MOST_PICKLE_BYTES => {
                return Err(StateDictError::Format(format!("`{name}` in it is too large for a state_dict")));
            }
            None => pickled = Some(content),
        }
    }
    let mut pickled = pickled.ok_or_else(|| {
        StateDictError::Format("it has no data.pkl: torch.save did not write it".to_owned())
    })?;
    Ok((pickle::read(&mut pickled)?, storages))
}

/// The format before PyTorch 1.6.
fn legacy(bytes: &[u8]) -> Result<Parts<'_>, StateDictError> {
    let mut rest = &bytes[LEGACY_MAGIC.len()..];
    let _version = pickle::read(&mut rest)?;
    let _machine = pickle::read(&mut rest)?;
    let value = pickle::read(&mut rest)?;
    let Value::List(keys) = pickle::read(&mut rest)? else {
        return Err(StateDictError::Format("its list of storages is none".to_owned()));
    };
    let sizes = sizes(&value);
    let mut storages = HashMap::new();
    for key in keys.borrow().iter() {
        let cut = || StateDictError::Format("it is cut off".to_owned());
        let Value::Text(key) = key else {
            return Err(StateDictError::Format("the name of a storage is no text".to_owned()));
        };
        let (count, behind) = rest.split_first_chunk().ok_or_else(cut)?;
        let count = usize::try_from(u64::from_le_bytes(*count)).map_err(|_| cut())?;
        let size = *sizes.get(key).ok_or_else(|| {
            StateDictError::Format(format!("how large the numbers of storage `{key}` are is not known"))
        })?;
        let end = count.checked_mul(size).ok_or_else(cut)?;
        let (content, behind) = behind.split_at_checked(end).ok_or_else(cut)?;
        storages.insert(key.clone(), content);
        rest = behind;
    }
    Ok((value, storages))
}

/// Bytes of a number of each storage that a dictionary's tensors use.
fn sizes(value: &Value) -> HashMap<String, usize> {
    let Value::Dict(entries) = value else { return HashMap::new() };
    let size = |kind: &str| match kind {
        "Float" | "Int" => Some(4),
        "Half" | "BFloat16" | "Short" => Some(2),
        "Double" | "Long" => Some(8),
        "Byte" | "Char" | "Bool" => Some(1),
        _ => None,
    };
    let entries = entries.borrow();
    let storages = entries.iter().filter_map(|(_, value)| match value {
        Value::Tensor(view) => Some(&view.storage),
        _ => None,
    });
    storages.filter_map(|storage| Some((storage.key.clone(), size(&storage.kind)?))).collect()
}
