//! Sweeps at random, and large ones.

use std::time::Instant;

use proptest::prelude::*;

use super::*;

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
