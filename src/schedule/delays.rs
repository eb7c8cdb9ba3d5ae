//! Runs that wait for a moment: how long a run that has failed waits before it is tried again, and whose turn is next.
//!
//! Used by the scheduler alone.

use std::{cmp::Ordering, cmp::Reverse, collections::BinaryHeap};

/// No pause is longer, seconds.
const LONGEST: f64 = 300.0;

/// The runs that wait for a moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Delays {
    /// A run that waits no more stays here until its moment; whoever takes it asks.
    due: BinaryHeap<Reverse<Due>>,
}

/// How long a run waits that has failed so many times, seconds: `first`, then twice as long each time.
pub(super) fn pause(first: f64, failures: u32) -> f64 {
    let doublings = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    (first * 2_f64.powi(doublings)).min(LONGEST.max(first))
}

impl Delays {
    /// Lets the run at `position` wait until `at`.
    pub(super) fn insert(&mut self, at: f64, position: usize) {
        self.due.push(Reverse(Due { at, position }));
    }

    /// The next moment, at the latest.
    pub(super) fn next(&self) -> Option<f64> {
        self.due.peek().map(|Reverse(due)| due.at)
    }

    /// Takes the next run whose moment has come, with that moment.
    pub(super) fn take(&mut self, now: f64) -> Option<(f64, usize)> {
        self.next().filter(|at| *at <= now)?;
        self.due.pop().map(|Reverse(Due { at, position })| (at, position))
    }
}

/// A moment and a run; ordered by both.
#[derive(Clone, Copy, Debug)]
struct Due {
    at: f64,
    position: usize,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> Ordering {
        self.at.total_cmp(&other.at).then(self.position.cmp(&other.position))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end_at_five_minutes() {
        let pauses: Vec<f64> = [1, 2, 3, 4, 9, 10, 99].iter().map(|failures| pause(1.0, *failures)).collect();
        assert_eq!(pauses, [1.0, 2.0, 4.0, 8.0, 256.0, 300.0, 300.0]);
        assert_eq!((pause(0.0, 50), pause(600.0, 2)), (0.0, 600.0));
    }

    #[test]
    fn whose_moment_has_come_is_taken_in_order() {
        let mut delays = Delays::default();
        assert_eq!((delays.next(), delays.take(9.0)), (None, None));
        for (at, position) in [(3.0, 1), (1.0, 7), (1.0, 2)] {
            delays.insert(at, position);
        }
        assert_eq!((delays.next(), delays.take(0.5)), (Some(1.0), None));
        let taken: Vec<_> = std::iter::from_fn(|| delays.take(2.0)).collect();
        assert_eq!((taken, delays.next()), (vec![(1.0, 2), (1.0, 7)], Some(3.0)));
    }
}
