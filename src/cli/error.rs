//! The error of a command: what to say, which hint to add, which exit code to end with.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    base::{files::FileError, human::bytes},
    corpus::{BadFile, CorpusError},
    device::{DeviceError, Obstacle, ParseDevicesError},
    figure::FigureError,
    grid::ImpossibleRuns,
    import::ImportError,
    index::{IndexError, RecordError},
    launch::{FindWorkerError, ProbeError, ProgramError},
    predict::{AskError, SourceError, TrainedRunError},
    predictions::PredictionsError,
    publish::PublishError,
    rerun::{CompareError, RepeatError},
    run::{Busy, Holder},
    spec::{SpecError, suggest},
    store::StoreError,
    sweep::{BoardError, SweepError},
};

/// Exit codes, as the help text and `docs/failure-and-resume.md` list them.
pub mod exit {
    /// Everything asked for was done.
    pub const DONE: u8 = 0;
    /// Something went wrong that no other code names.
    pub const ERROR: u8 = 1;
    /// The command line or the spec is wrong; nothing was run. (clap uses the same code.)
    pub const USAGE: u8 = 2;
    /// The sweep finished, with failed runs.
    pub const FAILED_RUNS: u8 = 3;
    /// The runs database was deleted, replaced, emptied or damaged while it was in use, or files and database disagree.
    pub const LEDGER: u8 = 4;
    /// A signal that asks for an end stopped the command.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a command ended without doing what it was asked.
#[derive(Debug, Error)]
pub enum CliError {
    /// The spec has problems.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Some runs of the grid cannot be built.
    #[error(transparent)]
    Model(#[from] ImpossibleRuns),
    /// The devices asked for are not there.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The words for the devices are not understood.
    #[error(transparent)]
    Devices(#[from] ParseDevicesError),
    /// CUDA devices are asked for by name, and built-in trainers cannot use them.
    #[error("the CUDA devices cannot be used: {0}")]
    Unusable(Obstacle),
    /// The worker does not say what it can use.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The images could not be prepared.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// The runs database could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sweep could not be carried out.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// The log directory for TensorBoard could not be made.
    #[error(transparent)]
    Board(#[from] BoardError),
    /// TensorBoard is not there or does not start.
    #[error("{message}")]
    TensorBoard {
        /// What is wrong.
        message: String,
        /// How to get it.
        hint: Option<String>,
    },
    /// The live page cannot be served.
    #[cfg(feature = "page")]
    #[error(transparent)]
    Serve(#[from] crate::serve::ServeError),
    /// This program has no live page.
    #[error("this gridboard was built without the live page")]
    NoPage,
    /// The report could not be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database could not be made anew.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// A log directory could not be imported.
    #[error(transparent)]
    Import(Box<ImportError>),
    /// What is to be kept of an experiment could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A figure could not be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
    /// Stored predictions cannot be read.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// Two runs cannot be compared.
    #[error("{message}")]
    Incomparable {
        /// Which, and why.
        message: String,
        /// What could be.
        hint: Option<String>,
    },
    /// An argument is not what it should be.
    #[error("{message}")]
    Usage {
        /// Which, and why.
        message: String,
        /// What it should be.
        hint: Option<String>,
    },
    /// A file that was asked for cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something named on the command line does not exist.
    #[error("{message}")]
    NotFound {
        /// What does not exist, and where it was looked for.
        message: String,
        /// What exists.
        hint: Option<String>,
    },
    /// The run's network cannot be asked.
    #[error(transparent)]
    TrainedRun(#[from] TrainedRunError),
    /// The arguments name no images.
    #[error(transparent)]
    Images(#[from] SourceError),
    /// There is no built-in trainer.
    #[error(transparent)]
    Worker(#[from] FindWorkerError),
    /// The network gave no answers.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// A run cannot be trained again.
    #[error(transparent)]
    Repeat(#[from] RepeatError),
    /// The two trainings cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The second training failed.
    #[error("{0}")]
    Rerun(String),
    /// Some files are no images; the others were done.
    #[error("{} of {total} files could not be predicted{}", bad.len(), lines(bad))]
    NoImages {
        /// Number of files that were named.
        total: usize,
        /// Every bad file.
        bad: Vec<BadFile>,
    },
    /// Initial weights that a run names cannot be opened.
    #[error("cannot open the initial weights `{path}`: {error}")]
    Weights {
        /// The file.
        path: String,
        /// Why.
        error: io::Error,
    },
    /// The program of a command cannot be started.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// An installed package cannot be set up.
    #[error("{message}")]
    Setup {
        /// What is missing or went wrong.
        message: String,
        /// A way out.
        hint: Option<String>,
    },
    /// Signals could not be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// The command was asked to end before it was done.
    #[error("interrupted")]
    Interrupted,
    /// The user does not want it deleted.
    #[error("nothing was deleted")]
    Declined,
    /// The answer to a question cannot be read.
    #[error("cannot read the answer: {0}")]
    Stdin(io::Error),
    /// A file or folder cannot be read, written or deleted.
    #[error(transparent)]
    File(#[from] FileError),
    /// A process holds an experiment, and takes no requests.
    #[error("`{experiment}` takes no requests at the moment{}", by(.holder.as_ref()))]
    Deaf {
        /// The experiment.
        experiment: String,
        /// Who holds it.
        holder: Option<Holder>,
    },
    /// An experiment is being run.
    #[error("{0}")]
    Running(Busy),
    /// The runs of a sweep will not fit onto the disk.
    #[error(
        "the runs that are owed take about {} and {} are free where `{}` lies: nothing was started",
        bytes(*.needed),
        bytes(*.free),
        .dir.display()
    )]
    NoRoom {
        /// What they take, bytes.
        needed: u64,
        /// What is free, bytes.
        free: u64,
        /// The experiment's folder.
        dir: PathBuf,
    },
    /// The async runtime could not be started.
    #[error("cannot start the runtime: {0}")]
    Runtime(io::Error),
    /// stdout cannot be written.
    #[error("cannot write to stdout: {0}")]
    Stdout(io::Error),
}

impl From<ImportError> for CliError {
    fn from(error: ImportError) -> Self {
        Self::Import(Box::new(error))
    }
}

/// Who holds the lock of an experiment.
fn by(holder: Option<&Holder>) -> String {
    holder.map(|holder| format!(": process {} on {} holds it", holder.pid, holder.host)).unwrap_or_default()
}

fn lines(bad: &[BadFile]) -> String {
    bad.iter().map(|BadFile { file, reason }| format!("\n  `{file}`: {reason}")).collect()
}

/// What may have been meant by a spec that is not there: a file of a like name in its folder, else those that are there.
fn instead_of(path: &Path) -> String {
    const MOST: usize = 5;
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let is_spec = |name: &String| name.ends_with(".yaml") || name.ends_with(".yml");
    let entries = fs::read_dir(listed).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_spec).collect();
    names.sort();
    let stem = |name: &str| Path::new(name).file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let wanted = stem(&path.to_string_lossy());
    let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
    let known: Vec<&str> = stems.iter().map(String::as_str).collect();
    if let Some(place) = suggest(&wanted, &known).and_then(|best| known.iter().position(|name| *name == best))
    {
        return format!("did you mean `{}`?", folder.join(&names[place]).display());
    }
    match names.as_slice() {
        [] => "a spec is a YAML file; `gridboard schema` says what may be in it, for an editor".to_owned(),
        names if names.len() <= MOST => format!("there: {}", names.join(", ")),
        names => format!("there: {} and {} more", names[..MOST].join(", "), names.len() - MOST),
    }
}

impl CliError {
    /// The exit code, one of [`exit`].
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Spec(_) | Self::Model(_) | Self::Device(_) | Self::Devices(_) | Self::Unusable(_) => {
                exit::USAGE
            }
            Self::Sweep(error) if error.is_usage() => exit::USAGE,
            Self::Store(error)
            | Self::Sweep(SweepError::Store(error))
            | Self::Publish(PublishError::Store(error))
                if error.is_loss() =>
            {
                exit::LEDGER
            }
            Self::Corpus(error) if error.is_usage() => exit::USAGE,
            Self::Index(IndexError::Nothing(_) | IndexError::Running(_)) => exit::USAGE,
            Self::Import(error) if error.is_usage() => exit::USAGE,
            Self::Import(error) if error.is_interrupted() => exit::INTERRUPTED,
            Self::Interrupted
            | Self::Index(IndexError::Interrupted)
            | Self::Publish(PublishError::Interrupted)
            | Self::Ask(AskError::Interrupted)
            | Self::Sweep(SweepError::Interrupted | SweepError::Corpus(CorpusError::Cancelled)) => {
                exit::INTERRUPTED
            }
            #[cfg(feature = "page")]
            Self::Serve(crate::serve::ServeError::Taken { .. }) => exit::USAGE,
            Self::NotFound { .. }
            | Self::Usage { .. }
            | Self::Weights { .. }
            | Self::Program(_)
            | Self::TrainedRun(_) => exit::USAGE,
            Self::Repeat(error) if error.is_usage() => exit::USAGE,
            Self::Images(SourceError::Missing(_) | SourceError::Empty(_)) => exit::USAGE,
            _ => exit::ERROR,
        }
    }

    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Spec(SpecError::Read { path, source }) if source.kind() == io::ErrorKind::NotFound => {
                Some(instead_of(path))
            }
            Self::Sweep(error) => error.hint(),
            Self::Publish(error) => error.hint(),
            Self::Store(error) => error.hint().map(str::to_owned),
            Self::Corpus(error) => error.hint(),
            Self::NotFound { hint, .. }
            | Self::Incomparable { hint, .. }
            | Self::Usage { hint, .. }
            | Self::TensorBoard { hint, .. }
            | Self::Setup { hint, .. } => hint.clone(),
            Self::Device(error) => error.hint().map(str::to_owned),
            Self::Repeat(error) => error.hint(),
            Self::TrainedRun(error) => error.hint().map(str::to_owned),
            Self::Worker(error) => Some(error.hint().to_owned()),
            Self::Unusable(obstacle) => Some(obstacle.hint().to_owned()),
            Self::Program(error) => error.hint(),
            Self::Index(IndexError::Nothing(_)) => {
                Some("name the directory of your runs with `--runs-dir DIR` or GRIDBOARD_RUNS".to_owned())
            }
            Self::Import(error) => error.hint(),
            Self::Index(IndexError::Store(error)) => error.hint().map(str::to_owned),
            Self::Deaf { holder: Some(holder), .. } if holder.is_elsewhere() => Some(format!(
                "it does not answer from here: give the command on {}; where that has died, `gridboard run` goes on from here",
                holder.host
            )),
            Self::Deaf { .. } => {
                Some("it is being prepared, or its report is made: try again in a moment".to_owned())
            }
            Self::Running(by) | Self::Index(IndexError::Running(by)) => Some(match by.elsewhere() {
                None => "wait for it, or stop it: Ctrl-C in its terminal, or `gridboard drain`".to_owned(),
                Some(host) => format!(
                    "wait for it, or stop it: Ctrl-C in its terminal on {host}, or `gridboard drain`; where it has died there, \
                     `gridboard run` goes on from here"
                ),
            }),
            Self::NoRoom { .. } => Some(
                "make room, or name a directory on another disk with `--runs-dir DIR`; `gridboard plan SPEC` says what takes it"
                    .to_owned(),
            ),
            #[cfg(feature = "page")]
            Self::Serve(error) => error.hint(),
            Self::NoPage => Some(
                "`scripts/setup.sh` brings what it needs (npm, for uPlot), then build again with the feature `page`".to_owned(),
            ),
            Self::Probe(_) => Some("`gridboard doctor` says more".to_owned()),
            _ => None,
        }
    }
}
