//! What a leaderboard needs beside the last values: what runs' predictions count, and their best epochs. Reads only.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, SqliteConnection};
use sqlx_macros::FromRow;

use crate::{
    predictions::Hits,
    rank::{Best, Diagnosis, Row, Tally},
    spec::{Goal, Metric},
    store::{
        ExperimentKey, RunKey,
        convert::narrow,
        error::{StoreError, sqlite},
        experiment_view::{AUC, SENSITIVITY, SPECIFICITY},
        series,
    },
};

const ACTION: &str = "read the statistics of the runs";

/// Which runs.
#[derive(Clone, Copy)]
pub(super) enum Of {
    /// Those of an experiment.
    Experiment(ExperimentKey),
    /// One.
    Run(RunKey),
}

impl Of {
    /// The condition on the table `r`, and what it binds.
    fn filter(self) -> (&'static str, i64) {
        match self {
            Self::Experiment(ExperimentKey(id)) => ("r.experiment_id = ?1", id),
            Self::Run(run) => ("r.id = ?1", run.get()),
        }
    }
}

/// Evidence of some runs, by run.
pub(super) struct Evidence {
    counts: HashMap<RunKey, (Tally, Option<Hits>, Diagnosis)>,
    best: HashMap<RunKey, Best>,
}

#[derive(FromRow)]
struct ValidationRow {
    run_id: i64,
    images: i64,
    correct: i64,
    image_set: Option<Vec<u8>>,
    hits: Option<Vec<u8>>,
    sensitivity: Option<f64>,
    specificity: Option<f64>,
    auc: Option<f64>,
    largest: Option<i64>,
}

#[derive(FromRow)]
struct BestRow {
    run_id: i64,
    step: i64,
    value: f64,
}

impl Evidence {
    /// The evidence of these runs; the best epoch is that of `metric`.
    pub(super) async fn read(
        connection: &mut SqliteConnection,
        of: Of,
        metric: &Metric,
    ) -> Result<Self, StoreError> {
        let (filter, id) = of.filter();
        // Safe: constants.
        let sql = AssertSqlSafe(format!(
            "SELECT v.run_id, v.images, v.correct, v.image_set, v.hits, {SENSITIVITY} AS sensitivity,
                    {SPECIFICITY} AS specificity, {AUC} AS auc,
                    (SELECT max(c.support) FROM _class_metric c WHERE c.run_id = v.run_id) AS largest
             FROM _run r JOIN _validation v ON v.run_id = r.id WHERE {filter}"
        ));
        let rows: Vec<ValidationRow> =
            sqlx::query_as(sql).bind(id).fetch_all(&mut *connection).await.map_err(sqlite(ACTION))?;
        let mut counts = HashMap::with_capacity(rows.len());
        for row in rows {
            let images = narrow("number of images", row.images)?;
            let tally = Tally { images, correct: narrow("number of images", row.correct)? };
            let hits = match (row.image_set, row.hits) {
                (Some(set), Some(bits)) => {
                    let hits = Hits::from_parts(&set, images, bits).ok_or_else(|| {
                        StoreError::Corrupt("the hits of a run that are no list of images".to_owned())
                    })?;
                    Some(hits)
                }
                _ => None,
            };
            #[expect(clippy::cast_precision_loss, reason = "numbers of images")]
            let constant = row.largest.filter(|_| images > 0).map(|largest| largest as f64 / images as f64);
            let diagnosis = Diagnosis {
                sensitivity: row.sensitivity,
                specificity: row.specificity,
                auc: row.auc,
                constant,
            };
            counts.insert(RunKey::new(row.run_id), (tally, hits, diagnosis));
        }

        let better = match metric.goal {
            Goal::Maximize => "DESC",
            Goal::Minimize => "ASC",
        };
        // A completed run's curve does not change, and a new rule drops what was kept: only what was not kept is searched
        // for, each curve once, from the few rows of `r`. 9e999 is infinity; NaN is NULL.
        let sql = AssertSqlSafe(format!(
            "SELECT q.run_id, q.best_epoch AS step, q.best_value AS value
             FROM _run r JOIN _statistic q ON q.run_id = r.id WHERE {filter} AND q.best_epoch IS NOT NULL"
        ));
        let kept: Vec<BestRow> =
            sqlx::query_as(sql).bind(id).fetch_all(&mut *connection).await.map_err(sqlite(ACTION))?;
        let tag = series::tag_of("?2");
        let sql = AssertSqlSafe(format!(
            "SELECT r.id AS run_id, s.step, s.value
             FROM _run r JOIN _scalar s ON s.run_id = r.id AND s.tag_id = {tag}
               AND s.step = (SELECT b.step FROM _scalar b WHERE b.run_id = r.id
                   AND b.tag_id = {tag} AND abs(b.value) < 9e999
                   ORDER BY b.value {better}, b.step LIMIT 1)
             WHERE {filter} AND r.state IN ('completed', 'reused')
               AND NOT EXISTS (SELECT 1 FROM _statistic q WHERE q.run_id = r.id AND q.best_epoch IS NOT NULL)"
        ));
        let rows: Vec<BestRow> = sqlx::query_as(sql)
            .bind(id)
            .bind(&metric.tag)
            .fetch_all(&mut *connection)
            .await
            .map_err(sqlite(ACTION))?;
        let best = kept
            .into_iter()
            .chain(rows)
            .map(|row| (RunKey::new(row.run_id), Best { step: row.step, value: row.value }))
            .collect();
        Ok(Self { counts, best })
    }

    /// Puts what is known of a run into its row.
    pub(super) fn give(&mut self, row: &mut Row) {
        if let Some((tally, hits, diagnosis)) = self.counts.remove(&row.key) {
            (row.tally, row.hits, row.diagnosis) = (Some(tally), hits, diagnosis);
        }
        row.best = self.best.remove(&row.key);
    }
}
