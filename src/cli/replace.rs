//! `gridboard run` with a spec that has changed: which completed runs would be lost, and whether the user wants that.

use std::path::Path;

use super::{CliError, confirm, output, runtime, unless_asked};
use crate::{
    base::{human, signals::Signals},
    spec::Experiment,
    sweep::{self, Change},
};

/// What may become of completed runs that the spec has not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// They stay, and the spec is refused.
    Keep,
    /// They are deleted once the user has said yes.
    Ask,
    /// They are deleted.
    Delete,
}

impl Earlier {
    /// By the arguments.
    pub(super) fn new(replace: bool, yes: bool) -> Self {
        match (replace, yes) {
            (false, _) => Self::Keep,
            (true, false) => Self::Ask,
            (true, true) => Self::Delete,
        }
    }
}

/// Looks, before anything is begun, whether the spec may be run.
///
/// # Errors
/// That completed runs would be lost, or that nobody can be asked about them.
pub(super) fn check(
    runs_dir: &Path,
    experiment: &Experiment,
    earlier: Earlier,
    signals: &Signals,
) -> Result<(), CliError> {
    match change(runs_dir, experiment, None, signals)? {
        Some(change) if change.completed() > 0 => match earlier {
            Earlier::Keep => Ok(change.refuse_loss()?),
            Earlier::Ask if !confirm::can_ask() => Err(confirm::nobody_to_ask(&lost(&change))),
            Earlier::Ask | Earlier::Delete => Ok(()),
        },
        _ => Ok(()),
    }
}

/// What the spec changes of the runs that are there.
fn change(
    runs_dir: &Path,
    experiment: &Experiment,
    fingerprint: Option<&str>,
    signals: &Signals,
) -> Result<Option<Change>, CliError> {
    runtime()?.block_on(unless_asked(signals, sweep::planned_change(runs_dir, experiment, fingerprint)))
}

/// Asks about the completed runs that the spec has not any more, where there are any and the user wants to be asked. Whether
/// that was so.
///
/// # Errors
/// [`CliError::Declined`], or that nobody can be asked.
pub(super) fn ask(
    runs_dir: &Path,
    experiment: &Experiment,
    earlier: Earlier,
    fingerprint: Option<&str>,
    signals: &Signals,
) -> Result<bool, CliError> {
    if earlier != Earlier::Ask {
        return Ok(false);
    }
    let change = change(runs_dir, experiment, fingerprint, signals)?;
    let Some(change) = change.filter(|change| change.completed() > 0) else { return Ok(false) };
    let mut changed = change.differences.clone();
    changed.extend(change.images.as_ref().map(|_| "the images".to_owned()));
    output::note(&format!("the spec of `{}` has changed since it ran:", experiment.name));
    for line in &changed {
        output::note(&format!("  {line}"));
    }
    let kept = human::counted(change.kept, "run");
    confirm::confirm(&format!("delete {}, and keep {kept}?", lost(&change)), &lost(&change), signals)?;
    Ok(true)
}

/// `4 runs of the earlier spec (3 completed)`.
fn lost(change: &Change) -> String {
    let (runs, completed) = (human::counted(change.gone.len(), "run"), change.completed());
    format!("{runs} of the earlier spec of `{}` ({completed} completed)", change.experiment)
}
