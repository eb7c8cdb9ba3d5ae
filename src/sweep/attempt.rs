//! One attempt, from its directory to its place in the ledger: what is written before its process starts, and what is
//! read after it has ended.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Instant,
};

use super::{Preparation, SweepError, host, hparams, results, version, wall_now, write_atomically};
use crate::{
    follow::{Poll, RunFollower},
    launch::{self, AttemptEnd, Ending, LaunchPlan, LocalLauncher},
    predictions,
    run::{Failure, FailureKind, Outcome, RunFile, RunSpec, Used},
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
    let dir = ready.dir.join(&run.name);
    let file = run_file(ready, run, number, slot, started);
    clear(&dir)?;
    let json = serde_json::to_vec_pretty(&file).expect("a run file of finite numbers is JSON");
    write_atomically(&dir.join("run.json"), &json)?;
    hparams::write_session(&dir, &ready.experiment, run, started, None)?;

    let plan = if run.family == Family::Command {
        LaunchPlan::command(run.index, &ready.experiment.command, &dir, &file)
    } else {
        LaunchPlan::worker(run.index, worker, &dir, &file)
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
    let key = key(ready, run.index);
    ready.store.start_attempt(key, new).await?;
    match pid {
        Ok(pid) => {
            let follower = RunFollower::new(&dir);
            Ok(Started::Alive(Live { number, dir, follower, started, begun }, pid))
        }
        Err(failure) => {
            let end = AttemptEnd {
                run: run.index,
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
        let relative = format!("{}/{}/{}", ready.experiment.name, run.name, predictions::FILE_NAME);
        let key = key(ready, run.index);
        match results::take_predictions(&mut ready.store, key, &live.dir, &relative, &classes).await {
            Ok(()) => {}
            Err(results::TakeError::Store(error)) => return Err(error.into()),
            Err(results::TakeError::File(reason)) => {
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
        write_outcome(dir, &outcome)?;
    }
    let key = key(ready, run.index);
    ready.store.finish_attempt(key, end.attempt, end.state(), failure, now, end.used).await?;
    Ok(())
}

fn write_outcome(dir: &Path, outcome: &Outcome) -> Result<(), SweepError> {
    launch::write_outcome(dir, outcome).map_err(|error| SweepError::Io {
        what: "write",
        path: dir.join(launch::OUTCOME_FILE),
        source: io::Error::other(error),
    })
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
        version: version(),
        host: host().to_owned(),
        started,
        provenance: Some(Box::new(ready.facts.of(&ready.experiment, run, &slot.device))),
    }
}

/// What an attempt leaves beside its event files, and what was made of it.
const LEFT_OVER: [&str; 3] = [predictions::FILE_NAME, predictions::TEST_FILE_NAME, launch::OUTCOME_FILE];

/// Removes what an earlier attempt left that would be mistaken for this one's: event files, predictions, outcome. Its log
/// stays.
fn clear(dir: &Path) -> Result<(), SweepError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| SweepError::Io { what: "clear", path, source }
    };
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(fail(dir)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(fail(dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // Not through links: what they lead to belongs to somebody else.
        if entry.file_type().map_err(fail(&path))?.is_dir() {
            clear(&path)?;
        } else if name.contains("tfevents") || LEFT_OVER.contains(&&*name) {
            fs::remove_file(&path).map_err(fail(&path))?;
        }
    }
    Ok(())
}

fn failure(kind: FailureKind, reason: String) -> Failure {
    Failure { kind, reason, log_tail: String::new() }
}

fn key(ready: &Preparation, run: u64) -> RunKey {
    ready.keys[super::index(run)]
}
