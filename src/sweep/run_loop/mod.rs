//! THE loop of a sweep, in parts: this one has the state and tells the sinks, `reads` follows what live runs write, `starts`
//! carries out what the scheduler starts, `ends` judges what has ended, `limits` ends what takes too long or is pointless,
//! `supply` tells the scheduler of further runs, `pacing` carries out the stopping rule, `budget` ends the sweep for its budget, `measured` tells what the machine does, `queue` has what is different of attempts that wait in a cluster's queue, `control` does what other terminals want, and `drive` waits for whatever happens next.
//!
//! Nothing but `drive` waits or knows a clock: what happens is a call with the time as an argument, so that a test plays a
//! sweep of ten thousand runs with a stand-in for the launcher in an instant. The scheduler is asked before anybody is
//! told, so that an event says what becomes of its run.

mod budget;
mod control;
mod drive;
mod ends;
mod limits;
mod measured;
mod pacing;
mod queue;
mod reads;
mod starts;
mod supply;
mod why;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) use drive::{repeat, sweep};

use super::{
    Sum, SweepError,
    attempt::Attempts,
    meter::Meter,
    pace::Pace,
    purse::Purse,
    sinks::{Context, LedgerState, Sinks},
    status::{RunProgress, Status},
    stopping::Stopping,
    tail::Tail,
    time_left::TimeLeft,
};
use crate::{
    base::error::with_causes,
    event::{Attempt, Change, Event, Totals},
    launch::Launcher,
    publish::Answers,
    run::{ExperimentDir, Failure, RunState, SweepStatus},
    schedule::{Alike, Effect, Input, Scheduler},
};
use ends::Suspect;
use limits::{Late, Limits};
use starts::{Shortage, Start};
use supply::Supply;

/// How often the event files of live runs are read, seconds.
const TICK: f64 = 0.25;
/// How a sweep ended.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// Completed runs of the experiment, earlier sweeps' included.
    pub completed: u64,
    /// Failed runs.
    pub failed: u64,
    /// Runs that are still owed.
    pub pending: u64,
    /// Runs that the user does not want.
    pub cancelled: u64,
    /// Runs that a stopping rule has ended in this sweep.
    pub stopped: u64,
    /// What of the budget has ended the sweep, in words.
    pub ended_by: Option<String>,
    /// Attempts of this sweep that ran to their end, with or without results.
    pub trained: u64,
    /// Duration of this sweep.
    pub seconds: f64,
    /// Slots.
    pub slots: u32,
    /// What the attempts of this sweep have used.
    pub used: Sum,
    /// Gridboard's own processor time of this sweep, seconds.
    pub own_core_seconds: f64,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

/// A moment.
#[derive(Clone, Copy, Debug)]
struct Now {
    /// Seconds since the sweep began, on a clock that never goes back.
    elapsed: f64,
    /// Seconds since 1970.
    wall: f64,
}

/// An attempt that is alive, or that ended and is not judged.
struct LiveAttempt {
    attempt: Arc<Attempt>,
    tail: Tail,
    /// When it was started, or has begun after its time in a queue.
    begun: f64,
    /// Whether it is in a queue, and has not begun.
    is_queued: bool,
    /// What was done about its taking too long.
    late: Late,
    /// Whether that is for its silence.
    stalled: bool,
    /// When it has last written a point or a line of its log.
    heard: f64,
    log: PathBuf,
    /// When its log was last written, by the clock of its file system.
    log_written: Option<SystemTime>,
    /// The step of the last point that was read.
    last_step: Option<i64>,
    /// When it is killed, where it was asked to end for a pause or since its run was cancelled.
    killed_at: Option<f64>,
    /// Whether its run was cancelled.
    cancelled: bool,
    /// When what was measured of it was last told.
    measured: f64,
}

impl LiveAttempt {
    /// Notes whether the log has grown since it was last looked at.
    fn look_at_log(&mut self, now: Now) {
        let written = fs::metadata(&self.log).and_then(|log| log.modified()).ok();
        if written != self.log_written {
            self.log_written = written;
            self.heard = now.elapsed;
        }
    }
}

/// The sweep while it lasts.
struct Loop<'a, L> {
    attempts: Attempts<'a>,
    launcher: L,
    sinks: Sinks<'a>,
    scheduler: Scheduler,
    status: Status,
    /// By run.
    live: BTreeMap<u64, LiveAttempt>,
    /// What the scheduler has started and the launcher has not, in order.
    starts: VecDeque<Start>,
    /// What the machine has no more of.
    shortage: Option<Shortage>,
    /// Ends whose verdict waits for a signal of ours.
    suspects: Vec<Suspect>,
    /// Completed before this sweep.
    completed_before: u64,
    /// Where other terminals ask something of the sweep.
    control: Option<ExperimentDir>,
    /// What was last said there of how the sweep stands.
    stands: Option<SweepStatus>,
    limits: Limits,
    /// Whether all that has ended has failed alike.
    alike: Alike,
    /// When live attempts are killed, after a first signal.
    deadline: Option<f64>,
    /// When the event files of the live runs were last read.
    read: Option<f64>,
    /// The least time between two readings, seconds: a network file system is read gently.
    read_every: f64,
    /// When the time that is left was last worked out, and what is told of it.
    eta: Option<(f64, Option<Duration>)>,
    time_left: TimeLeft,
    /// Whether something could not be written into run folders, which has been told.
    late: bool,
    /// What is wrong with the ledger, as far as it has been told.
    ledger: LedgerState,
    used: Sum,
    trained: u64,
    /// Why the last attempt failed.
    last_failure: Option<Failure>,
    over: bool,
    /// What ends the sweep beside its runs.
    problem: Option<SweepError>,
    /// Looks at what the machine does for the live runs.
    meter: Option<Meter>,
    /// How long runs take, where jobs of a cluster have a limit by it.
    pace: Option<Pace>,
    /// The search that suggests points while the sweep lasts.
    search: Option<Supply<'a>>,
    /// Tag of the metric that ranks.
    rank_by: String,
    /// The rule that ends runs before their time.
    stopping: Option<Stopping>,
    /// Runs that earlier sweeps have begun, where all are held back.
    begun: Vec<u64>,
    /// What the sweep may use.
    purse: Purse,
}

impl<'a, L: Launcher> Loop<'a, L> {
    fn new(
        attempts: Attempts<'a>,
        launcher: L,
        sinks: Sinks<'a>,
        scheduler: Scheduler,
        completed_before: u64,
        limits: Limits,
    ) -> Self {
        Self {
            attempts,
            launcher,
            sinks,
            scheduler,
            status: Status::default(),
            live: BTreeMap::new(),
            starts: VecDeque::new(),
            shortage: None,
            suspects: Vec::new(),
            completed_before,
            control: None,
            stands: None,
            alike: Alike::new(limits.stop_after, completed_before > 0),
            limits,
            deadline: None,
            read: None,
            read_every: 0.0,
            eta: None,
            time_left: TimeLeft::default(),
            late: false,
            ledger: LedgerState::default(),
            used: Sum::default(),
            trained: 0,
            last_failure: None,
            over: false,
            problem: None,
            meter: None,
            pace: None,
            search: None,
            rank_by: String::new(),
            stopping: None,
            begun: Vec::new(),
            purse: Purse::default(),
        }
    }

    /// Takes requests of other terminals in this folder, which is held.
    fn listen(&mut self, now: Now, dir: &ExperimentDir) {
        match dir.listen() {
            Ok(()) => self.control = Some(dir.clone()),
            Err(error) => {
                let text = format!("{}; the sweep takes no requests", with_causes(&error));
                self.tell(now, Change::Warning(text));
            }
        }
    }

    /// Begins.
    fn begin(&mut self, now: Now, experiment: &str) {
        let slots = u32::try_from(self.scheduler.slots().len()).unwrap_or(u32::MAX);
        self.tell(now, Change::SweepBegun { experiment: experiment.to_owned(), slots });
        self.step(now, Input::Begin);
        self.carry_out(now);
    }

    /// The user wants the sweep to end: the first time gently, then at once.
    fn cancel(&mut self, now: Now) {
        if self.launcher.is_queue() {
            return self.leave(now);
        }
        let first = !self.scheduler.is_cancelled();
        self.deadline = first.then_some(now.elapsed + self.limits.grace);
        self.tell(now, Change::Cancelled { grace: if first { self.limits.grace } else { 0.0 } });
        self.step(now, Input::Cancel);
        // What has ended by the same signal was stopped as well, and what was to start stays owed.
        self.interrupt_suspects(now);
        self.give_up_starts(now);
    }

    /// Time has passed.
    fn tick(&mut self, now: Now) {
        self.serve_all(now);
        self.read_events(now);
        self.watch_budget(now);
        self.tell_measured(now);
        self.catch_up(now);
        self.tell_notifier(now);
        self.wake(now);
        let eta = self.eta(now);
        self.tell_status(eta);
        if let Some(terminal) = &mut self.sinks.terminal {
            terminal.redraw(&self.status, eta, now.elapsed);
        }
    }

    /// The moment of [`Self::wake_at`] has come, or some other.
    fn wake(&mut self, now: Now) {
        if self.deadline.is_some_and(|deadline| now.elapsed >= deadline) {
            self.cancel(now);
        }
        self.end_late(now);
        self.watch_budget(now);
        self.kill_who_stayed(now);
        self.judge_suspects(now);
        if self.scheduler.next_due().is_some_and(|due| now.elapsed >= due) {
            self.step(now, Input::Wake);
        }
        self.carry_out(now);
    }

    /// When something is due, at the latest, on the clock of [`Now::elapsed`].
    fn wake_at(&self) -> Option<f64> {
        let suspects = self.suspects.iter().map(|suspect| suspect.judged_at);
        // A start that waits for the ledger is not due by time.
        let shortage =
            self.shortage.iter().filter(|_| self.sinks.has_room()).map(|shortage| shortage.again_at);
        let leaving = self.leaving_at().into_iter().chain(self.scheduler.next_due());
        suspects
            .chain(shortage)
            .chain(leaving)
            .chain(self.late_at())
            .chain(self.budget_at())
            .chain(self.deadline)
            .min_by(f64::total_cmp)
    }

    /// The ledger has something to say.
    fn ledger_changed(&mut self, now: Now, state: LedgerState) {
        match (&self.ledger.trouble, &state.trouble) {
            (None, Some(problem)) => {
                let what = if state.broken {
                    format!("{problem}; live runs go on to their end, and nothing new is started")
                } else {
                    format!(
                        "{problem}; the sweep goes on, what is to be written is kept, and it is tried again"
                    )
                };
                self.tell(now, Change::Warning(what));
            }
            (Some(_), Some(problem)) if state.broken => {
                self.tell(now, Change::Warning(format!("{problem}; nothing new is started")));
            }
            (Some(_), None) => {
                self.tell(
                    now,
                    Change::Note("the runs database is written again; nothing was lost".to_owned()),
                );
            }
            _ => {}
        }
        if let Some(warning) = state.warning.as_ref().filter(|_| state.warning != self.ledger.warning) {
            self.tell(now, Change::Warning(warning.clone()));
        }
        if state.broken && !self.ledger.broken {
            self.drain(now);
        }
        self.ledger = state;
        // There may be room again.
        self.carry_out(now);
    }

    /// Starts nothing more; live attempts go on.
    fn drain(&mut self, now: Now) {
        self.step(now, Input::Drain);
        self.give_up_starts(now);
    }

    /// Asks the scheduler what an input leads to. What it starts waits for [`Self::carry_out`].
    fn step(&mut self, now: Now, input: Input) {
        for effect in self.scheduler.step(now.elapsed, input) {
            match effect {
                Effect::Start { run, attempt, slot, threads } => {
                    self.starts.push_back(Start { run, attempt, slot, threads });
                }
                Effect::Stop { run, kill } => {
                    if !self.scheduler.is_cancelled() {
                        self.asked_to_leave(now, effect);
                    }
                    if let Err(error) = self.launcher.stop(run, kill) {
                        self.tell(now, Change::Warning(error.to_string()));
                    }
                }
                Effect::Finished(_) => self.over = true,
            }
        }
    }

    fn tell(&mut self, now: Now, change: Change) {
        self.tell_with(now, change, None);
    }

    /// Tells everybody what happened. What is not carried out of the scheduler's answers is not counted.
    fn tell_with(&mut self, now: Now, change: Change, answers: Option<Answers>) {
        let event = Event { time: now.wall, totals: self.totals(), change };
        let ended = match &event.change {
            Change::AttemptEnded { attempt, .. } => self.status.live.get(&attempt.run),
            _ => None,
        };
        let ranked = ended.and_then(|live| live.ranked);
        let without_metric = match &event.change {
            // A later attempt may have gone on where an earlier one had written everything.
            Change::AttemptEnded { attempt, state: RunState::Completed, .. } if attempt.number == 1 => {
                ended.and_then(RunProgress::without_metric)
            }
            _ => None,
        };
        let eta = self.eta(now);
        let attempts = &self.attempts;
        self.status.apply(&event, |run| attempts.forecast(run));
        let context = Context { status: &self.status, ranked, without_metric, eta, elapsed: now.elapsed };
        self.sinks.tell(&event, answers, &context);
    }

    fn totals(&self) -> Totals {
        let counts = self.scheduler.counts();
        let to_start = self.starts.len();
        let completed = self.completed_before + counts.completed as u64;
        let (failed, live) = (counts.failed as u64, (counts.live - to_start) as u64);
        let unknown = self.search.as_ref().map_or(0, Supply::left);
        let pending = (counts.waiting + to_start) as u64 + unknown;
        let cancelled = (counts.cancelled + counts.stopped) as u64;
        Totals {
            total: completed + failed + live + pending + cancelled,
            completed,
            failed,
            pending,
            live,
            cancelled,
        }
    }

    /// The time that is left. Worked out once a tick at most, since that plays the rest of the schedule forward.
    fn eta(&mut self, now: Now) -> Option<Duration> {
        if let Some((_, eta)) = self.eta.filter(|(at, _)| now.elapsed - at < TICK) {
            return eta;
        }
        let seconds = self.scheduler.remaining_seconds(now.elapsed);
        let eta = self.time_left.update(now.elapsed, seconds, self.scheduler.counts().completed > 0);
        self.eta = Some((now.elapsed, eta));
        eta
    }
}
