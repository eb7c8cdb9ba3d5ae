//! Everything of an experiment's runs at once, into a database that nobody else knows yet: how one is made anew from folders.
//!
//! Nothing is synced and nothing can be taken back: a load that fails is thrown away with its file. Rows come in the order of
//! the tables' keys, which is what SQLite is quickest with. Curves come bound, so that this has nothing to do but to write.

use sqlx::{AssertSqlSafe, Sqlite, Transaction, raw_sql};

use super::{
    Commit,
    bound::{Binder, BoundCurves},
    confusion::put_confusion,
    decisions,
    removal::clear_run,
};
use crate::{
    metrics::ConfusionMatrix,
    predictions::Hits,
    run::{FailureKind, LoggedAttempt, RunState},
    store::{
        AttemptState, RunKey, Store,
        connection::may_write_ahead,
        error::{StoreError, sqlite},
        live,
    },
};

/// Kind and reason of an attempt whose end nobody saw.
const LOST: (&str, &str) = (FailureKind::Lost.as_str(), live::REASON);

const ACTION: &str = "load runs into the runs database";

/// What a load takes of a run.
#[derive(Debug)]
pub struct LoadedRun<'a> {
    /// Its row.
    pub key: RunKey,
    /// What it is after its last attempt.
    pub state: RunState,
    /// Its attempts, the first one first.
    pub attempts: &'a [LoggedAttempt],
}

/// What a load takes of a run's predictions.
#[derive(Clone, Copy, Debug)]
pub struct LoadedAnswers<'a> {
    /// What they count.
    pub matrix: &'a ConfusionMatrix,
    /// Names of the classes, in index order.
    pub classes: &'a [String],
    /// Which images are right.
    pub hits: Option<&'a Hits>,
    /// Area under the ROC curve.
    pub auc: Option<f64>,
    /// The file, relative to the runs directory.
    pub file: &'a str,
}

/// A load that is under way.
#[derive(Debug)]
pub struct Bulk<'a> {
    transaction: Transaction<'a, Sqlite>,
}

impl Store {
    /// Makes the database quick to fill and unsafe to lose power with: for one that is thrown away where it is not finished.
    ///
    /// # Errors
    /// If SQLite refuses.
    pub async fn be_loaded(&mut self) -> Result<(), StoreError> {
        raw_sql(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -131072;
                 PRAGMA locking_mode = EXCLUSIVE",
        )
        .execute(&mut self.reader.connection)
        .await
        .map_err(sqlite(ACTION))?;
        self.commits = Commit::Loaded;
        Ok(())
    }

    /// Ends what [`Store::be_loaded`] began: closes the database, whole, as any other program finds it.
    ///
    /// # Errors
    /// If SQLite cannot write or close it.
    pub async fn finish_load(mut self) -> Result<(), StoreError> {
        let journal = if may_write_ahead(&self.reader.file) { "WAL" } else { "DELETE" };
        // Safe: two constants.
        let sql = AssertSqlSafe(format!("PRAGMA locking_mode = NORMAL; PRAGMA journal_mode = {journal}"));
        raw_sql(sql).execute(&mut self.reader.connection).await.map_err(sqlite(ACTION))?;
        self.close().await
    }

    /// Begins a load: what writes, and what binds curves for it, here or on another thread.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn bulk(&mut self) -> Result<(Bulk<'_>, Binder), StoreError> {
        let mut transaction = self.begin(Commit::Written).await?;
        let tags: Vec<(String, i64)> = sqlx::query_as("SELECT name, id FROM _tag")
            .fetch_all(&mut *transaction)
            .await
            .map_err(sqlite(ACTION))?;
        Ok((Bulk { transaction }, Binder::new(tags.into_iter().collect())))
    }
}

impl Bulk<'_> {
    /// Removes what is there of a run but its place in the ledger, before it is taken anew.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn clear(&mut self, run: RunKey) -> Result<(), StoreError> {
        clear_run(&mut self.transaction, run).await
    }

    /// Takes a run but its curves. Runs come in the order of their keys, each once.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn run(&mut self, run: &LoadedRun<'_>) -> Result<(), StoreError> {
        let attempts = run.attempts.last().map_or(0, |attempt| attempt.start.attempt);
        if attempts > 0 || run.state != RunState::Pending {
            sqlx::query("UPDATE _run SET state = ?2, attempts = ?3 WHERE id = ?1")
                .bind(run.key)
                .bind(run.state.as_str())
                .bind(attempts)
                .execute(&mut *self.transaction)
                .await
                .map_err(sqlite(ACTION))?;
        }
        for attempt in run.attempts {
            self.attempt(run.key, attempt).await?;
        }
        Ok(())
    }

    /// Takes curves. Those of all runs come in the order of their keys.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn curves(&mut self, curves: BoundCurves) -> Result<(), StoreError> {
        curves.write(&mut self.transaction).await
    }

    async fn attempt(&mut self, run: RunKey, attempt: &LoggedAttempt) -> Result<(), StoreError> {
        let bytes = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let LoggedAttempt { start, problem, decisions, end, .. } = attempt;
        let state = AttemptState::of_end(end.as_ref());
        let failure = end.as_ref().and_then(|end| end.failure.as_ref());
        let evidence = failure.map(|failure| &failure.evidence).filter(|evidence| !evidence.is_empty());
        let evidence =
            evidence.map(|evidence| serde_json::to_string(evidence).expect("evidence is plain JSON"));
        let lost = (state == AttemptState::Lost && failure.is_none()).then_some(LOST);
        let kind = failure.map(|failure| failure.kind.as_str()).or(lost.map(|(kind, _)| kind));
        let reason = failure.map(|failure| failure.reason.as_str()).or(lost.map(|(_, reason)| reason));
        let used = end.as_ref().map(|end| end.used).unwrap_or_default();
        sqlx::query(
            "INSERT INTO _attempt (run_id, attempt, state, pid, pid_start, boot_id, slot, device, host, job, started, threads, resumed_from,
                 problem, finished, failure, reason, log_tail, peak_memory, peak_device_memory, core_seconds,
                 training_seconds, training_core_seconds, validation_seconds, validation_core_seconds, evidence)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(run)
        .bind(start.attempt)
        .bind(state.as_str())
        .bind(start.pid.unwrap_or(0))
        .bind(start.pid_start.and_then(|start| i64::try_from(start).ok()))
        .bind(start.boot_id.as_deref())
        .bind(start.slot.as_deref().unwrap_or_default())
        .bind(start.device.as_deref().unwrap_or_default())
        .bind(start.host.as_deref().unwrap_or_default())
        .bind(start.job.as_deref())
        .bind(start.started)
        .bind(start.threads)
        .bind(start.resumed_from)
        .bind(problem.as_deref())
        .bind(end.as_ref().map(|end| end.finished))
        .bind(kind)
        .bind(reason)
        .bind(failure.map(|failure| failure.log_tail.as_str()))
        .bind(used.peak_memory.map(bytes))
        .bind(used.peak_device_memory.map(bytes))
        .bind(used.core_seconds)
        .bind(used.phases.map(|phases| phases.training.seconds))
        .bind(used.phases.map(|phases| phases.training.core_seconds))
        .bind(used.phases.map(|phases| phases.validation.seconds))
        .bind(used.phases.map(|phases| phases.validation.core_seconds))
        .bind(evidence)
        .execute(&mut *self.transaction)
        .await
        .map_err(sqlite(ACTION))?;
        for decided in decisions {
            sqlx::query(decisions::INSERT)
                .bind(run)
                .bind(start.attempt)
                .bind(i64::try_from(decided.epochs).unwrap_or(i64::MAX))
                .bind(decided.action.as_str())
                .bind(&decided.reason)
                .execute(&mut *self.transaction)
                .await
                .map_err(sqlite(ACTION))?;
        }
        Ok(())
    }

    /// Takes what a run's predictions say.
    ///
    /// # Errors
    /// [`StoreError::ClassCount`], or if the database cannot be written.
    pub async fn answers(&mut self, run: RunKey, answers: LoadedAnswers<'_>) -> Result<(), StoreError> {
        let LoadedAnswers { matrix, classes, hits, auc, file } = answers;
        if matrix.classes() != classes.len() {
            return Err(StoreError::ClassCount { matrix: matrix.classes(), names: classes.len() });
        }
        put_confusion(&mut self.transaction, run, matrix, classes, (hits, auc)).await?;
        sqlx::query("UPDATE _run SET predictions = ?2 WHERE id = ?1")
            .bind(run)
            .bind(file)
            .execute(&mut *self.transaction)
            .await
            .map_err(sqlite(ACTION))?;
        Ok(())
    }

    /// Ends the load.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(sqlite(ACTION))
    }
}
