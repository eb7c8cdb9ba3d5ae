//! What is asked of a whole sweep: `pause`, `resume` and `drain`.

use std::path::Path;

use super::{
    CliError,
    control::{self, Reached},
    runtime,
};
use crate::{
    report::Format,
    run::{Answer, ExperimentDir, Request},
    store::Reader,
};

/// Asks the sweep of an experiment; of one that rests, `instead` is said.
///
/// # Errors
/// As [`control::reach`]; where the experiment is none, or one of several.
pub(super) fn ask(
    runs_dir: &Path,
    experiment: Option<&str>,
    request: &Request,
    instead: &str,
    format: Format,
) -> Result<u8, CliError> {
    let name = runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        control::experiment(&mut store, runs_dir, experiment).await
    })?;
    let answer = match control::reach(&ExperimentDir::new(runs_dir, &name), &name, request)? {
        Reached::Live(answer) => answer,
        Reached::Rest(_) => Answer::refusal(format!("it is not being run: {instead}")),
    };
    control::tell(&name, &answer, format)
}
