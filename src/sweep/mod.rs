//! A sweep: the ledger is opened, the corpus prepared, every owed run is trained, the results are ranked and reported.
//!
//! Called by `gridboard run`. The decisions are the scheduler's (`schedule`), the processes the launcher's (`launch`),
//! the numbers come from the event files (`follow`); this module only carries things from one to the other.

mod account;
mod attempt;
mod error;
mod facts;
mod hparams;
mod orphans;
mod placement;
mod planned;
mod prepare;
mod progress;
mod provenance;
mod results;
mod run_loop;
mod status;

pub use account::{ACCOUNT_FILE, Account, Sum, Watch, own_core_seconds};
pub use error::SweepError;
pub use placement::{Measured, measured_placement};
pub use prepare::{Corpus, Owed, Preparation, check_unchanged, is_being_run, prepare, prepare_corpus};
pub use progress::{Line, Progress};
pub use provenance::Facts;
pub use results::{Finished, report, report_suite, suite_dir};
pub use run_loop::{End, sweep};
pub use status::{Live, Planned, Status};

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970: the stamp of events and database rows.
#[must_use]
pub fn wall_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// The machine's name, as ledger and run files have it.
fn host() -> &'static str {
    static HOST: OnceLock<String> = OnceLock::new();
    HOST.get_or_init(|| gethostname::gethostname().to_string_lossy().into_owned())
}

/// A run's place in the lists of a sweep.
fn index(run: u64) -> usize {
    usize::try_from(run).expect("a grid's indices fit memory")
}

/// The directory of an experiment.
#[must_use]
pub fn experiment_dir(runs_dir: &Path, experiment: &str) -> PathBuf {
    runs_dir.join(experiment)
}

/// Writes a file whole: beside its place first, then renamed, so that no reader ever sees half of it.
///
/// # Errors
/// The path and what failed.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), SweepError> {
    let fail = |source| SweepError::Io { what: "write", path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(fail)?;
    let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(folder).map_err(fail)?;
    std::io::Write::write_all(&mut file, bytes).map_err(fail)?;
    // tempfile creates with mode 600; these are the user's ordinary files.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    file.as_file().set_permissions(mode).map_err(fail)?;
    file.persist(path).map_err(|error| fail(error.error))?;
    Ok(())
}
