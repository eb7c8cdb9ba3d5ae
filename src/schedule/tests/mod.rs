//! The scheduler's rules, case by case, under random input, and at size.
//! Here is the sweep in a test that the cases share.

mod cases;
mod control;
mod random;
mod sanity;
mod simulation;
mod supply;

use std::collections::BTreeMap;

use super::*;
use crate::event::NextTry;

/// A sweep in a test: builds the scheduler, feeds it, keeps its answers, and checks the invariants after every step.
struct SchedEnv {
    capacities: Vec<u64>,
    slots: Vec<Slot>,
    jobs: Vec<Job>,
    max_attempts: u32,
    pause: f64,
    /// What else the scheduler is told before it begins.
    told: fn(Scheduler) -> Scheduler,
    /// Devices that are set aside.
    lost: std::collections::BTreeSet<u32>,
    elastic: bool,
    threads: BTreeMap<u64, u32>,
    scheduler: Option<Scheduler>,
    now: f64,
    live: BTreeMap<u64, u32>,
    starts: Vec<(u64, u32, u32)>,
    cancelled: bool,
    finished: Option<Counts>,
}

impl SchedEnv {
    fn new() -> Self {
        Self {
            capacities: Vec::new(),
            slots: Vec::new(),
            jobs: Vec::new(),
            max_attempts: 1,
            pause: 0.0,
            told: |scheduler| scheduler,
            lost: std::collections::BTreeSet::new(),
            elastic: false,
            threads: BTreeMap::new(),
            scheduler: None,
            now: 100.0,
            live: BTreeMap::new(),
            starts: Vec::new(),
            cancelled: false,
            finished: None,
        }
    }

    /// Adds a device with so much memory and so many slots.
    fn device(mut self, capacity: u64, slots: u32) -> Self {
        let device_index = self.capacities.len() as u32;
        self.capacities.push(capacity);
        for place in 0..slots {
            let index = self.slots.len() as u32;
            let label = format!("cuda:{device_index}/{place}");
            self.slots.push(Slot {
                index,
                label,
                device: format!("GPU-{device_index}"),
                device_index,
                threads: 1,
            });
        }
        self
    }

    /// Adds the next run.
    fn run(mut self, cost: f64, memory: u64) -> Self {
        let run = self.jobs.len() as u64;
        self.jobs.push(Job {
            run,
            cost,
            memory,
            attempt: 1,
            elastic: self.elastic,
            cancelled: false,
            alive: false,
        });
        self
    }

    fn runs(self, jobs: &[(f64, u64)]) -> Self {
        jobs.iter().fold(self, |env, (cost, memory)| env.run(*cost, *memory))
    }

    /// Lets the runs that are added from here on have more threads than their slot.
    fn elastic(mut self) -> Self {
        self.elastic = true;
        self
    }

    fn attempts(mut self, max: u32) -> Self {
        self.max_attempts = max;
        self
    }

    fn begin(mut self) -> Self {
        let scheduler =
            Scheduler::new(self.slots.clone(), &self.capacities, self.jobs.clone(), self.max_attempts);
        let scheduler = scheduler.expect("a valid set-up").with_pause(self.pause);
        self.scheduler = Some((self.told)(scheduler));
        self.feed(Input::Begin);
        self
    }

    fn feed(&mut self, input: Input) -> Vec<Effect> {
        self.feed_unchecked(input, true)
    }

    fn feed_unchecked(&mut self, input: Input, check: bool) -> Vec<Effect> {
        if let Input::Ended { run, .. } = input {
            self.live.remove(&run);
        }
        if let Input::SetAside { device } = input {
            self.lost.insert(device);
        }
        if let Input::Add(job) = input
            && self.jobs.iter().all(|known| known.run != job.run)
        {
            self.jobs.push(job);
        }
        self.cancelled |= input == Input::Cancel && self.finished.is_none();
        let scheduler = self.scheduler.as_mut().expect("begun");
        let effects = scheduler.step(self.now, input);
        for effect in &effects {
            assert!(self.finished.is_none(), "{effect:?} after the end was announced");
            match *effect {
                Effect::Start { run, attempt, slot, threads } => {
                    self.threads.insert(run, threads);
                    assert!(threads == 1 || self.elastic, "run {run} has {threads} threads");
                    assert!(!self.cancelled, "run {run} starts after a cancel");
                    let device = self.slots[slot as usize].device_index;
                    assert!(!self.lost.contains(&device), "run {run} starts on lost device {device}");
                    assert!(self.live.insert(run, slot).is_none(), "run {run} is live twice");
                    self.starts.push((run, attempt, slot));
                }
                Effect::Stop { run, .. } => assert!(self.live.contains_key(&run), "run {run} is not live"),
                Effect::Finished(counts) => self.finished = Some(counts),
            }
        }
        let counts = scheduler.counts();
        assert_eq!(counts.live, self.live.len());
        assert_eq!(
            counts.waiting
                + counts.live
                + counts.completed
                + counts.failed
                + counts.cancelled
                + counts.stopped,
            self.jobs.len()
        );
        if check {
            scheduler.sanity_check();
        }
        effects
    }

    fn end(&mut self, run: u64, how: Ended) -> Vec<Effect> {
        assert!(self.live.contains_key(&run), "run {run} is not live");
        self.feed(Input::Ended { run, how })
    }

    fn finish(&mut self, run: u64) -> Vec<Effect> {
        self.end(run, Ended::Completed)
    }

    fn crash(&mut self, run: u64) -> Vec<Effect> {
        self.end(run, Ended::Failed(Again::Yes))
    }

    /// Lets every run that is live, or waits for a moment, come to its end.
    fn play_out(&mut self) {
        while self.finished.is_none() {
            if let Some(run) = self.live_runs().first().copied() {
                self.finish(run);
                continue;
            }
            let due = self.scheduler().next_due().expect("something is live, due, or all is over");
            self.now = self.now.max(due);
            self.feed(Input::Wake);
        }
    }

    fn live_runs(&self) -> Vec<u64> {
        self.live.keys().copied().collect()
    }

    fn started_runs(&self) -> Vec<u64> {
        self.starts.iter().map(|(run, ..)| *run).collect()
    }

    fn scheduler(&self) -> &Scheduler {
        self.scheduler.as_ref().expect("begun")
    }
}
