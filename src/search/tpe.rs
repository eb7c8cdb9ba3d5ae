//! The tree-structured Parzen estimator: a point is good where the best runs are dense and the others are not.
//!
//! The algorithm is that of Optuna 5.0's `TPESampler` with its default settings (multivariate, constant liar: points that are
//! being trained count as bad ones, so that others are tried meanwhile); Bergstra et al., 2011, "Algorithms for
//! hyper-parameter optimization"; Watanabe, 2023, arXiv 2304.11127. [`fixture`](super) replays studies of that package.

use std::cmp::Ordering;

use super::{
    draws::{Draws, first_greatest},
    parzen::Parzen,
    space::{Point, Space},
};
use crate::spec::Goal;

/// Points that are drawn at random before the first one that is estimated, as in Optuna.
pub const STARTUP: usize = 10;

/// Candidates of which the best is taken, as in Optuna.
const CANDIDATES: usize = 24;

/// What is known of an earlier point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Known {
    /// It is being trained.
    Running,
    /// Its value; one that is not a number is worse than every other.
    Completed(f64),
    /// It was stopped at a step with a value.
    Stopped {
        /// The highest step that it has a value of.
        step: u64,
        /// That value.
        value: f64,
    },
}

/// A point that was tried before.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// The number of the point: earlier points have lower ones.
    pub number: u64,
    /// Where it lies.
    pub point: Point,
    /// What is known of it.
    pub known: Known,
}

/// What the candidates of a suggestion were, the best first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidates {
    /// The points, each once.
    pub points: Vec<Point>,
    /// ln l(x) - ln g(x) of each.
    pub scores: Vec<f64>,
    /// How many points made l, and how many g.
    pub groups: (usize, usize),
}

/// The candidates for the next point. `trials` lie in the order of their numbers, and [`STARTUP`] of them have ended.
pub(super) fn candidates(space: &Space, trials: &[&Trial], goal: Goal, draws: &mut impl Draws) -> Candidates {
    let (good, others) = split(trials, goal);
    let groups = (good.len(), others.len());
    let of = |places: &[usize]| -> Vec<&[f64]> {
        places.iter().map(|place| trials[*place].point.as_slice()).collect()
    };
    let (good, others) = (Parzen::new(space, &of(&good)), Parzen::new(space, &of(&others)));
    let mut points = good.sample(CANDIDATES, draws);
    let mut scores: Vec<f64> = good
        .ln_density(&points)
        .into_iter()
        .zip(others.ln_density(&points))
        .map(|(good, others)| good - others)
        .collect();
    let mut sorted = Candidates { points: Vec::new(), scores: Vec::new(), groups };
    while !points.is_empty() {
        let best = first_greatest(&scores);
        let (point, score) = (points.remove(best), scores.remove(best));
        if !sorted.points.contains(&point) {
            sorted.points.push(point);
            sorted.scores.push(score);
        }
    }
    sorted
}

/// The places of the best trials and of the others, both in the order of the trials.
fn split(trials: &[&Trial], goal: Goal) -> (Vec<usize>, Vec<usize>) {
    let mut ended: Vec<usize> =
        (0..trials.len()).filter(|place| trials[*place].known != Known::Running).collect();
    let best = ended.len().div_ceil(10).min(25);
    // Of equal ones the earlier.
    let order =
        |a: &usize, b: &usize| better(trials[*a].known, trials[*b].known, goal).then_with(|| a.cmp(b));
    if best < ended.len() {
        ended.select_nth_unstable_by(best, order);
    }
    let mut good = ended[..best].to_vec();
    good.sort_unstable();
    let others = (0..trials.len()).filter(|place| good.binary_search(place).is_err()).collect();
    (good, others)
}

/// Completed before stopped; the better value first, NaN last; of the stopped, the one that came further.
fn better(a: Known, b: Known, goal: Goal) -> Ordering {
    let by_value = |a: f64, b: f64| match (a.is_nan(), b.is_nan()) {
        (false, false) => match goal {
            Goal::Minimize => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
            Goal::Maximize => b.partial_cmp(&a).unwrap_or(Ordering::Equal),
        },
        (a, b) => a.cmp(&b),
    };
    match (a, b) {
        (Known::Completed(a), Known::Completed(b)) => by_value(a, b),
        (Known::Stopped { step: a, value: of_a }, Known::Stopped { step: b, value: of_b }) => {
            b.cmp(&a).then_with(|| by_value(of_a, of_b))
        }
        (Known::Completed(_), _) => Ordering::Less,
        (_, Known::Completed(_)) => Ordering::Greater,
        _ => Ordering::Equal,
    }
}
