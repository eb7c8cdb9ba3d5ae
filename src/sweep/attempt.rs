//! One attempt, from its folder to its verdict: what is prepared before its process starts, and how its end
//! is judged beside what the launcher says.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
};

use super::{
    Preparation,
    forecast::Forecaster,
    status::RunForecast,
    tail::{self, Cleared},
};
use crate::{
    base::{
        error::{is_shortage, with_causes},
        files::FileError,
        program::{host, version},
    },
    event::Attempt,
    grid::{self, Suggested},
    index::append_point,
    launch::{AttemptEnd, Ending, LaunchError, LaunchPlan, PlanError},
    publish::Answers,
    run::{Evidence, Failure, FailureKind, Keeping, Marks, RunDir, RunFile, RunSpec, RunState},
    schedule::{Job, Slot},
    spec::{Checkpoint, Experiment, Family, Keep},
    tags,
};

/// How the runs of a sweep become attempts.
pub(super) enum Attempts<'a> {
    /// Those of an experiment, each in its folder.
    Experiment {
        /// The sweep that is ready.
        ready: &'a Preparation,
        /// What is known of the runs.
        forecaster: Forecaster,
        /// The built-in trainer; empty where no run needs it.
        worker: PathBuf,
    },
    /// Runs with their forecasts, by index; the folders are the caller's.
    Listed(Vec<(LaunchPlan, RunForecast)>),
}

/// Why an attempt cannot be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    /// Its folder takes nothing.
    #[error("{}", with_causes(.0))]
    Folder(#[from] FileError),
    /// It has no command.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Its process does not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

impl StartError {
    /// Whether the machine has no more of something that comes back when other attempts end.
    pub(super) fn is_shortage(&self) -> bool {
        match self {
            Self::Folder(error) => is_shortage(&error.source),
            Self::Plan(_) => false,
            Self::Launch(error) => error.is_shortage(),
        }
    }

    /// The run's failure.
    pub(super) fn failure(&self) -> Failure {
        failure(FailureKind::Launch, self.to_string())
    }
}

impl Attempts<'_> {
    /// The run's name.
    pub(super) fn name(&self, run: u64) -> &str {
        let place = super::index(run);
        match self {
            Self::Experiment { ready, .. } => &ready.runs[place].name,
            Self::Listed(plans) => &plans[place].1.name,
        }
    }

    /// The run and its cost; `None` where it is the caller's.
    pub(super) fn run_and_cost(&self, run: u64) -> Option<(&RunSpec, f64)> {
        match self {
            Self::Experiment { ready, forecaster, .. } => {
                let run = &ready.runs[super::index(run)];
                Some((run, forecaster.cost_and_memory(run).0))
            }
            Self::Listed(_) => None,
        }
    }

    /// The folder of a run; `None` where the folders are the caller's.
    pub(super) fn folder(&self, run: u64) -> Option<RunDir> {
        match self {
            Self::Experiment { ready, .. } => Some(ready.dir.run(self.name(run))),
            Self::Listed(_) => None,
        }
    }

    /// Keeps a point that the search has suggested, and says which runs are to be made there.
    ///
    /// # Errors
    /// If it cannot be written; nothing is kept then.
    pub(super) fn keep_point(&self, point: &Suggested) -> Result<Vec<(RunSpec, Job)>, FileError> {
        let Self::Experiment { ready, forecaster, .. } = self else { return Ok(Vec::new()) };
        append_point(&ready.dir, point)?;
        let made = grid::runs_at(&ready.experiment, point).filter_map(|run| {
            let run = ready.runs.push(run)?.clone();
            let job = forecaster.job(&run, 1, false);
            Some((run, job))
        });
        Ok(made.collect())
    }

    /// How many runs there are.
    pub(super) fn count(&self) -> u64 {
        let count = match self {
            Self::Experiment { ready, .. } => ready.runs.len(),
            Self::Listed(plans) => plans.len(),
        };
        count as u64
    }

    /// Indices of the runs of these names, in their order; `None` for what is no run.
    pub(super) fn indices_of(&self, names: &[String]) -> Vec<Option<u64>> {
        let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
        let named =
            (0..self.count()).map(|run| (self.name(run), run)).filter(|(name, _)| wanted.contains(name));
        let known: HashMap<&str, u64> = named.collect();
        names.iter().map(|name| known.get(name.as_str()).copied()).collect()
    }

    /// What the run was before this sweep, where that is known.
    pub(super) fn state_before(&self, run: u64) -> Option<RunState> {
        match self {
            Self::Experiment { ready, .. } => ready.states.get(super::index(run)).copied(),
            Self::Listed(_) => None,
        }
    }

    /// Keeps in the run's folder whether the user wants it, after so many attempts.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn mark_cancelled(&self, run: u64, cancelled: bool, attempts: u32) -> Result<(), FileError> {
        let Self::Experiment { ready, .. } = self else { return Ok(()) };
        let folder = ready.dir.run(self.name(run));
        if cancelled { Marks::cancel(&folder) } else { Marks::requeue(&folder, attempts) }
    }

    /// What is known of the run before it starts.
    pub(super) fn forecast(&self, run: u64) -> RunForecast {
        let place = super::index(run);
        match self {
            Self::Experiment { ready, forecaster, .. } => forecaster.forecast(&ready.runs[place]),
            Self::Listed(plans) => plans[place].1.clone(),
        }
    }

    /// Prepares the folder of an attempt that starts at `started`, and says what is to be started, and what was logged before.
    /// After `pause` epochs it makes room: a trainer of ours that keeps a state does so by itself.
    ///
    /// # Errors
    /// [`StartError`]; nothing is started then.
    pub(super) fn prepare(
        &self,
        run: u64,
        number: u32,
        slot: &Slot,
        (started, pause): (f64, Option<u64>),
    ) -> Result<(LaunchPlan, Cleared), StartError> {
        let place = super::index(run);
        let (ready, worker, forecaster) = match self {
            Self::Experiment { ready, worker, forecaster } => (ready, worker, forecaster),
            Self::Listed(plans) => {
                let plan = LaunchPlan { attempt: number, ..plans[place].0.clone() };
                return Ok((plan, Cleared::default()));
            }
        };
        let run = &ready.runs[place];
        let folder = ready.dir.run(&run.name);
        let file = run_file(ready, run, number, (&slot.device, slot.threads), started);
        let is_command = run.family == Family::Command;
        if number > 1 && ready.experiment.launcher.is_some() {
            // An earlier copy of it may still be alive on a node that has lost its way, with files open.
            folder.part_with()?;
        }
        let cleared =
            if is_command { tail::clear_for_command(&folder)? } else { tail::clear(&folder, &file)? };
        file.write(folder.path())?;
        let plan = if is_command {
            LaunchPlan::command(run.index.get(), &ready.experiment.command, folder.path(), &file)?
                .with_state(cleared.has_state)
                .with_variables(&ready.experiment.env)?
                .in_folder(ready.experiment.cwd.as_deref())
        } else {
            let keeps = ready.experiment.keep.checkpoint != Checkpoint::Never;
            LaunchPlan::worker(run.index.get(), worker, folder.path(), &file)?
                .pausing_after(pause.filter(|_| keeps))
        };
        let (_, memory) = forecaster.cost_and_memory(run);
        let plan = plan.on_device(slot.cuda_index()).with_needs(memory, cleared.resumed);
        Ok((plan, cleared))
    }

    /// Writes the run file of an attempt again that has ended, where its trainer has emptied the folder.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn restore(&self, attempt: &Attempt) -> Result<(), FileError> {
        let Self::Experiment { ready, .. } = self else { return Ok(()) };
        let run = &ready.runs[super::index(attempt.run)];
        let folder = ready.dir.run(&run.name);
        if !folder.path().is_dir() || folder.run_file().exists() {
            return Ok(());
        }
        let placed = (attempt.device.as_str(), attempt.threads);
        run_file(ready, run, attempt.number, placed, attempt.started).write(folder.path())
    }

    /// Removes what an attempt that completed has kept for a next one.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub(super) fn remove_state(&self, attempt: &Attempt) -> Result<(), FileError> {
        match self {
            Self::Experiment { ready, .. } => ready.dir.run(&attempt.name).remove_state(),
            Self::Listed(_) => Ok(()),
        }
    }

    /// Reads the predictions that a completed attempt has left, and says what is wrong with them. A broken file is no reason
    /// to discard a training that ended well.
    pub(super) fn answers(&self, end: &AttemptEnd) -> (Option<Answers>, Vec<String>) {
        match self {
            Self::Experiment { ready, .. } if end.ending == Ending::Completed => {
                let run = &ready.runs[super::index(end.run)];
                let classes = ready.experiment.dataset.as_ref().map_or(&[][..], |dataset| &dataset.classes);
                let relative = format!("{}/{}/{}", ready.experiment.name, run.name, RunDir::PREDICTIONS);
                Answers::read(&ready.dir.run(&run.name), &relative, classes)
            }
            _ => (None, Vec::new()),
        }
    }
}

/// Fails an attempt for what the trainer has left in its folder. The trainer's own word is not the last one
/// then.
pub(super) fn fail(end: &mut AttemptEnd, reason: String) {
    end.ending = Ending::Failed(failure(FailureKind::Trainer, reason));
    end.has_outcome = false;
}

pub(super) fn run_file(
    ready: &Preparation,
    run: &RunSpec,
    number: u32,
    (device, threads): (&str, u32),
    started: f64,
) -> RunFile {
    RunFile {
        experiment: ready.experiment.name.clone(),
        run: run.name.clone(),
        id: run.id.clone(),
        attempt: number,
        seed: run.seed,
        family: run.family,
        axes: run.axes.iter().cloned().collect(),
        parameters: run.parameters.clone(),
        dataset: ready.dataset.clone(),
        device: device.to_owned(),
        threads,
        version: version().to_owned(),
        host: host().to_owned(),
        started,
        keeping: keeping(&ready.experiment),
        provenance: Some(Box::new(ready.surroundings.provenance_of(&ready.experiment, run, device))),
    }
}

/// What the runs of built-in families keep while they train.
fn keeping(experiment: &Experiment) -> Keeping {
    if experiment.is_command() {
        return Keeping::default();
    }
    let Keep { checkpoint, best, logging } = experiment.keep;
    let by = &experiment.rank.by;
    let is_of_validation = [tags::VALIDATION_ACCURACY, tags::VALIDATION_LOSS]
        .iter()
        .chain(&tags::VALIDATION_METRICS)
        .any(|tag| *tag == by.tag);
    Keeping {
        checkpoint,
        grace: Some(super::grace(experiment)),
        best: (is_of_validation && best != Some(0)).then(|| by.clone()),
        logging,
    }
}

fn failure(kind: FailureKind, reason: String) -> Failure {
    Failure { kind, reason, log_tail: String::new(), evidence: Evidence::default() }
}
