//! The facts of a run for the report: what its ledger entry, its last metrics and its `run.json` say, its layers, and its
//! X-rays.

use std::path::Path;

use serde_json::Value as Json;

use super::PublishError;
use crate::{
    base::{error::with_causes, files::read_regular},
    figure::Figure,
    model::{self, Architecture, Layer},
    predict::validation_xrays,
    report::RunFacts,
    run::{ExperimentDir, RunFile, RunFileError},
    spec::{Experiment, Train},
    store::{Reader, RunRecord},
};

/// X-rays of the figure: four rows of six.
const MOST_XRAYS: usize = 24;

/// The facts of one run, whose directory is below `dir`.
///
/// # Errors
/// Where the database cannot be read. A `run.json` that is gone or damaged has nothing to say.
pub(super) async fn of_run(
    store: &mut Reader,
    experiment: &Experiment,
    dir: &ExperimentDir,
    run: &RunRecord,
) -> Result<RunFacts, PublishError> {
    let last = store.last_points(run.key).await?;
    // Read key by key: files of older versions lack some.
    let file: Json = read_regular(&dir.run(&run.spec.name).run_file(), RunFile::MOST_BYTES)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let text = |path: &str| file.pointer(path).and_then(Json::as_str).map(str::to_owned);
    let commit = text("/provenance/git/commit").map(|commit| {
        let changed = text("/provenance/git/dirty").map(|hash| format!(" with changes {hash}"));
        commit + &changed.unwrap_or_default()
    });
    let summary = summary(experiment, run);
    Ok(RunFacts {
        key: run.key,
        index: run.spec.index,
        family: run.spec.family.to_string(),
        parameters: summary.map(|summary| summary.parameters),
        flops_per_image: summary.map(|summary| summary.flops_per_image),
        started: run.started,
        finished: run.finished,
        seconds: run.seconds(),
        peak_memory: run.used.peak_memory,
        version: text("/version"),
        commit,
        compiler: text("/provenance/rustc"),
        libtorch: text("/provenance/libtorch"),
        processor: text("/provenance/processor"),
        instructions: text("/provenance/instructions"),
        device: run.device.clone(),
        threads: file.get("threads").and_then(Json::as_u64),
        host: run.host.clone(),
        last: last.into_iter().map(|(tag, point)| (tag, point.value)).collect(),
    })
}

/// X-rays of the validation part with the run's answers, Fig. 11 of the paper; none for a run without predictions or without
/// a dataset. The pixels are read from the prepared corpus.
///
/// # Errors
/// What is missing, in words: the report does without the figure.
pub(super) fn xrays(runs_dir: &Path, dir: &ExperimentDir, run: &RunRecord) -> Result<Option<Figure>, String> {
    let Some(predictions) = &run.predictions else { return Ok(None) };
    let file = match RunFile::read(dir.run(&run.spec.name).path()) {
        Err(RunFileError::Missing(_)) => return Ok(None),
        read => read.map_err(|error| format!("Fig. 11 is left out: {}", with_causes(&error)))?,
    };
    let Some(dataset) = file.dataset else { return Ok(None) };
    let title = format!("{}: validation images and the answers of {}", run.experiment, run.spec.name);
    validation_xrays(&title, &runs_dir.join(predictions), &dataset, MOST_XRAYS)
        .map(Some)
        .map_err(|error| format!("Fig. 11 is left out: {}", with_causes(&error)))
}

/// The layers of a run's network; empty where they are not known.
pub(super) fn layers(experiment: &Experiment, run: &RunRecord) -> Vec<Layer> {
    let Some((network, size, classes)) = network(experiment, run) else { return Vec::new() };
    network.layers(size, classes).unwrap_or_default()
}

fn summary(experiment: &Experiment, run: &RunRecord) -> Option<model::Summary> {
    let (network, size, classes) = network(experiment, run)?;
    let train = Train::from_parameters(&run.spec.parameters).ok()?;
    model::summary(&network, size, classes, &train).ok()
}

/// The network with the side of its images and its number of classes.
fn network(experiment: &Experiment, run: &RunRecord) -> Option<(Architecture, u32, u32)> {
    let dataset = experiment.dataset.as_ref()?;
    let network = Architecture::from_parameters(run.spec.family, &run.spec.parameters).ok()??;
    Some((network, dataset.image_size, u32::try_from(dataset.classes.len()).ok()?))
}
