//! `run.json`: what an attempt is told, and what its results rest on.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::folder::RunDir;
use crate::{
    base::files::{Durability, FileError, read_regular, write_whole},
    spec::{Checkpoint, Experiment, Family, Logging, Metric, Parameters},
};

/// Why a `run.json` cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// There is none.
    #[error("run `{}` has no `{}`", .0.display(), RunDir::RUN_FILE)]
    Missing(PathBuf),
    /// The file system says no.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is none.
    #[error("`{}`: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Where and why.
        problem: String,
    },
}

/// `run.json`: everything an attempt needs to know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// The experiment's name.
    pub experiment: String,
    /// The run's name.
    pub run: String,
    /// The run's content id.
    pub id: String,
    /// Counts from 1.
    pub attempt: u32,
    /// The seed.
    pub seed: u64,
    /// The trainer.
    pub family: Family,
    /// The grid point.
    pub axes: Parameters,
    /// All parameters.
    pub parameters: Parameters,
    /// The prepared corpus; absent for `command` trainers without a dataset.
    pub dataset: Option<RunDataset>,
    /// The device's id: `cpu`, or a CUDA device's UUID. The child sees it as its only device.
    pub device: String,
    /// Threads that the attempt may use.
    pub threads: u32,
    /// Version and commit of the program.
    pub version: String,
    /// The machine's name.
    pub host: String,
    /// Start of the attempt, seconds since 1970.
    pub started: f64,
    /// What the attempt keeps while it trains. Nothing of it changes a result.
    #[serde(default, skip_serializing_if = "Keeping::is_default")]
    pub keeping: Keeping,
    /// What else the results may depend on; absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Box<Provenance>>,
}

/// What a built-in trainer keeps while it trains, and how long it may take to end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Keeping {
    /// How often it writes the state that it can be resumed from.
    #[serde(default)]
    pub checkpoint: Checkpoint,
    /// How long it has to end when it is asked to, seconds; nobody waits for one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<f64>,
    /// The metric whose best epoch's weights it keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Metric>,
    /// What it logs beside its metrics.
    #[serde(default, skip_serializing_if = "Logging::is_default")]
    pub logging: Logging,
}

impl Keeping {
    /// Whether a file need not say it.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a run came from, beside what an attempt must be told: enough to train it again, and to say what was different where
/// the results then are. Every field that is absent is unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The resolved spec, its grid and its seeds narrowed to this run: run by itself it gives this run alone.
    pub spec: Experiment,
    /// The repository that `gridboard` was started in; absent outside of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// `rustc --version` of the compiler that built Gridboard.
    pub rustc: String,
    /// Version of the tch crate that the trainers are built with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tch: Option<String>,
    /// Version of the libtorch that the trainer has loaded: the trainer adds it when it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libtorch: Option<String>,
    /// The device in words: the GPU's or the processor's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// The processor's model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
    /// The instruction set that our own kernels take on this processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Variables of the environment that numeric libraries read, as `gridboard` found them.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

/// A git repository at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitState {
    /// The commit that was checked out, 40 hex digits.
    pub commit: String,
    /// 32 hex digits of the BLAKE3 hash of `git diff HEAD`, where tracked files differ from the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dirty: Option<String>,
}

/// The prepared corpus as a worker finds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDataset {
    /// Folder with `images.npy` (u8, `[n, h, w]`), `labels.npy` (u8, `[n]`) and `index.csv`; absolute.
    pub cache: PathBuf,
    /// `split.npy` (u8, `[n]`: 0 trains, 1 validates, 2 is held out for the test); absolute.
    pub split: PathBuf,
    /// Cache folder of a test set that is a folder of its own, as `cache`; absolute. Without it, the test images are those
    /// that `split` holds out, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// Content id of images, settings and split.
    pub fingerprint: String,
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Side of the images, pixels.
    pub image_size: u32,
}

impl RunFile {
    /// No run file is larger, bytes; one has a few kilobytes.
    pub const MOST_BYTES: u64 = 16 << 20;

    /// The file in a run's directory.
    ///
    /// # Errors
    /// [`RunFileError`] names the file and what is wrong with it.
    pub fn read(dir: &Path) -> Result<Self, RunFileError> {
        let path = RunDir::new(dir).run_file();
        match read_regular(&path, Self::MOST_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|error| RunFileError::Format { path, problem: error.to_string() }),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                Err(RunFileError::Missing(dir.to_owned()))
            }
            Err(FileError { source, .. }) => Err(RunFileError::Read { path, source }),
        }
    }

    /// Writes the file into a run's directory. Not synced: until its attempt has results, nothing rests on it.
    ///
    /// # Errors
    /// The file and what failed.
    pub fn write(&self, dir: &Path) -> Result<(), FileError> {
        let json = serde_json::to_vec_pretty(self).expect("a run file of finite numbers is JSON");
        write_whole(&RunDir::new(dir).run_file(), &[&json], Durability::Written)
    }
}
