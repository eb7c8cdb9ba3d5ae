//! Weights in and out of safetensors, under PyTorch's `state_dict` names and in its layouts (see `network`).
//!
//! `train.initial_weights` comes in here and `checkpoint.safetensors` goes out; either is what
//! `safetensors.torch.load_file` gives to and takes from a PyTorch module of the same shape.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype, SafeTensorError, SafeTensors,
    tensor::{Metadata, TensorInfo},
};

use crate::{engine::Engine, error::TrainError};

/// Key of our entry among the metadata of a file.
const METADATA_KEY: &str = "gridboard";
/// Bytes that go into the file at once.
const BUFFER: usize = 1 << 20;
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
        source: io::Error,
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
    let shapes = engine.shapes();
    for (name, shape) in &shapes {
        match file.tensor(name) {
            Err(_) => mismatches.push(format!("`{name}` is missing (expected {shape:?})")),
            Ok(found) if found.shape() != shape => {
                mismatches.push(format!("`{name}` is {:?}, expected {shape:?}", found.shape()));
            }
            Ok(found) if found.dtype() != Dtype::F32 => {
                mismatches.push(format!("`{name}` holds {:?}, expected F32", found.dtype()));
            }
            Ok(_) => {}
        }
    }
    let mut foreign: Vec<_> = file
        .iter()
        .filter(|(name, _)| shapes.iter().all(|(ours, _)| ours != name))
        .map(|(name, tensor)| format!("`{name}` {:?} is no tensor of the network", tensor.shape()))
        .collect();
    foreign.sort();
    mismatches.append(&mut foreign);
    if !mismatches.is_empty() {
        return Err(WeightsError::Mismatch { path: path.to_owned(), mismatches }.into());
    }
    for (place, (name, _)) in shapes.iter().enumerate() {
        let found = file.tensor(name).expect("every tensor was found above");
        engine.set(place, found.data())?;
    }
    Ok(())
}

/// Writes the weights of the network, with `about` (one JSON text) under the key `gridboard` of the metadata.
///
/// A header as the safetensors crate makes it, and behind it the tensors in the order of their names, streamed: the crate's
/// own writer wants each of them whole.
///
/// # Errors
/// [`WeightsError::Write`]; a file of that name is then what it was before.
pub(crate) fn save(path: &Path, engine: &Engine, about: String) -> Result<(), TrainError> {
    write(path, engine, about).map_err(|source| WeightsError::Write { path: path.to_owned(), source }.into())
}

fn write(path: &Path, engine: &Engine, about: String) -> io::Result<()> {
    let shapes = engine.shapes();
    let mut places: Vec<usize> = (0..shapes.len()).collect();
    places.sort_by_key(|&place| &shapes[place].0);
    let header = header(places.iter().map(|&place| &shapes[place]), about)?;
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = (|| {
        let mut file = BufWriter::with_capacity(BUFFER, File::create(&part)?);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for place in places {
            engine.write(place, &mut file)?;
        }
        file.into_inner()?;
        fs::rename(&part, path)
    })();
    if written.is_err() {
        // What went wrong is told; a rest of a file that nobody can use is not kept.
        let _ = fs::remove_file(&part);
    }
    written
}

/// The JSON header of a file with these tensors of f32, padded as the format asks: tensors begin at a multiple of 8.
fn header<'a>(tensors: impl Iterator<Item = &'a (String, Vec<usize>)>, about: String) -> io::Result<String> {
    let mut end = 0;
    let infos = tensors
        .map(|(name, shape)| {
            let start = end;
            end += shape.iter().product::<usize>() * size_of::<f32>();
            let info = TensorInfo { dtype: Dtype::F32, shape: shape.clone(), data_offsets: (start, end) };
            (name.clone(), info)
        })
        .collect();
    // One key: the order of several in the file would change from run to run.
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), about)]);
    let metadata = Metadata::new(Some(metadata), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_string(&metadata)?;
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
        let read = SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!((read.0 % 8, read.1.metadata().as_ref().unwrap()[METADATA_KEY].as_str()), (0, "{}"));
        let plain = folder.path().join("plain");
        File::create(&plain).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&path), mode(&plain));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_checkpoint_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        // A folder in the place of the file.
        let path = folder.path().join("checkpoint.safetensors");
        fs::create_dir_all(path.join("full")).unwrap();
        let error = save(&path, &network(4, 1, 1, Kernels::Fused), "{}".to_owned()).unwrap_err().one_line();
        assert!(error.starts_with("failed to write the weights `"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
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
                .shapes()
                .into_iter()
                .map(|(name, shape)| {
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
