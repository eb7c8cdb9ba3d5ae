//! What the page of one run is made from: what the database and its folder tell of it. Its curves are in `curves`, its log in
//! `log`, what its predictions say in `answers`.

use std::fs;

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{problem::Problem, readers::Lent, site::Site};
use crate::{
    base::files::read_regular,
    metrics::ConfusionMatrix,
    run::{ExperimentDir, RunDir, RunFile, RunKey},
    store::{AttemptRecord, ExperimentRecord, RunRecord},
};

/// So many files of the folder are listed.
const MOST_FILES: usize = 500;

/// Which run.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    pub(super) experiment: String,
    pub(super) run: String,
}

/// A run that was found.
pub(super) struct Found {
    pub(super) lent: Lent,
    pub(super) experiment: ExperimentRecord,
    pub(super) run: RunRecord,
    pub(super) dir: RunDir,
}

/// Finds a run by the names of its experiment and its own.
///
/// # Errors
/// Where there is none, or the database cannot be read.
pub(super) async fn find(site: &Site, experiment: &str, run: &str) -> Result<Found, Problem> {
    let (mut lent, record) = of_experiment(site, experiment).await?;
    let found = lent.reader().find_runs(&format!("{experiment}/{run}")).await?;
    let found = found.into_iter().find(|found| found.experiment == experiment && found.spec.name == run);
    let found =
        found.ok_or_else(|| Problem::missing(format!("there is no run `{run}` in `{experiment}`")))?;
    let dir = ExperimentDir::new(site.readers.runs_dir(), experiment).run(run);
    Ok(Found { lent, experiment: record, run: found, dir })
}

/// Finds a run of an experiment by its key.
///
/// # Errors
/// As [`find`].
pub(super) async fn with_key(site: &Site, experiment: &str, key: i64) -> Result<Found, Problem> {
    let (mut lent, record) = of_experiment(site, experiment).await?;
    let run = lent.reader().run(RunKey::new(key)).await?;
    if run.experiment != experiment {
        return Err(Problem::missing(format!("there is no run of the key {key} in `{experiment}`")));
    }
    let dir = ExperimentDir::new(site.readers.runs_dir(), experiment).run(&run.spec.name);
    Ok(Found { lent, experiment: record, run, dir })
}

async fn of_experiment(site: &Site, experiment: &str) -> Result<(Lent, ExperimentRecord), Problem> {
    site.shown(experiment)?;
    let mut lent = site.readers.lend().await?;
    let record = lent.reader().experiment(experiment).await?;
    let record = record.ok_or_else(|| Problem::missing(format!("there is no experiment `{experiment}`")))?;
    Ok((lent, record))
}

/// `GET /api/run`: all of a run but its curves and predictions.
///
/// # Errors
/// Where there is none of this name, or the database cannot be read.
pub(super) async fn one(State(site): State<Site>, Query(of): Query<Of>) -> Result<Json<Value>, Problem> {
    let Found { mut lent, experiment, run, dir } = find(&site, &of.experiment, &of.run).await?;
    let reader = lent.reader();
    let attempts = reader.attempts(run.key).await?;
    let confusion = reader.confusion(run.key).await?;
    let row = reader.leaderboard_row(experiment.key, run.key).await?;
    drop(lent);
    let interval = row.as_ref().and_then(|row| row.tally).and_then(|tally| tally.interval());
    // What is gone or damaged has nothing to say.
    let file: Value = read_regular(&dir.run_file(), RunFile::MOST_BYTES)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    Ok(Json(json!({
        "experiment": run.experiment, "run": run.spec.name, "key": run.key.get(), "id": run.spec.id, "state": run.state,
        "seed": run.spec.seed, "family": run.spec.family.to_string(), "parameters": run.spec.parameters,
        "tags": run.tags, "note": run.note, "archived": run.archived, "problem": run.problem,
        "failure": run.failure, "rank": row.as_ref().and_then(|row| row.rank),
        "why_unranked": row.as_ref().and_then(|row| row.reason.clone()),
        "against_best": row.as_ref().and_then(|row| row.standing.words()),
        "mcnemar_p": row.as_ref().and_then(|row| row.standing.p()),
        "low": interval.map(|interval| interval.low), "high": interval.map(|interval| interval.high),
        "attempts": attempts.iter().map(attempt).collect::<Vec<_>>(),
        "classes": experiment.classes, "confusion": confusion.as_ref().map(counts),
        "has_predictions": run.predictions.is_some(), "rank_by": experiment.spec.rank.by.tag,
        "directory": dir.path().display().to_string(), "files": files(&dir),
        "provenance": file.get("provenance"), "version": file.get("version"), "host": run.host, "device": run.device,
        "threads": file.get("threads"),
    })))
}

fn attempt(attempt: &AttemptRecord) -> Value {
    json!({
        "attempt": attempt.attempt, "state": attempt.state.to_string(), "slot": attempt.slot, "host": attempt.host, "job": attempt.job,
        "pid": attempt.pid, "started": attempt.started, "finished": attempt.finished, "failure": attempt.failure,
        "problem": attempt.problem, "resumed_from": attempt.resumed_from, "threads": attempt.threads,
        "peak_memory": attempt.used.peak_memory, "peak_device_memory": attempt.used.peak_device_memory,
        "core_seconds": attempt.used.core_seconds,
    })
}

/// The counts of a matrix, rows the true classes.
pub(super) fn counts(matrix: &ConfusionMatrix) -> Vec<Vec<u64>> {
    let row = |truth| (0..matrix.classes()).map(|predicted| matrix.count(truth, predicted)).collect();
    (0..matrix.classes()).map(row).collect()
}

/// Names and sizes of the files of a run, by name. Links are not followed.
fn files(dir: &RunDir) -> Vec<Value> {
    let mut found = Vec::new();
    let mut waiting = vec![dir.path().to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if found.len() >= MOST_FILES {
                break;
            }
            match metadata.is_dir() {
                true => waiting.push(entry.path()),
                false => {
                    let path = entry.path();
                    let name = path.strip_prefix(dir.path()).unwrap_or(&path).display().to_string();
                    found.push((name, metadata.len()));
                }
            }
        }
    }
    found.sort();
    found.into_iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect()
}

/// Parameters of a run by name, its seed among them.
pub(super) fn parameters(run: &RunRecord) -> Map<String, Value> {
    let own = run.spec.parameters.iter().map(|(name, value)| (name.clone(), json!(value)));
    own.chain([
        ("seed".to_owned(), json!(run.spec.seed)),
        ("family".to_owned(), json!(run.spec.family.to_string())),
    ])
    .collect()
}
