//! `state.safetensors`: what a built-in trainer is resumed from. Here is what the file says of itself, and whether it is
//! this run's; the tensors behind it are the worker's business.
//!
//! Written by the worker at ends of epochs, read by it when an attempt begins, and before that by the sweep, which cuts
//! the curves back to where the state was written. The format is that of safetensors: eight bytes (the length of the
//! header, little-endian), the header (JSON), the tensors. The last tensor, [`TrainingState::DIGEST`], is the BLAKE3 hash
//! of all bytes before it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{file::RunFile, folder::RunDir};
use crate::base::program::version;

/// The format of states that this program writes and reads.
pub const STATE_FORMAT: u32 = 1;

/// Longest header that is read, bytes; that of a ResNet-50 has 100 kB.
const MOST_HEADER: u64 = 16 << 20;

/// What a training state says of itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// [`STATE_FORMAT`].
    pub format: u32,
    /// The run's content id: family, parameters and seed.
    pub run: String,
    /// Content id of images, settings and split.
    pub corpus: String,
    /// Version and commit of the program.
    pub program: String,
    /// What computed: kernels, and the instructions or the kind of device.
    pub kernels: String,
    /// Threads of the attempt.
    pub threads: u32,
    /// The attempt, from 1.
    pub attempt: u32,
    /// The next epoch, from 0: so many are done.
    pub epoch: u32,
    /// The step that the next batch has on its curve.
    pub batch: i64,
    /// Updates of the optimizer.
    pub updates: u32,
    /// Masks of dropout that were drawn.
    pub masks: u64,
    /// Event files of the curves by path below the run's folder, and where each of them ends, bytes.
    pub files: BTreeMap<String, u64>,
    /// The best epoch so far, where its weights are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<BestEpoch>,
}

/// The epoch whose weights are in `best.safetensors`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BestEpoch {
    /// From 0.
    pub epoch: u32,
    /// The metric after it.
    pub value: f64,
}

/// Why a training state is not used. Each reads on behind "the training state is not used, since ".
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system says no.
    #[error("`{}` cannot be read: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file is none, or not whole.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It is another run's, another program's or another machine's.
    #[error("it is of {what} `{then}`, and this is `{now}`")]
    Foreign {
        /// What differs.
        what: &'static str,
        /// In the state.
        then: String,
        /// In this attempt.
        now: String,
    },
    /// A file that it goes with is not as it was.
    #[error("`{}` {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl TrainingState {
    /// Key of it among the metadata of the file.
    pub const METADATA_KEY: &'static str = "gridboard";
    /// Name of the tensor with the hash.
    pub const DIGEST: &'static str = "digest";

    /// What the state in a run's folder says of itself; `None` where there is none. The tensors are not looked at, but
    /// for their number of bytes.
    ///
    /// # Errors
    /// [`StateError::Io`], [`StateError::Damaged`], and [`StateError::Foreign`] for another format.
    pub fn read(dir: &RunDir) -> Result<Option<Self>, StateError> {
        let path = dir.state();
        let io = |error| StateError::Io { path: path.clone(), error };
        // A folder or a named pipe is nothing that we have written.
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
            Ok(metadata) if !metadata.is_file() => return Err(damaged(&path, "it is not a regular file")),
            Ok(_) => {}
        }
        let mut file = File::open(&path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| damaged(&path, "it is cut off"))?;
        let length = u64::from_le_bytes(length);
        if length > MOST_HEADER.min(bytes) {
            return Err(damaged(&path, "its header is cut off or none"));
        }
        let mut header = Vec::new();
        file.take(length).read_to_end(&mut header).map_err(io)?;
        let header: Map<String, Value> = serde_json::from_slice(&header)
            .map_err(|error| damaged(&path, &format!("its header is not JSON: {error}")))?;
        let end = |about: &Value| about["data_offsets"][1].as_u64().unwrap_or(0);
        let tensors = header.values().map(end).max().unwrap_or(0);
        let whole = tensors.saturating_add(8 + length);
        if whole != bytes {
            return Err(damaged(&path, &format!("it has {bytes} bytes of {whole}")));
        }
        let about = header.get("__metadata__").and_then(|about| about[Self::METADATA_KEY].as_str());
        let text = about.unwrap_or_default();
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let no_state = |error| damaged(&path, &format!("it does not say what it is: {error}"));
        let Format { format } = serde_json::from_str(text).map_err(no_state)?;
        foreign("format", &format, &STATE_FORMAT)?;
        serde_json::from_str(text).map(Some).map_err(no_state)
    }

    /// Whether it is of this run: the same parameters, seed and images, written by this program.
    ///
    /// # Errors
    /// [`StateError::Foreign`] names the first difference.
    pub fn must_be_of(&self, run: &RunFile) -> Result<(), StateError> {
        foreign("the run", &self.run, &run.id)?;
        let corpus = run.dataset.as_ref().map(|dataset| dataset.fingerprint.as_str()).unwrap_or_default();
        foreign("the images", &self.corpus.as_str(), &corpus)?;
        foreign("gridboard", &self.program.as_str(), &version())
    }

    /// Whether it was computed by these kernels.
    ///
    /// # Errors
    /// [`StateError::Foreign`].
    pub fn must_be_by(&self, kernels: &str) -> Result<(), StateError> {
        foreign("the kernels", &self.kernels.as_str(), &kernels)
    }

    /// Whether the event files are there as far as they were when it was written, and the best weights.
    ///
    /// # Errors
    /// [`StateError::File`].
    pub fn must_have_files(&self, dir: &RunDir) -> Result<(), StateError> {
        if self.best.is_some() && !dir.best().is_file() {
            return Err(StateError::File { path: dir.best(), problem: "is gone".to_owned() });
        }
        for (name, &bytes) in &self.files {
            let path = dir.path().join(name);
            let wrong = |problem| Err(StateError::File { path: path.clone(), problem });
            match fs::symlink_metadata(&path) {
                Ok(metadata) if !metadata.is_file() => return wrong("is not a regular file".to_owned()),
                Ok(metadata) if metadata.len() < bytes => {
                    return wrong(format!("has {} bytes, and had {bytes}", metadata.len()));
                }
                Ok(_) => {}
                Err(error) => return wrong(format!("is gone: {error}")),
            }
        }
        Ok(())
    }
}

fn foreign<T: PartialEq + ToString>(what: &'static str, then: &T, now: &T) -> Result<(), StateError> {
    if then == now {
        return Ok(());
    }
    Err(StateError::Foreign { what, then: then.to_string(), now: now.to_string() })
}

fn damaged(path: &Path, problem: &str) -> StateError {
    StateError::Damaged { path: path.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> TrainingState {
        TrainingState {
            format: STATE_FORMAT,
            run: "0123456789abcdef".to_owned(),
            corpus: String::new(),
            program: version().to_owned(),
            kernels: "fused".to_owned(),
            threads: 1,
            attempt: 1,
            epoch: 3,
            batch: 12,
            updates: 12,
            masks: 0,
            files: BTreeMap::from([("train/a.tfevents".to_owned(), 4)]),
            best: None,
        }
    }

    fn write(dir: &RunDir, state: &TrainingState, bytes: usize) {
        let about = serde_json::to_string(state).unwrap();
        let header = serde_json::json!({
            "__metadata__": {TrainingState::METADATA_KEY: about},
            "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        });
        write_file(dir, &header, bytes);
    }

    fn write_file(dir: &RunDir, header: &Value, bytes: usize) {
        let header = header.to_string();
        let mut all = (header.len() as u64).to_le_bytes().to_vec();
        all.extend(header.as_bytes());
        all.extend(vec![0; bytes]);
        fs::write(dir.state(), all).unwrap();
    }

    fn told(read: Result<Option<TrainingState>, StateError>) -> String {
        read.expect_err("it is no state").to_string()
    }

    #[test]
    fn a_state_is_read_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        assert_eq!(TrainingState::read(&dir).unwrap(), None);
        write(&dir, &state(), 8);
        assert_eq!(TrainingState::read(&dir).unwrap(), Some(state()));
        let whole = fs::read(dir.state()).unwrap();
        for end in 0..whole.len() {
            fs::write(dir.state(), &whole[..end]).unwrap();
            assert!(told(TrainingState::read(&dir)).contains(" is damaged: "), "{end}");
        }
        write(&dir, &state(), 9);
        assert!(told(TrainingState::read(&dir)).contains("bytes of"));
        // Somebody else's weights, and a header that lies about their size.
        let tensor = |end: u64| serde_json::json!({"dtype": "F32", "shape": [2], "data_offsets": [0, end]});
        for header in [
            serde_json::json!({"w": tensor(8)}),
            serde_json::json!({"__metadata__": {"format": "pt"}, "w": tensor(8)}),
            serde_json::json!({"__metadata__": 1, "w": tensor(8)}),
        ] {
            write_file(&dir, &header, 8);
            assert!(told(TrainingState::read(&dir)).contains("it does not say what it is"), "{header}");
        }
        write_file(&dir, &serde_json::json!({"w": tensor(u64::MAX)}), 8);
        assert!(told(TrainingState::read(&dir)).ends_with(" bytes of 18446744073709551615"));
        write(&dir, &TrainingState { format: 2, ..state() }, 8);
        assert_eq!(told(TrainingState::read(&dir)), "it is of format `2`, and this is `1`");
        fs::remove_file(dir.state()).unwrap();
        fs::create_dir(dir.state()).unwrap();
        assert!(told(TrainingState::read(&dir)).contains("not a regular file"));
    }

    #[test]
    fn another_runs_and_another_programs_state_are_refused() {
        let run: RunFile = serde_json::from_value(serde_json::json!({
            "experiment": "e", "run": "r", "id": "0123456789abcdef", "attempt": 2, "seed": 0, "family": "command",
            "axes": {}, "parameters": {}, "dataset": null, "device": "cpu", "threads": 1, "version": "",
            "host": "", "started": 0.0,
        }))
        .unwrap();
        state().must_be_of(&run).unwrap();
        let foreign = |state: TrainingState| state.must_be_of(&run).unwrap_err().to_string();
        let other = foreign(TrainingState { run: "ff".to_owned(), ..state() });
        assert_eq!(other, "it is of the run `ff`, and this is `0123456789abcdef`");
        assert!(foreign(TrainingState { corpus: "ff".to_owned(), ..state() }).contains("the images"));
        assert!(foreign(TrainingState { program: "0.0.1".to_owned(), ..state() }).contains("gridboard"));
        assert!(state().must_be_by("fused").is_ok() && state().must_be_by("plain").is_err());
    }

    #[test]
    fn event_files_must_be_as_long_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        assert!(state().must_have_files(&dir).unwrap_err().to_string().contains("is gone"));
        let path = folder.path().join("train/a.tfevents");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::write(&path, "abc").unwrap();
        let short = state().must_have_files(&dir).unwrap_err().to_string();
        assert!(short.ends_with("has 3 bytes, and had 4"), "{short}");
        fs::write(&path, "abcdef").unwrap();
        state().must_have_files(&dir).unwrap();
        fs::write(folder.path().join("train/b.tfevents"), "later").unwrap();
        fs::write(folder.path().join(".partial-x"), "killed").unwrap();
        write(&dir, &state(), 8);
        dir.clear_but(&state().files).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"abcd", "the file ends where it did");
        let later = fs::metadata(folder.path().join("train/b.tfevents")).unwrap();
        assert!(later.len() == 0 && !folder.path().join(".partial-x").exists());
        assert!(dir.state().exists());
        dir.clear().unwrap();
        assert!(!path.exists() && !dir.state().exists());
    }

    proptest::proptest! {
        /// With and without a header that says how long it is.
        #[test]
        fn any_bytes_end_in_a_state_or_a_sentence(bytes: Vec<u8>, framed: bool, text in "[{}:,0-9a-z_\"\\[\\]]{0,60}") {
            let folder = tempfile::tempdir().unwrap();
            let dir = RunDir::new(folder.path());
            let content = if framed {
                [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &bytes].concat()
            } else {
                bytes
            };
            fs::write(dir.state(), content).unwrap();
            if let Err(error) = TrainingState::read(&dir) {
                let sentence = error.to_string();
                proptest::prop_assert!(sentence.contains("state.safetensors"), "{}", sentence);
            }
        }
    }
}
