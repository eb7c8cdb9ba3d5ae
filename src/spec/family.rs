//! The trainers, and which of them the runs of an experiment have.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Experiment, Value};

/// The axis that sweeps the trainer itself.
pub const FAMILY_AXIS: &str = "family";

/// The trainers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The paper's CNN family: convolutions, dense layers, one width.
    GridCnn,
    /// VGG with 13 convolutions and 3 dense layers, without batch norm.
    Vgg16,
    /// VGG with 16 convolutions and 3 dense layers, without batch norm.
    Vgg19,
    /// ResNet of 8 basic blocks.
    Resnet18,
    /// ResNet of 16 bottleneck blocks, the stride in their 3x3 convolutions (version 1.5).
    Resnet50,
    /// Any program that writes event files.
    Command,
}

impl Family {
    /// The families that train in our own worker.
    pub const BUILT_IN: [Self; 5] = [Self::GridCnn, Self::Vgg16, Self::Vgg19, Self::Resnet18, Self::Resnet50];

    /// Its word in the spec.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GridCnn => "grid_cnn",
            Self::Vgg16 => "vgg16",
            Self::Vgg19 => "vgg19",
            Self::Resnet18 => "resnet18",
            Self::Resnet50 => "resnet50",
            Self::Command => "command",
        }
    }

    /// The built-in family of this word.
    #[must_use]
    pub fn built_in(word: &str) -> Option<Self> {
        Self::BUILT_IN.into_iter().find(|family| family.as_str() == word)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Experiment {
    /// Whether the trainer is a program of the user's; such an experiment sweeps no family.
    #[must_use]
    pub fn is_command(&self) -> bool {
        self.family == Some(Family::Command)
    }

    /// The trainer of a grid point; `None` only for one that is not of this experiment.
    #[must_use]
    pub fn family_of(&self, axes: &[(String, Value)]) -> Option<Family> {
        match axes.iter().find(|(axis, _)| axis == FAMILY_AXIS) {
            Some((_, Value::Text(word))) if !self.is_command() => Family::built_in(word),
            _ => self.family,
        }
    }

    /// The trainers of all runs, in the order of the grids, each once.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut families: Vec<Family> = Vec::new();
        for grid in &self.grids {
            let axis = grid.axes.iter().find(|axis| axis.name == FAMILY_AXIS && !self.is_command());
            let swept = axis.iter().flat_map(|axis| &axis.values).filter_map(|value| match value {
                Value::Text(word) => Family::built_in(word),
                _ => None,
            });
            let fixed = self.family.filter(|_| axis.is_none());
            for family in swept.chain(fixed) {
                if !families.contains(&family) {
                    families.push(family);
                }
            }
        }
        families
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parameter::{Default, Kind, family_axis, parameters};

    #[test]
    fn words_are_the_same_in_the_spec_in_json_and_on_the_axis() {
        for family in Family::BUILT_IN {
            assert_eq!(serde_json::to_value(family).expect("JSON"), family.as_str());
            assert_eq!(Family::built_in(family.as_str()), Some(family));
        }
        assert_eq!(Family::built_in("command"), None);
        let Kind::Choice(words) = family_axis().kind else { panic!("a choice") };
        assert_eq!(words, Family::BUILT_IN.map(Family::as_str));
    }

    /// A default is fixed for the whole experiment, so no family may lack a parameter that another has a default of, nor
    /// mean something else by a name.
    #[test]
    fn what_families_share_they_mean_alike() {
        for family in Family::BUILT_IN {
            for row in parameters(family) {
                for other in Family::BUILT_IN {
                    let same = parameters(other).iter().find(|other| other.name == row.name);
                    assert!(same.is_none_or(|same| same == row), "{} of {family} and {other}", row.name);
                    let shared = same.is_some() || !matches!(row.default, Default::Value(_));
                    assert!(shared, "`{other}` lacks {}", row.name);
                }
            }
        }
    }
}
