//! The `grid` section, and whether what is swept and what is fixed make whole runs together.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    MAX_RUNS,
    axes::{RawAxis, axis},
    families,
    parameters::Trainer,
    search,
    section::Section,
    zip,
};
use crate::spec::{
    Axis, Family, Grid, Parameters, SearchPlan,
    command::{BUILT_IN_PLACES, places},
    names::fold,
    parameter::{Default, parameters_of_any},
    problem::{Place, Problems, hint},
    yaml::{Content, Node},
};

/// What `grid` makes of a trainer.
pub(super) struct Swept {
    /// The family of the runs whose grid does not sweep it.
    pub(super) family: Option<Family>,
    pub(super) command: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) cwd: Option<PathBuf>,
    pub(super) fixed: Parameters,
    pub(super) grids: Vec<Grid>,
    pub(super) exclude: Vec<Parameters>,
}

/// Reads the section and checks it against the trainer.
pub(super) fn read(
    top: &Section<'_>,
    trainer: Trainer,
    (search, n_seeds): (Option<SearchPlan>, usize),
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Swept> {
    let place = top.entry("grid").map_or(&top.place, |entry| &entry.place);
    let mut read_axes = |node, path: &str, place| axes(node, path, place, &trainer, spec_file, problems);
    let grids: Vec<Option<Vec<Vec<RawAxis<'_>>>>> = match top.given("grid") {
        None => vec![Some(vec![Vec::new()])],
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
    let grids: Vec<Vec<RawAxis<'_>>> =
        grids.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    check_names(&trainer, &grids, problems);
    check_fixed(&trainer, &grids, problems);
    if trainer.is_sure && !trainer.is_command() {
        families::check(top, &trainer, &grids, problems);
    }
    check_command(&trainer, &grids, problems);
    let exclude = search::exclude(top, &trainer, &grids, spec_file, problems);
    search::check(top, search, &grids, problems);
    check_size(&grids, search, n_seeds, place, problems);
    Some(Swept { exclude, ..whole(trainer, grids) })
}

/// Reads the axes of one grid: the grid itself, or one for each row of axes that are zipped (`"a, b": [[1, 2], [3, 4]]`).
fn axes<'a>(
    node: &'a Node,
    path: &str,
    place: &Place,
    trainer: &Trainer,
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Vec<Vec<RawAxis<'a>>>> {
    let section = Section::open(node, path, place, problems)?;
    let mut grids = vec![Vec::new()];
    let mut seen: Vec<&str> = Vec::new();
    for entry in &section.entries {
        let rows = if entry.key.contains(',') {
            zip::read(entry, trainer, spec_file, problems)
        } else {
            vec![vec![axis(entry, trainer, spec_file, problems)]]
        };
        for axis in rows.first().into_iter().flatten() {
            if seen.contains(&axis.name) {
                problems.add(axis.place, format!("axis `{}` is given twice in one grid", axis.name));
            }
            seen.push(axis.name);
        }
        let mut longer = Vec::with_capacity(grids.len() * rows.len());
        for grid in &grids {
            longer.extend(rows.iter().map(|row| [grid.as_slice(), row].concat()));
        }
        grids = longer;
    }
    Some(grids)
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
fn check_size(
    grids: &[Vec<RawAxis<'_>>],
    search: Option<SearchPlan>,
    n_seeds: usize,
    place: &Place,
    problems: &mut Problems,
) {
    let points = grids.iter().map(|grid| {
        grid.iter().fold(1_u128, |product, axis| product.saturating_mul(axis.values.len() as u128))
    });
    let points = match search {
        Some(search) => search.points.into(),
        None => points.fold(0_u128, u128::saturating_add),
    };
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
                .map(|axis| Axis { name: axis.name.to_owned(), values: axis.values, range: axis.range })
                .collect(),
        })
        .collect();
    let command = trainer.command.into_iter().map(|(argument, _)| argument).collect();
    let (family, env, cwd) = (trainer.said.map(|(family, _)| family), trainer.env, trainer.cwd);
    Swept { family, command, env, cwd, fixed, grids, exclude: Vec::new() }
}
