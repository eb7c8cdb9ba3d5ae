//! The ledger: every run of a grid exactly once, each in one named state.
//!
//! What moves a run from state to state is in `attempts`.

use std::collections::HashMap;

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow, SqliteConnection, query::Query, sqlite::SqliteArguments};

use crate::{
    run::{Failure, RunSpec, RunState, Used},
    spec::{FAMILY_AXIS, Family, Value},
};

use super::{
    Commit, ExperimentKey, Store,
    attempts::UsedRow,
    error::{StoreError, sqlite},
    from_json, narrow, to_json, whole, word,
};

/// A run's place in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct RunKey(pub(super) i64);

/// A run in the ledger, with its last attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Its place in the database.
    pub key: RunKey,
    /// The experiment's name.
    pub experiment: String,
    /// The run as the grid made it, but its grid point with every axis of the experiment that the run has a value of.
    pub spec: RunSpec,
    /// Its state.
    pub state: RunState,
    /// Number of its last attempt; 0 before the first.
    pub attempts: u32,
    /// Start of the last attempt, seconds since 1970.
    pub started: Option<f64>,
    /// End of the last attempt, seconds since 1970; `None` while it runs, and where nobody saw it end.
    pub finished: Option<f64>,
    /// Label of the last attempt's slot.
    pub slot: Option<String>,
    /// Id of the last attempt's device.
    pub device: Option<String>,
    /// Machine of the last attempt.
    pub host: Option<String>,
    /// Why the last attempt failed, where it did.
    pub failure: Option<Failure>,
    /// What the last attempt has used of the machine.
    pub used: Used,
    /// File of the validation set's predictions, relative to the runs directory.
    pub predictions: Option<String>,
}

impl RunRecord {
    /// Duration of the last attempt, seconds, once it has ended.
    #[must_use]
    pub fn seconds(&self) -> Option<f64> {
        Some(self.finished? - self.started?)
    }
}

/// Columns of a [`RunRecord`], from the tables `r`, `e` and `a`.
const SELECT: &str =
    "SELECT r.id, e.name AS experiment, e.axes, e.spec ->> 'family' AS family, r.position, r.name, r.content_id, r.axis_values,
       r.parameters, r.seed, r.state, r.attempts, r.predictions,
       a.started, a.finished, a.slot, a.device, a.host, a.failure, a.reason, a.log_tail, a.peak_memory,
       a.core_seconds, a.training_seconds, a.training_core_seconds, a.validation_seconds, a.validation_core_seconds
FROM _run r
JOIN _experiment e ON e.id = r.experiment_id
LEFT JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts";

#[derive(FromRow)]
struct RunRow {
    id: i64,
    experiment: String,
    axes: String,
    family: Option<String>,
    position: i64,
    name: String,
    content_id: String,
    axis_values: String,
    parameters: String,
    seed: i64,
    state: String,
    attempts: i64,
    predictions: Option<String>,
    started: Option<f64>,
    finished: Option<f64>,
    slot: Option<String>,
    device: Option<String>,
    host: Option<String>,
    failure: Option<String>,
    reason: Option<String>,
    log_tail: Option<String>,
    #[sqlx(flatten)]
    used: UsedRow,
}

impl RunRow {
    fn record(self) -> Result<RunRecord, StoreError> {
        let names: Vec<String> = from_json("the axes of an experiment", &self.axes)?;
        let values: Vec<Option<Value>> = from_json("the grid point of a run", &self.axis_values)?;
        let axes: Vec<(String, Value)> =
            names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect();
        let failure = match (self.failure, self.reason) {
            (Some(kind), Some(reason)) => {
                Some(Failure { kind: word(&kind)?, reason, log_tail: self.log_tail.unwrap_or_default() })
            }
            _ => None,
        };
        Ok(RunRecord {
            key: RunKey(self.id),
            experiment: self.experiment,
            spec: RunSpec {
                index: narrow("position", self.position)?,
                name: self.name,
                id: self.content_id,
                family: family(&self.family, &axes)?,
                axes,
                parameters: from_json("the parameters of a run", &self.parameters)?,
                seed: narrow("seed", self.seed)?,
            },
            state: word(&self.state)?,
            attempts: narrow("attempt", self.attempts)?,
            started: self.started,
            finished: self.finished,
            slot: self.slot,
            device: self.device,
            host: self.host,
            failure,
            used: self.used.used()?,
            predictions: self.predictions,
        })
    }
}

/// The trainer of a run: its value of the axis that sweeps it, else the experiment's.
fn family(fixed: &Option<String>, axes: &[(String, Value)]) -> Result<Family, StoreError> {
    let swept = axes.iter().find(|(axis, _)| axis == FAMILY_AXIS).map(|(_, value)| value.to_string());
    // A `command` cannot have such an axis, so no word of its own is taken for a family.
    from_json("the family of a run", &json!(swept.as_ref().or(fixed.as_ref())).to_string())
}

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

    /// The runs of one experiment, or of all, in the order of the grid.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn runs(&mut self, experiment: Option<ExperimentKey>) -> Result<Vec<RunRecord>, StoreError> {
        match experiment {
            Some(experiment) => {
                self.select("WHERE r.experiment_id = ?1", |query| query.bind(experiment)).await
            }
            None => self.select("", |query| query).await,
        }
    }

    /// One run.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or if the database cannot be read.
    pub async fn run(&mut self, run: RunKey) -> Result<RunRecord, StoreError> {
        let mut found = self.select("WHERE r.id = ?1", |query| query.bind(run)).await?;
        found.pop().ok_or(StoreError::NoSuchRun { key: run.0 })
    }

    /// The runs that a user may mean: those of this name; else, for `experiment/name`, that one; else those whose content
    /// id begins with these hex digits, four at least.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn find_runs(&mut self, wanted: &str) -> Result<Vec<RunRecord>, StoreError> {
        let named = self.select("WHERE r.name = ?1", |query| query.bind(wanted.to_owned())).await?;
        if !named.is_empty() {
            return Ok(named);
        }
        if let Some((experiment, name)) = wanted.split_once('/') {
            let (experiment, name) = (experiment.to_owned(), name.to_owned());
            let filter = "WHERE e.name = ?1 AND e.name = ?1 COLLATE BINARY AND r.name = ?2";
            return self.select(filter, |query| query.bind(experiment).bind(name)).await;
        }
        let digits = wanted.to_ascii_lowercase();
        if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Vec::new());
        }
        let filter = "WHERE substr(r.content_id, 1, length(?1)) = ?1";
        self.select(filter, |query| query.bind(digits)).await
    }

    /// Notes where a run's predictions lie, relative to the runs directory.
    ///
    /// # Errors
    /// [`StoreError::NoSuchRun`], or if the database cannot be written.
    pub async fn set_predictions(&mut self, run: RunKey, path: Option<&str>) -> Result<(), StoreError> {
        let action = "note the predictions of a run";
        let mut transaction = self.begin(Commit::Written).await?;
        let done = sqlx::query("UPDATE _run SET predictions = ?2 WHERE id = ?1")
            .bind(run)
            .bind(path)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
        if done.rows_affected() == 0 {
            return Err(StoreError::NoSuchRun { key: run.0 });
        }
        transaction.commit().await.map_err(sqlite(action))
    }

    async fn select(
        &mut self,
        filter: &'static str,
        bind: impl FnOnce(Binding<'static>) -> Binding<'static>,
    ) -> Result<Vec<RunRecord>, StoreError> {
        let sql = format!("{SELECT}\n{filter}\nORDER BY r.experiment_id, r.position, r.id");
        // Safe: two constants.
        let query = bind(sqlx::query(AssertSqlSafe(sql)));
        let rows = query.fetch_all(&mut self.connection).await.map_err(sqlite("read the ledger"))?;
        rows.iter()
            .map(|row| RunRow::from_row(row).map_err(sqlite("read the ledger")).and_then(RunRow::record))
            .collect()
    }
}

type Binding<'q> = Query<'q, sqlx::Sqlite, SqliteArguments>;

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
            position: whole("place in the grid", run.index)?,
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
        let place = i64::try_from(run.index).ok()?;
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
