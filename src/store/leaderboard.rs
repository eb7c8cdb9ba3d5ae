//! Leaderboards: collects the rows for the pure ranking, keeps its ranks for the views, and reads the head of what was
//! kept.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Connection, FromRow, SqliteConnection};

use crate::{
    rank::{Candidate, Entry, Leaderboard, Omitted, Row, Standing, rank, unfinished},
    run::FailureKind,
    spec::{Metric, RankRule, Value},
};

use super::{
    Commit, ExperimentKey, ExperimentRecord, RunKey, Store,
    error::{StoreError, sqlite},
    evidence::{Evidence, Of},
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
        let mut evidence = Evidence::read(connection, Of::Experiment(experiment), &rule.by).await?;
        let mut entries = Vec::with_capacity(runs.len());
        for run in runs {
            let value = |latest: &Latest| latest.get(&run.id).map(|&(value, _)| value);
            let axes: Vec<Option<Value>> = from_json("the grid point of a run", &run.axis_values)?;
            let mut row = Row {
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
                best: None,
                tally: None,
                hits: None,
                standing: Standing::Unranked,
                reason: None,
                run: run.name,
            };
            evidence.give(run.id, &mut row);
            entries.push(Entry { row, failure: failure(run.failure.as_deref(), run.reason)? });
        }
        let ExperimentRecord { name, axes, classes, spec, .. } = record;
        Ok(Leaderboard::new(name, axes, classes, rule, spec.seeds, entries))
    }

    /// The head of an experiment's leaderboard by the ranks that were last kept: the `ranked` best runs and the first
    /// `unranked` of the others. Its cost does not grow with the curves and hardly with the runs. Where runs have ended
    /// that were not ranked yet, it is the whole leaderboard of [`Self::leaderboard`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be read.
    pub async fn leaderboard_head(
        &mut self,
        experiment: ExperimentKey,
        ranked: u32,
        unranked: u32,
    ) -> Result<Leaderboard, StoreError> {
        let record = self.experiment_by_key(experiment).await?;
        // One transaction, so that counts and rows are of one moment.
        let mut snapshot = self.connection.begin().await.map_err(sqlite(ACTION))?;
        let counts: Counts = sqlx::query_as(
            "SELECT count(*) AS runs, count(k.rank) AS ranked,
                    count(CASE WHEN k.run_id IS NULL AND r.state IN ('completed', 'failed') THEN 1 END) AS new
             FROM _run r LEFT JOIN _ranking k ON k.run_id = r.id WHERE r.experiment_id = ?1",
        )
        .bind(experiment)
        .fetch_one(&mut *snapshot)
        .await
        .map_err(sqlite(ACTION))?;
        if counts.new > 0 {
            drop(snapshot);
            return self.leaderboard(experiment).await;
        }
        let mut rows = head(&mut snapshot, &record, "k.rank IS NOT NULL", "k.rank", ranked).await?;
        let of_ranked = rows.len();
        rows.extend(head(&mut snapshot, &record, "k.rank IS NULL", "r.position", unranked).await?);
        let left_out = |all: i64, there: usize| usize::try_from(all).unwrap_or(0).saturating_sub(there);
        let omitted = Omitted {
            ranked: left_out(counts.ranked, of_ranked),
            unranked: left_out(counts.runs - counts.ranked, rows.len() - of_ranked),
        };
        let ExperimentRecord { name, axes, classes, spec, .. } = record;
        let (rule, seeds) = (spec.rank, spec.seeds);
        let whole =
            Leaderboard { experiment: name, axes, classes, rule, seeds, rows, omitted: Omitted::default() };
        Ok(whole.head(omitted))
    }

    /// The row of one run, with its standing against the run that is rank 1 by the ranks that were last kept; `None` for a
    /// run of another experiment.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be read.
    pub async fn leaderboard_row(
        &mut self,
        experiment: ExperimentKey,
        run: RunKey,
    ) -> Result<Option<Row>, StoreError> {
        let record = self.experiment_by_key(experiment).await?;
        let mut snapshot = self.connection.begin().await.map_err(sqlite(ACTION))?;
        let first = head(&mut snapshot, &record, "k.rank = 1", "k.rank", 1).await?;
        let own = head(&mut snapshot, &record, &format!("r.id = {}", run.0), "r.id", 1).await?;
        let Some(own) = own.into_iter().next() else { return Ok(None) };
        let name = own.run.clone();
        let rows = if own.rank == Some(1) { vec![own] } else { first.into_iter().chain([own]).collect() };
        let ExperimentRecord { name: experiment, axes, classes, spec, .. } = record;
        let (rule, seeds) = (spec.rank, spec.seeds);
        let board = Leaderboard { experiment, axes, classes, rule, seeds, rows, omitted: Omitted::default() };
        Ok(board.head(Omitted::default()).rows.into_iter().find(|row| row.run == name))
    }

    /// Ranks the runs of an experiment and keeps ranks and reasons for the views. To be called after each end of an
    /// attempt; reads the runs that have ended and writes those whose rank moved.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be written.
    pub async fn set_ranks(&mut self, experiment: ExperimentKey) -> Result<(), StoreError> {
        let rule = self.experiment_by_key(experiment).await?.spec.rank;
        let mut transaction = self.begin(Commit::Written).await?;
        rank_in(&mut transaction, experiment, &rule).await?;
        transaction.commit().await.map_err(sqlite("keep the ranks of the runs"))
    }
}

/// Ranks the runs of an experiment by a rule, within a transaction.
pub(super) async fn rank_in(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    rule: &RankRule,
) -> Result<(), StoreError> {
    let action = "keep the ranks of the runs";
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
    .fetch_all(&mut *connection)
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
    let ranking = rank(rule, &candidates);
    for (rank, &place) in (1..).zip(&ranking.ranked) {
        if rows[place].rank != Some(rank) {
            keep(connection, rows[place].id, Some(rank), None).await?;
        }
    }
    for (place, reason) in &ranking.unranked {
        if rows[*place].rank_reason.as_ref() != Some(reason) {
            keep(connection, rows[*place].id, None, Some(reason)).await?;
        }
    }
    Ok(())
}

/// Runs of an experiment, by whether they are ranked.
#[derive(FromRow)]
struct Counts {
    runs: i64,
    ranked: i64,
    /// Ended, and neither ranked nor found unfit for it yet.
    new: i64,
}

#[derive(FromRow)]
struct HeadRow {
    id: i64,
    name: String,
    position: i64,
    axis_values: String,
    seed: i64,
    state: String,
    rank: Option<i64>,
    reason: Option<String>,
}

/// The first `most` runs that `filter` lets pass, by `order`, with the ranks and reasons that were kept.
async fn head(
    connection: &mut SqliteConnection,
    record: &ExperimentRecord,
    filter: &str,
    order: &'static str,
    most: u32,
) -> Result<Vec<Row>, StoreError> {
    // Safe: constants and numbers.
    let sql = AssertSqlSafe(format!(
        "SELECT r.id, r.name, r.position, r.axis_values, r.seed, r.state, k.rank, k.reason
         FROM _run r LEFT JOIN _ranking k ON k.run_id = r.id
         WHERE r.experiment_id = ?1 AND {filter} ORDER BY {order} LIMIT ?2"
    ));
    let runs: Vec<HeadRow> = sqlx::query_as(sql)
        .bind(record.key)
        .bind(most)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
    let mut rows = Vec::with_capacity(runs.len());
    for run in runs {
        let points: Vec<(String, Option<f64>, i64)> = sqlx::query_as(
            "SELECT t.name, l.value, l.step FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1",
        )
        .bind(run.id)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let point = |tag: &str| points.iter().find(|(name, ..)| name == tag);
        let value = |tag: &str| point(tag).map(|(_, value, _)| value.unwrap_or(f64::NAN));
        let rule = &record.spec.rank;
        let [train_accuracy, train_loss, validation_accuracy, validation_loss] =
            STANDARD.map(|(_, tag)| value(tag));
        let state = word(&run.state)?;
        let mut row = Row {
            rank: run.rank.map(|rank| narrow("rank", rank)).transpose()?,
            index: narrow("position", run.position)?,
            axes: from_json("the grid point of a run", &run.axis_values)?,
            seed: narrow("seed", run.seed)?,
            train_accuracy,
            train_loss,
            validation_accuracy,
            validation_loss,
            by: value(&rule.by.tag),
            then: rule.then.as_ref().and_then(|then| value(&then.tag)),
            step: point(&rule.by.tag).map(|&(.., step)| step),
            best: None,
            tally: None,
            hits: None,
            standing: Standing::Unranked,
            reason: run.rank.is_none().then(|| run.reason.unwrap_or_else(|| unfinished(state).to_owned())),
            state,
            run: run.name,
        };
        Evidence::read(connection, Of::Run(run.id), &rule.by).await?.give(run.id, &mut row);
        rows.push(row);
    }
    Ok(rows)
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
