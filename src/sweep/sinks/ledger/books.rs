//! The ledger's task: takes what waits and writes it, entry by entry, whatever that takes.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use tokio::{
    sync::{mpsc, watch},
    time::timeout_at,
};

use super::{AttemptEnd, Entry, LedgerState, Waiting};
use crate::{
    base::{
        error::{is_shortage, with_causes},
        files::{Durability, FileError, sync_written},
        process,
        program::host,
    },
    event::Attempt,
    follow::RunFollower,
    run::{AttemptEnding, AttemptEvent, AttemptStart, ExperimentDir, Handle, RunDir, RunState},
    store::{ExperimentKey, NewAttempt, RunKey, Store, StoreError},
    sweep::board::{Board, BoardError},
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
    /// The sweep's own run in TensorBoard.
    board: Option<Board>,
    /// Whether it is behind the database.
    stale: bool,
}

/// The task.
pub(super) async fn keep(
    mut books: Books,
    mut entries: mpsc::UnboundedReceiver<Entry>,
    waiting: Arc<Waiting>,
    state: watch::Sender<LedgerState>,
    room: usize,
) -> Result<(), StoreError> {
    loop {
        let received = match books.page_due() {
            None => entries.recv().await,
            Some(due) => match timeout_at(due.into(), entries.recv()).await {
                Ok(received) => received,
                Err(_) => {
                    books.show(false, &state).await;
                    continue;
                }
            },
        };
        let Some(mut entry) = received else { break };
        if let Entry::Reread { run, attempt, dir } = entry {
            waiting.is_read_now(run, attempt);
            let poll = tokio::task::spawn_blocking(move || RunFollower::new(&dir).with_own().poll())
                .await
                .unwrap_or_default();
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
        let is_end = matches!(entry, Entry::End(_));
        books.stale |= is_end || (books.waits_for_points() && matches!(entry, Entry::Points { .. }));
        if is_end && books.ranked.elapsed() > RANKING {
            books.ranked = Instant::now();
            // Where it fails, it is made again: at the next end, or below.
            let _ = books.rank().await;
        }
        if books.page_due().is_some_and(|due| due <= Instant::now()) {
            books.show(false, &state).await;
        }
    }
    until_written(&mut books, None, &state).await?;
    books.show(true, &state).await;
    Ok(())
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
                    (state.trouble, state.broken) = (Some(with_causes(&error)), true);
                });
                return Err(error);
            }
        }
    }
}

/// Appends to the log of attempts in a run's folder, before the ledger knows of it. A folder that takes nothing, or is gone,
/// keeps no log: its run has failed for that already, or is trained again.
async fn log(dir: RunDir, event: AttemptEvent) -> Result<(), StoreError> {
    on_disk(move || dir.log_attempt(&event, Durability::Written)).await
}

/// Brings the end of an attempt to the disk: its line, and `outcome.json`, which the sweep writes without that where the trainer
/// has left none. A trainer that has emptied the folder has taken the start of the attempt with it.
async fn log_end(dir: RunDir, start: AttemptEvent, end: AttemptEvent) -> Result<(), StoreError> {
    on_disk(move || {
        if dir.path().is_dir() && !dir.attempts().exists() {
            dir.log_attempt(&start, Durability::Written)?;
        }
        dir.log_attempt(&end, Durability::Synced)
    })
    .await
}

async fn sync_outcome(dir: RunDir) -> Result<(), StoreError> {
    let synced = tokio::task::spawn_blocking(move || sync_written(&dir.outcome())).await;
    synced.unwrap_or(Ok(())).map_err(|FileError { path, source, .. }| StoreError::Sync { path, source })
}

/// Does something to a run's folder on a thread of its own: a disk may take long. What passes is an error, to be tried again.
async fn on_disk(work: impl FnOnce() -> Result<(), FileError> + Send + 'static) -> Result<(), StoreError> {
    match tokio::task::spawn_blocking(work).await.unwrap_or(Ok(())) {
        Err(FileError { path, source, .. }) if is_shortage(&source) => Err(StoreError::Sync { path, source }),
        _ => Ok(()),
    }
}

/// The start of an attempt as its folder keeps it.
fn started(attempt: &Attempt) -> AttemptEvent {
    AttemptEvent::Started(AttemptStart {
        attempt: attempt.number,
        pid: attempt.handle.as_ref().and_then(Handle::pid),
        pid_start: attempt.pid_start,
        boot_id: process::boot_id().map(str::to_owned),
        slot: Some(attempt.slot.clone()),
        device: Some(attempt.device.clone()),
        threads: Some(attempt.threads),
        host: Some(host().to_owned()),
        job: None,
        started: attempt.started,
        resumed_from: attempt.resumed.map(|resumed| resumed.epoch.into()),
    })
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
        board: Board,
    ) -> Result<Self, StoreError> {
        let mut store = Store::open(runs_dir).await?;
        store.set_patience(PATIENCE).await?;
        let database = Database::Store { experiment, keys, dir, store, broken: false };
        Ok(Self { database, ranked: Instant::now(), board: Some(board), stale: true })
    }

    #[cfg(test)]
    pub(super) fn fake(fake: super::tests::Fake) -> Self {
        Self { database: Database::Fake(fake), ranked: Instant::now(), board: None, stale: false }
    }

    /// When the page is to be brought up to date, where it is behind.
    fn page_due(&self) -> Option<Instant> {
        self.board.as_ref().filter(|_| self.stale).map(Board::due)
    }

    /// Whether the first points of a program tell the page something.
    fn waits_for_points(&self) -> bool {
        self.board.as_ref().is_some_and(Board::waits_for_points)
    }

    /// Brings the page up to date. What goes wrong is told, and stops nothing.
    async fn show(&mut self, last: bool, state: &watch::Sender<LedgerState>) {
        self.stale = false;
        let (Some(board), Database::Store { store, .. }) = (&mut self.board, &mut self.database) else {
            return;
        };
        match board.update(store, last).await {
            Ok(()) => {}
            // A lock: the next time will do.
            Err(BoardError::Store(error)) if error.passes() => self.stale = true,
            Err(error) => state.send_modify(|state| state.warning = Some(with_causes(&error))),
        }
    }

    /// Writes an entry. `again` says that it was tried before, and may have been written for all that is known.
    async fn write(&mut self, entry: &Entry, again: bool) -> Result<(), StoreError> {
        self.mend().await?;
        let (store, keys, dir, experiment) = match &mut self.database {
            Database::Store { store, keys, dir, experiment, .. } => (store, keys, dir, *experiment),
            #[cfg(test)]
            Database::Fake(fake) => return fake.write(entry),
        };
        if let Entry::Point { point, runs } = entry {
            let added = store.add_point(experiment, point, runs).await?;
            if let Some(board) = &mut self.board {
                board.add(runs, &added);
            }
            keys.extend(added);
            return Ok(());
        }
        let key = |run: u64| keys[crate::sweep::index(run)];
        match entry {
            Entry::Start(attempt) => {
                log(dir.run(&attempt.name), started(attempt)).await?;
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
            Entry::Began { attempt, host, job, time } => {
                let (run, number) = (key(attempt.run), attempt.number);
                let (host, job, time) = (host.clone(), job.clone(), *time);
                let event =
                    AttemptEvent::Began { attempt: number, host: host.clone(), job: job.clone(), time };
                log(dir.run(&attempt.name), event).await?;
                store.note_begun(run, number, (&host, &job), time).await
            }
            Entry::Points { run, points } => store.append_scalars(key(*run), points).await,
            Entry::Cuts { run, cuts } => store.cut_curves(key(*run), cuts).await,
            Entry::Resumed { attempt, from } => {
                let (run, number) = (key(attempt.run), attempt.number);
                log(dir.run(&attempt.name), AttemptEvent::Resumed { attempt: number, from: *from }).await?;
                store.note_resumed(run, number, *from).await
            }
            Entry::Problem { attempt, text } => {
                let (run, number) = (key(attempt.run), attempt.number);
                let event = AttemptEvent::Problem { attempt: number, text: text.clone() };
                log(dir.run(&attempt.name), event).await?;
                store.note_problem(run, number, text).await
            }
            Entry::Curves { run, points } => {
                store.clear_curves(key(*run)).await?;
                store.append_scalars(key(*run), points).await
            }
            Entry::Reread { .. } | Entry::Point { .. } => Ok(()),
            Entry::Decided { run, name, attempt, decided } => {
                let event = AttemptEvent::Decided { attempt: *attempt, decided: decided.clone() };
                log(dir.run(name), event).await?;
                store.note_decision(key(*run), *attempt, decided).await
            }
            Entry::Stop { run, name, attempt } => {
                log(dir.run(name), AttemptEvent::Stopped { attempt: *attempt }).await?;
                store.move_run(key(*run), RunState::Stopped).await
            }
            Entry::Move { run, state } => store.move_run(key(*run), *state).await,
            Entry::End(end) => {
                let AttemptEnd { attempt, state, failure, time, used, answers } = &**end;
                let (run, failure) = (key(attempt.run), failure.as_ref());
                // For the ledger a run that is tried again has failed until it is: should this process die now, it is owed.
                let waits = matches!(state, RunState::Pending | RunState::Paused);
                let state = if failure.is_some() && waits { RunState::Failed } else { *state };
                // What the ledger calls ended is on the disk.
                sync_outcome(dir.run(&attempt.name)).await?;
                let ending = AttemptEnding {
                    attempt: attempt.number,
                    state,
                    finished: *time,
                    failure: failure.cloned(),
                    used: *used,
                };
                log_end(dir.run(&attempt.name), started(attempt), AttemptEvent::Ended(ending)).await?;
                if let Some(answers) = answers {
                    answers.keep(store, run).await?;
                }
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
