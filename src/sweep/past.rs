//! What earlier sweeps of an experiment have left for its search, its stopping rule, its budget and the time limits of its jobs.
//!
//! Called by `prepare`, once the ledger knows the runs.

use std::collections::BTreeMap;

use super::{SweepError, purse::Spent, status::ranks, stopping::Past, told::Told};
use crate::{
    base::files::Durability,
    run::{Action, AttemptEvent, ExperimentDir, Marks, RunState},
    schedule::Slot,
    spec::SlurmPlan,
    store::{ExperimentKey, Reader, RunKey, RunRecord, Store, StoreError},
};

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
    let owed = |run: &&RunRecord| run.state == RunState::Pending && run.attempts > 0;
    let runs = store.runs(Some(key)).await?;
    for run in runs.iter().filter(owed) {
        // A decision is in the log first: the sweep may have been killed before the ledger had it.
        let log = dir.run(&run.spec.name).read_attempts()?.unwrap_or_default();
        for attempt in &log.attempts {
            for decided in &attempt.decisions {
                store.note_decision(run.key, attempt.start.attempt, decided).await?;
            }
        }
    }
    let decisions = store.all_decisions(key).await?;
    for run in runs.iter().filter(owed) {
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

/// Runs of an experiment that have completed in one attempt as jobs of a cluster that ask for the same, and how long each took,
/// seconds.
///
/// # Errors
/// Where the database cannot be read.
pub(crate) async fn whole_runs<'a>(
    store: &mut Reader,
    key: ExperimentKey,
    runs: &'a [RunRecord],
    plan: &SlurmPlan,
) -> Result<Vec<(&'a RunRecord, f64)>, StoreError> {
    let by_key: BTreeMap<RunKey, &RunRecord> = runs.iter().map(|run| (run.key, run)).collect();
    let whole = store.whole_runs(key, Slot::IN_SLURM, plan.cpus).await?;
    let alike = |device: &str| (device == Slot::CPU) == (plan.gpus == 0);
    let found = whole.into_iter().filter(|(_, device, _)| alike(device));
    Ok(found.filter_map(|(run, _, seconds)| Some((*by_key.get(&run)?, seconds))).collect())
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

    #[test]
    fn spans_that_overlap_count_once() {
        assert_eq!(covered(vec![]), 0.0);
        assert_eq!(covered(vec![(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.8)]), 4.0);
    }
}
