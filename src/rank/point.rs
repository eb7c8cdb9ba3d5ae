//! Grid points: what the seeds of one point say together, and the order of the points by their mean.
//!
//! Called by whoever shows or keeps the table of an experiment with several seeds; that one seed was lucky moves a run to
//! the top of the leaderboard, and its grid point only by its share.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::{Candidate, Leaderboard, Row, rank};
use crate::{
    run::{RunIndex, RunState},
    spec::{Value, is_accuracy},
    stats::{SIGNIFICANCE, Summary, spearman},
};

/// One grid point with all its seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GridPoint {
    /// From 1, by the means; `None` where no seed ranks.
    pub rank: Option<u32>,
    /// The names of its runs without the seed.
    pub name: String,
    /// Place of its first run in the grid.
    pub index: RunIndex,
    /// As [`Row::axes`].
    pub axes: Vec<Option<Value>>,
    /// Seeds that rank, which the means are over, by their place in the spec.
    pub seeds: Vec<u64>,
    /// Seeds that the spec asks for.
    pub wanted: usize,
    /// The means over those seeds.
    pub means: Means,
    /// The means of the metrics of [`Leaderboard::metrics`] over those seeds.
    pub others: Vec<Option<Summary>>,
    /// The rule's first metric at its best epoch, over the seeds.
    pub best: Option<Summary>,
    /// The exact McNemar tests of its runs against those of the best point with the same seed, taken together: the
    /// smallest p-value times their number, at most 1 (Bonferroni; Dunn, 1961, "Multiple comparisons among means",
    /// Journal of the American Statistical Association 56, 52-64). `None` for the best point, and where no pair was tested.
    pub p: Option<f64>,
    /// Seeds with such a test.
    pub tests: usize,
}

/// Means and standard deviations over the seeds that rank; `None` where one of them lacks the metric or has no finite one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Means {
    /// `train/epoch_accuracy`.
    pub train_accuracy: Option<Summary>,
    /// `train/epoch_loss`.
    pub train_loss: Option<Summary>,
    /// `validation/epoch_accuracy`.
    pub validation_accuracy: Option<Summary>,
    /// `validation/epoch_loss`.
    pub validation_loss: Option<Summary>,
    /// The rule's first metric.
    pub by: Option<Summary>,
    /// The rule's tie breaker.
    pub then: Option<Summary>,
}

impl GridPoint {
    /// Whether a seed is missing.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        self.seeds.len() < self.wanted
    }

    /// Whether no seed tells the point from the best one; `None` where there was no test.
    #[must_use]
    pub fn ties(&self) -> Option<bool> {
        self.p.map(|p| p >= SIGNIFICANCE)
    }
}

impl Leaderboard {
    /// The grid points of a whole leaderboard by the mean of the rule's metric over their seeds, then by that of its tie
    /// breaker, then by name; those without any seed that ranks last, in the order of the grid. A point is ranked by the
    /// seeds it has: one whose seeds are not all there says so.
    #[must_use]
    pub fn grid_points(&self) -> Vec<GridPoint> {
        let mut groups: BTreeMap<u64, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            groups.entry(row.index.point(self.seeds.len())).or_default().push(row);
        }
        let mut names = HashSet::new();
        let mut members: Vec<Vec<&Row>> = groups.into_values().collect();
        let mut points: Vec<GridPoint> = Vec::with_capacity(members.len());
        for rows in &mut members {
            rows.sort_by_key(|row| row.index);
            let mut point = self.point(rows);
            if !names.insert(point.name.clone()) {
                // Two points whose runs differ by their ids alone.
                point.name.clone_from(&rows[0].run);
            }
            points.push(point);
        }

        let candidates: Vec<Candidate<'_>> = points
            .iter()
            .map(|point| Candidate {
                run: &point.name,
                state: RunState::Completed,
                failure: None,
                absent: None,
                by: point.means.by.map(|summary| summary.mean),
                then: point.means.then.map(|summary| summary.mean),
            })
            .collect();
        let order = rank(&self.rule, &candidates).ranked;
        for (rank, &place) in (1..).zip(&order) {
            points[place].rank = Some(rank);
        }
        if let Some(&best) = order.first()
            && is_accuracy(&self.rule.by.tag)
        {
            for &place in &order[1..] {
                let (p, tests) = together(&members[best], &members[place]);
                (points[place].p, points[place].tests) = (p, tests);
            }
        }
        points.sort_by_key(|point| (point.rank.unwrap_or(u32::MAX), point.index));
        points
    }

    /// How far the seeds put the grid points in the same order: Spearman's rank correlation of the rule's first metric
    /// between two seeds, as the mean over all pairs of seeds. 1 is the same order, 0 chance. `None` with one seed, or where
    /// no pair has three points of both seeds.
    #[must_use]
    pub fn agreement_of_seeds(&self) -> Option<f64> {
        let of = |seed: u64| -> BTreeMap<u64, f64> {
            let ranked = self.rows.iter().filter(|row| row.seed == seed && row.rank.is_some());
            ranked.filter_map(|row| Some((row.index.point(self.seeds.len()), row.by?))).collect()
        };
        let seeds: Vec<BTreeMap<u64, f64>> = self.seeds.iter().map(|seed| of(*seed)).collect();
        let pairs =
            seeds.iter().enumerate().flat_map(|(place, a)| seeds[place + 1..].iter().map(move |b| (a, b)));
        let correlations: Vec<f64> = pairs
            .filter_map(|(a, b)| {
                let both: Vec<(f64, f64)> =
                    a.iter().filter_map(|(point, value)| Some((*value, *b.get(point)?))).collect();
                spearman(&both)
            })
            .collect();
        Summary::from_values(&correlations).map(|summary| summary.mean)
    }

    /// The point of these runs, which lie in the order of their seeds.
    fn point(&self, rows: &[&Row]) -> GridPoint {
        let ranked: Vec<&&Row> = rows.iter().filter(|row| row.rank.is_some()).collect();
        let over = |read: fn(&Row) -> Option<f64>| -> Option<Summary> {
            Summary::from_values(&ranked.iter().map(|row| read(row)).collect::<Option<Vec<f64>>>()?)
        };
        let others = (0..self.metrics.len()).map(|place| {
            let values = ranked.iter().map(|row| row.others.get(place).copied().flatten());
            // What is not a number is shown in a run's row, and has no mean.
            let finite = values.map(|value| value.filter(|value| value.is_finite()));
            Summary::from_values(&finite.collect::<Option<Vec<f64>>>()?)
        });
        GridPoint {
            rank: None,
            name: without_seed(rows[0]).to_owned(),
            index: rows[0].index,
            axes: rows[0].axes.clone(),
            seeds: ranked.iter().map(|row| row.seed).collect(),
            wanted: self.seeds.len().max(1),
            means: Means {
                train_accuracy: over(|row| row.train_accuracy),
                train_loss: over(|row| row.train_loss),
                validation_accuracy: over(|row| row.validation_accuracy),
                validation_loss: over(|row| row.validation_loss),
                by: over(|row| row.by),
                then: over(|row| row.then),
            },
            others: others.collect(),
            best: over(|row| row.best.map(|best| best.value)),
            p: None,
            tests: 0,
        }
    }
}

/// The run's name without `-seed-2` and what follows it, as `grid::name` appends them; the name with seed 0 has neither.
fn without_seed(row: &Row) -> &str {
    row.run.rsplit_once(&format!("-seed-{}", row.seed)).map_or(row.run.as_str(), |(name, _)| name)
}

/// The Bonferroni p-value of two points' tests seed by seed, and how many there were.
fn together(best: &[&Row], other: &[&Row]) -> (Option<f64>, usize) {
    let hits = |rows: &[&Row], seed: u64| {
        rows.iter().find(|row| row.seed == seed && row.rank.is_some()).and_then(|row| row.hits.clone())
    };
    let tests: Vec<f64> = best
        .iter()
        .filter_map(|row| hits(best, row.seed)?.against(&hits(other, row.seed)?))
        .map(|table| table.p())
        .collect();
    let smallest = tests.iter().copied().reduce(f64::min);
    (smallest.map(|p| (p * tests.len() as f64).min(1.0)), tests.len())
}
