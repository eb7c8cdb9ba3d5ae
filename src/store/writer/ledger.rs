//! The ledger as it is filled: every run of a grid exactly once. What moves a run from state to state is in `attempts`.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, SqliteConnection};

use super::Commit;
use crate::{
    grid,
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
    /// are in it, by their content id, keep their state and their name, which is that of their folder, and take their place in
    /// this grid: more seeds and values move them, and a call that was cut off can be repeated. A new run whose name is an
    /// older one's carries its id in its name.
    ///
    /// # Errors
    /// [`StoreError::DuplicateRun`] if two runs of the grid have one name or one content id, [`StoreError::TooLarge`] for a seed over `i64::MAX`, or if the database cannot be written.
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
        for mut run in runs {
            if !known.add(&mut run)? {
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
    /// Content ids by name in lower case: some file systems do not tell case apart.
    by_name: HashMap<String, String>,
    /// What is known of a run, by content id.
    by_id: HashMap<String, Row>,
}

struct Row {
    name: String,
    /// Its place in the grid before, where it was in the ledger.
    before: Option<i64>,
    /// Whether this grid has it.
    taken: bool,
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
            by_name: rows.iter().map(|(name, id, _)| (name.to_ascii_lowercase(), id.clone())).collect(),
            by_id: rows
                .into_iter()
                .map(|(name, id, position)| (id, Row { name, before: Some(position), taken: false }))
                .collect(),
        })
    }

    /// The place of a known run in the grid, where it is another than before.
    fn moved(&self, run: &RunSpec) -> Option<i64> {
        let place = i64::try_from(run.index.get()).ok()?;
        self.by_id.get(&run.id).is_some_and(|row| row.before != Some(place)).then_some(place)
    }

    /// Whether the run is new; notes it, under a name that no other has.
    fn add(&mut self, run: &mut RunSpec) -> Result<bool, StoreError> {
        if let Some(row) = self.by_id.get_mut(&run.id) {
            if row.taken {
                return Err(self.clash(run, run.id.clone()));
            }
            row.taken = true;
            return Ok(false);
        }
        if let Some(other) = self.by_name.get(&run.name.to_ascii_lowercase()) {
            if self.by_id.get(other).is_none_or(|row| row.before.is_none()) {
                return Err(self.clash(run, other.clone()));
            }
            run.name = grid::name_with_id(&run.name, &run.id);
        }
        self.by_name.insert(run.name.to_ascii_lowercase(), run.id.clone());
        self.by_id.insert(run.id.clone(), Row { name: run.name.clone(), before: None, taken: true });
        Ok(true)
    }

    fn clash(&self, run: &RunSpec, other_id: String) -> StoreError {
        StoreError::DuplicateRun {
            experiment: self.experiment.clone(),
            run: run.name.clone(),
            id: run.id.clone(),
            other: self.by_id.get(&other_id).map(|row| row.name.clone()).unwrap_or_default(),
            other_id,
        }
    }
}
