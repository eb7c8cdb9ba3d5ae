//! The axes of a grid under reading: names that are parameters, and their values, each once.

use std::{collections::HashSet, path::Path};

use super::{
    parameters::{Trainer, value},
    range,
    section::must_be,
};
use crate::spec::{
    AxisRange, FAMILY_AXIS, Family, Value,
    names::parameter_name_fault,
    parameter::parameters_of_any,
    problem::{Place, Problems, hint},
    yaml::{Content, Entry, Node},
};

/// An axis under reading: every name that was given counts as swept, even where its values are bad.
#[derive(Clone)]
pub(super) struct RawAxis<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a Place,
    pub(super) values: Vec<Value>,
    /// The range that the axis is given as.
    pub(super) range: Option<AxisRange>,
}

/// `` `vgg16`, `vgg19` ``.
pub(super) fn listed(families: &[Family]) -> String {
    families.iter().map(|family| format!("`{family}`")).collect::<Vec<_>>().join(", ")
}

/// Whether the trainer has a parameter of the name; what is wrong with it is reported.
pub(super) fn is_parameter(name: &str, place: &Place, trainer: &Trainer, problems: &mut Problems) -> bool {
    let families = &trainer.families;
    if trainer.is_command() {
        if let Some(fault) = parameter_name_fault(name) {
            problems.add(place, format!("axis `{name}` {fault}"));
            return false;
        }
    } else if trainer.is_sure && name != FAMILY_AXIS {
        let rows = parameters_of_any(families);
        if rows.iter().all(|row| row.name != name) {
            let known: Vec<&str> = rows.iter().map(|row| row.name).collect();
            let (hint, families) = (hint(name, &known), listed(families));
            problems.add(place, format!("axis `{name}` is not a parameter of {families}{hint}"));
            return false;
        }
    }
    true
}

/// Reads one axis.
pub(super) fn axis<'a>(
    entry: &'a Entry,
    trainer: &Trainer,
    spec_file: &Path,
    problems: &mut Problems,
) -> RawAxis<'a> {
    let families = &trainer.families;
    let name = entry.key.as_str();
    let mut axis = RawAxis { name, place: &entry.place, values: Vec::new(), range: None };
    if !is_parameter(name, &entry.place, trainer, problems) {
        return axis;
    }
    let items = match &entry.value.content {
        Content::Sequence(items) if !items.is_empty() => items,
        Content::Mapping(_) => {
            axis.range = range::read(entry, trainer, problems);
            return axis;
        }
        _ if entry.value.is_null() || matches!(entry.value.content, Content::Sequence(_)) => {
            problems.add(&entry.place, format!("axis `{name}` has no values"));
            return axis;
        }
        _ => {
            let what = format!("axis `{name}`");
            match (&entry.value.place, text_of(&entry.value)) {
                // Commas of the command line make no list.
                (Place::Flag(_), Some(given)) => {
                    let cure = format!("`--set 'grid.{name}=[{}]'`", given.trim_matches(['[', ']', ' ']));
                    must_be(&what, &format!("a list of values, as {cure}"), &entry.value, problems);
                }
                _ => must_be(&what, "a list of values", &entry.value, problems),
            }
            return axis;
        }
    };
    let what = format!("each value of axis `{name}`");
    let mut taken = HashSet::new();
    for item in items {
        let Some(value) = value(item, families, name, &what, spec_file, problems) else { continue };
        if !taken.insert(Identity::from_value(&value)) {
            problems.add(&item.place, format!("axis `{name}` repeats the value `{value}`"));
        }
        axis.values.push(value);
    }
    axis
}

/// A scalar as it was written.
fn text_of(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar(_, text) => Some(text),
        _ => None,
    }
}

/// What makes two values of an axis the same: 1 and 1.0 are, 1 and "1" are not.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Bool(bool),
    Int(i64),
    Float(u64),
    Text(String),
    Null,
    List(Vec<Identity>),
}

impl Identity {
    fn from_value(value: &Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => match whole_number(*value) {
                Some(whole) => Self::Int(whole),
                None => Self::Float(value.to_bits()),
            },
            Value::Text(text) => Self::Text(text.clone()),
            Value::Null => Self::Null,
            Value::List(items) => Self::List(items.iter().map(Self::from_value).collect()),
        }
    }
}

/// The number as an integer, where it is one that f64 and i64 both hold exactly.
fn whole_number(value: f64) -> Option<i64> {
    let exact = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and under 2^53, as just checked")]
    exact.then_some(value as i64)
}
