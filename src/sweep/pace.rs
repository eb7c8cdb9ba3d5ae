//! How long runs of an experiment take in its cluster, told with caution: what its jobs' time limits rest on. Pure.
//!
//! The scheduler's model of time is for the middle; a limit is for the worst. So the line through the runs that have ended is
//! stretched until none of them lies above it.

use std::collections::BTreeSet;

use crate::{
    schedule::{CostModel, DeviceKind},
    spec::Value,
};

/// Fewer runs than these say too little of the next one.
const ENOUGH: usize = 3;

/// What is known of runs that have ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    model: CostModel,
    /// Cost and seconds of each.
    ended: Vec<(f64, f64)>,
    /// The values that they had on the axes.
    seen: BTreeSet<String>,
}

/// A run's values, as it has them on the axes.
pub(crate) type Axes = [(String, Value)];

impl Pace {
    /// So many runs have to have ended before anything is told.
    pub(crate) const ENOUGH: usize = ENOUGH;

    /// Takes in a run that has completed in one attempt: its cost, 0 where that is not known, and how long it took, seconds.
    pub(crate) fn learn(&mut self, axes: &Axes, cost: f64, seconds: f64) {
        if cost.is_finite() && seconds.is_finite() && cost >= 0.0 && seconds >= 0.0 {
            // Which kind of device it was is all the same: those of a cluster are of one kind.
            self.model.learn(DeviceKind::Cpu, cost, seconds);
            self.ended.push((cost, seconds));
            self.seen.extend(axes.iter().map(value));
        }
    }

    /// How long a run of this cost takes where it is as slow as the slowest that has ended, in proportion, seconds. Where nothing
    /// is known of the cost, a value that no run has had yet (more epochs, a larger model) makes it anything.
    pub(crate) fn slowest(&self, axes: &Axes, cost: f64) -> Option<f64> {
        let is_new = |one: &(String, Value)| !self.seen.contains(&value(one));
        if self.ended.len() < ENOUGH || cost == 0.0 && axes.iter().any(is_new) {
            return None;
        }
        let usual = |cost| self.model.seconds(DeviceKind::Cpu, cost).filter(|seconds| *seconds > 0.0);
        let over = |(cost, seconds): &(f64, f64)| usual(*cost).map_or(1.0, |usual| seconds / usual);
        let worst = self.ended.iter().map(over).fold(1.0, f64::max);
        self.model.seconds(DeviceKind::Cpu, cost).map(|seconds| seconds * worst)
    }
}

fn value((name, value): &(String, Value)) -> String {
    format!("{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ended: &[(f64, f64)]) -> Pace {
        let mut pace = Pace::default();
        ended.iter().for_each(|(cost, seconds)| pace.learn(&[], *cost, *seconds));
        pace
    }

    #[test]
    fn the_slowest_run_is_what_a_limit_rests_on() {
        assert_eq!(of(&[(1.0, 3.0), (2.0, 6.0)]).slowest(&[], 1.0), None, "two say too little");
        let even = of(&[(1.0, 3.0), (2.0, 6.0), (4.0, 12.0)]);
        assert!((even.slowest(&[], 8.0).unwrap() - 24.0).abs() < 1e-6);
        // Programs of the user's, of which nothing is known: as long as the longest.
        let unknown = of(&[(0.0, 10.0), (0.0, 20.0), (0.0, 90.0)]);
        assert!((unknown.slowest(&[], 0.0).unwrap() - 90.0).abs() < 1e-6);
        // One node is half as fast as the others.
        let uneven = of(&[(1.0, 10.0), (2.0, 20.0), (3.0, 30.0), (3.0, 60.0)]);
        assert!(uneven.slowest(&[], 3.0).unwrap() >= 60.0);
        assert_eq!(of(&[(f64::NAN, 1.0), (1.0, f64::INFINITY), (1.0, 1.0)]).slowest(&[], 1.0), None);
    }

    #[test]
    fn of_a_program_whose_cost_is_not_known_every_value_has_to_have_been_seen() {
        let mut pace = Pace::default();
        let epochs = |number: i64| [("epochs".to_owned(), Value::Int(number))];
        for seconds in [5.0, 6.0, 7.0] {
            pace.learn(&epochs(1), 0.0, seconds);
        }
        assert_eq!(pace.slowest(&epochs(1), 0.0), Some(7.0));
        assert_eq!(pace.slowest(&epochs(100), 0.0), None);
        pace.learn(&epochs(100), 0.0, 700.0);
        assert_eq!(pace.slowest(&epochs(100), 0.0), Some(700.0));
    }

    #[test]
    fn no_run_that_has_ended_took_longer_than_is_told_of_it() {
        let ended = [(1e9, 7.0), (2e9, 3.0), (5e9, 21.0), (9e9, 40.0)];
        let pace = of(&ended);
        for (cost, seconds) in ended {
            assert!(pace.slowest(&[], cost).unwrap() >= seconds - 1e-9, "{cost}");
        }
    }
}
