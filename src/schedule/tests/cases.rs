//! One rule a test.

use std::collections::BTreeMap;

use super::*;

#[test]
fn the_longest_run_starts_first_and_ties_go_by_place() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(1.0, 0), (5.0, 0), (5.0, 0), (9.0, 0)]).begin();
    for run in [3, 1, 2, 0] {
        assert_eq!(env.live_runs(), [run]);
        env.finish(run);
    }
    assert_eq!(
        env.finished,
        Some(Counts { waiting: 0, live: 0, completed: 4, failed: 0, cancelled: 0, stopped: 0 })
    );
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
    assert_eq!(
        env.finished,
        Some(Counts { waiting: 0, live: 0, completed: 0, failed: 2, cancelled: 0, stopped: 0 })
    );
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
fn a_failure_that_would_come_again_is_not_tried_again() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(2.0, 0), (1.0, 0)]).attempts(3).begin();
    env.end(0, Ended::Failed(Again::No));
    assert_eq!(env.scheduler().next_try(0), None);
    let next = env.scheduler().next_try(1);
    assert_eq!(next, Some(NextTry { number: 1, of: 3, alone: false }));
    for _ in 0..2 {
        env.end(1, Ended::Failed(Again::Once));
    }
    assert_eq!(env.starts, [(0, 1, 0), (1, 1, 0), (1, 2, 0)]);
    assert_eq!(env.finished, Some(Counts { failed: 2, ..Counts::default() }));
}

#[test]
fn what_ran_out_of_memory_has_one_more_attempt_alone_on_its_device() {
    for (capacity, memory) in [(10, 2), (10, 0), (u64::MAX, 0)] {
        let mut env = SchedEnv::new().device(capacity, 3).runs(&[(9.0, memory); 5]).attempts(5).begin();
        env.end(0, Ended::Failed(Again::Alone));
        let next = env.scheduler().next_try(0);
        assert_eq!(next, Some(NextTry { number: 2, of: 5, alone: true }));
        // Nothing starts beside it, whatever others need.
        while !env.live.contains_key(&0) {
            let run = env.live_runs()[0];
            env.finish(run);
        }
        assert_eq!(env.live_runs(), [0]);
        env.end(0, Ended::Failed(Again::Alone));
        assert_eq!(env.starts.iter().filter(|(run, ..)| *run == 0).count(), 2);
        while let Some(run) = env.live_runs().first().copied() {
            env.finish(run);
        }
        assert_eq!(env.finished, Some(Counts { completed: 4, failed: 1, ..Counts::default() }));
    }
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
    let counts = Counts { waiting: 2, live: 0, completed: 0, failed: 1, cancelled: 0, stopped: 0 };
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
    assert_eq!(
        env.finished,
        Some(Counts { waiting: 1, live: 0, completed: 1, failed: 0, cancelled: 0, stopped: 0 })
    );
    assert!(!env.scheduler().is_cancelled());
}

#[test]
fn news_of_runs_that_are_not_live_changes_nothing() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(2.0, 0), (1.0, 0)]).begin();
    for run in [1, 7] {
        assert_eq!(env.feed(Input::Ended { run, how: Ended::Failed(Again::Yes) }), []);
        assert_eq!(env.feed(Input::Progress { run, fraction: 0.5 }), []);
    }
    assert_eq!(env.live_runs(), [0]);
    assert_eq!(
        env.scheduler().counts(),
        Counts { waiting: 1, live: 1, completed: 0, failed: 0, cancelled: 0, stopped: 0 }
    );
}

#[test]
fn set_ups_that_do_not_fit_are_refused() {
    let slot = Slot { index: 0, label: "cpu/0".into(), device: "cpu".into(), device_index: 0, threads: 1 };
    let job =
        Job { run: 4, cost: 1.0, memory: 1, attempt: 1, elastic: false, cancelled: false, alive: false };
    let error = |slots: &[Slot], capacities: &[u64], jobs: &[Job]| {
        Scheduler::new(slots.to_vec(), capacities, jobs.to_vec(), 1).err()
    };
    assert_eq!(error(&[], &[], &[]), None);
    assert_eq!(error(&[], &[], std::slice::from_ref(&job)), Some(SetupError::NoSlots));
    let unknown = SetupError::UnknownDevice { slot: 0, device: 0 };
    assert_eq!(error(std::slice::from_ref(&slot), &[], &[]), Some(unknown));
    assert_eq!(error(&[slot.clone(), slot.clone()], &[1], &[]), Some(SetupError::MisplacedSlot(0)));
    assert_eq!(error(&[slot], &[1], &[job, job]), Some(SetupError::RepeatedRun(4)));
}

#[test]
fn what_waits_in_a_queue_runs_where_others_run_now() {
    let mut env = SchedEnv::new().device(0, 4).runs(&[(20.0, 0), (20.0, 0), (20.0, 0), (10.0, 0)]).begin();
    for run in 0..4 {
        env.feed(Input::Queued { run });
    }
    assert_eq!(env.scheduler().remaining_seconds(env.now), None, "nobody knows when any begins");
    env.now += 100.0;
    env.feed(Input::Began { run: 0 });
    env.now += 5.0;
    env.feed(Input::Progress { run: 0, fraction: 0.5 });
    // 5 s for the rest of it, then 10, 10 and 5 one after the other.
    assert_eq!(env.scheduler().remaining_seconds(env.now), Some(30.0));
    env.feed(Input::Began { run: 1 });
    // 5 s and 10 s on the one, 10 s and 5 s on the other.
    assert_eq!(env.scheduler().remaining_seconds(env.now), Some(15.0));
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

#[test]
fn the_last_run_gets_the_threads_of_slots_that_stay_free() {
    let jobs = [(9.0, 0), (8.0, 0), (7.0, 0)];
    let mut env = SchedEnv::new().device(0, 4).elastic().runs(&jobs).begin();
    assert_eq!(env.threads, BTreeMap::from([(0, 2), (1, 1), (2, 1)]));
    let mut env2 = SchedEnv::new().device(0, 2).elastic().runs(&jobs).begin();
    assert_eq!(env2.threads, BTreeMap::from([(0, 1), (1, 1)]));
    // One that has hardly begun keeps its thread.
    env2.now += 1.0;
    env2.feed(Input::Progress { run: 1, fraction: 0.1 });
    env2.finish(0);
    assert_eq!(env2.threads[&2], 1);
    env.now += 1.0;
    env.finish(0);
    assert_eq!(env.started_runs(), [0, 1, 2]);
}

#[test]
fn a_run_that_ends_soon_leaves_its_threads_to_the_last_one() {
    let mut env = SchedEnv::new().device(0, 2).elastic().runs(&[(9.0, 0), (8.0, 0), (7.0, 0)]).begin();
    env.now += 100.0;
    env.feed(Input::Progress { run: 1, fraction: 0.99 });
    env.finish(0);
    assert_eq!(env.threads[&2], 2);
    // Learned as what it would have taken with one thread.
    env.now += 10.0;
    env.finish(1);
    env.now += 40.0;
    env.finish(2);
    let learned = env.scheduler().cost_model().seconds(DeviceKind::Cuda, 8.0).expect("three runs");
    assert!((learned - 103.0).abs() < 5.0, "{learned}");
}

#[test]
fn what_waits_takes_the_place_of_what_ends() {
    let jobs = [(9.0, 0), (8.0, 0), (7.0, 0), (6.0, 0)];
    let mut env = SchedEnv::new().device(0, 2).elastic().runs(&jobs).begin();
    env.now += 100.0;
    env.feed(Input::Progress { run: 1, fraction: 0.99 });
    env.finish(0);
    assert_eq!((env.threads[&2], env.live_runs()), (1, vec![1, 2]));
}

#[test]
fn a_run_that_memory_leaves_alone_gets_all_threads() {
    let mut env = SchedEnv::new().device(10, 2).elastic().runs(&[(9.0, 7), (8.0, 7)]).begin();
    assert_eq!(env.threads, BTreeMap::from([(0, 2)]));
    env.now += 1.0;
    env.finish(0);
    assert_eq!(env.threads[&1], 2);
}

#[test]
fn a_run_whose_results_depend_on_threads_has_those_of_its_slot() {
    let env = SchedEnv::new().device(0, 4).run(1.0, 0).begin();
    assert_eq!(env.threads, BTreeMap::from([(0, 1)]));
}

#[test]
fn a_run_that_goes_on_is_reckoned_by_what_it_does_itself() {
    let mut env = SchedEnv::new().device(0, 1).runs(&[(8.0, 0), (4.0, 0)]).begin();
    env.feed(Input::GoesOn { run: 0, done: 0.5 });
    env.now += 10.0;
    // No progress of its own yet.
    env.feed(Input::Progress { run: 0, fraction: 0.5 });
    assert_eq!(env.scheduler().run_remaining_seconds(env.now, 0), None);
    // A quarter of the run in ten seconds: the last quarter takes as long.
    env.feed(Input::Progress { run: 0, fraction: 0.75 });
    assert_eq!(env.scheduler().run_remaining_seconds(env.now, 0), Some(10.0));
    env.now += 10.0;
    env.finish(0);
    // Half of the run took twenty seconds.
    assert_eq!(env.scheduler().cost_model().seconds(DeviceKind::Cuda, 8.0), Some(40.0));
}
