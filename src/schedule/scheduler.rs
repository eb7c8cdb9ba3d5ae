//! The state machine: what happened in, what to do out.
//!
//! Driven by the sweep loop, which carries the effects out. The rules of order and admission are in the folder's head;
//! memory and slots are kept by the pool, the waiting runs by the queue.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{
    cost::CostModel,
    delays::Delays,
    live::RunningJob,
    messages::{Counts, Effect, Ended, Input, Job, LiveRun, SetupError},
    pool::Pool,
    queue::Queue,
    slot::Slot,
    task::{Fate, Task, Wish},
};
use crate::event::NextTry;

/// The scheduler of one sweep. See the folder's head for its rules.
#[derive(Clone, Debug)]
pub struct Scheduler {
    slots: Vec<Slot>,
    /// In the order in which they should start; a run's position is its place here.
    pub(super) tasks: Vec<Task>,
    /// Positions by run.
    pub(super) positions: HashMap<u64, usize>,
    pub(super) queue: Queue,
    pub(super) delays: Delays,
    pub(super) pool: Pool,
    /// By position.
    pub(super) live: BTreeMap<usize, RunningJob>,
    model: CostModel,
    pub(super) max_attempts: u32,
    /// The first pause before a run is tried again, seconds.
    pub(super) first_pause: f64,
    pub(super) phase: Phase,
    pub(super) cancelled: bool,
    pub(super) completed: usize,
    pub(super) failed: usize,
    pub(super) cancelled_runs: usize,
    /// Runs that wait for a moment.
    pub(super) delayed: usize,
    /// Positions of the runs that are held back.
    pub(super) held: BTreeSet<usize>,
    /// Whether more runs are to come.
    pub(super) more: bool,
    pub(super) stopped: usize,
    /// How many runs may begin that never had an attempt; `None` for all.
    pub(super) new_runs: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Ready,
    Running,
    /// Nothing starts until it goes on.
    Paused,
    Draining,
    Stopping,
    Finished,
}

impl Scheduler {
    /// A scheduler of `jobs` over `slots`. `capacities` has the memory of each device in bytes, by `device_index`;
    /// a run is attempted up to `max_attempts` times in this sweep (0 counts as 1).
    ///
    /// # Errors
    /// If slots and capacities do not fit each other, a run is there twice, or there are runs and no slots.
    pub fn new(
        slots: Vec<Slot>,
        capacities: &[u64],
        jobs: Vec<Job>,
        max_attempts: u32,
    ) -> Result<Self, SetupError> {
        for (place, slot) in slots.iter().enumerate() {
            if slot.index as usize != place {
                return Err(SetupError::MisplacedSlot(slot.index));
            }
            if slot.device_index as usize >= capacities.len() {
                return Err(SetupError::UnknownDevice { slot: slot.index, device: slot.device_index });
            }
        }
        if slots.is_empty() && !jobs.is_empty() {
            return Err(SetupError::NoSlots);
        }
        let mut tasks: Vec<Task> = jobs.into_iter().map(Task::new).collect();
        tasks.sort_by(|a, b| {
            let by_cost = || b.job.cost.total_cmp(&a.job.cost).then(a.job.run.cmp(&b.job.run));
            b.job.alive.cmp(&a.job.alive).then_with(by_cost)
        });

        let mut positions = HashMap::with_capacity(tasks.len());
        let mut queue = Queue::new(tasks.len());
        for (position, task) in tasks.iter().enumerate() {
            if positions.insert(task.job.run, position).is_some() {
                return Err(SetupError::RepeatedRun(task.job.run));
            }
            if task.fate == Fate::Open {
                queue.insert(position, task.memory());
            }
        }
        let cancelled_runs = tasks.iter().filter(|task| task.fate == Fate::Cancelled).count();
        let pool = Pool::new(&slots, capacities);
        Ok(Self {
            slots,
            tasks,
            positions,
            queue,
            delays: Delays::default(),
            pool,
            live: BTreeMap::new(),
            model: CostModel::default(),
            max_attempts: max_attempts.max(1),
            first_pause: 0.0,
            phase: Phase::Ready,
            cancelled: false,
            completed: 0,
            failed: 0,
            cancelled_runs,
            delayed: 0,
            held: BTreeSet::new(),
            more: false,
            stopped: 0,
            new_runs: None,
        })
    }

    /// Lets a run that was killed, lost or not started wait before it is tried again: so many seconds, then twice as long each time.
    #[must_use]
    pub fn with_pause(mut self, seconds: f64) -> Self {
        self.first_pause = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
        self
    }

    /// Takes in what happened at `now` and says what to do, in order. `now` is in seconds on a clock that never goes
    /// back, from any origin.
    #[must_use = "the effects are to be carried out"]
    pub fn step(&mut self, now: f64, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Begin => {
                if self.phase == Phase::Ready {
                    self.phase = Phase::Running;
                    self.leave_new();
                    self.fill(now, self.pool.with_free_slots(), &mut effects);
                }
            }
            Input::Progress { run, fraction } => self.with_live(run, |live| live.progress(now, fraction)),
            Input::Queued { run } => self.with_live(run, |live| live.queued = true),
            Input::Began { run } => self.with_live(run, |live| live.began(now)),
            Input::GoesOn { run, done } => self.with_live(run, |live| live.goes_on(done)),
            Input::Ended { run, how } => self.ended(now, run, how, &mut effects),
            Input::Drain => {
                if self.is_open() {
                    self.phase = Phase::Draining;
                }
            }
            Input::Pause => self.pause(&mut effects),
            Input::Resume => self.go_on(now, &mut effects),
            Input::Wake => self.wake(now, &mut effects),
            Input::CancelRun { run } => self.cancel_run(now, run, &mut effects),
            Input::Requeue { run } => self.requeue(now, run, &mut effects),
            Input::SetAside { device } => self.set_aside(now, device, &mut effects),
            Input::Add(job) => self.add(now, job, &mut effects),
            Input::Release { run } => self.release(now, run, &mut effects),
            Input::Park { run } => self.park(run, &mut effects),
            Input::StopRun { run } => self.stop_run(run, &mut effects),
            Input::Closed => self.more = false,
            Input::Cancel => self.cancel(&mut effects),
        }
        let over = match self.phase {
            Phase::Running | Phase::Paused => self.is_idle() && !self.more,
            Phase::Draining | Phase::Stopping => self.live.is_empty(),
            Phase::Ready | Phase::Finished => false,
        };
        if over {
            self.phase = Phase::Finished;
            effects.push(Effect::Finished(self.counts()));
        }
        effects
    }

    /// Runs by state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (live, completed, failed) = (self.live.len(), self.completed, self.failed);
        let (cancelled, stopped) = (self.cancelled_runs, self.stopped);
        let waiting = self.tasks.len() - live - completed - failed - cancelled - stopped;
        Counts { waiting, live, completed, failed, cancelled, stopped }
    }

    /// The live runs, the longest first.
    pub fn live(&self) -> impl Iterator<Item = LiveRun> + '_ {
        self.live.iter().map(|(position, live)| {
            let task = &self.tasks[*position];
            LiveRun {
                run: task.job.run,
                attempt: task.attempt(),
                slot: live.claim.slot,
                started: live.started,
                fraction: live.progress.map_or(0.0, |progress| progress.fraction),
            }
        })
    }

    /// The slots.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The attempt that a run waits for or is in; `None` where it is to have none.
    #[must_use]
    pub fn next_try(&self, run: u64) -> Option<NextTry> {
        let position = *self.positions.get(&run)?;
        let task = &self.tasks[position];
        let waits = self.queue.contains(position) || matches!(task.fate, Fate::Delayed(_));
        let number = task.counted + u32::from(waits);
        let next = NextTry { number, of: self.max_attempts, alone: task.alone };
        (waits || self.live.contains_key(&position)).then_some(next)
    }

    /// Whether a cancel has been taken in.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    /// What has been learned of the run times.
    #[must_use]
    pub fn cost_model(&self) -> &CostModel {
        &self.model
    }

    pub(super) fn live_by_position(&self) -> impl Iterator<Item = (usize, &RunningJob)> {
        self.live.iter().map(|(position, live)| (*position, live))
    }

    pub(super) fn live_run(&self, run: u64) -> Option<(usize, &RunningJob)> {
        let position = *self.positions.get(&run)?;
        Some((position, self.live.get(&position)?))
    }

    pub(super) fn waiting_positions(&self) -> impl Iterator<Item = usize> + '_ {
        let is_delayed = |task: &Task| matches!(task.fate, Fate::Delayed(_));
        let delayed =
            self.tasks.iter().enumerate().filter(move |(_, task)| self.delayed > 0 && is_delayed(task));
        let held = self.held.iter().copied();
        self.queue.positions().chain(delayed.map(|(position, _)| position)).chain(held)
    }

    /// Whether the device of a slot takes runs.
    pub(super) fn is_usable(&self, slot: &Slot) -> bool {
        !self.pool.is_aside(slot.device_index as usize)
    }

    pub(super) fn job(&self, position: usize) -> &Job {
        &self.tasks[position].job
    }

    /// Threads of a live run; 0 where it is not live.
    pub(super) fn threads_of(&self, run: u64) -> u32 {
        self.live_run(run).map_or(0, |(_, live)| live.threads)
    }

    pub(super) fn set_threads(&mut self, run: u64, threads: u32) {
        if let Some(position) = self.positions.get(&run)
            && let Some(live) = self.live.get_mut(position)
        {
            live.threads = threads;
        }
    }

    /// Whether a run waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.queue.is_empty() || self.more
    }

    /// Whether a device has a slot that no run is on.
    pub(super) fn has_free_slot(&self, device: u32) -> bool {
        self.pool.has_free_slot(device as usize)
    }

    /// Whether a run may have more threads than its slot.
    pub(super) fn is_elastic(&self, run: u64) -> bool {
        self.positions.get(&run).is_some_and(|position| self.tasks[*position].job.elastic)
    }

    fn with_live(&mut self, run: u64, change: impl FnOnce(&mut RunningJob)) {
        if let Some(live) = self.positions.get(&run).and_then(|position| self.live.get_mut(position)) {
            change(live);
        }
    }

    fn ended(&mut self, now: f64, run: u64, how: Ended, effects: &mut Vec<Effect>) {
        let Some(position) = self.positions.get(&run).copied() else { return };
        let Some(live) = self.live.remove(&position) else { return };
        self.pool.release(live.claim);
        let task = &mut self.tasks[position];
        let wish = std::mem::replace(&mut task.wish, Wish::On);
        let is_open = matches!(self.phase, Phase::Running | Phase::Paused);
        let mut open = vec![live.claim.device];
        match how {
            Ended::Completed => {
                self.completed += 1;
                task.fate = Fate::Completed;
                let slot = &self.slots[live.claim.slot as usize];
                // What it would have taken with the threads of its slot.
                let speed = f64::from(live.threads) / f64::from(slot.threads.max(1));
                let cost = task.job.cost * (1.0 - live.done);
                self.model.learn(slot.kind(), cost, (now - live.started) * speed);
            }
            _ if wish == Wish::Cancel => {
                // Its number goes to the next one, should it be requeued.
                task.attempts -= u32::from(how == Ended::Withdrawn && task.attempts > 0);
                task.fate = Fate::Cancelled;
                self.cancelled_runs += 1;
            }
            Ended::Failed(_) | Ended::Interrupted if wish == Wish::Stop => {
                task.fate = Fate::Stopped;
                self.stopped += 1;
            }
            Ended::Failed(_) | Ended::NotStarted => {
                if self.is_worth_another(position, how) {
                    self.try_again(now, position, how);
                    // Unlike an end, a new waiting run may be admissible anywhere.
                    open = self.pool.with_free_slots();
                } else {
                    self.tasks[position].fate = Fate::Failed;
                    self.failed += 1;
                }
            }
            Ended::Interrupted if wish == Wish::Pause && is_open => {
                task.uncount();
                let paused = self.phase == Phase::Paused;
                self.enqueue(position, if paused { Fate::Paused } else { Fate::Open });
                open = self.pool.with_free_slots();
            }
            Ended::Interrupted if wish == Wish::Hold && is_open => {
                task.uncount();
                self.hold(position);
            }
            Ended::Withdrawn => {
                // Its number goes to the next one.
                task.attempts = task.attempts.saturating_sub(1);
                task.uncount();
                if let (true, Some(left)) = (task.is_new(), &mut self.new_runs) {
                    *left += 1;
                }
                if is_open {
                    self.enqueue(position, Fate::Open);
                    open = self.pool.with_free_slots();
                } else {
                    task.fate = Fate::Left;
                }
            }
            // Not waiting again: whoever stopped it does not want it in this sweep.
            Ended::Interrupted => task.fate = Fate::Left,
        }
        if self.phase == Phase::Running {
            self.fill(now, open, effects);
        }
    }

    /// Starts what may start on the devices in `open`: one run a device and round, so that the longest runs are
    /// spread over the devices.
    pub(super) fn fill(&mut self, now: f64, mut open: Vec<usize>, effects: &mut Vec<Effect>) {
        let first = effects.len();
        while !open.is_empty() {
            let mut again = Vec::new();
            for device in open {
                if !self.pool.has_free_slot(device) {
                    continue;
                }
                if let Some(position) = self.pool.pick(device, &self.queue) {
                    let released = self.start(now, position, device, effects);
                    again.push(device);
                    again.extend(released.filter(|released| *released != device));
                }
            }
            open = again;
        }
        self.share_threads(now, &mut effects[first..]);
    }

    /// Starts the run at `position` on a device with a free slot. Answers with the device that it was owed, if any.
    fn start(
        &mut self,
        now: f64,
        position: usize,
        device: usize,
        effects: &mut Vec<Effect>,
    ) -> Option<usize> {
        self.queue.remove(position);
        let task = &mut self.tasks[position];
        let is_new = task.is_new();
        task.attempts += 1;
        task.counted += 1;
        task.fate = Fate::Open;
        let (claim, released) = self.pool.claim(device, position, task.memory());
        let threads = self.slots[claim.slot as usize].threads;
        effects.push(Effect::Start { run: task.job.run, attempt: task.attempt(), slot: claim.slot, threads });
        self.live.insert(position, RunningJob::new(claim, now, threads));
        if is_new {
            self.begins();
        }
        released
    }
}
