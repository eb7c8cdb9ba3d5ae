//! `gridboard requeue`: runs that are to be trained after all.

use std::path::Path;

use super::{
    CliError,
    control::{self, Reached},
    output, runtime,
};
use crate::{
    report::Format,
    run::{Answer, ExperimentDir, Request, RunState},
    store::RunRecord,
};

/// Put runs that failed or were cancelled back into the queue
///
/// In a live sweep they start as soon as there is room, with all their attempts; else when the spec is run again. Each goes on
/// from the state that it has kept. A completed run is trained anew after `gridboard delete EXPERIMENT/RUN`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The runs, as `gridboard show` takes them
    #[arg(value_name = "RUN", required_unless_present = "failed", conflicts_with = "failed")]
    runs: Vec<String>,
    /// Every run that has failed
    #[arg(long)]
    failed: bool,
    /// Whose runs `--failed` are; without it those of the only experiment, or of the only one that is being run
    #[arg(long, value_name = "EXPERIMENT", requires = "failed")]
    experiment: Option<String>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let all = args.failed.then_some((|state| state == RunState::Failed) as fn(RunState) -> bool);
        let (name, runs) = control::chosen(runs_dir, &args.runs, args.experiment.as_deref(), all).await?;
        let answer = requeue(runs_dir, &name, &runs, args.failed).await?;
        control::tell(&name, &answer, args.format)
    })
}

/// Requeues these runs of an experiment; `failed` says that they are all that have failed.
///
/// # Errors
/// Where its sweep takes no requests; what cannot be read or written.
pub(super) async fn requeue(
    runs_dir: &Path,
    name: &str,
    runs: &[RunRecord],
    failed: bool,
) -> Result<Answer, CliError> {
    let dir = ExperimentDir::new(runs_dir, name);
    let request = if failed {
        Request::RequeueFailed
    } else {
        Request::Requeue { runs: runs.iter().map(|run| run.spec.name.clone()).collect() }
    };
    let mut answer = match control::reach(&dir, name, &request)? {
        Reached::Live(answer) => return Ok(answer),
        Reached::Rest(_) if runs.is_empty() => Answer::refusal("no run has failed"),
        Reached::Rest(_lock) => {
            control::move_at_rest(runs_dir, &dir, runs, |state| match state {
                RunState::Completed | RunState::Reused => {
                    Err("it has completed: `gridboard delete EXPERIMENT/RUN` comes first")
                }
                RunState::Pending | RunState::Running | RunState::Paused => {
                    Err("it waits already: it is trained when the spec is run again")
                }
                RunState::Failed | RunState::Cancelled | RunState::Stopped => Ok(RunState::Pending),
            })
            .await?
        }
    };
    if !answer.changed.is_empty() {
        let spec = dir.spec();
        answer.text = Some(format!("nobody runs it now: `gridboard run {}` trains them", spec.display()));
    }
    Ok(answer)
}
