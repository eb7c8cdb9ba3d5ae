//! The folders of an experiment's runs, read on a thread of its own and all cores, a piece ahead of who takes them.

use std::sync::mpsc;

use rayon::prelude::{IntoParallelIterator as _, ParallelIterator as _};

use super::folders::{self, FoundRun};
use crate::{
    base::{files::FileError, signals::Signals},
    grid::Suggested,
    run::{ExperimentDir, LedgerFile, RunDir, RunSpec},
};

/// Runs that are read in one piece.
const PIECE: usize = 32;

/// A piece of an experiment's runs, in the order of the grid.
pub(crate) type Piece = Vec<(RunSpec, Result<FoundRun, String>)>;

/// Reads the folders of an experiment's runs.
///
/// # Errors
/// Where no thread can be started.
pub(crate) fn read_ahead(
    dir: &ExperimentDir,
    file: &LedgerFile,
    points: &[Suggested],
    signals: &Signals,
) -> Result<mpsc::Receiver<Piece>, FileError> {
    let (sender, pieces) = mpsc::sync_channel::<Piece>(1);
    let (folder, file, signals) = (dir.clone(), file.clone(), signals.clone());
    let points = points.to_vec();
    let read = move || {
        let read = |run: RunSpec| {
            let relative = format!("{}/{}/{}", file.spec.name, run.name, RunDir::PREDICTIONS);
            let found = folders::run(&folder.run(&run.name), &file.spec, &relative, file.linked());
            (run, found)
        };
        let mut runs = folders::runs(&file, &points);
        loop {
            let piece: Vec<RunSpec> = runs.by_ref().take(PIECE).collect();
            // Nobody takes them any more where the writer has failed.
            if piece.is_empty()
                || signals.heard()
                || sender.send(piece.into_par_iter().map(read).collect()).is_err()
            {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read).map_err(FileError::at("start a thread for", dir.path()))?;
    Ok(pieces)
}
