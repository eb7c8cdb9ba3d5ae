//! The facts of a run for the report: what its ledger entry, its last metrics and its `run.json` say.

use std::{fs, path::Path};

use serde_json::Value as Json;

use super::SweepError;
use crate::{
    model::{self, GridCnn, Layer},
    report::RunFacts,
    spec::{Experiment, Family, Train},
    store::{RunRecord, Store},
};

/// The facts of one run, whose directory is below `dir`.
///
/// # Errors
/// Where the database cannot be read. A `run.json` that is gone or damaged has nothing to say.
pub(super) async fn of_run(
    store: &mut Store,
    experiment: &Experiment,
    dir: &Path,
    run: &RunRecord,
) -> Result<RunFacts, SweepError> {
    let last = store.last_points(run.key).await?;
    let file: Json = fs::read(dir.join(&run.spec.name).join("run.json"))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let text = |key: &str| file.get(key).and_then(Json::as_str).map(str::to_owned);
    let summary = summary(experiment, run);
    Ok(RunFacts {
        index: run.spec.index,
        family: family(experiment).to_owned(),
        parameters: summary.map(|summary| summary.parameters),
        flops_per_image: summary.map(|summary| summary.flops_per_image),
        started: run.started,
        finished: run.finished,
        seconds: run.seconds(),
        peak_memory: run.used.peak_memory,
        version: text("version"),
        device: run.device.clone(),
        threads: file.get("threads").and_then(Json::as_u64),
        host: run.host.clone(),
        last: last.into_iter().map(|(tag, point)| (tag, point.value)).collect(),
    })
}

/// The layers of a run's network; empty where they are not known.
pub(super) fn layers(experiment: &Experiment, run: &RunRecord) -> Vec<Layer> {
    let Some((network, size, classes)) = network(experiment, run) else { return Vec::new() };
    model::layers(&network, size, classes).unwrap_or_default()
}

fn summary(experiment: &Experiment, run: &RunRecord) -> Option<model::Summary> {
    let (network, size, classes) = network(experiment, run)?;
    let train = Train::from_parameters(&run.spec.parameters).ok()?;
    model::summary(&network, size, classes, train.batch_size).ok()
}

/// The network with the side of its images and its number of classes.
fn network(experiment: &Experiment, run: &RunRecord) -> Option<(GridCnn, u32, u32)> {
    if experiment.family != Family::GridCnn {
        return None;
    }
    let dataset = experiment.dataset.as_ref()?;
    let network = GridCnn::from_parameters(&run.spec.parameters).ok()?;
    Some((network, dataset.image_size, u32::try_from(dataset.classes.len()).ok()?))
}

/// The trainer's word in the spec.
fn family(experiment: &Experiment) -> &'static str {
    match experiment.family {
        Family::GridCnn => "grid_cnn",
        Family::Command => "command",
    }
}
