//! The `grid` section, and whether what is swept and what is fixed make whole runs together.

use std::{collections::HashSet, path::Path};

use super::{
    families,
    parameters::{Trainer, value},
    section::{Section, must_be},
};
use crate::spec::{
    Axis, FAMILY_AXIS, Family, Grid, Parameters, Value,
    command::{BUILT_IN_PLACES, places},
    names::{fold, parameter_name_fault},
    parameter::{Default, parameters_of_any},
    problem::{Place, Problems, hint},
    yaml::{Content, Entry, Node},
};

/// Most runs of one experiment, repeated grid points of a union included.
pub const MAX_RUNS: u128 = 1_000_000;

/// What `grid` makes of a trainer.
pub(super) struct Swept {
    /// The family of the runs whose grid does not sweep it.
    pub(super) family: Option<Family>,
    pub(super) command: Vec<String>,
    pub(super) fixed: Parameters,
    pub(super) grids: Vec<Grid>,
}

/// An axis under reading: every name that was given counts as swept, even where its values are bad.
pub(super) struct RawAxis<'a> {
    pub(super) name: &'a str,
    pub(super) place: &'a Place,
    pub(super) values: Vec<Value>,
}

/// Reads the section and checks it against the trainer.
pub(super) fn read(
    top: &Section<'_>,
    trainer: Trainer,
    n_seeds: usize,
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Swept> {
    let place = top.entry("grid").map_or(&top.place, |entry| &entry.place);
    let mut read_axes = |node, path: &str, place| axes(node, path, place, &trainer, spec_file, problems);
    let grids: Vec<Option<Vec<RawAxis<'_>>>> = match top.given("grid") {
        None => vec![Some(Vec::new())],
        Some(entry) => match &entry.value.content {
            Content::Sequence(items) => {
                let grids = items.iter().enumerate();
                grids.map(|(index, item)| read_axes(item, &format!("grid.{index}"), &item.place)).collect()
            }
            _ => vec![read_axes(&entry.value, "grid", &entry.place)],
        },
    };
    if grids.is_empty() {
        problems.add(place, "`grid` is an empty list; leave the key out for a single run");
    }
    // Of a grid that is no mapping nothing can be said; that was reported.
    let grids: Vec<Vec<RawAxis<'_>>> = grids.into_iter().collect::<Option<_>>()?;
    check_names(&trainer, &grids, problems);
    check_fixed(&trainer, &grids, problems);
    if trainer.is_sure && !trainer.is_command() {
        families::check(top, &trainer, &grids, problems);
    }
    check_command(&trainer, &grids, problems);
    check_size(&grids, n_seeds, place, problems);
    Some(whole(trainer, grids))
}

fn axes<'a>(
    node: &'a Node,
    path: &str,
    place: &Place,
    trainer: &Trainer,
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Vec<RawAxis<'a>>> {
    let section = Section::open(node, path, place, problems)?;
    Some(section.entries.iter().map(|entry| axis(entry, trainer, spec_file, problems)).collect())
}

fn axis<'a>(entry: &'a Entry, trainer: &Trainer, spec_file: &Path, problems: &mut Problems) -> RawAxis<'a> {
    let families = &trainer.families;
    let name = entry.key.as_str();
    let mut axis = RawAxis { name, place: &entry.place, values: Vec::new() };
    if trainer.is_command() {
        if let Some(fault) = parameter_name_fault(name) {
            problems.add(&entry.place, format!("axis `{name}` {fault}"));
            return axis;
        }
    } else if trainer.is_sure && name != FAMILY_AXIS {
        let rows = parameters_of_any(families);
        if rows.iter().all(|row| row.name != name) {
            let known: Vec<&str> = rows.iter().map(|row| row.name).collect();
            let (hint, families) = (hint(name, &known), families::listed(families));
            problems.add(&entry.place, format!("axis `{name}` is not a parameter of {families}{hint}"));
            return axis;
        }
    }
    let items = match &entry.value.content {
        Content::Sequence(items) if !items.is_empty() => items,
        _ if entry.value.is_null() || matches!(entry.value.content, Content::Sequence(_)) => {
            problems.add(&entry.place, format!("axis `{name}` has no values"));
            return axis;
        }
        _ => {
            must_be(&format!("axis `{name}`"), "a list of values", &entry.value, problems);
            return axis;
        }
    };
    let what = format!("each value of axis `{name}`");
    let mut taken = HashSet::new();
    for item in items {
        let Some(value) = value(item, families, name, &what, spec_file, problems) else { continue };
        if !taken.insert(Identity::of(&value)) {
            problems.add(&item.place, format!("axis `{name}` repeats the value `{value}`"));
        }
        axis.values.push(value);
    }
    axis
}

/// What makes two values of an axis the same: 1 and 1.0 are, 1 and "1" are not.
#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Bool(bool),
    Int(i64),
    Float(u64),
    Text(String),
}

impl Identity {
    fn of(value: &Value) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => match whole_number(*value) {
                Some(whole) => Self::Int(whole),
                None => Self::Float(value.to_bits()),
            },
            Value::Text(text) => Self::Text(text.clone()),
        }
    }
}

/// The number as an integer, where it is one that f64 and i64 both hold exactly.
fn whole_number(value: f64) -> Option<i64> {
    let exact = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and under 2^53, as just checked")]
    exact.then_some(value as i64)
}

/// Names that are the same column or variable but not the same word.
fn check_names(trainer: &Trainer, grids: &[Vec<RawAxis<'_>>], problems: &mut Problems) {
    let fixed = trainer.fixed.iter().map(|fixed| (fixed.name.as_str(), &fixed.place, true));
    let swept = grids.iter().flatten().map(|axis| (axis.name, axis.place, false));
    let mut taken = std::collections::HashMap::new();
    for (name, place, is_fixed) in fixed.chain(swept) {
        let (first, first_is_fixed) = *taken.entry(fold(name)).or_insert((name, is_fixed));
        // Two fixed ones were reported when they were read.
        if first != name && !(first_is_fixed && is_fixed) {
            let message = format!("`{name}` and `{first}` differ only in case or in `-` and `_`");
            problems.add(place, message);
        }
    }
}

/// A fixed value that no grid leaves room for.
fn check_fixed(trainer: &Trainer, grids: &[Vec<RawAxis<'_>>], problems: &mut Problems) {
    for fixed in &trainer.fixed {
        let sweeps = |grid: &Vec<RawAxis<'_>>| grid.iter().any(|axis| axis.name == fixed.name);
        if !grids.is_empty() && grids.iter().all(sweeps) {
            let axis = grids.iter().flatten().find(|axis| axis.name == fixed.name);
            let place = axis.map_or(&fixed.place, |axis| axis.place);
            let (name, section) = (&fixed.name, fixed.section.as_str());
            let message = format!("axis `{name}` is also fixed as `{section}.{name}` at {}", fixed.place);
            problems.add(place, message);
        }
    }
}

/// Places of the command that some run could not fill.
fn check_command(trainer: &Trainer, grids: &[Vec<RawAxis<'_>>], problems: &mut Problems) {
    let fixed = || trainer.fixed.iter().map(|fixed| fixed.name.as_str());
    let swept = || grids.iter().flatten().map(|axis| axis.name);
    for (argument, place) in &trainer.command {
        for name in places(argument) {
            if BUILT_IN_PLACES.contains(&name) || fixed().any(|fixed| fixed == name) {
                continue;
            }
            let lacking = grids.iter().position(|grid| grid.iter().all(|axis| axis.name != name));
            let Some(lacking) = lacking else { continue };
            if swept().any(|axis| axis == name) {
                problems.add(place, format!("`{{{name}}}` has no value in grid {lacking}"));
                continue;
            }
            let mut seen = HashSet::new();
            let known: Vec<&str> =
                fixed().chain(swept()).chain(BUILT_IN_PLACES).filter(|name| seen.insert(*name)).collect();
            let hint = hint(name, &known);
            let message = format!(
                "`{{{name}}}` names no axis or parameter (write `{{{{{name}}}}}` for the text itself){hint}"
            );
            problems.add(place, message);
        }
    }
}

/// The number of runs from the lengths alone, before anything is made of it.
fn check_size(grids: &[Vec<RawAxis<'_>>], n_seeds: usize, place: &Place, problems: &mut Problems) {
    let points = grids.iter().map(|grid| {
        grid.iter().fold(1_u128, |product, axis| product.saturating_mul(axis.values.len() as u128))
    });
    let points = points.fold(0_u128, u128::saturating_add);
    let runs = points.saturating_mul(n_seeds as u128);
    if runs > MAX_RUNS {
        let message = format!(
            "the grid has {} runs ({} grid points, seeds: {n_seeds}); at most {} are allowed",
            grouped(runs),
            grouped(points),
            grouped(MAX_RUNS)
        );
        problems.add(place, message);
    }
}

/// `1,000,000`.
fn grouped(number: u128) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Fills the defaults in: a default is fixed where some grid does not sweep its parameter.
fn whole(trainer: Trainer, grids: Vec<Vec<RawAxis<'_>>>) -> Swept {
    let mut fixed: Parameters =
        trainer.fixed.into_iter().filter_map(|fixed| fixed.value.map(|value| (fixed.name, value))).collect();
    for row in parameters_of_any(&trainer.families) {
        let swept = grids.iter().all(|grid| grid.iter().any(|axis| axis.name == row.name));
        if let Default::Value(value) = &row.default
            && !swept
        {
            fixed.entry(row.name.to_owned()).or_insert_with(|| value.clone());
        }
    }
    let grids = grids
        .into_iter()
        .map(|grid| Grid {
            axes: grid
                .into_iter()
                .map(|axis| Axis { name: axis.name.to_owned(), values: axis.values })
                .collect(),
        })
        .collect();
    let command = trainer.command.into_iter().map(|(argument, _)| argument).collect();
    Swept { family: trainer.said.map(|(family, _)| family), command, fixed, grids }
}
