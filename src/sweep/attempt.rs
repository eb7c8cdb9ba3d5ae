//! One attempt, from its directory to its place in the ledger: what is written before its process starts, and what is
//! read after it has ended.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use super::{Preparation, SweepError, hparams};
use crate::{
    base::{
        clock::wall_now,
        program::{host, version},
    },
    follow::{Poll, RunFollower},
    launch::{AttemptEnd, Ending, LaunchPlan, LocalLauncher},
    publish::{TakeError, take_predictions},
    run::{Failure, FailureKind, RunDir, RunFile, RunSpec, Used},
    schedule::Slot,
    spec::Family,
    store::{NewAttempt, RunKey},
    tfevents::hparams::Status,
};

/// An attempt whose process is alive, or just ended.
pub(super) struct Live {
    pub(super) number: u32,
    pub(super) dir: PathBuf,
    follower: RunFollower,
    /// Seconds since 1970, as in every record of the attempt.
    started: f64,
    begun: Instant,
}

impl Live {
    /// The points that were written since the last call.
    pub(super) fn poll(&mut self) -> Poll {
        self.follower.poll()
    }

    /// Seconds since the start.
    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

/// What became of a start.
pub(super) enum Started {
    /// The process is alive.
    Alive(Live, u32),
    /// There is none, for this reason.
    Not(Failure),
}

/// Prepares a run's directory and starts a process in it; the ledger has the attempt then, whatever became of it.
pub(super) async fn start(
    ready: &mut Preparation,
    launcher: &mut LocalLauncher,
    worker: &Path,
    run: &RunSpec,
    number: u32,
    slot: &Slot,
) -> Result<Started, SweepError> {
    let started = wall_now();
    let folder = ready.dir.run(&run.name);
    let dir = folder.path().to_owned();
    let file = run_file(ready, run, number, slot, started);
    folder.clear()?;
    file.write(&dir)?;
    hparams::write_session(&dir, &ready.experiment, run, started, None)?;

    let plan = if run.family == Family::Command {
        LaunchPlan::command(run.index.get(), &ready.experiment.command, &dir, &file)
    } else {
        LaunchPlan::worker(run.index.get(), worker, &dir, &file)
    };
    let begun = Instant::now();
    let pid = match plan {
        Ok(plan) => launcher.start(&plan).map_err(|error| error.failure()),
        Err(error) => Err(failure(FailureKind::Launch, error.to_string())),
    };
    let new = NewAttempt {
        attempt: number,
        pid: *pid.as_ref().unwrap_or(&0),
        slot: &slot.label,
        device: &slot.device,
        threads: slot.threads,
        host: host(),
        time: started,
    };
    let key = key(ready, run.index.get());
    ready.store.start_attempt(key, new).await?;
    match pid {
        Ok(pid) => {
            let follower = RunFollower::new(&dir);
            Ok(Started::Alive(Live { number, dir, follower, started, begun }, pid))
        }
        Err(failure) => {
            let end = AttemptEnd {
                run: run.index.get(),
                attempt: number,
                ending: Ending::Failed(failure.clone()),
                used: Used::default(),
                has_outcome: false,
            };
            record_end(ready, run, &dir, started, &end).await?;
            Ok(Started::Not(failure))
        }
    }
}

/// Takes an ended attempt into the ledger; what its predictions say comes first, since a broken file is a failure too.
pub(super) async fn finish(
    ready: &mut Preparation,
    run: &RunSpec,
    live: &Live,
    mut end: AttemptEnd,
) -> Result<AttemptEnd, SweepError> {
    if end.ending == Ending::Completed {
        let classes =
            ready.experiment.dataset.as_ref().map(|dataset| dataset.classes.clone()).unwrap_or_default();
        let relative = format!("{}/{}/{}", ready.experiment.name, run.name, RunDir::PREDICTIONS);
        let key = key(ready, run.index.get());
        match take_predictions(&mut ready.store, key, &RunDir::new(&live.dir), &relative, &classes).await {
            Ok(()) => {}
            Err(TakeError::Store(error)) => return Err(error.into()),
            Err(TakeError::File(reason)) => {
                end.ending = Ending::Failed(failure(FailureKind::Trainer, reason));
                // The trainer's own word is not the last one here.
                end.has_outcome = false;
            }
        }
    }
    record_end(ready, run, &live.dir, live.started, &end).await?;
    Ok(end)
}

/// Session record, outcome file, ledger: in this order, so that what the ledger calls ended is complete on disk.
async fn record_end(
    ready: &mut Preparation,
    run: &RunSpec,
    dir: &Path,
    started: f64,
    end: &AttemptEnd,
) -> Result<(), SweepError> {
    let now = wall_now();
    let (status, failure) = match &end.ending {
        Ending::Completed => (Some(Status::Success), None),
        Ending::Failed(failure) => (Some(Status::Failure), Some(failure)),
        Ending::Interrupted => (None, None),
    };
    if let Some(status) = status {
        hparams::write_session(dir, &ready.experiment, run, started, Some((status, now)))?;
    }
    if let (false, Some(outcome)) = (end.has_outcome, end.outcome(now)) {
        outcome.write(dir)?;
    }
    let key = key(ready, run.index.get());
    ready.store.finish_attempt(key, end.attempt, end.state(), failure, now, end.used).await?;
    Ok(())
}

pub(super) fn run_file(
    ready: &Preparation,
    run: &RunSpec,
    number: u32,
    slot: &Slot,
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
        device: slot.device.clone(),
        threads: slot.threads,
        version: version().to_owned(),
        host: host().to_owned(),
        started,
        provenance: Some(Box::new(ready.facts.of(&ready.experiment, run, &slot.device))),
    }
}

fn failure(kind: FailureKind, reason: String) -> Failure {
    Failure { kind, reason, log_tail: String::new() }
}

fn key(ready: &Preparation, run: u64) -> RunKey {
    ready.keys[super::index(run)]
}
