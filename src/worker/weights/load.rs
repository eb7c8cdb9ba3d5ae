//! Weights of a file into a network: a checkpoint whole, or weights to start from, whose head may be another's.

use std::{collections::HashMap, fs, path::Path};

use gridboard::run::is_sealed_or_free;
use safetensors::{Dtype, SafeTensors};

use super::{
    WeightsError,
    numbers::{Found, Numbers, row_major},
    state_dict::{StateDict, is_state_dict},
};
use crate::engine::{Engine, Info};

/// Puts the weights of a file into the network. Every tensor of the network must be there in its shape, and no other; halves
/// become f32 exactly, doubles are rounded. Only the counts of batches may be missing, which files of old have not.
///
/// # Errors
/// [`WeightsError::Altered`], [`WeightsError::NaN`]; [`WeightsError::Mismatch`] lists every tensor that is missing,
/// foreign, or of another shape or type; the network is unchanged then. [`WeightsError::Engine`] where memory is short.
pub(crate) fn load(path: &Path, engine: &mut Engine) -> Result<(), WeightsError> {
    put(path, engine, Head::Fits).map(drop)
}

/// Puts weights to start from into the network, as [`load`]; a baseline's head for another number of classes is left out.
/// Returns a line for the log where it was.
///
/// # Errors
/// As [`load`].
pub(crate) fn transfer(path: &Path, engine: &mut Engine) -> Result<Option<String>, WeightsError> {
    put(path, engine, Head::MayDiffer)
}

/// Whether the last layer of a file must be the network's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Head {
    Fits,
    MayDiffer,
}

fn put(path: &Path, engine: &mut Engine, head: Head) -> Result<Option<String>, WeightsError> {
    let bytes = fs::read(path).map_err(|source| WeightsError::Read { path: path.to_owned(), source })?;
    if !is_sealed_or_free(path, || blake3::hash(&bytes).to_hex()[..32].to_owned()) {
        return Err(WeightsError::Altered(path.to_owned()));
    }
    let found = tensors(path, &bytes)?;
    let state = engine.state();
    let left_out = match head {
        Head::Fits => Vec::new(),
        Head::MayDiffer => other_head(&state, &found),
    };
    let kept = |info: &&Info| !left_out.iter().any(|name| *name == info.name);
    let mut mismatches: Vec<String> =
        state.iter().filter(kept).filter_map(|info| fault(info, &found)).collect();
    let mut foreign: Vec<_> = found
        .iter()
        .filter(|(name, _)| state.iter().all(|ours| ours.name != **name))
        .map(|(name, tensor)| format!("`{name}` {:?} is no tensor of the network", tensor.shape))
        .collect();
    foreign.sort();
    mismatches.append(&mut foreign);
    if !mismatches.is_empty() {
        return Err(WeightsError::Mismatch { path: path.to_owned(), mismatches });
    }
    for (place, info) in state.iter().enumerate().filter(|(_, info)| kept(info)) {
        // A count that the file has not stays 0.
        if let Some(found) = found.get(&info.name) {
            let numbers = found.in_order();
            if !info.is_count && holds_nan(&numbers) {
                return Err(WeightsError::NaN { path: path.to_owned(), tensor: info.name.clone() });
            }
            engine.set(place, &numbers)?;
        }
    }
    let described = |name: &&str| {
        let ours = state.iter().find(|info| info.name == **name).map(|info| &info.shape[..]);
        format!("`{name}` {:?} (the network's is {:?})", found[*name].shape, ours.unwrap_or_default())
    };
    Ok((!left_out.is_empty()).then(|| {
        let names: Vec<String> = left_out.iter().map(described).collect();
        format!(
            "initial weights `{}`: the head is of another number of classes and was left out, a new one is trained: {}",
            path.display(),
            names.join(", ")
        )
    }))
}

/// Whether one of these f32 is no number.
fn holds_nan(numbers: &[u8]) -> bool {
    let (numbers, _) = numbers.as_chunks::<4>();
    numbers.iter().any(|number| f32::from_le_bytes(*number).is_nan())
}

/// The tensors of a file by name.
fn tensors<'a>(path: &Path, bytes: &'a [u8]) -> Result<HashMap<String, Found<'a>>, WeightsError> {
    if is_state_dict(bytes) {
        let failed = |source| WeightsError::StateDict { path: path.to_owned(), source };
        let tensors = StateDict::read(bytes).and_then(|file| file.tensors()).map_err(failed)?;
        return Ok(tensors.into_iter().collect());
    }
    let file = SafeTensors::deserialize(bytes)
        .map_err(|source| WeightsError::Format { path: path.to_owned(), source })?;
    let found = file.iter().map(|(name, tensor)| {
        let numbers = match tensor.dtype() {
            Dtype::F16 => Numbers::F16,
            Dtype::BF16 => Numbers::BF16,
            Dtype::F32 => Numbers::F32,
            Dtype::F64 => Numbers::F64,
            Dtype::I64 => Numbers::I64,
            other => Numbers::Other(format!("{other:?}")),
        };
        let shape = tensor.shape().to_vec();
        (name.to_owned(), Found { numbers, strides: row_major(&shape), shape, bytes: tensor.data() })
    });
    Ok(found.collect())
}

/// The tensors of the head, where the file's is for another number of classes: the same but for its outputs.
fn other_head<'s>(state: &'s [Info], found: &HashMap<String, Found<'_>>) -> Vec<&'s str> {
    let head: Vec<&Info> = state.iter().filter(|info| info.is_head).collect();
    let differs = |info: &&Info| {
        found.get(&info.name).is_some_and(|found| {
            found.shape.len() == info.shape.len()
                && found.shape.get(1..) == info.shape.get(1..)
                && found.shape.first() != info.shape.first()
        })
    };
    // A head of which only one part differs is damage.
    if head.iter().all(differs) { head.iter().map(|info| info.name.as_str()).collect() } else { Vec::new() }
}

/// What is wrong with a tensor of the network in the file.
fn fault(info: &Info, found: &HashMap<String, Found<'_>>) -> Option<String> {
    let Info { name, shape, is_count, .. } = info;
    let Some(found) = found.get(name) else {
        return (!is_count).then(|| format!("`{name}` is missing (expected {shape:?})"));
    };
    if found.shape != *shape {
        return Some(format!("`{name}` is {:?}, expected {shape:?}", found.shape));
    }
    let fits = if *is_count { found.numbers == Numbers::I64 } else { found.numbers.is_float() };
    let expected = if *is_count { "I64" } else { "F32" };
    (!fits).then(|| format!("`{name}` holds {}, expected {expected}", found.numbers))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use gridboard::{
        base::files::Durability,
        model::{Architecture, Resnet},
        spec::{Freeze, Parameters, Train, Value},
    };
    use tch::Device;

    use super::*;
    use crate::{
        engine::{Plan, tests::values},
        error::TrainError,
        weights::save,
    };

    fn resnet(classes: u32, seed: u64, freeze: Freeze) -> Engine {
        let train =
            Train::from_parameters(&Parameters::from([("epochs".to_owned(), Value::Int(1))])).unwrap();
        Engine::new(&Plan {
            model: &Architecture::Resnet(Resnet::Resnet18),
            image_size: 32,
            classes,
            seed,
            device: Device::Cpu,
            threads: 2,
            train: &Train { freeze, ..train },
        })
        .unwrap()
    }

    fn fixture(name: &str) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torchvision").join(name)
    }

    #[test]
    fn a_checkpoint_of_a_baseline_comes_back_with_its_statistics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let saved = resnet(3, 1, Freeze::None);
        save(&path, &saved, "{}".to_owned(), Durability::Synced).unwrap();
        let mut other = resnet(3, 2, Freeze::None);
        load(&path, &mut other).unwrap();
        assert_eq!(values(&saved), values(&other));
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let batches = file.tensor("bn1.num_batches_tracked").unwrap();
        assert_eq!((batches.dtype(), batches.shape()), (Dtype::I64, &[][..]));
        assert_eq!(file.tensor("layer4.1.bn2.running_var").unwrap().shape(), [512]);
        assert_eq!(file.len(), 122);
    }

    #[test]
    fn a_head_of_other_classes_is_left_out_and_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let saved = resnet(7, 1, Freeze::None);
        save(&path, &saved, "{}".to_owned(), Durability::Synced).unwrap();
        let fresh = values(&resnet(3, 2, Freeze::Backbone));
        let mut network = resnet(3, 2, Freeze::Backbone);
        let said = transfer(&path, &mut network).unwrap().unwrap();
        assert!(said.contains("`fc.weight` [7, 512] (the network's is [3, 512]), `fc.bias` [7]"), "{said}");
        let (ours, theirs) = (values(&network), values(&saved));
        let head = 3 * 512 + 3;
        let backbone = ours.len() - head;
        assert!(ours[..backbone] == theirs[..backbone] && ours[backbone..] == fresh[backbone..]);
        // A checkpoint is a run's own: its head must fit.
        let error = load(&path, &mut network).unwrap_err().to_string();
        assert!(error.contains("`fc.weight` is [7, 512], expected [3, 512]"), "{error}");
        // And where it fits it is taken.
        let mut same = resnet(7, 3, Freeze::None);
        assert_eq!(transfer(&path, &mut same).unwrap(), None);
        assert_eq!(values(&same), theirs);
    }

    /// Files that torch.save wrote (`scripts/torchvision_fixture.py`), in both formats.
    #[test]
    fn files_of_pytorch_are_read_in_every_type_and_layout() {
        for name in ["tiny.pth", "tiny-legacy.pth"] {
            let bytes = fs::read(fixture(name)).unwrap();
            let found = tensors(&fixture(name), &bytes).unwrap();
            let numbers = |tensor: &str| -> Vec<f32> {
                found[tensor].in_order().as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
            };
            let plain = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
            for tensor in ["plain", "half", "bfloat16", "double"] {
                assert_eq!(
                    (numbers(tensor), &found[tensor].shape[..]),
                    (plain.to_vec(), &[2, 3][..]),
                    "{name}, {tensor}"
                );
            }
            assert_eq!(numbers("transposed"), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0], "{name}");
            assert_eq!(numbers("shared"), [4.0, 5.0], "{name}: a view into the storage of `plain`");
            assert_eq!(found["count"].numbers, Numbers::I64);
            assert_eq!(found["count"].in_order()[..], 7_i64.to_le_bytes());
            assert_eq!(found.len(), 7, "{name}");
        }
    }

    #[test]
    fn files_that_are_no_state_dict_are_refused_in_words() {
        let message = |path: &Path| {
            TrainError::from(load(path, &mut resnet(2, 1, Freeze::None)).unwrap_err()).one_line()
        };
        let model = message(&fixture("model.pth"));
        assert!(model.contains("model.pth` is no state_dict: the pickle asks for `"), "{model}");
        let checkpoint = message(&fixture("checkpoint.pth"));
        assert!(checkpoint.contains("its entry `epoch` is no tensor"), "{checkpoint}");
        let tiny = message(&fixture("tiny.pth"));
        assert!(tiny.contains("`conv1.weight` is missing (expected [64, 3, 7, 7])"), "{tiny}");
        let folder = tempfile::tempdir().unwrap();
        let cut = folder.path().join("cut.pth");
        for name in ["tiny.pth", "tiny-legacy.pth"] {
            let whole = fs::read(fixture(name)).unwrap();
            for end in [20, whole.len() / 2, whole.len() - 1] {
                fs::write(&cut, &whole[..end]).unwrap();
                let bytes = fs::read(&cut).unwrap();
                assert!(tensors(&cut, &bytes).is_err(), "{name}, {end}");
            }
        }
    }
}
