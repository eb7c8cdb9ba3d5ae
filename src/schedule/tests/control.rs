//! Pause, cancel, requeue, devices that are set aside, and pauses between attempts: one rule a test.

use super::*;

#[test]
fn a_pause_frees_the_slots_and_what_was_paused_goes_on() {
    let mut env = SchedEnv::new().device(9, 2).runs(&[(4.0, 1), (3.0, 1), (2.0, 1)]).begin();
    let stops = env.feed(Input::Pause);
    assert_eq!(stops, [0, 1].map(|run| Effect::Stop { run, kill: false }));
    assert_eq!(env.feed(Input::Pause), []);
    assert_eq!(env.end(0, Ended::Interrupted), []);
    assert_eq!(env.end(1, Ended::Completed), [], "one that got to its end all the same");
    let standing = |env: &SchedEnv| [0, 1, 2].map(|run| env.scheduler().standing(run).unwrap());
    assert_eq!(standing(&env), [Standing::Paused, Standing::Completed, Standing::Waiting]);
    assert_eq!(env.scheduler().remaining_seconds(env.now), None);
    let starts = env.feed(Input::Resume);
    assert_eq!(starts.len(), 2);
    // Its first attempt does not count, and keeps its number.
    assert_eq!(env.starts[2..], [(0, 2, 0), (2, 1, 1)]);
    env.play_out();
    assert_eq!(env.finished, Some(Counts { completed: 3, ..Counts::default() }));
}

#[test]
fn what_ends_after_the_pause_is_over_starts_again() {
    let mut env = SchedEnv::new().device(9, 1).runs(&[(4.0, 1), (3.0, 1)]).begin();
    env.feed(Input::Pause);
    env.feed(Input::Resume);
    assert_eq!(env.live_runs(), [0], "its slot is not free yet");
    env.end(0, Ended::Interrupted);
    assert_eq!(env.starts, [(0, 1, 0), (0, 2, 0)]);
}

#[test]
fn a_paused_sweep_ends_by_a_drain_or_a_signal() {
    for input in [Input::Drain, Input::Cancel] {
        let mut env = SchedEnv::new().device(9, 1).runs(&[(4.0, 1), (3.0, 1)]).begin();
        env.feed(Input::Pause);
        env.end(0, Ended::Interrupted);
        assert_eq!(env.finished, None);
        env.feed(input);
        assert_eq!(env.finished, Some(Counts { waiting: 2, ..Counts::default() }), "{input:?}");
    }
}

#[test]
fn a_failure_while_paused_is_tried_again_when_the_sweep_goes_on() {
    let mut env = SchedEnv::new().device(9, 1).run(4.0, 1).attempts(2).begin();
    env.feed(Input::Pause);
    env.crash(0);
    assert_eq!((env.live_runs().len(), env.finished), (0, None));
    env.feed(Input::Resume);
    assert_eq!(env.starts, [(0, 1, 0), (0, 2, 0)]);
    env.crash(0);
    assert_eq!(env.finished, Some(Counts { failed: 1, ..Counts::default() }));
}

#[test]
fn a_cancelled_run_makes_room_for_the_next() {
    let mut env = SchedEnv::new().device(9, 1).runs(&[(4.0, 1), (3.0, 1), (2.0, 1)]).begin();
    assert_eq!(env.feed(Input::CancelRun { run: 1 }), [], "it waits");
    assert_eq!(env.feed(Input::CancelRun { run: 0 }), [Effect::Stop { run: 0, kill: false }]);
    assert_eq!(env.feed(Input::CancelRun { run: 0 }), [], "once");
    assert_eq!(env.scheduler().standing(0), Some(Standing::Live));
    env.end(0, Ended::Interrupted);
    assert_eq!(env.live_runs(), [2]);
    env.finish(2);
    assert_eq!(env.finished, Some(Counts { completed: 1, cancelled: 2, ..Counts::default() }));
}

#[test]
fn a_run_that_is_cancelled_too_late_is_completed() {
    let mut env = SchedEnv::new().device(9, 1).run(4.0, 1).attempts(3).begin();
    env.feed(Input::CancelRun { run: 0 });
    env.finish(0);
    assert_eq!(env.feed(Input::CancelRun { run: 0 }), []);
    assert_eq!(env.finished, Some(Counts { completed: 1, ..Counts::default() }));
}

#[test]
fn what_was_cancelled_before_starts_when_it_is_requeued() {
    let mut env = SchedEnv::new().device(9, 1).runs(&[(4.0, 1), (3.0, 1), (2.0, 1)]).attempts(2);
    env.jobs[0].cancelled = true;
    let mut env = env.begin();
    assert_eq!(env.live_runs(), [1]);
    env.feed(Input::Requeue { run: 0 });
    assert_eq!(env.feed(Input::Requeue { run: 1 }), [], "a live one");
    for _ in 0..2 {
        env.crash(1);
        while env.live_runs() == [0] {
            env.finish(0);
        }
    }
    // All its attempts again, numbered on.
    assert_eq!(env.scheduler().standing(1), Some(Standing::Failed));
    env.feed(Input::Requeue { run: 1 });
    env.finish(2);
    assert_eq!(env.scheduler().next_try(1), Some(NextTry { number: 1, of: 2, alone: false }));
    env.crash(1);
    env.crash(1);
    assert_eq!(env.starts.iter().filter(|(run, ..)| *run == 1).map(|(_, number, _)| *number).max(), Some(4));
    assert_eq!(env.finished, Some(Counts { completed: 2, failed: 1, ..Counts::default() }));
}

#[test]
fn the_room_that_a_cancelled_run_was_owed_is_open_to_all() {
    let mut env = SchedEnv::new().device(10, 3).runs(&[(9.0, 6), (8.0, 10), (7.0, 4), (6.0, 4)]).begin();
    assert_eq!(env.live_runs(), [0]);
    env.feed(Input::CancelRun { run: 1 });
    assert_eq!(env.live_runs(), [0, 2]);
}

#[test]
fn nothing_starts_on_a_device_that_is_set_aside() {
    let mut env =
        SchedEnv::new().device(9, 1).device(5, 2).runs(&[(4.0, 9), (3.0, 1), (2.0, 1), (1.0, 9)]).attempts(2);
    env.capacities.push(7);
    let mut env = env.begin();
    env.feed(Input::SetAside { device: 0 });
    assert_eq!(env.feed(Input::SetAside { device: 0 }), [], "once");
    assert_eq!(env.feed(Input::SetAside { device: 99 }), [], "there is none");
    env.end(0, Ended::Failed(Again::Once));
    env.finish(1);
    env.finish(2);
    // Larger than what is left: alone on the largest of it.
    assert_eq!(env.live_runs(), [0]);
    env.play_out();
    assert_eq!(env.finished, Some(Counts { completed: 4, ..Counts::default() }));
}

#[test]
fn without_a_device_the_sweep_ends() {
    let mut env = SchedEnv::new().device(9, 2).runs(&[(4.0, 1), (3.0, 1), (2.0, 1)]).attempts(3).begin();
    env.feed(Input::SetAside { device: 0 });
    assert!(!env.scheduler().has_devices() && !env.scheduler().is_open());
    env.end(0, Ended::Failed(Again::Once));
    env.finish(1);
    assert_eq!(env.finished, Some(Counts { waiting: 1, completed: 1, failed: 1, ..Counts::default() }));
}

#[test]
fn what_was_killed_waits_longer_each_time() {
    let mut env = SchedEnv { pause: 2.0, ..SchedEnv::new().device(9, 1).run(4.0, 1).attempts(4) }.begin();
    let mut waits = Vec::new();
    while env.scheduler().standing(0) == Some(Standing::Live) {
        env.crash(0);
        let Some(Standing::Delayed { at }) = env.scheduler().standing(0) else { break };
        assert_eq!(env.feed(Input::Wake), [], "not yet");
        assert!(env.scheduler().next_try(0).is_some_and(|next| next.number as usize == waits.len() + 2));
        waits.push(at - env.now);
        env.now = env.scheduler().next_due().unwrap();
        env.feed(Input::Wake);
    }
    assert_eq!(waits, [2.0, 4.0, 8.0]);
    assert_eq!(env.finished, Some(Counts { failed: 1, ..Counts::default() }));
    // What follows from the run itself, or from the room beside others, waits for nothing.
    for how in [Ended::Failed(Again::Once), Ended::Failed(Again::Alone)] {
        let mut env = SchedEnv { pause: 2.0, ..SchedEnv::new().device(9, 1).run(4.0, 1).attempts(4) }.begin();
        env.end(0, how);
        assert_eq!(env.live_runs(), [0], "{how:?}");
    }
}

#[test]
fn who_waits_for_a_moment_can_be_cancelled_and_requeued() {
    let mut env =
        SchedEnv { pause: 2.0, ..SchedEnv::new().device(9, 1).runs(&[(4.0, 1), (3.0, 1)]).attempts(4) }
            .begin();
    env.crash(0);
    env.feed(Input::CancelRun { run: 0 });
    env.finish(1);
    assert_eq!(env.finished, Some(Counts { completed: 1, cancelled: 1, ..Counts::default() }));
    let mut env = SchedEnv { pause: 2.0, ..SchedEnv::new().device(9, 1).run(4.0, 1).attempts(4) }.begin();
    env.crash(0);
    env.feed(Input::Requeue { run: 0 });
    assert_eq!(env.starts, [(0, 1, 0), (0, 2, 0)], "at once");
}

#[test]
fn a_start_that_is_withdrawn_does_not_count() {
    let mut env = SchedEnv::new().device(9, 1).run(4.0, 1).begin();
    env.feed(Input::Pause);
    env.end(0, Ended::Withdrawn);
    assert_eq!(env.scheduler().standing(0), Some(Standing::Waiting));
    env.feed(Input::Resume);
    assert_eq!(env.starts, [(0, 1, 0), (0, 1, 0)]);
}
