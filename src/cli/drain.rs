//! `gridboard drain`: a live sweep ends with its live runs.

use std::path::Path;

use super::{CliError, sweeps};
use crate::run::Request;

/// End a live sweep when its live runs have ended
///
/// Nothing new starts; live runs go on to their end, and the report is made. What has not started is trained when the spec is run
/// again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: sweeps::Of,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    sweeps::ask(runs_dir, &args.of, &Request::Drain, "there is nothing to drain")
}
