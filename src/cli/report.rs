//! `gridboard report`: make an experiment's report anew from the database.

use std::path::Path;

use super::{CliError, exit, experiments, output, runtime};
use crate::{store::Store, sweep};

/// Write an experiment's tables and figures anew from the database
///
/// Prints the paths of what it wrote. The same database gives the same bytes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment
    experiment: String,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        // Looked for before anything is written: a directory that was mistyped must not get a database.
        experiments::named(&mut Store::open_existing(runs_dir).await?, runs_dir, &args.experiment).await?;
        let mut store = Store::open(runs_dir).await?;
        let record = experiments::named(&mut store, runs_dir, &args.experiment).await?;
        let finished = sweep::report(&mut store, runs_dir, &record).await?;
        store.leave().await?;
        for warning in &finished.warnings {
            output::note(&format!("warning: {warning}"));
        }
        let paths: Vec<String> = finished.paths.iter().map(|path| path.display().to_string()).collect();
        output::data(&paths.join("\n"))?;
        Ok(exit::DONE)
    })
}
