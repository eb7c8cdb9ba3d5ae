//! `gridboard schema`: the JSON Schemas of the specs, for editors.

use clap::ValueEnum;

use super::{CliError, exit, output};
use crate::spec;

/// Print the JSON Schema of the experiment spec, or of a suite, for editors
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In VS Code: gridboard schema > gridboard.schema.json, then at the top of the spec:\n  # yaml-language-server: $schema=gridboard.schema.json"
)]
pub(super) struct Args {
    /// What the schema is of
    #[arg(value_enum, default_value_t = Kind::Experiment)]
    kind: Kind,
}

/// The kinds of spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// One experiment
    Experiment,
    /// Several experiments in turn
    Suite,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    let schema = match args.kind {
        Kind::Experiment => spec::schema(),
        Kind::Suite => spec::suite_schema(),
    };
    output::json(&schema)?;
    Ok(exit::DONE)
}
