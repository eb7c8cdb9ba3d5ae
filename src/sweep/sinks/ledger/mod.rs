//! The sink of the runs database: a task of its own with a connection of its own, so that the loop never waits for it.
//!
//! Everything is written in the order in which it happened. An error that passes (another program holds the database, the
//! disk is full) is told once and the write is tried again until it succeeds; nothing is lost and nothing is reordered.
//! What waits is bounded: attempts stop starting when too many of their starts and ends wait, and points that are too
//! many are forgotten and read again from the event files when their turn comes.
//!
//! An error that does not pass (the database is damaged, or is not the one that was opened) ends the task, and the loop
//! ends the sweep when the live attempts have ended. What the task does is in `books`.

mod books;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    event::{Attempt, Change, Cut, Event, Scalar},
    grid::Suggested,
    publish::Answers,
    run::{Decided, ExperimentDir, Failure, RunSpec, RunState, Used},
    store::{ExperimentKey, RunKey, StoreError},
    sweep::board::Board,
};
use books::{Books, keep};

/// Points that wait to be written before more of them are left to be read again: some tens of megabytes.
const MOST_POINTS: usize = 250_000;

/// What the loop hears of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sweep) struct LedgerState {
    /// Why nothing can be written at the moment.
    pub(in crate::sweep) trouble: Option<String>,
    /// Whether nothing will be written any more.
    pub(in crate::sweep) broken: bool,
    /// What is wrong beside the ledger itself, and stops nothing.
    pub(in crate::sweep) warning: Option<String>,
}

/// What the loop hears of a ledger that closes.
#[derive(Debug)]
pub(in crate::sweep) enum LedgerNews {
    /// A trouble has begun or is over.
    State(LedgerState),
    /// Everything is written, or never will be. The last news.
    Closed(Result<(), StoreError>),
}

/// Keeps the events of a sweep in the runs database.
pub(in crate::sweep) struct Ledger {
    queue: Option<mpsc::UnboundedSender<Entry>>,
    waiting: Arc<Waiting>,
    state: watch::Receiver<LedgerState>,
    task: JoinHandle<Result<(), StoreError>>,
    dir: ExperimentDir,
    /// Starts and ends that may wait before no attempt starts.
    room: usize,
}

/// What is in the queue.
#[derive(Debug, Default)]
struct Waiting {
    entries: AtomicUsize,
    points: AtomicUsize,
    /// Runs whose points are read again when their turn comes, with the attempt.
    rereads: Mutex<HashMap<u64, u32>>,
}

impl Waiting {
    fn rereads(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.rereads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The points of an attempt are about to be read again. What comes from now on is told: a point that comes twice does
    /// no harm.
    fn is_read_now(&self, run: u64, attempt: u32) {
        let mut rereads = self.rereads();
        if rereads.get(&run) == Some(&attempt) {
            rereads.remove(&run);
        }
    }
}

/// Something to be written.
enum Entry {
    Start(Arc<Attempt>),
    /// An attempt that was in a queue has begun.
    Began {
        attempt: Arc<Attempt>,
        host: String,
        job: String,
        time: f64,
    },
    Points {
        run: u64,
        points: Arc<Vec<Scalar>>,
    },
    /// Ends of curves that no longer count.
    Cuts {
        run: u64,
        cuts: Arc<Vec<Cut>>,
    },
    /// What is wrong with the event files of an attempt.
    Problem {
        attempt: Arc<Attempt>,
        text: String,
    },
    /// Where an attempt goes on with an earlier one.
    Resumed {
        attempt: Arc<Attempt>,
        from: Option<i64>,
    },
    /// All points of a run, in place of those that are there.
    Curves {
        run: u64,
        points: Vec<Scalar>,
    },
    /// All points of an attempt, from its folder.
    Reread {
        run: u64,
        attempt: u32,
        dir: PathBuf,
    },
    /// What a stopping rule has decided of a run.
    Decided {
        run: u64,
        name: String,
        attempt: u32,
        decided: Decided,
    },
    /// A run without a live attempt is not made again.
    Stop {
        run: u64,
        name: String,
        attempt: u32,
    },
    /// A point that a search has suggested, with its runs.
    Point {
        point: Arc<Suggested>,
        runs: Arc<Vec<RunSpec>>,
    },
    End(Box<AttemptEnd>),
    /// A run without a live attempt is in another state.
    Move {
        run: u64,
        state: RunState,
    },
}

/// The end of an attempt.
struct AttemptEnd {
    attempt: Arc<Attempt>,
    state: RunState,
    failure: Option<Failure>,
    /// Seconds since 1970.
    time: f64,
    used: Used,
    answers: Option<Answers>,
}

impl Ledger {
    /// Opens the ledger in `runs_dir` once more, for `slots` slots, with the page that follows it.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub(in crate::sweep) async fn open(
        runs_dir: &Path,
        experiment: ExperimentKey,
        keys: Vec<RunKey>,
        dir: &ExperimentDir,
        slots: u32,
        board: Board,
    ) -> Result<Self, StoreError> {
        let books = Books::open(runs_dir, experiment, keys, dir.clone(), board).await?;
        Ok(Self::start(books, dir, slots))
    }

    fn start(books: Books, dir: &ExperimentDir, slots: u32) -> Self {
        let (queue, entries) = mpsc::unbounded_channel();
        let (sender, state) = watch::channel(LedgerState::default());
        let waiting = Arc::new(Waiting::default());
        let room = 64 + 4 * usize::try_from(slots).unwrap_or(usize::MAX / 8);
        let task = tokio::spawn(keep(books, entries, Arc::clone(&waiting), sender, room));
        Self { queue: Some(queue), waiting, state, task, dir: dir.clone(), room }
    }

    /// Takes what an event changes. Never waits.
    pub(in crate::sweep) fn tell(&mut self, event: &Event, answers: Option<Answers>) {
        match &event.change {
            Change::AttemptStarted(attempt) => self.put(Entry::Start(Arc::clone(attempt))),
            Change::AttemptBegan { attempt, host, job, time } => self.put(Entry::Began {
                attempt: Arc::clone(attempt),
                host: host.clone(),
                job: job.clone(),
                time: *time,
            }),
            Change::AttemptNotStarted { attempt, state, failure, .. } => {
                self.put(Entry::Start(Arc::clone(attempt)));
                self.put_end(AttemptEnd {
                    attempt: Arc::clone(attempt),
                    state: *state,
                    failure: Some(failure.clone()),
                    time: event.time,
                    used: Used::default(),
                    answers: None,
                });
            }
            Change::Scalars { attempt, points } => self.put_points(attempt, points),
            Change::Measured { attempt, points } => self.put_points(attempt, points),
            Change::Cut { attempt, cuts } => self.put_cuts(attempt, cuts),
            Change::Resumed { attempt, from } => {
                self.put(Entry::Resumed { attempt: Arc::clone(attempt), from: *from })
            }
            Change::Problem { attempt, all, .. } => {
                self.put(Entry::Problem { attempt: Arc::clone(attempt), text: all.clone() })
            }
            Change::AttemptEnded { attempt, state, failure, used, .. } => self.put_end(AttemptEnd {
                attempt: Arc::clone(attempt),
                state: *state,
                failure: failure.clone(),
                time: event.time,
                used: *used,
                answers,
            }),
            Change::Decided { run, name, attempt, decided } => self.put(Entry::Decided {
                run: *run,
                name: name.clone(),
                attempt: *attempt,
                decided: decided.clone(),
            }),
            Change::Stopped { run, name, attempt } => {
                self.put(Entry::Stop { run: *run, name: name.clone(), attempt: *attempt })
            }
            Change::Suggested { point, runs } => {
                self.put(Entry::Point { point: Arc::clone(point), runs: Arc::clone(runs) })
            }
            Change::Moved { run, state, .. } => self.put(Entry::Move { run: *run, state: *state }),
            Change::SweepBegun { .. }
            | Change::Cancelled { .. }
            | Change::Note(_)
            | Change::Warning(_)
            | Change::SweepEnded { .. } => {}
        }
    }

    fn put_end(&self, end: AttemptEnd) {
        self.put(Entry::End(Box::new(end)));
    }

    fn put_cuts(&self, attempt: &Arc<Attempt>, cuts: &Arc<Vec<Cut>>) {
        // Where all points are read again, they are in place of what is cut.
        if self.waiting.rereads().get(&attempt.run) != Some(&attempt.number) {
            self.put(Entry::Cuts { run: attempt.run, cuts: Arc::clone(cuts) });
        }
    }

    fn put_points(&self, attempt: &Arc<Attempt>, points: &Arc<Vec<Scalar>>) {
        let mut rereads = self.waiting.rereads();
        if rereads.get(&attempt.run) == Some(&attempt.number) {
            // They will be read with the others.
            return;
        }
        if self.waiting.points.load(Ordering::Relaxed) + points.len() > MOST_POINTS {
            rereads.insert(attempt.run, attempt.number);
            drop(rereads);
            let dir = self.dir.run(&attempt.name).path().to_owned();
            self.put(Entry::Reread { run: attempt.run, attempt: attempt.number, dir });
        } else {
            self.waiting.points.fetch_add(points.len(), Ordering::Relaxed);
            self.put(Entry::Points { run: attempt.run, points: Arc::clone(points) });
        }
    }

    fn put(&self, entry: Entry) {
        self.waiting.entries.fetch_add(1, Ordering::Relaxed);
        // Where nobody listens any more, the task has ended, and has said why.
        if let Some(queue) = &self.queue {
            let _ = queue.send(entry);
        }
    }

    /// Whether so little waits that attempts may start. A ledger that is broken keeps nobody waiting.
    pub(in crate::sweep) fn has_room(&self) -> bool {
        self.waiting.entries.load(Ordering::Relaxed) < self.room || self.state.borrow().broken
    }

    /// Waits for news: there is room again, a trouble has begun or is over, the task has ended. Dropping the future loses
    /// nothing.
    pub(in crate::sweep) async fn changed(&mut self) -> LedgerState {
        if self.state.changed().await.is_err() {
            return std::future::pending().await;
        }
        self.state.borrow_and_update().clone()
    }

    /// Says that nothing more will come: what waits is written, the runs are ranked, and the task ends.
    pub(in crate::sweep) fn close(&mut self) {
        self.queue = None;
    }

    /// Waits for news after [`Self::close`]. Dropping the future loses nothing.
    pub(in crate::sweep) async fn closing(&mut self) -> LedgerNews {
        tokio::select! {
            biased;
            Ok(()) = self.state.changed() => LedgerNews::State(self.state.borrow_and_update().clone()),
            ended = &mut self.task => LedgerNews::Closed(ended.unwrap_or(Ok(()))),
        }
    }

    /// Number of starts, ends and pieces of curves that are not written.
    pub(in crate::sweep) fn n_waiting(&self) -> usize {
        self.waiting.entries.load(Ordering::Relaxed)
    }
}
