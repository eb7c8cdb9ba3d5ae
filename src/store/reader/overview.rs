//! All runs of an experiment as the live page shows them: states, ranks and last values, in a few statements whose cost does
//! not grow with the curves.

use std::collections::HashMap;

use serde::{Serialize, Serializer, ser::SerializeTuple};
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use sqlx_macros::FromRow;

use crate::{
    rank::{Candidate, rank, rule_metrics, standard_metrics},
    spec::RankRule,
    store::{
        ExperimentKey, Reader,
        convert::word,
        error::{StoreError, sqlite},
        series,
    },
    tags::{BATCH_FOLDER, SYSTEM_FOLDER},
};

const ACTION: &str = "read the runs for the page";

/// So many metrics that neither the rule nor the standard columns have are shown.
const MOST_FURTHER: usize = 8;

/// A column of the page's table: the metric that is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MetricColumn {
    /// What the column is called, in filters too.
    pub(crate) name: String,
    /// The tag.
    pub(crate) tag: String,
}

/// A run. As JSON it is an array in the order of [`OverviewRun::FIELDS`]: ten thousand of them are sent at once.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct OverviewRun {
    /// Its key in the database.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) state: String,
    seed: i64,
    /// Its place on the leaderboard, from 1.
    pub(crate) rank: Option<i64>,
    rank_reason: Option<String>,
    axis_values: String,
    /// The last values of the metrics that were asked for; NULL where one is NaN or not written.
    #[sqlx(skip)]
    pub(crate) metrics: Vec<Option<f64>>,
    /// The last step of the metric that ranks.
    #[sqlx(skip)]
    pub(crate) step: Option<i64>,
    low: Option<f64>,
    high: Option<f64>,
    images: Option<i64>,
    best_epoch: Option<i64>,
    best_value: Option<f64>,
    p: Option<f64>,
    standing: Option<String>,
    pub(crate) attempts: i64,
    pub(crate) started: Option<f64>,
    pub(crate) finished: Option<f64>,
    slot: Option<String>,
    failure: Option<String>,
    reason: Option<String>,
    problem: Option<String>,
    tags: String,
    note: Option<String>,
    archived: bool,
}

impl OverviewRun {
    /// What the places of a run mean, for whoever reads its JSON. `step` is that of the metric that ranks.
    pub(crate) const FIELDS: [&'static str; 26] = [
        "key",
        "run",
        "state",
        "seed",
        "rank",
        "why_unranked",
        "axes",
        "metrics",
        "step",
        "low",
        "high",
        "images",
        "best_epoch",
        "best_value",
        "mcnemar_p",
        "against_best",
        "attempts",
        "started",
        "finished",
        "slot",
        "failure",
        "reason",
        "problem",
        "tags",
        "note",
        "archived",
    ];
}

impl Serialize for OverviewRun {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Written by ourselves; what is damaged is shown as nothing.
        let json = |text: &str| serde_json::from_str::<Json>(text).unwrap_or_default();
        let mut row = serializer.serialize_tuple(Self::FIELDS.len())?;
        row.serialize_element(&self.id)?;
        row.serialize_element(&self.name)?;
        row.serialize_element(&self.state)?;
        row.serialize_element(&self.seed)?;
        row.serialize_element(&self.rank)?;
        row.serialize_element(&self.rank_reason)?;
        row.serialize_element(&json(&self.axis_values))?;
        row.serialize_element(&self.metrics)?;
        row.serialize_element(&self.step)?;
        row.serialize_element(&self.low)?;
        row.serialize_element(&self.high)?;
        row.serialize_element(&self.images)?;
        row.serialize_element(&self.best_epoch)?;
        row.serialize_element(&self.best_value)?;
        row.serialize_element(&self.p)?;
        row.serialize_element(&self.standing)?;
        row.serialize_element(&self.attempts)?;
        row.serialize_element(&self.started)?;
        row.serialize_element(&self.finished)?;
        row.serialize_element(&self.slot)?;
        row.serialize_element(&self.failure)?;
        row.serialize_element(&self.reason)?;
        row.serialize_element(&self.problem)?;
        row.serialize_element(&json(&self.tags))?;
        row.serialize_element(&self.note)?;
        row.serialize_element(&self.archived)?;
        row.end()
    }
}

impl Reader {
    /// A number that differs from the one before where somebody has changed the database in between.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn data_version(&mut self) -> Result<i64, StoreError> {
        sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut self.connection)
            .await
            .map_err(sqlite("look whether the database has changed"))
    }

    /// The metrics that the page has columns of: those of the rule, the standard ones, and some that runs have written besides.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn metric_columns(
        &mut self,
        experiment: ExperimentKey,
        rule: &RankRule,
    ) -> Result<Vec<MetricColumn>, StoreError> {
        let written = self.written_tags(experiment).await?;
        let mut columns: Vec<MetricColumn> = Vec::new();
        let mut add = |name: &str, tag: &str| {
            if columns.iter().all(|known| known.tag != tag && known.name != name) {
                columns.push(MetricColumn { name: name.to_owned(), tag: tag.to_owned() });
            }
        };
        let standard = standard_metrics(rule);
        let of_rule = rule_metrics(rule);
        let by = &rule.by.tag;
        let first = standard.iter().find(|(_, tag)| tag == by).map(|(column, _)| *column);
        add(
            first
                .or_else(|| of_rule.iter().find(|(tag, _)| tag == by).map(|(_, c)| c.as_str()))
                .unwrap_or(by),
            by,
        );
        for (tag, column) in &of_rule {
            add(column, tag);
        }
        let ends =
            |tag: &str| written.iter().any(|known| known == tag || known.ends_with(&format!("/{tag}")));
        for (column, tag) in standard.into_iter().filter(|(_, tag)| ends(tag)) {
            add(column, tag);
        }
        let further =
            written.iter().filter(|tag| !tag.starts_with(SYSTEM_FOLDER) && !tag.starts_with(BATCH_FOLDER));
        for tag in further.take(MOST_FURTHER) {
            add(tag, tag);
        }
        Ok(columns)
    }

    /// All runs of an experiment, in the order of the grid, with the last values of these metrics, of which the first one ranks.
    /// Where runs have ended whose ranks are not kept yet, all are ranked as they stand.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn overview(
        &mut self,
        experiment: ExperimentKey,
        rule: &RankRule,
        metrics: &[MetricColumn],
    ) -> Result<Vec<OverviewRun>, StoreError> {
        // One transaction, so that all is of one moment.
        let mut snapshot = self.connection.begin().await.map_err(sqlite(ACTION))?;
        let mut values: Vec<HashMap<i64, (Option<f64>, i64)>> = Vec::with_capacity(metrics.len());
        for metric in metrics {
            values.push(last_values(&mut snapshot, experiment, &metric.tag).await?);
        }
        let mut rows: Vec<OverviewRun> = sqlx::query_as(
            "SELECT r.id, r.name, r.state, r.seed, k.rank, k.reason AS rank_reason, r.axis_values, v.low, v.high, v.images,
                    q.best_epoch, q.best_value,
                    CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.p END AS p,
                    CASE WHEN (SELECT f.rank FROM _ranking f WHERE f.run_id = q.first_id) = 1 THEN q.standing END AS standing,
                    r.attempts, a.started, a.finished, NULLIF(a.slot, '') AS slot, a.failure, a.reason, a.problem,
                    r.tags, r.note, r.archived
             FROM _run r LEFT JOIN _ranking k ON k.run_id = r.id
             LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
             LEFT JOIN _validation v ON v.run_id = r.id
             LEFT JOIN _statistic q ON q.run_id = r.id
             WHERE r.experiment_id = ?1 ORDER BY r.position, r.id",
        )
        .bind(experiment)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(sqlite(ACTION))?;
        for row in &mut rows {
            let of =
                |values: &HashMap<i64, (Option<f64>, i64)>| values.get(&row.id).and_then(|(value, _)| *value);
            row.metrics = values.iter().map(of).collect();
            row.step = values.first().and_then(|values| values.get(&row.id)).map(|(_, step)| *step);
        }
        let is_new = |row: &OverviewRun| {
            row.rank.is_none()
                && row.rank_reason.is_none()
                && ["completed", "reused", "failed"].contains(&row.state.as_str())
        };
        if rows.iter().any(is_new) {
            let then =
                rule.then.as_ref().and_then(|then| metrics.iter().position(|metric| metric.tag == then.tag));
            rank_as_they_stand(rule, then, &mut rows)?;
        }
        Ok(rows)
    }

    /// How far the curves of each live run of an experiment have come: a number that differs where any of them has grown.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn growth(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<HashMap<i64, f64>, StoreError> {
        let rows: Vec<(i64, f64)> = sqlx::query_as(
            "SELECT l.run_id, total(l.step) + count(*) FROM _run r JOIN _latest l ON l.run_id = r.id
             WHERE r.experiment_id = ?1 AND r.state = 'running' GROUP BY l.run_id",
        )
        .bind(experiment)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite(ACTION))?;
        Ok(rows.into_iter().collect())
    }
}

/// Ranks runs by the first of their metrics, ties by that at `then`.
fn rank_as_they_stand(
    rule: &RankRule,
    then: Option<usize>,
    rows: &mut [OverviewRun],
) -> Result<(), StoreError> {
    let mut candidates = Vec::with_capacity(rows.len());
    for row in rows.iter() {
        let failure = match (&row.failure, &row.reason) {
            (Some(kind), Some(reason)) => Some((word(kind)?, reason.as_str())),
            _ => None,
        };
        candidates.push(Candidate {
            run: &row.name,
            state: word(&row.state)?,
            failure,
            by: row.step.map(|_| row.metrics.first().copied().flatten().unwrap_or(f64::NAN)),
            absent: row.rank_reason.as_deref(),
            then: then.and_then(|at| row.metrics.get(at).copied().flatten()),
        });
    }
    let ranking = rank(rule, &candidates);
    for (rank, place) in (1..).zip(ranking.ranked) {
        (rows[place].rank, rows[place].rank_reason) = (Some(rank), None);
    }
    for (place, reason) in ranking.unranked {
        (rows[place].rank, rows[place].rank_reason) = (None, Some(reason));
    }
    Ok(())
}

/// Value and step of a tag at its highest step, by run.
async fn last_values(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    tag: &str,
) -> Result<HashMap<i64, (Option<f64>, i64)>, StoreError> {
    // Safe: constants.
    let sql = AssertSqlSafe(format!(
        "SELECT l.run_id, l.value, l.step FROM _run r JOIN _latest l ON l.run_id = r.id AND l.tag_id = {}
         WHERE r.experiment_id = ?1",
        series::tag_of("?2")
    ));
    let rows: Vec<(i64, Option<f64>, i64)> =
        sqlx::query_as(sql).bind(experiment).bind(tag).fetch_all(connection).await.map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().map(|(run, value, step)| (run, (value, step))).collect())
}
