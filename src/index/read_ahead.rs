//! The folders of an experiment's runs, read on a thread of its own and all cores, a piece ahead of who takes them.

use std::sync::mpsc;

use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};

use super::folders::{self, FoundRun};
use crate::{
    base::{files::FileError, signals::Signals},
    grid::Suggested,
    run::{ExperimentDir, LedgerFile, RunDir, RunSpec},
};

/// Runs that are read in one piece, at most and at first.
const RUNS: (usize, usize) = (32, 2);

/// A piece with more points than this is followed by a smaller one: memory is not to grow with the length of curves.
const MANY_POINTS: usize = 100_000;

/// A piece of an experiment's runs, in the order of the grid.
pub(crate) type Piece = Vec<(RunSpec, Result<FoundRun, String>)>;

/// Reads the folders of an experiment's runs. What is sent of each piece `prepare` makes of it, on the thread that reads.
///
/// # Errors
/// Where no thread can be started.
pub(crate) fn read_ahead<T: Send + 'static>(
    dir: &ExperimentDir,
    file: &LedgerFile,
    points: &[Suggested],
    signals: &Signals,
    mut prepare: impl FnMut(Piece) -> T + Send + 'static,
) -> Result<mpsc::Receiver<T>, FileError> {
    let (sender, pieces) = mpsc::sync_channel(1);
    let (folder, file, signals) = (dir.clone(), file.clone(), signals.clone());
    let points = points.to_vec();
    let read = move || {
        let read = |run: RunSpec| {
            let relative = format!("{}/{}/{}", file.spec.name, run.name, RunDir::PREDICTIONS);
            let found = folders::run(&folder.run(&run.name), &file.spec, &relative, file.linked());
            (run, found)
        };
        let mut runs = folders::runs(&file, &points);
        let (most, mut size) = RUNS;
        loop {
            let specs: Vec<RunSpec> = runs.by_ref().take(size).collect();
            if specs.is_empty() || signals.heard() {
                return;
            }
            let piece: Piece = specs.into_par_iter().map(read).collect();
            let points: usize =
                piece.iter().flat_map(|(_, found)| found).map(|found| found.points.len()).sum();
            size = if points > MANY_POINTS { size.div_ceil(2) } else { most.min(size * 2) };
            // Nobody takes them any more where the writer has failed.
            if sender.send(prepare(piece)).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read).map_err(FileError::at("start a thread for", dir.path()))?;
    Ok(pieces)
}
