//! Log directories of other programs become experiments: `gridboard import`.
//!
//! `scan` reads what lies in a TensorBoard log directory, `group` says which of its directories are one run, `experiment` makes
//! the spec of which these are the grid, `place` puts links or copies into folders of ours, `load` brings the folders into the
//! database, as a rebuild does. Nothing is written into the directory. The same import again changes what has changed.

mod experiment;
mod group;
mod load;
mod place;
mod scan;

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    base::{clock::wall_now, error::with_causes, files::FileError, human::counted, signals::Signals},
    index::IndexError,
    run::{ExperimentDir, ImportSource, LedgerFile, LedgerFileError},
    spec::{Goal, NameError, RankRule, check_experiment_name},
    store::{Store, StoreError},
};
use experiment::ForeignRun;

/// Why a directory is not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// It is not there, or no directory.
    #[error("`{}` is no directory of logs: {source}", path.display())]
    NoDirectory {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds no event files with scalars or HParams.
    #[error("no event file with scalars below `{}`", .0.display())]
    NothingThere(PathBuf),
    /// It is Gridboard's own.
    #[error("`{}` and the runs directory `{}` lie in one another: its runs are Gridboard's own", path.display(), runs_dir.display())]
    Own {
        /// The path.
        path: PathBuf,
        /// The runs directory.
        runs_dir: PathBuf,
    },
    /// The name cannot be had.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Another experiment has the name.
    #[error("experiment `{name}` {what}")]
    Taken {
        /// The name.
        name: String,
        /// What it is.
        what: String,
    },
    /// Nobody knows what is better of any metric.
    #[error("which run is the best cannot be told: what is better of {tag} is not known")]
    NoGoal {
        /// The metric, or what is there.
        tag: String,
        /// Tags that were written.
        tags: Vec<String>,
    },
    /// A metric that no run has written.
    #[error("no run has written `{tag}`")]
    NoTag {
        /// The metric.
        tag: String,
        /// Tags that were written.
        tags: Vec<String>,
    },
    /// Copies would be lost.
    #[error("{} copied before and gone from `{}` since", counted_were(*.runs), directory.display())]
    Gone {
        /// How many.
        runs: usize,
        /// The log directory.
        directory: PathBuf,
    },
    /// The experiment's folder cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerFileError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folders do not come into the database.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl ImportError {
    /// What to try.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let some = |tags: &[String]| {
            let shown: Vec<&str> = tags.iter().take(12).map(String::as_str).collect();
            format!("there are: {}", shown.join(", "))
        };
        match self {
            Self::Name(_) | Self::Taken { .. } => Some("--as NAME gives it another name".to_owned()),
            Self::NoGoal { tags, .. } => {
                Some(format!("--by TAG --goal maximize (or minimize) says it; {}", some(tags)))
            }
            Self::NoTag { tags, .. } => Some(some(tags)),
            Self::Gone { .. } => {
                Some("--as NAME imports what is there now under a name of its own".to_owned())
            }
            Self::Store(error) => error.hint().map(str::to_owned),
            _ => None,
        }
    }

    /// Whether the command line is at fault.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::File(_) | Self::Store(_) | Self::Ledger(_) => false,
            Self::Index(error) => matches!(error, IndexError::Running(_)),
            _ => true,
        }
    }

    /// Whether the user wanted it to end.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Index(IndexError::Interrupted))
    }
}

/// What is to be imported, and how.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The log directory.
    pub(crate) directory: PathBuf,
    /// The experiment's name; the directory's where it is absent.
    pub(crate) name: Option<String>,
    /// Whether event files are copied; else they are linked to.
    pub(crate) copy: bool,
    /// The metric that ranks, and what is better of it; chosen where it is absent.
    pub(crate) by: Option<String>,
    pub(crate) goal: Option<Goal>,
}

/// What was imported.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) runs: usize,
    /// Runs whose rows were written.
    pub(crate) changed: usize,
    /// Runs of an earlier import that are gone.
    pub(crate) gone: usize,
    pub(crate) points: u64,
    pub(crate) axes: Vec<String>,
    pub(crate) rule: RankRule,
    /// Whether the rule was chosen by the tags.
    pub(crate) chosen: bool,
    /// What could not be read or is not as it looks.
    pub(crate) notes: Vec<String>,
}

/// Imports a log directory into a runs directory. `progress` is told how many runs of how many are done.
///
/// # Errors
/// [`ImportError`]. What is done until then stays, and the same import goes on from there.
pub(crate) async fn import(
    runs_dir: &Path,
    request: &Request,
    progress: &(dyn Fn(usize, usize) + Sync),
    signals: &Signals,
) -> Result<Imported, ImportError> {
    let no_directory = |source| ImportError::NoDirectory { path: request.directory.clone(), source };
    let directory = std::fs::canonicalize(&request.directory).map_err(no_directory)?;
    if !directory.is_dir() {
        return Err(no_directory(io::ErrorKind::NotADirectory.into()));
    }
    std::fs::create_dir_all(runs_dir).map_err(FileError::at("create folder", runs_dir))?;
    let runs_dir = std::fs::canonicalize(runs_dir).map_err(FileError::at("find", runs_dir))?;
    if directory.starts_with(&runs_dir) || runs_dir.starts_with(&directory) {
        return Err(ImportError::Own { path: directory, runs_dir });
    }
    let name = name_of(request.name.as_deref(), &directory)?;
    let (dirs, mut notes) = scan::scan(&directory, signals);
    if signals.heard() {
        return Err(IndexError::Interrupted.into());
    }
    let runs: Vec<ForeignRun> =
        group::group(&dirs).iter().map(|group| ForeignRun::new(&dirs, group)).collect();
    if runs.is_empty() {
        return Err(ImportError::NothingThere(directory));
    }
    let dir = ExperimentDir::new(&runs_dir, &name);
    std::fs::create_dir_all(dir.path()).map_err(FileError::at("create folder", dir.path()))?;
    let lock = dir.take_lock().map_err(FileError::at("lock", &dir.lock()))?;
    let Some(_lock) = lock else { return Err(IndexError::Running(dir.busy(&name)).into()) };
    let mut store = Store::open(&runs_dir).await?;
    store.must_be_newest(&dir)?;
    store.be_newest(&dir)?;
    let earlier = LedgerFile::read(&dir)?;
    let known = store.experiment(&name).await?;
    is_free(&name, &directory, request.copy, earlier.as_ref(), known.is_some())?;
    let before =
        known.as_ref().map(|record| &record.spec.rank).or(earlier.as_ref().map(|file| &file.spec.rank));
    let (rule, chosen) = experiment::rule(&runs, &dirs, request, before)?;
    let source = ImportSource { directory: directory.clone(), copied: request.copy };
    let created = earlier.as_ref().map_or_else(wall_now, |file| file.created);
    let (file, runs) = experiment::ledger_file(&name, rule.clone(), runs, source, created);
    let axes = crate::grid::axis_names(&file.spec);
    let n_runs = runs.len();
    let loaded = load::load(&mut store, &dir, &file, (&runs, &dirs), known, progress, signals).await?;
    notes.extend(loaded.notes);
    store.close().await?;
    Ok(Imported {
        name,
        directory,
        runs: n_runs,
        changed: loaded.changed,
        gone: loaded.gone,
        points: loaded.points,
        axes,
        rule,
        chosen,
        notes,
    })
}

/// The experiment's name: the one that is wanted, else that of the directory, as far as an experiment may have it.
fn name_of(wanted: Option<&str>, directory: &Path) -> Result<String, ImportError> {
    if let Some(name) = wanted {
        check_experiment_name(name)?;
        return Ok(name.to_owned());
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let clean =
        |letter: char| if letter.is_ascii_alphanumeric() || "_-".contains(letter) { letter } else { '_' };
    let name: String = name.chars().map(clean).take(50).collect();
    if check_experiment_name(&name).is_ok() {
        return Ok(name);
    }
    let name = format!("imported-{}", name.trim_start_matches(['_', '-']));
    check_experiment_name(&name)?;
    Ok(name)
}

/// Whether the name is free, or is that of an earlier import of the same directory.
fn is_free(
    name: &str,
    directory: &Path,
    copy: bool,
    earlier: Option<&LedgerFile>,
    is_known: bool,
) -> Result<(), ImportError> {
    let taken = |what: String| Err(ImportError::Taken { name: name.to_owned(), what });
    match earlier.and_then(|file| file.import.as_ref()) {
        Some(import) if import.directory != directory => {
            taken(format!("was imported from `{}`", import.directory.display()))
        }
        Some(import) if import.copied != copy => {
            let (was, is) = if copy { ("linked", "copied") } else { ("copied", "linked") };
            taken(format!("was {was} before, and is to be {is} now"))
        }
        Some(_) => Ok(()),
        None if is_known || earlier.is_some() => taken("is there already, and was not imported".to_owned()),
        None => Ok(()),
    }
}

fn counted_were(runs: usize) -> String {
    format!("{} {}", counted(runs, "run"), if runs == 1 { "was" } else { "were" })
}

/// A problem of a file in words, with its causes.
fn words(error: &dyn std::error::Error) -> String {
    with_causes(error)
}
