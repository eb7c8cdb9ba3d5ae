//! `gridboard resume`: a paused sweep goes on.

use std::path::Path;

use super::{CliError, output, sweeps};
use crate::{report::Format, run::Request};

/// Go on with a paused sweep
///
/// A sweep that has ended goes on when its spec is run again.
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
        &Request::Resume,
        "run its spec again to go on",
        args.format,
    )
}
