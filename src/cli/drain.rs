//! `gridboard drain`: a live sweep ends with its live runs.

use std::path::Path;

use super::{CliError, output, sweeps};
use crate::{report::Format, run::Request};

/// End a live sweep when its live runs have ended
///
/// Nothing new starts; live runs go on to their end, and the report is made. What has not started is trained when the spec is run
/// again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment; without it the only one that is being run
    experiment: Option<String>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    sweeps::ask(
        runs_dir,
        args.experiment.as_deref(),
        &Request::Drain,
        "there is nothing to drain",
        args.format,
    )
}
