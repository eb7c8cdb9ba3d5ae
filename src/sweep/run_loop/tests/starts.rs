//! Starts: those that fail, and those that wait for what the machine has no more of.

use super::*;

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
    assert_eq!(
        world.totals(),
        Totals { total: 6, completed: 2, failed: 0, pending: 3, live: 1, cancelled: 0 }
    );
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
fn a_live_run_is_known_by_what_it_was_started_with() {
    let world = begun(1, 1, 1);
    let LiveAttempt { attempt, begun, .. } = &world.this.live[&0];
    assert_eq!((attempt.name.as_str(), attempt.slot.as_str(), *begun), ("run-0", "cpu/0", 0.0));
    assert_eq!(attempt.handle, Some(Handle::Process(1000)));
}
