//! The points of a space that a search trains: which ones follows from the spec alone.
//!
//! Called when the runs of an experiment are planned. Several grids are sub-spaces that take turns, so that parameters which
//! only some of them have are searched only there.

use std::collections::HashSet;

use serde_json::json;

use crate::{
    search::{Dimension, Known, Method, Number, Range, Search, Space, Trial},
    spec::{Axis, Experiment, Goal, Grid, SearchMethod, SearchPlan, Value},
};

/// The values of a point, in the order of its axes.
pub(super) type Values = Vec<(String, Value)>;

/// The points, in the order of their numbers: fewer than are asked for where the space has no more that are not excluded.
pub(super) fn searched(experiment: &Experiment, plan: SearchPlan) -> Vec<Values> {
    let mut spaces: Vec<SubSpace<'_>> =
        (0..).zip(&experiment.grids).filter_map(|(place, grid)| SubSpace::new(grid, plan, place)).collect();
    let mut points = Vec::new();
    let mut seen = HashSet::new();
    let mut turn = 0;
    while (points.len() as u64) < plan.points && !spaces.is_empty() {
        let place = turn % spaces.len();
        let Some(values) = spaces[place].next() else {
            // It has no further point; the next one takes its turn.
            spaces.remove(place);
            continue;
        };
        // What another sub-space has too, or a rule leaves out, takes no turn.
        if !is_excluded(experiment, &values) && seen.insert(key(experiment, &values)) {
            points.push(values);
            turn += 1;
        }
    }
    points
}

/// Whether a rule leaves the point out.
pub(super) fn is_excluded(experiment: &Experiment, values: &[(String, Value)]) -> bool {
    let has = |(name, wanted): (&String, &Value)| {
        values.iter().any(|(axis, value)| axis == name && value == wanted)
    };
    experiment.exclude.iter().any(|rule| rule.iter().all(has))
}

/// What is trained, as text.
fn key(experiment: &Experiment, values: &[(String, Value)]) -> String {
    let mut parameters = experiment.fixed.clone();
    parameters.extend(values.iter().cloned());
    json!(parameters).to_string()
}

/// One grid as a space.
struct SubSpace<'a> {
    axes: &'a [Axis],
    search: Search,
    /// The number of its next point.
    next: u64,
}

impl<'a> SubSpace<'a> {
    /// `None` where Sobol's sequence has not so many dimensions, which the spec was checked for.
    fn new(grid: &'a Grid, plan: SearchPlan, place: u64) -> Option<Self> {
        let dimension = |axis: &Axis| {
            let range = match axis.range {
                Some(range) => Range::Number(Number {
                    low: range.from,
                    high: range.to,
                    step: range.step,
                    is_log: range.is_log,
                    is_integer: range.is_integer,
                }),
                None => Range::Choice(axis.values.len()),
            };
            Dimension { name: axis.name.clone(), range }
        };
        let space = Space { dimensions: grid.axes.iter().map(dimension).collect() };
        let (method, seed) = match plan.method {
            // Spaces of the same shape have points of their own.
            SearchMethod::Random => (Method::Random, plan.seed ^ place << 48),
            SearchMethod::Sobol => (Method::Sobol, plan.seed),
        };
        // Nothing is told of results, so it does not matter what is better.
        let search = Search::new(space, method, Goal::Maximize, seed)?;
        Some(Self { axes: &grid.axes, search, next: 0 })
    }

    /// The values of its next point; `None` where it has no more.
    fn next(&mut self) -> Option<Values> {
        let point = self.search.suggest(self.next)?.point;
        let values = self.axes.iter().zip(&point).map(|(axis, coordinate)| {
            #[expect(clippy::cast_possible_truncation, reason = "integers and places, as the ranges say")]
            #[expect(clippy::cast_sign_loss, reason = "places of choices start at 0")]
            let value = match axis.range {
                Some(range) if range.is_integer => Value::Int(*coordinate as i64),
                Some(_) => Value::Float(*coordinate),
                None => axis.values[*coordinate as usize].clone(),
            };
            (axis.name.clone(), value)
        });
        let values = values.collect();
        self.search.know(Trial { number: self.next, point, known: Known::Running });
        self.next += 1;
        Some(values)
    }
}
