//! The scheduler's rules, case by case, under random input, and at size; and the scan that keeps the folder pure.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A sweep in a test: builds the scheduler, feeds it, keeps its answers, and checks the invariants after every step.
struct SchedEnv {
    capacities: Vec<u64>,
    slots: Vec<Slot>,
    jobs: Vec<Job>,
    max_attempts: u32,
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
        self.jobs.push(Job { run, cost, memory, attempt: 1 });
        self
    }

    fn runs(self, jobs: &[(f64, u64)]) -> Self {
        jobs.iter().fold(self, |env, (cost, memory)| env.run(*cost, *memory))
    }

    fn attempts(mut self, max: u32) -> Self {
        self.max_attempts = max;
        self
    }

    fn begin(mut self) -> Self {
        let scheduler =
            Scheduler::new(self.slots.clone(), &self.capacities, self.jobs.clone(), self.max_attempts);
        self.scheduler = Some(scheduler.expect("a valid set-up"));
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
        self.cancelled |= input == Input::Cancel && self.finished.is_none();
        let scheduler = self.scheduler.as_mut().expect("begun");
        let effects = scheduler.step(self.now, input);
        for effect in &effects {
            assert!(self.finished.is_none(), "{effect:?} after the end was announced");
            match *effect {
                Effect::Start { run, attempt, slot } => {
                    assert!(!self.cancelled, "run {run} starts after a cancel");
                    assert!(self.live.insert(run, slot).is_none(), "run {run} is live twice");
                    self.starts.push((run, attempt, slot));
                }
                Effect::Stop { run, .. } => assert!(self.live.contains_key(&run), "run {run} is not live"),
                Effect::Finished(counts) => self.finished = Some(counts),
            }
        }
        let counts = scheduler.counts();
        assert_eq!(counts.live, self.live.len());
        assert_eq!(counts.waiting + counts.live + counts.completed + counts.failed, self.jobs.len());
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
        self.end(run, Ended::Failed)
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

#[test]
fn the_longest_run_starts_first_and_ties_go_by_place() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(1.0, 0), (5.0, 0), (5.0, 0), (9.0, 0)]).begin();
    for run in [3, 1, 2, 0] {
        assert_eq!(env.live_runs(), [run]);
        env.finish(run);
    }
    assert_eq!(env.finished, Some(Counts { waiting: 0, live: 0, completed: 4, failed: 0 }));
}

#[test]
fn costs_that_are_no_numbers_count_as_nothing() {
    let costs = [f64::NAN, -1.0, f64::INFINITY, 1.0];
    let env = costs.iter().fold(SchedEnv::new().device(0, 4), |env, cost| env.run(*cost, 0)).begin();
    assert_eq!(env.started_runs(), [3, 0, 1, 2]);
}

#[test]
fn the_longest_runs_are_spread_over_the_devices() {
    let env = SchedEnv::new().device(9, 2).device(9, 2).runs(&[(3.0, 1), (2.0, 1), (1.0, 1)]).begin();
    assert_eq!(env.starts, [(0, 1, 0), (1, 1, 2), (2, 1, 1)]);
}

#[test]
fn no_runs_end_at_once() {
    let mut env = SchedEnv::new().device(0, 1).begin();
    assert_eq!(env.finished, Some(Counts::default()));
    assert_eq!(env.feed(Input::Begin), []);
    assert_eq!(env.feed(Input::Cancel), []);
}

#[test]
fn a_failed_run_stays_failed() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(2.0, 0), (1.0, 0)]).begin();
    env.crash(0);
    assert_eq!(env.live_runs(), [1]);
    env.end(1, Ended::NotStarted);
    assert_eq!(env.finished, Some(Counts { waiting: 0, live: 0, completed: 0, failed: 2 }));
}

#[test]
fn a_failed_run_is_tried_up_to_the_limit() {
    let mut env = SchedEnv::new().device(0, 1).run(1.0, 0).attempts(3).begin();
    env.crash(0);
    env.end(0, Ended::NotStarted);
    assert_eq!(env.finished, None);
    env.crash(0);
    assert_eq!(env.starts, [(0, 1, 0), (0, 2, 0), (0, 3, 0)]);
    assert_eq!(env.finished, Some(Counts { failed: 1, ..Counts::default() }));
}

#[test]
fn attempts_are_numbered_on_from_earlier_sweeps() {
    let mut env = SchedEnv::new().device(0, 1).run(1.0, 0).attempts(2);
    env.jobs[0].attempt = 4;
    let mut env = env.begin();
    env.crash(0);
    assert_eq!(env.starts, [(0, 4, 0), (0, 5, 0)]);
}

#[test]
fn a_run_that_does_not_fit_waits_for_memory_and_smaller_ones_fill_the_rest() {
    let mut env =
        SchedEnv::new().device(10, 3).runs(&[(9.0, 6), (8.0, 6), (7.0, 3), (6.0, 3), (5.0, 1)]).begin();
    // Beside run 1, which is owed the device, 4 bytes and two slots are left to overtake it.
    assert_eq!(env.live_runs(), [0, 2, 4]);
    env.finish(0);
    assert_eq!(env.live_runs(), [1, 2, 4]);
    env.finish(2);
    assert_eq!(env.live_runs(), [1, 3, 4]);
}

#[test]
fn small_runs_cannot_starve_a_large_one() {
    let mut env = SchedEnv::new().device(10, 4).runs(&[(9.0, 5), (8.0, 8)]);
    for _ in 0..50 {
        env = env.run(1.0, 2);
    }
    let mut env = env.begin();
    let mut ended = 0;
    // Every small run ends before the first one does, and still only one at a time passes run 1.
    while env.live.keys().any(|run| *run >= 2) && ended < 20 {
        let small = *env.live.keys().find(|run| **run >= 2).expect("a small run is live");
        assert_eq!(env.live_runs(), [0, small]);
        env.finish(small);
        ended += 1;
    }
    env.finish(0);
    assert!(env.live.contains_key(&1), "the large run starts as soon as what was before it has ended");
}

#[test]
fn a_run_larger_than_every_device_runs_alone() {
    let mut env = SchedEnv::new().device(10, 3).runs(&[(9.0, 3), (8.0, 99), (1.0, 0), (1.0, 1)]).begin();
    assert_eq!(env.live_runs(), [0], "nothing may overtake a run that needs the whole device");
    env.finish(0);
    assert_eq!(env.live_runs(), [1], "not even a run that needs no memory starts beside it");
    env.finish(1);
    assert_eq!(env.live_runs(), [2, 3]);
}

#[test]
fn a_run_waits_for_the_device_that_can_hold_it() {
    let mut env =
        SchedEnv::new().device(16, 1).device(80, 1).runs(&[(9.0, 70), (8.0, 40), (1.0, 10)]).begin();
    assert_eq!(env.live, BTreeMap::from([(0, 1), (2, 0)]));
    env.finish(2);
    assert_eq!(env.live_runs(), [0], "16 bytes cannot hold 40, idle or not");
    env.finish(0);
    assert_eq!(env.live, BTreeMap::from([(1, 1)]));
}

#[test]
fn only_a_device_that_can_hold_the_run_is_owed_to_it() {
    // When run 1 is owed a device, 12 bytes are free on the small one and 10 on the large one. Owed the small one, it
    // would keep runs 3 and 4 from it and have nothing of it.
    let jobs = [(9.0, 70), (8.0, 40), (2.0, 4), (1.0, 6), (0.5, 5)];
    let env = SchedEnv::new().device(16, 2).device(80, 2).runs(&jobs).begin();
    assert_eq!(env.live, BTreeMap::from([(0, 2), (2, 0), (3, 1), (4, 3)]));
}

#[test]
fn a_run_larger_than_all_takes_the_largest_device() {
    let env = SchedEnv::new().device(16, 1).device(80, 1).runs(&[(1.0, 200)]).begin();
    assert_eq!(env.live, BTreeMap::from([(0, 1)]));
}

#[test]
fn what_was_owed_is_open_again_when_the_run_starts_elsewhere() {
    // Run 2 is owed device 0, which has the most free memory, and run 3 may not overtake it there.
    let jobs = [(9.0, 5), (8.0, 6), (7.0, 8), (1.0, 5)];
    let mut env = SchedEnv::new().device(10, 2).device(10, 2).runs(&jobs).begin();
    assert_eq!(env.live, BTreeMap::from([(0, 0), (1, 2)]));
    env.finish(1);
    assert_eq!(env.live, BTreeMap::from([(0, 0), (2, 2), (3, 1)]));
}

#[test]
fn a_cancel_asks_then_kills_and_nothing_starts() {
    let mut env = SchedEnv::new().device(0, 2).runs(&[(3.0, 0), (2.0, 0), (1.0, 0)]).attempts(5).begin();
    assert!(!env.scheduler().is_cancelled());
    let stop = |run, kill| Effect::Stop { run, kill };
    assert_eq!(env.feed(Input::Cancel), [stop(0, false), stop(1, false)]);
    assert_eq!(env.feed(Input::Cancel), [stop(0, true), stop(1, true)]);
    assert_eq!(env.crash(0), []);
    assert_eq!(env.feed(Input::Cancel), [stop(1, true)]);
    let counts = Counts { waiting: 2, live: 0, completed: 0, failed: 1 };
    assert_eq!(env.end(1, Ended::Interrupted), [Effect::Finished(counts)]);
    assert!(env.scheduler().is_cancelled());
    assert_eq!(env.feed(Input::Cancel), []);
}

#[test]
fn a_cancel_before_the_begin_ends_the_sweep() {
    let mut env = SchedEnv::new().device(0, 1).run(1.0, 0);
    let scheduler = Scheduler::new(env.slots.clone(), &env.capacities, env.jobs.clone(), 1);
    env.scheduler = Some(scheduler.expect("a valid set-up"));
    let counts = Counts { waiting: 1, ..Counts::default() };
    assert_eq!(env.feed(Input::Cancel), [Effect::Finished(counts)]);
    assert_eq!(env.feed(Input::Begin), []);
}

#[test]
fn an_interrupted_run_is_owed_to_a_later_sweep() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(2.0, 0), (1.0, 0)]).begin();
    env.end(0, Ended::Interrupted);
    env.finish(1);
    assert_eq!(env.finished, Some(Counts { waiting: 1, live: 0, completed: 1, failed: 0 }));
    assert!(!env.scheduler().is_cancelled());
}

#[test]
fn news_of_runs_that_are_not_live_changes_nothing() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(2.0, 0), (1.0, 0)]).begin();
    for run in [1, 7] {
        assert_eq!(env.feed(Input::Ended { run, how: Ended::Failed }), []);
        assert_eq!(env.feed(Input::Progress { run, fraction: 0.5 }), []);
    }
    assert_eq!(env.live_runs(), [0]);
    assert_eq!(env.scheduler().counts(), Counts { waiting: 1, live: 1, completed: 0, failed: 0 });
}

#[test]
fn set_ups_that_do_not_fit_are_refused() {
    let slot = Slot { index: 0, label: "cpu/0".into(), device: "cpu".into(), device_index: 0, threads: 1 };
    let job = Job { run: 4, cost: 1.0, memory: 1, attempt: 1 };
    let error = |slots: &[Slot], capacities: &[u64], jobs: &[Job]| {
        Scheduler::new(slots.to_vec(), capacities, jobs.to_vec(), 1).err()
    };
    assert_eq!(error(&[], &[], &[]), None);
    assert_eq!(error(&[], &[], std::slice::from_ref(&job)), Some(SetupError::NoSlots));
    let unknown = SetupError::UnknownDevice { slot: 0, device: 0 };
    assert_eq!(error(std::slice::from_ref(&slot), &[], &[]), Some(unknown));
    assert_eq!(error(&[slot.clone(), slot.clone()], &[1], &[]), Some(SetupError::MisplacedSlot(0)));
    assert_eq!(error(&[slot], &[1], &[job.clone(), job]), Some(SetupError::RepeatedRun(4)));
}

#[test]
fn the_remaining_time_is_unknown_until_something_is_learned() {
    let mut env = SchedEnv::new().device(0, 2).runs(&[(40.0, 0), (20.0, 0), (20.0, 0), (10.0, 0)]).begin();
    assert_eq!(env.scheduler().remaining_seconds(env.now), None);
    env.now += 10.0;
    // Half of 40 in 10 s: 2 per second. Then run 1 needs 10 s and ends with run 0; runs 2 and 3 follow.
    env.feed(Input::Progress { run: 0, fraction: 0.5 });
    assert_eq!(env.scheduler().run_remaining_seconds(env.now, 0), Some(10.0));
    assert_eq!(env.scheduler().run_remaining_seconds(env.now, 1), Some(0.0));
    assert_eq!(env.scheduler().run_remaining_seconds(env.now, 2), None);
    // Slot 1 is free at once and takes run 2 for 10 s, then run 3 for 5 s.
    assert_eq!(env.scheduler().remaining_seconds(env.now), Some(15.0));
    // Four seconds on, slot 0 is free first for run 3: 6 s and 5 s.
    assert_eq!(env.scheduler().remaining_seconds(env.now + 4.0), Some(11.0));
    assert_eq!(env.scheduler().run_remaining_seconds(env.now + 4.0, 0), Some(6.0));
    for run in [1, 0, 2, 3] {
        env.finish(run);
    }
    assert_eq!(env.scheduler().remaining_seconds(env.now), Some(0.0));
    assert_eq!(env.scheduler().cost_model().seconds(DeviceKind::Cpu, 1.0), None);
}

/// What a random test does next. Runs are chosen among the live ones, now and then among all.
#[derive(Clone, Debug)]
enum Act {
    End(usize, Ended),
    Stray(u64, Ended),
    Progress(usize, f64),
    Cancel,
    Begin,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let how = prop_oneof![
        4 => Just(Ended::Completed),
        3 => Just(Ended::Failed),
        1 => Just(Ended::NotStarted),
        1 => Just(Ended::Interrupted),
    ];
    let act = prop_oneof![
        40 => (any::<usize>(), how.clone()).prop_map(|(index, how)| Act::End(index, how)),
        2 => (0_u64..40, how).prop_map(|(run, how)| Act::Stray(run, how)),
        5 => (any::<usize>(), prop::num::f64::ANY).prop_map(|(index, part)| Act::Progress(index, part)),
        1 => Just(Act::Cancel),
        1 => Just(Act::Begin),
    ];
    prop::collection::vec(act, 0..150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Any machine, any runs, any order of news: the invariants hold after every step, and when every run that
    /// starts ends, the sweep ends, having started every run unless it was cancelled.
    #[test]
    fn invariants_hold_under_any_input(
        devices in prop::collection::vec((0_u64..20, 1_u32..4), 1..5),
        jobs in prop::collection::vec((0_u32..8, 0_u64..25), 0..30),
        huge in prop::option::of(0_usize..30),
        attempts in 1_u32..4,
        acts in acts(),
    ) {
        let mut env = SchedEnv::new().attempts(attempts);
        for (capacity, slots) in devices {
            env = env.device(capacity, slots);
        }
        for (index, (cost, memory)) in jobs.iter().enumerate() {
            let memory = if huge == Some(index) { u64::MAX } else { *memory };
            env = env.run(f64::from(*cost), memory);
        }
        let mut env = env.begin();
        for act in acts {
            env.now += 1.0;
            let live = env.live_runs();
            let chosen = |index: usize| live.get(index % live.len().max(1)).copied();
            match act {
                Act::End(index, how) => {
                    if let Some(run) = chosen(index) {
                        env.end(run, how);
                    }
                }
                // News of a run that is not live.
                Act::Stray(run, how) if !live.contains(&run) => {
                    prop_assert_eq!(env.feed(Input::Ended { run, how }), []);
                }
                Act::Stray(..) => {}
                Act::Progress(index, fraction) => {
                    if let Some(run) = chosen(index) {
                        prop_assert_eq!(env.feed(Input::Progress { run, fraction }), []);
                    }
                }
                Act::Cancel => drop(env.feed(Input::Cancel)),
                Act::Begin => prop_assert_eq!(env.feed(Input::Begin), []),
            }
            if let Some(seconds) = env.scheduler().remaining_seconds(env.now) {
                prop_assert!(seconds.is_finite() && seconds >= 0.0);
            }
        }
        while let Some(run) = env.live_runs().first().copied() {
            env.finish(run);
        }
        let counts = env.finished.expect("the sweep ends when nothing is live");
        prop_assert_eq!(counts.live, 0);
        if !env.cancelled {
            let mut started = env.started_runs();
            started.sort_unstable();
            started.dedup();
            prop_assert_eq!(started.len(), env.jobs.len(), "every run is started");
        }
    }
}

/// A simulated cluster: 1,000 devices of four slots, 100,000 runs. Every end is played in time order.
#[test]
fn a_large_sweep_is_quick_and_near_the_best_makespan() {
    use std::{cmp::Reverse, collections::BinaryHeap};

    let (devices, slots, runs) = (1_000, 4, 100_000_u64);
    let mut env = (0..devices).fold(SchedEnv::new(), |env, _| env.device(16, slots));
    // Deterministic and uneven: costs of 1 to 1000, memory of 1 to 16, so that admission is at work all the time.
    let mut state = 1_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for _ in 0..runs {
        let (cost, memory) = (1 + draw(1_000), 1 + draw(16) * draw(16) / 15);
        env = env.run(cost as f64, memory);
    }
    let work: f64 = env.jobs.iter().map(|job| job.cost * job.memory as f64).sum();
    let bound = work / (f64::from(devices) * 16.0);

    let mut env = env.begin();
    let mut ends = BinaryHeap::new();
    let mut begun = 0;
    let mut steps = 0;
    loop {
        for (run, ..) in &env.starts[begun..] {
            ends.push(Reverse((env.now as u64 + env.jobs[*run as usize].cost as u64, *run)));
        }
        begun = env.starts.len();
        let Some(Reverse((time, run))) = ends.pop() else { break };
        env.now = time as f64;
        env.feed_unchecked(Input::Ended { run, how: Ended::Completed }, false);
        steps += 1;
    }
    assert_eq!(env.finished, Some(Counts { completed: runs as usize, ..Counts::default() }));
    assert_eq!(steps, runs);
    let makespan = env.now - 100.0;
    assert!(makespan < 1.3 * bound, "makespan {makespan} against a bound of {bound}");
}

/// Decide purely: the scheduler and the ranking name no clock, file, process, thread, randomness or async runtime.
#[test]
fn the_pure_folders_name_nothing_of_the_outside() {
    let words = [
        "Instant",
        "SystemTime",
        "clock",
        "fs",
        "File",
        "process",
        "thread",
        "net",
        "env",
        "io",
        "tokio",
        "rand",
        "async",
        "await",
        "sqlx",
        "tch",
    ];
    let mut files = 0;
    for folder in ["schedule", "rank"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        for entry in std::fs::read_dir(&folder).expect("the folder of a pure module") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(|name| name == "tests.rs") {
                continue;
            }
            let source = std::fs::read_to_string(&path).expect("a source file");
            let code = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            for (number, line) in code.lines().enumerate() {
                // Texts for people may use any word.
                let line = line.split("//").next().unwrap_or_default();
                let line: String = line.split('"').step_by(2).collect();
                let mut names = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                if let Some(word) = names.find(|name| words.contains(name)) {
                    panic!("{}:{}: a pure module names `{word}`", path.display(), number + 1);
                }
            }
            files += 1;
        }
    }
    assert!(files >= 8, "only {files} files were scanned");
}
