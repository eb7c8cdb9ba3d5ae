//! `gridboard trace`: what the slots of an experiment did, for Perfetto.

use std::path::{Path, PathBuf};

use super::{CliError, exit, experiments, listing, output, runtime};
use crate::{
    base::files::{Durability, write_whole},
    publish::hardware,
    report::{Format, idle_table, lanes, trace},
    store::Reader,
};

/// Write what the slots did as a trace for Perfetto, with a table of their idle times by cause
///
/// A span for each attempt and for each gap, by device and slot, and what was measured of the machine as counters. Open the file
/// at ui.perfetto.dev or in chrome://tracing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment; may be left out where there is only one
    experiment: Option<String>,
    /// Where the trace goes; trace.json in the experiment's folder without this
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format of the table on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut reader = Reader::open(runs_dir).await?;
        let record = match &args.experiment {
            Some(name) => experiments::named(&mut reader, runs_dir, name).await?,
            None => experiments::all_or_only(&mut reader, runs_dir, false).await?.remove(0),
        };
        let runs = reader.runs(Some(record.key)).await?;
        let attempts = hardware::attempts(&mut reader, &runs, true).await?;
        if attempts.is_empty() {
            return Err(CliError::NotFound {
                message: format!("no run of `{}` has been started", record.name),
                hint: None,
            });
        }
        let path = args
            .output
            .clone()
            .unwrap_or_else(|| crate::run::ExperimentDir::new(runs_dir, &record.name).trace());
        let text = trace(&record.name, &attempts).to_string();
        write_whole(&path, &[text.as_bytes()], Durability::Written)?;
        output::table(&idle_table(&record.name, &lanes(&attempts)), args.format)?;
        output::note(&format!(
            "the trace is in {}: open it at https://ui.perfetto.dev",
            listing::absolute(&path)
        ));
        Ok(exit::DONE)
    })
}
