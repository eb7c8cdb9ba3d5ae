//! Attempts: how runs move through the states of the ledger.
//!
//! A run is pending or failed, then running under an attempt, then completed, failed, or pending again after an
//! interrupt. Whether an attempt's process is alive is for the caller to know.

use std::{fmt, str::FromStr};

use sqlx::{FromRow, SqliteConnection};

use crate::run::{Failure, Phases, RunState, Spent, Used};

use super::{
    Commit, ExperimentKey, RunKey, Store,
    error::{StoreError, sqlite},
    narrow, word,
};

/// What is known of an attempt when it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewAttempt<'a> {
    /// Counts from 1; over that of the run's last attempt.
    pub attempt: u32,
    /// Process id.
    pub pid: u32,
    /// Label of the slot: `cpu/0`, `cuda:0/1`.
    pub slot: &'a str,
    /// Id of the device: `cpu` or a UUID.
    pub device: &'a str,
    /// Threads that it may use.
    pub threads: u32,
    /// The machine's name.
    pub host: &'a str,
    /// Seconds since 1970.
    pub time: f64,
}

/// The state of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptState {
    /// Alive, as far as the orchestrator said.
    Running,
    /// Ended with results.
    Completed,
    /// Ended without.
    Failed,
    /// Stopped by the user, or lost with its orchestrator; its run is owed again.
    Interrupted,
}

impl AttemptState {
    /// The word for the database and the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
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
        [Self::Running, Self::Completed, Self::Failed, Self::Interrupted]
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
    /// Label of the slot.
    pub slot: String,
    /// Id of the device.
    pub device: String,
    /// The machine's name.
    pub host: String,
    /// Seconds since 1970.
    pub started: f64,
    /// Seconds since 1970; `None` while it runs, and where nobody saw it end.
    pub finished: Option<f64>,
    /// Why, where it failed.
    pub failure: Option<Failure>,
    /// Threads that it might use; not known of attempts of version 0.1.0.
    pub threads: Option<u32>,
    /// What it has used of the machine.
    pub used: Used,
}

/// An attempt that a dead orchestrator left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// The run.
    pub run: RunKey,
    /// The run's name.
    pub name: String,
    /// The attempt.
    pub attempt: u32,
    /// Its process, should it be alive.
    pub pid: u32,
    /// The machine of the process.
    pub host: String,
}

#[derive(FromRow)]
struct AttemptRow {
    attempt: i64,
    state: String,
    pid: i64,
    slot: String,
    device: String,
    host: String,
    started: f64,
    finished: Option<f64>,
    failure: Option<String>,
    reason: Option<String>,
    log_tail: Option<String>,
    threads: Option<i64>,
    #[sqlx(flatten)]
    used: UsedRow,
}

/// The columns of [`Used`].
#[derive(FromRow)]
pub(super) struct UsedRow {
    peak_memory: Option<i64>,
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
        Ok(Used {
            peak_memory: self.peak_memory.map(|bytes| narrow("peak memory", bytes)).transpose()?,
            peak_device_memory: None,
            core_seconds: self.core_seconds,
            phases: training.zip(validation).map(|(training, validation)| Phases { training, validation }),
        })
    }
}

impl AttemptRow {
    fn record(self) -> Result<AttemptRecord, StoreError> {
        let failure = match (self.failure, self.reason) {
            (Some(kind), Some(reason)) => {
                Some(Failure { kind: word(&kind)?, reason, log_tail: self.log_tail.unwrap_or_default() })
            }
            _ => None,
        };
        Ok(AttemptRecord {
            attempt: narrow("attempt", self.attempt)?,
            state: word(&self.state)?,
            pid: narrow("process id", self.pid)?,
            slot: self.slot,
            device: self.device,
            host: self.host,
            started: self.started,
            finished: self.finished,
            failure,
            threads: self.threads.map(|threads| narrow("number of threads", threads)).transpose()?,
            used: self.used.used()?,
        })
    }
}

impl Store {
    /// Moves a pending or failed run to running. Curves, class metrics, confusion counts, predictions and rank of an
    /// earlier attempt are removed, so that the results of two attempts never mix.
    ///
    /// # Errors
    /// [`StoreError::NotStartable`] if the run is in another state or the attempt is not newer than its last one,
    /// [`StoreError::NoSuchRun`], or if the database cannot be written.
    pub async fn start_attempt(&mut self, run: RunKey, new: NewAttempt<'_>) -> Result<(), StoreError> {
        let action = "note the start of an attempt";
        let mut transaction = self.begin(Commit::Written).await?;
        let moved = sqlx::query(
            "UPDATE _run SET state = 'running', attempts = ?2, predictions = NULL
             WHERE id = ?1 AND state IN ('pending', 'failed') AND attempts < ?2",
        )
        .bind(run)
        .bind(new.attempt)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        if moved.rows_affected() == 0 {
            let (name, state, attempts) = standing(&mut transaction, run).await?;
            return Err(StoreError::NotStartable { run: name, attempt: new.attempt, state, attempts });
        }
        for sql in [
            "DELETE FROM _scalar WHERE run_id = ?1",
            "DELETE FROM _latest WHERE run_id = ?1",
            "DELETE FROM _class_metric WHERE run_id = ?1",
            "DELETE FROM _confusion WHERE run_id = ?1",
            "DELETE FROM _validation WHERE run_id = ?1",
            "DELETE FROM _statistic WHERE run_id = ?1",
            "DELETE FROM _ranking WHERE run_id = ?1",
        ] {
            sqlx::query(sql).bind(run).execute(&mut *transaction).await.map_err(sqlite(action))?;
        }
        sqlx::query(
            "INSERT INTO _attempt (run_id, attempt, state, pid, slot, device, host, started, threads)
             VALUES (?1, ?2, 'running', ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(run)
        .bind(new.attempt)
        .bind(new.pid)
        .bind(new.slot)
        .bind(new.device)
        .bind(new.host)
        .bind(new.time)
        .bind(new.threads)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Ends the living attempt of a run. The run is then `completed`, `failed` with a failure, or `pending` after an
    /// interrupt. `now` is in seconds since 1970. Synced to the disk.
    ///
    /// # Errors
    /// [`StoreError::ContradictoryEnd`] if state and failure do not fit, [`StoreError::NotRunning`] if this is not the
    /// run's living attempt, [`StoreError::NoSuchRun`], or if the database cannot be written.
    pub async fn finish_attempt(
        &mut self,
        run: RunKey,
        attempt: u32,
        state: RunState,
        failure: Option<&Failure>,
        now: f64,
        used: Used,
    ) -> Result<(), StoreError> {
        let action = "note the end of an attempt";
        let end = match (state, failure) {
            (RunState::Completed, None) => AttemptState::Completed,
            (RunState::Failed, Some(_)) => AttemptState::Failed,
            (RunState::Pending, None) => AttemptState::Interrupted,
            (state, failure) => {
                return Err(StoreError::ContradictoryEnd { attempt, state, failure: failure.is_some() });
            }
        };
        let mut transaction = self.begin(Commit::Synced).await?;
        let moved =
            sqlx::query("UPDATE _run SET state = ?3 WHERE id = ?1 AND state = 'running' AND attempts = ?2")
                .bind(run)
                .bind(attempt)
                .bind(state.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(sqlite(action))?;
        if moved.rows_affected() == 0 {
            let (name, state, attempts) = standing(&mut transaction, run).await?;
            return Err(StoreError::NotRunning { run: name, attempt, state, attempts });
        }
        sqlx::query(
            "UPDATE _attempt SET state = ?3, finished = ?4, failure = ?5, reason = ?6, log_tail = ?7, peak_memory = ?8,
                 core_seconds = ?9, training_seconds = ?10, training_core_seconds = ?11,
                 validation_seconds = ?12, validation_core_seconds = ?13
             WHERE run_id = ?1 AND attempt = ?2",
        )
        .bind(run)
        .bind(attempt)
        .bind(end.as_str())
        .bind(now)
        .bind(failure.map(|failure| failure.kind.as_str()))
        .bind(failure.map(|failure| failure.reason.as_str()))
        .bind(failure.map(|failure| failure.log_tail.as_str()))
        // A peak beyond 2^63 bytes is not worth an error at the end of a run.
        .bind(used.peak_memory.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)))
        .bind(used.core_seconds)
        .bind(used.phases.map(|phases| phases.training.seconds))
        .bind(used.phases.map(|phases| phases.training.core_seconds))
        .bind(used.phases.map(|phases| phases.validation.seconds))
        .bind(used.phases.map(|phases| phases.validation.core_seconds))
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Moves the runs that a dead orchestrator left running back to pending, closes their attempts as interrupted, and
    /// returns them in the order of the grid. Only for the one orchestrator of the experiment, before it starts runs.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn reset_orphans(&mut self, experiment: ExperimentKey) -> Result<Vec<Orphan>, StoreError> {
        let action = "take back the runs of an interrupted sweep";
        let mut transaction = self.begin(Commit::Synced).await?;
        let rows: Vec<(i64, String, i64, i64, String)> = sqlx::query_as(
            "SELECT r.id, r.name, a.attempt, a.pid, a.host
             FROM _run r JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
             WHERE r.experiment_id = ?1 AND r.state = 'running' ORDER BY r.position, r.id",
        )
        .bind(experiment)
        .fetch_all(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        for sql in [
            "UPDATE _attempt SET state = 'interrupted' WHERE state = 'running'
             AND run_id IN (SELECT id FROM _run WHERE experiment_id = ?1 AND state = 'running')",
            "UPDATE _run SET state = 'pending' WHERE experiment_id = ?1 AND state = 'running'",
        ] {
            sqlx::query(sql).bind(experiment).execute(&mut *transaction).await.map_err(sqlite(action))?;
        }
        transaction.commit().await.map_err(sqlite(action))?;
        rows.into_iter()
            .map(|(run, name, attempt, pid, host)| {
                Ok(Orphan {
                    run: RunKey(run),
                    name,
                    attempt: narrow("attempt", attempt)?,
                    pid: narrow("process id", pid)?,
                    host,
                })
            })
            .collect()
    }

    /// All attempts of a run, the first one first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn attempts(&mut self, run: RunKey) -> Result<Vec<AttemptRecord>, StoreError> {
        let rows: Vec<AttemptRow> = sqlx::query_as(
            "SELECT attempt, state, pid, slot, device, host, started, finished, failure, reason, log_tail, threads, peak_memory,
                    core_seconds, training_seconds, training_core_seconds, validation_seconds, validation_core_seconds
             FROM _attempt WHERE run_id = ?1 ORDER BY attempt",
        )
        .bind(run)
        .fetch_all(&mut self.connection)
        .await
        .map_err(sqlite("read the attempts of a run"))?;
        rows.into_iter().map(AttemptRow::record).collect()
    }
}

/// A run's name, state and number of attempts, for the message of a refusal.
async fn standing(
    connection: &mut SqliteConnection,
    run: RunKey,
) -> Result<(String, RunState, u32), StoreError> {
    let found: Option<(String, String, i64)> =
        sqlx::query_as("SELECT name, state, attempts FROM _run WHERE id = ?1")
            .bind(run)
            .fetch_optional(connection)
            .await
            .map_err(sqlite("read the ledger"))?;
    let (name, state, attempts) = found.ok_or(StoreError::NoSuchRun { key: run.0 })?;
    Ok((name, word(&state)?, narrow("attempt", attempts)?))
}
