//! A sweep: the ledger is opened, the corpus prepared, every owed run is trained. `publish` makes the report afterwards.
//!
//! Called by `gridboard run`. The decisions are the scheduler's (`schedule`), the processes the launcher's (`launch`),
//! the numbers come from the event files (`follow`); this module only carries things from one to the other.

mod account;
mod attempt;
mod audit;
mod best;
mod board;
mod change;
mod division;
mod earlier;
mod error;
mod forecast;
mod images;
mod meter;
mod pace;
mod past;
mod prepare;
mod provenance;
mod purse;
mod reuse;
mod run_loop;
mod runs;
mod sinks;
mod status;
mod stopping;
mod sum;
mod tail;
mod time_left;
mod told;

pub(crate) use account::{Account, Cores, Watch};
pub(crate) use audit::{AuditProgress, audit_dataset, audit_folder};
pub(crate) use best::keep_best;
pub(crate) use board::BoardError;
pub(crate) use board::View;
pub(crate) use change::{Change, planned_change};
pub(crate) use division::measured_division;
pub(crate) use error::SweepError;
pub(crate) use forecast::Forecaster;
pub(crate) use images::{Corpus, check_dataset, prepare_corpus, write_split};
pub(crate) use pace::Pace;
pub(crate) use past::whole_runs;
pub(crate) use prepare::{Manner, Owed, Preparation, prepare};
pub(crate) use provenance::Surroundings;
pub(crate) use run_loop::{End, repeat, sweep};
pub(crate) use sinks::{Terminal, Verbosity, foreign_records};
pub(crate) use status::RunForecast;
pub(crate) use stopping::longest as whole_epochs;
pub(crate) use sum::Sum;

/// How long a run that is asked to end has for it, seconds.
pub(crate) fn grace(experiment: &crate::spec::Experiment) -> f64 {
    let grace = experiment.schedule.grace.duration().as_secs_f64();
    match experiment.launcher {
        Some(_) => grace.max(crate::launch::SlurmSetup::LEAST_GRACE),
        None => grace,
    }
}

/// A run's place in the lists of a sweep.
fn index(run: u64) -> usize {
    usize::try_from(run).expect("a grid's indices fit memory")
}
