//! `gridboard-worker`: the process of one attempt. Run directory in; event files, predictions, weights and
//! `outcome.json` out.
//!
//! Started by the launcher, once an attempt; the only home of tch. In reading order: [`train`] is the way of one attempt
//! from `run.json` to the last file, [`fit`] the training loop, then what the loop is made of.
//!
//! Exit codes: 0 completed, 1 failed (`outcome.json` says why), 2 usage, 130 and 143 stopped (no `outcome.json`: the run
//! is still owed).

mod adam;
mod baseline;
mod data;
mod doctor;
mod engine;
mod error;
mod evaluate;
mod fit;
mod init;
mod loss;
mod machine;
mod network;
mod outcome;
mod record;
mod stop;
mod train;
mod weights;

#[cfg(test)]
mod conformance;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Trains one run of a Gridboard experiment. Started by `gridboard`; users rarely call it.
#[derive(Parser)]
#[command(name = "gridboard-worker", version = version(), disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Execute one attempt: reads RUN_DIR/run.json, writes everything else beside it
    Train {
        /// The run's directory
        run_dir: PathBuf,
    },
    /// Print what libtorch and the devices are, as JSON
    Doctor,
}

fn version() -> &'static str {
    match env!("GRIDBOARD_COMMIT") {
        "" => env!("CARGO_PKG_VERSION"),
        _ => concat!(env!("CARGO_PKG_VERSION"), " (", env!("GRIDBOARD_COMMIT"), ")"),
    }
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Train { run_dir } => ExitCode::from(outcome::attempt(&run_dir)),
        Verb::Doctor => match writeln!(io::stdout(), "{:#}", doctor::report()) {
            Ok(()) => ExitCode::SUCCESS,
            // Nobody is left to tell.
            Err(_) => ExitCode::FAILURE,
        },
    }
}
