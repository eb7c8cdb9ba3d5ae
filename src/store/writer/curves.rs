//! Curves as they are written: the hot path of the store.

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::Commit;
use crate::{
    event::Scalar,
    store::{
        RunKey, Store,
        error::{StoreError, sqlite},
    },
};

/// Rows of one insert statement, from many to few: each size is prepared once and then kept.
const CHUNKS: [usize; 4] = [256, 32, 4, 1];

/// A point as it goes into the table. SQLite turns NaN into NULL.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) tag: i64,
    pub(super) step: i64,
    pub(super) value: f64,
    pub(super) wall_time: f64,
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
        // Apart from the transaction: a tag without points does no harm, a number that was rolled back would.
        for point in points {
            if !self.tags.contains_key(&point.tag) {
                let tag = number_of(&mut self.reader.connection, &point.tag).await.map_err(sqlite(ACTION))?;
                self.tags.insert(point.tag.clone(), tag);
            }
        }
        let rows = rows_by(points, |name| self.tags[name]);
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
}

/// The points as rows by tag and step, each tag and step once: of two points the later one. `number` tells the number of a tag.
pub(super) fn rows_by<'a>(points: &'a [Scalar], mut number: impl FnMut(&'a str) -> i64) -> Vec<Row> {
    let mut rows: Vec<Row> = points
        .iter()
        .map(|point| {
            let (value, wall_time) = (f64::from(point.value), point.wall_time);
            Row { tag: number(&point.tag), step: point.step, value, wall_time }
        })
        .collect();
    put_in_order(&mut rows);
    rows
}

/// Sorts the rows of a run by tag and step. Of those with one tag and step the last one stays.
pub(super) fn put_in_order(rows: &mut Vec<Row>) {
    // The sort is stable, so that the later of two equal points follows the earlier one, and replaces it below.
    rows.sort_by_key(|row| (row.tag, row.step));
    rows.dedup_by(|later, earlier| {
        let same = (later.tag, later.step) == (earlier.tag, earlier.step);
        if same {
            *earlier = *later;
        }
        same
    });
}

/// The number of a tag, which is given one if it is new.
async fn number_of(connection: &mut SqliteConnection, tag: &str) -> Result<i64, sqlx::Error> {
    sqlx::query("INSERT INTO _tag (name) VALUES (?1) ON CONFLICT DO NOTHING")
        .bind(tag)
        .execute(&mut *connection)
        .await?;
    sqlx::query_scalar("SELECT id FROM _tag WHERE name = ?1").bind(tag).fetch_one(connection).await
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
