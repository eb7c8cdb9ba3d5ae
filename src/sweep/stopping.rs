//! The stopping rule of a sweep: what it knows of the runs, and what it decides when one has a new value of the metric that
//! ranks. Pure; the loop acts.

use std::collections::{HashMap, HashSet};

use crate::{
    run::{Action, Decided},
    search::{Halving, Promotion, Rule, Rungs, Stopper},
    spec::{Experiment, StopPlan, StopRule, Value},
};

/// What earlier sweeps have left of a run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Past {
    /// Its index.
    pub(super) run: u64,
    /// The metric that ranks, by epochs done.
    pub(super) curve: Vec<(u64, f64)>,
    /// Whether it has completed.
    pub(super) is_completed: bool,
    /// What was decided of it.
    pub(super) decisions: Vec<Decided>,
}

impl Past {
    /// The last decision that says what becomes of the run.
    fn last(&self) -> Option<&Decided> {
        self.decisions.iter().rev().find(|decided| decided.action != Action::GoesOn)
    }
}

/// A rule, and the runs it knows.
pub(super) struct Stopping {
    judge: Judge,
    /// The epochs that were last looked at of each run.
    seen: HashMap<u64, u64>,
    /// Runs that were stopped: what they still write while they end counts for nothing.
    stopped: HashSet<u64>,
    /// Runs that the user wants whole.
    exempt: HashSet<u64>,
    /// The epochs that runs go on to which were promoted: they pause at no rung below.
    goes_to: HashMap<u64, u64>,
    /// Runs that wait at a rung of an earlier sweep.
    waits: HashSet<u64>,
    /// Runs that have paused where they were told to, and of which nothing could be decided.
    undecided: HashSet<u64>,
    /// Epochs of a whole run, where the spec says it.
    longest: Option<u64>,
}

enum Judge {
    Stops(Stopper),
    Pauses(Rungs),
}

/// Epochs of a whole run, where all have the same.
pub(crate) fn longest(experiment: &Experiment, plan: &StopPlan) -> Option<u64> {
    experiment.fixed.get("epochs").and_then(Value::as_u64).or(plan.epochs)
}

impl Stopping {
    /// The rule of an experiment, with what earlier sweeps have left; `None` where it has none.
    pub(super) fn new(experiment: &Experiment, past: &[Past]) -> Option<Self> {
        let plan = experiment.stop?;
        let goal = experiment.rank.by.goal;
        let halving = Halving { first: plan.first, factor: plan.factor };
        let longest = longest(experiment, &plan);
        // The spec was checked for what the rules need.
        let whole = longest.unwrap_or(plan.first + 1);
        let judge = match plan.rule {
            StopRule::Median => Judge::Stops(Stopper::new(Rule::Median { first: plan.first }, goal)),
            StopRule::AshaStop => Judge::Stops(Stopper::new(Rule::Halving(halving), goal)),
            StopRule::Hyperband => {
                let salt = experiment.name.clone();
                Judge::Stops(Stopper::new(Rule::Hyperband { halving, longest: whole, salt }, goal))
            }
            StopRule::Asha => Judge::Pauses(Rungs::new(halving, goal, whole)),
        };
        let (seen, goes_to) = (HashMap::new(), HashMap::new());
        let [stopped, exempt, waits, undecided] = std::array::from_fn(|_| HashSet::new());
        let mut stopping = Self { judge, seen, stopped, exempt, goes_to, waits, undecided, longest };
        past.iter().for_each(|past| stopping.recall(past));
        Some(stopping)
    }

    fn recall(&mut self, past: &Past) {
        let is_stop = |decided: &&Decided| decided.action == Action::Stops;
        let end = past.decisions.iter().rfind(is_stop).map_or(u64::MAX, |decided| decided.epochs);
        for (epochs, value) in past.curve.iter().filter(|(epochs, _)| *epochs <= end) {
            match &mut self.judge {
                Judge::Stops(stopper) => drop(stopper.report(past.run, *epochs, *value)),
                Judge::Pauses(rungs) => rungs.reach(past.run, *epochs, *value),
            }
            self.seen.insert(past.run, *epochs);
        }
        if past.is_completed {
            self.completed(past.run);
        }
        let is_promotion = |decided: &&Decided| decided.action == Action::Promoted;
        for from in past.decisions.iter().filter(is_promotion).map(|decided| decided.epochs) {
            if let Judge::Pauses(rungs) = &self.judge {
                let to = rungs.after(from);
                self.promote(Promotion { number: past.run, from, to, place: 0, of: 0 });
            }
        }
        let last = past.last().map(|decided| decided.action);
        if last == Some(Action::Stops) {
            // Where it is owed all the same the user has requeued it, and wants it whole.
            self.stopped.insert(past.run);
            self.exempt.insert(past.run);
            return;
        }
        // Its sweep may have been killed before it was asked to make room.
        let goes_to = self.goes_to.get(&past.run).copied().unwrap_or(0);
        let has_come = match &self.judge {
            Judge::Pauses(rungs) => rungs.highest(past.run).is_some_and(|epochs| epochs >= goes_to),
            Judge::Stops(_) => false,
        };
        if has_come || last == Some(Action::Pauses) {
            self.waits.insert(past.run);
        }
    }

    /// Whether the rule lets runs pause, and go on in turn.
    pub(super) fn pauses(&self) -> bool {
        matches!(self.judge, Judge::Pauses(_))
    }

    /// Whether a run waits at a rung since an earlier sweep.
    pub(super) fn waits(&self, run: u64) -> bool {
        self.waits.contains(&run)
    }

    /// The epochs after which a run pauses by itself, if it can; `None` where it goes on to its end.
    pub(super) fn pause_after(&self, run: u64) -> Option<u64> {
        let Judge::Pauses(rungs) = &self.judge else { return None };
        let epochs = self.goes_to.get(&run).copied().unwrap_or_else(|| rungs.first());
        let goes_on = self.exempt.contains(&run)
            || self.undecided.contains(&run)
            || self.longest.is_some_and(|longest| epochs >= longest);
        (!goes_on).then_some(epochs)
    }

    /// A run has paused where it was told to: whether it waits at that rung. One that does not goes on, and pauses no more by itself.
    pub(super) fn has_paused(&mut self, run: u64) -> bool {
        let Judge::Pauses(rungs) = &self.judge else { return false };
        let goes_to = self.goes_to.get(&run).copied().unwrap_or_else(|| rungs.first());
        let waits = !self.exempt.contains(&run) && rungs.highest(run).is_some_and(|epochs| epochs >= goes_to);
        if !waits {
            self.undecided.insert(run);
        }
        waits
    }

    /// A run has this value of the metric that ranks after so many epochs, of `whole` where that is known. `is_own` says that its
    /// live attempt has logged it, and none before.
    pub(super) fn look(
        &mut self,
        run: u64,
        (epochs, value): (u64, f64),
        is_own: bool,
        whole: Option<u64>,
    ) -> Option<Decided> {
        if self.stopped.contains(&run) {
            return None;
        }
        let seen = self.seen.entry(run).or_insert(0);
        if epochs == 1 && is_own && *seen > 0 {
            // It has begun anew.
            *seen = 0;
            if let Judge::Stops(stopper) = &mut self.judge {
                stopper.forget(run);
            }
        }
        if epochs <= *seen {
            return None;
        }
        *seen = epochs;
        let is_last = whole.or(self.longest).is_some_and(|whole| epochs >= whole);
        let decided = match &mut self.judge {
            Judge::Stops(stopper) => {
                let decision = stopper.report(run, epochs, value);
                let action = if decision.stops() { Action::Stops } else { Action::GoesOn };
                let words = decision.words();
                // The median is looked at in every epoch: only what comes of it is worth keeping.
                let is_worth =
                    action == Action::Stops || matches!(decision, crate::search::Decision::Compared { .. });
                (is_worth && !words.is_empty()).then_some(Decided { epochs, action, reason: words })
            }
            Judge::Pauses(rungs) => {
                rungs.reach(run, epochs, value);
                let goes_to = self.goes_to.get(&run).copied().unwrap_or(0);
                let standing = rungs.standing(run, epochs).filter(|_| epochs >= goes_to);
                standing.map(|standing| standing.words()).map(|reason| Decided {
                    epochs,
                    action: Action::Pauses,
                    reason,
                })
            }
        };
        let decided = decided.filter(|_| !is_last && !self.exempt.contains(&run))?;
        if decided.action == Action::Stops {
            self.stopped.insert(run);
        }
        Some(decided)
    }

    /// A run has completed.
    pub(super) fn completed(&mut self, run: u64) {
        if let Judge::Stops(stopper) = &mut self.judge {
            stopper.complete(run);
        }
    }

    /// The user wants a run whole.
    pub(super) fn exempt(&mut self, run: u64) {
        self.stopped.remove(&run);
        self.exempt.insert(run);
        self.waits.remove(&run);
    }

    /// The run that goes on next from its rung.
    pub(super) fn next(&self) -> Option<Promotion> {
        match &self.judge {
            Judge::Pauses(rungs) => rungs.next(),
            Judge::Stops(_) => None,
        }
    }

    /// A run goes on from its rung.
    pub(super) fn promote(&mut self, promotion: Promotion) {
        self.waits.remove(&promotion.number);
        self.goes_to.insert(promotion.number, promotion.to);
        if let Judge::Pauses(rungs) = &mut self.judge {
            rungs.promote(promotion);
        }
    }

    /// Why a run that waits at a rung goes on no more.
    pub(super) fn last_word(&self, run: u64) -> Option<Decided> {
        let Judge::Pauses(rungs) = &self.judge else { return None };
        let epochs = rungs.highest(run)?;
        let reason = rungs.standing(run, epochs)?.words();
        Some(Decided { epochs, action: Action::Stops, reason })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Overrides, parse};

    fn experiment(stop: &str) -> Experiment {
        let text = format!(
            "experiment: e\nmodel: {{family: command, run: ['true']}}\ntrain: {{epochs: 9}}\ngrid: {{a: [1, 2]}}\nrank: {{by: loss}}\n\
             stop: {stop}\n"
        );
        parse(&text, Path::new("e.yaml"), &Overrides::default()).unwrap()
    }

    fn past(run: u64, curve: &[(u64, f64)], decisions: Vec<Decided>) -> Past {
        Past { run, curve: curve.to_vec(), is_completed: false, decisions }
    }

    #[test]
    fn a_rung_stops_who_is_not_among_its_best() {
        let experiment = experiment("{rule: asha_stop, first: 1, keep: 1/2}");
        let mut stopping = Stopping::new(&experiment, &[]).unwrap();
        let mut look = |run, epochs, loss| {
            stopping.look(run, (epochs, loss), true, None).map(|decided| (decided.action, decided.reason))
        };
        let goes_on = |words: &str| Some((Action::GoesOn, words.to_owned()));
        let stops = |words: &str| Some((Action::Stops, words.to_owned()));
        assert_eq!(look(0, 1, 0.5), goes_on("epoch 1: 1st of 1, the best goes on"));
        assert_eq!(look(1, 1, 0.6), stops("epoch 1: 2nd of 2, the best goes on"));
        assert_eq!(look(1, 2, 0.1), None, "it is stopped");
        assert_eq!(look(0, 2, 0.4), goes_on("epoch 2: 1st of 1, the best goes on"));
        assert_eq!(look(0, 2, 0.4), None, "a step that comes again");
        assert_eq!(look(2, 1, f64::NAN), stops("epoch 1: not a number"));
        assert_eq!(look(0, 9, 0.9).map(|(action, _)| action), None, "it is over anyway");
    }

    #[test]
    fn what_earlier_sweeps_have_left_is_known() {
        let experiment = experiment("{rule: asha, first: 1, keep: .333}");
        let decided = |epochs, action| Decided { epochs, action, reason: String::new() };
        let all = [
            past(0, &[(1, 0.1), (2, 0.1)], vec![decided(1, Action::Pauses), decided(1, Action::Promoted)]),
            past(1, &[(1, 0.2)], vec![decided(1, Action::Pauses)]),
            past(2, &[(1, 0.3)], vec![decided(1, Action::Pauses)]),
        ];
        let mut stopping = Stopping::new(&experiment, &all).unwrap();
        assert_eq!([0, 1, 2].map(|run| stopping.waits(run)), [false, true, true]);
        assert_eq!(stopping.next(), None, "the best of three goes on already");
        for run in 3..6 {
            let reached = stopping.look(run, (1, 0.9), true, None).unwrap();
            assert_eq!(reached.action, Action::Pauses);
        }
        let promotion = stopping.next().unwrap();
        assert_eq!(promotion.number, 1);
        assert_eq!(promotion.words(), "epoch 1: 2nd of 6, goes on to epoch 3");
        stopping.promote(promotion);
        assert!(!stopping.waits(1) && stopping.next().is_none());
        // It begins anew, and passes the rung that it was promoted from.
        assert_eq!(stopping.look(1, (1, 0.2), true, None), None);
        assert_eq!(stopping.look(1, (2, 0.2), true, None), None);
        assert_eq!(stopping.look(1, (3, 0.2), true, None).unwrap().action, Action::Pauses);
        assert_eq!(stopping.last_word(2).unwrap().reason, "epoch 1: 3rd of 6, best 2 go on");
    }

    #[test]
    fn a_run_is_told_where_it_pauses_next() {
        let experiment = experiment("{rule: asha, first: 1, keep: 1/3}");
        let mut stopping = Stopping::new(&experiment, &[]).unwrap();
        assert_eq!(stopping.pause_after(0), Some(1));
        for run in 0..3 {
            assert!(stopping.look(run, (1, 0.1 * run as f64), true, None).is_some());
            assert!(stopping.has_paused(run));
        }
        let promotion = stopping.next().unwrap();
        assert_eq!((promotion.number, promotion.to), (0, 3));
        stopping.promote(promotion);
        assert_eq!(stopping.pause_after(0), Some(3));
        // The last rung is below the end: whoever passes it is told of none.
        stopping.promote(Promotion { number: 0, from: 3, to: 9, place: 1, of: 1 });
        assert_eq!(stopping.pause_after(0), None);
        // Without a value there is nothing to wait for.
        assert!(!stopping.has_paused(7));
        assert_eq!(stopping.pause_after(7), None);
        // One that was stopped and is made again is wanted whole.
        let stopped = Decided { epochs: 1, action: Action::Stops, reason: String::new() };
        let requeued = Stopping::new(&experiment, &[past(4, &[(1, 0.9)], vec![stopped])]).unwrap();
        assert!(requeued.pause_after(4).is_none() && !requeued.waits(4));
        stopping.exempt(8);
        assert!(stopping.pause_after(8).is_none() && !stopping.has_paused(8));
        let stops = Stopping::new(&self::experiment("{rule: asha_stop, first: 1}"), &[]).unwrap();
        assert_eq!(stops.pause_after(0), None);
    }
}
