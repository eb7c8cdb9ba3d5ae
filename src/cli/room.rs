//! Whether the runs that a sweep owes fit onto the disk, asked before the first one starts.
//!
//! As much as `plan` says they take. What a program of the user's writes is not known.

use super::{CliError, plan::summary, plan_estimate::room};
use crate::{
    base::disk::free_bytes,
    sweep::{Owed, Preparation},
};

/// Refuses a sweep whose runs will not fit.
///
/// # Errors
/// [`CliError::NoRoom`].
pub(super) fn check(ready: &Preparation) -> Result<(), CliError> {
    // Where the file system does not answer, nothing is known.
    let Ok(free) = free_bytes(ready.dir.path()) else { return Ok(()) };
    let taken = ready.owed.iter().map(|Owed { run, .. }| {
        let run = usize::try_from(*run).ok().and_then(|place| ready.runs.get(place));
        let taken = run.and_then(|run| {
            let summary = summary(&ready.experiment, None, run)?;
            Some(room(run, &summary, ready.experiment.keep, ready.loading.as_ref()))
        });
        taken.unwrap_or_default()
    });
    // Of training states those of live runs are there at a time, one at least.
    let (kept, state) = taken.fold((0_u64, 0), |(kept, state), room| {
        (kept.saturating_add(room.weights).saturating_add(room.rest), room.state.max(state))
    });
    let needed = kept.saturating_add(state);
    if needed <= free {
        return Ok(());
    }
    Err(CliError::NoRoom { needed, free, dir: ready.dir.path().to_owned() })
}
