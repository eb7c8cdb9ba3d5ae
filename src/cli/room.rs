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
            Some(room(run, &summary, ready.loading.as_ref()))
        });
        taken.map_or(0, |room| room.weights.saturating_add(room.rest))
    });
    let needed = taken.fold(0, u64::saturating_add);
    if needed <= free {
        return Ok(());
    }
    Err(CliError::NoRoom { needed, free, dir: ready.dir.path().to_owned() })
}
