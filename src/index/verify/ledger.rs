//! The grid, `ledger.json` and the ledger's rows: every run exactly once. Pure.

use std::collections::{HashMap, HashSet};

use super::{Difference, Side};
use crate::{
    base::human::counted,
    grid::{self, Suggested},
    index::folders::FoundExperiment,
    store::{ExperimentRecord, RunRecord},
};

/// Says where grid and rows disagree.
pub(super) fn compare(
    found: &FoundExperiment,
    record: &ExperimentRecord,
    records: &[RunRecord],
    differences: &mut Vec<Difference>,
) {
    let mut say = |run: Option<&str>, right: Side, what: String| {
        differences.push(Difference { run: run.map(str::to_owned), what, right });
    };
    let file = &found.file;
    for (what, is_same) in [
        ("spec", file.spec == record.spec),
        ("content id of the images", file.fingerprint == record.fingerprint),
        // Of version 0.1 it is guessed.
        ("time of creation", file.created == record.created || !found.notes.is_empty()),
    ] {
        if !is_same {
            let what = format!(
                "`ledger.json` has another {what} than the database; the next run of the spec writes it anew"
            );
            say(None, Side::Database, what);
        }
    }
    let mut rows: HashMap<&str, Vec<&RunRecord>> = HashMap::new();
    for run in records {
        rows.entry(run.spec.id.as_str()).or_default().push(run);
    }
    let mut places: HashSet<u64> = HashSet::new();
    for run in grid::runs_with(&record.spec, &found.points) {
        let there = rows.remove(run.id.as_str()).unwrap_or_default();
        let is_deleted = file.without.contains(&run.id);
        match &there[..] {
            [] if is_deleted => {}
            [] => say(Some(&run.name), Side::Files, "it is in the grid and not in the database".to_owned()),
            [row] => {
                if row.spec.index != run.index {
                    let what = format!(
                        "it is at place {} of the grid, the database says {}",
                        run.index.get(),
                        row.spec.index.get()
                    );
                    say(Some(&row.spec.name), Side::Files, what);
                }
                let name = file.names.get(&run.id).unwrap_or(&run.name);
                if *name != row.spec.name {
                    let what = format!("its folder is `{name}`");
                    say(Some(&row.spec.name), Side::Files, what);
                }
                if !places.insert(row.spec.index.get()) {
                    say(
                        Some(&row.spec.name),
                        Side::Files,
                        "another run has its place in the grid".to_owned(),
                    );
                }
            }
            several => {
                say(Some(&run.name), Side::Files, format!("it is {} times in the database", several.len()));
            }
        }
    }
    let mut left: Vec<&RunRecord> = rows.into_values().flatten().collect();
    left.sort_by_key(|run| run.spec.index);
    for run in left {
        let what = format!("its content id {} is none of the grid", run.spec.id);
        say(Some(&run.spec.name), Side::Files, what);
    }
}

/// Says where the points of a search and their rows disagree.
pub(super) fn compare_points(file: &[Suggested], rows: &[Suggested], differences: &mut Vec<Difference>) {
    let mut say = |what: String| differences.push(Difference { run: None, what, right: Side::Files });
    if file.len() != rows.len() {
        let (n, there) = (counted(file.len(), "point"), rows.len());
        say(format!("`search.jsonl` has {n} that the search has suggested, the database has {there}"));
    }
    if let Some((point, _)) = file.iter().zip(rows).find(|(point, row)| point != row) {
        say(format!(
            "point {} of the search is another one in `search.jsonl` than in the database",
            point.number
        ));
    }
}
