//! Limits: of the time of a run, of its silence, and of failures that are alike.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

use super::*;
use crate::{schedule::Alike, spec::SpecDuration};

#[test]
fn what_fails_alike_is_counted_by_runs_and_not_by_attempts() {
    let mut world = made(9, 1, 3, |_, _| Answer::Alive);
    world.this.alike = Alike::new(2, false);
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
fn runs_that_all_fail_alike_leave_the_rest_to_another_time() {
    let mut world = made(9, 2, 1, |_, _| Answer::Alive);
    world.this.alike = Alike::new(3, false);
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
    assert_eq!(
        world.totals(),
        Totals { total: 11, completed: 2, failed: 4, pending: 5, live: 0, cancelled: 0 }
    );
    let words = world.warnings();
    assert_eq!(words.len(), 1);
    assert!(words[0].starts_with("the first 3 runs failed alike, and 5 runs would too"), "{words:?}");
}

#[test]
fn what_takes_too_long_is_asked_then_killed_and_has_failed() {
    let mut world = made(3, 1, 1, |_, _| Answer::Alive);
    world.this.limits.time_per_run = Some(SpecDuration::seconds(60));
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
    assert_eq!(
        world.totals(),
        Totals { total: 5, completed: 4, failed: 1, pending: 0, live: 0, cancelled: 0 }
    );
}

#[test]
fn what_writes_nothing_is_told_asked_and_tried_once_more() {
    let mut world = made(1, 1, 3, |_, _| Answer::Alive);
    world.this.limits.stall_timeout = Some(SpecDuration::seconds(60));
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

/// What the user's signal ended is an interruption, whatever else was due meanwhile.
#[test]
fn a_run_whose_time_is_over_in_the_grace_of_a_signal_stays_owed() {
    let mut world = made(2, 1, 1, |_, _| Answer::Alive);
    world.this.limits.time_per_run = Some(SpecDuration::seconds(60));
    world.this.limits.stall_timeout = Some(SpecDuration::seconds(60));
    world.begin();
    world.pass(55.0);
    world.cancel();
    world.pass(8.0);
    assert_eq!(world.this.launcher.stops, [(0, false)], "it is asked once");
    assert_eq!(world.this.wake_at(), Some(65.0), "the end of the grace");
    world.end(0, Ending::Interrupted);
    assert_eq!(world.ends(), [(0, 1, RunState::Pending)]);
    assert_eq!(world.warnings(), [""; 0]);
}

#[test]
fn an_end_within_its_time_that_is_not_judged_yet_is_not_late() {
    let mut world = made(1, 1, 1, |_, _| Answer::Alive);
    world.this.limits.time_per_run = Some(SpecDuration::seconds(60));
    world.begin();
    world.pass(59.5);
    let end = world.end_of(0, Ending::Failed(failure()), true);
    world.this.ended(world.at(), end);
    world.pass(0.6);
    assert_eq!((world.this.wake_at(), world.this.launcher.stops.as_slice()), (Some(60.5), &[][..]));
    world.pass(0.5);
    let last = world.this.last_failure.clone().expect("a failure");
    assert_eq!(last.kind, FailureKind::Signal, "{}", last.reason);
}

#[test]
fn a_line_of_the_log_is_a_sign_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = made(1, 1, 1, |_, _| Answer::Alive);
    world.this.limits.stall_timeout = Some(SpecDuration::seconds(60));
    world.begin();
    let log = folder.path().join("worker.log");
    world.this.live.get_mut(&0).unwrap().log.clone_from(&log);
    for (second, text) in [(10.0, Some("epoch 1")), (30.0, None), (50.0, Some("epoch 2"))] {
        world.pass(second - world.now);
        if let Some(text) = text {
            let written = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(1000.0 + second);
            fs::write(&log, text).unwrap();
            File::options().append(true).open(&log).unwrap().set_modified(written).unwrap();
        }
        world.pass(1.0);
    }
    assert_eq!(world.this.wake_at(), Some(111.0), "a minute after the second line was seen");
    world.pass(60.0);
    assert_eq!(world.this.launcher.stops, [(0, false)]);
}
