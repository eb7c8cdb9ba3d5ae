//! `gridboard trace`: what the slots of an experiment did, for Perfetto.

use std::path::{Path, PathBuf};

use super::{CliError, exit, experiments, listing, output, runtime};
use crate::{
    base::{
        clock::wall_now,
        files::{Durability, write_whole},
    },
    report::{Format, TracedAttempt, idle_table, lanes, trace},
    store::{AttemptState, Reader},
    tags::SYSTEM_FOLDER,
};

/// Write what the slots did as a trace for Perfetto, with a table of their idle times by cause
///
/// A span for each attempt and for each gap, by device and slot, and what was measured of the machine as counters. Open the file
/// at ui.perfetto.dev or in chrome://tracing.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment; may be left out where there is only one
    experiment: Option<String>,
    /// Where the trace goes; trace.json in the experiment's folder without this
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Format of the table on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut reader = Reader::open(runs_dir).await?;
        let record = match &args.experiment {
            Some(name) => experiments::named(&mut reader, runs_dir, name).await?,
            None => experiments::all_or_only(&mut reader, runs_dir, false).await?.remove(0),
        };
        let mut attempts = Vec::new();
        for run in reader.runs(Some(record.key)).await? {
            let all = reader.attempts(run.key).await?;
            let last = all.len();
            for (number, attempt) in (1..).zip(all) {
                // Those of the last attempt alone are kept.
                let counters = if number == last {
                    let curves = reader.history(run.key, &[]).await?;
                    let own = curves.into_iter().filter_map(|curve| {
                        let name = curve.tag.strip_prefix(SYSTEM_FOLDER)?.to_owned();
                        Some((
                            name,
                            curve.points.iter().map(|point| (point.wall_time, point.value)).collect(),
                        ))
                    });
                    own.collect()
                } else {
                    Vec::new()
                };
                let phases = attempt.used.phases;
                attempts.push(TracedAttempt {
                    run: run.spec.name.clone(),
                    attempt: attempt.attempt,
                    slot: attempt.slot,
                    device: attempt.device,
                    started: attempt.started,
                    finished: attempt.finished.unwrap_or_else(|| match attempt.state {
                        AttemptState::Running => wall_now(),
                        // Nobody saw its end.
                        _ => attempt.started,
                    }),
                    state: attempt.state.as_str().to_owned(),
                    reason: attempt.failure.map(|failure| failure.reason),
                    phases: phases.map(|phases| (phases.training.seconds, phases.validation.seconds)),
                    counters,
                });
            }
        }
        if attempts.is_empty() {
            return Err(CliError::NotFound {
                message: format!("no run of `{}` has been started", record.name),
                hint: None,
            });
        }
        let path = args
            .output
            .clone()
            .unwrap_or_else(|| crate::run::ExperimentDir::new(runs_dir, &record.name).trace());
        let text = trace(&record.name, &attempts).to_string();
        write_whole(&path, &[text.as_bytes()], Durability::Written)?;
        output::table(&idle_table(&record.name, &lanes(&attempts)), args.format)?;
        output::note(&format!(
            "the trace is in {}: open it at https://ui.perfetto.dev",
            listing::absolute(&path)
        ));
        Ok(exit::DONE)
    })
}
