//! The ledger's task: takes what waits and writes it, entry by entry, whatever that takes.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{AttemptEnd, Entry, LedgerState, Waiting};
use crate::{
    base::{
        error::with_causes,
        files::{FileError, sync_written},
        process,
        program::host,
    },
    follow::read_run,
    run::{ExperimentDir, Handle, RunDir, RunState},
    store::{ExperimentKey, NewAttempt, RunKey, Store, StoreError},
};

/// How often ranks are written while runs end: often enough for an onlooker, rarely enough to cost nothing.
const RANKING: Duration = Duration::from_secs(2);
/// Pauses between two tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long SQLite itself waits for a lock before the wait is told.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where entries go.
enum Database {
    /// The runs database; `broken` after an error that may have left the connection in the middle of something.
    Store { experiment: ExperimentKey, keys: Vec<RunKey>, dir: ExperimentDir, store: Store, broken: bool },
    /// Notes what it is given, and fails as it is told to.
    #[cfg(test)]
    Fake(super::tests::Fake),
}

/// What the task writes.
pub(super) struct Books {
    database: Database,
    ranked: Instant,
}

/// The task.
pub(super) async fn keep(
    mut books: Books,
    mut entries: mpsc::UnboundedReceiver<Entry>,
    waiting: Arc<Waiting>,
    state: watch::Sender<LedgerState>,
    room: usize,
) -> Result<(), StoreError> {
    while let Some(mut entry) = entries.recv().await {
        if let Entry::Reread { run, attempt, dir } = entry {
            waiting.is_read_now(run, attempt);
            let poll = tokio::task::spawn_blocking(move || read_run(&dir)).await.unwrap_or_default();
            entry = Entry::Curves { run, points: poll.scalars };
        } else if let Entry::Points { points, .. } = &entry {
            waiting.points.fetch_sub(points.len(), Ordering::Relaxed);
        }
        until_written(&mut books, Some(&entry), &state).await?;
        let left = waiting.entries.fetch_sub(1, Ordering::Relaxed) - 1;
        if left + 1 == room {
            // Somebody may wait for it.
            state.send_modify(|_| {});
        }
        if matches!(entry, Entry::End(_)) && books.ranked.elapsed() > RANKING {
            books.ranked = Instant::now();
            // Where it fails, it is made again: at the next end, or below.
            let _ = books.rank().await;
        }
    }
    until_written(&mut books, None, &state).await
}

/// Writes an entry, or the ranks where there is none, whatever it takes.
async fn until_written(
    books: &mut Books,
    entry: Option<&Entry>,
    state: &watch::Sender<LedgerState>,
) -> Result<(), StoreError> {
    let mut pause = PAUSES.0;
    let mut again = false;
    loop {
        let written = match entry {
            Some(entry) => books.write(entry, again).await,
            None => books.rank().await,
        };
        match written {
            Ok(()) => {
                if again {
                    state.send_modify(|state| state.trouble = None);
                }
                return Ok(());
            }
            Err(error) if error.passes() => {
                if !again {
                    state.send_modify(|state| state.trouble = Some(with_causes(&error)));
                }
                again = true;
                books.failed(&error);
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(PAUSES.1);
            }
            Err(error) => {
                let error = books.cause_of(error).await;
                state.send_modify(|state| {
                    *state = LedgerState { trouble: Some(with_causes(&error)), broken: true };
                });
                return Err(error);
            }
        }
    }
}

/// Syncs `outcome.json`, which the sweep writes without that where the trainer has left none.
async fn sync_outcome(dir: RunDir) -> Result<(), StoreError> {
    let synced = tokio::task::spawn_blocking(move || sync_written(&dir.outcome())).await;
    synced.unwrap_or(Ok(())).map_err(|FileError { path, source, .. }| StoreError::Sync { path, source })
}

impl Books {
    /// Opens the runs database once more.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(super) async fn open(
        runs_dir: &Path,
        experiment: ExperimentKey,
        keys: Vec<RunKey>,
        dir: ExperimentDir,
    ) -> Result<Self, StoreError> {
        let mut store = Store::open(runs_dir).await?;
        store.set_patience(PATIENCE).await?;
        let database = Database::Store { experiment, keys, dir, store, broken: false };
        Ok(Self { database, ranked: Instant::now() })
    }

    #[cfg(test)]
    pub(super) fn fake(fake: super::tests::Fake) -> Self {
        Self { database: Database::Fake(fake), ranked: Instant::now() }
    }

    /// Writes an entry. `again` says that it was tried before, and may have been written for all that is known.
    async fn write(&mut self, entry: &Entry, again: bool) -> Result<(), StoreError> {
        self.mend().await?;
        let (store, keys, dir) = match &mut self.database {
            Database::Store { store, keys, dir, .. } => (store, keys, dir),
            #[cfg(test)]
            Database::Fake(fake) => return fake.write(entry),
        };
        let key = |run: u64| keys[crate::sweep::index(run)];
        match entry {
            Entry::Start(attempt) => {
                let new = NewAttempt {
                    attempt: attempt.number,
                    pid: attempt.handle.as_ref().and_then(Handle::pid).unwrap_or(0),
                    pid_start: attempt.pid_start,
                    boot_id: process::boot_id(),
                    slot: &attempt.slot,
                    device: &attempt.device,
                    threads: attempt.threads,
                    host: host(),
                    time: attempt.started,
                    resumed: attempt.resumed,
                };
                match store.start_attempt(key(attempt.run), new).await {
                    Err(StoreError::NotStartable { state: RunState::Running, attempts, .. })
                        if again && attempts == attempt.number =>
                    {
                        Ok(())
                    }
                    written => written,
                }
            }
            Entry::Points { run, points } => store.append_scalars(key(*run), points).await,
            Entry::Cuts { run, cuts } => store.cut_curves(key(*run), cuts).await,
            Entry::Resumed { run, attempt, from } => store.note_resumed(key(*run), *attempt, *from).await,
            Entry::Problem { run, attempt, text } => store.note_problem(key(*run), *attempt, text).await,
            Entry::Curves { run, points } => {
                store.clear_curves(key(*run)).await?;
                store.append_scalars(key(*run), points).await
            }
            Entry::Reread { .. } => Ok(()),
            Entry::Move { run, state } => store.move_run(key(*run), *state).await,
            Entry::End(end) => {
                let AttemptEnd { attempt, state, failure, time, used, answers } = &**end;
                let (run, failure) = (key(attempt.run), failure.as_ref());
                // What the ledger calls ended is on the disk.
                sync_outcome(dir.run(&attempt.name)).await?;
                if let Some(answers) = answers {
                    answers.keep(store, run).await?;
                }
                // For the ledger a run that is tried again has failed until it is: should this process die now, it is owed.
                let waits = matches!(state, RunState::Pending | RunState::Paused);
                let state = if failure.is_some() && waits { RunState::Failed } else { *state };
                match store.finish_attempt(run, attempt.number, state, failure, *time, *used).await {
                    Err(StoreError::NotRunning { state: found, attempts, .. })
                        if again && (found, attempts) == (state, attempt.number) =>
                    {
                        Ok(())
                    }
                    written => written,
                }
            }
        }
    }

    async fn rank(&mut self) -> Result<(), StoreError> {
        self.mend().await?;
        match &mut self.database {
            Database::Store { experiment, store, .. } => store.set_ranks(*experiment).await,
            #[cfg(test)]
            Database::Fake(fake) => fake.rank(),
        }
    }

    /// What is behind an error that does not pass.
    async fn cause_of(&mut self, error: StoreError) -> StoreError {
        match &mut self.database {
            Database::Store { store, .. } => store.cause_of(error).await,
            #[cfg(test)]
            Database::Fake(_) => error,
        }
    }

    /// Notes that an error other than a lock may have left the connection in the middle of a transaction.
    fn failed(&mut self, error: &StoreError) {
        match &mut self.database {
            Database::Store { broken, .. } => *broken |= !error.is_lock(),
            #[cfg(test)]
            Database::Fake(_) => {}
        }
    }

    /// Opens the database once more, where that is needed: the same one, and never a new one in its place.
    async fn mend(&mut self) -> Result<(), StoreError> {
        match &mut self.database {
            Database::Store { store, broken, .. } if *broken => {
                store.reconnect().await?;
                *broken = false;
            }
            Database::Store { .. } => {}
            #[cfg(test)]
            Database::Fake(_) => {}
        }
        Ok(())
    }
}
