//! The chunks of curves as they are written: kept up with the points of live runs, and made for the curves of a database from
//! before there were any.
//!
//! What is in the tables alone decides; what is remembered here only spares looking. What a chunk is, `store::chunks` says.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use super::curves::Row;
use crate::store::{
    RunKey,
    chunks::{COLUMNS, Chunk, Columns, FAN, LAG, LONG, POINTS, Pair, levels, lowest},
    error::{StoreError, sqlite},
    upgrade,
};

const ACTION: &str = "keep the chunks of a curve";

/// So many runs are remembered.
const MOST_RUNS: usize = 512;
/// So many points are read at once: whole chunks.
const PAGE: usize = 1024 * POINTS;
/// Rows of one insert statement.
const ROWS: usize = 64;

/// How far the chunks of the curves of live runs are.
#[derive(Debug, Default)]
pub(super) struct Kept(HashMap<RunKey, HashMap<i64, Curve>>);

/// How far those of one curve are.
#[derive(Clone, Copy, Debug)]
struct Curve {
    /// The last step that is in a chunk.
    covered: Option<i64>,
    /// So many more points until some are made.
    left: i64,
}

impl Kept {
    /// Brings the chunks up to date after these points of one tag were put into a curve, within a transaction.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub(super) async fn after(
        &mut self,
        connection: &mut SqliteConnection,
        run: RunKey,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        if !self.0.contains_key(&run) {
            if self.0.len() >= MOST_RUNS {
                self.0.clear();
            }
            self.0.insert(run, covered(connection, run).await?);
        }
        let curves = self.0.entry(run).or_default();
        let curve = curves.entry(first.tag).or_insert(Curve {
            covered: None,
            // It has no more points than steps.
            left: if first.step < 0 { 0 } else { (LONG as i64).saturating_sub(last.step) },
        });
        if curve.covered.is_some_and(|covered| first.step <= covered) {
            cut(connection, run, first.tag, first.step).await?;
            curve.left = 0;
        }
        curve.left = curve.left.saturating_sub(rows.len() as i64);
        if curve.left <= 0 {
            *curve = catch_up(connection, run, first.tag).await?;
        }
        Ok(())
    }
}

/// How far the chunks of a run are, by tag.
async fn covered(connection: &mut SqliteConnection, run: RunKey) -> Result<HashMap<i64, Curve>, StoreError> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT tag_id, max(last_step) FROM _chunk WHERE run_id = ?1 AND level = 0 GROUP BY tag_id",
    )
    .bind(run)
    .fetch_all(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().map(|(tag, last)| (tag, Curve { covered: Some(last), left: 0 })).collect())
}

/// Removes the chunks that have a step from this one on.
pub(super) async fn cut(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    from: i64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND last_step >= ?3")
        .bind(run)
        .bind(tag)
        .bind(from)
        .execute(connection)
        .await
        .map_err(sqlite(ACTION))?;
    Ok(())
}

/// Makes the chunks that a curve has not yet, of the points that it has.
async fn catch_up(connection: &mut SqliteConnection, run: RunKey, tag: i64) -> Result<Curve, StoreError> {
    let mut covered = last_of(connection, run, tag, 0).await?;
    if covered.is_none() {
        let points = count_up_to(connection, run, tag, LONG + 1).await?;
        if points <= LONG {
            return Ok(Curve { covered, left: (LONG + 1 - points) as i64 });
        }
    }
    let rest = loop {
        let points = page(connection, run, tag, covered).await?;
        let made = lowest(&points);
        put(connection, run, tag, 0, &made).await?;
        covered = made.last().map(|chunk| chunk.last).or(covered);
        if points.len() < PAGE {
            break points.len() % POINTS;
        }
    };
    for level in 1.. {
        let after = last_of(connection, run, tag, level).await?;
        let parts = chunks_after(connection, run, tag, level - 1, after).await?;
        let made: Vec<Chunk> =
            parts.chunks_exact(FAN).filter_map(|parts| Chunk::of(parts.iter().copied())).collect();
        put(connection, run, tag, level, &made).await?;
        if made.is_empty() && after.is_none() {
            break;
        }
    }
    Ok(Curve { covered, left: LAG as i64 - rest as i64 })
}

/// The last step that is in a chunk of a level.
async fn last_of(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    level: i64,
) -> Result<Option<i64>, StoreError> {
    sqlx::query_scalar(
        "SELECT last_step FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3
         ORDER BY first_step DESC LIMIT 1",
    )
    .bind(run)
    .bind(tag)
    .bind(level)
    .fetch_optional(connection)
    .await
    .map_err(sqlite(ACTION))
}

async fn count_up_to(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    most: usize,
) -> Result<usize, StoreError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM _scalar WHERE run_id = ?1 AND tag_id = ?2 LIMIT ?3)",
    )
    .bind(run)
    .bind(tag)
    .bind(most as i64)
    .fetch_one(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(count.unsigned_abs() as usize)
}

/// The next points of a curve.
async fn page(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    after: Option<i64>,
) -> Result<Vec<Pair>, StoreError> {
    let rows: Vec<(i64, Option<f64>)> = sqlx::query_as(
        "SELECT step, value FROM _scalar WHERE run_id = ?1 AND tag_id = ?2 AND step >= ?3 ORDER BY step LIMIT ?4",
    )
    .bind(run)
    .bind(tag)
    .bind(behind(after))
    .bind(PAGE as i64)
    .fetch_all(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().map(|(step, value)| (step, value.unwrap_or(f64::NAN))).collect())
}

/// The chunks of a level behind a step.
async fn chunks_after(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    level: i64,
    after: Option<i64>,
) -> Result<Vec<Chunk>, StoreError> {
    // Safe: constants.
    let sql = AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3 AND first_step >= ?4 ORDER BY first_step"
    ));
    let rows: Vec<Columns> = sqlx::query_as(sql)
        .bind(run)
        .bind(tag)
        .bind(level)
        .bind(behind(after))
        .fetch_all(connection)
        .await
        .map_err(sqlite(ACTION))?;
    Ok(rows.into_iter().map(Chunk::from).collect())
}

/// The first step that is not covered.
fn behind(covered: Option<i64>) -> i64 {
    covered.map_or(i64::MIN, |last| last.saturating_add(1))
}

/// The chunks of a curve, level by level: with its run and the number of its tag.
pub(super) type CurveChunks = (RunKey, i64, Vec<Vec<Chunk>>);

/// The chunks of the long curves among the rows of a run, which are by tag and step.
pub(super) fn of_rows(run: RunKey, rows: &[Row]) -> Vec<CurveChunks> {
    let curves = rows.chunk_by(|left, right| left.tag == right.tag).filter(|rows| rows.len() > LONG);
    let of = |rows: &[Row]| {
        let points: Vec<Pair> = rows.iter().map(|row| (row.step, row.value)).collect();
        (run, rows[0].tag, levels(&points))
    };
    curves.map(of).collect()
}

/// Adds the chunks of all levels of a curve that has none.
///
/// # Errors
/// If the database cannot be written.
pub(super) async fn put_levels(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    levels: &[Vec<Chunk>],
) -> Result<(), StoreError> {
    for (level, chunks) in (0..).zip(levels) {
        put(connection, run, tag, level, chunks).await?;
    }
    Ok(())
}

async fn put(
    connection: &mut SqliteConnection,
    run: RunKey,
    tag: i64,
    level: i64,
    chunks: &[Chunk],
) -> Result<(), StoreError> {
    for chunks in chunks.chunks(ROWS) {
        let values = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; chunks.len()].join(", ");
        // Safe: placeholders only.
        let sql = AssertSqlSafe(format!(
            "INSERT OR REPLACE INTO _chunk (run_id, tag_id, level, {COLUMNS}) VALUES {values}"
        ));
        let mut query = sqlx::query(sql);
        for chunk in chunks {
            let (least, greatest) = (chunk.least, chunk.greatest);
            query = query
                .bind(run)
                .bind(tag)
                .bind(level)
                .bind(chunk.first)
                .bind(chunk.last)
                .bind(chunk.points as i64)
                .bind(chunk.nans as i64)
                .bind(least.map(|(_, value)| value))
                .bind(least.map(|(step, _)| step))
                .bind(greatest.map(|(_, value)| value))
                .bind(greatest.map(|(step, _)| step));
        }
        query.execute(&mut *connection).await.map_err(sqlite(ACTION))?;
    }
    Ok(())
}

/// Makes the chunks of a database from before there were any, a curve at a time. What is cut off goes on the next time.
///
/// # Errors
/// If the database cannot be written.
pub(super) async fn make_missing(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let is_missing: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM _meta WHERE name = 'without_chunks')")
            .fetch_one(&mut *connection)
            .await
            .map_err(sqlite(ACTION))?;
    if !is_missing {
        return Ok(());
    }
    // A curve has no more points than steps.
    let long: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT l.run_id, l.tag_id FROM _latest l
         WHERE l.step - (SELECT min(step) FROM _scalar s WHERE s.run_id = l.run_id AND s.tag_id = l.tag_id) >= ?1",
    )
    .bind(LONG as i64)
    .fetch_all(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    upgrade::told(0, long.len());
    for (done, (run, tag)) in long.iter().enumerate() {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(sqlite(ACTION))?;
        catch_up(&mut transaction, RunKey::new(*run), *tag).await?;
        transaction.commit().await.map_err(sqlite(ACTION))?;
        upgrade::told(done + 1, long.len());
    }
    sqlx::query("DELETE FROM _meta WHERE name = 'without_chunks'")
        .execute(connection)
        .await
        .map_err(sqlite(ACTION))?;
    Ok(())
}
