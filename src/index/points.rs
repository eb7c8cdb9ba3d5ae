//! `search.jsonl`: the points that the search of an experiment has suggested, in its folder.

use std::io;

use crate::{
    base::files::{Durability, FileError, append_line, read_regular, remove_if_there, write_whole},
    grid::{Suggested, parse_points},
    run::ExperimentDir,
};

/// No file of points is larger, bytes.
const MOST_BYTES: u64 = 1 << 30;

/// The points that were suggested; none where nothing was searched.
///
/// # Errors
/// Where the file is there and cannot be read.
pub(crate) fn read_points(dir: &ExperimentDir) -> Result<Vec<Suggested>, FileError> {
    match read_regular(&dir.search(), MOST_BYTES) {
        Ok(bytes) => Ok(parse_points(&bytes)),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Appends a point.
///
/// # Errors
/// The file and what failed; the reader minds no part of a line.
pub(crate) fn append_point(dir: &ExperimentDir, point: &Suggested) -> Result<(), FileError> {
    append_line(&dir.search(), &line(point), Durability::Written)
}

/// Keeps these points, and no others.
///
/// # Errors
/// The file and what failed.
pub(crate) fn write_points(dir: &ExperimentDir, points: &[Suggested]) -> Result<(), FileError> {
    if points.is_empty() {
        return remove_if_there(&dir.search());
    }
    let text: Vec<u8> = points.iter().flat_map(|point| [line(point), b"\n".to_vec()].concat()).collect();
    write_whole(&dir.search(), &[&text], Durability::Synced)
}

fn line(point: &Suggested) -> Vec<u8> {
    serde_json::to_vec(point).expect("names and numbers are JSON")
}
