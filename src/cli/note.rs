//! `gridboard note`: a text about a run.

use std::path::Path;

use super::{CliError, marks, output};
use crate::report::Format;

/// Write a note about a run, or take it away
///
/// It is kept in the run's folder and is the column `note` of `runs` in SQL. A new note takes the place of the old one. Without a
/// text, the one that it has is said.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `gridboard show` takes it
    run: String,
    /// The note
    text: Option<String>,
    /// Take the note away
    #[arg(long, conflicts_with = "text")]
    remove: bool,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    marks::change(runs_dir, std::slice::from_ref(&args.run), args.format, |marks| {
        if let Some(text) = &args.text {
            marks.note = Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        } else if args.remove {
            marks.note = None;
        }
    })
}
