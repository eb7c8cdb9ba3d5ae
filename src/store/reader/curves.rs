//! Curves as they are read: whole, or their last points.

use std::collections::HashMap;

use sqlx::Connection;

use crate::store::{
    ExperimentKey, Reader, RunKey,
    error::{StoreError, sqlite},
    series,
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

impl Reader {
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

    /// Every tag that a run of an experiment has written, by name; what was measured of the machine is none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn written_tags(&mut self, experiment: ExperimentKey) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT DISTINCT t.name FROM _run r JOIN _latest l ON l.run_id = r.id JOIN _tag t ON t.id = l.tag_id
             WHERE r.experiment_id = ?1 AND t.name NOT LIKE 'system/%' ORDER BY t.name",
        )
        .bind(experiment)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the metrics of an experiment"))
    }

    /// Which series of a run stand for tags that it has not written: the tag that is wanted, and the series.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn series(&mut self, run: RunKey) -> Result<HashMap<String, String>, StoreError> {
        series::of_run(&mut self.connection, run).await
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
             CROSS JOIN _scalar s ON s.run_id = l.run_id AND s.tag_id = l.tag_id AND s.step = l.step
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
}
