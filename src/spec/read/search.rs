//! `search` and `exclude`: which points of the space are trained.

use std::path::Path;

use super::{
    MAX_RUNS,
    axes::RawAxis,
    parameters::{Trainer, value},
    section::{Section, must_be},
};
use crate::spec::{
    Parameters, SearchMethod, SearchPlan, Value,
    problem::{Place, Problems, hint},
    yaml::{Content, Entry, Node},
};

/// Reads `search`; `None` without it, and where it is `{method: grid}`.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> Option<SearchPlan> {
    let entry = top.given("search")?;
    let section = Section::open(&entry.value, "search", &entry.place, problems)?;
    section.only(&["method", "points", "seed"], problems);
    let mut words = vec![("grid", None)];
    words.extend(SearchMethod::WORDS.map(|(word, method)| (word, Some(method))));
    if section.given("method").is_none() {
        section.missing("method", "`grid`, `random`, `sobol` or `tpe`", problems);
        return None;
    }
    let method = section.word("method", &words, problems)?;
    let Some(method) = method else {
        if let Some(entry) = section.entry("points") {
            problems.add(&entry.place, "`search.points`: a whole grid has all its points; leave it out");
        }
        return None;
    };
    let seed = section.seed("seed", problems).unwrap_or(0);
    if section.given("points").is_none() {
        section.missing("points", "how many points are trained", problems);
        return None;
    }
    let most = i64::try_from(MAX_RUNS).unwrap_or(i64::MAX);
    let points = section.int("points", 1, most, problems)?;
    Some(SearchPlan { method, points: points.unsigned_abs(), seed })
}

/// Ranges without a search, and searches of more points than there are.
pub(super) fn check(
    top: &Section<'_>,
    search: Option<SearchPlan>,
    grids: &[Vec<RawAxis<'_>>],
    problems: &mut Problems,
) {
    if top.given("search").is_some() && search.is_none() && problems.len() > 0 {
        return;
    }
    let Some(search) = search else {
        for axis in grids.iter().flatten().filter(|axis| axis.range.is_some()) {
            let message = format!(
                "axis `{}` is a range, and nothing says which of its values are tried; add `search: {{method: random, points: 50}}`",
                axis.name
            );
            problems.add(axis.place, message);
        }
        return;
    };
    // Of a mistaken axis nothing can be counted; it was reported.
    if grids.iter().flatten().any(|axis| axis.range.is_none() && axis.values.is_empty()) {
        return;
    }
    let count = |axis: &RawAxis<'_>| match axis.range {
        Some(range) => range.step.map(|step| ((range.to - range.from) / step).round() as u128 + 1),
        None => Some(axis.values.len() as u128),
    };
    let of_grid = |grid: &Vec<RawAxis<'_>>| {
        grid.iter().try_fold(1_u128, |all, axis| Some(all.saturating_mul(count(axis)?)))
    };
    let all = grids.iter().try_fold(0_u128, |all, grid| Some(all.saturating_add(of_grid(grid)?)));
    if let Some(all) = all.filter(|all| *all < u128::from(search.points)) {
        let place = top.entry("search").map_or(&top.place, |entry| &entry.place);
        let message = format!(
            "`search.points` is {}, and there are only {all}; `search: {{method: grid}}` trains them all",
            search.points
        );
        problems.add(place, message);
    }
}

/// Reads `exclude`: rules of values that swept parameters have together.
pub(super) fn exclude(
    top: &Section<'_>,
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    spec_file: &Path,
    problems: &mut Problems,
) -> Vec<Parameters> {
    let Some(entry) = top.given("exclude") else { return Vec::new() };
    let expected = "a list of mappings, such as [{conv_layers: 3, layer_size: 128}]";
    let Content::Sequence(items) = &entry.value.content else {
        must_be("`exclude`", expected, &entry.value, problems);
        return Vec::new();
    };
    items.iter().filter_map(|item| rule(item, &entry.place, trainer, grids, spec_file, problems)).collect()
}

fn rule(
    item: &Node,
    place: &Place,
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Parameters> {
    let section = Section::open(item, "exclude", place, problems)?;
    if section.entries.is_empty() {
        problems.add(&item.place, "a rule of `exclude` without values would leave out every point");
        return None;
    }
    let rule = section.entries.iter().map(|entry| {
        let value = condition(entry, trainer, grids, spec_file, problems)?;
        Some((entry.key.clone(), value))
    });
    // All are read, so that all mistakes are told.
    rule.collect::<Vec<_>>().into_iter().collect()
}

/// A value that an axis has.
fn condition(
    entry: &Entry,
    trainer: &Trainer,
    grids: &[Vec<RawAxis<'_>>],
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Value> {
    let name = entry.key.as_str();
    let axes = || grids.iter().flatten().filter(|axis| axis.name == name);
    if axes().next().is_none() {
        let mut known: Vec<&str> = grids.iter().flatten().map(|axis| axis.name).collect();
        known.sort_unstable();
        known.dedup();
        let message = format!("`exclude`: `{name}` is no axis of the grid{}", hint(name, &known));
        problems.add(&entry.place, message);
        return None;
    }
    let what = format!("`exclude.{name}`");
    let value = value(&entry.value, &trainer.families, name, &what, spec_file, problems)?;
    let has =
        |axis: &RawAxis<'_>| axis.range.is_some() || axis.values.is_empty() || axis.values.contains(&value);
    if !axes().any(has) {
        let message =
            format!("`exclude`: axis `{name}` has no value `{value}`, so the rule leaves nothing out");
        problems.add(&entry.value.place, message);
        return None;
    }
    Some(value)
}
