//! Experiments: how they come into the database, and how their spec may change.

use sqlx::SqliteConnection;

use super::{Commit, removal::remove_runs, statistics::forget};
use crate::{
    grid::axis_names,
    spec::{Experiment, FAMILY_AXIS, Family, Parameters, Value},
    store::{
        ExperimentKey, RunKey, Store,
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

    /// Replaces the spec of an experiment and the content id of its images, removes the runs that the new spec has not, and
    /// ranks the others anew, in one change. Whether the runs that stay are still what the new spec says is for the caller to
    /// know; the runs that are new are added by [`Store::insert_runs`].
    ///
    /// # Errors
    /// [`StoreError::NoSuchExperiment`], or if the database cannot be written.
    pub async fn update_experiment(
        &mut self,
        experiment: ExperimentKey,
        spec: &Experiment,
        fingerprint: Option<&str>,
        gone: &[RunKey],
    ) -> Result<(), StoreError> {
        let json = to_json("the spec", spec)?;
        let axes = axis_names(spec);
        let axes_json = to_json("the axes", &axes)?;
        let ExperimentKey(id) = experiment;
        let mut transaction = self.begin(Commit::Synced).await?;
        let (name, old_axes, old_spec): (String, String, String) =
            sqlx::query_as("SELECT name, axes, spec FROM _experiment WHERE id = ?1")
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await
                .map_err(sqlite("read an experiment"))?
                .ok_or(StoreError::NoSuchExperiment { key: id })?;
        // In the same change, so that ranks and best epochs by another rule are never seen.
        forget(&mut transaction, experiment).await?;
        remove_runs(&mut transaction, gone).await?;
        sqlx::query("UPDATE _experiment SET spec = ?2, axes = ?3, fingerprint = ?4 WHERE id = ?1")
            .bind(id)
            .bind(json)
            .bind(&axes_json)
            .bind(fingerprint)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite("change an experiment"))?;
        if axes_json != old_axes {
            let old: Experiment = from_json("the spec of an experiment", &old_spec)?;
            take_axes(&mut transaction, experiment, &axes, old.family).await?;
        }
        views::renew_one(&mut transaction, id, &name, &axes, &spec.rank).await?;
        rank_in(&mut transaction, experiment, &spec.rank).await?;
        transaction.commit().await.map_err(sqlite("change an experiment"))
    }
}

/// Gives the runs of an experiment their grid points on other axes: what was fixed before may be swept now. `family` is the
/// trainer of those runs that no axis told it to.
async fn take_axes(
    connection: &mut SqliteConnection,
    experiment: ExperimentKey,
    axes: &[String],
    family: Option<Family>,
) -> Result<(), StoreError> {
    let action = "change the grid points of an experiment";
    let rows: Vec<(i64, String)> = sqlx::query_as("SELECT id, parameters FROM _run WHERE experiment_id = ?1")
        .bind(experiment)
        .fetch_all(&mut *connection)
        .await
        .map_err(sqlite(action))?;
    for (run, parameters) in rows {
        let mut parameters: Parameters = from_json("the parameters of a run", &parameters)?;
        if let Some(family) = family.filter(|family| *family != Family::Command)
            && axes.iter().any(|axis| axis == FAMILY_AXIS)
        {
            let word = Value::Text(family.as_str().to_owned());
            parameters.entry(FAMILY_AXIS.to_owned()).or_insert(word);
        }
        let values: Vec<Option<&Value>> = axes.iter().map(|axis| parameters.get(axis)).collect();
        sqlx::query("UPDATE _run SET axis_values = ?2, parameters = ?3 WHERE id = ?1")
            .bind(run)
            .bind(to_json("a grid point", &values)?)
            .bind(to_json("the parameters of a run", &parameters)?)
            .execute(&mut *connection)
            .await
            .map_err(sqlite(action))?;
    }
    Ok(())
}
