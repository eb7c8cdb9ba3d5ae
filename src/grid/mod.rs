//! The grid: axes to grid points to runs, lazily, each with a place, a readable name and a content id.
//!
//! Called by everything that needs the runs of an experiment. Pure; whether the values make sense was settled by
//! `spec`, whether the networks can be built and what they need is asked of `model`.

mod check;
mod name;
mod points;
mod sieve;
mod space;
mod suggested;

use std::collections::{BTreeMap, HashMap, HashSet};

pub use check::{ImpossibleRun, ImpossibleRuns, check};
pub use name::with_id as name_with_id;
use serde::Serialize;
use serde_json::json;
use sieve::Sieve;
pub use sieve::{LeftOut, Network, NoNetwork, network};
pub use suggested::{Learned, Outcome, PointSearch, Suggested, first_points, parse_points, still_suggested};

use crate::{
    run::{RunIndex, RunSpec},
    spec::{Experiment, FAMILY_AXIS, Family, Grid, Parameters, Value},
};

/// The runs of an experiment, by index. Order: the grids in turn, the first axis outermost, seeds innermost. A grid
/// point that a union repeats is there once, at its first place.
///
/// Building one is cheap for a single grid of numbers. A union is walked once to find repeated grid points, and so are
/// axes with text values, to find names that would be the same.
#[derive(Clone, Debug)]
pub struct GridRuns<'a> {
    experiment: &'a Experiment,
    /// Grid and index inside it of every grid point, where a union left some out; else the grids follow one another.
    kept: Option<Vec<(usize, u64)>>,
    /// The points of a search, which are no product.
    searched: Option<Vec<space::Values>>,
    /// Grid points.
    n_points: u64,
    /// The number of the first searched point.
    first_point: u64,
    /// Whether the family is an axis of any grid.
    sweeps_family: bool,
    /// Names that several runs would have, in lower case: such a run carries its id in its name.
    shared_names: HashSet<String>,
    left_out: LeftOut,
}

/// The number of runs, repeated grid points not counted. Of a search that learns: those that are wanted.
#[must_use]
pub fn count(experiment: &Experiment) -> u128 {
    match experiment.grids.as_slice() {
        _ if experiment.suggests() => {
            let points = experiment.search.map_or(0, |search| search.points);
            u128::from(points).saturating_mul(experiment.seeds.len() as u128)
        }
        [grid] if experiment.search.is_none() && Sieve::new(experiment).is_idle() => {
            size(grid).saturating_mul(experiment.seeds.len() as u128)
        }
        _ => GridRuns::new(experiment).len().into(),
    }
}

/// The run at `index`. Build a [`GridRuns`] to ask for more than one.
#[must_use]
pub fn nth(experiment: &Experiment, index: u64) -> Option<RunSpec> {
    GridRuns::new(experiment).nth(index)
}

/// The runs at a point of a search that learns, one for each seed.
pub fn runs_at<'a>(experiment: &'a Experiment, point: &Suggested) -> impl Iterator<Item = RunSpec> + use<'a> {
    let n_seeds = experiment.seeds.len() as u64;
    let number = point.number;
    let plan = GridRuns {
        searched: Some(vec![point.values.clone()]),
        n_points: 1,
        first_point: number,
        ..GridRuns::plain(experiment)
    };
    (number * n_seeds..(number + 1) * n_seeds).map_while(move |index| plan.nth(index))
}

/// All runs in order, of a search that learns those of the points that it has suggested.
pub fn runs_with<'a>(
    experiment: &'a Experiment,
    points: &[Suggested],
) -> impl Iterator<Item = RunSpec> + use<'a> {
    let plan = GridRuns::with(experiment, points);
    (0..plan.len()).map_while(move |index| plan.nth(index))
}

/// All runs in order; of a search that learns none.
pub fn runs(experiment: &Experiment) -> impl Iterator<Item = RunSpec> + '_ {
    let plan = GridRuns::new(experiment);
    (0..plan.len()).map_while(move |index| plan.nth(index))
}

/// The names of all axes of all grids, in the order of their first appearance: the columns of a table of runs.
#[must_use]
pub fn axis_names(experiment: &Experiment) -> Vec<String> {
    let mut seen = HashSet::new();
    let axes = experiment.grids.iter().flat_map(|grid| &grid.axes);
    axes.filter(|axis| seen.insert(axis.name.as_str())).map(|axis| axis.name.clone()).collect()
}

impl<'a> GridRuns<'a> {
    /// A plan of the whole product, as it stands.
    fn plain(experiment: &'a Experiment) -> Self {
        let total = experiment.grids.iter().map(size).fold(0, u128::saturating_add);
        let mut axes = experiment.grids.iter().flat_map(|grid| &grid.axes);
        Self {
            experiment,
            sweeps_family: axes.any(|axis| axis.name == FAMILY_AXIS) && !experiment.is_command(),
            kept: None,
            searched: None,
            n_points: u64::try_from(total).unwrap_or(u64::MAX),
            first_point: 0,
            shared_names: HashSet::new(),
            left_out: LeftOut::default(),
        }
    }

    /// Plans the runs of a validated experiment; of a search that learns those of the points that it has suggested.
    #[must_use]
    pub fn with(experiment: &'a Experiment, points: &[Suggested]) -> Self {
        if !experiment.suggests() {
            return Self::new(experiment);
        }
        let points: Vec<space::Values> = points.iter().map(|point| point.values.clone()).collect();
        Self { n_points: points.len() as u64, searched: Some(points), ..Self::plain(experiment) }
    }

    /// Plans the runs of a validated experiment; of a search that learns none, since its points are not known.
    #[must_use]
    pub fn new(experiment: &'a Experiment) -> Self {
        if experiment.suggests() {
            return Self::with(experiment, &[]);
        }
        let mut plan = Self::plain(experiment);
        if let Some(search) = experiment.search {
            let (points, left_out) = points::searched(experiment, search);
            plan.n_points = points.len() as u64;
            (plan.searched, plan.left_out) = (Some(points), left_out);
            // The number in a point's name is no other's.
            return plan;
        }
        if experiment.grids.len() > 1 {
            plan.drop_repeated();
        }
        plan.leave_out(Sieve::new(experiment));
        if name::may_collide(experiment) {
            plan.find_shared_names();
        }
        plan
    }

    /// The number of runs.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.n_points.saturating_mul(self.experiment.seeds.len() as u64)
    }

    /// What was left out of the grid, or of what a search has drawn. Of a search that learns nothing is known here.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Whether there is nothing to run; a validated experiment has at least one run.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The run at `index`.
    #[must_use]
    pub fn nth(&self, index: u64) -> Option<RunSpec> {
        let (axes, seed) = self.place(index)?;
        let family = self.experiment.family_of(&axes)?;
        let parameters = self.merged(&axes);
        let id = content_id(&self.experiment.command, family, &parameters, seed);
        let number = self.number(index);
        let name = name::name(name::plain(self.experiment, number, &axes, seed), &id, &self.shared_names);
        Some(RunSpec { index: RunIndex::new(index), name, id, family, axes, parameters, seed })
    }

    /// All runs in order.
    pub fn iter(&self) -> impl Iterator<Item = RunSpec> + '_ {
        (0..self.len()).map_while(|index| self.nth(index))
    }

    /// Family and parameters of the run at `index`, without the cost of its name and id.
    #[must_use]
    pub fn trained(&self, index: u64) -> Option<(Family, Parameters)> {
        let (axes, _) = self.place(index)?;
        Some((self.experiment.family_of(&axes)?, self.merged(&axes)))
    }

    /// The fixed parameters and the grid point's. Where any grid sweeps the family, every run has it among them: it is a
    /// column then.
    fn merged(&self, axes: &[(String, Value)]) -> Parameters {
        let mut parameters = self.experiment.fixed.clone();
        if let Some(family) = self.experiment.family.filter(|_| self.sweeps_family) {
            parameters.insert(FAMILY_AXIS.to_owned(), Value::Text(family.as_str().to_owned()));
        }
        parameters.extend(axes.iter().cloned());
        parameters
    }

    /// The grid point and the seed of the run at `index`.
    fn place(&self, index: u64) -> Option<(Vec<(String, Value)>, u64)> {
        let seeds = &self.experiment.seeds;
        let n_seeds = seeds.len() as u64;
        let point = index.checked_div(n_seeds)?;
        let seed = *seeds.get(usize::try_from(index % n_seeds).ok()?)?;
        Some((self.point(point)?, seed))
    }

    /// The number of a searched point, from 0.
    fn number(&self, index: u64) -> Option<u64> {
        self.searched.as_ref().and_then(|_| index.checked_div(self.experiment.seeds.len() as u64))
    }

    /// The values of a grid point.
    fn point(&self, point: u64) -> Option<Vec<(String, Value)>> {
        let point = point.checked_sub(self.first_point)?;
        if point >= self.n_points {
            return None;
        }
        if let Some(points) = &self.searched {
            return points.get(usize::try_from(point).ok()?).cloned();
        }
        match &self.kept {
            Some(kept) => {
                let (grid, point) = *kept.get(usize::try_from(point).ok()?)?;
                values(self.experiment.grids.get(grid)?, point.into())
            }
            None => {
                let mut left = u128::from(point);
                for grid in &self.experiment.grids {
                    if left < size(grid) {
                        return values(grid, left);
                    }
                    left -= size(grid);
                }
                None
            }
        }
    }

    /// Compares grid points as rows of numbers, one for each value of each axis of any grid, by their marks: cheap enough for
    /// the largest union.
    fn drop_repeated(&mut self) {
        let names = axis_names(self.experiment);
        let mut numbers: HashMap<(usize, String), usize> = HashMap::new();
        let mut number = |column: usize, value: Option<&Value>| {
            let text = value.map_or_else(String::new, |value| json!(value).to_string());
            let next = numbers.len();
            *numbers.entry((column, text)).or_insert(next)
        };
        let mut seen = HashSet::new();
        let mut text = Vec::new();
        let mut kept = Vec::new();
        for (index, grid) in self.experiment.grids.iter().enumerate() {
            // Columns that this grid does not sweep hold the fixed value, or that there is none.
            let Experiment { fixed, family, .. } = &self.experiment;
            let family = family.map(|family| Value::Text(family.as_str().to_owned()));
            let value = |name: &String| if name == FAMILY_AXIS { family.as_ref() } else { fixed.get(name) };
            let mut row: Vec<usize> =
                (0..).zip(&names).map(|(column, name)| number(column, value(name))).collect();
            let axes: Vec<(usize, Vec<usize>)> = (grid.axes.iter().rev())
                .filter_map(|axis| {
                    let column = names.iter().position(|name| *name == axis.name)?;
                    Some((column, axis.values.iter().map(|value| number(column, Some(value))).collect()))
                })
                .collect();
            for point in 0..u64::try_from(size(grid)).unwrap_or(u64::MAX) {
                let mut left = point;
                for (column, values) in &axes {
                    let n_values = values.len() as u64;
                    row[*column] = values[usize::try_from(left % n_values).unwrap_or(0)];
                    left /= n_values;
                }
                text.clear();
                text.extend(row.iter().flat_map(|number| number.to_le_bytes()));
                if seen.insert(mark(&text)) {
                    kept.push((index, point));
                }
            }
        }
        self.n_points = kept.len() as u64;
        self.kept = Some(kept);
    }

    /// Leaves out what the rules of the spec exclude, and what is beyond its limit.
    fn leave_out(&mut self, mut sieve: Sieve<'_>) {
        if sieve.is_idle() {
            return;
        }
        let all = self.kept.take().unwrap_or_else(|| {
            let sizes =
                self.experiment.grids.iter().map(|grid| u64::try_from(size(grid)).unwrap_or(u64::MAX));
            sizes.enumerate().flat_map(|(grid, size)| (0..size).map(move |point| (grid, point))).collect()
        });
        let mut left_out = LeftOut::default();
        let is_kept = |(grid, point): &(usize, u64)| {
            let values = self.experiment.grids.get(*grid).and_then(|grid| values(grid, (*point).into()));
            let Some(values) = values else { return false };
            match sieve.why(&values) {
                Some(why) => left_out.add(&values, why),
                None => return true,
            }
            false
        };
        let kept: Vec<(usize, u64)> = all.into_iter().filter(is_kept).collect();
        self.left_out = left_out;
        self.n_points = kept.len() as u64;
        self.kept = Some(kept);
    }

    /// Finds every name that more than one run would have. A run that carries its id in its name could meet another
    /// run's plain name, so names are looked at again until nothing is shared.
    fn find_shared_names(&mut self) {
        loop {
            // By mark, the first run of each name: a million of the names themselves would take a quarter of a gigabyte.
            let mut seen: HashMap<u128, u64> = HashMap::new();
            let mut found = HashSet::new();
            let plain_at = |index: u64| {
                let (axes, seed) = self.place(index)?;
                Some(name::plain(self.experiment, None, &axes, seed).to_ascii_lowercase())
            };
            for index in 0..self.len() {
                let Some((axes, seed)) = self.place(index) else { break };
                let Some(family) = self.experiment.family_of(&axes) else { break };
                let plain = name::plain(self.experiment, None, &axes, seed);
                let lower = plain.to_ascii_lowercase();
                let full = if name::carries_id(&plain, &self.shared_names) {
                    let id = content_id(&self.experiment.command, family, &self.merged(&axes), seed);
                    name::name(plain, &id, &self.shared_names).to_ascii_lowercase()
                } else {
                    lower.clone()
                };
                if let Some(first) = seen.insert(mark(full.as_bytes()), index) {
                    found.extend(plain_at(first));
                    found.insert(lower);
                }
            }
            let before = self.shared_names.len();
            self.shared_names.extend(found);
            if self.shared_names.len() == before {
                return;
            }
        }
    }
}

/// 128 bits that tell a text from every other.
fn mark(text: &[u8]) -> u128 {
    let hash = blake3::hash(text);
    let (half, _) = hash.as_bytes().split_at(16);
    half.iter().fold(0, |mark, byte| mark << 8 | u128::from(*byte))
}

/// Grid points of one grid; a grid without axes has one.
fn size(grid: &Grid) -> u128 {
    grid.axes.iter().fold(1, |product: u128, axis| product.saturating_mul(axis.values.len() as u128))
}

/// The values of the grid point `point` of one grid, in the order of its axes; the last axis varies fastest.
fn values(grid: &Grid, mut point: u128) -> Option<Vec<(String, Value)>> {
    if point >= size(grid) {
        return None;
    }
    let mut axes = Vec::with_capacity(grid.axes.len());
    for axis in grid.axes.iter().rev() {
        let n_values = axis.values.len() as u128;
        let value = axis.values.get(usize::try_from(point % n_values).ok()?)?;
        axes.push((axis.name.clone(), value.clone()));
        point /= n_values;
    }
    axes.reverse();
    Some(axes)
}

/// 16 hex digits of the BLAKE3 hash of what is trained: the same in every experiment and under every name, and whether the
/// family is an axis or not.
///
/// Without the experiment's own command, which is empty for built-in trainers, there is no id of a command's run.
#[must_use]
pub fn content_id(command: &[String], family: Family, parameters: &Parameters, seed: u64) -> String {
    /// In the order of the hashed text. `Parameters` is sorted by name, so the text is canonical.
    #[derive(Serialize)]
    struct Content<'a> {
        family: Family,
        command: &'a [String],
        parameters: BTreeMap<&'a String, &'a Value>,
        seed: u64,
    }
    let swept = |name: &String| name == FAMILY_AXIS && family != Family::Command;
    let parameters = parameters.iter().filter(|(name, _)| !swept(name)).collect();
    let content = Content { family, command, parameters, seed };
    // In one piece: a hasher that is fed token by token takes three times as long.
    let text = serde_json::to_vec(&content).expect("plain data is JSON");
    blake3::hash(&text).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests;
