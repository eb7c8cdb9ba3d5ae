//! `gridboard index`: the runs database made anew from the runs' folders.

use std::path::Path;

use serde_json::json;

use super::{CliError, apart, exit, output, progress::RunBar, runtime, signals};
use crate::{
    base::human::{bytes, counted},
    index::{self, Rebuilt},
    report::Format,
};

/// Make the runs database anew from the runs' folders
///
/// The files are the truth, and the database is their index: a database that is missing, damaged or doubted is made from event
/// files, predictions, and what the folders keep of every attempt. Refused while a sweep lives. The database that is there is
/// kept beside the new one, as gridboard.db.before.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Make it anew
    #[arg(long, required = true)]
    rebuild: bool,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let bar = RunBar::new("indexing");
    let (dir, told) = (runs_dir.to_owned(), bar.clone());
    let work = apart(&signals, move |signals| {
        let progress = |done: usize, total: usize| told.at(done, total);
        Ok(runtime()?.block_on(index::rebuild(&dir, &progress, &output::note, signals))?)
    });
    let rebuilt = runtime()?.block_on(work);
    bar.finish();
    let rebuilt = rebuilt?;
    for note in &rebuilt.notes {
        output::note(&format!("note: {note}"));
    }
    let Rebuilt { experiments, runs, completed, points, kept, .. } = &rebuilt;
    if args.format == Format::Json {
        output::json(&json!({
            "experiments": experiments,
            "runs": runs,
            "completed": completed,
            "points": points,
            "kept": kept,
            "notes": rebuilt.notes,
        }))?;
        return Ok(exit::DONE);
    }
    output::data(&format!(
        "indexed {}: {} ({completed} completed), {}",
        counted(*experiments, "experiment"),
        counted(*runs, "run"),
        counted(usize::try_from(*points).unwrap_or(usize::MAX), "point")
    ))?;
    if let Some(kept) = kept {
        let size = kept.metadata().map_or(0, |file| file.len());
        output::note(&format!(
            "the database that was there is kept as {} ({}); delete it when you miss nothing",
            kept.display(),
            bytes(size)
        ));
    }
    Ok(exit::DONE)
}
