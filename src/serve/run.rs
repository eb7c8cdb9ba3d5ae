//! What the page of one run is made from: everything that the database and its folder tell of it.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    problem::Problem,
    readers::Lent,
    site::Site,
    thin::{MOST_POINTS, thinned},
};
use crate::{
    base::{error::with_causes, files::read_regular},
    metrics::ConfusionMatrix,
    predict::misclassified_xrays,
    predictions::Predictions,
    publish::checked_predictions,
    run::{ExperimentDir, RunDir, RunFile, RunKey},
    stats::{PrCurve, RocCurve, one_vs_rest},
    store::{AttemptRecord, Curve, ExperimentRecord, RunRecord},
};

/// So much of the end of a log is shown at first, and sent at once, bytes.
const LOG_BYTES: u64 = 64 << 10;
/// So many wrong answers are listed.
const MOST_WRONG: usize = 500;
/// So many of their images are drawn.
const MOST_IMAGES: usize = 24;
/// So many files of the folder are listed.
const MOST_FILES: usize = 500;
/// Points of a ROC or PR curve.
const MOST_OF_CURVE: usize = 400;

/// Which run.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    experiment: String,
    run: String,
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
async fn find(site: &Site, experiment: &str, run: &str) -> Result<Found, Problem> {
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
        "attempt": attempt.attempt, "state": attempt.state.to_string(), "slot": attempt.slot, "host": attempt.host,
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

/// Which curves of a run.
#[derive(Debug, Deserialize)]
pub(super) struct Curves {
    experiment: String,
    run: String,
    /// The steps that are shown; all without them.
    from: Option<i64>,
    to: Option<i64>,
    /// Points a curve, at most.
    points: Option<usize>,
}

/// `GET /api/run/curves`: every curve of a run, the least and the greatest of each bucket of points.
///
/// # Errors
/// Where there is none of this name, or the database cannot be read.
pub(super) async fn curves(
    State(site): State<Site>,
    Query(asked): Query<Curves>,
) -> Result<Json<Value>, Problem> {
    let Found { mut lent, run, .. } = find(&site, &asked.experiment, &asked.run).await?;
    let curves = lent.reader().history(run.key, &[]).await?;
    drop(lent);
    let most = asked.points.unwrap_or(MOST_POINTS).clamp(50, MOST_POINTS);
    let (from, to) = (asked.from.unwrap_or(i64::MIN), asked.to.unwrap_or(i64::MAX));
    let curve = |curve: Curve| {
        let all = curve.points.len();
        let shown = curve.points.iter().filter(|point| (from..=to).contains(&point.step));
        let shown: Vec<(i64, f64)> = shown.map(|point| (point.step, point.value)).collect();
        let (steps, values): (Vec<i64>, Vec<f64>) = thinned(&shown, most).into_iter().unzip();
        json!({"tag": curve.tag, "points": all, "steps": steps, "values": values})
    };
    Ok(Json(json!({"curves": curves.into_iter().map(curve).collect::<Vec<_>>()})))
}

/// A piece of a log.
#[derive(Debug, Serialize)]
pub(super) struct LogPiece {
    /// The byte that it begins with.
    pub(super) begins: u64,
    /// What is no UTF-8 is replaced.
    pub(super) text: String,
    /// The byte after it.
    pub(super) end: u64,
}

/// The end of a log, or what follows a byte of it; where the log is shorter than that, it is another one. `None` where there is
/// none. A character that is cut off at the end waits for its rest.
pub(super) fn log_piece(path: &Path, from: Option<u64>) -> Option<LogPiece> {
    let mut file = File::open(path).ok()?;
    let metadata = file.metadata().ok().filter(fs::Metadata::is_file)?;
    let length = metadata.len();
    let last = length.saturating_sub(LOG_BYTES);
    let begins = from.filter(|from| *from <= length).unwrap_or(last).max(last);
    file.seek(SeekFrom::Start(begins)).ok()?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes).ok()?;
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(LogPiece { begins, text, end: begins + bytes.len() as u64 })
}

/// `GET /api/run/log`: the end of a run's log.
///
/// # Errors
/// Where there is no such run.
pub(super) async fn log(State(site): State<Site>, Query(of): Query<Of>) -> Result<Json<Value>, Problem> {
    let Found { dir, .. } = find(&site, &of.experiment, &of.run).await?;
    let piece = log_piece(&dir.log(), None);
    Ok(Json(json!(piece.unwrap_or(LogPiece { begins: 0, text: String::new(), end: 0 }))))
}

/// `GET /api/run/predictions`: ROC and PR curves of each class, and the wrong answers.
///
/// # Errors
/// Where there is no such run, or it has no predictions that can be believed.
pub(super) async fn predictions(
    State(site): State<Site>,
    Query(of): Query<Of>,
) -> Result<Json<Value>, Problem> {
    let mut found = find(&site, &of.experiment, &of.run).await?;
    let read = believed(&site, &mut found).await?;
    drop(found);
    let answer = tokio::task::spawn_blocking(move || separation(&read)).await;
    answer.map(Json).map_err(|_| Problem::ours("the predictions could not be read"))
}

/// The predictions of a run, where they are those that were counted.
///
/// # Errors
/// Where there are none.
pub(super) async fn believed(site: &Site, found: &mut Found) -> Result<Predictions, Problem> {
    let name = found.run.spec.name.clone();
    let file = found.run.predictions.clone();
    let file = file.ok_or_else(|| Problem::missing(format!("run `{name}` has no predictions")))?;
    let counted = found.lent.reader().confusion(found.run.key).await?;
    let (path, classes) = (site.readers.runs_dir().join(file), found.experiment.classes.clone());
    let read =
        tokio::task::spawn_blocking(move || checked_predictions(&path, &classes, counted.as_ref())).await;
    let (read, warnings) = read.map_err(|_| Problem::ours("the predictions could not be read"))?;
    read.ok_or_else(|| Problem::conflict(warnings.join("; ")))
}

fn separation(read: &Predictions) -> Value {
    let k = read.classes.len();
    let known = read.rows.iter().all(|row| row.probabilities.len() == k);
    let mut classes = Vec::new();
    if known {
        let probabilities: Vec<f32> =
            read.rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        let truths: Vec<usize> = read.rows.iter().map(|row| row.label).collect();
        // Of two classes the positive one says it all.
        for class in if k == 2 { 1..2 } else { 0..k } {
            let (scores, positive) = one_vs_rest(&probabilities, &truths, k, class);
            let roc = RocCurve::from_scores(&scores, &positive);
            let pr = PrCurve::from_scores(&scores, &positive);
            let share =
                positive.iter().filter(|positive| **positive).count() as f64 / positive.len().max(1) as f64;
            classes.push(json!({
                "class": read.classes[class], "share": share,
                "auc": roc.as_ref().map(|roc| roc.area),
                "average_precision": pr.as_ref().map(|pr| pr.average_precision),
                "roc": roc.map(|roc| spread(&roc.points, |at| [at.false_positive_rate, at.true_positive_rate])),
                "pr": pr.map(|pr| spread(&pr.points, |at| [at.recall, at.precision])),
            }));
        }
    }
    let wrong: Vec<_> = read.rows.iter().filter(|row| row.predicted != row.label).collect();
    let listed: Vec<Value> = wrong
        .iter()
        .take(MOST_WRONG)
        .map(|row| {
            json!({
                "image": row.image, "label": read.classes.get(row.label), "predicted": read.classes.get(row.predicted),
                "probability": row.probabilities.get(row.predicted),
            })
        })
        .collect();
    json!({"images": read.rows.len(), "classes": classes, "wrong": wrong.len(), "listed": listed})
}

/// Some of the points of a curve, its ends among them.
fn spread<T>(points: &[T], pair: impl Fn(&T) -> [f64; 2]) -> Vec<[f64; 2]> {
    let stride = points.len().div_ceil(MOST_OF_CURVE).max(1);
    let last = points.len().saturating_sub(1);
    let kept = points.iter().enumerate().filter(|(place, _)| place % stride == 0 || *place == last);
    kept.map(|(_, point)| pair(point)).collect()
}

/// `GET /api/run/wrong.png`: some of the images that a run has wrong.
///
/// # Errors
/// Where there is no such run, or its images are not at hand.
pub(super) async fn wrong(State(site): State<Site>, Query(of): Query<Of>) -> Result<Response, Problem> {
    let mut found = find(&site, &of.experiment, &of.run).await?;
    // Shows nothing that the other parts of the page do not believe.
    drop(believed(&site, &mut found).await?);
    let file = RunFile::read(found.dir.path()).map_err(|error| Problem::missing(with_causes(&error)))?;
    let dataset = file.dataset.ok_or_else(|| Problem::missing("the run has no images"))?;
    let predictions = site.readers.runs_dir().join(found.run.predictions.as_deref().unwrap_or_default());
    let title = format!("Images that {} has wrong", found.run.spec.name);
    drop(found);
    let drawn =
        tokio::task::spawn_blocking(move || misclassified_xrays(&title, &predictions, &dataset, MOST_IMAGES));
    let figure = drawn.await.map_err(|_| Problem::ours("the images could not be drawn"))?;
    let figure = figure.map_err(|error| Problem::missing(with_causes(&error)))?;
    let mut response = figure.png.into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/png"));
    Ok(response)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_on_from_where_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert!(log_piece(&path, None).is_none());
        fs::write(&path, "one\n\u{e4}").unwrap();
        let first = log_piece(&path, None).unwrap();
        assert_eq!((first.begins, first.text.as_str(), first.end), (0, "one\n\u{e4}", 6));
        let rest = log_piece(&path, Some(4)).unwrap();
        assert_eq!((rest.begins, rest.text.as_str(), rest.end), (4, "\u{e4}", 6));
        // Half of a letter waits.
        fs::write(&path, b"one\n\xc3").unwrap();
        let half = log_piece(&path, Some(4)).unwrap();
        assert_eq!((half.text.as_str(), half.end), ("", 4));
        // Another log in its place is shown from its beginning.
        assert_eq!(log_piece(&path, Some(400)).unwrap().begins, 0);
        fs::write(&path, "x".repeat(100_000)).unwrap();
        let end = log_piece(&path, None).unwrap();
        assert_eq!((end.begins, end.text.len()), (100_000 - 65_536, 65_536));
    }
}
