//! Weights in and out of safetensors, under PyTorch's `state_dict` names and in its layouts (see `network`).
//!
//! `train.initial_weights` comes in here and `checkpoint.safetensors` goes out; either is what
//! `safetensors.torch.load_file` gives to and takes from a PyTorch module of the same shape.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::{self, File, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensorError, SafeTensors, View, tensor::serialize_to_file};
use tch::TchError;

use crate::{
    engine::{Engine, Info, Stored},
    error::TrainError,
};

/// Key of our entry among the metadata of a file.
const METADATA_KEY: &str = "gridboard";
/// Mismatches that are listed before the rest is only counted.
const LISTED: usize = 8;

/// Why weights could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WeightsError {
    /// The file cannot be read.
    #[error("failed to read the weights `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no safetensors file.
    #[error("`{}` is not a safetensors file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// The file belongs to another network.
    #[error("the weights `{}` do not fit the network: {}", path.display(), list(mismatches))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// One for each tensor: its name, what was expected and what was found.
        mismatches: Vec<String>,
    },
    /// The file cannot be written.
    #[error("failed to write the weights `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SafeTensorError,
    },
}

fn list(mismatches: &[String]) -> String {
    let shown = mismatches.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match mismatches.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Puts the weights of a file into the network. Every tensor of the network must be there, f32 and of its shape, and no
/// other.
///
/// # Errors
/// [`WeightsError::Mismatch`] lists every tensor that is missing, foreign, or of another shape or type; the network is
/// unchanged then. [`TrainError::Torch`] where memory is short.
pub(crate) fn load(path: &Path, engine: &mut Engine) -> Result<(), TrainError> {
    let bytes = fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|source| WeightsError::Format { path: path.to_owned(), source })?;
    let mut mismatches = Vec::new();
    let state = engine.state();
    for info @ Info { name, shape, .. } in &state {
        match file.tensor(name) {
            Err(_) => mismatches.push(format!("`{name}` is missing (expected {shape:?})")),
            Ok(found) if found.shape() != shape => {
                mismatches.push(format!("`{name}` is {:?}, expected {shape:?}", found.shape()));
            }
            Ok(found) if found.dtype() != dtype(info) => {
                mismatches.push(format!("`{name}` holds {:?}, expected {:?}", found.dtype(), dtype(info)));
            }
            Ok(_) => {}
        }
    }
    let mut foreign: Vec<_> = file
        .iter()
        .filter(|(name, _)| state.iter().all(|ours| ours.name != *name))
        .map(|(name, tensor)| format!("`{name}` {:?} is no tensor of the network", tensor.shape()))
        .collect();
    foreign.sort();
    mismatches.append(&mut foreign);
    if !mismatches.is_empty() {
        return Err(WeightsError::Mismatch { path: path.to_owned(), mismatches }.into());
    }
    for (place, Info { name, .. }) in state.iter().enumerate() {
        let found = file.tensor(name).expect("every tensor was found above");
        engine.set(place, found.data())?;
    }
    Ok(())
}

/// Writes the weights of the network, with `about` (one JSON text) under the key `gridboard` of the metadata.
///
/// # Errors
/// [`WeightsError::Write`]; a file of that name is then what it was before.
pub(crate) fn save(path: &Path, engine: &Engine, about: String) -> Result<(), TrainError> {
    let state = engine.state();
    let tensors = state
        .iter()
        .enumerate()
        .map(|(place, info)| Ok((&info.name, Values { stored: engine.stored(place)?, info })))
        .collect::<Result<Vec<_>, TchError>>()?;
    let failed = |source| WeightsError::Write { path: path.to_owned(), source };
    // One key: the order of several in the file would change from run to run.
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), about)]);
    serialize_to_file(tensors, Some(metadata), path).map_err(failed)?;
    open_to_others(path).map_err(|error| failed(SafeTensorError::IoError(error)))?;
    Ok(())
}

/// The safetensors crate writes through a temporary file that only its owner may read. Gives the file the mode that any
/// new file of this process gets, which only making one tells.
fn open_to_others(path: &Path) -> io::Result<()> {
    let mut probe = path.as_os_str().to_owned();
    probe.push(".part");
    let mode = File::create(&probe)?.metadata()?.permissions().mode();
    fs::remove_file(&probe)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

/// What the tensor is stored as.
fn dtype(info: &Info) -> Dtype {
    if info.is_count { Dtype::I64 } else { Dtype::F32 }
}

/// A tensor with what it is, as the safetensors crate takes it.
struct Values<'a> {
    stored: Stored<'a>,
    info: &'a Info,
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        dtype(self.info)
    }

    fn shape(&self) -> &[usize] {
        &self.info.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.stored.bytes(self.info.shape.iter().product())
    }

    fn data_len(&self) -> usize {
        let size = if self.info.is_count { size_of::<i64>() } else { size_of::<f32>() };
        self.info.shape.iter().product::<usize>() * size
    }
}

#[cfg(test)]
mod tests {
    use gridboard::{model::GridCnn, spec::Kernels};
    use tch::{Kind, Tensor};

    use super::*;
    use crate::engine::tests::{engine, values};

    fn network(layer_size: u32, dense_layers: u32, seed: u64, kernels: Kernels) -> Engine {
        engine(GridCnn { conv_layers: 1, dense_layers, layer_size }, 6, 2, seed, kernels)
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let (saved, mut other) = (network(4, 1, 1, Kernels::Fused), network(4, 1, 2, Kernels::Plain));
        save(&path, &saved, "{}".to_owned()).unwrap();
        load(&path, &mut other).unwrap();
        assert_eq!(values(&saved), values(&other));
        let mut third = network(4, 1, 3, Kernels::Fused);
        load(&path, &mut third).unwrap();
        assert_eq!(values(&saved), values(&third));
        // The same weights are the same bytes, readable by whoever may read other new files.
        let bytes = fs::read(&path).unwrap();
        save(&path, &other, "{}".to_owned()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        let plain = folder.path().join("plain");
        File::create(&plain).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_of_another_network_is_refused_tensor_by_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        save(&path, &network(4, 0, 1, Kernels::Auto), String::new()).unwrap();
        let mut wanted = network(3, 1, 2, Kernels::Auto);
        let before = values(&wanted);
        let message = load(&path, &mut wanted).unwrap_err().to_string();
        for part in [
            "`conv1.weight` is [4, 1, 3, 3], expected [3, 1, 3, 3]",
            "`dense1.weight` is missing (expected [3, 12])",
            "`output.weight` is [1, 16], expected [1, 3]",
        ] {
            assert!(message.contains(part), "{message}");
        }
        assert_eq!(values(&wanted), before, "nothing was loaded");

        save(&path, &network(3, 1, 1, Kernels::Auto), String::new()).unwrap();
        let message = load(&path, &mut network(3, 0, 1, Kernels::Auto)).unwrap_err().to_string();
        assert!(message.contains("`dense1.bias` [3] is no tensor of the network"), "{message}");
    }

    #[test]
    fn half_precision_and_damage_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut wanted = network(2, 0, 1, Kernels::Auto);
        Tensor::write_safetensors(
            &wanted
                .state()
                .into_iter()
                .map(|Info { name, shape, .. }| {
                    let shape: Vec<i64> = shape.into_iter().map(|side| side as i64).collect();
                    (name, Tensor::zeros(shape, (Kind::Half, tch::Device::Cpu)))
                })
                .collect::<Vec<_>>(),
            &path,
        )
        .unwrap();
        let message = load(&path, &mut wanted).unwrap_err().to_string();
        assert!(message.contains("`output.bias` holds F16, expected F32"), "{message}");
        fs::write(&path, b"PK\x03\x04 a zip file, as torch.save writes").unwrap();
        let message = load(&path, &mut wanted).unwrap_err().to_string();
        assert!(message.ends_with("w.safetensors` is not a safetensors file"), "{message}");
        let message = load(&folder.path().join("absent"), &mut wanted).unwrap_err().to_string();
        assert!(message.contains("absent`"), "{message}");
    }

    #[test]
    fn long_lists_are_cut() {
        let mismatches: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        assert_eq!(list(&mismatches), "0; 1; 2; 3; 4; 5; 6; 7; and 3 more");
        assert_eq!(list(&mismatches[..8]), "0; 1; 2; 3; 4; 5; 6; 7");
    }
}
