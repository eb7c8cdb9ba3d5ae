//! The ledger as it is filled: every run of a grid exactly once. What moves a run from state to state is in `attempts`.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::Commit;
use crate::{
    run::RunSpec,
    spec::Value,
    store::{
        ExperimentKey, Store,
        convert::{to_json, whole},
        error::{StoreError, sqlite},
    },
};

/// Rows of one insert statement.
const CHUNK: usize = 128;

impl Store {
    /// Adds the runs of a grid that are not in the ledger yet, all or none, and returns how many those were. Runs that
    /// are in it keep their state and take their place in this grid: more seeds move them, and a call that was cut off
    /// can be repeated.
    ///
    /// # Errors
    /// [`StoreError::DuplicateRun`] if a name comes with two content ids or a content id with two names,
    /// [`StoreError::TooLarge`] for a seed over `i64::MAX`, or if the database cannot be written.
    pub async fn insert_runs(
        &mut self,
        experiment: ExperimentKey,
        runs: impl IntoIterator<Item = RunSpec>,
    ) -> Result<u64, StoreError> {
        let record = self.experiment_by_key(experiment).await?;
        let mut transaction = self.begin(Commit::Synced).await?;
        let mut known = Known::load(&mut transaction, experiment, &record.name).await?;
        let mut rows: Vec<NewRow> = Vec::with_capacity(CHUNK);
        let mut added = 0;
        let full = insert_sql(CHUNK);
        for run in runs {
            if !known.add(&run)? {
                if let Some(position) = known.moved(&run) {
                    sqlx::query("UPDATE _run SET position = ?3 WHERE experiment_id = ?1 AND content_id = ?2")
                        .bind(experiment)
                        .bind(run.id)
                        .bind(position)
                        .execute(&mut *transaction)
                        .await
                        .map_err(sqlite("move a run in the ledger"))?;
                }
                continue;
            }
            rows.push(NewRow::new(&run, &record.axes)?);
            added += 1;
            if rows.len() == CHUNK {
                insert(&mut transaction, &full, experiment, &mut rows).await?;
            }
        }
        if !rows.is_empty() {
            let rest = insert_sql(rows.len());
            insert(&mut transaction, &rest, experiment, &mut rows).await?;
        }
        transaction.commit().await.map_err(sqlite("add runs to the ledger"))?;
        Ok(added)
    }
}

/// A run as it goes into the table.
struct NewRow {
    position: i64,
    name: String,
    content_id: String,
    axis_values: String,
    parameters: String,
    seed: i64,
}

impl NewRow {
    fn new(run: &RunSpec, axes: &[String]) -> Result<Self, StoreError> {
        // The parameters hold the grid point too. Where only another grid of a union has the axis, the run still trains with
        // some value of that parameter, and is compared by it.
        let value = |axis: &String| run.parameters.get(axis);
        let values: Vec<Option<&Value>> = axes.iter().map(value).collect();
        Ok(Self {
            position: whole("place in the grid", run.index.get())?,
            name: run.name.clone(),
            content_id: run.id.clone(),
            axis_values: to_json("a grid point", &values)?,
            parameters: to_json("the parameters of a run", &run.parameters)?,
            seed: whole("seed", run.seed)?,
        })
    }
}

fn insert_sql(rows: usize) -> String {
    // Without numbers: SQLite looks a numbered parameter up in a list, which takes most of the time at this length.
    let values = vec!["(?, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
    format!(
        "INSERT INTO _run (experiment_id, position, name, content_id, axis_values, parameters, seed) VALUES {values}"
    )
}

async fn insert(
    connection: &mut SqliteConnection,
    sql: &str,
    experiment: ExperimentKey,
    rows: &mut Vec<NewRow>,
) -> Result<(), StoreError> {
    // Safe: placeholders only.
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in rows.drain(..) {
        query = query
            .bind(experiment)
            .bind(row.position)
            .bind(row.name)
            .bind(row.content_id)
            .bind(row.axis_values)
            .bind(row.parameters)
            .bind(row.seed);
    }
    query.execute(connection).await.map_err(sqlite("add runs to the ledger"))?;
    Ok(())
}

/// Names and content ids of an experiment's ledger.
struct Known {
    experiment: String,
    by_name: HashMap<String, String>,
    by_id: HashMap<String, String>,
    /// Places in the grid by content id, of the runs that were in the ledger before.
    positions: HashMap<String, i64>,
}

impl Known {
    async fn load(
        connection: &mut SqliteConnection,
        experiment: ExperimentKey,
        name: &str,
    ) -> Result<Self, StoreError> {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as("SELECT name, content_id, position FROM _run WHERE experiment_id = ?1")
                .bind(experiment)
                .fetch_all(connection)
                .await
                .map_err(sqlite("read the ledger"))?;
        Ok(Self {
            experiment: name.to_owned(),
            by_id: rows.iter().map(|(name, id, _)| (id.clone(), name.clone())).collect(),
            positions: rows.iter().map(|(_, id, position)| (id.clone(), *position)).collect(),
            by_name: rows.into_iter().map(|(name, id, _)| (name, id)).collect(),
        })
    }

    /// The place of a known run in the grid, where it is another than before.
    fn moved(&self, run: &RunSpec) -> Option<i64> {
        let place = i64::try_from(run.index.get()).ok()?;
        self.positions.get(&run.id).is_some_and(|before| *before != place).then_some(place)
    }

    /// Whether the run is new; notes it.
    fn add(&mut self, run: &RunSpec) -> Result<bool, StoreError> {
        let clash = match (self.by_name.get(&run.name), self.by_id.get(&run.id)) {
            (None, None) => None,
            (Some(id), _) if *id == run.id => return Ok(false),
            (Some(id), _) => Some((run.name.clone(), id.clone())),
            (None, Some(name)) => Some((name.clone(), run.id.clone())),
        };
        if let Some((other, other_id)) = clash {
            return Err(StoreError::DuplicateRun {
                experiment: self.experiment.clone(),
                run: run.name.clone(),
                id: run.id.clone(),
                other,
                other_id,
            });
        }
        self.by_name.insert(run.name.clone(), run.id.clone());
        self.by_id.insert(run.id.clone(), run.name.clone());
        Ok(true)
    }
}
