//! What `gridboard run` does before a sweep whose runs are jobs of a cluster: Slurm is asked whether it would take them, what
//! the nodes have to see lies where they see it, and a node is asked whether it does.

use std::path::{self, Path, PathBuf};

use super::{CliError, output};
use crate::{
    base::{error::with_causes, signals::Signals},
    corpus, device,
    launch::{self, NodeCheck, NodeNeeds},
    spec::{Experiment, SlurmPlan},
    sweep::{Preparation, SweepError},
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
    setup.test(&experiment.name).map_err(SweepError::Slurm)?;
    Ok(())
}

/// What is asked of Slurm; `None` where this machine executes the runs.
pub(super) fn setup(experiment: &Experiment) -> Option<launch::SlurmSetup> {
    let plan = experiment.launcher.clone()?;
    let grace = crate::sweep::grace(experiment);
    Some(launch::SlurmSetup { plan, grace, log_limit: experiment.schedule.log_limit })
}

/// Lets a small job look whether a node sees what the runs need, before the first of them are submitted.
///
/// # Errors
/// What is not to be seen there; [`CliError::Interrupted`] after a signal.
pub(super) fn check_node(ready: &Preparation, signals: &Signals, say: impl Fn(&str)) -> Result<(), CliError> {
    let Some(setup) = setup(&ready.experiment).filter(|setup| setup.plan.check) else { return Ok(()) };
    // Jobs that are in the cluster are beyond it.
    let is_owed = ready.owed.iter().any(|owed| !owed.cancelled && !owed.alive);
    if !is_owed && !ready.experiment.suggests() {
        return Ok(());
    }
    let is_command = ready.experiment.is_command();
    let worker = if is_command { None } else { Some(launch::find_worker().map_err(SweepError::Worker)?) };
    let files = ready.dataset.iter().flat_map(|dataset| {
        [Some(dataset.cache.clone()), Some(dataset.split.clone()), dataset.test.clone()].into_iter().flatten()
    });
    let command = if is_command { ready.experiment.command.clone() } else { Vec::new() };
    let needs = NodeNeeds { worker, files: files.collect(), command };
    let name = &ready.experiment.name;
    let say = |text: &str| say(&format!("{name}: {text}"));
    match launch::check_node(&ready.dir, &setup, &needs, signals, say).map_err(SweepError::Slurm)? {
        NodeCheck::Known => {}
        NodeCheck::Passed { host, found } => say(&format!("node {host} has what the runs need: {found}")),
        NodeCheck::NotStarted => say(
            "warning: no node was free for the check within a minute: the runs are submitted without it, and three that fail \
             alike stop the sweep",
        ),
        NodeCheck::Interrupted => return Err(CliError::Interrupted),
    }
    Ok(())
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
