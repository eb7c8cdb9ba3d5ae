//! `stop` and `budget`: which runs end before their time, and what ends a sweep before all runs are made.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::SpecDuration;

/// `stop:` of the spec: a rule that ends hopeless runs, by the metric that ranks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopPlan {
    /// The rule.
    pub rule: StopRule,
    /// Epochs before the first decision, at least 1.
    pub first: u64,
    /// One of so many goes on at a rung, at least 2.
    pub factor: u64,
    /// Epochs of a whole run, where no parameter says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
}

/// How runs are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopRule {
    /// A run ends that is worse than the median of the completed ones at the same epoch.
    Median,
    /// A run ends that is not among the best of a rung.
    AshaStop,
    /// A run pauses at each rung, and goes on when it is among the best there.
    Asha,
    /// As [`StopRule::AshaStop`], but some runs are judged later than others.
    Hyperband,
}

impl StopRule {
    /// The words of the spec.
    pub(crate) const WORDS: [(&'static str, Self); 4] = [
        ("median", Self::Median),
        ("asha_stop", Self::AshaStop),
        ("asha", Self::Asha),
        ("hyperband", Self::Hyperband),
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, rule)| *rule == self).map_or("", |(word, _)| word)
    }

    /// Whether it has to know how many epochs a whole run has.
    #[must_use]
    pub fn needs_epochs(self) -> bool {
        matches!(self, Self::Asha | Self::Hyperband)
    }
}

/// `budget:` of the spec: what ends a sweep, counted over all sweeps of the experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Runs that are begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<u64>,
    /// Time in which any run was alive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<SpecDuration>,
    /// Hours that slots were busy, added up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_hours: Option<f64>,
    /// Runs that have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<u64>,
    /// A value of the metric that ranks which is good enough, of a run that has completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<f64>,
}

impl Budget {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The rule that ends runs.
pub(super) fn schema() -> Json {
    json!({
        "description": "A rule that ends hopeless runs early, decided on rank.by.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "required": ["rule"],
        "properties": {
            "rule": {
                "description": "median: worse than the median of completed runs. asha_stop: not among the best at a rung. asha: pauses at rungs, goes on when among the best. hyperband: asha_stop that judges some runs later.",
                "enum": StopRule::WORDS.map(|(word, _)| word)
            },
            "first": {"description": "Epochs before the first decision.", "type": "integer", "minimum": 1, "default": 1},
            "keep": {
                "description": "The part that goes on at a rung: 1/3 or .333.",
                "type": ["string", "number"], "default": "1/3"
            },
            "epochs": {"description": "Epochs of a whole run, where no parameter says it.", "type": "integer", "minimum": 1}
        }
    })
}

/// What ends a sweep.
pub(super) fn budget_schema(duration: &Json) -> Json {
    json!({
        "description": "What ends a sweep before all its runs are made, counted over all sweeps of the experiment; the rest stays pending.",
        "type": ["object", "null"],
        "additionalProperties": false,
        "properties": {
            "runs": {"description": "Runs that are begun.", "type": "integer", "minimum": 1},
            "time": duration,
            "device_hours": {"description": "Hours that slots were busy, added up.", "type": "number", "exclusiveMinimum": 0},
            "failures": {"description": "Runs that have failed.", "type": "integer", "minimum": 1},
            "until": {"description": "A value of rank.by that is good enough.", "type": "number"}
        }
    })
}
