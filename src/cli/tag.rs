//! `gridboard tag`: words that runs are found by.

use std::path::Path;

use super::{CliError, marks, output};
use crate::report::Format;

/// Give a run words that it is found by, or take them away
///
/// `gridboard runs --tag TAG` lists the runs that have one; in SQL they are the column `tags` of `runs`. They are kept in the run's
/// folder, and stay when it is trained again. Without words, those that it has are said.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `gridboard show` takes it
    run: String,
    /// The words
    #[arg(value_name = "TAG", value_parser = word)]
    tags: Vec<String>,
    /// Take these words away
    #[arg(long, requires = "tags")]
    remove: bool,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

/// What may be a tag.
pub(super) fn word(text: &str) -> Result<String, String> {
    let fits = |letter: char| !letter.is_control() && !letter.is_whitespace() && letter != ',';
    if text.is_empty() || text.chars().count() > 64 || !text.chars().all(fits) {
        return Err("a tag is a word of 1 to 64 characters, without spaces and commas".to_owned());
    }
    Ok(text.to_owned())
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    marks::change(runs_dir, std::slice::from_ref(&args.run), args.format, |marks| {
        for tag in &args.tags {
            match args.remove {
                true => drop(marks.tags.remove(tag)),
                false => drop(marks.tags.insert(tag.clone())),
            }
        }
    })
}
