//! The HParams records of a sweep: one experiment record in the sweep's own run, one session file per run.
//!
//! The orchestrator writes them, not the trainer, because it alone knows the whole domain of every axis and how a run
//! ended, and because a `command` trainer gets them for nothing. The experiment record is written by `board`, the sessions by
//! the sink of the run folders.

use std::{fs, path::Path};

use crate::{
    event::tags,
    rank::{Leaderboard, Wanted},
    run::{ExperimentDir, RunSpec},
    spec::{Axis, Experiment, Value},
    store::RunRecord,
    sweep::board::point_name,
    tfevents::{
        WriteError,
        hparams::{self, HParamInfo, MetricInfo, Status},
        message::Summary,
    },
};

/// Every axis of the experiment with all its values, in the order of first mention; a union's grids are merged.
#[must_use]
pub(in crate::sweep) fn axes(experiment: &Experiment) -> Vec<Axis> {
    let mut merged: Vec<Axis> = Vec::new();
    for axis in experiment.grids.iter().flat_map(|grid| &grid.axes) {
        match merged.iter_mut().find(|known| known.name == axis.name) {
            None => merged.push(axis.clone()),
            Some(known) => {
                for value in &axis.values {
                    if !known.values.contains(value) {
                        known.values.push(value.clone());
                    }
                }
            }
        }
    }
    merged
}

/// The columns of metrics: the rank, then those of the rule, then the others. Those of a program are what its runs have logged
/// (`written`, full tags), each where the runs have put it: in a sub-run, or all in one writer's file with slashes in its tags.
/// `None` before any of them has.
pub(in crate::sweep) fn columns(
    dir: &ExperimentDir,
    experiment: &Experiment,
    leaderboard: &Leaderboard,
    written: &[String],
) -> Option<Vec<MetricInfo>> {
    let rule = &experiment.rank;
    let mut tags = vec![rule.by.tag.as_str()];
    tags.extend(rule.then.as_ref().map(|metric| metric.tag.as_str()));
    tags.extend(STANDARD);
    tags.extend(tags::VALIDATION_METRICS);
    let mut metrics = vec![MetricInfo::within("", tags::RANK, "")];
    if !experiment.is_command() {
        metrics.extend(distinct(&tags).into_iter().map(|tag| MetricInfo::new(tag, "")));
        return Some(metrics);
    }
    tags.extend(leaderboard.metrics.iter().map(String::as_str));
    for tag in distinct(&tags) {
        let wanted = Wanted::new(tag);
        // A tag that stands for others of their own in each run would be a column for each.
        let series =
            written.iter().filter(|series| *series == tag || (tag.contains('*') && wanted.may_be(series)));
        for series in series.take(MOST_COLUMNS) {
            for info in splits(series) {
                let is_there = |name: &str| has_events(&dir.run(name).path().join(&info.group));
                let is_used = leaderboard.rows.iter().take(MOST_LOOKED_AT).any(|row| is_there(&row.run));
                if is_used && !metrics.contains(&info) && metrics.len() < MOST_COLUMNS {
                    metrics.push(info);
                }
            }
        }
    }
    (metrics.len() > 1).then_some(metrics)
}

/// The record of the experiment: every axis with its whole domain, and the columns of metrics.
pub(in crate::sweep) fn experiment_record(
    experiment: &Experiment,
    metrics: &[MetricInfo],
    created: f64,
) -> Summary {
    let axes = axes(experiment);
    let info = |axis: &Axis| {
        let values: Vec<Value> =
            axis.values.iter().map(|value| stable_in(&axes, &axis.name, value)).collect();
        HParamInfo::new(&axis.name, &values)
    };
    let infos: Vec<HParamInfo> = axes.iter().map(info).collect();
    hparams::experiment(&infos, metrics, &experiment.name, "", created)
}

/// A value of an axis as TensorBoard takes it: as it is where all its values are of one type, else as a text, since a column
/// has one type alone.
pub(in crate::sweep) fn stable_in(axes: &[Axis], name: &str, value: &Value) -> Value {
    let all = axes.iter().find(|axis| axis.name == name).map_or(&[][..], |axis| &axis.values);
    let numbers = all.iter().all(|value| value.as_f64().is_some());
    let bools = all.iter().all(|value| matches!(value, Value::Bool(_)));
    if numbers || bools { value.clone() } else { Value::Text(value.to_string()) }
}

/// Columns of metrics beyond these are left out.
const MOST_COLUMNS: usize = 24;
/// The places of metrics are looked for in so many runs, the best first.
const MOST_LOOKED_AT: usize = 200;

/// The tags that Keras' callback and the built-in trainers write.
const STANDARD: [&str; 4] =
    [tags::VALIDATION_ACCURACY, tags::VALIDATION_LOSS, tags::TRAIN_ACCURACY, tags::TRAIN_LOSS];

/// The tags, each once.
fn distinct<'a>(tags: &[&'a str]) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for tag in tags {
        if !seen.contains(tag) {
            seen.push(tag);
        }
    }
    seen
}

/// Every way that a full tag divides into a sub-run and a tag, the longest sub-run first.
fn splits(full_tag: &str) -> Vec<MetricInfo> {
    let mut splits: Vec<MetricInfo> = full_tag
        .rmatch_indices('/')
        .map(|(at, _)| MetricInfo::within(&full_tag[..at], &full_tag[at + 1..], ""))
        .collect();
    splits.push(MetricInfo::within("", full_tag, ""));
    splits
}

/// What a user is told whose programs write HParams records themselves: TensorBoard shows theirs or the sweep's, as it happens.
pub(crate) fn foreign_records(dir: &ExperimentDir, leaderboard: &Leaderboard) -> Option<String> {
    let runs = leaderboard.rows.iter().take(MOST_LOOKED_AT);
    let n = runs.filter(|row| has_foreign_record(dir.run(&row.run).path(), DEEPEST)).count();
    (n > 0).then(|| {
        format!(
            "{} HParams records of its own (`add_hparams`): a TensorBoard that is started by hand may show those in \
             place of the sweep's axes and metrics, `gridboard tensorboard` does not; leave that call out, Gridboard writes them for \
             every run",
            match n {
                1 => "a run writes".to_owned(),
                n => format!("each of {n} runs writes"),
            }
        )
    })
}

/// Below a run's folder, `add_hparams` makes one more.
const DEEPEST: u32 = 3;

fn has_foreign_record(dir: &Path, deeper: u32) -> bool {
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => deeper > 0 && has_foreign_record(&entry.path(), deeper - 1),
        Ok(kind) if kind.is_file() => {
            entry.file_name().to_string_lossy().contains("tfevents")
                && hparams::has_experiment_record(&entry.path())
        }
        _ => false,
    })
}

/// Whether a folder has event files of a program itself, not only our own records.
fn has_events(dir: &Path) -> bool {
    fs::read_dir(dir).into_iter().flatten().flatten().any(|entry| {
        entry.file_name().to_string_lossy().contains("tfevents") && !hparams::is_session(&entry.path())
    })
}

/// Writes a run's session file whole: at the start without an end, at the terminal state with it.
pub(in crate::sweep) fn write_session(
    run_dir: &Path,
    experiment: &Experiment,
    run: &RunSpec,
    started: f64,
    end: Option<(Status, f64)>,
) -> Result<(), WriteError> {
    // Sessions of one group become one row that averages its metrics: that is what several seeds of a grid point are. A single
    // seed has none, and its row is named after the run.
    let group = if experiment.seeds.len() > 1 { point_name(run) } else { "" };
    let axes = axes(experiment);
    let value = |(name, value): &(String, Value)| (name.clone(), stable_in(&axes, name, value));
    let values: Vec<(String, Value)> = run.axes.iter().map(value).collect();
    hparams::write_session(run_dir, &values, group, started, end).map(|_| ())
}

/// Writes the sessions of completed runs anew, where the seeds of a grid point have become several or one.
pub(in crate::sweep) fn regroup_sessions(
    dir: &ExperimentDir,
    experiment: &Experiment,
    records: &[RunRecord],
) -> Result<(), WriteError> {
    for record in records.iter().filter(|record| record.state.has_results()) {
        if let (Some(started), Some(finished)) = (record.started, record.finished) {
            let end = Some((Status::Success, finished));
            write_session(dir.run(&record.spec.name).path(), experiment, &record.spec, started, end)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_program_are_found_below_its_folder_and_our_own_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path();
        hparams::write_session(run, &[("lr".to_owned(), Value::Float(0.1))], "a", 1.0, None).unwrap();
        assert!(!has_foreign_record(run, DEEPEST));
        // As `add_hparams` does: a folder named after the time.
        let infos = [HParamInfo::new("lr", &[Value::Float(0.1)])];
        let metrics = [MetricInfo::new("hparam/best", "")];
        hparams::write_experiment_record(&run.join("1764.25"), &infos, &metrics, "", "", 2.0).unwrap();
        assert!(has_foreign_record(run, DEEPEST));
    }
}
