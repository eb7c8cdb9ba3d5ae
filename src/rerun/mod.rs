//! A run trained again, and how like the first time it came out.
//!
//! Called by `gridboard rerun`. The database and the run's directory are only read. In reading order: `repeat` decides
//! what is trained and where, the loop of a sweep carries it out, `record` reads what either training left, `compare` says how far apart they are, `changes` what was different around them.

mod changes;
mod checkpoint;
mod compare;
mod record;
mod repeat;

pub(crate) use changes::{Changed, changed};
pub(crate) use checkpoint::CheckpointError;
pub(crate) use compare::{Comparison, Part, Verdict};
pub(crate) use record::{Record, RecordError};
pub(crate) use repeat::{Repeat, RepeatError, make_kept};

use std::path::Path;

use crate::run::{OutcomeError, RunDir};

/// Why two trainings cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A directory cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The weights cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// How the run ended cannot be read.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
}

/// Compares what two trainings of one run left in their directories. `built_in` says whether the trainer is Gridboard's,
/// whose weights are compared and whose batch losses do not decide; `tolerance` is relative.
///
/// # Errors
/// [`CompareError`] names the file that cannot be read.
pub(crate) fn compare(
    then: &Path,
    now: &Path,
    built_in: bool,
    tolerance: f64,
) -> Result<Comparison, CompareError> {
    let weights = if built_in {
        Some(checkpoint::compare(&RunDir::new(then).checkpoint(), &RunDir::new(now).checkpoint())?)
    } else {
        None
    };
    let altered = RunDir::new(then).look_at_seal()?.altered;
    Ok(compare::compare(&Record::read(then)?, &Record::read(now)?, built_in, weights, &altered, tolerance))
}
