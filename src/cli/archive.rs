//! `gridboard archive`: runs that listings leave out.

use std::path::Path;

use super::{CliError, marks, output};
use crate::report::Format;

/// Leave runs out of `gridboard runs`, without deleting anything
///
/// They keep rank, files and rows: a ranking hides nothing. `gridboard runs --archived` lists them; in SQL they are told by the column
/// `archived` of `runs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The runs, as `gridboard show` takes them
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<String>,
    /// Bring them back
    #[arg(long)]
    undo: bool,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    marks::change(runs_dir, &args.runs, args.format, |marks| marks.archived = !args.undo)
}
