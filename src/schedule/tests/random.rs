//! Random sweeps and a large one.

use proptest::prelude::*;

use super::*;

/// What a random test does next. Runs are chosen among the live ones, now and then among all.
#[derive(Clone, Debug)]
enum Act {
    End(usize, Ended),
    Stray(u64, Ended),
    Progress(usize, f64),
    CancelRun(u64),
    Requeue(u64),
    SetAside(u32),
    Pause,
    Resume,
    Wait,
    Cancel,
    Begin,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let how = prop_oneof![
        4 => Just(Ended::Completed),
        3 => Just(Ended::Failed(Again::Yes)),
        1 => Just(Ended::Failed(Again::No)),
        1 => Just(Ended::Failed(Again::Once)),
        1 => Just(Ended::Failed(Again::Alone)),
        1 => Just(Ended::NotStarted),
        1 => Just(Ended::Interrupted),
        1 => Just(Ended::Withdrawn),
    ];
    let act = prop_oneof![
        40 => (any::<usize>(), how.clone()).prop_map(|(index, how)| Act::End(index, how)),
        2 => (0_u64..40, how).prop_map(|(run, how)| Act::Stray(run, how)),
        5 => (any::<usize>(), prop::num::f64::ANY).prop_map(|(index, part)| Act::Progress(index, part)),
        2 => (0_u64..40).prop_map(Act::CancelRun),
        2 => (0_u64..40).prop_map(Act::Requeue),
        1 => (0_u32..8).prop_map(Act::SetAside),
        2 => Just(Act::Pause),
        3 => Just(Act::Resume),
        4 => Just(Act::Wait),
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
        pause in prop_oneof![Just(0.0), 0.0..5.0],
        acts in acts(),
    ) {
        let mut env = SchedEnv { pause, ..SchedEnv::new().attempts(attempts) };
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
                Act::CancelRun(run) => drop(env.feed(Input::CancelRun { run })),
                Act::Requeue(run) => drop(env.feed(Input::Requeue { run })),
                Act::SetAside(device) => drop(env.feed(Input::SetAside { device })),
                Act::Pause => drop(env.feed(Input::Pause)),
                Act::Resume => drop(env.feed(Input::Resume)),
                Act::Wait => drop(env.feed(Input::Wake)),
                Act::Cancel => drop(env.feed(Input::Cancel)),
                Act::Begin => prop_assert_eq!(env.feed(Input::Begin), []),
            }
            if let Some(seconds) = env.scheduler().remaining_seconds(env.now) {
                prop_assert!(seconds.is_finite() && seconds >= 0.0);
            }
        }
        env.feed(Input::Resume);
        env.play_out();
        let counts = env.finished.expect("the sweep ends when nothing is live");
        prop_assert_eq!(counts.live, 0);
        let all_lost = env.slots.iter().all(|slot| env.lost.contains(&slot.device_index));
        if !env.cancelled && !all_lost {
            for job in &env.jobs {
                let standing = env.scheduler().standing(job.run);
                // An interrupt that the user did not ask for is another sweep's business.
                let over = matches!(standing, Some(Standing::Completed | Standing::Failed | Standing::Cancelled | Standing::Left));
                prop_assert!(over, "run {} is {standing:?}", job.run);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Many runs that fail at random: each ends exactly once and for good, after no more attempts than the limit, and no slot
    /// holds two runs at once.
    #[test]
    fn every_run_ends_once_whatever_fails(
        devices in prop::collection::vec((1_u64..20, 1_u32..5), 1..6),
        memories in prop::collection::vec(0_u64..25, 1..120),
        attempts in 1_u32..5,
        ends in prop::collection::vec((any::<usize>(), 0_u8..8), 1..400),
    ) {
        let mut env = SchedEnv::new().attempts(attempts);
        for (capacity, slots) in devices {
            env = env.device(capacity, slots);
        }
        let mut env = memories.iter().fold(env, |env, memory| env.run(1.0, *memory)).begin();
        let mut for_good = BTreeMap::new();
        let mut ends = ends.into_iter().cycle();
        while env.finished.is_none() {
            let live = env.live_runs();
            let slots: std::collections::BTreeSet<u32> = env.live.values().copied().collect();
            prop_assert_eq!(slots.len(), live.len(), "a slot holds one run");
            let (which, how) = ends.next().expect("cycles");
            let run = live[which % live.len()];
            env.now += 1.0;
            let how = match how {
                0 => Ended::Failed(Again::No),
                1 => Ended::Failed(Again::Once),
                2 => Ended::Failed(Again::Alone),
                3 => Ended::NotStarted,
                4 | 5 => Ended::Failed(Again::Yes),
                _ => Ended::Completed,
            };
            env.end(run, how);
            if env.scheduler().next_try(run).is_none() {
                prop_assert_eq!(for_good.insert(run, how), None, "a run ends once");
            } else {
                prop_assert!(!for_good.contains_key(&run));
                prop_assert!(![Ended::Completed, Ended::Failed(Again::No)].contains(&how));
            }
        }
        prop_assert_eq!(for_good.len(), memories.len(), "every run ends");
        let completed = for_good.values().filter(|how| **how == Ended::Completed).count();
        let counts = Counts { completed, failed: memories.len() - completed, ..Counts::default() };
        prop_assert_eq!(env.finished, Some(counts));
        let made = |run: u64| env.starts.iter().filter(|(started, ..)| *started == run).count();
        prop_assert!((0..memories.len() as u64).all(|run| (1..=attempts as usize).contains(&made(run))));
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
