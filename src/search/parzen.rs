//! The density that a group of points has left in the space: a mixture of one kernel a point and of a broad one, the prior.
//!
//! As `_ParzenEstimator` of Optuna 5.0 with its default settings, except that equal coordinates are sorted stably: there the
//! order of equals, and with it the width of their kernels, depends on the processor. The density at a point is `density`'s.

use super::{
    density::Density,
    draws::Draws,
    normal::quantile,
    space::{Number, Point, Range, Space},
};

/// A mixture of products: the kernels have the same weights in every dimension.
#[derive(Debug)]
pub(super) struct Parzen {
    /// Weight of each kernel, the prior's last; their sum is 1.
    weights: Vec<f64>,
    /// Where the kernels lie in each dimension, in the order of names.
    columns: Vec<Column>,
}

/// The kernels in one dimension.
#[derive(Debug)]
pub(super) struct Column {
    /// Place of the dimension in the space.
    pub(super) dimension: usize,
    pub(super) kernels: Kernels,
}

#[derive(Debug)]
pub(super) enum Kernels {
    /// Truncated normal distributions.
    Normal { number: Number, low: f64, high: f64, kernels: Vec<Normal> },
    /// What each kernel gives each choice, kernel by kernel.
    Choice { count: usize, shares: Vec<f64> },
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Normal {
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Parzen {
    /// The density of these points, the earliest first: from 25 on, the older ones weigh less.
    pub(super) fn new(space: &Space, points: &[&[f64]]) -> Self {
        let mut weights = weights_by_age(points.len());
        weights.push(1.0);
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let column = |dimension: usize| {
            let coordinates: Vec<f64> = points.iter().map(|point| point[dimension]).collect();
            let kernels = match space.dimensions[dimension].range {
                Range::Number(number) => normal_kernels(number, &coordinates),
                Range::Choice(count) => choice_kernels(count, &coordinates),
            };
            Column { dimension, kernels }
        };
        Self { weights, columns: space.by_name().into_iter().map(column).collect() }
    }

    /// The density of weighted choices in one dimension, with a prior of weight 1.
    pub(super) fn of_choices(count: usize, weighted: &[(f64, f64)]) -> Self {
        let coordinates: Vec<f64> = weighted.iter().map(|(coordinate, _)| *coordinate).collect();
        Self::of_one(choice_kernels(count, &coordinates), weighted)
    }

    /// The density of weighted numbers in one dimension, with kernels of one width and a prior of weight 1 that is as wide as
    /// the range and a step.
    pub(super) fn of_equal_width(number: Number, weighted: &[(f64, f64)], deviation: f64) -> Self {
        let (low, high) = number.ends();
        let mut kernels: Vec<Normal> =
            weighted.iter().map(|(mean, _)| Normal { mean: *mean, deviation }).collect();
        kernels.push(Normal { mean: f64::midpoint(low, high), deviation: high - low });
        Self::of_one(Kernels::Normal { number, low, high, kernels }, weighted)
    }

    fn of_one(kernels: Kernels, weighted: &[(f64, f64)]) -> Self {
        let sum = 1.0 + weighted.iter().map(|(_, weight)| weight).sum::<f64>();
        let weights = weighted.iter().map(|(_, weight)| weight / sum).chain([1.0 / sum]).collect();
        Self { weights, columns: vec![Column { dimension: 0, kernels }] }
    }

    /// Points drawn from the density.
    pub(super) fn sample(&self, count: usize, draws: &mut impl Draws) -> Vec<Point> {
        let mut sum = 0.0;
        let cumulative: Vec<f64> = self
            .weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        let kernels: Vec<usize> = (0..count)
            .map(|_| {
                let number = draws.uniform();
                cumulative.partition_point(|until| until / sum <= number).min(self.weights.len() - 1)
            })
            .collect();
        let mut points = vec![vec![0.0; self.columns.len()]; count];
        for column in &self.columns {
            let Kernels::Choice { count, shares } = &column.kernels else { continue };
            for (point, kernel) in points.iter_mut().zip(&kernels) {
                let number = draws.uniform();
                let mut until = 0.0;
                let below = shares[kernel * count..][..count - 1].iter().filter(|share| {
                    until += **share;
                    until < number
                });
                point[column.dimension] = below.count() as f64;
            }
        }
        for column in &self.columns {
            let Kernels::Normal { number, low, high, kernels: all } = &column.kernels else { continue };
            for (point, kernel) in points.iter_mut().zip(&kernels) {
                let Normal { mean, deviation } = all[*kernel];
                let place = quantile(draws.uniform(), (low - mean) / deviation, (high - mean) / deviation);
                point[column.dimension] = snapped(number, place * deviation + mean);
            }
        }
        points
    }

    /// The logarithm of the density at each of the points.
    pub(super) fn ln_density(&self, points: &[Point]) -> Vec<f64> {
        Density::new(&self.weights, &self.columns).at(points)
    }
}

impl Normal {
    /// How many deviations a place on the scale of the kernels lies above the mean.
    pub(super) fn place(&self, scaled: f64) -> f64 {
        (scaled - self.mean) / self.deviation
    }
}

/// 1 for each of the last 25, and from 1/n evenly up to 1 for those before.
fn weights_by_age(count: usize) -> Vec<f64> {
    let old = count.saturating_sub(25);
    let first = 1.0 / count as f64;
    let step = (1.0 - first) / (old as f64 - 1.0);
    let ramp = (0..old).map(|place| match place {
        0 => first,
        _ if place + 1 == old => 1.0,
        _ => first + place as f64 * step,
    });
    ramp.chain(std::iter::repeat_n(1.0, count - old)).collect()
}

fn choice_kernels(count: usize, coordinates: &[f64]) -> Kernels {
    let kernels = coordinates.len() + 1;
    let prior = 1.0 / kernels as f64;
    let mut shares = vec![prior; kernels * count];
    for (row, coordinate) in shares.chunks_exact_mut(count).zip(coordinates) {
        row[*coordinate as usize] += 1.0;
    }
    for row in shares.chunks_exact_mut(count) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|share| *share /= sum);
    }
    Kernels::Choice { count, shares }
}

/// A kernel as wide as the larger gap to its neighbours, and the prior, which is as wide as the range.
fn normal_kernels(number: Number, coordinates: &[f64]) -> Kernels {
    let (low, high) = number.ends();
    let means: Vec<f64> =
        coordinates.iter().map(|value| if number.is_log { value.ln() } else { *value }).collect();
    let order = sorted(&means);
    let at = |place: usize| means[order[place]];
    let narrowest = (high - low) / 100.0_f64.min(2.0 + means.len() as f64);
    let mut kernels = vec![Normal { mean: f64::midpoint(low, high), deviation: high - low }; means.len() + 1];
    for (place, kernel) in order.iter().enumerate() {
        let mean = means[*kernel];
        let below = mean - if place == 0 { low } else { at(place - 1) };
        let above = if place + 1 == means.len() { high } else { at(place + 1) } - mean;
        let gap = match means.len() {
            1 => below.max(above),
            // The outermost have their neighbour alone, not the end of the range.
            _ if place == 0 => above,
            last if place + 1 == last => below,
            _ => below.max(above),
        };
        kernels[*kernel] = Normal { mean, deviation: gap.max(narrowest).min(high - low) };
    }
    Kernels::Normal { number, low, high, kernels }
}

/// Places of the numbers in their order, equal ones as they stand.
fn sorted(numbers: &[f64]) -> Vec<usize> {
    // The order of these integers is that of `f64::total_cmp`; sorting them takes a third of the time of comparing places.
    let key = |number: &f64| {
        let bits = number.to_bits().cast_signed();
        bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
    };
    let mut keys: Vec<(i64, usize)> = numbers.iter().map(key).zip(0..).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, place)| place).collect()
}

/// The value at a place on the scale of the kernels.
fn snapped(number: &Number, place: f64) -> f64 {
    let value = if number.is_log { place.exp() } else { place };
    let value = match number.step {
        Some(step) => number.low + ((value - number.low) / step).round_ties_even() * step,
        None => value,
    };
    value.clamp(number.low, number.high)
}
