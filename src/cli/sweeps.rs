//! What is asked of a whole sweep: `pause`, `resume` and `drain`.

use std::path::Path;

use super::{
    CliError,
    control::{self, Reached},
    output, runtime,
};
use crate::{
    report::Format,
    run::{Answer, ExperimentDir, Request},
    store::Reader,
};

/// Which sweep, and how the answer is shown.
#[derive(Debug, clap::Args)]
pub(super) struct Of {
    /// The experiment; without it the only one that is being run
    experiment: Option<String>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

/// Asks the sweep of an experiment; of one that rests, `instead` is said.
///
/// # Errors
/// As [`control::reach`]; where the experiment is none, or one of several.
pub(super) fn ask(runs_dir: &Path, of: &Of, request: &Request, instead: &str) -> Result<u8, CliError> {
    let name = runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        control::experiment(&mut store, runs_dir, of.experiment.as_deref()).await
    })?;
    let answer = match control::reach(&ExperimentDir::new(runs_dir, &name), &name, request)? {
        Reached::Live(answer) => answer,
        Reached::Rest(_) => Answer::refusal(format!("it is not being run: {instead}")),
    };
    control::tell(&name, &answer, of.format)
}
