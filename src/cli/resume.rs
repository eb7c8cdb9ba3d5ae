//! `gridboard resume`: a paused sweep goes on.

use std::path::Path;

use super::{CliError, sweeps};
use crate::run::Request;

/// Go on with a paused sweep
///
/// A sweep that has ended goes on when its spec is run again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: sweeps::Of,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    sweeps::ask(runs_dir, &args.of, &Request::Resume, "run its spec again to go on")
}
