//! Axes that go together, `"width, depth": [[32, 4], [64, 2]]`: their values are taken row by row.

use std::path::Path;

use super::{
    axes::{RawAxis, is_parameter},
    parameters::{Trainer, value},
    section::must_be,
};
use crate::spec::{
    problem::Problems,
    yaml::{Content, Entry},
};

/// The rows: in each every axis has one value. A single row of axes without values where something is wrong, which was
/// reported.
pub(super) fn read<'a>(
    entry: &'a Entry,
    trainer: &Trainer,
    spec_file: &Path,
    problems: &mut Problems,
) -> Vec<Vec<RawAxis<'a>>> {
    let names: Vec<&str> = entry.key.split(',').map(str::trim).collect();
    let axis = |name: &&'a str| RawAxis { name, place: &entry.place, values: Vec::new(), range: None };
    let without_values = || vec![names.iter().map(axis).collect()];
    let mut is_good = true;
    for name in &names {
        if name.is_empty() {
            problems.add(&entry.place, format!("`{}` has a comma without the name of an axis", entry.key));
            return vec![Vec::new()];
        }
        is_good &= is_parameter(name, &entry.place, trainer, problems);
    }
    let expected = format!("a list of rows with {} values each, one for each axis", names.len());
    let Content::Sequence(items) = &entry.value.content else {
        must_be(&format!("`{}`", entry.key), &expected, &entry.value, problems);
        return without_values();
    };
    if items.is_empty() {
        problems.add(&entry.place, format!("axes `{}` have no values", entry.key));
    }
    let mut rows: Vec<Vec<RawAxis<'a>>> = Vec::new();
    for item in items {
        let values = match &item.content {
            Content::Sequence(values) if values.len() == names.len() => values,
            _ => {
                must_be(
                    &format!("each row of `{}`", entry.key),
                    &format!("a list of {} values", names.len()),
                    item,
                    problems,
                );
                is_good = false;
                continue;
            }
        };
        let mut row = without_values().remove(0);
        for (axis, node) in row.iter_mut().zip(values) {
            let what = format!("each value of axis `{}`", axis.name);
            let value = if is_good {
                value(node, &trainer.families, axis.name, &what, spec_file, problems)
            } else {
                None
            };
            is_good &= value.is_some();
            axis.values.extend(value);
        }
        let same = |other: &Vec<RawAxis<'a>>| other.iter().zip(&row).all(|(a, b)| a.values == b.values);
        if is_good && rows.iter().any(same) {
            problems.add(&item.place, format!("`{}` repeats a row", entry.key));
        }
        rows.push(row);
    }
    if is_good && !rows.is_empty() { rows } else { without_values() }
}
