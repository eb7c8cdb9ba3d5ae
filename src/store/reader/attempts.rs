//! Attempts as they are read, and what each has used.

use std::{fmt, str::FromStr};

use sqlx_macros::FromRow;

use crate::{
    run::{AttemptEnding, Failure, FailureKind, Phases, RunState, Spent, Used},
    store::{
        ExperimentKey, Reader, RunKey,
        convert::{narrow, word},
        error::{StoreError, sqlite},
    },
};

/// The state of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Alive, as far as the orchestrator said.
    Running,
    /// Ended with results.
    Completed,
    /// Ended without.
    Failed,
    /// Ended by Gridboard, since the user wanted it.
    Interrupted,
    /// Nobody saw it end: its sweep or its supervisor was killed.
    Lost,
}

impl AttemptState {
    /// The state of an attempt with this end, or whose end nobody saw.
    pub(crate) fn of_end(end: Option<&AttemptEnding>) -> Self {
        match end.map(|end| (end.failure.as_ref().map(|failure| failure.kind), end.state)) {
            None | Some((Some(FailureKind::Lost), _)) => Self::Lost,
            Some((Some(_), _)) => Self::Failed,
            Some((None, RunState::Completed)) => Self::Completed,
            Some((None, _)) => Self::Interrupted,
        }
    }

    /// The word for the database and the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for AttemptState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AttemptState {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        [Self::Running, Self::Completed, Self::Failed, Self::Interrupted, Self::Lost]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| format!("the attempt state `{word}`"))
    }
}

/// An attempt in the database.
#[derive(Clone, Debug, PartialEq)]
pub struct AttemptRecord {
    /// Counts from 1.
    pub attempt: u32,
    /// Its state.
    pub state: AttemptState,
    /// Process id.
    pub pid: u32,
    /// Start of the process, in clock ticks since the boot of its machine; not known of attempts of version 0.1.0.
    pub pid_start: Option<u64>,
    /// The boot of its machine that it ran in; not known of attempts of version 0.1.0.
    pub boot_id: Option<String>,
    /// Label of the slot.
    pub slot: String,
    /// Id of the device.
    pub device: String,
    /// The machine's name.
    pub host: String,
    /// What a cluster calls its job; `None` on this machine, and before it has begun.
    pub job: Option<String>,
    /// Seconds since 1970.
    pub started: f64,
    /// Seconds since 1970; `None` while it runs, and where nobody saw it end.
    pub finished: Option<f64>,
    /// Why, where it failed.
    pub failure: Option<Failure>,
    /// What is wrong with its event files or predictions: its results may not be whole.
    pub problem: Option<String>,
    /// The epoch or step that it went on with; `None` where it began anew.
    pub resumed_from: Option<i64>,
    /// Threads that it might use; not known of attempts of version 0.1.0.
    pub threads: Option<u32>,
    /// What it has used of the machine.
    pub used: Used,
}

#[derive(FromRow)]
struct AttemptRow {
    attempt: i64,
    state: String,
    pid: i64,
    pid_start: Option<i64>,
    boot_id: Option<String>,
    slot: String,
    device: String,
    host: String,
    job: Option<String>,
    started: f64,
    finished: Option<f64>,
    #[sqlx(flatten)]
    failure: FailureRow,
    problem: Option<String>,
    resumed_from: Option<i64>,
    threads: Option<i64>,
    #[sqlx(flatten)]
    used: UsedRow,
}

/// The columns of [`Failure`].
#[derive(FromRow)]
pub(super) struct FailureRow {
    failure: Option<String>,
    reason: Option<String>,
    log_tail: Option<String>,
    evidence: Option<String>,
}

impl FailureRow {
    /// The failure of an attempt; `None` where it has not failed.
    pub(super) fn failure(self) -> Result<Option<Failure>, StoreError> {
        let (Some(kind), Some(reason)) = (self.failure, self.reason) else { return Ok(None) };
        // What is not understood is of a newer program.
        let evidence = self.evidence.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let log_tail = self.log_tail.unwrap_or_default();
        Ok(Some(Failure { kind: word(&kind)?, reason, log_tail, evidence }))
    }
}

/// The columns of [`Used`].
#[derive(FromRow)]
pub(super) struct UsedRow {
    peak_memory: Option<i64>,
    peak_device_memory: Option<i64>,
    core_seconds: Option<f64>,
    training_seconds: Option<f64>,
    training_core_seconds: Option<f64>,
    validation_seconds: Option<f64>,
    validation_core_seconds: Option<f64>,
}

impl UsedRow {
    pub(super) fn used(self) -> Result<Used, StoreError> {
        let spent = |seconds: Option<f64>, core_seconds: Option<f64>| {
            Some(Spent { seconds: seconds?, core_seconds: core_seconds? })
        };
        let training = spent(self.training_seconds, self.training_core_seconds);
        let validation = spent(self.validation_seconds, self.validation_core_seconds);
        let bytes = |bytes: Option<i64>| bytes.map(|bytes| narrow("peak memory", bytes)).transpose();
        Ok(Used {
            peak_memory: bytes(self.peak_memory)?,
            peak_device_memory: bytes(self.peak_device_memory)?,
            core_seconds: self.core_seconds,
            phases: training.zip(validation).map(|(training, validation)| Phases { training, validation }),
        })
    }
}

impl AttemptRow {
    fn record(self) -> Result<AttemptRecord, StoreError> {
        Ok(AttemptRecord {
            attempt: narrow("attempt", self.attempt)?,
            state: word(&self.state)?,
            pid: narrow("process id", self.pid)?,
            pid_start: self.pid_start.map(|start| narrow("start of a process", start)).transpose()?,
            boot_id: self.boot_id,
            slot: self.slot,
            device: self.device,
            host: self.host,
            job: self.job,
            started: self.started,
            finished: self.finished,
            failure: self.failure.failure()?,
            problem: self.problem,
            resumed_from: self.resumed_from,
            threads: self.threads.map(|threads| narrow("number of threads", threads)).transpose()?,
            used: self.used.used()?,
        })
    }
}

impl Reader {
    /// Of each attempt of an experiment that was seen to end: the id of its device, start and end, seconds since 1970.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn attempt_times(
        &mut self,
        experiment: ExperimentKey,
    ) -> Result<Vec<(String, f64, f64)>, StoreError> {
        sqlx::query_as(
            "SELECT a.device, a.started, a.finished FROM _run r JOIN _attempt a ON a.run_id = r.id
             WHERE r.experiment_id = ?1 AND a.finished IS NOT NULL",
        )
        .bind(experiment)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the times of attempts"))
    }

    /// Of each run of an experiment that has completed in one attempt, on a slot whose label begins with `slots`, with so many
    /// threads: the run, the device, and how long it took, seconds.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub(crate) async fn whole_runs(
        &mut self,
        experiment: ExperimentKey,
        slots: &str,
        threads: u32,
    ) -> Result<Vec<(RunKey, String, f64)>, StoreError> {
        let rows: Vec<(i64, String, f64)> = sqlx::query_as(
            "SELECT a.run_id, a.device, a.finished - a.started FROM _run r JOIN _attempt a ON a.run_id = r.id
             WHERE r.experiment_id = ?1 AND r.state = 'completed' AND r.attempts = 1 AND a.finished IS NOT NULL
               AND a.resumed_from IS NULL AND a.threads = ?3 AND substr(a.slot, 1, length(?2)) = ?2",
        )
        .bind(experiment)
        .bind(slots)
        .bind(threads)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read how long runs took"))?;
        Ok(rows.into_iter().map(|(run, device, seconds)| (RunKey::new(run), device, seconds)).collect())
    }

    /// All attempts of a run, the first one first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn attempts(&mut self, run: RunKey) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows: Vec<AttemptRow> = sqlx::query_as(
            "SELECT attempt, state, pid, pid_start, boot_id, slot, device, host, job, started, finished, failure, reason, log_tail, evidence, problem, resumed_from, threads, peak_memory,
                    peak_device_memory, core_seconds, training_seconds, training_core_seconds, validation_seconds, validation_core_seconds
             FROM _attempt WHERE run_id = ?1 ORDER BY attempt",
        )
        .bind(run)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the attempts of a run"))?;
        rows.into_iter().map(AttemptRow::record).collect()
    }
}
