//! THE loop of a sweep: waits for whatever happens next, feeds the scheduler, carries its effects out, and tells the
//! sinks.
//!
//! Everything that can wake it is in one `select`: the end of an attempt, a signal, the tick that reads event files.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::MissedTickBehavior,
};

use super::{
    Preparation, Progress, Status, Sum, SweepError,
    attempt::{self, Live, Started},
    index,
    planned::Plans,
    progress::Line,
};
use crate::{
    base::{clock::wall_now, usage::own_core_seconds},
    device::Placement,
    event::Event,
    launch::{self, AttemptEnd, Ending, LocalLauncher},
    run::{Failure, RunState},
    schedule::{Effect, Ended, Input, Job, Scheduler, Slot},
};

/// How often the event files of live runs are read.
const TICK: Duration = Duration::from_millis(250);
/// Each live run adds this to the time between two readings, up to [`LONGEST_PAUSE`], so that following a hundred of them
/// costs no more than following twenty-five, which are read at every tick.
const PAUSE_PER_RUN: Duration = Duration::from_millis(10);
/// No run's points are read later than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often ranks are written while runs end: often enough for an onlooker, rarely enough to cost nothing.
const RANKING: Duration = Duration::from_secs(2);

/// How long live runs have to end after the first signal. A batch system that sends SIGTERM cannot send it twice.
const GRACE: Duration = Duration::from_secs(10);

/// How a sweep ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Completed runs of the experiment, earlier sweeps' included.
    pub completed: u64,
    /// Failed runs.
    pub failed: u64,
    /// Runs that are still owed.
    pub pending: u64,
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

/// The sweep while it lasts.
struct Loop<'a> {
    ready: &'a mut Preparation,
    plans: Plans,
    scheduler: Scheduler,
    status: Status,
    progress: &'a mut Progress,
    live: BTreeMap<u64, Live>,
    launcher: LocalLauncher,
    worker: PathBuf,
    begun: Instant,
    ranked: Instant,
    /// When the event files of the live runs were last read.
    read: Option<Instant>,
    /// When the time that is left was last worked out, and what came out.
    eta: Option<(Instant, Duration)>,
    used: Sum,
    trained: u64,
    over: bool,
    /// When live runs are killed, after a first signal.
    deadline: Option<Instant>,
}

/// Trains every owed run on the slots of `placement`.
///
/// # Errors
/// Where the database, the run directories or the signals fail; a failing run is no error.
pub async fn sweep(
    ready: &mut Preparation,
    placement: Placement,
    progress: &mut Progress,
) -> Result<End, SweepError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(SweepError::Signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(SweepError::Signals)?;
    let plans = Plans::new(&ready.experiment, ready.loading.as_ref(), &placement.slots);
    let jobs: Vec<Job> = ready
        .owed
        .iter()
        .map(|owed| {
            let run = &ready.runs[index(owed.run)];
            let (cost, memory) = plans.cost_and_memory(run);
            Job { run: owed.run, cost, memory, attempt: owed.attempt, elastic: plans.is_elastic(run) }
        })
        .collect();
    // Looked for before anything starts: without it every run would fail alike.
    let needs_worker = !ready.experiment.is_command() && !jobs.is_empty();
    let worker = if needs_worker { launch::find_worker()? } else { PathBuf::new() };
    let slots = u32::try_from(placement.slots.len()).unwrap_or(u32::MAX);
    let (begun, own) = (Instant::now(), own_core_seconds());
    let mut this = Loop {
        status: Status::new(ready.runs.len() as u64, ready.completed),
        scheduler: Scheduler::new(placement.slots, &placement.capacities, jobs, 1)?,
        plans,
        ready,
        progress,
        live: BTreeMap::new(),
        launcher: LocalLauncher::new().map_err(SweepError::Signals)?,
        worker,
        begun,
        ranked: begun,
        read: None,
        eta: None,
        used: Sum::default(),
        trained: 0,
        over: false,
        deadline: None,
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupted = false;

    this.feed(Input::Begin).await?;
    while !this.over {
        tokio::select! {
            end = this.launcher.next() => this.ended(end).await?,
            _ = interrupt.recv() => { interrupted = true; this.cancel().await?; }
            _ = terminate.recv() => { interrupted = true; this.cancel().await?; }
            _ = tick.tick() => {
                this.read_events().await?;
                if this.deadline.is_some_and(|deadline| Instant::now() > deadline) {
                    this.cancel().await?;
                }
            }
        }
    }
    this.ready.store.set_ranks(this.ready.key).await?;
    this.progress.finish();

    let seconds = begun.elapsed().as_secs_f64();
    let (completed, failed) = (this.status.completed, this.status.failed);
    Ok(End {
        completed,
        failed,
        pending: this.status.total - completed - failed,
        trained: this.trained,
        seconds,
        slots,
        used: this.used,
        own_core_seconds: own_core_seconds() - own,
        interrupted,
    })
}

impl Loop<'_> {
    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Feeds the scheduler and carries its effects out. An attempt that cannot be started is fed back, not recursed
    /// into, so that ten thousand of them do not need ten thousand stack frames.
    async fn feed(&mut self, input: Input) -> Result<(), SweepError> {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.now();
            for effect in self.scheduler.step(now, input) {
                match effect {
                    Effect::Start { run, attempt, slot, threads } => {
                        let slot = Slot { threads, ..self.scheduler.slots()[slot as usize].clone() };
                        if !self.start(run, attempt, slot).await? {
                            inputs.push(Input::Ended { run, how: Ended::NotStarted });
                        }
                    }
                    Effect::Stop { run, kill } => {
                        if let Err(error) = self.launcher.stop(run, kill) {
                            self.progress.note(&format!("warning: {error}"));
                        }
                    }
                    Effect::Finished(_) => self.over = true,
                }
            }
        }
        Ok(())
    }

    /// Starts an attempt; false where its process could not be started, which is then the run's failure.
    async fn start(&mut self, run: u64, number: u32, slot: Slot) -> Result<bool, SweepError> {
        let spec = self.ready.runs[index(run)].clone();
        let started =
            attempt::start(self.ready, &mut self.launcher, &self.worker, &spec, number, &slot).await?;
        match started {
            Started::Alive(live, pid) => {
                let event = Event::AttemptStarted {
                    run,
                    attempt: number,
                    pid,
                    slot: slot.label,
                    device: slot.device,
                    time: wall_now(),
                };
                self.live.insert(run, live);
                self.show(&event, None);
                Ok(true)
            }
            Started::Not(failure) => {
                self.announce_end(run, number, RunState::Failed, Some(failure), None);
                Ok(false)
            }
        }
    }

    /// Reads what live runs have written since the last time.
    async fn read_events(&mut self) -> Result<(), SweepError> {
        let live = u32::try_from(self.live.len()).unwrap_or(u32::MAX);
        let pause = PAUSE_PER_RUN.saturating_mul(live).min(LONGEST_PAUSE);
        if self.read.is_some_and(|read| read.elapsed() + TICK / 2 < pause) {
            return Ok(());
        }
        self.read = Some(Instant::now());
        let runs: Vec<u64> = self.live.keys().copied().collect();
        for run in runs {
            self.read_run(run).await?;
            let fraction = self.status.live.get(&run).and_then(super::status::Live::fraction);
            if let Some(fraction) = fraction {
                // Progress has no effects; it only teaches the cost model.
                let effects = self.scheduler.step(self.now(), Input::Progress { run, fraction });
                debug_assert!(effects.is_empty());
            }
        }
        let eta = self.eta();
        self.progress.redraw(&self.status, eta);
        Ok(())
    }

    async fn read_run(&mut self, run: u64) -> Result<(), SweepError> {
        let Some(live) = self.live.get_mut(&run) else { return Ok(()) };
        let polled = live.poll();
        for problem in &polled.problems {
            self.progress.note(&format!("warning: {problem}"));
        }
        if !polled.scalars.is_empty() {
            self.ready.store.append_scalars(self.ready.keys[index(run)], &polled.scalars).await?;
            let event = Event::Scalars { run, points: polled.scalars };
            self.show(&event, None);
        }
        Ok(())
    }

    /// An attempt's process is gone: reads the last of its events, notes how it ended, and lets the scheduler go on.
    async fn ended(&mut self, end: AttemptEnd) -> Result<(), SweepError> {
        let run = end.run;
        self.read_run(run).await?;
        let Some(live) = self.live.remove(&run) else { return Ok(()) };
        let seconds = live.seconds();
        self.used.add(seconds, &end.used);
        let spec = self.ready.runs[index(run)].clone();
        let end = attempt::finish(self.ready, &spec, &live, end).await?;
        let failure = match &end.ending {
            Ending::Failed(failure) => Some(failure.clone()),
            Ending::Completed | Ending::Interrupted => None,
        };
        self.trained += u64::from(end.ending != Ending::Interrupted);
        self.announce_end(run, live.number, end.state(), failure, Some(seconds));
        if self.ranked.elapsed() > RANKING {
            self.ready.store.set_ranks(self.ready.key).await?;
            self.ranked = Instant::now();
        }
        self.feed(Input::Ended { run, how: end.ended() }).await
    }

    async fn cancel(&mut self) -> Result<(), SweepError> {
        if self.scheduler.is_cancelled() {
            self.deadline = None;
            self.progress.note("stopping at once: live runs are killed");
        } else {
            self.deadline = Some(Instant::now() + GRACE);
            self.progress.note(&format!(
                "stopping: live runs are asked to end, and killed in {} s or at the next Ctrl-C",
                GRACE.as_secs()
            ));
        }
        self.feed(Input::Cancel).await
    }

    fn announce_end(
        &mut self,
        run: u64,
        attempt: u32,
        state: RunState,
        failure: Option<Failure>,
        seconds: Option<f64>,
    ) {
        let event = Event::AttemptEnded { run, attempt, state, failure, time: wall_now() };
        self.show(&event, seconds);
    }

    fn show(&mut self, event: &Event, seconds: Option<f64>) {
        let (run, ended) = match event {
            Event::AttemptStarted { run, .. } | Event::Scalars { run, .. } => (*run, false),
            Event::AttemptEnded { run, .. } => (*run, true),
        };
        let eta = self.eta();
        let spec = &self.ready.runs[index(run)];
        let accuracy = self.status.live.get(&run).and_then(|live| live.accuracy).filter(|_| ended);
        self.status.apply(event, || self.plans.planned(spec));
        let line = Line {
            run: &spec.name,
            seconds,
            metric: accuracy.map(|value| (crate::event::tags::VALIDATION_ACCURACY, f64::from(value))),
        };
        self.progress.event(event, &line, &self.status, eta);
    }

    /// The time that is left. Worked out once a tick at most, since that plays the rest of the schedule forward.
    fn eta(&mut self) -> Option<Duration> {
        let fresh = self.eta.filter(|(at, _)| at.elapsed() < TICK);
        if fresh.is_none() {
            let seconds = self.scheduler.remaining_seconds(self.now());
            self.eta = seconds
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .map(|eta| (Instant::now(), eta));
        }
        self.eta.map(|(_, eta)| eta)
    }
}
