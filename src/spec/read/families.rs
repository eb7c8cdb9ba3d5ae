//! Whether every run has the parameters of its family and no other, where grids may sweep the family itself.
//!
//! Called once the axes are read; what no family knows was reported then.

use super::{
    axes::{RawAxis, listed},
    parameters::{Fixed, Trainer},
    section::{Section, text},
};
use crate::spec::{
    FAMILY_AXIS, Family, Value,
    devices::DeviceChoice,
    parameter::{Default, parameter, parameters},
    problem::{Place, Problems},
    yaml::Content,
};

/// Reports every grid whose families and parameters do not fit.
pub(super) fn check(
    top: &Section<'_>,
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    problems: &mut Problems,
) {
    let families: Vec<Vec<Family>> = grids.iter().map(|grid| families_of(grid, trainer)).collect();
    check_family(top, trainer, grids, problems);
    check_foreign(trainer, grids, &families, problems);
    check_required(top, trainer, grids, &families, problems);
    for (grid, families) in grids.iter().zip(&families) {
        check_together(trainer, grid, families, problems);
    }
    check_precision(top, trainer, grids, problems);
}

/// The families of a grid's runs; none where its axis has no good value, which was reported.
fn families_of(grid: &[RawAxis<'_>], trainer: &Trainer) -> Vec<Family> {
    match grid.iter().find(|axis| axis.name == FAMILY_AXIS) {
        Some(axis) => axis.values.iter().filter_map(word).filter_map(Family::built_in).collect(),
        None => trainer.said.iter().map(|(family, _)| *family).collect(),
    }
}

fn word(value: &Value) -> Option<&str> {
    match value {
        Value::Text(word) => Some(word),
        _ => None,
    }
}

/// The family is fixed where some grid needs it, and only there.
fn check_family(top: &Section<'_>, trainer: &Trainer, grids: &[Vec<RawAxis<'_>>], problems: &mut Problems) {
    let axis = |grid: &Vec<RawAxis<'_>>| grid.iter().position(|axis| axis.name == FAMILY_AXIS);
    match (&trainer.said, grids.iter().position(|grid| axis(grid).is_none())) {
        (Some((_, place)), None) => {
            let first = grids.iter().flatten().find(|axis| axis.name == FAMILY_AXIS);
            if let Some(first) = first {
                let message = format!("axis `family` is also fixed as `model.family` at {place}");
                problems.add(first.place, message);
            }
        }
        (None, Some(lacking)) => {
            let place = top.entry("model").map_or(&top.place, |entry| &entry.place);
            let message = format!(
                "`model.family` is missing; fix it, or sweep it as an axis of `grid` (grid {lacking} has no such axis)"
            );
            problems.add(place, message);
        }
        _ => {}
    }
}

/// A parameter that a family of some run does not have: it would be ignored without a word.
fn check_foreign(
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    families: &[Vec<Family>],
    problems: &mut Problems,
) {
    let lacking = |name: &str, families: &[Family]| -> Vec<Family> {
        families.iter().copied().filter(|family| parameter(*family, name).is_none()).collect()
    };
    let with = |name: &str| {
        let having: Vec<Family> =
            Family::BUILT_IN.into_iter().filter(|family| parameter(*family, name).is_some()).collect();
        listed(&having)
    };
    for Fixed { name, section, place, .. } in &trainer.fixed {
        let lacking = lacking(name, &trainer.families);
        if !lacking.is_empty() {
            let message = format!(
                "`{section}.{name}` is not a parameter of {}; make it an axis of the grids that sweep only {}",
                listed(&lacking),
                with(name),
                section = section.as_str(),
            );
            problems.add(place, message);
        }
    }
    for (grid, families) in grids.iter().zip(families) {
        for axis in grid.iter().filter(|axis| axis.name != FAMILY_AXIS) {
            let lacking = lacking(axis.name, families);
            // One that none of them knows has been told with what they know.
            if !lacking.is_empty()
                && trainer.families.iter().any(|family| parameter(*family, axis.name).is_some())
            {
                let message = format!(
                    "axis `{name}` is not a parameter of {}; put it into a grid that sweeps only {}",
                    listed(&lacking),
                    with(axis.name),
                    name = axis.name,
                );
                problems.add(axis.place, message);
            }
        }
    }
}

/// A required parameter that some run would not have.
fn check_required(
    top: &Section<'_>,
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    families: &[Vec<Family>],
    problems: &mut Problems,
) {
    let mut told: Vec<&str> = Vec::new();
    for (number, (grid, families)) in grids.iter().zip(families).enumerate() {
        for (family, row) in families.iter().flat_map(|f| parameters(*f).iter().map(move |row| (f, row))) {
            let given = row.default != Default::Required
                || trainer.fixed.iter().any(|fixed| fixed.name == row.name)
                || grid.iter().any(|axis| axis.name == row.name);
            if given || told.contains(&row.name) {
                continue;
            }
            told.push(row.name);
            let (section, name) = (row.section.as_str(), row.name);
            let place = top.entry(section).map_or(&top.place, |entry| &entry.place);
            let shared = trainer.families.iter().all(|family| parameter(*family, name).is_some());
            let message = if shared {
                let of_grid = if grids.len() > 1 {
                    format!(" (grid {number} has no such axis)")
                } else {
                    String::new()
                };
                format!("`{section}.{name}` is missing; fix it, or sweep it as an axis of `grid`{of_grid}")
            } else {
                format!("`{name}` is missing, which `{family}` needs; make it an axis of grid {number}")
            };
            problems.add(place, message);
        }
    }
}

/// A precision that the devices of the spec do not have.
fn check_precision(
    top: &Section<'_>,
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    problems: &mut Problems,
) {
    let devices = devices(top).filter(|words| matches!(words.parse(), Ok(DeviceChoice::Cpu { .. })));
    let Some(devices) = devices.filter(|_| !trainer.is_command()) else { return };
    let swept = grids.iter().flatten().filter(|axis| axis.name == "precision");
    let swept = swept.map(|axis| (axis.values.as_slice(), axis.place));
    let fixed = trainer.fixed.iter().filter(|fixed| fixed.name == "precision");
    let fixed = fixed.map(|fixed| (fixed.value.as_slice(), &fixed.place));
    for (values, place) in swept.chain(fixed) {
        if values.iter().any(|value| word(value) == Some("tf32")) {
            let message =
                format!("`precision`: tf32 is for CUDA devices, and `schedule.devices` is `{devices}`");
            problems.add(place, message);
        }
    }
}

/// The words of `schedule.devices`, where they are text. What is wrong with them is reported elsewhere.
fn devices<'a>(top: &Section<'a>) -> Option<&'a str> {
    match &top.given("schedule")?.value.content {
        Content::Mapping(entries) => text(&entries.iter().find(|entry| entry.key == "devices")?.value),
        _ => None,
    }
}

/// Values that do not go together in some run.
fn check_together(trainer: &Trainer, grid: &[RawAxis<'_>], families: &[Family], problems: &mut Problems) {
    let find = |name: &str| -> Option<(Vec<&Value>, &Place)> {
        if let Some(axis) = grid.iter().find(|axis| axis.name == name) {
            return Some((axis.values.iter().collect(), axis.place));
        }
        let fixed = trainer.fixed.iter().find(|fixed| fixed.name == name)?;
        Some((fixed.value.iter().collect(), &fixed.place))
    };
    let has = |values: &[&Value], wanted: &str| values.iter().any(|value| word(value) == Some(wanted));
    let others: Vec<Family> = families.iter().copied().filter(|family| *family != Family::GridCnn).collect();
    if let Some((values, place)) = find("kernels")
        && has(&values, "fused")
        && !others.is_empty()
    {
        let message = format!(
            "`kernels`: there are no fused kernels for {}, only for `grid_cnn`; `auto` and `plain` compute them with \
             libtorch",
            listed(&others)
        );
        problems.add(place, message);
    }
    if let Some((values, place)) = find("precision")
        && has(&values, "bf16")
        && !others.is_empty()
    {
        let message = format!(
            "`precision`: bf16 is for `grid_cnn`, not for {}, which have `fp32`, and `tf32` on CUDA",
            listed(&others)
        );
        problems.add(place, message);
    }
    let Some((values, place)) = find("freeze").filter(|(values, _)| has(values, "backbone")) else { return };
    if find("initial_weights").is_none() {
        let message = "`freeze: backbone` would train the head on features of random weights; give \
                       `train.initial_weights`, a file of trained ones";
        problems.add(place, message);
    }
    if let Some((_, rate)) = find("backbone_learning_rate")
        && values.iter().all(|value| word(value) == Some("backbone"))
    {
        let message = format!("`backbone_learning_rate` has no effect: the backbone is frozen at {place}");
        problems.add(rate, message);
    }
}
