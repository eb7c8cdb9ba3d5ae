//! How much each axis of a sweep mattered.
//!
//! Two answers: PED-ANOVA, for any points (what tells the best tenth of them from all; Watanabe et al., 2023, arXiv
//! 2304.10255, in the numbers of Optuna 5.0's `PedAnovaImportanceEvaluator`), and for a whole grid the exact decomposition of
//! its variance into what single axes and pairs of them explain (Sobol', 2001, Mathematics and Computers in Simulation 55,
//! 271-280).

use super::{
    parzen::Parzen,
    space::{Number, Range, Space},
};
use crate::spec::Goal;

/// The share of points that counts as the best.
const BEST: f64 = 0.1;

/// Cells that a continuum is divided into.
const CELLS: usize = 50;

/// PED-ANOVA's importance of each dimension, not normalised; `None` with fewer than two points. Values must be finite.
#[must_use]
pub fn of_the_best(space: &Space, points: &[(&[f64], f64)], goal: Goal) -> Option<Vec<f64>> {
    if points.len() < 2 {
        return None;
    }
    let loss = |value: f64| if goal == Goal::Minimize { value } else { -value };
    let mut losses: Vec<f64> = points.iter().map(|(_, value)| loss(*value)).collect();
    losses.sort_by(f64::total_cmp);
    let cut = losses[(BEST * losses.len() as f64).ceil() as usize - 1];
    let best: Vec<&[f64]> =
        points.iter().filter(|(_, value)| loss(*value) <= cut).map(|(point, _)| *point).collect();
    let all: Vec<&[f64]> = points.iter().map(|(point, _)| *point).collect();
    let share = best.len() as f64 / all.len() as f64;
    let importance = |(place, dimension): (usize, &super::space::Dimension)| {
        if dimension.range.count() == Some(1) {
            return 0.0;
        }
        let density = |points: &[&[f64]]| {
            let cells = cells(&dimension.range, points.iter().map(|point| point[place]));
            on_cells(&dimension.range, &cells)
        };
        let divergence: f64 = density(&best)
            .into_iter()
            .zip(density(&all))
            .map(|(best, all)| all * (best / all - 1.0).powi(2))
            .sum();
        share * share * divergence
    };
    Some(space.dimensions.iter().enumerate().map(importance).collect())
}

/// How many points lie in each cell of a range.
fn cells(range: &Range, coordinates: impl Iterator<Item = f64>) -> Vec<usize> {
    let (count, place): (usize, Box<dyn Fn(f64) -> f64>) = match *range {
        Range::Choice(count) => (count, Box::new(|coordinate| coordinate)),
        Range::Number(number) => {
            let count = match number.step {
                Some(_) if number.is_log => {
                    let doublings = ((number.high - number.low + 1.0).ln() / std::f64::consts::LN_2).ceil();
                    CELLS.min(doublings as usize + 1)
                }
                Some(step) => CELLS.min(((number.high - number.low) / step).round_ties_even() as usize + 1),
                None => CELLS,
            };
            let scale = move |value: f64| if number.is_log { value.ln() } else { value };
            let low = scale(number.low);
            let size = (scale(number.high) - low) / (count as f64 - 1.0);
            (count, Box::new(move |coordinate| ((scale(coordinate) - low) / size - 0.5).ceil()))
        }
    };
    let mut counts = vec![0; count];
    for coordinate in coordinates {
        counts[place(coordinate).clamp(0.0, count as f64 - 1.0) as usize] += 1;
    }
    counts
}

/// The density of a Parzen estimator on the cells, with one kernel for each that has points.
fn on_cells(range: &Range, cells: &[usize]) -> Vec<f64> {
    let taken: Vec<(f64, f64)> = cells
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(place, count)| (place as f64, *count as f64))
        .collect();
    let estimator = match range {
        Range::Choice(count) => Parzen::of_choices(*count, &taken),
        Range::Number(_) => {
            let high = cells.len() as f64 - 1.0;
            let number = Number { low: 0.0, high, step: Some(1.0), is_log: false, is_integer: true };
            Parzen::of_equal_width(number, &taken, width(&taken))
        }
    };
    let places: Vec<Vec<f64>> = (0..cells.len()).map(|place| vec![place as f64]).collect();
    estimator.ln_density(&places).into_iter().map(|logarithm| logarithm.exp() + 1e-12).collect()
}

/// The width of kernels by Scott's rule (Scott, 1992, "Multivariate density estimation"), at least so that nine tenths of one
/// lie in its cell. `taken` are places with weights.
fn width(taken: &[(f64, f64)]) -> f64 {
    let sum: f64 = taken.iter().map(|(_, weight)| weight).sum();
    let mean = taken.iter().map(|(place, weight)| place * weight).sum::<f64>() / sum;
    let squares: f64 = taken.iter().map(|(place, weight)| (place - mean).powi(2) * weight).sum();
    let deviation = (squares / (sum - 1.0).max(1.0)).sqrt();
    let mut until = 0.0;
    let cumulative: Vec<f64> = taken
        .iter()
        .map(|(_, weight)| {
            until += weight;
            until
        })
        .collect();
    let first = cumulative.partition_point(|until| *until < (sum / 4.0).floor());
    let third = cumulative.partition_point(|until| *until <= (sum * 3.0 / 4.0).floor());
    let range = taken[third.min(taken.len() - 1)].0 - taken[first].0;
    (1.059 * (range / 1.34).min(deviation) * sum.powf(-0.2)).max(0.5 / 1.64)
}

/// What axes explain of the variance over a whole grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// The share of each axis alone.
    pub main: Vec<f64>,
    /// The share of each pair of axes beyond what both explain alone, as (first, second, share).
    pub pairs: Vec<(usize, usize, f64)>,
}

/// The exact effects in a grid whose every point has one finite value: `points` are the places on the axes, each below the
/// axis' count. `None` where the grid is not whole, or all values are the same.
#[must_use]
pub fn effects(counts: &[usize], points: &[(Vec<usize>, f64)]) -> Option<Effects> {
    let cells = counts.iter().try_fold(1_usize, |all, count| all.checked_mul(*count))?;
    let mut seen = vec![false; cells];
    for (places, _) in points {
        let cell = places.iter().zip(counts).fold(0, |cell, (place, count)| cell * count + place);
        if std::mem::replace(seen.get_mut(cell)?, true) {
            return None;
        }
    }
    if points.len() != cells {
        return None;
    }
    let mean = points.iter().map(|(_, value)| value).sum::<f64>() / cells as f64;
    let total = points.iter().map(|(_, value)| (value - mean).powi(2)).sum::<f64>() / cells as f64;
    if total.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
        return None;
    }
    // The variance of the means over all other axes.
    let of_means = |group: &dyn Fn(&[usize]) -> usize, groups: usize| {
        let mut sums = vec![0.0; groups];
        for (places, value) in points {
            sums[group(places)] += value - mean;
        }
        let size = (cells / groups) as f64;
        sums.iter().map(|sum| (sum / size).powi(2)).sum::<f64>() / groups as f64
    };
    let main: Vec<f64> = (0..counts.len())
        .map(|axis| of_means(&|places: &[usize]| places[axis], counts[axis]) / total)
        .collect();
    let mut pairs = Vec::new();
    for first in 0..counts.len() {
        for second in first + 1..counts.len() {
            let group = |places: &[usize]| places[first] * counts[second] + places[second];
            let both = of_means(&group, counts[first] * counts[second]) / total;
            pairs.push((first, second, (both - main[first] - main[second]).max(0.0)));
        }
    }
    Some(Effects { main, pairs })
}
