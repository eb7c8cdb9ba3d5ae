//! The loop with a stand-in for the launcher, on a clock that the tests turn.

use std::{cell::RefCell, collections::BTreeSet, io, path::PathBuf, rc::Rc, time::Instant};

use proptest::prelude::*;

use super::{LiveAttempt, Loop, Now, drive::drive, limits::Limits};
use crate::{
    base::signals::Signals,
    event::{Change, Event, NextTry, Totals},
    launch::{AttemptEnd, Ending, LaunchError, LaunchPlan, Launcher, Stdin},
    run::{Evidence, Failure, FailureKind, Handle, RunState, Used},
    schedule::{Job, Scheduler, Slot},
    sweep::{
        SweepError,
        attempt::Attempts,
        sinks::{Ledger, Sinks},
        status::RunForecast,
    },
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

    async fn next(&mut self) -> AttemptEnd {
        match self.ends.pop() {
            Some(end) => {
                self.live.remove(&end.run);
                end
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
    let plan = |run| LaunchPlan {
        run,
        attempt: 1,
        run_dir: PathBuf::from("/nowhere").join(run.to_string()),
        program: "p".into(),
        args: Vec::new(),
        env: Vec::new(),
        folder: None,
        stdin: Stdin::Null,
    };
    let forecast = |run| RunForecast {
        name: format!("run-{run}"),
        epochs: None,
        steps_per_epoch: None,
        rank_by: crate::tags::VALIDATION_ACCURACY.to_owned(),
        batch_size: None,
    };
    let job = |run| Job { run, cost: 1.0, memory: 0, attempt: 1, elastic: false };
    let scheduler =
        Scheduler::new((0..slots).map(slot).collect(), &[u64::MAX], (0..runs).map(job).collect(), limit);
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
        let (used, has_outcome, resumed_from) = (Used::default(), false, None);
        AttemptEnd { run, attempt, ending, used, has_outcome, resumed_from, asked_to_end }
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
        let told = self.told.borrow();
        let total = told[0].totals.total;
        for Event { totals, change, .. } in told.iter() {
            match change {
                Change::AttemptStarted(attempt) => assert!(live.insert(attempt.run)),
                Change::AttemptEnded { attempt, state, failure, .. } => {
                    assert!(live.remove(&attempt.run), "only what is live ends");
                    completed += u64::from(*state == RunState::Completed);
                    failed += u64::from(*state == RunState::Failed);
                    assert!(*state != RunState::Failed || failure.is_some());
                }
                Change::AttemptNotStarted { attempt, state, .. } => {
                    assert!(attempt.handle.is_none() && !live.contains(&attempt.run));
                    failed += u64::from(*state == RunState::Failed);
                }
                _ => {}
            }
            assert_eq!(
                (totals.total, totals.completed, totals.failed),
                (total, completed, failed),
                "{change:?}"
            );
            assert_eq!(totals.live, live.len() as u64, "{change:?}");
            assert_eq!(totals.completed + totals.failed + totals.pending + totals.live, total);
        }
        let alive: BTreeSet<u64> = self.this.live.keys().copied().collect();
        assert_eq!(alive, live);
        assert!(self.this.over <= alive.is_empty());
    }
}

#[test]
fn ends_and_starts_alternate_until_all_is_done() {
    let mut world = begun(3, 2, 1);
    assert_eq!(world.this.launcher.starts, [(0, 1), (1, 1)]);
    world.end(1, Ending::Completed);
    assert_eq!(world.this.launcher.starts[2..], [(2, 1)]);
    world.end(2, Ending::Failed(failure()));
    world.end(0, Ending::Completed);
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 5, completed: 4, failed: 1, pending: 0, live: 0 });
    assert_eq!(world.this.trained, 3);
}

#[test]
fn ten_thousand_runs_that_cannot_start_fail_one_by_one() {
    let mut world = made(10_000, 4, 1, |_, _| Answer::Missing);
    world.begin();
    assert!(world.this.over && world.this.launcher.starts.is_empty());
    assert_eq!(world.totals().failed, 10_000);
    let reason = world.this.last_failure.as_ref().map(|failure| failure.reason.as_str());
    assert_eq!(reason, Some("cannot start `p`: No such file or directory (os error 2)"));
}

#[test]
fn a_run_is_tried_three_times_and_counted_once() {
    let mut world = begun(1, 1, 3);
    world.end(0, Ending::Failed(failure()));
    assert_eq!(world.totals(), Totals { total: 3, completed: 2, failed: 0, pending: 0, live: 1 });
    world.end(0, Ending::Failed(failure()));
    world.end(0, Ending::Failed(failure()));
    use RunState::{Failed, Pending};
    assert_eq!(world.ends(), [(0, 1, Pending), (0, 2, Pending), (0, 3, Failed)]);
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 3, completed: 2, failed: 1, pending: 0, live: 0 });
}

#[test]
fn only_failures_that_pass_are_tried_again_and_an_end_says_what_is_next() {
    let mut world = begun(2, 1, 3);
    world.end(0, Ending::Failed(Failure { kind: FailureKind::Diverged, ..failure() }));
    let temporary = |code| {
        let evidence = Evidence { exit_code: Some(code), ..Evidence::default() };
        Ending::Failed(Failure { kind: FailureKind::Exit, evidence, ..failure() })
    };
    world.end(1, temporary(75));
    let next = |event: &Event| match event.change {
        Change::AttemptEnded { next, .. } => Some(next),
        _ => None,
    };
    let nexts: Vec<_> = world.told.borrow().iter().filter_map(next).collect();
    assert_eq!(nexts, [None, Some(NextTry { number: 2, of: 3, alone: false })]);
    world.end(1, temporary(1));
    use RunState::{Failed, Pending};
    assert_eq!(world.ends(), [(0, 1, Failed), (1, 1, Pending), (1, 2, Failed)]);
    assert!(world.this.over);
}

#[test]
fn an_interrupt_while_a_run_is_tried_again_leaves_it_owed() {
    let mut world = begun(2, 1, 3);
    world.end(0, Ending::Failed(failure()));
    assert_eq!(world.this.launcher.starts, [(0, 1), (0, 2)]);
    world.cancel();
    world.end(0, Ending::Interrupted);
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 4, completed: 2, failed: 0, pending: 2, live: 0 });
}

#[test]
fn what_fails_alike_is_counted_by_runs_and_not_by_attempts() {
    let mut world = made(9, 1, 3, |_, _| Answer::Alive);
    world.this.alike = crate::schedule::Alike::new(2, false);
    world.this.limits.stop_after = 2;
    world.begin();
    for run in [0, 0, 0, 1, 1] {
        world.end(run, Ending::Failed(failure()));
        assert_eq!(world.warnings(), [""; 0]);
    }
    world.end(1, Ending::Failed(failure()));
    assert!(world.this.over, "two runs have failed, in six attempts");
    assert_eq!(world.warnings().len(), 1);
}

#[test]
fn an_attempt_that_cannot_start_is_tried_again_too() {
    let mut world = made(1, 1, 3, |_, attempt| if attempt < 3 { Answer::Missing } else { Answer::Alive });
    world.begin();
    assert_eq!(world.ends(), [(0, 1, RunState::Pending), (0, 2, RunState::Pending)]);
    world.end(0, Ending::Completed);
    assert!(world.this.over);
}

#[test]
fn what_the_machine_has_no_more_of_is_waited_for() {
    let full = Rc::new(RefCell::new(true));
    let is_full = Rc::clone(&full);
    let mut world =
        made(4, 3, 1, move |run, _| if run > 0 && *is_full.borrow() { Answer::Full } else { Answer::Alive });
    world.begin();
    assert_eq!(world.this.launcher.starts, [(0, 1)]);
    assert_eq!(world.totals(), Totals { total: 6, completed: 2, failed: 0, pending: 3, live: 1 });
    for _ in 0..100 {
        world.pass(1.5);
    }
    assert_eq!(world.warnings().len(), 1, "it is told once: {:?}", world.warnings());
    assert!(!world.this.over && world.ends().is_empty(), "while a run lives nothing is given up");
    *full.borrow_mut() = false;
    world.end(0, Ending::Completed);
    assert_eq!(world.this.launcher.starts[1..], [(1, 1), (2, 1), (3, 1)]);
    (1..4).for_each(|run| world.end(run, Ending::Completed));
    assert_eq!(world.totals().completed, 6);
}

#[test]
fn a_machine_that_has_room_for_nobody_ends_the_sweep_and_fails_no_run() {
    let mut world = made(40, 2, 1, |_, _| Answer::Full);
    world.begin();
    world.pass(20.0);
    assert!(!world.this.over);
    for _ in 0..20 {
        world.pass(1.5);
    }
    assert!(world.this.over && world.ends().is_empty());
    assert!(matches!(world.this.problem, Some(SweepError::NoStart { .. })), "{:?}", world.this.problem);
    assert_eq!(world.this.totals().pending, 40);
}

#[test]
fn a_failure_within_a_moment_of_our_own_signal_is_an_interrupt() {
    let mut world = begun(4, 2, 1);
    let end = world.end_of(0, Ending::Failed(failure()), true);
    world.this.ended(world.at(), end);
    world.now += 0.4;
    world.this.wake(world.at());
    assert!(world.ends().is_empty() && world.this.launcher.starts.len() == 2, "nothing new is started");
    world.cancel();
    assert_eq!(world.ends(), [(0, 1, RunState::Pending)]);
    world.end(1, Ending::Interrupted);
    assert!(world.this.over && world.this.launcher.starts.len() == 2);
    assert_eq!(world.totals(), Totals { total: 6, completed: 2, failed: 0, pending: 4, live: 0 });
}

#[test]
fn a_failure_without_a_signal_is_judged_after_its_moment() {
    for (asked, moment) in [(true, 1.0), (false, 0.1)] {
        let mut world = begun(2, 1, 1);
        world.now = 5.0;
        let end = world.end_of(0, Ending::Failed(failure()), asked);
        world.this.ended(world.at(), end);
        assert_eq!(world.this.wake_at(), Some(5.0 + moment));
        world.now += moment;
        world.this.wake(world.at());
        world.check();
        assert_eq!(world.ends(), [(0, 1, RunState::Failed)]);
        assert_eq!(world.this.launcher.starts.len(), 2);
        let seconds = world.told.borrow().iter().find_map(|event| match event.change {
            Change::AttemptEnded { seconds, .. } => Some(seconds),
            _ => None,
        });
        assert_eq!(seconds, Some(5.0), "the moment is not part of the run");
    }
}

#[test]
fn runs_that_all_fail_alike_leave_the_rest_to_another_time() {
    let mut world = made(9, 2, 1, |_, _| Answer::Alive);
    world.this.alike = crate::schedule::Alike::new(3, false);
    world.this.limits.stop_after = 3;
    world.begin();
    for run in [1, 0] {
        world.end(run, Ending::Failed(failure()));
    }
    assert_eq!(world.this.launcher.starts.len(), 4);
    assert_eq!(world.warnings(), [""; 0]);
    world.end(2, Ending::Failed(failure()));
    // What is alive goes on to its end.
    assert_eq!((world.this.launcher.starts.len(), world.this.over), (4, false));
    world.end(3, Ending::Failed(failure()));
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 11, completed: 2, failed: 4, pending: 5, live: 0 });
    let words = world.warnings();
    assert_eq!(words.len(), 1);
    assert!(words[0].starts_with("the first 3 runs failed alike, and 5 runs would too"), "{words:?}");
}

#[test]
fn what_takes_too_long_is_asked_then_killed_and_has_failed() {
    let mut world = made(3, 1, 1, |_, _| Answer::Alive);
    world.this.limits.time_per_run = Some(crate::spec::SpecDuration::seconds(60));
    world.begin();
    world.pass(59.0);
    assert_eq!((world.this.wake_at(), world.this.launcher.stops.as_slice()), (Some(60.0), &[][..]));
    world.pass(1.0);
    assert_eq!(world.this.launcher.stops, [(0, false)]);
    world.pass(9.0);
    assert_eq!(world.this.launcher.stops, [(0, false)]);
    world.pass(1.0);
    world.pass(5.0);
    assert_eq!(world.this.launcher.stops, [(0, false), (0, true)]);
    world.end(0, Ending::Interrupted);
    let last = world.this.last_failure.clone().expect("a failure");
    assert_eq!(
        (last.kind, last.reason.as_str()),
        (FailureKind::Timeout, "took longer than schedule.time_per_run, 1m",)
    );
    // The next one is asked to end, and is done.
    world.pass(60.0);
    world.end(1, Ending::Completed);
    world.pass(30.0);
    world.end(2, Ending::Completed);
    assert_eq!(world.totals(), Totals { total: 5, completed: 4, failed: 1, pending: 0, live: 0 });
}

#[test]
fn what_writes_nothing_is_told_asked_and_tried_once_more() {
    let mut world = made(1, 1, 3, |_, _| Answer::Alive);
    world.this.limits.stall_timeout = Some(crate::spec::SpecDuration::seconds(60));
    world.begin();
    world.pass(50.0);
    // A line of its log, or a point.
    world.this.live.get_mut(&0).unwrap().heard = 50.0;
    world.pass(59.0);
    assert_eq!((world.this.wake_at(), world.this.launcher.stops.as_slice()), (Some(110.0), &[][..]));
    for attempt in 1..3 {
        world.pass(if attempt == 1 { 1.0 } else { 60.0 });
        assert_eq!(world.this.launcher.stops.pop(), Some((0, false)));
        assert_eq!(
            world.warnings().pop().as_deref(),
            Some("run-0 has written no point and no line of its log for 1m: it is ended")
        );
        world.pass(10.0);
        assert_eq!(world.this.launcher.stops.pop(), Some((0, true)));
        world.end(0, Ending::Interrupted);
        let last = world.this.last_failure.clone().expect("a failure");
        assert_eq!(last.kind, FailureKind::Stalled, "{}", last.reason);
    }
    assert_eq!(world.ends(), [(0, 1, RunState::Pending), (0, 2, RunState::Failed)]);
    assert!(world.this.over);
}

#[test]
fn the_first_signal_asks_and_the_second_or_the_end_of_the_grace_kills() {
    let mut world = begun(3, 2, 1);
    world.cancel();
    assert_eq!(world.this.launcher.stops, [(0, false), (1, false)]);
    world.pass(9.0);
    assert_eq!(world.this.launcher.stops.len(), 2);
    world.pass(1.0);
    assert_eq!(world.this.launcher.stops[2..], [(0, true), (1, true)]);
    world.end(0, Ending::Interrupted);
    world.cancel();
    assert_eq!(world.this.launcher.stops[4..], [(1, true)]);
    world.end(1, Ending::Interrupted);
    assert!(world.this.over);
    assert_eq!(world.this.trained, 0);
}

#[test]
fn ten_thousand_runs_take_no_time() {
    let begin = Instant::now();
    let mut world = begun(10_000, 64, 1);
    // The check of all events after each of them is the test's, and quadratic.
    while let Some(run) = world.this.launcher.live.first().copied() {
        let end = world.end_of(run, Ending::Completed, false);
        world.now += 0.01;
        world.this.ended(world.at(), end);
    }
    world.check();
    assert!(world.this.over);
    assert_eq!(world.totals().completed, 10_002);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn a_ledger_that_is_behind_keeps_attempts_from_starting() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = made(1000, 1, 1, |_, _| Answer::Missing);
        // Its task has no turn before the loop waits.
        world.this.sinks.ledger = Some(Ledger::fake(0, None).0);
        world.begin();
        assert!(!world.this.over && world.this.starts.len() == 1);
        let failed = world.totals().failed;
        assert!((30..100).contains(&failed), "{failed}");
        while !world.this.over {
            let state = world.this.sinks.changed().await;
            world.this.ledger_changed(world.at(), state);
        }
        assert_eq!(world.totals().failed, 1000);
    });
}

#[test]
fn signals_are_heard_while_the_ledger_cannot_be_written() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = made(3, 1, 1, |_, _| Answer::Alive);
        let (ledger, written) = Ledger::fake(usize::MAX, None);
        world.this.sinks.ledger = Some(ledger);
        let end = |run| AttemptEnd {
            run,
            attempt: 1,
            ending: Ending::Completed,
            used: Used::default(),
            has_outcome: true,
            resumed_from: None,
            asked_to_end: false,
        };
        world.this.launcher.ends = vec![end(2), end(1), end(0)];
        let mut signals = Signals::silent();
        let asked = signals.clone();
        let user = async {
            asked.request();
            // Once the first one is heard.
            let heard = || {
                world
                    .told
                    .borrow()
                    .iter()
                    .any(|event| matches!(event.change, Change::Note(_) | Change::Cancelled { .. }))
            };
            while !heard() {
                tokio::task::yield_now().await;
            }
            asked.request();
        };
        let sweep = drive(world.this, "e", &mut signals);
        let (ended, ()) = tokio::join!(sweep, user);
        let (end, _) = ended.unwrap();
        assert!(end.interrupted);
        assert!(written.lock().unwrap().is_empty());
    });
}

#[test]
fn a_ledger_that_is_broken_ends_the_sweep_after_the_live_runs() {
    let mut world = begun(3, 2, 1);
    let state = super::LedgerState { trouble: Some("damaged".to_owned()), broken: true };
    world.this.ledger_changed(world.at(), state);
    world.check();
    assert!(world.this.launcher.stops.is_empty() && !world.this.over, "no trainer is killed for it");
    world.end(0, Ending::Completed);
    world.end(1, Ending::Completed);
    assert!(world.this.over && world.this.launcher.starts.len() == 2);
    assert_eq!(world.totals().pending, 1);
    assert_eq!(world.warnings().len(), 1);
}

/// Something that happens in a random sweep.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// A live run, chosen by the number, ends: 0 completes, 1 fails, 2 fails by its own word, 3 fails as if asked to.
    End(usize, u8),
    Pass(f64),
    Cancel,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        20 => (0..8_usize, 0..4_u8).prop_map(|(which, how)| Act::End(which, how)),
        6 => (0.0..3.0).prop_map(Act::Pass),
        1 => Just(Act::Cancel),
    ]
}

proptest! {
    /// Ends in any order, starts that fail or must wait, retries, cancels at every moment: the events add up, nothing is
    /// started after a cancel, and the sweep comes to its end.
    #[test]
    fn any_sweep_adds_up_and_ends(
        (runs, slots, limit) in (0..30_u64, 1..6_u32, 1..4_u32),
        answers in prop::collection::vec(0..10_u8, 1..60),
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut next = answers.into_iter().cycle();
        // Now and then a start fails, now and then there is no room; never for ever.
        let mut world = made(runs, slots, limit, move |_, _| match next.next() {
            Some(0) => Answer::Missing,
            Some(1) => Answer::Full,
            _ => Answer::Alive,
        });
        world.begin();
        let mut cancelled = None;
        let finish = (0..400_usize).map(|nth| if nth % 4 == 3 { Act::Pass(1.5) } else { Act::End(nth, 0) });
        for act in acts.into_iter().chain(finish) {
            if world.this.over {
                break;
            }
            match act {
                Act::End(which, how) => {
                    let live: Vec<u64> = world.this.launcher.live.iter().copied().collect();
                    let Some(run) = live.get(which % live.len().max(1)) else { continue };
                    let ending = match how {
                        _ if cancelled.is_some() => Ending::Interrupted,
                        0 => Ending::Completed,
                        _ => Ending::Failed(failure()),
                    };
                    let end = world.end_of(*run, ending, how == 3);
                    let end = AttemptEnd { has_outcome: how == 2, ..end };
                    world.this.ended(world.at(), end);
                }
                Act::Pass(seconds) => world.pass(seconds),
                Act::Cancel => {
                    world.cancel();
                    cancelled.get_or_insert(world.this.launcher.starts.len());
                }
            }
            world.check();
            if let Some(started) = cancelled {
                prop_assert_eq!(world.this.launcher.starts.len(), started, "nothing starts after a cancel");
            }
        }
        prop_assert!(world.this.over, "{:?} {:?}", world.this.shortage, world.this.starts);
        let totals = world.this.totals();
        prop_assert_eq!((totals.total, totals.live), (runs + 2, 0));
        if cancelled.is_none() && world.this.problem.is_none() {
            prop_assert_eq!(totals.pending, 0);
        }
        let most = world.ends().iter().map(|(_, attempt, _)| *attempt).max().unwrap_or(0);
        prop_assert!(most <= limit);
    }
}

#[test]
fn a_live_run_is_known_by_what_it_was_started_with() {
    let world = begun(1, 1, 1);
    let LiveAttempt { attempt, begun, .. } = &world.this.live[&0];
    assert_eq!((attempt.name.as_str(), attempt.slot.as_str(), *begun), ("run-0", "cpu/0", 0.0));
    assert_eq!(attempt.handle, Some(Handle::Process(1000)));
}
