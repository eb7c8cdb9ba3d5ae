//! Runs that were finished in another experiment are not trained again: their folders are taken over, file by file, so that each
//! stands alone.
//!
//! Called by `prepare`, under the experiment's lock. A content id has neither images nor program in it, so a run is the same only
//! where its `run.json` says so, and only as long as its files are what its attempt left.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{SweepError, sinks::hparams};
use crate::{
    base::{
        files::{Durability, FileError, PARTIAL, write_whole},
        program::version,
    },
    index::read_run,
    run::{ExperimentDir, Outcome, RunDir, RunFile, RunState},
    spec::{self, Experiment, Family},
    store::{ExperimentKey, ExperimentRecord, LoadedRun, RunRecord, Store},
    tfevents::hparams::Status,
};

/// A run of another experiment.
struct Source {
    experiment: ExperimentRecord,
    run: RunRecord,
    file: RunFile,
}

/// Gives runs that never began the results that the same runs of other experiments have. Returns their names, with whose they
/// are.
///
/// # Errors
/// Where the database or a file cannot be read or written.
pub(super) async fn take(
    store: &mut Store,
    key: ExperimentKey,
    experiment: &Experiment,
    fingerprint: Option<&str>,
    dir: &ExperimentDir,
) -> Result<Vec<(String, String)>, SweepError> {
    let mut taken = Vec::new();
    if !experiment.reuse.unwrap_or(!experiment.is_command()) {
        return Ok(taken);
    }
    let runs_dir = dir.path().parent().unwrap_or(Path::new(".")).to_owned();
    let others: Vec<ExperimentRecord> =
        store.experiments().await?.into_iter().filter(|other| other.key != key).collect();
    for run in store.runs(Some(key)).await? {
        let never_began = run.state == RunState::Pending && run.attempts == 0;
        if !never_began || dir.run(&run.spec.name).path().exists() {
            continue;
        }
        for candidate in store.runs_of_id(&run.spec.id).await? {
            let of = others.iter().find(|other| other.name == candidate.experiment);
            let Some(of) = of.filter(|_| candidate.state == RunState::Completed) else { continue };
            let Some(source) = same(of, candidate, &runs_dir, experiment, &run, fingerprint) else {
                continue;
            };
            let whose = format!("{}/{}", source.experiment.name, source.run.spec.name);
            place(&source, &runs_dir, dir, experiment, &run)?;
            let folder = dir.run(&run.spec.name);
            let relative = format!("{}/{}/{}", experiment.name, run.spec.name, RunDir::PREDICTIONS);
            let found = read_run(&folder, experiment, &relative, None)
                .map_err(|problem| FileError::at("read", folder.path())(io::Error::other(problem)))?;
            let (mut bulk, mut binder) = store.bulk().await?;
            bulk.clear(run.key).await?;
            bulk.run(&LoadedRun { key: run.key, state: RunState::Reused, attempts: &[] }).await?;
            bulk.curves(binder.bind(&[(run.key, &found.points)])).await?;
            if let Some(answers) = &found.answers {
                bulk.answers(run.key, answers.loaded()).await?;
            }
            bulk.commit().await?;
            taken.push((run.spec.name, whose));
            break;
        }
    }
    if !taken.is_empty() {
        store.set_ranks(key).await?;
    }
    Ok(taken)
}

/// The run, where its results are what this program would train.
fn same(
    of: &ExperimentRecord,
    candidate: RunRecord,
    runs_dir: &Path,
    experiment: &Experiment,
    run: &RunRecord,
    fingerprint: Option<&str>,
) -> Option<Source> {
    let folder = ExperimentDir::new(runs_dir, &of.name).run(&candidate.spec.name);
    let file = RunFile::read(folder.path()).ok()?;
    let images = file.dataset.as_ref().map(|dataset| dataset.fingerprint.as_str());
    let is_same = of.fingerprint.as_deref() == fingerprint
        && images == fingerprint
        && spec::shares_surroundings(&of.spec, experiment)
        && (experiment.family != Some(Family::Command) || of.spec.cwd == experiment.cwd)
        && (&file.parameters, file.seed, file.family)
            == (&run.spec.parameters, run.spec.seed, run.spec.family)
        && file.version == version()
        && file.id == run.spec.id;
    let seal = folder.look_at_seal().ok()?;
    let is_whole = seal.altered.is_empty() && !seal.whole.is_empty();
    (is_same && is_whole && candidate.problem.is_none()).then(|| Source {
        experiment: of.clone(),
        run: candidate,
        file,
    })
}

/// Makes the folder of a run from another's: under a temporary name, whole.
fn place(
    source: &Source,
    runs_dir: &Path,
    dir: &ExperimentDir,
    experiment: &Experiment,
    run: &RunRecord,
) -> Result<(), SweepError> {
    let from = ExperimentDir::new(runs_dir, &source.experiment.name).run(&source.run.spec.name);
    let made = tempfile_in(dir.path(), &run.spec.name);
    let folder = RunDir::new(&made);
    if made.exists() {
        fs::remove_dir_all(&made).map_err(FileError::at("remove", &made))?;
    }
    link_all(&from, from.path(), folder.path())?;
    let file = RunFile {
        experiment: experiment.name.clone(),
        run: run.spec.name.clone(),
        axes: run.spec.axes.iter().cloned().collect(),
        ..source.file.clone()
    };
    file.write(folder.path())?;
    if let Some(outcome) = Outcome::read(from.path()).ok().flatten() {
        // The same seal, over the files as they are here.
        Outcome { files: folder.seal()?, ..outcome }.write(folder.path(), Durability::Synced)?;
    }
    let whose = json!({
        "experiment": source.experiment.name,
        "run": source.run.spec.name,
        "attempt": source.run.attempts,
        "id": run.spec.id,
    });
    let text = serde_json::to_vec_pretty(&whose).expect("plain data is JSON");
    write_whole(&folder.reused(), &[&text, b"\n"], Durability::Synced)?;
    let (started, finished) = (source.file.started, source.run.finished.unwrap_or(source.file.started));
    hparams::write_session(folder.path(), experiment, &run.spec, started, Some((Status::Success, finished)))?;
    let target = dir.run(&run.spec.name);
    fs::rename(folder.path(), target.path()).map_err(FileError::at("rename", target.path()))?;
    Ok(())
}

fn tempfile_in(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{PARTIAL}{name}"))
}

/// Links every file of a run's folder, or copies it where the file system has no links; but for what is of the run itself.
fn link_all(run: &RunDir, from: &Path, to: &Path) -> Result<(), FileError> {
    fs::create_dir_all(to).map_err(FileError::at("create folder", to))?;
    for entry in fs::read_dir(from).map_err(FileError::at("read", from))? {
        let entry = entry.map_err(FileError::at("read", from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(FileError::at("read", &path))?;
        if kind.is_dir() && path != run.state_dir() {
            link_all(run, &path, &target)?;
        } else if kind.is_file() && !is_own(run, &path) && fs::hard_link(&path, &target).is_err() {
            fs::copy(&path, &target).map_err(FileError::at("copy", &path))?;
        }
    }
    Ok(())
}

/// Whether a file is of the run that it lies with and of no other.
fn is_own(run: &RunDir, path: &Path) -> bool {
    let own = [run.run_file(), run.outcome(), run.attempts(), run.state(), run.reused()];
    // Its rank is in its session.
    own.iter().any(|own| own == path) || path.extension().is_some_and(|last| last == RunDir::SESSION)
}
