//! Waits for whatever happens next, and tells the loop: signals, the ends of attempts, the ledger, the tick that reads event
//! files. Everything that can wake a sweep is in one `select`.
//!
//! A sweep of an experiment and the one run of a rerun are driven alike; a rerun has one slot and no ledger.

use std::{
    future::pending,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::{End, Limits, Loop, Now, Supply, TICK};
use crate::{
    base::{clock::wall_now, signals::Signals, usage::own_core_seconds},
    device::Placement,
    event::Change,
    grid::PointSearch,
    launch::{self, Children, LaunchPlan, Launcher, Left, LocalLauncher, SlurmLauncher, SlurmSetup},
    run::{ExperimentDir, ExperimentLock, Failure},
    schedule::{Job, Scheduler, Slot},
    spec::Schedule,
    store::{Reader, StoreError},
    sweep::{
        Preparation, RunForecast, SweepError,
        attempt::Attempts,
        board::Board,
        forecast::Forecaster,
        index,
        meter::Meter,
        pace::Pace,
        purse::Purse,
        sinks::{Folders, Ledger, LedgerNews, Notifier, Sinks, Terminal},
        stopping::Stopping,
    },
};

/// Trains every owed run on the slots of `placement`. A signal ends it in order, a second one at once.
///
/// # Errors
/// Where the sweep cannot begin, nothing can be started any more, or the database fails for good; a failing run is no error.
pub(crate) async fn sweep(
    ready: &Preparation,
    placement: Placement,
    terminal: &mut Terminal,
    signals: &mut Signals,
) -> Result<End, SweepError> {
    let forecaster = Forecaster::new(&ready.experiment, ready.loading.as_ref(), &placement.slots);
    let jobs: Vec<Job> = ready
        .owed
        .iter()
        .map(|owed| Job {
            alive: owed.alive,
            ..forecaster.job(&ready.runs[index(owed.run)], owed.attempt, owed.cancelled)
        })
        .collect();
    // Looked for before anything starts: without it every run would fail alike.
    let needs_worker = !ready.experiment.is_command() && (!jobs.is_empty() || ready.experiment.suggests());
    let worker = if needs_worker { launch::find_worker()? } else { PathBuf::new() };
    let slots = u32::try_from(placement.slots.len()).unwrap_or(u32::MAX);
    let retry = ready.experiment.retry.clone();
    let scheduler = Scheduler::new(placement.slots, &placement.capacities, jobs, retry.attempts)?
        .with_pause(retry.pause.duration().as_secs_f64());
    let purse = Purse::new(ready.experiment.budget, ready.experiment.rank.by.goal, ready.spent);
    let stopping = Stopping::new(&ready.experiment, &ready.past);
    let scheduler = scheduler.with_new_runs(purse.new_runs());
    let scheduler = match (&stopping, ready.experiment.suggests()) {
        (Some(stopping), _) if stopping.pauses() => scheduler.held_back(),
        (_, true) => scheduler.with_more(),
        (_, false) => scheduler,
    };
    let keys = ready.keys.clone();
    let ledger = Ledger::open(&ready.runs_dir, ready.key, keys, &ready.dir, slots, Board::new(ready)).await?;
    let folders = Folders::new(&ready.experiment, &ready.dir, &ready.runs);
    let (notifier, unusable) = Notifier::start(&ready.experiment, best_so_far(ready).await?);
    let mut sinks = Sinks::new(Some(ledger), Some(folders), Some(terminal));
    sinks.notifier = notifier;
    let attempts = Attempts::Experiment { ready, forecaster, worker };
    let grace = crate::sweep::grace(&ready.experiment);
    let limits = Limits { retry, grace, ..Limits::from(&ready.experiment.schedule) };
    let parts = Parts { attempts, sinks, scheduler, limits, stopping, purse, unusable };
    let log_limit = ready.experiment.schedule.log_limit;
    match &ready.experiment.launcher {
        None => {
            let launcher = LocalLauncher::new(&ready.children, log_limit).map_err(SweepError::Launcher)?;
            sweep_with(ready, launcher, parts, signals).await
        }
        Some(plan) => {
            let setup = SlurmSetup { plan: plan.clone(), grace, log_limit };
            let place =
                |run: &str| ready.runs.iter().position(|spec| spec.name == run).map(|place| place as u64);
            let launcher = SlurmLauncher::new(&ready.dir, &setup, ready.left.clone(), place)?;
            let end = sweep_with(ready, launcher, parts, signals).await?;
            if !end.interrupted {
                // Everything has ended and is in the ledger.
                Left::find(&ready.dir)?.tidy(|_, _| false)?;
            }
            Ok(end)
        }
    }
}

/// What a sweep is made of, whoever executes its attempts.
struct Parts<'a> {
    attempts: Attempts<'a>,
    sinks: Sinks<'a>,
    scheduler: Scheduler,
    limits: Limits,
    stopping: Option<Stopping>,
    purse: Purse,
    /// What is wrong with who is to be told.
    unusable: Vec<String>,
}

async fn sweep_with<'a, L: Launcher>(
    ready: &'a Preparation,
    launcher: L,
    parts: Parts<'a>,
    signals: &mut Signals,
) -> Result<End, SweepError> {
    let Parts { attempts, sinks, scheduler, limits, stopping, purse, unusable } = parts;
    let name = &ready.experiment.name;
    let is_queue = launcher.is_queue();
    let mut this = Loop::new(attempts, launcher, sinks, scheduler, ready.completed, limits);
    // What other machines do is not seen here, and their files are read gently.
    this.meter = (!is_queue).then(Meter::start);
    this.read_every = if is_queue { QUEUE_READ_EVERY } else { 0.0 };
    this.begun = ready.owed.iter().filter(|owed| owed.attempt > 1).map(|owed| owed.run).collect();
    (this.stopping, this.purse) = (stopping, purse);
    if is_queue {
        this.pace = Some(Pace::default());
        ready.whole.iter().for_each(|(run, seconds)| this.learn_pace(*run, *seconds));
    }
    this.rank_by.clone_from(&ready.experiment.rank.by.tag);
    this.search = PointSearch::new(&ready.experiment, &ready.points)
        .map(|search| Supply::new(search, ready.experiment.seeds.len(), ready.told.clone()));
    for problem in unusable {
        this.tell(Now { elapsed: 0.0, wall: wall_now() }, Change::Warning(problem));
    }
    let ended = drive(this, name, Some((&ready.dir, &ready.lock)), signals).await;
    if matches!(ended, Err(SweepError::TakenOver { .. })) {
        // What lies there is somebody else's.
        return Ok(ended?.0);
    }
    // The request that has ended the sweep is still to be told so; whoever has asked may be gone.
    let until = Instant::now() + LAST_ANSWER;
    while ready.dir.has_answers() && Instant::now() < until {
        tokio::time::sleep(LAST_ANSWER / 100).await;
    }
    // Nobody waits for an answer in vain; where it cannot be removed, the lock tells that nobody listens.
    let _ = ready.dir.stop_listening();
    Ok(ended?.0)
}

/// The least time between two readings of the event files of a cluster's runs, seconds.
const QUEUE_READ_EVERY: f64 = 2.0;

/// How long the end of a sweep waits for answers to be read.
const LAST_ANSWER: Duration = Duration::from_secs(1);

/// How long the end of a sweep waits for people to be told of it.
const LAST_WORDS: Duration = Duration::from_secs(12);

/// How the repetition of one run ended.
#[derive(Clone, Debug)]
pub(crate) struct Repeated {
    /// Why it failed, where it did.
    pub failure: Option<Failure>,
    /// How long it took.
    pub seconds: f64,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

/// Carries out one attempt that is forecast already, as a sweep of one run without a ledger. Its processes have the mark of
/// `children`; the schedule limits its log and says how long it has to end when it is asked to.
///
/// # Errors
/// Where it cannot begin; an attempt that fails is no error.
pub(crate) async fn repeat(
    plan: LaunchPlan,
    slot: Slot,
    forecast: RunForecast,
    (children, schedule): (&Children, &Schedule),
    terminal: &mut Terminal,
    signals: &mut Signals,
) -> Result<Repeated, SweepError> {
    let name = forecast.name.clone();
    let (run, attempt) = (plan.run, plan.attempt);
    let job = Job { run, cost: 0.0, memory: 0, attempt, elastic: false, cancelled: false, alive: false };
    let scheduler = Scheduler::new(vec![slot], &[u64::MAX], vec![job], 1)?;
    let launcher = LocalLauncher::new(children, schedule.log_limit).map_err(SweepError::Launcher)?;
    let sinks = Sinks::new(None, None, Some(terminal));
    let attempts = Attempts::Listed(vec![(plan, forecast)]);
    let this = Loop::new(attempts, launcher, sinks, scheduler, 0, Limits::from(schedule));
    let (end, failure) = drive(this, &name, None, signals).await?;
    Ok(Repeated { failure, seconds: end.seconds, interrupted: end.interrupted })
}

/// The clock of one sweep.
struct Clock(Instant);

impl Clock {
    fn now(&self) -> Now {
        Now { elapsed: self.0.elapsed().as_secs_f64(), wall: wall_now() }
    }

    /// Waits for a moment; for ever, where there is none.
    async fn at(&self, elapsed: Option<f64>) {
        match elapsed.map(Duration::try_from_secs_f64) {
            Some(Ok(elapsed)) => sleep_until((self.0 + elapsed).into()).await,
            Some(Err(_)) | None => pending().await,
        }
    }
}

fn ticks() -> Interval {
    let mut tick = interval(Duration::from_secs_f64(TICK));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tick
}

/// Plays the sweep to its end, and does what is asked in the folder that is held. Where it is taken over, nothing is done any more. Answers with the failure of the last attempt that failed, too.
pub(super) async fn drive<L: Launcher>(
    mut this: Loop<'_, L>,
    experiment: &str,
    held: Option<(&ExperimentDir, &ExperimentLock)>,
    signals: &mut Signals,
) -> Result<(End, Option<Failure>), SweepError> {
    let (clock, own) = (Clock(Instant::now()), own_core_seconds());
    let mut tick = ticks();
    let mut interrupted = false;
    this.begin(clock.now(), experiment);
    if let Some((dir, _)) = held {
        this.listen(clock.now(), dir);
    }
    while !this.over {
        let due = this.wake_at();
        // In this order: an attempt that ended by a signal which came to us as well is not judged before we know of it.
        tokio::select! {
            biased;
            () = signals.next() => {
                interrupted = true;
                this.cancel(clock.now());
            }
            state = this.sinks.changed() => this.ledger_changed(clock.now(), state),
            _ = tick.tick() => {
                if let Some(by) = held.and_then(|(_, lock)| lock.taken_by()) {
                    let jobs = this.launcher.is_queue();
                    return Err(SweepError::TakenOver { experiment: experiment.to_owned(), by, jobs });
                }
                this.tick(clock.now());
            }
            () = clock.at(due) => this.wake(clock.now()),
            news = this.launcher.next() => {
                this.heard(clock.now(), news);
                // The ledger's turn, however many attempts have ended.
                tokio::task::yield_now().await;
            }
        }
    }
    this.release_paused(clock.now());
    // The time of the runs: what is written after them is not part of it.
    let seconds = clock.now().elapsed;
    let broken = settle(&mut this, &clock, &mut tick, signals, &mut interrupted).await;
    this.tell(clock.now(), Change::SweepEnded { interrupted });
    until_notified(&mut this, &clock, &mut tick, signals).await;
    let (pending, ended_by) = (this.totals().pending, this.ended_by());
    if let Some(problem) = this.problem.or(broken.map(SweepError::Store)) {
        return Err(problem);
    }
    let totals = this.scheduler.counts();
    let end = End {
        stopped: totals.stopped as u64,
        ended_by,
        completed: this.completed_before + totals.completed as u64,
        failed: totals.failed as u64,
        pending,
        cancelled: totals.cancelled as u64,
        trained: this.trained,
        seconds,
        slots: u32::try_from(this.scheduler.slots().len()).unwrap_or(u32::MAX),
        used: this.used,
        own_core_seconds: own_core_seconds() - own,
        interrupted,
    };
    Ok((end, this.last_failure))
}

/// The metric that ranks of the best run of earlier sweeps, where somebody is to be told of a better one.
async fn best_so_far(ready: &Preparation) -> Result<Option<f64>, SweepError> {
    if ready.experiment.notify.is_default() || ready.completed == 0 {
        return Ok(None);
    }
    let mut reader = Reader::open(&ready.runs_dir).await?;
    let head = reader.leaderboard_head(ready.key, 1, 0).await?;
    Ok(head.rows.first().filter(|row| row.rank == Some(1)).and_then(|row| row.by))
}

impl<L: Launcher> Loop<'_, L> {
    /// Tells what has gone wrong with telling people.
    pub(super) fn tell_notifier(&mut self, now: Now) {
        let problems = self.sinks.notifier.as_mut().map(Notifier::problems).unwrap_or_default();
        for problem in problems {
            self.tell(now, Change::Warning(problem));
        }
    }
}

/// Waits a moment until people are told; a signal ends the wait.
async fn until_notified<L: Launcher>(
    this: &mut Loop<'_, L>,
    clock: &Clock,
    tick: &mut Interval,
    signals: &mut Signals,
) {
    let begun = Instant::now();
    while this.sinks.notifier.as_ref().is_some_and(|notifier| !notifier.is_idle())
        && begun.elapsed() < LAST_WORDS
    {
        tokio::select! {
            biased;
            () = signals.next() => break,
            _ = tick.tick() => {}
        }
    }
    this.tell_notifier(clock.now());
}

/// Waits until everything is written. A signal is heard meanwhile: the first asks for patience, one more than the first
/// ends the wait.
async fn settle<L: Launcher>(
    this: &mut Loop<'_, L>,
    clock: &Clock,
    tick: &mut Interval,
    signals: &mut Signals,
    interrupted: &mut bool,
) -> Option<StoreError> {
    if let Some(ledger) = &mut this.sinks.ledger {
        ledger.close();
    }
    let mut broken = None;
    while this.sinks.ledger.is_some() || this.late {
        tokio::select! {
            biased;
            () = signals.next() => {
                let waiting = this.sinks.ledger.as_ref().map_or(0, Ledger::n_waiting);
                if *interrupted {
                    let text = format!("{waiting} changes are not in the runs database: their runs are trained again");
                    this.tell(clock.now(), Change::Warning(text));
                    break;
                }
                *interrupted = true;
                let text = format!("{waiting} changes are still to be written; another signal gives them up");
                this.tell(clock.now(), Change::Note(text));
            }
            news = this.sinks.closing() => match news {
                LedgerNews::State(state) => this.ledger_changed(clock.now(), state),
                LedgerNews::Closed(result) => {
                    this.sinks.ledger = None;
                    broken = result.err();
                }
            },
            _ = tick.tick() => this.catch_up(clock.now()),
        }
    }
    broken
}
