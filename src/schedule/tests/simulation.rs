//! A cluster in a test: 100,000 runs on 1,000 devices, with failures of every kind, devices that are lost, and a user.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::*;

/// Numbers that look random and are the same each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Whatever fails and whoever meddles: every run comes to exactly one end, none starts on a device that was lost, no slot has two
/// runs, no run has more attempts than it may, and the sweep ends. (The test's sweep asserts the middle ones at each start.)
#[test]
fn a_hundred_thousand_runs_on_a_thousand_devices_end_whatever_fails() {
    const RUNS: u64 = 100_000;
    const DEVICES: u32 = 1_000;
    let mut draws = Draws(1);
    let mut env = (0..DEVICES).fold(SchedEnv::new().attempts(3), |env, _| env.device(16, 2));
    for _ in 0..RUNS {
        let cost = 1 + draws.below(1_000);
        // One in a hundred is larger than every device.
        let memory = if draws.below(100) == 0 { 20 } else { 1 + draws.below(8) };
        env = env.run(cost as f64, memory);
    }
    for run in 0..500 {
        env.jobs[run * 7].cancelled = true;
    }
    env.pause = 30.0;
    let mut env = env.begin();
    let mut ends: BinaryHeap<Reverse<(u64, u64)>> = BinaryHeap::new();
    let mut taken: BTreeSet<u32> = BTreeSet::new();
    let (mut begun, mut steps, mut lost_on) = (0, 0_u64, 0);
    while env.finished.is_none() {
        for (run, _, slot) in env.starts[begun..].iter().copied() {
            assert!(taken.insert(slot), "two runs on slot {slot}");
            ends.push(Reverse((env.now as u64 + env.jobs[run as usize].cost as u64, run)));
        }
        begun = env.starts.len();
        let due = env.scheduler().next_due();
        let next = ends.peek().map(|Reverse((time, _))| *time as f64);
        if let Some(due) = due.filter(|due| next.is_none_or(|next| *due <= next)) {
            env.now = env.now.max(due);
            env.feed_unchecked(Input::Wake, false);
            continue;
        }
        let Some(Reverse((time, run))) = ends.pop() else {
            // Everybody is paused.
            env.feed_unchecked(Input::Resume, false);
            continue;
        };
        env.now = env.now.max(time as f64);
        steps += 1;
        let slot = env.live[&run];
        taken.remove(&slot);
        let how = match draws.below(100) {
            0..4 => Ended::Failed(Again::No),
            4..12 => Ended::Failed(Again::Yes),
            12..15 => Ended::Failed(Again::Alone),
            15..17 => Ended::NotStarted,
            // A fault takes its device with it, as long as half of them are left.
            17..19 if env.lost.len() < DEVICES as usize / 2 => {
                let device = env.slots[slot as usize].device_index;
                lost_on += env
                    .live
                    .values()
                    .filter(|slot| env.slots[**slot as usize].device_index == device)
                    .count();
                env.feed_unchecked(Input::SetAside { device }, false);
                Ended::Failed(Again::Once)
            }
            _ if env.scheduler().is_paused() => Ended::Interrupted,
            _ => Ended::Completed,
        };
        env.feed_unchecked(Input::Ended { run, how }, steps.is_multiple_of(20_000));
        match draws.below(20_000) {
            0 => drop(env.feed_unchecked(Input::Pause, false)),
            1..3 => drop(env.feed_unchecked(Input::Resume, false)),
            3..200 => drop(env.feed_unchecked(Input::CancelRun { run: draws.below(RUNS) }, false)),
            200..500 => drop(env.feed_unchecked(Input::Requeue { run: draws.below(RUNS) }, false)),
            _ => {}
        }
    }
    let counts = env.finished.expect("it has ended");
    env.scheduler().sanity_check();
    assert_eq!((counts.waiting, counts.live), (0, 0));
    assert_eq!((counts.completed + counts.failed + counts.cancelled) as u64, RUNS);
    let of = |wanted| (0..RUNS).filter(|run| env.scheduler().standing(*run) == Some(wanted)).count();
    assert_eq!(counts.completed, of(Standing::Completed));
    assert_eq!(counts.failed, of(Standing::Failed));
    assert_eq!(counts.cancelled, of(Standing::Cancelled));
    assert!(
        env.lost.len() >= 400 && lost_on > 400,
        "{} devices lost, {lost_on} runs on them",
        env.lost.len()
    );
    assert!(counts.cancelled > 500 && counts.failed > 3_000, "{counts:?}");
    assert!(env.starts.len() > 110_000, "{} attempts", env.starts.len());
}
