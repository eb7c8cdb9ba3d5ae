//! Asynchronous successive halving as its paper has it: a run pauses at each rung, and goes on when it is among the best there.
//!
//! Li et al., 2020, "A system for massively parallel hyperparameter tuning", MLSys 2 (Algorithm 2). Unlike rules that stop
//! (`asha_stop`) it takes nothing back: a run that looked bad when few had been there may still be promoted.

use std::collections::{BTreeMap, BTreeSet};

use super::stop::{Decision, Halving, ordinal};
use crate::spec::Goal;

/// The rungs and who is on them.
#[derive(Clone, Debug)]
pub struct Rungs {
    halving: Halving,
    goal: Goal,
    /// Epochs of a whole run.
    longest: u64,
    /// By rung: the value of each run that has reached it.
    reached: Vec<BTreeMap<u64, f64>>,
    /// By rung: the runs that were promoted from it.
    promoted: Vec<BTreeSet<u64>>,
}

/// A run that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The run's number.
    pub number: u64,
    /// The epochs it has done.
    pub from: u64,
    /// The epochs at which it pauses again, or has completed.
    pub to: u64,
    /// Its place at the rung, from 1.
    pub place: usize,
    /// Runs that have reached the rung.
    pub of: usize,
}

impl Promotion {
    /// Why the run goes on, in words.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { from, to, place, of, .. } = self;
        format!("epoch {from}: {} of {of}, goes on to epoch {to}", ordinal(*place))
    }
}

impl Rungs {
    /// Rungs that no run has reached.
    #[must_use]
    pub fn new(halving: Halving, goal: Goal, longest: u64) -> Self {
        let count = halving.rungs(longest).len();
        Self {
            halving,
            goal,
            longest,
            reached: vec![BTreeMap::new(); count],
            promoted: vec![BTreeSet::new(); count],
        }
    }

    /// Epochs of the first pause: what a new run is started for.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.epochs(0)
    }

    /// Epochs at a rung; those of a whole run above the last one.
    fn epochs(&self, rung: usize) -> u64 {
        if rung < self.reached.len() { self.halving.epochs(rung as u32) } else { self.longest }
    }

    /// A run has done the epochs of a rung, with this value; one that is not a number is worse than all others. Does nothing
    /// where these are not the epochs of a rung.
    pub fn reach(&mut self, number: u64, epochs: u64, value: f64) {
        for rung in 0..self.reached.len() {
            if self.epochs(rung) == epochs {
                self.reached[rung].insert(number, value);
                // It has come here from all rungs below.
                for below in &mut self.promoted[..rung] {
                    below.insert(number);
                }
            }
        }
    }

    /// The epochs that a run goes on to from a rung, where it pauses again or has completed.
    #[must_use]
    pub fn after(&self, epochs: u64) -> u64 {
        let higher = (0..self.reached.len()).map(|rung| self.epochs(rung)).find(|rung| *rung > epochs);
        higher.unwrap_or(self.longest)
    }

    /// Where a run stands among those that have reached a rung, in the order in which they go on: of equal ones the first
    /// started. `None` where it has not.
    #[must_use]
    pub fn standing(&self, number: u64, epochs: u64) -> Option<Decision> {
        let rung = (0..self.reached.len()).find(|rung| self.epochs(*rung) == epochs)?;
        let value = *self.reached[rung].get(&number)?;
        if value.is_nan() {
            return Some(Decision::NotANumber { epochs });
        }
        let is_before = |run: u64, other: f64| match self.goal {
            _ if other == value => run < number,
            Goal::Minimize => other < value,
            Goal::Maximize => other > value,
        };
        let of = self.reached[rung].len();
        let place = 1 + self.reached[rung].iter().filter(|(run, other)| is_before(**run, **other)).count();
        let best = of / self.halving.factor as usize;
        Some(Decision::Compared { stops: place > best, epochs, place, of, best })
    }

    /// The highest rung that a run has reached, in epochs.
    #[must_use]
    pub fn highest(&self, number: u64) -> Option<u64> {
        (0..self.reached.len())
            .rev()
            .find(|rung| self.reached[*rung].contains_key(&number))
            .map(|rung| self.epochs(rung))
    }

    /// The run that goes on next: the best that was not promoted, of the highest rung that has one among its best. `None`
    /// where a new run should be started.
    #[must_use]
    pub fn next(&self) -> Option<Promotion> {
        (0..self.reached.len()).rev().find_map(|rung| {
            let mut order: Vec<(u64, f64)> =
                self.reached[rung].iter().map(|(run, value)| (*run, *value)).collect();
            let key = |value: f64| match (value.is_nan(), self.goal) {
                (true, _) => f64::INFINITY,
                (false, Goal::Minimize) => value,
                (false, Goal::Maximize) => -value,
            };
            order.sort_by(|(a, of_a), (b, of_b)| key(*of_a).total_cmp(&key(*of_b)).then(a.cmp(b)));
            let best = order.len() / self.halving.factor as usize;
            let place = order[..best]
                .iter()
                .position(|(run, value)| !value.is_nan() && !self.promoted[rung].contains(run))?;
            let (number, of) = (order[place].0, order.len());
            let (from, to) = (self.epochs(rung), self.epochs(rung + 1));
            Some(Promotion { number, from, to, place: place + 1, of })
        })
    }

    /// A run goes on.
    pub fn promote(&mut self, promotion: Promotion) {
        for rung in 0..self.reached.len() {
            if self.epochs(rung) <= promotion.from {
                self.promoted[rung].insert(promotion.number);
            }
        }
    }
}
