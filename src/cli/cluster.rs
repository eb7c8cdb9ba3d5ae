//! What `gridboard run` does before a sweep whose runs are jobs of a cluster: Slurm is asked whether it would take them, and what
//! the nodes have to see lies where they see it.

use std::path::{self, Path, PathBuf};

use super::{CliError, output};
use crate::{
    base::error::with_causes,
    corpus, device, launch,
    spec::{Experiment, SlurmPlan},
};

/// Checks what can be wrong before anything is prepared.
///
/// # Errors
/// What Slurm says of a run, in its own words.
pub(super) fn check(experiment: &Experiment) -> Result<(), CliError> {
    let Some(setup) = setup(experiment) else { return Ok(()) };
    // On the nodes, and after the setup lines, it may be there.
    if let Err(error) = launch::check_programs(experiment) {
        output::note(&format!("warning: {}; it has to be there on the nodes", with_causes(&error)));
    }
    setup.test(&experiment.name).map_err(crate::sweep::SweepError::Slurm)?;
    Ok(())
}

/// What is asked of Slurm; `None` where this machine executes the runs.
pub(super) fn setup(experiment: &Experiment) -> Option<launch::SlurmSetup> {
    let plan = experiment.launcher.clone()?;
    let grace = crate::sweep::grace(experiment);
    Some(launch::SlurmSetup { plan, grace, log_limit: experiment.schedule.log_limit })
}

/// The slots of the sweep. What this machine has is of no importance.
pub(super) fn place(experiment: &Experiment, plan: &SlurmPlan) -> (device::Discovery, device::Placement) {
    let runs = u32::try_from(crate::grid::count(experiment)).unwrap_or(u32::MAX).max(1);
    let placement = device::place_in_cluster(plan.at_once.min(runs), plan.cpus, plan.gpus > 0);
    (device::Discovery::cpu_only(), placement)
}

/// Where prepared images are kept: for a cluster beside the runs, which the nodes see, unless the user has said where.
///
/// # Errors
/// Where there is no home folder.
pub(super) fn cache_root(experiment: &Experiment, runs_dir: &Path) -> Result<PathBuf, CliError> {
    if experiment.launcher.is_none() || corpus::is_cache_told() {
        return Ok(corpus::cache_root()?);
    }
    let runs_dir = path::absolute(runs_dir).unwrap_or_else(|_| runs_dir.to_owned());
    Ok(runs_dir.join(".cache"))
}
