//! What a run's predictions say: ROC and PR curves of each class, the wrong answers and their images.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    problem::Problem,
    run::{Found, Of, find},
    site::Site,
};
use crate::{
    base::error::with_causes,
    predict::misclassified_xrays,
    predictions::Predictions,
    publish::checked_predictions,
    run::RunFile,
    stats::{PrCurve, RocCurve, one_vs_rest},
};

/// So many wrong answers are listed.
const MOST_WRONG: usize = 500;
/// So many of their images are drawn.
const MOST_IMAGES: usize = 24;
/// Points of a ROC or PR curve.
const MOST_OF_CURVE: usize = 400;

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
