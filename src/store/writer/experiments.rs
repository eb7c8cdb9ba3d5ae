//! Experiments: how they come into the database, and how their spec may change.

use super::{Commit, statistics::forget};
use crate::{
    grid::axis_names,
    spec::Experiment,
    store::{
        ExperimentKey, Store,
        convert::{from_json, to_json},
        error::{StoreError, sqlite},
        experiment_view::is_reserved,
        ranking::rank_in,
        views,
    },
};

impl Store {
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
        if is_reserved(name) {
            return Err(StoreError::ReservedName { name: name.clone() });
        }
        let json = to_json("the spec", spec)?;
        let axes = axis_names(spec);
        let axes_json = to_json("the axes", &axes)?;
        let mut transaction = self.begin(Commit::Synced).await?;
        let other: Option<(i64, String, f64)> =
            sqlx::query_as("SELECT id, name, created FROM _experiment WHERE name = ?1")
                .bind(name)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(sqlite("read an experiment"))?;
        match other {
            // Committed before, and the answer was lost.
            Some((id, other, created)) if other == *name && created == now => return Ok(ExperimentKey(id)),
            Some((_, other, _)) if other == *name => {
                return Err(StoreError::ExperimentExists { name: name.clone() });
            }
            Some((_, other, _)) => return Err(StoreError::NameCollision { name: name.clone(), other }),
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
        views::renew_one(&mut transaction, id, name, &axes, &spec.rank).await?;
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
        views::renew_one(&mut transaction, id, &name, &given, &spec.rank).await?;
        // In the same change, so that ranks and best epochs by another rule are never seen.
        forget(&mut transaction, experiment).await?;
        rank_in(&mut transaction, experiment, &spec.rank).await?;
        transaction.commit().await.map_err(sqlite("change an experiment"))
    }
}
