//! The orchestrator's executable: parse the arguments, run the command, render the error, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    gridboard::cli::main()
}
