//! The next point of a search. A value that only knows points and what became of them: the same points, in whatever order
//! they were told, give the same suggestion, so a search that was cut off goes on as if it had not been.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::{
    draws::{PointDraws, random_point},
    sobol::{self, Sobol},
    space::{Point, Space, key},
    tpe::{self, Candidates, Known, STARTUP, Trial},
};
use crate::spec::Goal;

/// How points are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Independently, evenly over the space.
    Random,
    /// Along Sobol's sequence.
    Sobol,
    /// By the tree-structured Parzen estimator, after ten random points.
    Tpe,
}

/// A search, and what it knows.
#[derive(Clone, Debug)]
pub struct Search {
    space: Space,
    method: Method,
    goal: Goal,
    seed: u64,
    sobol: Option<Sobol>,
    trials: BTreeMap<u64, Trial>,
    /// The points that were tried.
    seen: HashSet<Vec<u64>>,
}

/// A point that should be trained, and why it is this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The point: nothing that was tried before.
    pub point: Point,
    /// Where it comes from.
    pub reason: Reason,
}

/// Where a suggestion comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// It was drawn: the method is random, or nothing can be estimated yet.
    Drawn,
    /// It was drawn because all candidates of the estimator had been tried.
    AllTried,
    /// It has this place in Sobol's sequence.
    Sequence {
        /// From 0.
        place: u64,
    },
    /// An earlier search has tried it.
    Earlier,
    /// It is the best of the estimator's candidates that was not tried.
    Estimated {
        /// The logarithm of how much denser good runs are here than others.
        score: f64,
        /// Its place among the candidates, from 1: better ones had been tried.
        place: usize,
        /// Distinct candidates.
        candidates: usize,
        /// Runs that count as good.
        good: usize,
        /// The other runs, those that are being trained among them.
        others: usize,
        /// Runs that are being trained.
        running: usize,
    },
}

/// Random points that are tried before the points of a space are counted through.
const TRIES: usize = 1_000;

/// The largest space whose points are counted through.
const COUNTABLE: u64 = 1 << 20;

impl Search {
    /// A search that knows nothing yet; `None` where Sobol's sequence has not so many dimensions.
    #[must_use]
    pub fn new(space: Space, method: Method, goal: Goal, seed: u64) -> Option<Self> {
        let sobol = match method {
            Method::Sobol => Some(Sobol::new(space.dimensions.len(), seed)?),
            Method::Random | Method::Tpe => None,
        };
        let (trials, seen) = (BTreeMap::new(), HashSet::new());
        Some(Self { space, method, goal, seed, sobol, trials, seen })
    }

    /// Takes in a point, or what has become of it.
    pub fn know(&mut self, trial: Trial) {
        self.seen.insert(key(&trial.point));
        self.trials.insert(trial.number, trial);
    }

    /// Takes in what has become of the point with this number; `None` for nothing that tells of it.
    pub fn learn(&mut self, number: u64, known: Option<Known>) {
        match (known, self.trials.get_mut(&number)) {
            (Some(known), Some(trial)) => trial.known = known,
            // It was tried all the same.
            (None, Some(_)) => drop(self.trials.remove(&number)),
            (_, None) => {}
        }
    }

    /// Leaves a point out, as if it had been tried.
    pub fn pass(&mut self, point: &[f64]) {
        self.seen.insert(key(point));
    }

    /// Whether a point was tried or left out.
    #[must_use]
    pub fn has_tried(&self, point: &[f64]) -> bool {
        !self.is_new(point)
    }

    /// The point with this number; `None` where every point of the space was tried.
    #[must_use]
    pub fn suggest(&self, number: u64) -> Option<Suggestion> {
        let mut draws = PointDraws::new(self.seed, number);
        match (&self.sobol, self.method) {
            (Some(sobol), _) => self.next_of_sequence(sobol, number),
            (None, Method::Tpe) if self.ended() >= STARTUP => {
                let trials: Vec<Trial> = self.trials.values().cloned().collect();
                let found = tpe::candidates(&self.space, &trials, self.goal, &mut draws);
                self.best_untried(&found).or_else(|| self.drawn(&mut draws, Reason::AllTried))
            }
            (None, _) => self.drawn(&mut draws, Reason::Drawn),
        }
    }

    fn ended(&self) -> usize {
        self.trials.values().filter(|trial| trial.known != Known::Running).count()
    }

    fn is_new(&self, point: &[f64]) -> bool {
        !self.seen.contains(&key(point))
    }

    fn best_untried(&self, found: &Candidates) -> Option<Suggestion> {
        let place = found.points.iter().position(|point| self.is_new(point))?;
        let (good, others) = found.groups;
        let reason = Reason::Estimated {
            score: found.scores[place],
            place: place + 1,
            candidates: found.points.len(),
            good,
            others,
            running: self.trials.len() - self.ended(),
        };
        Some(Suggestion { point: found.points[place].clone(), reason })
    }

    /// Every point before the one with the number has taken a place of the sequence, so none below the number is new.
    fn next_of_sequence(&self, sobol: &Sobol, number: u64) -> Option<Suggestion> {
        let at = |place: u64| -> Point {
            let shares = sobol.point(place);
            self.space
                .dimensions
                .iter()
                .zip(shares)
                .map(|(dimension, share)| dimension.range.at(share))
                .collect()
        };
        if self.is_exhausted() {
            return None;
        }
        let place = (number..sobol::POINTS).find(|place| self.is_new(&at(*place)))?;
        Some(Suggestion { point: at(place), reason: Reason::Sequence { place } })
    }

    fn is_exhausted(&self) -> bool {
        self.space.count().is_some_and(|count| self.seen.len() as u64 >= count)
    }

    fn drawn(&self, draws: &mut PointDraws, reason: Reason) -> Option<Suggestion> {
        if self.is_exhausted() {
            return None;
        }
        for _ in 0..TRIES {
            let point = random_point(&self.space, draws);
            if self.is_new(&point) {
                return Some(Suggestion { point, reason });
            }
        }
        // Hardly any point is left: one of those.
        let count = self.space.count().filter(|count| *count <= COUNTABLE)?;
        let left: Vec<Point> =
            (0..count).map(|place| self.space.nth(place)).filter(|point| self.is_new(point)).collect();
        let place = (super::draws::Draws::uniform(draws) * left.len() as f64) as usize;
        left.into_iter().nth(place).map(|point| Suggestion { point, reason })
    }
}
