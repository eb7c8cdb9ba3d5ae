//! `gridboard schema`: the JSON Schema of the spec, for editors.

use super::{CliError, exit, output};

/// Print the JSON Schema of the experiment spec, for editors
#[derive(Debug, clap::Args)]
#[command(
    after_help = "In VS Code: gridboard schema > gridboard.schema.json, then at the top of the spec:\n  # yaml-language-server: $schema=gridboard.schema.json"
)]
pub(super) struct Args {}

pub(super) fn run(_args: &Args) -> Result<u8, CliError> {
    output::data(&format!("{:#}", crate::spec::schema()))?;
    Ok(exit::DONE)
}
