//! What lies in a log directory: every directory with event files, with its tags, times and HParams records. Reads only.

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
};

use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};

use super::words;
use crate::{
    base::signals::Signals,
    spec::Value,
    tfevents::{
        EventReader, ScalarTags, Told,
        hparams::{HParamsRecord, Status},
    },
};

/// Directories lie no deeper.
const MAX_DEPTH: usize = 12;

/// A directory with event files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LogDir {
    /// Path below the log directory, with slashes; empty for itself.
    pub(super) path: String,
    /// Its event files, absolute, by name.
    pub(super) files: Vec<PathBuf>,
    /// Tags of its scalars.
    pub(super) tags: BTreeSet<String>,
    /// The parameters of its HParams session, where it has one.
    pub(super) hparams: Option<Vec<(String, Value)>>,
    /// How its session ended, where it says.
    pub(super) status: Option<Status>,
    /// Metrics of an HParams experiment record: sub-run and tag.
    pub(super) metrics: Vec<(String, String)>,
    /// Times of its first and last event, seconds since 1970.
    pub(super) times: Option<(f64, f64)>,
    /// The machine, by the names of the files.
    pub(super) host: Option<String>,
}

/// Every directory with event files below `root`, by path, and what cannot be read.
pub(super) fn scan(root: &Path, signals: &Signals) -> (Vec<LogDir>, Vec<String>) {
    let mut notes = Vec::new();
    let mut found = Vec::new();
    let mut seen = HashSet::from([root.to_owned()]);
    let mut waiting = vec![(root.to_owned(), String::new(), 0)];
    while let Some((folder, path, depth)) = waiting.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                notes.push(format!("cannot read `{}`: {error}", folder.display()));
                continue;
            }
        };
        let mut files = Vec::new();
        for entry in entries.flatten() {
            let (at, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            // Through links, as TensorBoard goes, but not out of the directory nor round in a circle.
            let Ok(real) = fs::canonicalize(&at) else { continue };
            if real.is_dir() {
                if depth < MAX_DEPTH && real.starts_with(root) && seen.insert(real) {
                    let below = if path.is_empty() { name } else { format!("{path}/{name}") };
                    waiting.push((at, below, depth + 1));
                }
            } else if real.is_file() && name.contains("tfevents") {
                if real.starts_with(root) {
                    files.push(at);
                } else {
                    notes.push(format!("`{}` leads out of the directory: it is left out", at.display()));
                }
            }
        }
        if !files.is_empty() {
            files.sort();
            found.push(LogDir { path, files, ..LogDir::default() });
        }
    }
    found.sort_by(|left, right| left.path.cmp(&right.path));
    let read: Vec<(LogDir, Vec<String>)> = found
        .into_par_iter()
        .map(|dir| if signals.heard() { (dir, Vec::new()) } else { read(dir) })
        .collect();
    let mut dirs = Vec::with_capacity(read.len());
    for (dir, problems) in read {
        dirs.push(dir);
        notes.extend(problems);
    }
    (dirs, notes)
}

/// Reads the event files of a directory.
fn read(mut dir: LogDir) -> (LogDir, Vec<String>) {
    let (mut tags, mut problems) = (ScalarTags::default(), Vec::new());
    for path in dir.files.clone() {
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) => {
                problems.push(format!("cannot read `{}`: {error}", path.display()));
                continue;
            }
        };
        dir.host = dir.host.or_else(|| host_of(&path));
        let mut records = Vec::new();
        let result = EventReader::new(file, 0).read_with_hparams(
            &mut tags,
            |told| {
                let Told::Point(point) = told else { return };
                if !dir.tags.contains(point.tag) {
                    dir.tags.insert(point.tag.to_owned());
                }
                if point.wall_time.is_finite() {
                    at(&mut dir.times, point.wall_time);
                }
            },
            |record| records.push(record),
        );
        if let Err(error) = result {
            problems.push(format!("`{}` is {}", path.display(), words(&error)));
        }
        for record in records {
            match record {
                HParamsRecord::Experiment { metrics } => dir.metrics.extend(metrics),
                HParamsRecord::Start { hparams, started } => {
                    // TensorBoard keeps the first of several.
                    dir.hparams.get_or_insert(hparams);
                    started.into_iter().for_each(|time| at(&mut dir.times, time));
                }
                HParamsRecord::End { status, ended } => {
                    dir.status = dir.status.or(status);
                    ended.into_iter().for_each(|time| at(&mut dir.times, time));
                }
            }
        }
    }
    (dir, problems)
}

fn at(times: &mut Option<(f64, f64)>, time: f64) {
    let (first, last) = times.unwrap_or((time, time));
    *times = Some((first.min(time), last.max(time)));
}

/// The machine that `events.out.tfevents.1700000000.box.4711.0` was written on.
fn host_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy();
    let (_, rest) = name.split_once("tfevents.")?;
    let mut parts = rest.split('.');
    let is_time = |part: &str| part.chars().all(|digit| digit.is_ascii_digit());
    parts.next().filter(|part| is_time(part))?;
    parts.next().filter(|part| !part.is_empty() && !is_time(part)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_in_the_name_of_a_file() {
        let host = |name: &str| host_of(Path::new(name));
        assert_eq!(host("a/events.out.tfevents.1795829268.vm.29252.8"), Some("vm".to_owned()));
        assert_eq!(host("events.out.tfevents.1795829250.vm"), Some("vm".to_owned()));
        assert_eq!(host("events.out.tfevents"), None);
        assert_eq!(host("tfevents.123.4"), None);
    }
}
