//! Experiments: their records, their names, and the view that each has.

use sqlx::{AssertSqlSafe, FromRow, SqliteConnection, raw_sql};

use crate::{
    grid::axis_names,
    spec::{Experiment, RankRule},
};

use super::{
    Commit, Store,
    error::{StoreError, sqlite},
    from_json,
    leaderboard::rank_in,
    statistics::forget,
    to_json, views,
};

/// An experiment's place in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct ExperimentKey(pub(super) i64);

/// An experiment in the database.
#[derive(Clone, Debug, PartialEq)]
pub struct ExperimentRecord {
    /// Its place in the database.
    pub key: ExperimentKey,
    /// Its name.
    pub name: String,
    /// The spec it was last run with.
    pub spec: Experiment,
    /// Names of the axes in the order of the spec, over all grids.
    pub axes: Vec<String>,
    /// Class names in index order; empty without a dataset.
    pub classes: Vec<String>,
    /// Content id of the corpus and its split, where there is one.
    pub fingerprint: Option<String>,
    /// When it was first run, seconds since 1970.
    pub created: f64,
}

#[derive(FromRow)]
struct ExperimentRow {
    id: i64,
    name: String,
    spec: String,
    axes: String,
    fingerprint: Option<String>,
    created: f64,
}

impl ExperimentRow {
    fn record(self) -> Result<ExperimentRecord, StoreError> {
        let spec: Experiment = from_json("the spec of an experiment", &self.spec)?;
        Ok(ExperimentRecord {
            key: ExperimentKey(self.id),
            name: self.name,
            axes: from_json("the axes of an experiment", &self.axes)?,
            classes: spec.dataset.as_ref().map(|dataset| dataset.classes.clone()).unwrap_or_default(),
            spec,
            fingerprint: self.fingerprint,
            created: self.created,
        })
    }
}

impl Store {
    /// The experiment of exactly this name.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn experiment(&mut self, name: &str) -> Result<Option<ExperimentRecord>, StoreError> {
        let row: Option<ExperimentRow> =
            sqlx::query_as("SELECT * FROM _experiment WHERE name = ?1 AND name = ?1 COLLATE BINARY")
                .bind(name)
                .fetch_optional(&mut self.connection)
                .await
                .map_err(sqlite("read an experiment"))?;
        row.map(ExperimentRow::record).transpose()
    }

    /// Every experiment, in the order of their creation.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn experiments(&mut self) -> Result<Vec<ExperimentRecord>, StoreError> {
        let rows: Vec<ExperimentRow> = sqlx::query_as("SELECT * FROM _experiment ORDER BY id")
            .fetch_all(&mut self.connection)
            .await
            .map_err(sqlite("read the experiments"))?;
        rows.into_iter().map(ExperimentRow::record).collect()
    }

    /// Adds an experiment without runs, and makes its view. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`StoreError::ExperimentExists`], [`StoreError::NameCollision`] or [`StoreError::ReservedName`] if the name cannot
    /// be had; else if the database cannot be written.
    pub async fn create_experiment(
        &mut self,
        spec: &Experiment,
        fingerprint: Option<&str>,
        now: f64,
    ) -> Result<ExperimentKey, StoreError> {
        let name = &spec.name;
        if views::is_reserved(name) {
            return Err(StoreError::ReservedName { name: name.clone() });
        }
        let json = to_json("the spec", spec)?;
        let axes = axis_names(spec);
        let axes_json = to_json("the axes", &axes)?;
        let mut transaction = self.begin(Commit::Synced).await?;
        let other: Option<String> = sqlx::query_scalar("SELECT name FROM _experiment WHERE name = ?1")
            .bind(name)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(sqlite("read an experiment"))?;
        match other {
            Some(other) if other == *name => {
                return Err(StoreError::ExperimentExists { name: name.clone() });
            }
            Some(other) => return Err(StoreError::NameCollision { name: name.clone(), other }),
            None => {}
        }
        let id = sqlx::query(
            "INSERT INTO _experiment (name, spec, axes, fingerprint, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(name)
        .bind(json)
        .bind(axes_json)
        .bind(fingerprint)
        .bind(now)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite("add an experiment"))?
        .last_insert_rowid();
        make_view(&mut transaction, id, name, &axes, &spec.rank).await?;
        transaction.commit().await.map_err(sqlite("add an experiment"))?;
        Ok(ExperimentKey(id))
    }

    /// Replaces the spec of an experiment, whose rank rule, schedule or seeds changed, and ranks its runs anew. Whether the
    /// change is one that keeps the runs valid is for the caller to say; here only the axes are compared.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], [`StoreError::AxesChanged`], or if the database cannot be written.
    pub async fn update_experiment(
        &mut self,
        experiment: ExperimentKey,
        spec: &Experiment,
    ) -> Result<(), StoreError> {
        let json = to_json("the spec", spec)?;
        let given = axis_names(spec);
        let ExperimentKey(id) = experiment;
        let mut transaction = self.begin(Commit::Synced).await?;
        let (name, stored): (String, String) =
            sqlx::query_as("SELECT name, axes FROM _experiment WHERE id = ?1")
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(sqlite("read an experiment"))?
                .ok_or(StoreError::NoSuchExperiment { key: id })?;
        let stored: Vec<String> = from_json("the axes of an experiment", &stored)?;
        if stored != given {
            return Err(StoreError::AxesChanged { name, stored, given });
        }
        sqlx::query("UPDATE _experiment SET spec = ?2 WHERE id = ?1")
            .bind(id)
            .bind(json)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite("change an experiment"))?;
        make_view(&mut transaction, id, &name, &given, &spec.rank).await?;
        // In the same change, so that ranks and best epochs by another rule are never seen.
        forget(&mut transaction, experiment).await?;
        rank_in(&mut transaction, experiment, &spec.rank).await?;
        transaction.commit().await.map_err(sqlite("change an experiment"))
    }

    /// The experiment of this key.
    pub(super) async fn experiment_by_key(
        &mut self,
        ExperimentKey(id): ExperimentKey,
    ) -> Result<ExperimentRecord, StoreError> {
        let row: Option<ExperimentRow> = sqlx::query_as("SELECT * FROM _experiment WHERE id = ?1")
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await
            .map_err(sqlite("read an experiment"))?;
        row.ok_or(StoreError::NoSuchExperiment { key: id })?.record()
    }

    /// Makes the views of all experiments anew.
    pub(super) async fn renew_views(&mut self) -> Result<(), StoreError> {
        let experiments = self.experiments().await?;
        let mut transaction = self.begin(Commit::Written).await?;
        for record in experiments {
            let ExperimentKey(id) = record.key;
            make_view(&mut transaction, id, &record.name, &record.axes, &record.spec.rank).await?;
        }
        transaction.commit().await.map_err(sqlite("make the views of the experiments"))
    }
}

async fn make_view(
    connection: &mut SqliteConnection,
    id: i64,
    name: &str,
    axes: &[String],
    rule: &RankRule,
) -> Result<(), StoreError> {
    // Safe: every name in it is quoted.
    let sql = views::experiment_view(id, name, axes, rule);
    raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map_err(sqlite("make the view of an experiment"))?;
    Ok(())
}
