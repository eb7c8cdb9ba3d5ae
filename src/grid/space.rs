//! One grid as a space that a search chooses points of: its axes as dimensions, its points as values and back.

use crate::{
    search::{Dimension, Method, Number, Point, Range, Search, Space, Suggestion},
    spec::{Axis, Goal, Grid, SearchMethod, SearchPlan, Value},
};

/// The values of a point, in the order of its axes.
pub(super) type Values = Vec<(String, Value)>;

/// A grid and the search in it.
#[derive(Clone, Debug)]
pub(super) struct SubSpace<'a> {
    axes: &'a [Axis],
    pub(super) search: Search,
    /// The number of its next point.
    pub(super) next: u64,
}

impl<'a> SubSpace<'a> {
    /// The space of the grid at this place. `None` where Sobol's sequence has not so many dimensions, which the spec was checked
    /// for.
    pub(super) fn new(grid: &'a Grid, plan: SearchPlan, goal: Goal, place: u64) -> Option<Self> {
        let space = Space { dimensions: grid.axes.iter().map(dimension).collect() };
        // Spaces of the same shape have points of their own.
        let own = plan.seed ^ place << 48;
        let (method, seed) = match plan.method {
            SearchMethod::Random => (Method::Random, own),
            SearchMethod::Tpe => (Method::Tpe, own),
            SearchMethod::Sobol => (Method::Sobol, plan.seed),
        };
        let search = Search::new(space, method, goal, seed)?;
        Some(Self { axes: &grid.axes, search, next: 0 })
    }

    /// Its next point, with its values; `None` where it has no more.
    pub(super) fn suggest(&self) -> Option<(Suggestion, Values)> {
        let suggestion = self.search.suggest(self.next)?;
        let values = self.values(&suggestion.point);
        Some((suggestion, values))
    }

    fn values(&self, point: &[f64]) -> Values {
        let value = |(axis, coordinate): (&Axis, &f64)| {
            #[expect(clippy::cast_possible_truncation, reason = "integers and places, as the ranges say")]
            #[expect(clippy::cast_sign_loss, reason = "places of choices start at 0")]
            let value = match axis.range {
                Some(range) if range.is_integer => Value::Int(*coordinate as i64),
                Some(_) => Value::Float(*coordinate),
                None => axis.values[*coordinate as usize].clone(),
            };
            (axis.name.clone(), value)
        };
        self.axes.iter().zip(point).map(value).collect()
    }

    /// The point that has these values; `None` where it is not in the space.
    pub(super) fn point(&self, values: &[(String, Value)]) -> Option<Point> {
        if values.len() != self.axes.len() {
            return None;
        }
        let coordinate = |axis: &Axis| {
            let (_, value) = values.iter().find(|(name, _)| *name == axis.name)?;
            match (axis.range, value) {
                (None, value) => {
                    axis.values.iter().position(|known| known == value).map(|place| place as f64)
                }
                (Some(range), Value::Int(_)) if !range.is_integer => None,
                (Some(range), value) => {
                    let value = value.as_f64().filter(|value| (range.from..=range.to).contains(value))?;
                    let steps = range.step.map_or(0.0, |step| (value - range.from) / step);
                    ((steps - steps.round()).abs() < 1e-9).then_some(value)
                }
            }
        };
        self.axes.iter().map(coordinate).collect()
    }
}

fn dimension(axis: &Axis) -> Dimension {
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
}
