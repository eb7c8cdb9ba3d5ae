//! Statistics that are kept for SQL: tests against the best run, best epochs, grid points. What they mean is `stats`' and `rank`'s; this writes them down.

use sqlx::SqliteConnection;

use super::Commit;
use crate::{
    rank::{Importances, Leaderboard, Measure},
    stats::Summary,
    store::{
        ExperimentKey, Store,
        convert::{to_json, whole},
        error::{StoreError, sqlite},
    },
};

const ACTION: &str = "keep the statistics of the runs";

impl Store {
    /// Keeps what a whole leaderboard says of its runs and its grid points, and what mattered, in place of what was kept of the
    /// experiment before. To be called when a sweep ends and when a report is made: its cost grows with the runs.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn keep_statistics(
        &mut self,
        experiment: ExperimentKey,
        leaderboard: &Leaderboard,
        importances: Option<&Importances>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin(Commit::Written).await?;
        forget(&mut transaction, experiment).await?;
        let first = leaderboard.rows.iter().find(|row| row.rank == Some(1)).map(|row| row.key);
        for row in leaderboard.rows.iter().filter(|row| row.rank.is_some()) {
            sqlx::query(
                "INSERT INTO _statistic (run_id, best_epoch, best_value, first_id, p, standing)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .bind(row.key)
            .bind(row.best.map(|best| best.step))
            .bind(row.best.map(|best| best.value))
            .bind(first)
            .bind(row.standing.p())
            .bind(row.standing.words())
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        }
        let completed = leaderboard.rows.iter().filter(|row| row.state.has_results()).count();
        for (place, text) in leaderboard.notes.iter().enumerate() {
            sqlx::query("INSERT INTO _note (experiment_id, place, text, completed) VALUES (?1, ?2, ?3, ?4)")
                .bind(experiment)
                .bind(whole("number of notes", place as u64)?)
                .bind(text)
                .bind(whole("number of runs", completed as u64)?)
                .execute(&mut *transaction)
                .await
                .map_err(sqlite(ACTION))?;
        }
        if leaderboard.several_seeds() {
            keep_points(&mut transaction, experiment, leaderboard).await?;
        }
        if let Some(found) = importances {
            keep_importances(&mut transaction, experiment, found, completed).await?;
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
        "DELETE FROM _note WHERE experiment_id = ?1",
        "DELETE FROM _importance WHERE experiment_id = ?1",
    ] {
        sqlx::query(sql).bind(experiment).execute(&mut *connection).await.map_err(sqlite(ACTION))?;
    }
    Ok(())
}

async fn keep_importances(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    found: &Importances,
    completed: usize,
) -> Result<(), StoreError> {
    let axes = found.order().into_iter().map(|place| {
        let (axis, part) = &found.axes[place];
        (axis, None, Some(*part), found.main.as_ref().map(|main| main[place]))
    });
    let pairs = found.order_of_pairs().into_iter().map(|place| {
        let (first, second, share) = &found.pairs[place];
        (first, Some(second), None, Some(*share))
    });
    for (place, (axis, with, importance, explained)) in (0..).zip(axes.chain(pairs)) {
        let three = |measure: Option<Measure>| {
            let (low, high) = measure.and_then(|measure| measure.seeds).unzip();
            [measure.map(|measure| measure.value), low, high]
        };
        let mut query = sqlx::query(
            "INSERT INTO _importance (experiment_id, place, axis, with_axis, points, completed, importance, importance_low,
                 importance_high, explained, explained_low, explained_high)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )
        .bind(experiment)
        .bind(whole("number of axes", place)?)
        .bind(axis)
        .bind(with)
        .bind(whole("number of points", found.points as u64)?)
        .bind(whole("number of runs", completed as u64)?);
        for number in three(importance).into_iter().chain(three(explained)) {
            query = query.bind(number);
        }
        query.execute(&mut *connection).await.map_err(sqlite(ACTION))?;
    }
    Ok(())
}

async fn keep_points(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    leaderboard: &Leaderboard,
) -> Result<(), StoreError> {
    let completed = leaderboard.rows.iter().filter(|row| row.state.has_results()).count();
    for point in leaderboard.grid_points() {
        let mut query = sqlx::query(
            "INSERT INTO _grid_point (experiment_id, position, name, axis_values, rank, seeds, wanted, completed,
                 p, tests, by_mean, by_deviation, then_mean, then_deviation, train_accuracy_mean, train_accuracy_deviation,
                 train_loss_mean, train_loss_deviation, validation_accuracy_mean, validation_accuracy_deviation,
                 validation_loss_mean, validation_loss_deviation, best_mean, best_deviation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)",
        )
        .bind(experiment)
        .bind(whole("position", point.index.get())?)
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
