//! A run, its attempts and how they end: the vocabulary between the grid, the scheduler, the worker and the store, and the
//! home of the run's folder.
//!
//! `run.json` ([`RunFile`]) is what an attempt is told, `outcome.json` ([`Outcome`]) is what it answers. Both are plain
//! JSON, read by users too. What else lies in the folders is named in `folder`.

mod attempt_log;
mod beats;
mod control;
mod cuda_fault;
mod decided;
mod evidence;
mod experiment_folder;
mod failure;
mod file;
mod folder;
mod handle;
mod holder;
mod key;
mod lease;
mod lease_files;
mod ledger_file;
mod lock;
mod marks;
mod outcome;
mod removal;
mod seal;
mod shortage;
mod state;
mod training_state;
mod used;
mod wanted;
mod words;

pub use attempt_log::{AttemptEnding, AttemptEvent, AttemptLog, AttemptStart, LoggedAttempt};
pub use control::{Answer, Changed, Refused, Request, SweepStatus, Ticket};
pub use cuda_fault::CudaFault;
pub use decided::{Action, Decided};
pub use evidence::{Evidence, last_line};
pub use experiment_folder::ExperimentDir;
pub use failure::{Failure, FailureKind};
pub use file::{GitState, Keeping, Provenance, RunDataset, RunFile, RunFileError};
pub use folder::RunDir;
pub use handle::Handle;
pub use holder::{Busy, Holder};
pub use key::{RunIndex, RunKey};
pub use ledger_file::{ImportSource, LedgerFile, LedgerFileError};
pub use marks::Marks;
pub use outcome::{Outcome, OutcomeError, PAUSED_EXIT};
pub use removal::bytes_on_disk;
pub use seal::{Seal, is_sealed_or_free};
pub use shortage::Shortage;
pub use state::RunState;
pub use training_state::{BestEpoch, STATE_FORMAT, StateError, TrainingState};
pub use used::{Phases, Spent, Used};
pub use wanted::{ExperimentLock, Quiet};

use crate::spec::{Family, Parameters, Value};

/// One run of the grid: a grid point with a seed.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSpec {
    /// Place in the grid, from 0; seeds innermost.
    pub index: RunIndex,
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
