//! The head of the leaderboard, and single rows of it, by the ranks that were kept: at a cost that does not grow with the
//! curves.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use sqlx_macros::FromRow;

use super::{
    evidence::{Evidence, Of},
    others,
};
use crate::{
    rank::{Diagnosis, Leaderboard, Omitted, Row, Standing, constant_answer, standard_metrics, unfinished},
    run::RunIndex,
    store::{
        ExperimentKey, ExperimentRecord, Reader, RunKey,
        convert::{from_json, narrow, word},
        error::{StoreError, sqlite},
        series,
    },
};

const ACTION: &str = "read the head of the leaderboard";

impl Reader {
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
                    count(CASE WHEN k.run_id IS NULL AND r.state IN ('completed', 'reused', 'failed') THEN 1 END) AS new
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
        let (metrics, notes) = (Vec::new(), others::notes(&mut snapshot, experiment).await?);
        let mut whole = Leaderboard {
            experiment: name,
            axes,
            classes,
            rule,
            seeds,
            rows,
            omitted: Omitted::default(),
            metrics,
            notes,
        };
        if whole.notes.is_empty() {
            whole.notes.extend(constant_answer(&whole.rows, omitted.ranked == 0));
        }
        others::give(&mut snapshot, &mut whole).await?;
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
        let own = head(&mut snapshot, &record, &format!("r.id = {}", run.get()), "r.id", 1).await?;
        let Some(own) = own.into_iter().next() else { return Ok(None) };
        let rows = if own.rank == Some(1) { vec![own] } else { first.into_iter().chain([own]).collect() };
        let ExperimentRecord { name: experiment, axes, classes, spec, .. } = record;
        let (rule, seeds) = (spec.rank, spec.seeds);
        let omitted = Omitted::default();
        let (metrics, notes) = (Vec::new(), Vec::new());
        let board = Leaderboard { experiment, axes, classes, rule, seeds, rows, omitted, metrics, notes };
        Ok(board.head(Omitted::default()).rows.into_iter().find(|row| row.key == run))
    }
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
    problem: Option<String>,
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
        "SELECT r.id, r.name, r.position, r.axis_values, r.seed, r.state, k.rank, k.reason, a.problem
         FROM _run r LEFT JOIN _ranking k ON k.run_id = r.id
         LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
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
        let key = RunKey::new(run.id);
        let points: Vec<(String, Option<f64>, i64)> = sqlx::query_as(
            "SELECT t.name, l.value, l.step FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1",
        )
        .bind(key)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(ACTION))?;
        let instead = series::of_run(&mut *connection, key).await?;
        let point = |tag: &str| {
            let tag = instead.get(tag).map_or(tag, String::as_str);
            points.iter().find(|(name, ..)| name == tag)
        };
        let value = |tag: &str| point(tag).map(|(_, value, _)| value.unwrap_or(f64::NAN));
        let rule = &record.spec.rank;
        let [train_accuracy, train_loss, validation_accuracy, validation_loss] =
            standard_metrics(rule).map(|(_, tag)| value(tag));
        let state = word(&run.state)?;
        let mut row = Row {
            key,
            rank: run.rank.map(|rank| narrow("rank", rank)).transpose()?,
            index: RunIndex::new(narrow("position", run.position)?),
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
            others: Vec::new(),
            tally: None,
            diagnosis: Diagnosis::default(),
            hits: None,
            standing: Standing::Unranked,
            reason: run.rank.is_none().then(|| run.reason.unwrap_or_else(|| unfinished(state).to_owned())),
            problem: run.problem,
            state,
            run: run.name,
        };
        Evidence::read(connection, Of::Run(key), &rule.by).await?.give(&mut row);
        rows.push(row);
    }
    Ok(rows)
}
