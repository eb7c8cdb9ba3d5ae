//! The orchestrator's executable: parse the arguments, run the command, render the error, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    // The same program is a keeper of attempts, without a runtime, a thread or a word of the command line; and what the jobs of
    // a cluster become.
    gridboard::launch::keep_if_asked()
        .or_else(gridboard::launch::attend_if_asked)
        .or_else(gridboard::launch::check_node_if_asked)
        .unwrap_or_else(gridboard::cli::main)
}
