//! Experiments: their records, by name and by key.

use sqlx_macros::FromRow;

use crate::{
    spec::Experiment,
    store::{
        ExperimentKey, Reader,
        convert::from_json,
        error::{StoreError, sqlite},
    },
};

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

impl Reader {
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

    /// The experiment of this key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be read.
    pub(crate) async fn experiment_by_key(
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
}
