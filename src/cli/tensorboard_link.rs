//! Addresses at which TensorBoard shows something at once: with more than forty runs it ticks none by itself, and its older
//! pages (Text, Custom Scalars, Images) are empty until somebody does.
//!
//! Which runs are ticked is in the part of the address behind `#`, as base64 of a JSON object (TensorBoard's tf-storage).

use std::{collections::HashSet, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};

use super::CliError;
use crate::{
    rank::Leaderboard,
    run::{ExperimentDir, RunIndex},
    store::{ExperimentRecord, Reader, RunKey},
    sweep::MOST_TICKED,
    tags,
};

/// So many of the best runs are ticked.
const BEST: usize = 10;
/// A run's event files lie at most so deep in its folder.
const DEEPEST: usize = 3;

/// What to put behind TensorBoard's address for the table of the best runs, and for their curves; `None` where it ticks all
/// runs by itself. A sweep that goes on is taken as what it will be, for its addresses are told once.
///
/// # Errors
/// If the database cannot be read.
pub(super) async fn fragments(
    reader: &mut Reader,
    dir: &ExperimentDir,
    record: &ExperimentRecord,
) -> Result<Option<[String; 2]>, CliError> {
    let leaderboard = reader.leaderboard(record.key).await?;
    // The sweep's own run is one, and each of the grid's is at least one.
    let per_run = if record.spec.is_command() { 1 } else { 1 + tags::SUB_RUNS.len() };
    let coming = 1 + per_run * reader.runs(Some(record.key)).await?.len();
    let mut count = 1;
    let best_runs = best_runs(&leaderboard, record.spec.seeds.len() > 1);
    let mut best = vec![".".to_owned()];
    for row in &leaderboard.rows {
        let mut found = Vec::new();
        series(dir.run(&row.run).path(), &row.run, DEEPEST, &mut found);
        count += found.len();
        if best_runs.contains(&row.key) {
            // Curves of the batches and of the training images hide those that rank.
            let is_shown = |name: &String| {
                !["batch", "train"].iter().any(|folder| name.ends_with(&format!("/{folder}")))
            };
            best.extend(found.into_iter().filter(is_shown));
        }
    }
    let count = count.max(coming);
    let own = [".".to_owned()];
    Ok((count > MOST_TICKED).then(|| [fragment("text", &own), fragment("custom_scalars", &best)]))
}

/// The runs of the best places; of grid points with several seeds those of the first seed, which have the bands.
fn best_runs(leaderboard: &Leaderboard, by_point: bool) -> HashSet<RunKey> {
    if !by_point {
        let ranked = leaderboard.rows.iter().filter(|row| row.rank.is_some());
        return ranked.take(BEST).map(|row| row.key).collect();
    }
    let mut points = leaderboard.grid_points();
    points.retain(|point| point.rank.is_some());
    points.sort_by_key(|point| point.rank);
    let first: HashSet<RunIndex> = points.iter().take(BEST).map(|point| point.index).collect();
    leaderboard.rows.iter().filter(|row| first.contains(&row.index)).map(|row| row.key).collect()
}

/// The folders with event files, under the names that TensorBoard gives them.
fn series(folder: &Path, name: &str, deeper: usize, found: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    if entries.iter().any(|entry| entry.file_name().to_string_lossy().contains("tfevents")) {
        found.push(name.to_owned());
    }
    for entry in entries {
        if deeper > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let below = format!("{name}/{}", entry.file_name().to_string_lossy());
            series(&entry.path(), &below, deeper - 1, found);
        }
    }
}

/// A page of TensorBoard with these runs ticked.
fn fragment(page: &str, ticked: &[String]) -> String {
    let state: Map<String, Value> = ticked.iter().map(|run| (run.clone(), Value::Bool(true))).collect();
    let text = STANDARD.encode(Value::Object(state).to_string());
    // What base64 has that an address has another meaning for.
    let text = text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("#{page}&runSelectionState={text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ticked_is_in_the_address_as_tensorboard_reads_it() {
        // As TensorBoard 2.21 has it after a click.
        assert_eq!(fragment("text", &[".".to_owned()]), "#text&runSelectionState=eyIuIjp0cnVlfQ%3D%3D");
    }

    #[test]
    fn folders_with_event_files_have_the_names_of_tensorboard() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["a.tfevents.1", "train/b.tfevents.1", "empty/text", "x/y/c.tfevents.2"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut found = Vec::new();
        series(folder.path(), "run", DEEPEST, &mut found);
        assert_eq!(found, ["run", "run/train", "run/x/y"]);
    }
}
