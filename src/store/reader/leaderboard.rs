//! The whole leaderboard: collects the rows for the pure ranking.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use sqlx_macros::FromRow;

use super::{
    evidence::{Evidence, Of},
    others,
};
use crate::{
    rank::{Diagnosis, Entry, Leaderboard, Row, Standing, constant_answer, standard_metrics, without_effect},
    run::{FailureKind, RunIndex},
    spec::{Metric, Value},
    store::{
        ExperimentKey, ExperimentRecord, Reader, RunKey,
        convert::{from_json, narrow, word},
        error::{StoreError, sqlite},
        series,
    },
};

const ACTION: &str = "read the leaderboard";

/// Value and step of a tag at its highest step, by run; NaN where the row is NULL.
type Latest = HashMap<RunKey, (f64, i64)>;

impl Reader {
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
        let mut standard = Vec::new();
        for (_, tag) in standard_metrics(&rule) {
            standard.push(latest(connection, experiment, tag).await?);
        }
        let by = latest(connection, experiment, &rule.by.tag).await?;
        let then = match &rule.then {
            Some(Metric { tag, .. }) => latest(connection, experiment, tag).await?,
            None => Latest::new(),
        };
        let runs: Vec<LedgerRow> = sqlx::query_as(
            "SELECT r.id, r.name, r.position, r.axis_values, r.seed, r.state, a.failure, a.reason, a.problem,
                    k.reason AS rank_reason
             FROM _run r LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
             LEFT JOIN _ranking k ON k.run_id = r.id
             WHERE r.experiment_id = ?1 ORDER BY r.position, r.id",
        )
        .bind(experiment)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let mut evidence = Evidence::read(connection, Of::Experiment(experiment), &rule.by).await?;
        let mut entries = Vec::with_capacity(runs.len());
        for run in runs {
            let key = RunKey::new(run.id);
            let value = |latest: &Latest| latest.get(&key).map(|&(value, _)| value);
            let axes: Vec<Option<Value>> = from_json("the grid point of a run", &run.axis_values)?;
            let mut row = Row {
                rank: None,
                key,
                index: RunIndex::new(narrow("position", run.position)?),
                axes,
                seed: narrow("seed", run.seed)?,
                state: word(&run.state)?,
                train_accuracy: value(&standard[0]),
                train_loss: value(&standard[1]),
                validation_accuracy: value(&standard[2]),
                validation_loss: value(&standard[3]),
                by: value(&by),
                then: value(&then),
                step: by.get(&key).map(|&(_, step)| step),
                best: None,
                others: Vec::new(),
                tally: None,
                diagnosis: Diagnosis::default(),
                hits: None,
                standing: Standing::Unranked,
                reason: None,
                problem: run.problem,
                run: run.name,
            };
            evidence.give(&mut row);
            let failure = failure(run.failure.as_deref(), run.reason)?;
            // Found when it was ranked.
            let absent = run.rank_reason.filter(|_| row.by.is_none());
            entries.push(Entry { row, failure, absent });
        }
        let ExperimentRecord { name, axes, classes, spec, .. } = record;
        let mut board = Leaderboard::new(name, axes, classes, rule, spec.seeds.clone(), entries);
        others::give(connection, &mut board).await?;
        let results = others::results(connection, experiment, &board).await?;
        board.notes = constant_answer(&board.rows, true).into_iter().collect();
        board.notes.extend(without_effect(&board, &spec, &results));
        Ok(board)
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
    problem: Option<String>,
    rank_reason: Option<String>,
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
    // Safe: constants.
    let sql = AssertSqlSafe(format!(
        "SELECT l.run_id, l.value, l.step FROM _run r JOIN _latest l ON l.run_id = r.id AND l.tag_id = {}
         WHERE r.experiment_id = ?1",
        series::tag_of("?2")
    ));
    let rows: Vec<(i64, Option<f64>, i64)> =
        sqlx::query_as(sql).bind(experiment).bind(tag).fetch_all(connection).await.map_err(sqlite(ACTION))?;
    let nan = f64::NAN;
    let point =
        |(run, value, step): (i64, Option<f64>, i64)| (RunKey::new(run), (value.unwrap_or(nan), step));
    Ok(rows.into_iter().map(point).collect())
}
