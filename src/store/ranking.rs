//! Ranks that are kept, for the views and for the head of the leaderboard: orders the runs of an experiment and writes down
//! what has moved.
//!
//! Called by the writer after the ends of attempts, and where a sweep that was killed could not do it any more.

use sqlx::{AssertSqlSafe, SqliteConnection};
use sqlx_macros::FromRow;

use super::{
    ExperimentKey, RunKey,
    convert::{from_json, word},
    error::{StoreError, sqlite},
    series,
};
use crate::{
    rank::{Candidate, rank},
    spec::{Experiment, RankRule},
};

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

/// Ranks the runs of an experiment by a rule, within a transaction.
pub(super) async fn rank_in(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    rule: &RankRule,
) -> Result<(), StoreError> {
    let action = "keep the ranks of the runs";
    let several = series::keep(connection, experiment, rule).await?;
    let sql = format!(
        r#"SELECT r.id, r.name, r.state, a.failure, a.reason, k.rank, k.reason AS rank_reason,
                      b.run_id IS NOT NULL AS written, b.value AS "by",
                      t.run_id IS NOT NULL AS then_written, t.value AS "then"
               FROM _run r
               LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
               LEFT JOIN _ranking k ON k.run_id = r.id
               LEFT JOIN _latest b ON b.run_id = r.id AND b.tag_id = {}
               LEFT JOIN _latest t ON t.run_id = r.id AND t.tag_id = {}
               WHERE r.experiment_id = ?1 AND r.state IN ('completed', 'reused', 'failed')"#,
        series::tag_of("?2"),
        series::tag_of("?3")
    );
    // Safe: constants.
    let rows: Vec<RankedRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(experiment)
        .bind(&rule.by.tag)
        .bind(rule.then.as_ref().map(|then| &then.tag))
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(action))?;
    let without = rows.iter().filter(|row| row.state != "failed" && !row.written);
    let without: Vec<RunKey> = without.map(|row| RunKey::new(row.id)).collect();
    let absent = series::absent(connection, &rule.by.tag, &without, &several).await?;
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
            absent: absent.get(&RunKey::new(row.id)).map(String::as_str),
            then: row.then_written.then(|| row.then.unwrap_or(f64::NAN)),
        });
    }
    let ranking = rank(rule, &candidates);
    for (rank, &place) in (1..).zip(&ranking.ranked) {
        if rows[place].rank != Some(rank) {
            keep(connection, RunKey::new(rows[place].id), Some(rank), None).await?;
        }
    }
    for (place, reason) in &ranking.unranked {
        if rows[*place].rank_reason.as_ref() != Some(reason) {
            keep(connection, RunKey::new(rows[*place].id), None, Some(reason)).await?;
        }
    }
    Ok(())
}

async fn keep(
    connection: &mut SqliteConnection,
    run: RunKey,
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

/// Ranks the runs of an experiment by the rule of its spec, within a transaction.
pub(super) async fn rank_by_spec(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
) -> Result<(), StoreError> {
    let spec: String = sqlx::query_scalar("SELECT spec FROM _experiment WHERE id = ?1")
        .bind(experiment)
        .fetch_one(&mut *connection)
        .await
        .map_err(sqlite("read an experiment"))?;
    let spec: Experiment = from_json("the spec of an experiment", &spec)?;
    rank_in(connection, experiment, &spec.rank).await
}

/// Ranks the runs of every experiment, within the transaction of a migration.
pub(super) async fn rank_all(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let experiments: Vec<i64> = sqlx::query_scalar("SELECT id FROM _experiment ORDER BY id")
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite("read the experiments"))?;
    for experiment in experiments {
        rank_by_spec(connection, ExperimentKey(experiment)).await?;
    }
    Ok(())
}
