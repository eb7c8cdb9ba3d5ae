//! A run, its attempts and how they end: the vocabulary between the grid, the scheduler, the worker and the store.
//!
//! `run.json` ([`RunFile`]) is what an attempt is told, `outcome.json` ([`Outcome`]) is what it answers. Both are plain
//! JSON, read by users too. Nothing here touches a file.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::spec::{Experiment, Family, Parameters, Value};

/// The run's weights, in its directory: a PyTorch `state_dict` as safetensors.
pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// What an attempt is told ([`RunFile`]), in the run's directory.
pub const RUN_FILE: &str = "run.json";

/// One run of the grid: a grid point with a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// Place in the grid, from 0; seeds innermost.
    pub index: u64,
    /// Readable name, unique in the experiment, and the run's directory.
    pub name: String,
    /// Content id: 16 hex digits of the BLAKE3 hash of family, parameters and seed.
    pub id: String,
    /// The trainer.
    pub family: Family,
    /// The grid point, in the order of the axes.
    pub axes: Vec<(String, Value)>,
    /// All parameters: the fixed ones and the grid point's.
    pub parameters: Parameters,
    /// Seeds the initial weights and the shuffles.
    pub seed: u64,
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
    /// What else the results may depend on; absent in files of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Box<Provenance>>,
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

/// The state of a run in the ledger. Every run of a grid is in exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Owed: never started, or interrupted.
    Pending,
    /// An attempt is alive.
    Running,
    /// Finished with results.
    Completed,
    /// The last attempt failed; running the spec again retries it.
    Failed,
}

/// `outcome.json`: how an attempt ended, written atomically as its last act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The attempt that ended.
    pub attempt: u32,
    /// `completed` or `failed`.
    pub state: RunState,
    /// Why, where it failed.
    pub failure: Option<Failure>,
    /// End, seconds since 1970.
    pub finished: f64,
    /// Peak resident memory of the attempt, bytes, where known.
    pub peak_memory: Option<u64>,
    /// Where the attempt's time went, where the trainer tells; files of earlier versions do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
}

/// Where the time of an attempt went. What neither phase has is start-up, pictures, predictions and weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Training steps: batch, forward, backward, optimizer.
    pub training: Spent,
    /// The network on the validation images.
    pub validation: Spent,
}

/// Time by the clock and by the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// By the clock.
    pub seconds: f64,
    /// User and system time of all threads.
    pub core_seconds: f64,
}

/// What an attempt has used of the machine, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    /// Peak resident memory, bytes: the trainer's word, or the kernel's where that can be told from Gridboard's own.
    pub peak_memory: Option<u64>,
    /// User and system time of its process and of the children that this has waited for, seconds.
    pub core_seconds: Option<f64>,
    /// Where the time went, by the trainer's word.
    pub phases: Option<Phases>,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The kind, for queries.
    pub kind: FailureKind,
    /// One line that says what happened.
    pub reason: String,
    /// The last lines of the log.
    pub log_tail: String,
}

/// Kinds of failure, told apart because each wants another answer from the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The loss became NaN or infinite.
    Diverged,
    /// The process ended with a status other than 0.
    Exit,
    /// The process was ended by a signal that Gridboard did not send.
    Signal,
    /// Memory ran out, on the host or on the device.
    OutOfMemory,
    /// The trainer reported an error of its own: data, weights, files.
    Trainer,
    /// The process could not be started.
    Launch,
    /// The process ended well, but the metrics that the ranking needs were never written.
    NoMetrics,
}

macro_rules! words {
    ($type:ty: $($variant:ident = $word:literal),* $(,)?) => {
        impl $type {
            /// The word for the database, the tables and JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.pad(self.as_str()) }
        }
        impl FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!("`{other}` is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words!(RunState: Pending = "pending", Running = "running", Completed = "completed", Failed = "failed");
words!(FailureKind:
    Diverged = "diverged", Exit = "exit", Signal = "signal", OutOfMemory = "out_of_memory", Trainer = "trainer",
    Launch = "launch", NoMetrics = "no_metrics");
