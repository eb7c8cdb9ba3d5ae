//! What earlier sweeps of an experiment left in its folder, beside what the database knows of it.
//!
//! Called by `prepare`. The two are made together and can only differ where somebody has deleted one: then finished runs would
//! be cleared and trained again without a word, or a run without its files would be called completed.

use std::{collections::HashMap, fs, path::Path};

use super::SweepError;
use crate::{
    base::files::Durability,
    launch::Left,
    run::{AttemptEvent, ExperimentDir, LoggedAttempt, Marks, Outcome, RunDir, RunState},
    spec::Experiment,
    store::{ExperimentKey, Orphan, RunRecord, Store},
};

/// Refuses to start an experiment anew that the database does not know, where finished runs of it lie in its folder.
///
/// # Errors
/// [`SweepError::Unknown`].
pub(super) fn refuse_unknown(runs_dir: &Path, experiment: &str) -> Result<(), SweepError> {
    let dir = ExperimentDir::new(runs_dir, experiment);
    let runs = finished(dir.path());
    if runs == 0 {
        return Ok(());
    }
    Err(SweepError::Unknown { experiment: experiment.to_owned(), dir: dir.path().to_owned(), runs })
}

/// Folders of completed runs below an experiment's folder. What cannot be read is none.
fn finished(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let completed = |dir: &Path| {
        // Whatever a trainer has put there: only a file is read.
        RunDir::new(dir).outcome().symlink_metadata().is_ok_and(|file| file.is_file())
            && matches!(Outcome::read(dir), Ok(Some(outcome)) if outcome.state == RunState::Completed)
    };
    entries.filter(|entry| completed(&entry.path())).count()
}

/// Takes back the completed runs of an experiment whose folders are gone, so that they are trained again, and returns their
/// names.
///
/// # Errors
/// Where the database cannot be read or written.
pub(super) async fn take_back_gone(
    store: &mut Store,
    experiment: ExperimentKey,
    dir: &ExperimentDir,
) -> Result<Vec<String>, SweepError> {
    let mut completed = store.completed(experiment).await?;
    completed.retain(|(_, name)| !dir.run(name).path().is_dir());
    let (keys, names): (Vec<_>, Vec<_>) = completed.into_iter().unzip();
    store.owe_again(experiment, &keys).await?;
    Ok(names)
}

/// The attempts that an earlier sweep has left in a cluster. Where this one is not to use it, there must be none.
///
/// # Errors
/// If the cluster does not answer; [`SweepError::InCluster`].
pub(super) fn left_in_cluster(dir: &ExperimentDir, experiment: &Experiment) -> Result<Left, SweepError> {
    if experiment.launcher.is_some() {
        return Ok(Left::find(dir)?);
    }
    match Left::count(dir) {
        0 => Ok(Left::default()),
        jobs => Err(SweepError::InCluster { experiment: experiment.name.clone(), jobs }),
    }
}

/// Of the attempts whose sweep is dead, those that live on in a cluster are none that are lost: the ledger forgets that they were
/// begun, and they begin once more under the same number.
///
/// # Errors
/// If the database cannot be written.
pub(super) async fn keep_alive(
    store: &mut Store,
    orphans: &mut Vec<Orphan>,
    left: &Left,
) -> Result<(), SweepError> {
    let (alive, lost) = std::mem::take(orphans)
        .into_iter()
        .partition(|orphan: &Orphan| left.has(&orphan.name, orphan.attempt));
    *orphans = lost;
    for orphan in alive {
        store.forget_attempt(orphan.run, orphan.attempt).await?;
    }
    Ok(())
}

/// Ends what an earlier sweep has left in a cluster of runs that are not owed any more, or not wanted.
///
/// # Errors
/// If the cluster does not answer.
pub(super) fn end_unwanted(left: &mut Left, records: &[RunRecord]) -> Result<(), SweepError> {
    let owed = records.iter().filter(|record| record.state.is_owed());
    let next: HashMap<&str, u32> =
        owed.map(|record| (record.spec.name.as_str(), record.attempts + 1)).collect();
    Ok(left.tidy(|run, attempt| next.get(run) == Some(&attempt))?)
}

/// Says in the folders of runs whose sweep was killed that nobody took the ends of their attempts: an end may be noted there
/// that did not come into the ledger any more.
///
/// # Errors
/// Where a log cannot be read or written.
pub(super) fn note_lost(dir: &ExperimentDir, orphans: &[Orphan]) -> Result<(), SweepError> {
    for orphan in orphans {
        let folder = dir.run(&orphan.name);
        let log = folder.read_attempts()?.unwrap_or_default();
        let is_last = |attempt: &&LoggedAttempt| attempt.start.attempt == orphan.attempt;
        if log.attempts.last().filter(is_last).is_some_and(|attempt| attempt.end.is_some()) {
            folder.log_attempt(&AttemptEvent::Lost { attempt: orphan.attempt }, Durability::Written)?;
        }
    }
    Ok(())
}

/// Cancels the runs that were to be cancelled when their sweep was killed, before they had ended: their folders say so.
///
/// # Errors
/// Where a file or the database cannot be read or written.
pub(super) async fn cancel_unwanted(
    store: &mut Store,
    experiment: ExperimentKey,
    dir: &ExperimentDir,
    records: &mut [RunRecord],
) -> Result<(), SweepError> {
    // What was never started has been cancelled in the ledger at once.
    let begun = records.iter_mut().filter(|record| record.attempts > 0 && record.state == RunState::Pending);
    let mut unwanted = Vec::new();
    for record in begun {
        if Marks::read(&dir.run(&record.spec.name))?.cancelled {
            record.state = RunState::Cancelled;
            unwanted.push(record.key);
        }
    }
    if !unwanted.is_empty() {
        store.move_runs(experiment, &unwanted, RunState::Cancelled).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::{Bench, small};

    #[test]
    fn finished_runs_that_nobody_knows_are_not_started_anew() {
        let folder = tempfile::tempdir().unwrap();
        refuse_unknown(folder.path(), "x").unwrap();
        let dir = ExperimentDir::new(folder.path(), "x");
        let outcome = |state, failure| Outcome {
            attempt: 1,
            state,
            failure,
            finished: 1.0,
            peak_memory: None,
            peak_device_memory: None,
            phases: None,
            resumed_from: None,
            files: std::collections::BTreeMap::new(),
        };
        let failure = crate::store::testing::failure();
        outcome(RunState::Failed, Some(failure))
            .write(dir.run("failed").path(), Durability::Written)
            .unwrap();
        fs::create_dir_all(dir.run("cut-off").path()).unwrap();
        refuse_unknown(folder.path(), "x").unwrap();
        outcome(RunState::Completed, None).write(dir.run("done").path(), Durability::Written).unwrap();
        let error = refuse_unknown(folder.path(), "x").unwrap_err();
        assert!(error.is_usage());
        let path = dir.path().display();
        assert_eq!(
            error.to_string(),
            format!("1 finished run of experiment `x` lies in `{path}` and is not in the database")
        );
    }

    #[tokio::test]
    async fn a_completed_run_without_a_folder_is_owed_again() {
        let mut bench = Bench::new().await;
        let (key, keys) = bench.sweep(&small("tab3")).await;
        bench.complete(keys[0], 0.5, 0.5).await;
        bench.complete(keys[1], 0.6, 0.5).await;
        bench.store.set_ranks(key).await.unwrap();
        let dir = ExperimentDir::new(bench.path(), "tab3");
        let runs = bench.store.runs(Some(key)).await.unwrap();
        fs::create_dir_all(dir.run(&runs[1].spec.name).path()).unwrap();
        let gone = take_back_gone(&mut bench.store, key, &dir).await.unwrap();
        assert_eq!(gone, [runs[0].spec.name.as_str()]);
        let runs = bench.store.runs(Some(key)).await.unwrap();
        assert_eq!((runs[0].state, runs[0].attempts), (RunState::Pending, 1));
        assert_eq!(runs[1].state, RunState::Completed);
        let board =
            bench.lines("select run, rank, reason from leaderboard where state <> 'completed' limit 1").await;
        assert_eq!(board, [format!("{}||not run yet", runs[0].spec.name)]);
        assert!(bench.store.history(keys[0], &[]).await.unwrap().is_empty());
        assert_eq!(take_back_gone(&mut bench.store, key, &dir).await.unwrap(), [""; 0]);
        bench.start(keys[0], 2).await.unwrap();
    }
}
