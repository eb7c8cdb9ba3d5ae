//! `gridboard-worker`: the process of one attempt. Run directory in; event files, predictions, weights and
//! `outcome.json` out. And the process of `gridboard predict`, which asks a trained network: [`predict`].
//!
//! Started by the launcher, once an attempt; the only home of tch. In reading order: [`train`] is the way of one attempt
//! from `run.json` to the last file, [`fit`] the training loop, then what the loop is made of.
//!
//! Exit codes: 0 completed, 1 failed (`outcome.json` says why), 2 usage, 130 and 143 stopped, 79 paused
//! where it was told to (no `outcome.json`: the run is still owed).

mod adam;
mod baseline;
mod calibrate;
mod checkpoint;
mod data;
mod distributions;
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
mod predict;
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
#[command(name = "gridboard-worker", version = gridboard::base::program::version(), disable_help_subcommand = true)]
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
        /// Keep the state and end once so many epochs are done (exit code 79)
        #[arg(long, value_name = "EPOCHS")]
        pause_after: Option<u32>,
    },
    /// Answer with classes and probabilities for `.npy` arrays of prepared images on stdin, a line of JSON for each
    Predict {
        /// The run's directory, with its checkpoint
        run_dir: PathBuf,
        /// Where to compute, `cpu` or the UUID of the only visible CUDA device, instead of where the run was trained
        #[arg(long)]
        device: Option<String>,
    },
    /// Measure how fast the network of RUN_DIR/run.json trains beside others; the orchestrator starts several at once
    Calibrate {
        /// Directory of a `run.json`
        run_dir: PathBuf,
        /// How long to measure
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
    },
    /// Print what libtorch and the devices are, as JSON
    Doctor,
    /// Print whether libtorch can use CUDA devices, as JSON
    Probe,
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Train { run_dir, pause_after } => ExitCode::from(outcome::attempt(&run_dir, pause_after)),
        Verb::Predict { run_dir, device } => ExitCode::from(predict::predict(&run_dir, device.as_deref())),
        Verb::Calibrate { run_dir, seconds } => ExitCode::from(calibrate::calibrate(&run_dir, seconds)),
        Verb::Doctor => print(&doctor::report()),
        Verb::Probe => print(&doctor::cuda()),
    }
}

/// Says one line on stderr, which is the attempt's log.
fn say(line: &str) {
    // A log that cannot be written leaves nobody to tell.
    let _ = writeln!(io::stderr(), "gridboard-worker: {line}");
}

fn print(answer: &serde_json::Value) -> ExitCode {
    match writeln!(io::stdout(), "{answer:#}") {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is left to tell.
        Err(_) => ExitCode::FAILURE,
    }
}
