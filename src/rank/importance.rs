//! How much each axis of an experiment mattered, by its ranked runs. Pure.
//!
//! `search` has the measures: PED-ANOVA for any points (what tells the best tenth from all), and for a whole grid the share of the
//! variance that an axis, and a pair of axes, explains exactly. A point is worth the mean of `rank.by` over its seeds; the
//! interval of a measure is from the lowest to the highest that one seed alone gives.

use std::collections::{BTreeMap, HashSet};

use super::{Leaderboard, Row};
use crate::{
    search::{Dimension, Number, Range, Space, effects, of_the_best},
    spec::{AxisRange, Experiment, Value},
};

/// A measure, with the lowest and the highest of it by one seed alone, where there are several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// By the means over all seeds.
    pub value: f64,
    /// By the seeds alone; `None` with one seed, or where a seed lacks a run.
    pub seeds: Option<(f64, f64)>,
}

/// What mattered.
#[derive(Clone, Debug, PartialEq)]
pub struct Importances {
    /// The axes that were compared, and the part of the importance that each has: they add up to 1.
    pub axes: Vec<(String, Measure)>,
    /// The share of the variance that each axis alone explains, in the same order; `None` where the grid is not whole.
    pub main: Option<Vec<Measure>>,
    /// The share that two axes explain beyond what both do alone.
    pub pairs: Vec<(String, String, Measure)>,
    /// Points that were compared.
    pub points: usize,
    /// Ranked runs that lack a value of an axis, and are left out.
    pub left_out: usize,
    /// The values of each axis, in the same order.
    pub extents: Vec<Extent>,
    /// The points: a coordinate for each axis, and the mean of `rank.by` over the seeds.
    pub seen: Vec<(Vec<f64>, f64)>,
}

/// The values of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Extent {
    /// A range: a coordinate is the number.
    Range(AxisRange),
    /// A list, in the order of the spec: a coordinate is the place in it.
    Values(Vec<Value>),
}

impl Importances {
    /// Places of the axes, the most important first.
    #[must_use]
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.axes.len()).collect();
        order.sort_by(|a, b| self.axes[*b].1.value.total_cmp(&self.axes[*a].1.value));
        order
    }

    /// Places of the pairs, the one that explains most first.
    #[must_use]
    pub fn order_of_pairs(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.pairs.len()).collect();
        order.sort_by(|a, b| self.pairs[*b].2.value.total_cmp(&self.pairs[*a].2.value));
        order
    }
}

/// A point: where it lies, and its value by seed.
struct Point {
    at: Vec<f64>,
    values: BTreeMap<u64, f64>,
}

/// What mattered in an experiment; `None` with fewer than two points that differ in `rank.by`, or without axes.
#[must_use]
pub fn importances(experiment: &Experiment, board: &Leaderboard) -> Option<Importances> {
    let ranked = || board.rows.iter().filter(|row| row.rank.is_some());
    let (space, places) = space_of(experiment, board, &ranked().collect::<Vec<_>>())?;
    let mut points: BTreeMap<Vec<u64>, Point> = BTreeMap::new();
    let mut left_out = 0;
    for row in ranked() {
        let value = row.by.filter(|value| value.is_finite());
        let at: Option<Vec<f64>> =
            places.iter().zip(&space.dimensions).map(|(place, of)| place.coordinate(row, of)).collect();
        let (Some(value), Some(at)) = (value, at) else {
            left_out += 1;
            continue;
        };
        let key = at.iter().map(|coordinate| coordinate.to_bits()).collect();
        let point = points.entry(key).or_insert_with(|| Point { at, values: BTreeMap::new() });
        point.values.insert(row.seed, value);
    }
    let points: Vec<Point> = points.into_values().collect();
    #[expect(clippy::cast_precision_loss, reason = "a number of seeds")]
    let mean = |point: &Point| Some(point.values.values().sum::<f64>() / point.values.len() as f64);
    let goal = board.rule.by.goal;
    let parts = |value: &dyn Fn(&Point) -> Option<f64>| -> Option<Vec<f64>> {
        let known: Option<Vec<(&[f64], f64)>> =
            points.iter().map(|point| Some((point.at.as_slice(), value(point)?))).collect();
        let known = known?;
        let (_, first) = *known.first()?;
        if known.iter().all(|(_, value)| *value == first) {
            return None;
        }
        let all = of_the_best(&space, &known, goal)?;
        let sum: f64 = all.iter().sum();
        (sum > 0.0).then(|| all.iter().map(|part| part / sum).collect())
    };
    let counts: Vec<Option<usize>> =
        space.dimensions.iter().map(|of| of.range.count().and_then(|count| count.try_into().ok())).collect();
    let counts: Option<Vec<usize>> = counts.into_iter().collect();
    let explained = |value: &dyn Fn(&Point) -> Option<f64>| {
        let all: Option<Vec<(Vec<usize>, f64)>> = points
            .iter()
            .map(|point| {
                let at = point.at.iter().zip(&space.dimensions).map(|(at, of)| nth(&of.range, *at));
                Some((at.collect::<Option<Vec<usize>>>()?, value(point)?))
            })
            .collect();
        effects(counts.as_ref()?, &all?)
    };
    let whole = parts(&mean)?;
    let seeds: Vec<u64> = board.seeds.iter().copied().filter(|_| board.seeds.len() > 1).collect();
    let of_seeds: Vec<Vec<f64>> =
        seeds.iter().filter_map(|seed| parts(&|point: &Point| point.values.get(seed).copied())).collect();
    let is_known = |found: usize| !seeds.is_empty() && found == seeds.len();
    let measure = |value: f64, alone: Vec<f64>| {
        let least = alone.iter().copied().fold(f64::INFINITY, f64::min);
        let most = alone.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Measure { value, seeds: is_known(alone.len()).then_some((least, most)) }
    };
    let names: Vec<String> = space.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
    let axes = names.iter().cloned().zip(
        whole
            .iter()
            .enumerate()
            .map(|(axis, value)| measure(*value, of_seeds.iter().map(|of| of[axis]).collect())),
    );
    let axes = axes.collect();
    let found = explained(&mean);
    let alone: Vec<_> =
        seeds.iter().filter_map(|seed| explained(&|point: &Point| point.values.get(seed).copied())).collect();
    let main = found.as_ref().map(|found| {
        let all = found.main.iter().enumerate();
        all.map(|(axis, value)| measure(*value, alone.iter().map(|of| of.main[axis]).collect())).collect()
    });
    let pairs = found.iter().flat_map(|found| found.pairs.iter().enumerate()).map(|(place, pair)| {
        let (first, second, value) = *pair;
        let measure = measure(value, alone.iter().map(|of| of.pairs[place].2).collect());
        (names[first].clone(), names[second].clone(), measure)
    });
    let extent = |axis: &Axis| axis.range.map_or_else(|| Extent::Values(axis.values.clone()), Extent::Range);
    let extents = places.iter().map(extent).collect();
    let seen = points.iter().filter_map(|point| Some((point.at.clone(), mean(point)?))).collect();
    Some(Importances { axes, main, pairs: pairs.collect(), points: points.len(), left_out, extents, seen })
}

/// Where the values of an axis are found, and which they are where they are a list.
struct Axis {
    place: usize,
    values: Vec<Value>,
    range: Option<AxisRange>,
}

impl Axis {
    fn coordinate(&self, row: &Row, of: &Dimension) -> Option<f64> {
        let value = row.axes.get(self.place)?.as_ref()?;
        match &of.range {
            Range::Number(range) => value.as_f64().filter(|value| (range.low..=range.high).contains(value)),
            #[expect(clippy::cast_precision_loss, reason = "a list of values")]
            Range::Choice(_) => self.values.iter().position(|known| known == value).map(|place| place as f64),
        }
    }
}

/// The axes that have more than one value among the ranked runs.
fn space_of(experiment: &Experiment, board: &Leaderboard, ranked: &[&Row]) -> Option<(Space, Vec<Axis>)> {
    let mut space = Space::default();
    let mut axes = Vec::new();
    for (place, name) in board.axes.iter().enumerate() {
        let all = || experiment.grids.iter().flat_map(|grid| &grid.axes).filter(|axis| axis.name == *name);
        // A search has a value for each run.
        let mut seen = HashSet::new();
        let all_values = ranked.iter().filter_map(|row| row.axes.get(place)?.as_ref());
        let mut values: Vec<&Value> = all_values.filter(|value| seen.insert(format!("{value:?}"))).collect();
        if values.len() < 2 {
            continue;
        }
        let of_spec: Vec<&Value> = all().flat_map(|axis| &axis.values).collect();
        values.sort_by_key(|value| of_spec.iter().position(|known| known == value));
        let searched = all().find_map(|axis| axis.range);
        let range = match searched {
            Some(AxisRange { from, to, step, is_log, is_integer }) => {
                Range::Number(Number { low: from, high: to, step, is_log, is_integer })
            }
            None => Range::Choice(values.len()),
        };
        space.dimensions.push(Dimension { name: name.clone(), range });
        axes.push(Axis { place, values: values.into_iter().cloned().collect(), range: searched });
    }
    (!axes.is_empty()).then_some((space, axes))
}

/// The place of a value in a countable range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places are whole and from 0")]
fn nth(range: &Range, at: f64) -> Option<usize> {
    match range {
        Range::Choice(_) => Some(at as usize),
        Range::Number(number) => Some(((at - number.low) / number.step?).round() as usize),
    }
}
