//! Which series stand for the tags that a rule and the standard columns name, and that runs have not written.
//!
//! What may stand for a tag is `rank`'s to say; this finds the candidates, and keeps the answer whenever runs are ranked, so
//! that every view and every reader has the same value.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;

use super::{
    ExperimentKey, RunKey,
    error::{StoreError, sqlite},
};
use crate::{
    rank::{Wanted, never_written, standard_metrics},
    spec::RankRule,
    tags::SYSTEM_FOLDER,
};

const ACTION: &str = "find the metrics of the runs";

/// SQL for the id of the tag that stands for `wanted`, an expression, in the run `r`.
pub(super) fn tag_of(wanted: &str) -> String {
    format!(
        "coalesce((SELECT tag_id FROM _series WHERE run_id = r.id AND wanted = {wanted}), \
         (SELECT id FROM _tag WHERE name = {wanted}))"
    )
}

/// Series of a run that end in `rank.by`, where they are several.
pub(super) type Several = HashMap<RunKey, Vec<String>>;

/// Keeps which series stand for the tags of the rule and of the standard columns, within a transaction. Returns the runs in
/// which several could stand for the metric that ranks.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    rule: &RankRule,
) -> Result<Several, StoreError> {
    let mut tags: Vec<&str> = vec![&rule.by.tag];
    tags.extend(rule.then.as_ref().map(|then| then.tag.as_str()));
    tags.extend(standard_metrics(rule).map(|(_, tag)| tag));
    let mut several = Several::new();
    let mut found: BTreeMap<(i64, &str), i64> = BTreeMap::new();
    let known: Vec<(i64, String)> = sqlx::query_as("SELECT id, name FROM _tag")
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
    for (place, tag) in tags.iter().enumerate() {
        if tags[..place].contains(tag) {
            continue;
        }
        let wanted = Wanted::new(tag);
        let candidates: HashMap<i64, &str> = known
            .iter()
            .filter(|(_, name)| wanted.may_be(name))
            .map(|(id, name)| (*id, name.as_str()))
            .collect();
        // In most experiments there are none, and no run is looked at.
        if candidates.is_empty() {
            continue;
        }
        let itself = known.iter().find(|(_, name)| name == tag).map_or(-1, |(id, _)| *id);
        let rows: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT l.run_id, l.tag_id FROM _run r JOIN _latest l ON l.run_id = r.id
             WHERE r.experiment_id = ?1
               AND NOT EXISTS (SELECT 1 FROM _latest w WHERE w.run_id = r.id AND w.tag_id = ?2)",
        )
        .bind(experiment)
        .bind(itself)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let mut runs: BTreeMap<i64, Vec<(i64, &str)>> = BTreeMap::new();
        for (run, id) in rows {
            if let Some(name) = candidates.get(&id) {
                runs.entry(run).or_default().push((id, name));
            }
        }
        let names: Vec<Vec<&str>> =
            runs.values().map(|series| series.iter().map(|(_, name)| *name).collect()).collect();
        for ((run, series), chosen) in runs.iter().zip(wanted.chosen(&names)) {
            match chosen.as_slice() {
                [] => {}
                [one] => {
                    if let Some((id, _)) = series.iter().find(|(_, name)| name == one) {
                        found.insert((*run, wanted.tag()), *id);
                    }
                }
                _ if place == 0 => {
                    several.insert(RunKey::new(*run), chosen.iter().map(ToString::to_string).collect());
                }
                _ => {}
            }
        }
    }
    replace(connection, experiment, &found).await?;
    Ok(several)
}

/// Writes what has changed.
async fn replace(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    found: &BTreeMap<(i64, &str), i64>,
) -> Result<(), StoreError> {
    let kept: Vec<(i64, String, i64)> = sqlx::query_as(
        "SELECT s.run_id, s.wanted, s.tag_id FROM _run r JOIN _series s ON s.run_id = r.id WHERE r.experiment_id = ?1",
    )
    .bind(experiment)
    .fetch_all(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    let kept: BTreeMap<(i64, &str), i64> =
        kept.iter().map(|(run, wanted, id)| ((*run, wanted.as_str()), *id)).collect();
    for (run, wanted) in kept.keys().filter(|key| !found.contains_key(*key)) {
        sqlx::query("DELETE FROM _series WHERE run_id = ?1 AND wanted = ?2")
            .bind(run)
            .bind(*wanted)
            .execute(&mut *connection)
            .await
            .map_err(sqlite(ACTION))?;
    }
    for ((run, wanted), id) in found.iter().filter(|(key, id)| kept.get(*key) != Some(*id)) {
        sqlx::query("INSERT OR REPLACE INTO _series (run_id, wanted, tag_id) VALUES (?1, ?2, ?3)")
            .bind(run)
            .bind(*wanted)
            .bind(id)
            .execute(&mut *connection)
            .await
            .map_err(sqlite(ACTION))?;
    }
    Ok(())
}

/// Why these runs, which have no value of the tag, do not rank: with what they have written.
pub(super) async fn absent(
    connection: &mut SqliteConnection,
    tag: &str,
    runs: &[RunKey],
    several: &Several,
) -> Result<HashMap<RunKey, String>, StoreError> {
    let mut reasons = HashMap::with_capacity(runs.len());
    for run in runs {
        let written: Vec<String> = sqlx::query_scalar(
            "SELECT t.name FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1 ORDER BY t.name",
        )
        .bind(run)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let written: Vec<&str> =
            written.iter().map(String::as_str).filter(|tag| !tag.starts_with(SYSTEM_FOLDER)).collect();
        let series: Vec<&str> = several.get(run).into_iter().flatten().map(String::as_str).collect();
        reasons.insert(*run, never_written(tag, &series, &written));
    }
    Ok(reasons)
}

/// Which series stand for tags in a run: wanted tag and series.
pub(super) async fn of_run(
    connection: &mut SqliteConnection,
    run: RunKey,
) -> Result<HashMap<String, String>, StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT s.wanted, t.name FROM _series s JOIN _tag t ON t.id = s.tag_id WHERE s.run_id = ?1",
    )
    .bind(run)
    .fetch_all(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().collect())
}
