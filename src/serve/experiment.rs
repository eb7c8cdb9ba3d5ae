//! What the pages of a whole experiment are made from: the list of experiments, and one with all its runs.

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{problem::Problem, site::Site};
use crate::run::ExperimentDir;

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
