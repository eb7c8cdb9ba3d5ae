//! The loop with a stand-in for the launcher, on a clock that the tests turn. Here is the world that they play in.

mod control;
mod ends;
mod ledger;
mod limits;
mod random;
mod starts;

use std::{cell::RefCell, collections::BTreeSet, io, path::PathBuf, rc::Rc};

use super::{LiveAttempt, Loop, Now, limits::Limits};
use crate::{
    event::{Change, Event, NextTry, Totals},
    launch::{AttemptEnd, Ending, LaunchError, LaunchPlan, Launcher, News, Stdin},
    run::{Evidence, Failure, FailureKind, Handle, RunState, Used},
    schedule::{Job, Scheduler, Slot},
    sweep::{SweepError, attempt::Attempts, sinks::Sinks, status::RunForecast},
};

/// How the stand-in answers a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Alive,
    /// There is no such program.
    Missing,
    /// There are no descriptors left.
    Full,
}

/// Starts nothing, and does as if.
struct Fake {
    answer: Box<dyn FnMut(u64, u32) -> Answer>,
    live: BTreeSet<u64>,
    starts: Vec<(u64, u32)>,
    stops: Vec<(u64, bool)>,
    /// Ends that `next` tells.
    ends: Vec<AttemptEnd>,
}

impl Launcher for Fake {
    fn start(&mut self, plan: &LaunchPlan) -> Result<Handle, LaunchError> {
        let error = match (self.answer)(plan.run, plan.attempt) {
            Answer::Alive => {
                assert!(self.live.insert(plan.run), "run {} is live already", plan.run);
                self.starts.push((plan.run, plan.attempt));
                return Ok(Handle::Process(1000 + u32::try_from(plan.run).unwrap()));
            }
            Answer::Missing => io::Error::from_raw_os_error(2),
            Answer::Full => io::Error::from_raw_os_error(24),
        };
        Err(LaunchError::Start { program: "p".to_owned(), error, detail: "" })
    }

    fn stop(&mut self, run: u64, kill: bool) -> Result<(), LaunchError> {
        self.stops.push((run, kill));
        Ok(())
    }

    async fn next(&mut self) -> News {
        match self.ends.pop() {
            Some(end) => {
                self.live.remove(&end.run);
                News::Ended(Box::new(end))
            }
            None => std::future::pending().await,
        }
    }
}

struct World {
    this: Loop<'static, Fake>,
    told: Rc<RefCell<Vec<Event>>>,
    now: f64,
}

fn slot(index: u32) -> Slot {
    Slot { index, label: format!("cpu/{index}"), device: "cpu".to_owned(), device_index: 0, threads: 1 }
}

fn made(runs: u64, slots: u32, limit: u32, answer: impl FnMut(u64, u32) -> Answer + 'static) -> World {
    made_on((0..slots).map(slot).collect(), runs, limit, answer)
}

/// As [`made`], on slots whose devices are numbered from 0.
fn made_on(
    slots: Vec<Slot>,
    runs: u64,
    limit: u32,
    answer: impl FnMut(u64, u32) -> Answer + 'static,
) -> World {
    let capacities = vec![u64::MAX; slots.len()];
    let plan = |run| LaunchPlan {
        run,
        attempt: 1,
        run_dir: PathBuf::from("/nowhere").join(run.to_string()),
        program: "p".into(),
        args: Vec::new(),
        env: Vec::new(),
        folder: None,
        stdin: Stdin::Null,
        pauses: false,
        inherited: std::collections::BTreeMap::new(),
        memory: 0,
        seconds: None,
        started: 0.0,
        resumed: None,
    };
    let forecast = |run| RunForecast {
        name: format!("run-{run}"),
        epochs: None,
        steps_per_epoch: None,
        rank_by: crate::tags::VALIDATION_ACCURACY.to_owned(),
        batch_size: None,
    };
    let job =
        |run| Job { run, cost: 1.0, memory: 0, attempt: 1, elastic: false, cancelled: false, alive: false };
    let scheduler = Scheduler::new(slots, &capacities, (0..runs).map(job).collect(), limit);
    let attempts = Attempts::Listed((0..runs).map(|run| (plan(run), forecast(run))).collect());
    let launcher = Fake {
        answer: Box::new(answer),
        live: BTreeSet::new(),
        starts: Vec::new(),
        stops: Vec::new(),
        ends: Vec::new(),
    };
    let told = Rc::new(RefCell::new(Vec::new()));
    let sinks = Sinks { told: Some(Rc::clone(&told)), ..Sinks::new(None, None, None) };
    let limits = Limits { grace: 10.0, ..Limits::default() };
    World { this: Loop::new(attempts, launcher, sinks, scheduler.unwrap(), 2, limits), told, now: 0.0 }
}

/// A world that has begun, where every start succeeds.
fn begun(runs: u64, slots: u32, limit: u32) -> World {
    let mut world = made(runs, slots, limit, |_, _| Answer::Alive);
    world.begin();
    world
}

fn failure() -> Failure {
    Failure {
        kind: FailureKind::Signal,
        reason: "no".to_owned(),
        log_tail: String::new(),
        evidence: Evidence::default(),
    }
}

impl World {
    fn at(&self) -> Now {
        Now { elapsed: self.now, wall: 1000.0 + self.now }
    }

    fn begin(&mut self) {
        self.this.begin(self.at(), "e");
        self.check();
    }

    fn end_of(&mut self, run: u64, ending: Ending, asked_to_end: bool) -> AttemptEnd {
        assert!(self.this.launcher.live.remove(&run), "run {run} is not live");
        let attempt = self.this.live[&run].attempt.number;
        let (used, has_outcome, resumed_from, has_paused) = (Used::default(), false, None, false);
        AttemptEnd {
            run,
            attempt,
            ending,
            used,
            has_outcome,
            resumed_from,
            asked_to_end,
            has_paused,
            alive: None,
        }
    }

    /// The attempt of a run ends, and is judged at once.
    fn end(&mut self, run: u64, ending: Ending) {
        let end = AttemptEnd { has_outcome: true, ..self.end_of(run, ending, false) };
        self.this.ended(self.at(), end);
        self.check();
    }

    fn cancel(&mut self) {
        self.this.cancel(self.at());
        self.check();
    }

    fn pass(&mut self, seconds: f64) {
        self.now += seconds;
        self.this.tick(self.at());
        self.check();
    }

    fn totals(&self) -> Totals {
        self.told.borrow().last().unwrap().totals
    }

    fn warnings(&self) -> Vec<String> {
        let text = |event: &Event| match &event.change {
            Change::Warning(text) => Some(text.clone()),
            _ => None,
        };
        self.told.borrow().iter().filter_map(text).collect()
    }

    /// States of the runs whose attempts have ended, in order.
    fn ends(&self) -> Vec<(u64, u32, RunState)> {
        let end = |event: &Event| match &event.change {
            Change::AttemptEnded { attempt, state, .. }
            | Change::AttemptNotStarted { attempt, state, .. } => Some((attempt.run, attempt.number, *state)),
            _ => None,
        };
        self.told.borrow().iter().filter_map(end).collect()
    }

    /// What must hold of the events at any time: the counts add up, and are those that the events tell.
    fn check(&self) {
        let (mut live, mut completed, mut failed) = (BTreeSet::new(), 2, 0);
        let (mut failed_runs, mut cancelled_runs, mut cancelled) = (BTreeSet::new(), BTreeSet::new(), 0);
        let told = self.told.borrow();
        let total = told[0].totals.total;
        for Event { totals, change, .. } in told.iter() {
            match change {
                Change::AttemptStarted(attempt) => assert!(live.insert(attempt.run)),
                Change::AttemptEnded { attempt, state, failure, .. } => {
                    assert!(live.remove(&attempt.run), "only what is live ends");
                    completed += u64::from(*state == RunState::Completed);
                    failed += u64::from(*state == RunState::Failed);
                    if *state == RunState::Failed {
                        failed_runs.insert(attempt.run);
                    }
                    if *state == RunState::Cancelled {
                        cancelled_runs.insert(attempt.run);
                        cancelled += 1;
                    }
                    assert!(*state != RunState::Failed || failure.is_some());
                }
                Change::Moved { run, state, .. } => {
                    assert!(!live.contains(run), "only what is not live moves");
                    failed -= u64::from(failed_runs.remove(run));
                    cancelled -= u64::from(cancelled_runs.remove(run));
                    if *state == RunState::Cancelled {
                        cancelled_runs.insert(*run);
                        cancelled += 1;
                    }
                    // The scheduler hears of a requeue after the ledger.
                    continue;
                }
                Change::AttemptNotStarted { attempt, state, .. } => {
                    assert!(attempt.handle.is_none() && !live.contains(&attempt.run));
                    failed += u64::from(*state == RunState::Failed);
                    if *state == RunState::Failed {
                        failed_runs.insert(attempt.run);
                    }
                }
                _ => {}
            }
            assert_eq!(
                (totals.total, totals.completed, totals.failed),
                (total, completed, failed),
                "{change:?}"
            );
            assert_eq!((totals.live, totals.cancelled), (live.len() as u64, cancelled), "{change:?}");
            assert_eq!(totals.completed + totals.failed + totals.pending + totals.live + cancelled, total);
        }
        let alive: BTreeSet<u64> = self.this.live.keys().copied().collect();
        assert_eq!(alive, live);
        assert!(self.this.over <= alive.is_empty());
    }
}
