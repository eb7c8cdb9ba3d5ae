//! What the comparison of two to six runs is made from: parameters that differ, last values, and each against the first on the
//! images of both.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    answers::believed,
    problem::Problem,
    run::{self, Found, counts, with_key},
    site::Site,
};
use crate::{predictions::Comparison, tags::SYSTEM_FOLDER};

/// So many runs are compared at once.
const MOST: usize = 6;

/// Which runs.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    experiment: String,
    /// Their keys with commas between them.
    runs: String,
}

/// `GET /api/compare`.
///
/// # Errors
/// Where a run is not there, or they are fewer than two or more than six.
pub(super) async fn compare(
    State(site): State<Site>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Problem> {
    let keys: Result<Vec<i64>, _> =
        asked.runs.split(',').filter(|key| !key.is_empty()).map(str::parse).collect();
    let keys = keys.map_err(|_| Problem::bad("`runs` is to be keys of runs with commas between them"))?;
    if !(2..=MOST).contains(&keys.len()) {
        return Err(Problem::bad(format!("two to {MOST} runs are compared, not {}", keys.len())));
    }
    let mut runs = Vec::new();
    let mut lists = Vec::new();
    let mut parameters: Vec<Map<String, Value>> = Vec::new();
    for key in keys {
        let mut found: Found = with_key(&site, &asked.experiment, key).await?;
        let last = found.lent.reader().last_points(found.run.key).await?;
        let last: Map<String, Value> = last
            .into_iter()
            .filter(|(tag, _)| !tag.starts_with(SYSTEM_FOLDER))
            .map(|(tag, point)| (tag, json!(point.value)))
            .collect();
        let matrix = found.lent.reader().confusion(found.run.key).await?;
        runs.push(json!({
            "run": found.run.spec.name, "key": found.run.key.get(), "state": found.run.state, "last": last,
            "classes": found.experiment.classes, "confusion": matrix.as_ref().map(counts),
        }));
        parameters.push(run::parameters(&found.run));
        lists.push(believed(&site, &mut found).await.ok());
    }
    let mut keys: Vec<&String> = parameters.iter().flat_map(Map::keys).collect();
    keys.sort();
    keys.dedup();
    let value = |of: &Map<String, Value>, name: &String| of.get(name).cloned().unwrap_or_default();
    let differ: Vec<Value> = keys
        .into_iter()
        .filter(|name| parameters.iter().any(|of| value(of, name) != value(&parameters[0], name)))
        .map(|name| json!({"name": name, "values": parameters.iter().map(|of| value(of, name)).collect::<Vec<_>>()}))
        .collect();
    let against = tokio::task::spawn_blocking(move || {
        let Some(Some(first)) = lists.first() else { return Vec::new() };
        let side = |list: &Option<_>| {
            list.as_ref().map_or(Value::Null, |list| pair(&Comparison::between(first, list)))
        };
        lists.iter().skip(1).map(side).collect()
    });
    let against = against.await.map_err(|_| Problem::ours("the predictions could not be compared"))?;
    Ok(Json(json!({"runs": runs, "parameters": differ, "against_first": against})))
}

fn pair<E: std::fmt::Display>(compared: &Result<Comparison, E>) -> Value {
    match compared {
        Err(why) => json!({"why": why.to_string()}),
        Ok(comparison) => {
            let k = comparison.first.classes();
            let row =
                |truth| (0..k).map(|predicted| comparison.difference(truth, predicted)).collect::<Vec<_>>();
            json!({
                "p": comparison.table.p(), "table": comparison.table,
                "difference": (0..k).map(row).collect::<Vec<_>>(), "disagreements": comparison.disagreements.len(),
            })
        }
    }
}
