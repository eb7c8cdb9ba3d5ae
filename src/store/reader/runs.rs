//! The ledger as it is read: runs with their last attempt, in the order of the grid or by what a user calls them.

use serde_json::json;
use sqlx::{AssertSqlSafe, FromRow as _, query::Query, sqlite::SqliteArguments};
use sqlx_macros::FromRow;

use super::attempts::{FailureRow, UsedRow};
use crate::{
    run::{Failure, RunIndex, RunSpec, RunState, Used},
    spec::{FAMILY_AXIS, Family, Value},
    store::{
        ExperimentKey, Reader, RunKey,
        convert::{from_json, narrow, word},
        error::{StoreError, sqlite},
    },
};

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
    /// What a cluster calls the job of the last attempt.
    pub job: Option<String>,
    /// Why the last attempt failed, where it did.
    pub failure: Option<Failure>,
    /// What is wrong with what the last attempt has left: its results may not be whole.
    pub problem: Option<String>,
    /// What the last attempt has used of the machine.
    pub used: Used,
    /// File of the validation set's predictions, relative to the runs directory.
    pub predictions: Option<String>,
    /// When the last point of its curves was written, seconds since 1970.
    pub last_point: Option<f64>,
    /// What users say of it.
    pub tags: Vec<String>,
    /// A text of theirs about it.
    pub note: Option<String>,
    /// Whether listings leave it out.
    pub archived: bool,
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
       r.parameters, r.seed, r.state, r.attempts, r.predictions, r.tags, r.note, r.archived,
       a.started, a.finished, NULLIF(a.slot, '') AS slot, NULLIF(a.device, '') AS device, NULLIF(a.host, '') AS host, a.job, a.failure, a.reason, a.problem, a.log_tail, a.evidence, a.peak_memory, a.peak_device_memory,
       a.core_seconds, a.training_seconds, a.training_core_seconds, a.validation_seconds, a.validation_core_seconds,
       (SELECT max(s.wall_time) FROM _latest l
        CROSS JOIN _scalar s ON s.run_id = l.run_id AND s.tag_id = l.tag_id AND s.step = l.step WHERE l.run_id = r.id) AS last_point
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
    tags: String,
    note: Option<String>,
    archived: bool,
    last_point: Option<f64>,
    started: Option<f64>,
    finished: Option<f64>,
    slot: Option<String>,
    device: Option<String>,
    host: Option<String>,
    job: Option<String>,
    #[sqlx(flatten)]
    failure: FailureRow,
    problem: Option<String>,
    #[sqlx(flatten)]
    used: UsedRow,
}

impl RunRow {
    fn record(self) -> Result<RunRecord, StoreError> {
        let names: Vec<String> = from_json("the axes of an experiment", &self.axes)?;
        let values: Vec<Option<Value>> = from_json("the grid point of a run", &self.axis_values)?;
        let axes: Vec<(String, Value)> =
            names.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect();
        Ok(RunRecord {
            key: RunKey::new(self.id),
            experiment: self.experiment,
            spec: RunSpec {
                index: RunIndex::new(narrow("position", self.position)?),
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
            job: self.job,
            failure: self.failure.failure()?,
            problem: self.problem,
            used: self.used.used()?,
            predictions: self.predictions,
            last_point: self.last_point,
            tags: from_json("the tags of a run", &self.tags)?,
            note: self.note,
            archived: self.archived,
        })
    }
}

/// The trainer of a run: its value of the axis that sweeps it, else the experiment's.
fn family(fixed: &Option<String>, axes: &[(String, Value)]) -> Result<Family, StoreError> {
    let swept = axes.iter().find(|(axis, _)| axis == FAMILY_AXIS).map(|(_, value)| value.to_string());
    // A `command` cannot have such an axis, so no word of its own is taken for a family.
    from_json("the family of a run", &json!(swept.as_ref().or(fixed.as_ref())).to_string())
}

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

impl Reader {
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
        found.pop().ok_or(StoreError::NoSuchRun { key: run.get() })
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

    /// The runs of all experiments with this content id.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn runs_of_id(&mut self, id: &str) -> Result<Vec<RunRecord>, StoreError> {
        let id = id.to_owned();
        self.select("WHERE r.content_id = ?1", |query| query.bind(id)).await
    }

    /// Experiment and name of every run.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn run_names(&mut self) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as(
            "SELECT e.name, r.name FROM _run r JOIN _experiment e ON e.id = r.experiment_id ORDER BY e.id, r.position",
        )
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the ledger"))
    }

    /// Content id and name of every run of an experiment, in the order of the grid.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn run_ids(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<Vec<(String, String)>, StoreError> {
        sqlx::query_as("SELECT content_id, name FROM _run WHERE experiment_id = ?1 ORDER BY position, id")
            .bind(experiment)
            .fetch_all(&mut self.connection)
            .await
            .map_err(sqlite("read the ledger"))
    }

    /// Content id and key of every run of an experiment.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn run_keys(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<Vec<(String, RunKey)>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT content_id, id FROM _run WHERE experiment_id = ?1")
                .bind(experiment)
                .fetch_all(&mut self.connection)
                .await
                .map_err(sqlite("read the ledger"))?;
        Ok(rows.into_iter().map(|(content_id, id)| (content_id, RunKey::new(id))).collect())
    }

    /// The completed runs of an experiment, by key and name, in the order of the grid.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn completed(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<Vec<(RunKey, String)>, StoreError> {
        let rows: Vec<(i64, String)> = sqlx::query_as(
            "SELECT id, name FROM _run WHERE experiment_id = ?1 AND state = 'completed' ORDER BY position",
        )
        .bind(experiment)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the ledger"))?;
        Ok(rows.into_iter().map(|(id, name)| (RunKey::new(id), name)).collect())
    }

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
        let untaken = |(id, name, predictions)| Untaken { run: RunKey::new(id), name, predictions };
        Ok(rows.into_iter().map(untaken).collect())
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
