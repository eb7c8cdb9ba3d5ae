//! The loop beside a ledger that is slow, locked or broken.

use super::*;
use crate::{
    base::signals::Signals,
    sweep::{
        run_loop::{LedgerState, drive::drive},
        sinks::Ledger,
    },
};

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
            has_paused: false,
            alive: None,
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
        let sweep = drive(world.this, "e", None, &mut signals);
        let (ended, ()) = tokio::join!(sweep, user);
        let (end, _) = ended.unwrap();
        assert!(end.interrupted);
        assert!(written.lock().unwrap().is_empty());
    });
}

#[test]
fn a_ledger_that_is_broken_ends_the_sweep_after_the_live_runs() {
    let mut world = begun(3, 2, 1);
    let state = LedgerState { trouble: Some("damaged".to_owned()), broken: true, warning: None };
    world.this.ledger_changed(world.at(), state);
    world.check();
    assert!(world.this.launcher.stops.is_empty() && !world.this.over, "no trainer is killed for it");
    world.end(0, Ending::Completed);
    world.end(1, Ending::Completed);
    assert!(world.this.over && world.this.launcher.starts.len() == 2);
    assert_eq!(world.totals().pending, 1);
    assert_eq!(world.warnings().len(), 1);
}
