//! Curves, of few points each: those of one metric over the runs of an experiment, and all of a run.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{problem::Problem, run::find, site::Site, snapshot::Snapshot};
use crate::{
    run::RunKey,
    store::{Drawn, Sight},
};

/// So many points a curve has at most on a page.
const MOST_POINTS: usize = 3_000;
/// So many it may always have.
const FEW_POINTS: usize = 50;
/// So many curves are sent at once.
const MOST_CURVES: usize = 200;
/// So many points are sent at once, over all curves.
const MOST_OF_ALL: usize = 120_000;

/// Which curves.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    experiment: String,
    /// Keys of runs, with commas; without it the best, the running ones, and some of the others.
    #[serde(default)]
    runs: String,
    /// The tag; without it that of the metric that ranks.
    tag: Option<String>,
    /// The steps that are shown; all without them.
    from: Option<i64>,
    to: Option<i64>,
    /// Points a curve, at most.
    points: Option<usize>,
    /// So many curves at most, where no runs are named.
    count: Option<usize>,
}

fn sight(from: Option<i64>, to: Option<i64>, most: usize) -> Sight {
    Sight {
        steps: from.unwrap_or(i64::MIN)..=to.unwrap_or(i64::MAX),
        most: most.clamp(FEW_POINTS, MOST_POINTS),
    }
}

/// `GET /api/curves`: the curves of a metric over runs.
///
/// # Errors
/// Where there is no such experiment, or the database cannot be read.
pub(super) async fn of_experiment(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Problem> {
    site.shown(&asked.experiment)?;
    let snapshot = site.hub.board(&asked.experiment).await?.snapshot();
    let tag = asked.tag.clone().unwrap_or_else(|| snapshot.record.spec.rank.by.tag.clone());
    let keys = match asked.runs.as_str() {
        "" => chosen(&snapshot, asked.count.unwrap_or(MOST_CURVES)),
        runs => runs
            .split(',')
            .map(|key| key.parse::<i64>())
            .collect::<Result<Vec<i64>, _>>()
            .map_err(|_| Problem::bad("`runs` is to be keys of runs with commas between them"))?,
    };
    let known = |key: &i64| snapshot.runs.iter().any(|run| run.id == *key);
    let keys: Vec<i64> = keys.into_iter().filter(known).take(MOST_CURVES).collect();
    let most = (MOST_OF_ALL / keys.len().max(1)).min(asked.points.unwrap_or(MOST_POINTS));
    let sight = sight(asked.from, asked.to, most);
    let mut lent = site.readers.lend().await?;
    let mut curves = Vec::with_capacity(keys.len());
    for key in keys {
        let points = lent.reader().drawn(RunKey::new(key), &tag, &sight).await?;
        if !points.is_empty() {
            let (steps, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
            curves.push(json!({"key": key, "steps": steps, "values": values}));
        }
    }
    drop(lent);
    Ok(Json(json!({"tag": tag, "curves": curves})))
}

/// The runs whose curves are shown at first: those that run, the best, then others that have any.
fn chosen(snapshot: &Snapshot, count: usize) -> Vec<i64> {
    let mut runs: Vec<_> = snapshot.runs.iter().filter(|run| run.step.is_some()).collect();
    runs.sort_by_key(|run| (run.state != "running", run.rank.unwrap_or(i64::MAX), run.id));
    runs.into_iter().map(|run| run.id).take(count).collect()
}

/// Which curves of a run.
#[derive(Debug, Deserialize)]
pub(super) struct AskedOfRun {
    experiment: String,
    run: String,
    /// The steps that are shown; all without them.
    from: Option<i64>,
    to: Option<i64>,
    /// Points a curve, at most.
    points: Option<usize>,
}

/// `GET /api/run/curves`: every curve of a run.
///
/// # Errors
/// Where there is none of this name, or the database cannot be read.
pub(super) async fn of_run(
    State(site): State<Site>,
    Query(asked): Query<AskedOfRun>,
) -> Result<Json<Value>, Problem> {
    let mut found = find(&site, &asked.experiment, &asked.run).await?;
    let sight = sight(asked.from, asked.to, asked.points.unwrap_or(MOST_POINTS));
    let curves = found.lent.reader().all_drawn(found.run.key, &sight).await?;
    drop(found);
    let curve = |Drawn { tag, points }: Drawn| {
        let (steps, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
        json!({"tag": tag, "steps": steps, "values": values})
    };
    Ok(Json(json!({"curves": curves.into_iter().map(curve).collect::<Vec<_>>()})))
}
