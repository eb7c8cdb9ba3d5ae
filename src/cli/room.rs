//! Whether the runs that a sweep owes fit onto the disk, asked before the first one starts.
//!
//! By what `plan` says they take. What a program of the user's writes is not known.

use super::{CliError, plan::summary, plan_estimate::room};
use crate::{
    base::{disk::free_bytes, human},
    sweep::{Owed, Preparation},
};

/// Refuses a sweep whose weights and states will not fit, which are known to the byte. Where what else its runs write will
/// probably not fit, which is an estimate, that is said: it may be stopped before.
///
/// # Errors
/// [`CliError::NoRoom`].
pub(super) fn check(ready: &Preparation, say: impl Fn(&str)) -> Result<(), CliError> {
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
    let (weights, rest, state) = taken.fold((0_u64, 0_u64, 0), |(weights, rest, state), room| {
        (weights.saturating_add(room.weights), rest.saturating_add(room.rest), room.state.max(state))
    });
    let needed = weights.saturating_add(state);
    if needed > free {
        return Err(CliError::NoRoom { needed, free, dir: ready.dir.path().to_owned() });
    }
    let all = needed.saturating_add(rest);
    if all > free {
        let (all, free) = (human::bytes(all), human::bytes(free));
        say(&format!("warning: the runs will take about {all}, and {free} are free: see `gridboard plan`"));
    }
    Ok(())
}
