//! Attempts: how runs move through the states of the ledger.
//!
//! A run is pending or failed, then running under an attempt, then completed, failed, or, where Gridboard has ended it,
//! pending, paused, cancelled or stopped.
//! What a dead orchestrator left running is taken back in `orphans`.

use sqlx::SqliteConnection;

use super::{
    Commit,
    cuts::{cut_to, forget_curves},
};
use crate::{
    event::Resumed,
    run::{Failure, FailureKind, RunState, Used},
    store::{
        AttemptState, ExperimentKey, RunKey, Store,
        convert::{narrow, word},
        error::{StoreError, sqlite},
        ranking::rank_by_spec,
    },
};

/// What is known of an attempt when it starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewAttempt<'a> {
    /// Counts from 1; over that of the run's last attempt.
    pub attempt: u32,
    /// Process id; 0 where it could not be started.
    pub pid: u32,
    /// Start of the process, in clock ticks since the boot, where it is known.
    pub pid_start: Option<u64>,
    /// The boot of the machine.
    pub boot_id: Option<&'a str>,
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
    /// Where it goes on with an earlier one.
    pub resumed: Option<Resumed>,
}

impl Store {
    /// Moves a pending or failed run to running. Of an attempt that goes on with an earlier one, the points before where it
    /// does stay. What else there is of curves, class metrics, confusion counts, predictions and rank of an
    /// earlier attempt is removed, so that the results of two attempts never mix. The same start once more changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotStartable`] if the run is in another state or the attempt is not newer than its last one,
    /// [`StoreError::NoSuchRun`], or if the database cannot be written.
    pub async fn start_attempt(&mut self, run: RunKey, new: NewAttempt<'_>) -> Result<(), StoreError> {
        let action = "note the start of an attempt";
        let mut transaction = self.begin(Commit::Written).await?;
        let moved = sqlx::query(
            "UPDATE _run SET state = 'running', attempts = ?2, predictions = NULL
             WHERE id = ?1 AND state IN ('pending', 'paused', 'failed') AND attempts < ?2",
        )
        .bind(run)
        .bind(new.attempt)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        if moved.rows_affected() == 0 {
            if has_begun(&mut transaction, run, new).await? {
                return Ok(());
            }
            let (name, state, attempts) = standing(&mut transaction, run).await?;
            return Err(StoreError::NotStartable { run: name, attempt: new.attempt, state, attempts });
        }
        match new.resumed {
            None => forget_curves(&mut transaction, run).await?,
            Some(resumed) => cut_to(&mut transaction, run, resumed).await?,
        }
        forget_answers(&mut transaction, run).await?;
        sqlx::query(
            "INSERT INTO _attempt (run_id, attempt, state, pid, slot, device, host, started, threads, resumed_from, pid_start, boot_id)
             VALUES (?1, ?2, 'running', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )
        .bind(run)
        .bind(new.attempt)
        .bind(new.pid)
        .bind(new.slot)
        .bind(new.device)
        .bind(new.host)
        .bind(new.time)
        .bind(new.threads)
        .bind(new.resumed.map(|resumed| resumed.epoch))
        .bind(new.pid_start.and_then(|start| i64::try_from(start).ok()))
        .bind(new.boot_id)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Notes with an attempt which epoch or step it went on with, where that is known only once it is under way.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn note_resumed(
        &mut self,
        run: RunKey,
        attempt: u32,
        from: Option<i64>,
    ) -> Result<(), StoreError> {
        let action = "note where an attempt goes on";
        let mut transaction = self.begin(Commit::Written).await?;
        sqlx::query("UPDATE _attempt SET resumed_from = ?3 WHERE run_id = ?1 AND attempt = ?2")
            .bind(run)
            .bind(attempt)
            .bind(from)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Notes where, as which job and when an attempt has begun after its time in the queue of a cluster: until then it has taken no time.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn note_begun(
        &mut self,
        run: RunKey,
        attempt: u32,
        (host, job): (&str, &str),
        time: f64,
    ) -> Result<(), StoreError> {
        let action = "note where an attempt has begun";
        let mut transaction = self.begin(Commit::Written).await?;
        sqlx::query(
            "UPDATE _attempt SET host = ?3, started = ?4, job = ?5 WHERE run_id = ?1 AND attempt = ?2",
        )
        .bind(run)
        .bind(attempt)
        .bind(host)
        .bind(time)
        .bind(job)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Forgets that the last attempt of a run was begun, which nobody has seen end: it is alive elsewhere, and begins once more
    /// under the same number. Nothing happens where it is not so.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn forget_attempt(&mut self, run: RunKey, attempt: u32) -> Result<(), StoreError> {
        let action = "forget an attempt that is alive elsewhere";
        let mut transaction = self.begin(Commit::Synced).await?;
        let forgotten = sqlx::query(
            "DELETE FROM _attempt WHERE run_id = ?1 AND attempt = ?2 AND state = 'lost' AND finished IS NULL
             AND EXISTS (SELECT 1 FROM _run WHERE id = ?1 AND state = 'pending' AND attempts = ?2)",
        )
        .bind(run)
        .bind(attempt)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        if forgotten.rows_affected() > 0 {
            sqlx::query("UPDATE _run SET attempts = ?2 - 1 WHERE id = ?1")
                .bind(run)
                .bind(attempt)
                .execute(&mut *transaction)
                .await
                .map_err(sqlite(action))?;
        }
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Moves completed runs of an experiment back to pending, without results: their files are gone.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn owe_again(&mut self, experiment: ExperimentKey, runs: &[RunKey]) -> Result<(), StoreError> {
        let action = "take back completed runs";
        if runs.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin(Commit::Synced).await?;
        for run in runs {
            sqlx::query(
                "UPDATE _run SET state = 'pending', predictions = NULL WHERE id = ?1 AND state = 'completed'",
            )
            .bind(run)
            .execute(&mut *transaction)
            .await
            .map_err(sqlite(action))?;
            forget_curves(&mut transaction, *run).await?;
            forget_answers(&mut transaction, *run).await?;
        }
        rank_by_spec(&mut transaction, experiment).await?;
        transaction.commit().await.map_err(sqlite(action))
    }

    /// Ends the living attempt of a run. The run is then `completed`, `failed` with a failure, or `pending`, `paused`,
    /// `cancelled` or `stopped` where Gridboard has ended it. `now` is in seconds since 1970. Synced to the disk. The same end once more changes nothing.
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
            (RunState::Failed | RunState::Cancelled, Some(failure)) => match failure.kind {
                FailureKind::Lost => AttemptState::Lost,
                _ => AttemptState::Failed,
            },
            (RunState::Pending | RunState::Paused | RunState::Cancelled | RunState::Stopped, None) => {
                AttemptState::Interrupted
            }
            (state, failure) => {
                return Err(StoreError::ContradictoryEnd { attempt, state, failure: failure.is_some() });
            }
        };
        // A peak beyond 2^63 bytes is not worth an error at the end of a run.
        let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let evidence = failure.map(|failure| &failure.evidence).filter(|evidence| !evidence.is_empty());
        let evidence =
            evidence.map(|evidence| serde_json::to_string(evidence).expect("evidence is plain JSON"));
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
            if has_ended(&mut transaction, run, attempt, end, now).await? {
                return Ok(());
            }
            let (name, state, attempts) = standing(&mut transaction, run).await?;
            return Err(StoreError::NotRunning { run: name, attempt, state, attempts });
        }
        sqlx::query(
            "UPDATE _attempt SET state = ?3, finished = ?4, failure = ?5, reason = ?6, log_tail = ?7, peak_memory = ?8,
                 peak_device_memory = ?9, core_seconds = ?10, training_seconds = ?11, training_core_seconds = ?12,
                 validation_seconds = ?13, validation_core_seconds = ?14, evidence = ?15
             WHERE run_id = ?1 AND attempt = ?2",
        )
        .bind(run)
        .bind(attempt)
        .bind(end.as_str())
        .bind(now)
        .bind(failure.map(|failure| failure.kind.as_str()))
        .bind(failure.map(|failure| failure.reason.as_str()))
        .bind(failure.map(|failure| failure.log_tail.as_str()))
        .bind(used.peak_memory.map(bytes))
        .bind(used.peak_device_memory.map(bytes))
        .bind(used.core_seconds)
        .bind(used.phases.map(|phases| phases.training.seconds))
        .bind(used.phases.map(|phases| phases.training.core_seconds))
        .bind(used.phases.map(|phases| phases.validation.seconds))
        .bind(used.phases.map(|phases| phases.validation.core_seconds))
        .bind(evidence)
        .execute(&mut *transaction)
        .await
        .map_err(sqlite(action))?;
        transaction.commit().await.map_err(sqlite(action))
    }
}

/// Removes class metrics, confusion counts, statistics and rank of a run.
async fn forget_answers(connection: &mut SqliteConnection, run: RunKey) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM _class_metric WHERE run_id = ?1",
        "DELETE FROM _confusion WHERE run_id = ?1",
        "DELETE FROM _validation WHERE run_id = ?1",
        "DELETE FROM _statistic WHERE run_id = ?1",
        "DELETE FROM _ranking WHERE run_id = ?1",
    ] {
        sqlx::query(sql)
            .bind(run)
            .execute(&mut *connection)
            .await
            .map_err(sqlite("remove the results of an earlier attempt"))?;
    }
    Ok(())
}

/// Whether just this attempt is the living one of its run: its start was committed, and the answer was lost.
async fn has_begun(
    connection: &mut SqliteConnection,
    run: RunKey,
    new: NewAttempt<'_>,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM _run r JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
         WHERE r.id = ?1 AND r.state = 'running' AND a.state = 'running' AND a.attempt = ?2 AND a.pid = ?3 AND a.started = ?4)",
    )
    .bind(run)
    .bind(new.attempt)
    .bind(new.pid)
    .bind(new.time)
    .fetch_one(connection)
    .await
    .map_err(sqlite("read the ledger"))
}

/// Whether the last attempt of the run has just this end: it was committed, and the answer was lost.
async fn has_ended(
    connection: &mut SqliteConnection,
    run: RunKey,
    attempt: u32,
    end: AttemptState,
    time: f64,
) -> Result<bool, StoreError> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM _run r JOIN _attempt a ON a.run_id = r.id AND a.attempt = r.attempts
         WHERE r.id = ?1 AND a.attempt = ?2 AND a.state = ?3 AND a.finished = ?4)",
    )
    .bind(run)
    .bind(attempt)
    .bind(end.as_str())
    .bind(time)
    .fetch_one(connection)
    .await
    .map_err(sqlite("read the ledger"))
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
    let (name, state, attempts) = found.ok_or(StoreError::NoSuchRun { key: run.get() })?;
    Ok((name, word(&state)?, narrow("attempt", attempts)?))
}
