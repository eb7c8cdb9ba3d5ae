//! How the points of a space are chosen, where an experiment trains some of them instead of a whole grid.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Experiment;

/// `search:` of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPlan {
    /// How points are chosen.
    pub method: SearchMethod,
    /// How many; each is trained with every seed.
    pub points: u64,
    /// What the choice is drawn with: the same seed gives the same points.
    pub seed: u64,
}

/// How points are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchMethod {
    /// Each alone, evenly over the space.
    Random,
    /// Along Sobol's sequence, which leaves smaller holes.
    Sobol,
    /// Each by what the earlier ones have come to: the tree-structured Parzen estimator.
    Tpe,
}

impl Experiment {
    /// Whether its points are suggested one after the other, by what the earlier ones have come to: they do not follow from
    /// the spec then.
    #[must_use]
    pub fn suggests(&self) -> bool {
        self.search.is_some_and(|plan| plan.method == SearchMethod::Tpe)
    }
}

impl SearchMethod {
    /// The words of the spec.
    pub(crate) const WORDS: [(&'static str, Self); 3] =
        [("random", Self::Random), ("sobol", Self::Sobol), ("tpe", Self::Tpe)];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Sobol => "sobol",
            Self::Tpe => "tpe",
        }
    }
}

/// The values of an axis that is searched: all numbers from `from` to `to`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisRange {
    /// The lowest value.
    pub from: f64,
    /// The highest value; with a step a whole number of steps above `from`.
    pub to: f64,
    /// The distance of neighbours; `None` where every number is a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Whether the logarithms are searched evenly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_log: bool,
    /// Whether the values are integers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_integer: bool,
}

/// An axis that is searched.
pub(super) fn range_schema() -> Json {
    json!({
        "description": "A range of numbers, for a search: both ends are among its values.",
        "type": "object",
        "additionalProperties": false,
        "required": ["from", "to"],
        "properties": {
            "from": {"description": "The lowest value.", "type": "number"},
            "to": {"description": "The highest value.", "type": "number"},
            "scale": {
                "description": "log: the logarithms are searched evenly.",
                "enum": ["linear", "log"],
                "default": "linear"
            },
            "step": {"description": "The distance of neighbours; 1 for integers.", "type": "number", "exclusiveMinimum": 0}
        }
    })
}

/// Which points of the grid are trained.
pub(super) fn schema() -> Json {
    let methods: Vec<&str> = ["grid"].into_iter().chain(SearchMethod::WORDS.map(|(word, _)| word)).collect();
    json!({
        "description": "Which points are trained where not all are: random ones, along Sobol's sequence, or by what the earlier ones have come to (tpe).",
        "type": ["object", "null"],
        "additionalProperties": false,
        "required": ["method"],
        "properties": {
            "method": {"description": "grid: all points, without ranges.", "enum": methods},
            "points": {
                "description": "How many points; each is trained with every seed.",
                "type": "integer", "minimum": 1, "maximum": 1_000_000
            },
            "seed": {
                "description": "What the points are drawn with.",
                "type": "integer", "minimum": 0, "maximum": i64::MAX, "default": 0
            }
        }
    })
}

/// What is left out.
pub(super) fn exclude_schema() -> Json {
    json!({
        "description": "Grid points that are left out: those that have all values of one of these.",
        "type": ["array", "null"],
        "items": {"type": "object", "minProperties": 1}
    })
}
