//! What earlier sweeps of an experiment left in its folder, beside what the database knows of it.
//!
//! Called by `prepare`. The two are made together and can only differ where somebody has deleted one: then finished runs would
//! be cleared and trained again without a word, or a run without its files would be called completed.

use std::{collections::BTreeMap, fs, path::Path};

use super::{SweepError, purse::Spent, status::ranks, stopping::Past, told::Told};
use crate::{
    base::files::Durability,
    run::{Action, AttemptEvent, ExperimentDir, LoggedAttempt, Marks, Outcome, RunDir, RunState},
    store::{ExperimentKey, Orphan, Reader, RunRecord, Store},
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

/// What the search of an experiment is told of runs that have ended: the metric `rank_by` at the last step.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn told(
    store: &mut Reader,
    runs: &[RunRecord],
    rank_by: &str,
) -> Result<BTreeMap<u64, Told>, SweepError> {
    let mut told = BTreeMap::new();
    for run in runs.iter().filter(|run| run.state.has_results() || run.state == RunState::Stopped) {
        let last = store.last_points(run.key).await?;
        let last = last.into_iter().filter(|(tag, _)| ranks(rank_by, tag)).map(|(_, point)| point);
        let known = match last.max_by_key(|point| point.step) {
            None => Told::Nothing,
            Some(point) if run.state == RunState::Stopped => {
                Told::Stopped(u64::try_from(point.step).unwrap_or(0), point.value)
            }
            Some(point) => Told::Value(point.value),
        };
        told.insert(run.spec.index.get(), known);
    }
    // What the user does not want tells nothing.
    let cancelled = runs.iter().filter(|run| run.state == RunState::Cancelled);
    told.extend(cancelled.map(|run| (run.spec.index.get(), Told::Nothing)));
    Ok(told)
}

/// Keeps runs stopped that the rule has ended, and whose sweep was killed before they had.
///
/// # Errors
/// Where the database or a log cannot be read or written.
pub(super) async fn keep_stopped(
    store: &mut Store,
    key: ExperimentKey,
    dir: &ExperimentDir,
) -> Result<(), SweepError> {
    let decisions = store.all_decisions(key).await?;
    for run in store.runs(Some(key)).await?.iter().filter(|run| run.state == RunState::Pending) {
        let mut of = decisions.get(&run.key).into_iter().flatten();
        let last = of.rfind(|(attempt, _)| *attempt == run.attempts);
        let Some((attempt, _)) = last.filter(|(_, decided)| decided.action == Action::Stops) else {
            continue;
        };
        let folder = dir.run(&run.spec.name);
        // The user may have wanted it whole since.
        let marks = Marks::read(&folder)?;
        if marks.state_after(*attempt, RunState::Stopped) != RunState::Stopped {
            continue;
        }
        folder.log_attempt(&AttemptEvent::Stopped { attempt: *attempt }, Durability::Synced)?;
        store.move_run(run.key, RunState::Stopped).await?;
    }
    Ok(())
}

/// What the stopping rule is to know of the runs of earlier sweeps.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn past(
    store: &mut Reader,
    key: ExperimentKey,
    runs: &[RunRecord],
    rank_by: &str,
) -> Result<Vec<Past>, SweepError> {
    let mut decisions = store.all_decisions(key).await?;
    let mut all = Vec::new();
    for run in runs.iter().filter(|run| run.attempts > 0 || run.state.has_results()) {
        let tags = store.last_points(run.key).await?;
        let tag = tags.into_iter().map(|(tag, _)| tag).find(|tag| ranks(rank_by, tag));
        let mut curve = Vec::new();
        if let Some(tag) = tag {
            let history = store.history(run.key, &[&tag]).await?;
            let points = history.into_iter().flat_map(|curve| curve.points);
            curve.extend(points.filter_map(|point| Some((u64::try_from(point.step + 1).ok()?, point.value))));
        }
        let decisions = decisions.remove(&run.key).unwrap_or_default();
        let decisions = decisions.into_iter().map(|(_, decided)| decided).collect();
        let (run, is_completed) = (run.spec.index.get(), run.state.has_results());
        all.push(Past { run, curve, is_completed, decisions });
    }
    Ok(all)
}

/// What earlier sweeps have used of the budget.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn spent(
    store: &mut Reader,
    key: ExperimentKey,
    runs: &[RunRecord],
) -> Result<Spent, SweepError> {
    let times = store.attempt_times(key).await?;
    let mut by_device: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (device, started, finished) in &times {
        by_device.entry(device).or_default().push((*started, *finished));
    }
    let alive = covered(times.iter().map(|(_, started, finished)| (*started, *finished)).collect());
    let best = store.leaderboard_head(key, 1, 0).await?.rows.first().and_then(|row| row.rank.and(row.by));
    Ok(Spent {
        begun: runs.iter().filter(|run| run.attempts > 0).count() as u64,
        alive,
        busy: by_device.into_values().map(covered).sum(),
        best,
    })
}

/// How much of time spans cover together.
fn covered(mut spans: Vec<(f64, f64)>) -> f64 {
    spans.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let (mut sum, mut until) = (0.0, f64::NEG_INFINITY);
    for (from, to) in spans {
        sum += (to - from.max(until)).max(0.0);
        until = until.max(to);
    }
    sum
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

    #[test]
    fn spans_that_overlap_count_once() {
        assert_eq!(covered(vec![]), 0.0);
        assert_eq!(covered(vec![(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.8)]), 4.0);
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
