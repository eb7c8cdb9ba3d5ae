//! `gridboard pause`: a live sweep makes room.

use std::path::Path;

use super::{CliError, sweeps};
use crate::run::Request;

/// Pause a live sweep: nothing new starts, live runs make room
///
/// Live runs are asked to keep their state and end, and killed after `schedule.grace`: built-in trainers finish their epoch first. They
/// are `paused` until `gridboard resume`, and go on from their state. The sweep stays, and Ctrl-C or `gridboard drain` ends it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: sweeps::Of,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    sweeps::ask(runs_dir, &args.of, &Request::Pause, "there is nothing to pause")
}
