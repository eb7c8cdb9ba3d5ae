//! Ends of attempts: what is counted, what is tried again, and what our own signal ended.

use super::*;

#[test]
fn ends_and_starts_alternate_until_all_is_done() {
    let mut world = begun(3, 2, 1);
    assert_eq!(world.this.launcher.starts, [(0, 1), (1, 1)]);
    world.end(1, Ending::Completed);
    assert_eq!(world.this.launcher.starts[2..], [(2, 1)]);
    world.end(2, Ending::Failed(failure()));
    world.end(0, Ending::Completed);
    assert!(world.this.over);
    assert_eq!(
        world.totals(),
        Totals { total: 5, completed: 4, failed: 1, pending: 0, live: 0, cancelled: 0 }
    );
    assert_eq!(world.this.trained, 3);
}

#[test]
fn a_run_is_tried_three_times_and_counted_once() {
    let mut world = begun(1, 1, 3);
    world.end(0, Ending::Failed(failure()));
    assert_eq!(
        world.totals(),
        Totals { total: 3, completed: 2, failed: 0, pending: 0, live: 1, cancelled: 0 }
    );
    world.end(0, Ending::Failed(failure()));
    world.end(0, Ending::Failed(failure()));
    use RunState::{Failed, Pending};
    assert_eq!(world.ends(), [(0, 1, Pending), (0, 2, Pending), (0, 3, Failed)]);
    assert!(world.this.over);
    assert_eq!(
        world.totals(),
        Totals { total: 3, completed: 2, failed: 1, pending: 0, live: 0, cancelled: 0 }
    );
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
    assert_eq!(
        world.totals(),
        Totals { total: 4, completed: 2, failed: 0, pending: 2, live: 0, cancelled: 0 }
    );
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
    assert_eq!(
        world.totals(),
        Totals { total: 6, completed: 2, failed: 0, pending: 4, live: 0, cancelled: 0 }
    );
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
