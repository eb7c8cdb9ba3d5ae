//! How long runs take: seconds from FLOPs, learned from the runs that have ended and those that are under way.
//!
//! Used by the scheduler for the time that a sweep still needs. Never used to decide what starts: the order comes from
//! the estimates alone, so that it is the same on every machine.
//!
//! The model of a device kind is `seconds = fixed + rate * cost`, both at least 0: a start-up that every run pays, and a
//! speed. It is the least-squares line through the runs that completed, from their running sums. With fewer than
//! three runs, or runs that all cost the same, a line would be made of noise: then all observed seconds over all
//! observed cost is the rate, live runs counted for the part they have done.

use super::slot::DeviceKind;

/// What has been learned of each kind of device.
#[derive(Clone, Debug, Default)]
pub struct CostModel {
    cpu: Sums,
    cuda: Sums,
}

/// Running sums over the completed runs of one kind of device.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    runs: f64,
    cost: f64,
    seconds: f64,
    cost_cost: f64,
    cost_seconds: f64,
}

/// Seconds from cost, for one kind of device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Line {
    fixed: f64,
    rate: f64,
}

/// A line needs this many runs.
const ENOUGH_FOR_A_LINE: f64 = 3.0;

/// Costs count as equal when their variance is below this part of their squared mean.
const SAME_COST: f64 = 1e-6;

impl CostModel {
    /// Takes in a run that completed: its estimate in FLOPs and its wall time.
    pub fn learn(&mut self, kind: DeviceKind, cost: f64, seconds: f64) {
        if !(cost.is_finite() && seconds.is_finite() && cost >= 0.0 && seconds >= 0.0) {
            return;
        }
        let sums = match kind {
            DeviceKind::Cpu => &mut self.cpu,
            DeviceKind::Cuda => &mut self.cuda,
        };
        sums.runs += 1.0;
        sums.cost += cost;
        sums.seconds += seconds;
        sums.cost_cost += cost * cost;
        sums.cost_seconds += cost * seconds;
    }

    /// The wall time of a whole run, seconds. `None` until a run of that kind of device has completed.
    #[must_use]
    pub fn seconds(&self, kind: DeviceKind, cost: f64) -> Option<f64> {
        self.line(kind, &[]).map(|line| line.seconds(cost))
    }

    /// The line of a kind of device. `under_way` has, for each live run that has made progress, the cost that it
    /// has worked off, the seconds that it took, and the part of the run that this is.
    pub(super) fn line(&self, kind: DeviceKind, under_way: &[UnderWay]) -> Option<Line> {
        let sums = match kind {
            DeviceKind::Cpu => &self.cpu,
            DeviceKind::Cuda => &self.cuda,
        };
        sums.line().or_else(|| sums.ratio(under_way))
    }
}

/// What a live run has done so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct UnderWay {
    /// FLOPs of the part that is done.
    pub(super) cost: f64,
    /// Seconds that it took.
    pub(super) seconds: f64,
    /// The part, over 0 and up to 1.
    pub(super) part: f64,
}

impl Sums {
    /// The least-squares line, where there are runs enough and their costs differ.
    fn line(&self) -> Option<Line> {
        if self.runs < ENOUGH_FOR_A_LINE {
            return None;
        }
        let mean_cost = self.cost / self.runs;
        let variance = self.cost_cost / self.runs - mean_cost * mean_cost;
        if variance <= SAME_COST * mean_cost * mean_cost {
            return None;
        }
        let mean_seconds = self.seconds / self.runs;
        let rate = (self.cost_seconds / self.runs - mean_cost * mean_seconds) / variance;
        let fixed = mean_seconds - rate * mean_cost;
        // At the edge of what is possible, the best line of those that are.
        Some(if rate < 0.0 {
            Line { fixed: mean_seconds, rate: 0.0 }
        } else if fixed < 0.0 {
            Line { fixed: 0.0, rate: self.cost_seconds / self.cost_cost }
        } else {
            Line { fixed, rate }
        })
    }

    /// All seconds over all cost; over the number of runs, where the costs say nothing.
    fn ratio(&self, under_way: &[UnderWay]) -> Option<Line> {
        let seconds = self.seconds + under_way.iter().map(|run| run.seconds).sum::<f64>();
        let cost = self.cost + under_way.iter().map(|run| run.cost).sum::<f64>();
        let runs = self.runs + under_way.iter().map(|run| run.part).sum::<f64>();
        if cost > 0.0 {
            Some(Line { fixed: 0.0, rate: seconds / cost })
        } else if runs > 0.0 {
            Some(Line { fixed: seconds / runs, rate: 0.0 })
        } else {
            None
        }
    }
}

impl Line {
    /// The wall time of a whole run.
    pub(super) fn seconds(self, cost: f64) -> f64 {
        self.fixed + self.rate * cost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn learned(runs: &[(f64, f64)]) -> CostModel {
        let mut model = CostModel::default();
        for (cost, seconds) in runs {
            model.learn(DeviceKind::Cpu, *cost, *seconds);
        }
        model
    }

    fn close(actual: Option<f64>, expected: f64) {
        let actual = actual.expect("known");
        assert!((actual - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{actual} is not {expected}");
    }

    #[test]
    fn nothing_is_known_before_the_first_run_of_that_kind() {
        let model = learned(&[(1e9, 2.0)]);
        assert_eq!(CostModel::default().seconds(DeviceKind::Cpu, 1.0), None);
        assert_eq!(model.seconds(DeviceKind::Cuda, 1.0), None);
        close(model.seconds(DeviceKind::Cpu, 3e9), 6.0);
    }

    #[test]
    fn a_line_finds_start_up_and_speed() {
        let model = learned(&[(1e9, 3.0), (2e9, 4.0), (5e9, 7.0)]);
        close(model.seconds(DeviceKind::Cpu, 10e9), 12.0);
        close(model.seconds(DeviceKind::Cpu, 0.0), 2.0);
    }

    #[test]
    fn equal_costs_predict_their_mean() {
        close(learned(&[(1.0, 2.0), (1.0, 3.0), (1.0, 7.0)]).seconds(DeviceKind::Cpu, 1.0), 4.0);
        close(learned(&[(0.0, 2.0), (0.0, 4.0), (0.0, 6.0)]).seconds(DeviceKind::Cpu, 0.0), 4.0);
    }

    #[test]
    fn longer_runs_that_took_less_predict_their_mean() {
        close(learned(&[(1e9, 9.0), (2e9, 6.0), (3e9, 3.0)]).seconds(DeviceKind::Cpu, 1e12), 6.0);
    }

    #[test]
    fn no_start_up_is_negative() {
        let model = learned(&[(1e9, 0.1), (2e9, 2.0), (3e9, 4.0)]);
        close(model.seconds(DeviceKind::Cpu, 0.0), 0.0);
    }

    #[test]
    fn a_run_under_way_counts_for_what_it_has_done() {
        let half = UnderWay { cost: 1e9, seconds: 5.0, part: 0.5 };
        let line = CostModel::default().line(DeviceKind::Cpu, &[half]);
        close(line.map(|line| line.seconds(4e9)), 20.0);
        let unknown_cost = UnderWay { cost: 0.0, seconds: 5.0, part: 0.5 };
        let line = CostModel::default().line(DeviceKind::Cpu, &[unknown_cost]);
        close(line.map(|line| line.seconds(0.0)), 10.0);
    }

    proptest! {
        #[test]
        fn predictions_are_finite_and_never_negative(
            runs in prop::collection::vec((0.0..1e18_f64, 0.0..1e6_f64), 1..20),
            cost in 0.0..1e18_f64,
        ) {
            let seconds = learned(&runs).seconds(DeviceKind::Cpu, cost).expect("runs were learned");
            prop_assert!(seconds.is_finite() && seconds >= 0.0, "{seconds}");
        }

        #[test]
        fn what_is_no_number_teaches_nothing(cost in prop::num::f64::ANY, seconds in prop::num::f64::ANY) {
            let mut model = learned(&[(1e9, 2.0)]);
            model.learn(DeviceKind::Cpu, f64::NAN, seconds);
            model.learn(DeviceKind::Cpu, -1.0, seconds);
            model.learn(DeviceKind::Cpu, cost, f64::INFINITY);
            close(model.seconds(DeviceKind::Cpu, 1e9), 2.0);
        }
    }
}
