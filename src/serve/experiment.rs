//! What the pages of a whole experiment are made from: the list of experiments, one with all its runs, and the curves of one
//! metric over its runs.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    problem::Problem,
    site::Site,
    snapshot::Snapshot,
    thin::{MOST_POINTS, thinned},
};
use crate::run::{ExperimentDir, RunKey};

/// So many curves are sent at once.
const MOST_CURVES: usize = 200;
/// So many points are sent at once, over all curves.
const MOST_OF_ALL: usize = 120_000;

const EXPERIMENTS: &str =
    "select experiment, created, runs, pending, running, paused, completed, reused, failed,
                           cancelled, stopped from experiments order by created desc";

/// `GET /api/experiments`: every experiment that is shown, the latest first.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn all(State(site): State<Site>) -> Result<Json<Value>, Problem> {
    let mut lent = site.readers.lend().await?;
    let found = lent.reader().query(EXPERIMENTS).await?;
    drop(lent);
    let mut experiments = Vec::new();
    for row in found.rows {
        let mut fields: Map<String, Value> =
            found.columns.iter().cloned().zip(row.iter().map(|value| json!(value))).collect();
        let name = fields["experiment"].as_str().unwrap_or_default().to_owned();
        if site.shows(&name) {
            let live = ExperimentDir::new(site.readers.runs_dir(), &name).is_locked();
            fields.insert("live".to_owned(), json!(live));
            experiments.push(Value::Object(fields));
        }
    }
    Ok(Json(
        json!({"experiments": experiments, "private": site.guard.is_private(), "version": env!("CARGO_PKG_VERSION")}),
    ))
}

/// Which experiment.
#[derive(Debug, Deserialize)]
pub(super) struct Of {
    experiment: String,
}

/// `GET /api/experiment`: all runs of one, its strip, and the id from which on the stream tells what is new.
///
/// # Errors
/// Where there is none of this name, or the database cannot be read.
pub(super) async fn one(State(site): State<Site>, Query(of): Query<Of>) -> Result<Response, Problem> {
    site.shown(&of.experiment)?;
    let board = site.hub.board(&of.experiment).await?;
    let mut response = board.whole().to_string().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Which curves.
#[derive(Debug, Deserialize)]
pub(super) struct Curves {
    experiment: String,
    /// Keys of runs, with commas; without it the best, the running ones, and some of the others.
    #[serde(default)]
    runs: String,
    /// The tag; without it that of the metric that ranks.
    tag: Option<String>,
    /// Points a curve, at most.
    points: Option<usize>,
}

/// `GET /api/curves`: the curves of a metric over runs.
///
/// # Errors
/// Where there is no such experiment, or the database cannot be read.
pub(super) async fn curves(
    State(site): State<Site>,
    Query(asked): Query<Curves>,
) -> Result<Json<Value>, Problem> {
    site.shown(&asked.experiment)?;
    let snapshot = site.hub.board(&asked.experiment).await?.snapshot();
    let tag = asked.tag.clone().unwrap_or_else(|| snapshot.record.spec.rank.by.tag.clone());
    let keys = match asked.runs.as_str() {
        "" => chosen(&snapshot),
        runs => runs
            .split(',')
            .map(|key| key.parse::<i64>())
            .collect::<Result<Vec<i64>, _>>()
            .map_err(|_| Problem::bad("`runs` is to be keys of runs with commas between them"))?,
    };
    let known = |key: &i64| snapshot.runs.iter().any(|run| run.id == *key);
    let keys: Vec<i64> = keys.into_iter().filter(known).take(MOST_CURVES).collect();
    let most =
        (MOST_OF_ALL / keys.len().max(1)).min(asked.points.unwrap_or(MOST_POINTS)).clamp(50, MOST_POINTS);
    let mut lent = site.readers.lend().await?;
    let mut found: Vec<(i64, Vec<(i64, f64)>)> = Vec::with_capacity(keys.len());
    for key in keys {
        let points = lent.reader().points_after(RunKey::new(key), &tag, None).await?;
        if !points.is_empty() {
            found.push((key, thinned(&points, most)));
        }
    }
    drop(lent);
    let curves: Vec<Value> = found
        .into_iter()
        .map(|(key, points)| {
            let (steps, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
            json!({"key": key, "steps": steps, "values": values})
        })
        .collect();
    Ok(Json(json!({"tag": tag, "curves": curves})))
}

/// The runs whose curves are shown at first: those that run, the best, then others that have any.
fn chosen(snapshot: &Snapshot) -> Vec<i64> {
    let mut runs: Vec<_> = snapshot.runs.iter().filter(|run| run.step.is_some()).collect();
    runs.sort_by_key(|run| (run.state != "running", run.rank.unwrap_or(i64::MAX), run.id));
    runs.into_iter().map(|run| run.id).take(MOST_CURVES).collect()
}
