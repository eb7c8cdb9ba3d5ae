//! `gridboard why`: one sentence, with the evidence, why a run is in the state it is in.
//!
//! Of a run that waits or lives its sweep is asked; whatever is over, the ledger tells.

use std::path::Path;

use serde_json::json;

use super::{
    CliError,
    control::{self, Reached},
    exit, output, runtime, show,
};
use crate::{
    base::human,
    launch,
    rank::Row,
    report::Format,
    run::{Evidence, ExperimentDir, Failure, FailureKind, Request, RunState, last_line},
    store::{AttemptRecord, AttemptState, Reader, RunRecord},
};

/// Say why a run waits, failed, was stopped, is slow or does not rank: one sentence, with the evidence
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run, as `gridboard show` takes it
    run: String,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let run = show::one(&mut store, runs_dir, &args.run).await?;
        let attempts = store.attempts(run.key).await?;
        let record = store.experiment(&run.experiment).await?;
        let (row, metric) = match &record {
            Some(record) => {
                (store.leaderboard_row(record.key, run.key).await?, record.spec.rank.by.tag.clone())
            }
            None => (None, String::new()),
        };
        let suggested = match &record {
            Some(record) => show::suggestion(&mut store, record, &run).await?,
            None => None,
        };
        let decisions = store.decisions(run.key).await?;
        store.close().await?;
        let dir = ExperimentDir::new(runs_dir, &run.experiment);
        let mut sentence = of_ledger(&run, &attempts, (row.as_ref(), &metric), &dir);
        let is_open = matches!(run.state, RunState::Pending | RunState::Running | RunState::Paused);
        if is_open && dir.is_locked() {
            let request = Request::Why { run: run.spec.name.clone() };
            sentence = match control::reach(&dir, &run.experiment, &request) {
                Ok(Reached::Live(answer)) => match (answer.text, answer.refused.into_iter().next()) {
                    (Some(text), _) => with_last_failure(text, &run, &attempts),
                    (None, Some(refused)) => refused.reason,
                    (None, None) => sentence,
                },
                // It has just ended.
                Ok(Reached::Rest(_)) => sentence,
                Err(CliError::Deaf { holder: Some(holder), .. }) if holder.is_elsewhere() => {
                    format!("{sentence}; its sweep is {holder}, which does not answer from here")
                }
                Err(CliError::Deaf { .. }) => {
                    "waits: its sweep is being prepared, or makes its report, and starts nothing at the moment".to_owned()
                }
                Err(error) => return Err(error),
            };
        }
        if let Some((_, last)) = decisions.last()
            && !run.state.has_results()
        {
            sentence += &format!(": {}", last.reason);
        }
        if let Some(point) = &suggested {
            sentence += &format!("; {}", point.words());
        }
        if args.format == Format::Json {
            output::json(&json!({
                "experiment": run.experiment, "run": run.spec.name, "state": run.state, "why": sentence,
                "failure": run.failure.as_ref().map(|failure| failure.kind),
                "evidence": run.failure.as_ref().map(|failure| &failure.evidence),
            }))?;
        } else {
            output::data(&format!("{}/{} {sentence}.", run.experiment, run.spec.name))?;
        }
        Ok(exit::DONE)
    })
}

/// What the ledger knows.
fn of_ledger(
    run: &RunRecord,
    attempts: &[AttemptRecord],
    (row, metric): (Option<&Row>, &str),
    dir: &ExperimentDir,
) -> String {
    let spec = dir.spec().display().to_string();
    match run.state {
        RunState::Pending | RunState::Running | RunState::Paused => {
            if run.state == RunState::Pending && launch::Left::has_job(dir, &run.spec.name) {
                return format!(
                    "goes on in a cluster without its sweep, as far as is known: `gridboard run {spec}` takes it over"
                );
            }
            let goes_on = format!("`gridboard run {spec}` trains it");
            match attempts.last() {
                None => format!("was never started: nobody runs its experiment now; {goes_on}"),
                Some(last) => {
                    let how = match (last.state, &last.failure) {
                        (AttemptState::Lost, _) => {
                            "was cut off: its sweep was killed and nobody saw it end".to_owned()
                        }
                        (AttemptState::Interrupted, _) => {
                            "was stopped with its sweep before its end".to_owned()
                        }
                        (_, Some(failure)) => {
                            format!("is to be tried again after it failed: {}", failure.reason)
                        }
                        (state, None) => format!("is owed again; its last attempt is {state}"),
                    };
                    format!("{how} (attempt {}{}); {goes_on}", last.attempt, at(last))
                }
            }
        }
        RunState::Failed => match &run.failure {
            Some(failure) => failed(run, failure, &spec),
            None => "failed for a reason that was not kept".to_owned(),
        },
        RunState::Cancelled => {
            let before = match attempts.last() {
                None => "before it was started".to_owned(),
                Some(last) => format!("in or after attempt {} ({})", last.attempt, last.state),
            };
            format!("was cancelled {before}: `gridboard requeue` takes that back")
        }
        RunState::Stopped => "was ended by a stopping rule before its last epoch, by intention".to_owned(),
        RunState::Completed | RunState::Reused => completed(run, row, metric),
    }
}

/// When an attempt ended, as far as that is known.
fn at(attempt: &AttemptRecord) -> String {
    match attempt.finished {
        Some(finished) => format!(", after {}", human::seconds(finished - attempt.started)),
        None => format!(", on {}", attempt.host),
    }
}

fn failed(run: &RunRecord, failure: &Failure, spec: &str) -> String {
    let tries = human::counted(run.attempts, "attempt");
    let mut text = format!("failed after {tries} ({}): {}", failure.kind, failure.reason);
    let evidence = evidence(&failure.evidence);
    if !evidence.is_empty() {
        text += &format!("; {}", evidence.join(", "));
    }
    let last = last_line(&failure.log_tail).trim();
    if !last.is_empty() && !failure.reason.contains(last) {
        text += &format!("; the last line of its log is: {last}");
    }
    text + &format!("; {}", what_next(failure.kind, spec))
}

/// What was seen of the end.
fn evidence(evidence: &Evidence) -> Vec<String> {
    let of = |what: &str, value: Option<String>| value.map(|value| format!("{what} {value}"));
    [
        of("signal", evidence.signal.map(|signal| signal.to_string())),
        of("exit code", evidence.exit_code.map(|code| code.to_string())),
        of("peak memory", evidence.peak_memory.map(human::bytes)),
        of("peak device memory", evidence.peak_device_memory.map(human::bytes)),
        of("last point at step", evidence.last_step.map(|step| step.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What helps against a failure.
fn what_next(kind: FailureKind, spec: &str) -> String {
    let again = format!("`gridboard run {spec}` tries it again");
    match kind {
        FailureKind::Diverged => {
            format!("a lower learning rate may help: another value is another run; {again}")
        }
        FailureKind::OutOfMemory => {
            format!("a smaller batch or network, or fewer runs at once, needs less; {again}")
        }
        FailureKind::BadData => format!("`gridboard doctor` looks at the images; {again}"),
        FailureKind::CudaFault => format!("`gridboard doctor` looks at the device; {again}"),
        FailureKind::DiskFull => format!("make room first; {again}"),
        _ => again,
    }
}

fn completed(run: &RunRecord, row: Option<&Row>, metric: &str) -> String {
    let took = run.seconds().map(|seconds| format!(" in {}", human::seconds(seconds))).unwrap_or_default();
    let what = if run.state == RunState::Reused {
        "has the results of another experiment's run"
    } else {
        "has completed"
    };
    let tries = if run.attempts > 1 { format!(" (attempt {})", run.attempts) } else { String::new() };
    let rank = match row {
        Some(row) => match (row.rank, row.by, &row.reason) {
            (Some(rank), Some(value), _) => format!(": rank {rank} by {metric}, {value:.4}"),
            (_, _, Some(reason)) => format!(", and does not rank: {reason}"),
            _ => String::new(),
        },
        None => String::new(),
    };
    let problem = run.problem.as_ref().map(|problem| format!("; its results may not be whole: {problem}"));
    format!("{what}{took}{tries}{rank}{}", problem.unwrap_or_default())
}

/// Adds to what its sweep says of a run why its attempt before has failed.
fn with_last_failure(text: String, run: &RunRecord, attempts: &[AttemptRecord]) -> String {
    let before = attempts.iter().rev().find(|attempt| attempt.state != AttemptState::Running);
    match before.and_then(|attempt| attempt.failure.as_ref()) {
        Some(failure) if run.attempts > 0 => {
            format!("{text}; the attempt before failed ({}): {}", failure.kind, failure.reason)
        }
        _ => text,
    }
}
