//! Statistics that are kept for SQL: counts of predictions with their interval, tests against the best run, best epochs,
//! grid points. What they mean is `stats`' and `rank`'s; this writes them down.

use sqlx::{FromRow, SqliteConnection};

use crate::{
    predictions::Hits,
    rank::{Leaderboard, Tally},
    run::RunState,
    stats::{Interval, Summary},
};

use super::{
    Commit, ExperimentKey, RunKey, Store,
    error::{StoreError, sqlite},
    narrow, to_json, whole,
};

const ACTION: &str = "keep the statistics of the runs";

/// A completed run whose predictions are in a file but not in the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untaken {
    /// The run's place in the database.
    pub run: RunKey,
    /// Its name.
    pub name: String,
    /// The file, relative to the runs directory.
    pub predictions: String,
}

impl Store {
    /// The runs of an experiment whose predictions an older Gridboard took without the bits that tests between runs need.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn untaken_predictions(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<Vec<Untaken>, StoreError> {
        let rows: Vec<(i64, String, String)> = sqlx::query_as(
            "SELECT r.id, r.name, r.predictions FROM _run r LEFT JOIN _validation v ON v.run_id = r.id
             WHERE r.experiment_id = ?1 AND r.predictions IS NOT NULL AND v.hits IS NULL ORDER BY r.position",
        )
        .bind(experiment)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("look for predictions that were not taken"))?;
        let untaken = |(id, name, predictions)| Untaken { run: RunKey(id), name, predictions };
        Ok(rows.into_iter().map(untaken).collect())
    }

    /// Keeps what a whole leaderboard says of its runs and its grid points, in place of what was kept of the experiment
    /// before. To be called when a sweep ends and when a report is made: its cost grows with the runs.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn keep_statistics(
        &mut self,
        experiment: ExperimentKey,
        leaderboard: &Leaderboard,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Written).await?;
        forget(&mut transaction, experiment).await?;
        let first = leaderboard.rows.iter().find(|row| row.rank == Some(1)).map(|row| row.index);
        for row in leaderboard.rows.iter().filter(|row| row.rank.is_some()) {
            sqlx::query(
                "INSERT INTO _statistic (run_id, best_epoch, best_value, first_id, p, standing)
                 SELECT r.id, ?3, ?4, (SELECT id FROM _run WHERE experiment_id = ?1 AND position = ?5), ?6, ?7
                 FROM _run r WHERE r.experiment_id = ?1 AND r.position = ?2 AND r.name = ?8",
            )
            .bind(experiment)
            .bind(whole("position", row.index)?)
            .bind(row.best.map(|best| best.step))
            .bind(row.best.map(|best| best.value))
            .bind(first.map(|index| whole("position", index)).transpose()?)
            .bind(row.standing.p())
            .bind(row.standing.words())
            .bind(&row.run)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        }
        if leaderboard.several_seeds() {
            keep_points(&mut transaction, experiment, leaderboard).await?;
        }
        transaction.commit().await.map_err(sqlite(ACTION))
    }
}

/// Drops the statistics of an experiment, whose rule may have changed.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM _statistic WHERE run_id IN (SELECT id FROM _run WHERE experiment_id = ?1)",
        "DELETE FROM _grid_point WHERE experiment_id = ?1",
    ] {
        sqlx::query(sql).bind(experiment).execute(&mut *connection).await.map_err(sqlite(ACTION))?;
    }
    Ok(())
}

async fn keep_points(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    leaderboard: &Leaderboard,
) -> Result<(), StoreError> {
    let completed = leaderboard.rows.iter().filter(|row| row.state == RunState::Completed).count();
    for point in leaderboard.grid_points() {
        let mut query = sqlx::query(
            "INSERT INTO _grid_point (experiment_id, position, name, axis_values, rank, seeds, wanted, completed,
                 p, tests, by_mean, by_deviation, then_mean, then_deviation, train_accuracy_mean, train_accuracy_deviation,
                 train_loss_mean, train_loss_deviation, validation_accuracy_mean, validation_accuracy_deviation,
                 validation_loss_mean, validation_loss_deviation, best_mean, best_deviation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )
        .bind(experiment)
        .bind(whole("position", point.index)?)
        .bind(&point.name)
        .bind(to_json("a grid point", &point.axes)?)
        .bind(point.rank)
        .bind(whole("number of seeds", point.seeds.len() as u64)?)
        .bind(whole("number of seeds", point.wanted as u64)?)
        .bind(whole("number of runs", completed as u64)?)
        .bind(point.p)
        .bind(whole("number of tests", point.tests as u64)?);
        let means = point.means;
        let summaries: [Option<Summary>; 7] = [
            means.by,
            means.then,
            means.train_accuracy,
            means.train_loss,
            means.validation_accuracy,
            means.validation_loss,
            point.best,
        ];
        for summary in summaries {
            query = query
                .bind(summary.map(|summary| summary.mean))
                .bind(summary.and_then(|summary| summary.deviation));
        }
        query.execute(&mut *connection).await.map_err(sqlite(ACTION))?;
    }
    Ok(())
}

/// Keeps what a run's predictions count, with the hits where they are known.
pub(super) async fn put_validation(
    connection: &mut SqliteConnection,
    run: RunKey,
    tally: Tally,
    hits: Option<&Hits>,
) -> Result<(), StoreError> {
    let interval = tally.interval();
    sqlx::query(
        "INSERT OR REPLACE INTO _validation (run_id, images, correct, low, high, image_set, hits)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(run)
    .bind(whole("number of images", tally.images)?)
    .bind(whole("number of images", tally.correct)?)
    .bind(interval.map(|Interval { low, .. }| low))
    .bind(interval.map(|Interval { high, .. }| high))
    .bind(hits.map(Hits::set))
    .bind(hits.map(Hits::bits))
    .execute(connection)
    .await
    .map_err(sqlite(ACTION))?;
    Ok(())
}

#[derive(FromRow)]
struct Counted {
    run_id: i64,
    images: i64,
    correct: i64,
}

/// Counts the confusion matrices that an older Gridboard kept, within its migration.
pub(super) async fn count_confusions(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let rows: Vec<Counted> = sqlx::query_as(
        "SELECT c.run_id, sum(c.images) AS images,
                sum(CASE WHEN c.true_class = c.predicted_class THEN c.images ELSE 0 END) AS correct
         FROM _confusion c LEFT JOIN _validation v ON v.run_id = c.run_id
         WHERE v.run_id IS NULL GROUP BY c.run_id",
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(sqlite(ACTION))?;
    for row in rows {
        let images = narrow("number of images", row.images)?;
        let tally = Tally { images, correct: narrow("number of images", row.correct)? };
        put_validation(connection, RunKey(row.run_id), tally, None).await?;
    }
    Ok(())
}
