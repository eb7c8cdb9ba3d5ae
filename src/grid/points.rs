//! The points of a space that a search trains, where they follow from the spec alone.
//!
//! Called when the runs of an experiment are planned. Several grids are sub-spaces that take turns, so that parameters which
//! only some of them have are searched only there.

use std::collections::HashSet;

use serde_json::json;

use super::space::{SubSpace, Values};
use crate::{
    search::{Known, Trial},
    spec::{Experiment, SearchPlan, Value},
};

/// The points, in the order of their numbers: fewer than are asked for where the space has no more that are not excluded.
pub(super) fn searched(experiment: &Experiment, plan: SearchPlan) -> Vec<Values> {
    // Nothing is told of results, so it does not matter what is better.
    let goal = experiment.rank.by.goal;
    let space = |(place, grid)| SubSpace::new(grid, plan, goal, place);
    let mut spaces: Vec<SubSpace<'_>> = (0..).zip(&experiment.grids).filter_map(space).collect();
    let mut points = Vec::new();
    let mut seen = HashSet::new();
    let mut turn = 0;
    while (points.len() as u64) < plan.points && !spaces.is_empty() {
        let place = turn % spaces.len();
        let space = &mut spaces[place];
        let Some((suggestion, values)) = space.suggest() else {
            // It has no further point; the next one takes its turn.
            spaces.remove(place);
            continue;
        };
        space.search.know(Trial { number: space.next, point: suggestion.point, known: Known::Running });
        space.next += 1;
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
