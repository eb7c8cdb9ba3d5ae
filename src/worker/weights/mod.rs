//! Weights in and out of files, under PyTorch's `state_dict` names and in its layouts (see `network` and `baseline`).
//!
//! `train.initial_weights` and checkpoints come in through `load`, as safetensors or as what `torch.save` writes
//! (`state_dict`, `pickle`, `numbers`). `checkpoint.safetensors` goes out here: what `safetensors.torch.load_file` gives to
//! a PyTorch module of the same shape.

mod load;
mod numbers;
mod pickle;
mod state_dict;

use std::{
    collections::HashMap,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use gridboard::base::files::{Durability, write_whole_with};
use safetensors::{
    Dtype, SafeTensorError,
    tensor::{Metadata, TensorInfo},
};

use crate::engine::{Engine, EngineError, Info, Values};

pub(crate) use load::{load, transfer};
use state_dict::StateDictError;

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
    /// The file is neither of safetensors nor of PyTorch.
    #[error("`{}` is neither a safetensors file nor a PyTorch state_dict file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// The file is of PyTorch, but no state_dict.
    #[error("`{}` is no state_dict", path.display())]
    StateDict {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StateDictError,
    },
    /// The file is a run's, and not what the run left.
    #[error(
        "`{}` is not what its run left: the content has changed since (its hash is in `outcome.json`); \
         a copy of it in another folder is taken as it is",
        .0.display()
    )]
    Altered(PathBuf),
    /// The file has weights that are no numbers: nothing but NaN comes out of such a network.
    #[error("`{}`: tensor `{tensor}` holds NaN", path.display())]
    NaN {
        /// The file.
        path: PathBuf,
        /// The first such tensor of the network.
        tensor: String,
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
    /// A tensor cannot be set.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

fn list(mismatches: &[String]) -> String {
    let shown = mismatches.iter().take(LISTED).map(String::as_str).collect::<Vec<_>>().join("; ");
    match mismatches.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

/// Writes the weights of the network, with `about` (one JSON text) under the key `gridboard` of the metadata.
///
/// A header as the safetensors crate makes it, and behind it the tensors in the order of their names, streamed: the crate's
/// own writer wants each of them whole.
///
/// # Errors
/// [`WeightsError::Write`]; a file of that name is then what it was before.
pub(crate) fn save(
    path: &Path,
    engine: &Engine,
    about: String,
    durability: Durability,
) -> Result<(), WeightsError> {
    write(path, engine, about, durability)
        .map_err(|source| WeightsError::Write { path: path.to_owned(), source })
}

fn write(path: &Path, engine: &Engine, about: String, durability: Durability) -> io::Result<()> {
    let state = engine.state();
    // Larger numbers first and then by name, as the crate orders them: tensors of i64 begin at a multiple of 8 then.
    let mut places: Vec<usize> = (0..state.len()).collect();
    places.sort_by_key(|&place| (!state[place].is_count, &state[place].name));
    let infos = places.iter().map(|&place| &state[place]);
    let header = header(infos.map(|info| (info.name.clone(), dtype(info), info.shape.clone())), about)?;
    let written = write_whole_with(path, durability, |file| {
        let mut file = BufWriter::with_capacity(BUFFER, file);
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        for place in places {
            engine.write(place, Values::Value, &mut file)?;
        }
        file.flush()
    });
    written.map_err(|error| error.source)
}

/// The JSON header of a file with these tensors, padded as the format asks: tensors begin at a multiple of 8.
pub(crate) fn header(
    tensors: impl Iterator<Item = (String, Dtype, Vec<usize>)>,
    about: String,
) -> io::Result<String> {
    let mut end = 0;
    let infos = tensors
        .map(|(name, dtype, shape)| {
            let start = end;
            end += shape.iter().product::<usize>() * (dtype.bitsize() / 8);
            (name, TensorInfo { dtype, shape, data_offsets: (start, end) })
        })
        .collect();
    // One key: the order of several in the file would change from run to run.
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), about)]);
    let metadata = Metadata::new(Some(metadata), infos).map_err(io::Error::other)?;
    let mut header = serde_json::to_string(&metadata)?;
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
    Ok(header)
}

/// What the tensor is stored as.
pub(crate) fn dtype(info: &Info) -> Dtype {
    if info.is_count { Dtype::I64 } else { Dtype::F32 }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        os::unix::fs::PermissionsExt,
    };

    use gridboard::{model::GridCnn, spec::Kernels};
    use tch::{Kind, Tensor};

    use safetensors::SafeTensors;

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
        save(&path, &saved, "{}".to_owned(), Durability::Synced).unwrap();
        load(&path, &mut other).unwrap();
        assert_eq!(values(&saved), values(&other));
        let mut third = network(4, 1, 3, Kernels::Fused);
        load(&path, &mut third).unwrap();
        assert_eq!(values(&saved), values(&third));
        // The same weights are the same bytes, readable by whoever may read other new files.
        let bytes = fs::read(&path).unwrap();
        save(&path, &other, "{}".to_owned(), Durability::Synced).unwrap();
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
        let error = save(&path, &network(4, 1, 1, Kernels::Fused), "{}".to_owned(), Durability::Synced)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("failed to write the weights `"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_of_another_network_is_refused_tensor_by_tensor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        save(&path, &network(4, 0, 1, Kernels::Auto), String::new(), Durability::Synced).unwrap();
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

        save(&path, &network(3, 1, 1, Kernels::Auto), String::new(), Durability::Synced).unwrap();
        let message = load(&path, &mut network(3, 0, 1, Kernels::Auto)).unwrap_err().to_string();
        assert!(message.contains("`dense1.bias` [3] is no tensor of the network"), "{message}");
    }

    #[test]
    fn other_numbers_and_damage_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut wanted = network(2, 0, 1, Kernels::Auto);
        Tensor::write_safetensors(
            &wanted
                .state()
                .into_iter()
                .map(|Info { name, shape, .. }| {
                    let shape: Vec<i64> = shape.into_iter().map(|side| side as i64).collect();
                    (name, Tensor::zeros(shape, (Kind::Int, tch::Device::Cpu)))
                })
                .collect::<Vec<_>>(),
            &path,
        )
        .unwrap();
        let message = load(&path, &mut wanted).unwrap_err().to_string();
        assert!(message.contains("`output.bias` holds I32, expected F32"), "{message}");
        fs::write(&path, b"PK\x03\x04 what torch.save writes begins so").unwrap();
        let message = load(&path, &mut wanted).unwrap_err().to_string();
        assert!(message.ends_with("w.safetensors` is no state_dict"), "{message}");
        fs::write(&path, b"weights").unwrap();
        let message = load(&path, &mut wanted).unwrap_err().to_string();
        assert!(
            message.ends_with("is neither a safetensors file nor a PyTorch state_dict file"),
            "{message}"
        );
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
