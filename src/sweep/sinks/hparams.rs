//! The HParams records of a sweep: one experiment record in the root, one session file per run.
//!
//! The orchestrator writes them, not the trainer, because it alone knows the whole domain of every axis and how a run
//! ended, and because a `command` trainer gets them for nothing. The experiment record is written when a sweep is prepared,
//! the sessions by the sink of the run folders.

use std::path::Path;

use crate::{
    event::tags,
    run::RunSpec,
    spec::{Axis, Experiment, Value},
    tfevents::{
        WriteError,
        hparams::{self, HParamInfo, MetricInfo, Status},
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

/// Writes the experiment record in place of an earlier one, since TensorBoard shows an arbitrary one of several.
pub(in crate::sweep) fn write_experiment(
    dir: &Path,
    experiment: &Experiment,
    created: f64,
) -> Result<(), WriteError> {
    let infos: Vec<HParamInfo> =
        axes(experiment).iter().map(|axis| HParamInfo::new(&axis.name, &axis.values)).collect();
    let mut metrics = vec![experiment.rank.by.tag.as_str()];
    metrics.extend(experiment.rank.then.as_ref().map(|metric| metric.tag.as_str()));
    metrics.extend([
        tags::VALIDATION_ACCURACY,
        tags::VALIDATION_LOSS,
        tags::TRAIN_ACCURACY,
        tags::TRAIN_LOSS,
    ]);
    metrics.extend(tags::VALIDATION_METRICS);
    let mut seen = Vec::new();
    metrics.retain(|tag| {
        let new = !seen.contains(tag);
        seen.push(*tag);
        new
    });
    let metrics: Vec<MetricInfo> = metrics.into_iter().map(|tag| MetricInfo::new(tag, "")).collect();
    hparams::write_experiment_record(dir, &infos, &metrics, &experiment.name, "", created).map(|_| ())
}

/// Writes a run's session file whole: at the start without an end, at the terminal state with it.
pub(in crate::sweep) fn write_session(
    run_dir: &Path,
    experiment: &Experiment,
    run: &RunSpec,
    started: f64,
    end: Option<(Status, f64)>,
) -> Result<(), WriteError> {
    // Sessions of one group become one row that averages its metrics: that is what several seeds of a grid point are. One
    // seed has a group too, because others may be added later; the experiment keeps equal names of others apart.
    let point = run.name.strip_suffix(&format!("-seed-{}", run.seed)).unwrap_or(&run.name);
    // TensorBoard cuts its first column at the right: what differs stands first.
    let group = format!("{point} ({})", experiment.name);
    let values: Vec<(String, Value)> = run.axes.clone();
    hparams::write_session(run_dir, &values, &group, started, end).map(|_| ())
}
