//! The tables as they are, for who holds them against the files: nothing is left out that the views would not show.

use std::collections::BTreeMap;

use sqlx::AssertSqlSafe;
use sqlx_macros::FromRow;

use super::Point;
use crate::store::{
    Reader, RunKey,
    chunks::{COLUMNS, Chunk, Columns},
    convert::narrow,
    error::{StoreError, sqlite},
};

const ACTION: &str = "read the rows of a run";

/// What a run's predictions count in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawValidation {
    /// Images that were predicted.
    pub(crate) images: u64,
    /// Those that are right.
    pub(crate) correct: u64,
    /// Which images they are, and a bit for each that is right.
    pub(crate) hits: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(FromRow)]
struct ValidationRow {
    images: i64,
    correct: i64,
    image_set: Option<Vec<u8>>,
    hits: Option<Vec<u8>>,
}

impl Reader {
    /// Every point of a run, by tag.
    ///
    /// # Errors
    /// If the database cannot be read, or holds what is no point.
    pub(crate) async fn raw_curves(
        &mut self,
        run: RunKey,
    ) -> Result<BTreeMap<String, Vec<Point>>, StoreError> {
        let rows: Vec<(i64, i64, Option<f64>, Option<f64>)> = sqlx::query_as(
            "SELECT tag_id, step, value, wall_time FROM _scalar WHERE run_id = ?1 ORDER BY tag_id, step",
        )
        .bind(run)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite(ACTION))?;
        let mut curves = BTreeMap::new();
        for chunk in rows.chunk_by(|left, right| left.0 == right.0) {
            let points = chunk.iter().map(|&(_, step, value, wall_time)| Point {
                step,
                value: value.unwrap_or(f64::NAN),
                wall_time: wall_time.unwrap_or(f64::NAN),
            });
            curves.insert(self.tag_name(chunk[0].0).await?, points.collect());
        }
        Ok(curves)
    }

    /// What is kept as the last point of every curve of a run: step and value, by tag.
    ///
    /// # Errors
    /// If the database cannot be read, or holds what is no point.
    pub(crate) async fn raw_latest(
        &mut self,
        run: RunKey,
    ) -> Result<BTreeMap<String, (i64, f64)>, StoreError> {
        let rows: Vec<(i64, i64, Option<f64>)> =
            sqlx::query_as("SELECT tag_id, step, value FROM _latest WHERE run_id = ?1")
                .bind(run)
                .fetch_all(&mut self.connection)
                .await
                .map_err(sqlite(ACTION))?;
        let mut latest = BTreeMap::new();
        for (tag, step, value) in rows {
            latest.insert(self.tag_name(tag).await?, (step, value.unwrap_or(f64::NAN)));
        }
        Ok(latest)
    }

    /// The chunks that are kept of every curve of a run, level by level, by tag.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn raw_chunks(
        &mut self,
        run: RunKey,
    ) -> Result<BTreeMap<String, Vec<Vec<Chunk>>>, StoreError> {
        let tags: Vec<i64> = sqlx::query_scalar("SELECT DISTINCT tag_id FROM _chunk WHERE run_id = ?1")
            .bind(run)
            .fetch_all(&mut self.connection)
            .await
            .map_err(sqlite(ACTION))?;
        let mut curves = BTreeMap::new();
        for tag in tags {
            let mut levels = Vec::new();
            loop {
                // Safe: constants.
                let sql = AssertSqlSafe(format!(
                    "SELECT {COLUMNS} FROM _chunk WHERE run_id = ?1 AND tag_id = ?2 AND level = ?3 ORDER BY first_step"
                ));
                let rows: Vec<Columns> = sqlx::query_as(sql)
                    .bind(run)
                    .bind(tag)
                    .bind(levels.len() as i64)
                    .fetch_all(&mut self.connection)
                    .await
                    .map_err(sqlite(ACTION))?;
                if rows.is_empty() {
                    break;
                }
                levels.push(rows.into_iter().map(Chunk::from).collect());
            }
            curves.insert(self.tag_name(tag).await?, levels);
        }
        Ok(curves)
    }

    async fn tag_name(&mut self, tag: i64) -> Result<String, StoreError> {
        let name: Option<String> = sqlx::query_scalar("SELECT name FROM _tag WHERE id = ?1")
            .bind(tag)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(sqlite(ACTION))?;
        name.ok_or_else(|| StoreError::Corrupt(format!("points of a tag {tag} that has no name")))
    }

    /// What a run's predictions count; `None` where it has none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn raw_validation(&mut self, run: RunKey) -> Result<Option<RawValidation>, StoreError> {
        let row: Option<ValidationRow> =
            sqlx::query_as("SELECT images, correct, image_set, hits FROM _validation WHERE run_id = ?1")
                .bind(run)
                .fetch_optional(&mut self.connection)
                .await
                .map_err(sqlite(ACTION))?;
        row.map(|row| {
            Ok(RawValidation {
                images: narrow("number of images", row.images)?,
                correct: narrow("number of images", row.correct)?,
                hits: row.image_set.zip(row.hits),
            })
        })
        .transpose()
    }
}
