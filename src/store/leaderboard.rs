//! Leaderboards: collects the rows for the pure ranking, and keeps its ranks for the views.

use std::collections::HashMap;

use sqlx::{Connection, FromRow, SqliteConnection};

use crate::{
    rank::{Candidate, Entry, Leaderboard, Row, rank},
    run::FailureKind,
    spec::{Metric, Value},
};

use super::{
    Commit, ExperimentKey, Store,
    error::{StoreError, sqlite},
    from_json, narrow,
    views::STANDARD,
    word,
};

const ACTION: &str = "read the leaderboard";

/// A run that has ended, with what the order needs and the rank it has.
#[derive(FromRow)]
struct RankedRow {
    id: i64,
    name: String,
    state: String,
    failure: Option<String>,
    reason: Option<String>,
    rank: Option<i64>,
    rank_reason: Option<String>,
    written: bool,
    by: Option<f64>,
    then_written: bool,
    then: Option<f64>,
}

/// Value and step of a tag at its highest step, by run; NaN where the row is NULL.
type Latest = HashMap<i64, (f64, i64)>;

impl Store {
    /// The leaderboard of an experiment, of all its runs, ranked from what the database holds at this moment.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be read.
    pub async fn leaderboard(&mut self, experiment: ExperimentKey) -> Result<Leaderboard, StoreError> {
        let record = self.experiment_by_key(experiment).await?;
        let rule = record.spec.rank.clone();
        // One transaction, so that all columns are of one moment.
        let mut snapshot = self.connection.begin().await.map_err(sqlite(ACTION))?;
        let connection = &mut *snapshot;
        let mut standard = Vec::with_capacity(STANDARD.len());
        for (_, tag) in STANDARD {
            standard.push(latest(connection, experiment, tag).await?);
        }
        let by = latest(connection, experiment, &rule.by.tag).await?;
        let then = match &rule.then {
            Some(Metric { tag, .. }) => latest(connection, experiment, tag).await?,
            None => Latest::new(),
        };
        let runs: Vec<LedgerRow> = sqlx::query_as(
            "SELECT r.id, r.name, r.position, r.axis_values, r.seed, r.state, a.failure, a.reason
             FROM _run r LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
             WHERE r.experiment_id = ?1 ORDER BY r.position, r.id",
        )
        .bind(experiment)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let mut entries = Vec::with_capacity(runs.len());
        for run in runs {
            let value = |latest: &Latest| latest.get(&run.id).map(|&(value, _)| value);
            let axes: Vec<Option<Value>> = from_json("the grid point of a run", &run.axis_values)?;
            let row = Row {
                rank: None,
                index: narrow("position", run.position)?,
                axes,
                seed: narrow("seed", run.seed)?,
                state: word(&run.state)?,
                train_accuracy: value(&standard[0]),
                train_loss: value(&standard[1]),
                validation_accuracy: value(&standard[2]),
                validation_loss: value(&standard[3]),
                by: value(&by),
                then: value(&then),
                step: by.get(&run.id).map(|&(_, step)| step),
                reason: None,
                run: run.name,
            };
            entries.push(Entry { row, failure: failure(run.failure.as_deref(), run.reason)? });
        }
        Ok(Leaderboard::new(record.name, record.axes, record.classes, rule, entries))
    }

    /// Ranks the runs of an experiment and keeps ranks and reasons for the views. To be called after each end of an
    /// attempt; reads the runs that have ended and writes those whose rank moved.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be written.
    pub async fn set_ranks(&mut self, experiment: ExperimentKey) -> Result<(), StoreError> {
        let rule = self.experiment_by_key(experiment).await?.spec.rank;
        let action = "keep the ranks of the runs";
        let mut transaction = self.begin(Commit::Written).await?;
        let rows: Vec<RankedRow> = sqlx::query_as(
            r#"SELECT r.id, r.name, r.state, a.failure, a.reason, k.rank, k.reason AS rank_reason,
                      b.run_id IS NOT NULL AS written, b.value AS "by",
                      t.run_id IS NOT NULL AS then_written, t.value AS "then"
               FROM _run r
               LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
               LEFT JOIN _ranking k ON k.run_id = r.id
               LEFT JOIN _latest b ON b.run_id = r.id AND b.tag_id = (SELECT id FROM _tag WHERE name = ?2)
               LEFT JOIN _latest t ON t.run_id = r.id AND t.tag_id = (SELECT id FROM _tag WHERE name = ?3)
               WHERE r.experiment_id = ?1 AND r.state IN ('completed', 'failed')"#,
        )
        .bind(experiment)
        .bind(&rule.by.tag)
        .bind(rule.then.as_ref().map(|then| &then.tag))
        .fetch_all(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        let mut candidates = Vec::with_capacity(rows.len());
        for row in &rows {
            let failure = match (&row.failure, &row.reason) {
                (Some(kind), Some(reason)) => Some((word(kind)?, reason.as_str())),
                _ => None,
            };
            candidates.push(Candidate {
                run: &row.name,
                state: word(&row.state)?,
                failure,
                by: row.written.then(|| row.by.unwrap_or(f64::NAN)),
                then: row.then_written.then(|| row.then.unwrap_or(f64::NAN)),
            });
        }
        let ranking = rank(&rule, &candidates);
        for (rank, &place) in (1..).zip(&ranking.ranked) {
            if rows[place].rank != Some(rank) {
                keep(&mut transaction, rows[place].id, Some(rank), None).await?;
            }
        }
        for (place, reason) in &ranking.unranked {
            if rows[*place].rank_reason.as_ref() != Some(reason) {
                keep(&mut transaction, rows[*place].id, None, Some(reason)).await?;
            }
        }
        transaction.commit().await.map_err(sqlite(action))
    }
}

#[derive(FromRow)]
struct LedgerRow {
    id: i64,
    name: String,
    position: i64,
    axis_values: String,
    seed: i64,
    state: String,
    failure: Option<String>,
    reason: Option<String>,
}

fn failure(kind: Option<&str>, reason: Option<String>) -> Result<Option<(FailureKind, String)>, StoreError> {
    match (kind, reason) {
        (Some(kind), Some(reason)) => Ok(Some((word(kind)?, reason))),
        _ => Ok(None),
    }
}

async fn latest(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    tag: &str,
) -> Result<Latest, StoreError> {
    let rows: Vec<(i64, Option<f64>, i64)> = sqlx::query_as(
        "SELECT l.run_id, l.value, l.step FROM _run r
         JOIN _latest l ON l.run_id = r.id AND l.tag_id = (SELECT id FROM _tag WHERE name = ?2)
         WHERE r.experiment_id = ?1",
    )
    .bind(experiment)
    .bind(tag)
    .fetch_all(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().map(|(run, value, step)| (run, (value.unwrap_or(f64::NAN), step))).collect())
}

async fn keep(
    connection: &mut SqliteConnection,
    run: i64,
    rank: Option<i64>,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO _ranking (run_id, rank, reason) VALUES (?1, ?2, ?3)
         ON CONFLICT (run_id) DO UPDATE SET rank = excluded.rank, reason = excluded.reason",
    )
    .bind(run)
    .bind(rank)
    .bind(reason)
    .execute(connection)
    .await
    .map_err(sqlite("keep the ranks of the runs"))?;
    Ok(())
}
