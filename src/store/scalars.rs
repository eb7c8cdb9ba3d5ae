//! Curves: points in, curves out. The hot path of the store.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use crate::event::Scalar;

use super::{
    Commit, RunKey, Store,
    error::{StoreError, sqlite},
};

/// The points of one tag of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Sub-run and tag, joined by a slash.
    pub tag: String,
    /// By step, each step once.
    pub points: Vec<Point>,
}

/// One point of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Epoch or batch, from 0.
    pub step: i64,
    /// The f32 of the event file, widened; NaN where that was NaN.
    pub value: f64,
    /// Seconds since 1970; NaN where the event had none.
    pub wall_time: f64,
}

/// Rows of one insert statement, from many to few: each size is prepared once and then kept.
const CHUNKS: [usize; 4] = [256, 32, 4, 1];

/// A point as it goes into the table. SQLite turns NaN into NULL.
#[derive(Clone, Copy)]
struct Row {
    tag: i64,
    step: i64,
    value: f64,
    wall_time: f64,
}

impl Store {
    /// Adds points to the curves of a run, in one transaction. Of two points of one tag and step the later one stays,
    /// within the slice and against the database.
    ///
    /// # Errors
    /// If the database cannot be written; then none of the points is in it.
    pub async fn append_scalars(&mut self, run: RunKey, points: &[Scalar]) -> Result<(), StoreError> {
        if points.is_empty() {
            return Ok(());
        }
        let rows = self.rows(points).await?;
        let mut transaction = self.begin(Commit::Written).await?;
        let mut rest = rows.as_slice();
        for size in CHUNKS {
            let sql = insert_sql(size);
            while let Some((chunk, after)) = rest.split_at_checked(size) {
                insert(&mut transaction, &sql, run, chunk).await?;
                rest = after;
            }
        }
        for last in rows.chunk_by(|left, right| left.tag == right.tag).filter_map(<[Row]>::last) {
            sqlx::query(
                "INSERT INTO _latest (run_id, tag_id, step, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (run_id, tag_id) DO UPDATE SET step = excluded.step, value = excluded.value
                 WHERE excluded.step >= step",
            )
            .bind(run)
            .bind(last.tag)
            .bind(last.step)
            .bind(last.value)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        }
        transaction.commit().await.map_err(sqlite(ACTION))
    }

    /// The curves of a run, of these tags, or of all where none is named; by tag. Tags without points are left out.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn history(&mut self, run: RunKey, tags: &[&str]) -> Result<Vec<Curve>, StoreError> {
        let action = "read the curves of a run";
        // One transaction, so that all curves are of one moment.
        let mut snapshot = self.connection.begin().await.map_err(sqlite(action))?;
        let known: Vec<(i64, String)> = sqlx::query_as(
            "SELECT t.id, t.name FROM _latest l JOIN _tag t ON t.id = l.tag_id WHERE l.run_id = ?1 ORDER BY t.name",
        )
        .bind(run)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(sqlite(action))?;
        let mut curves = Vec::with_capacity(known.len());
        for (id, tag) in known {
            if !tags.is_empty() && !tags.contains(&tag.as_str()) {
                continue;
            }
            let rows: Vec<(i64, Option<f64>, Option<f64>)> = sqlx::query_as(
                "SELECT step, value, wall_time FROM _scalar WHERE run_id = ?1 AND tag_id = ?2 ORDER BY step",
            )
            .bind(run)
            .bind(id)
            .fetch_all(&mut *snapshot)
            .await
            .map_err(sqlite(action))?;
            let points = rows.into_iter().map(|(step, value, wall_time)| Point {
                step,
                value: value.unwrap_or(f64::NAN),
                wall_time: wall_time.unwrap_or(f64::NAN),
            });
            curves.push(Curve { tag, points: points.collect() });
        }
        Ok(curves)
    }

    /// The point at the highest step of every curve of a run, by tag. Reads no other points.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn last_points(&mut self, run: RunKey) -> Result<Vec<(String, Point)>, StoreError> {
        let rows: Vec<(String, i64, Option<f64>, Option<f64>)> = sqlx::query_as(
            "SELECT t.name, l.step, l.value, s.wall_time
             FROM _latest l
             JOIN _tag t ON t.id = l.tag_id
             JOIN _scalar s ON s.run_id = l.run_id AND s.tag_id = l.tag_id AND s.step = l.step
             WHERE l.run_id = ?1 ORDER BY t.name",
        )
        .bind(run)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the last points of a run"))?;
        let nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
        Ok(rows
            .into_iter()
            .map(|(tag, step, value, wall_time)| {
                (tag, Point { step, value: nan(value), wall_time: nan(wall_time) })
            })
            .collect())
    }

    /// The points as rows by tag and step, each tag and step once.
    async fn rows(&mut self, points: &[Scalar]) -> Result<Vec<Row>, StoreError> {
        let mut ids: HashMap<&str, i64> = HashMap::new();
        let mut rows = Vec::with_capacity(points.len());
        for point in points {
            let tag = match ids.get(point.tag.as_str()) {
                Some(&tag) => tag,
                None => {
                    let tag = self.intern(&point.tag).await?;
                    ids.insert(&point.tag, tag);
                    tag
                }
            };
            let (value, wall_time) = (f64::from(point.value), point.wall_time);
            rows.push(Row { tag, step: point.step, value, wall_time });
        }
        // The sort is stable, so that the later of two equal points follows the earlier one, and replaces it below.
        rows.sort_by_key(|row| (row.tag, row.step));
        rows.dedup_by(|later, earlier| {
            let same = (later.tag, later.step) == (earlier.tag, earlier.step);
            if same {
                *earlier = *later;
            }
            same
        });
        Ok(rows)
    }

    /// The number of a tag, which is given one if it is new, apart from any transaction: a tag without points does no
    /// harm, a number that was rolled back would.
    async fn intern(&mut self, tag: &str) -> Result<i64, StoreError> {
        if let Some(&id) = self.tags.get(tag) {
            return Ok(id);
        }
        sqlx::query("INSERT INTO _tag (name) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind(tag)
            .execute(&mut self.connection)
            .await
            .map_err(sqlite(ACTION))?;
        let id = sqlx::query_scalar("SELECT id FROM _tag WHERE name = ?1")
            .bind(tag)
            .fetch_one(&mut self.connection)
            .await
            .map_err(sqlite(ACTION))?;
        self.tags.insert(tag.to_owned(), id);
        Ok(id)
    }
}

const ACTION: &str = "add points to the curves of a run";

fn insert_sql(rows: usize) -> String {
    // Without numbers: SQLite looks a numbered parameter up in a list, which takes most of the time at this length.
    let values = vec!["(?, ?, ?, ?, ?)"; rows].join(", ");
    format!("INSERT OR REPLACE INTO _scalar (run_id, tag_id, step, value, wall_time) VALUES {values}")
}

async fn insert(
    connection: &mut SqliteConnection,
    sql: &str,
    run: RunKey,
    rows: &[Row],
) -> Result<(), StoreError> {
    // Safe: placeholders only.
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in rows {
        query = query.bind(run).bind(row.tag).bind(row.step).bind(row.value).bind(row.wall_time);
    }
    query.execute(connection).await.map_err(sqlite(ACTION))?;
    Ok(())
}
