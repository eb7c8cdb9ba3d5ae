//! The points of a space that a search trains, where they follow from the spec alone.
//!
//! Called when the runs of an experiment are planned. Several grids are sub-spaces that take turns, so that parameters which
//! only some of them have are searched only there.

use std::collections::HashSet;

use serde_json::json;

use super::{
    sieve::{LeftOut, Sieve},
    space::{SubSpace, Values},
};
use crate::{
    search::{Known, Trial},
    spec::{Experiment, SearchPlan, Value},
};

/// Points that are left out in a row before a space is said to have no other.
pub(super) const MOST_LEFT_OUT: usize = 10_000;

/// The points, in the order of their numbers, and what was left out: fewer than are asked for where the space has no more that
/// are not left out.
pub(super) fn searched(experiment: &Experiment, plan: SearchPlan) -> (Vec<Values>, LeftOut) {
    // Nothing is told of results, so it does not matter what is better.
    let goal = experiment.rank.by.goal;
    let space = |(place, grid)| Some((SubSpace::new(grid, plan, goal, place)?, 0));
    let mut spaces: Vec<(SubSpace<'_>, usize)> = (0..).zip(&experiment.grids).filter_map(space).collect();
    let (mut sieve, mut left_out) = (Sieve::new(experiment), LeftOut::default());
    let mut points = Vec::new();
    let mut seen = HashSet::new();
    let mut turn = 0;
    while (points.len() as u64) < plan.points && !spaces.is_empty() {
        let place = turn % spaces.len();
        let (space, misses) = &mut spaces[place];
        let suggested = if *misses < MOST_LEFT_OUT { space.suggest() } else { None };
        let Some((suggestion, values)) = suggested else {
            // It has no further point; the next one takes its turn.
            spaces.remove(place);
            continue;
        };
        space.search.know(Trial { number: space.next, point: suggestion.point, known: Known::Running });
        space.next += 1;
        *misses += 1;
        // What another sub-space has too, or a rule leaves out, takes no turn.
        if let Some(why) = sieve.why(&values) {
            left_out.add(&values, why);
        } else if seen.insert(key(experiment, &values)) {
            *misses = 0;
            points.push(values);
            turn += 1;
        }
    }
    (points, left_out)
}

/// What is trained, as text.
fn key(experiment: &Experiment, values: &[(String, Value)]) -> String {
    let mut parameters = experiment.fixed.clone();
    parameters.extend(values.iter().cloned());
    json!(parameters).to_string()
}
