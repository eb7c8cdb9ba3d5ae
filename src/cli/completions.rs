//! `gridboard completions`: completion scripts for shells.

use clap::CommandFactory;
use clap_complete::Shell;

use super::{Cli, CliError, exit, output};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: gridboard completions bash > ~/.local/share/bash-completion/completions/gridboard"
)]
pub(super) struct Args {
    /// The shell
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "gridboard", &mut script);
    output::data(&String::from_utf8_lossy(&script))?;
    Ok(exit::DONE)
}
