//! A budget, and what the sweeps of an experiment have used of it. Pure.

use crate::{
    base::human,
    spec::{Budget, Goal},
};

/// What the sweeps of an experiment have used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    /// Runs that were begun.
    pub(super) begun: u64,
    /// Seconds in which any run was alive.
    pub(super) alive: f64,
    /// The same of each device, added up.
    pub(super) busy: f64,
    /// The best value of the metric that ranks, of runs that have completed.
    pub(super) best: Option<f64>,
}

/// A budget, and what was used of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Purse {
    pub(super) budget: Budget,
    goal: Option<Goal>,
    spent: Spent,
    /// Until when it was counted, on the clock of the sweep.
    counted: f64,
    /// What has ended the sweep, in words.
    pub(super) ended_by: Option<String>,
}

impl Purse {
    pub(super) fn new(budget: Budget, goal: Goal, spent: Spent) -> Self {
        Self { budget, goal: Some(goal), spent, counted: 0.0, ended_by: None }
    }

    /// How many runs may begin that never did; `None` for all.
    pub(super) fn new_runs(&self) -> Option<u64> {
        self.budget.runs.map(|runs| runs.saturating_sub(self.spent.begun))
    }

    /// A run has completed with this value.
    pub(super) fn completed(&mut self, value: Option<f32>) {
        let Some(value) = value.map(f64::from).filter(|value| !value.is_nan()) else { return };
        let is_better = |best: f64| match self.goal {
            Some(Goal::Minimize) => value < best,
            _ => value > best,
        };
        if self.spent.best.is_none_or(is_better) {
            self.spent.best = Some(value);
        }
    }

    /// Counts the time until `elapsed`, in which so many devices were busy.
    pub(super) fn count(&mut self, elapsed: f64, devices: usize) {
        let passed = (elapsed - self.counted).max(0.0);
        self.counted = elapsed;
        if devices > 0 {
            self.spent.alive += passed;
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of devices")]
        let busy = passed * devices as f64;
        self.spent.busy += busy;
    }

    /// When time is used up at this pace, on the clock of the sweep.
    pub(super) fn due(&self, devices: usize) -> Option<f64> {
        if devices == 0 {
            return None;
        }
        let alive = self.budget.time.map(|time| time.duration().as_secs_f64() - self.spent.alive);
        #[expect(clippy::cast_precision_loss, reason = "a number of devices")]
        let busy = self.budget.device_hours.map(|hours| (hours * 3600.0 - self.spent.busy) / devices as f64);
        alive.into_iter().chain(busy).min_by(f64::total_cmp).map(|left| self.counted + left.max(0.0))
    }

    /// What is used up, in words, and whether live runs are to end too.
    pub(super) fn exceeded(&self, failed: usize) -> Option<(String, bool)> {
        let Budget { time, device_hours, failures, until, .. } = self.budget;
        let Spent { alive, busy, best, .. } = self.spent;
        if let (Some(until), Some(best)) = (until, best) {
            let is_enough = match self.goal {
                Some(Goal::Minimize) => best <= until,
                _ => best >= until,
            };
            if is_enough {
                return Some((format!("budget.until: {best:.4} is reached, {until} was wanted"), true));
            }
        }
        if let Some(most) = failures.filter(|most| failed as u64 >= *most) {
            let runs = human::counted(failed, "run");
            return Some((format!("budget.failures: {runs} of {most} failed"), false));
        }
        if let Some(time) = time.filter(|time| alive >= time.duration().as_secs_f64()) {
            return Some((format!("budget.time: {} of {time} used", human::seconds(alive)), true));
        }
        let hours = busy / 3600.0;
        if let Some(most) = device_hours.filter(|most| hours >= *most) {
            return Some((format!("budget.device_hours: {hours:.4} of {most} used"), true));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purse(budget: Budget, goal: Goal) -> Purse {
        Purse::new(budget, goal, Spent { begun: 3, alive: 10.0, busy: 20.0, best: None })
    }

    #[test]
    fn earlier_sweeps_count() {
        let budget = Budget { runs: Some(5), time: "20s".parse().ok(), ..Budget::default() };
        let mut purse = purse(budget, Goal::Maximize);
        assert_eq!(purse.new_runs(), Some(2));
        assert_eq!(purse.due(2), Some(10.0));
        purse.count(4.0, 1);
        // Nothing was alive.
        purse.count(8.0, 0);
        assert_eq!(purse.exceeded(0), None);
        assert_eq!(purse.due(1), Some(14.0));
        purse.count(14.0, 2);
        assert_eq!(purse.exceeded(0), Some(("budget.time: 20.0 s of 20s used".to_owned(), true)));
    }

    #[test]
    fn hours_are_of_devices() {
        let mut purse = purse(Budget { device_hours: Some(0.01), ..Budget::default() }, Goal::Maximize);
        assert_eq!(purse.due(2), Some(8.0));
        purse.count(8.0, 2);
        assert_eq!(purse.exceeded(0), Some(("budget.device_hours: 0.0100 of 0.01 used".to_owned(), true)));
    }

    #[test]
    fn a_value_is_good_enough_by_the_goal() {
        for (goal, enough, not_yet) in [(Goal::Maximize, 0.9, 0.4), (Goal::Minimize, 0.4, 0.9)] {
            let mut purse = purse(Budget { until: Some(0.5), ..Budget::default() }, goal);
            purse.completed(Some(f32::NAN));
            purse.completed(Some(not_yet));
            assert_eq!(purse.exceeded(9), None);
            purse.completed(Some(enough));
            assert!(purse.exceeded(0).is_some_and(|(_, ends)| ends));
        }
    }

    #[test]
    fn failures_let_live_runs_go_on() {
        let purse = purse(Budget { failures: Some(2), ..Budget::default() }, Goal::Maximize);
        assert_eq!(purse.exceeded(1), None);
        assert_eq!(purse.exceeded(2), Some(("budget.failures: 2 runs of 2 failed".to_owned(), false)));
    }
}
