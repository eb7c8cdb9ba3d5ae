//! `gridboard show`: everything about one run.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::{CliError, exit, listing, output, runtime};
use crate::{
    human,
    metrics::ConfusionMatrix,
    store::{AttemptRecord, Point, RunRecord, Store},
};

/// Show one run: parameters, attempts, metrics, confusion matrix, files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its name, `experiment/name` where several experiments have one, or the start of its content id
    run: String,
    /// Output format; csv is not offered, since a run is no list
    #[arg(long, value_parser = ["table", "json"], default_value = "table")]
    format: String,
}

/// What is known of a run.
struct Facts {
    run: RunRecord,
    attempts: Vec<AttemptRecord>,
    /// Of every curve.
    last: Vec<(String, Point)>,
    confusion: Option<ConfusionMatrix>,
    classes: Vec<String>,
    directory: String,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Store::open_existing(runs_dir).await?;
        let run = one(&mut store, runs_dir, &args.run).await?;
        let record = store.experiment(&run.experiment).await?;
        let facts = Facts {
            attempts: store.attempts(run.key).await?,
            last: store.last_points(run.key).await?,
            confusion: store.confusion(run.key).await?,
            classes: record.map(|record| record.classes).unwrap_or_default(),
            directory: runs_dir.join(&run.experiment).join(&run.spec.name).display().to_string(),
            run,
        };
        if args.format == "json" {
            output::data(&format!("{:#}", facts.json()))?;
        } else {
            output::data(&facts.text())?;
        }
        Ok(exit::DONE)
    })
}

/// The one run that `wanted` names, as the argument's help says.
///
/// # Errors
/// Where it names none, or several.
pub(super) async fn one(store: &mut Store, runs_dir: &Path, wanted: &str) -> Result<RunRecord, CliError> {
    let mut found = store.find_runs(wanted).await?;
    if found.len() > 1 {
        let names: Vec<String> =
            found.iter().map(|run| format!("{}/{}", run.experiment, run.spec.name)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        return Err(CliError::NotFound {
            message: format!("`{wanted}` is more than one run in `{}`", runs_dir.display()),
            hint: Some(format!("name one of: {}", listing::shortened(&names, 20))),
        });
    }
    found.pop().ok_or_else(|| CliError::NotFound {
        message: format!("no run `{wanted}` in `{}`", runs_dir.display()),
        hint: Some("gridboard runs lists them".to_owned()),
    })
}

impl Facts {
    fn json(&self) -> Json {
        let run = &self.run;
        let axes: Map<String, Json> =
            run.spec.axes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let last: Map<String, Json> =
            self.last.iter().map(|(tag, point)| (tag.clone(), json!(point.value))).collect();
        let attempts: Vec<Json> = self
            .attempts
            .iter()
            .map(|attempt| {
                json!({
                    "attempt": attempt.attempt, "state": attempt.state.to_string(), "slot": attempt.slot,
                    "device": attempt.device, "host": attempt.host, "pid": attempt.pid,
                    "started": attempt.started, "finished": attempt.finished, "failure": attempt.failure,
                    "peak_memory": attempt.peak_memory,
                })
            })
            .collect();
        let confusion = self.confusion.as_ref().map(|matrix| {
            let row = |truth| (0..matrix.classes()).map(|p| matrix.count(truth, p)).collect::<Vec<_>>();
            json!({"classes": self.classes, "counts": (0..matrix.classes()).map(row).collect::<Vec<_>>()})
        });
        json!({
            "experiment": run.experiment, "run": run.spec.name, "id": run.spec.id, "state": run.state,
            "seed": run.spec.seed, "axes": axes, "parameters": run.spec.parameters, "directory": self.directory,
            "predictions": run.predictions, "attempts": attempts, "last": last, "confusion": confusion,
        })
    }

    fn text(&self) -> String {
        let run = &self.run;
        let mut text = format!("{}/{}\n", run.experiment, run.spec.name);
        let mut line = |name: &str, value: String| text += &format!("  {name:<12} {value}\n");
        line("state", run.state.to_string());
        line("id", run.spec.id.clone());
        line("seed", run.spec.seed.to_string());
        for (name, value) in &run.spec.parameters {
            line("parameter", format!("{name} = {value}"));
        }
        line("directory", self.directory.clone());
        for attempt in &self.attempts {
            let time = attempt.finished.map(|end| format!(" in {}", human::seconds(end - attempt.started)));
            let memory = attempt.peak_memory.map(|bytes| format!(", peak memory {}", human::bytes(bytes)));
            line(
                "attempt",
                format!(
                    "{} {} on {} ({}, pid {}){}{}",
                    attempt.attempt,
                    attempt.state,
                    attempt.slot,
                    attempt.host,
                    attempt.pid,
                    time.unwrap_or_default(),
                    memory.unwrap_or_default()
                ),
            );
        }
        if let Some(failure) = &run.failure {
            line("failure", format!("{}: {}", failure.kind, failure.reason));
            for log in failure.log_tail.lines() {
                line("log", log.to_owned());
            }
        }
        for (tag, last) in &self.last {
            line("metric", format!("{tag} = {:.6} at step {}", last.value, last.step));
        }
        if let Some(matrix) = &self.confusion {
            text += &confusion(matrix, &self.classes);
        }
        text
    }
}

/// Counts, rows the true class, columns the predicted one.
fn confusion(matrix: &ConfusionMatrix, classes: &[String]) -> String {
    let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let width = (0..matrix.classes()).map(|class| name(class).chars().count()).max().unwrap_or(0).max(6);
    let mut text = format!("  confusion    {:width$}   predicted\n", "true");
    text += &format!("               {:width$}", "");
    for class in 0..matrix.classes() {
        text += &format!("  {:>width$}", name(class));
    }
    for truth in 0..matrix.classes() {
        text += &format!("\n               {:width$}", name(truth));
        for predicted in 0..matrix.classes() {
            text += &format!("  {:>width$}", matrix.count(truth, predicted));
        }
    }
    text + "\n"
}
