//! `gridboard cancel`: runs that are not wanted.

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

/// Cancel runs: they are not trained before they are requeued
///
/// A live run is asked to end, keeps its state, and is killed after `schedule.grace`; its sweep goes on with the others. A run
/// that waits does not start, now and when the spec is run again. `gridboard requeue` takes it back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The runs, as `gridboard show` takes them
    #[arg(value_name = "RUN", required_unless_present = "all", conflicts_with = "all")]
    runs: Vec<String>,
    /// Every run that waits or is being run
    #[arg(long)]
    all: bool,
    /// Whose runs `--all` are; without it those of the only experiment, or of the only one that is being run
    #[arg(long, value_name = "EXPERIMENT", requires = "all")]
    experiment: Option<String>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let all = args.all.then_some(RunState::is_owed as fn(RunState) -> bool);
        let (name, runs) = control::chosen(runs_dir, &args.runs, args.experiment.as_deref(), all).await?;
        let answer = cancel(runs_dir, &name, &runs, args.all).await?;
        control::tell(&name, &answer, args.format)
    })
}

/// Cancels these runs of an experiment; `all` says that they are all that are owed.
///
/// # Errors
/// Where its sweep takes no requests; what cannot be read or written.
pub(super) async fn cancel(
    runs_dir: &Path,
    name: &str,
    runs: &[RunRecord],
    all: bool,
) -> Result<Answer, CliError> {
    let dir = ExperimentDir::new(runs_dir, name);
    let request = if all {
        Request::CancelAll
    } else {
        Request::Cancel { runs: runs.iter().map(|run| run.spec.name.clone()).collect() }
    };
    match control::reach(&dir, name, &request)? {
        Reached::Live(answer) => Ok(answer),
        Reached::Rest(_) if runs.is_empty() => Ok(Answer::refusal("no run waits or has failed")),
        Reached::Rest(_lock) => {
            control::move_at_rest(runs_dir, &dir, runs, |state| match state {
                RunState::Completed | RunState::Reused => Err("it has completed"),
                RunState::Cancelled => Err("it is cancelled already"),
                RunState::Pending
                | RunState::Running
                | RunState::Paused
                | RunState::Failed
                | RunState::Stopped => Ok(RunState::Cancelled),
            })
            .await
        }
    }
}
