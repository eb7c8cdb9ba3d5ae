//! `gridboard show`: everything about one run.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::{CliError, exit, layers, listing, output, runtime};
use crate::{
    base::human,
    grid::Suggested,
    metrics::{self, ConfusionMatrix},
    predictions::Prediction,
    publish::checked_predictions,
    rank::{Row, Standing},
    report::{Format, break_words},
    run::{Decided, ExperimentDir},
    spec::suggest,
    stats,
    store::{AttemptRecord, ExperimentRecord, Point, Reader, RunRecord},
};

/// Show one run: parameters, attempts, metrics, confusion matrix, files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its name, `experiment/name` where several experiments have one, or the start of its content id
    run: String,
    /// The layers of its network instead: kind, output shape, parameters and FLOPs of each
    #[arg(long)]
    layers: bool,
    /// Output format; csv is available only with `--layers`
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
}

/// What is known of a run.
struct RunDetails {
    run: RunRecord,
    attempts: Vec<AttemptRecord>,
    /// Of every curve.
    last: Vec<(String, Point)>,
    confusion: Option<ConfusionMatrix>,
    /// Its row of the leaderboard, with what is known of its certainty.
    row: Option<Row>,
    /// Areas under the curves of its predictions, where those are stored.
    areas: Option<Areas>,
    classes: Vec<String>,
    /// What the stopping rule has decided, with the attempts.
    decisions: Vec<(u32, Decided)>,
    /// Why its point was suggested, where a search has.
    suggested: Option<Suggested>,
    directory: String,
    /// What is wrong with its predictions.
    warnings: Vec<String>,
}

/// Areas under the ROC and the precision-recall curve; `None` where a class has no image.
struct Areas {
    auc: Option<f64>,
    average_precision: Option<f64>,
}

impl Areas {
    fn from_predictions(list: &[Prediction]) -> Self {
        let k = list.first().map_or(0, |row| row.probabilities.len());
        let alike = k > 0 && list.iter().all(|row| row.probabilities.len() == k);
        let probabilities: Vec<f32> = list.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        let truths: Vec<usize> = list.iter().map(|row| row.label).collect();
        Self {
            auc: alike.then(|| metrics::roc_auc(&probabilities, &truths, k)).flatten(),
            average_precision: alike
                .then(|| stats::macro_average_precision(&probabilities, &truths, k))
                .flatten(),
        }
    }
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    if args.format == Format::Csv && !args.layers {
        return Err(CliError::Usage {
            message: "csv is available only with `--layers`".to_owned(),
            hint: Some("gridboard show RUN --layers --format csv, or --format json".to_owned()),
        });
    }
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let run = one(&mut store, runs_dir, &args.run).await?;
        let record = store.experiment(&run.experiment).await?;
        if args.layers {
            layers::show(&run, record.as_ref().map(|record| &record.spec), args.format)?;
            return Ok(exit::DONE);
        }
        let row = match &record {
            Some(record) => store.leaderboard_row(record.key, run.key).await?,
            None => None,
        };
        let suggested = match &record {
            Some(record) => suggestion(&mut store, record, &run).await?,
            None => None,
        };
        let classes = record.map(|record| record.classes).unwrap_or_default();
        let confusion = store.confusion(run.key).await?;
        let dir = ExperimentDir::new(runs_dir, &run.experiment).run(&run.spec.name);
        // A file that cannot be read is no obstacle to showing the rest.
        let (predictions, warnings) = match &run.predictions {
            Some(file) => checked_predictions(&runs_dir.join(file), &classes, confusion.as_ref()),
            // One that was not taken is told, not shown: the ledger does without it.
            None if run.state.has_results() && dir.predictions().symlink_metadata().is_ok() => {
                (None, checked_predictions(&dir.predictions(), &classes, None).1)
            }
            None => (None, Vec::new()),
        };
        let areas = predictions.map(|predictions| Areas::from_predictions(&predictions.rows));
        let facts = RunDetails {
            row,
            areas,
            attempts: store.attempts(run.key).await?,
            last: store.last_points(run.key).await?,
            confusion,
            classes,
            suggested,
            decisions: store.decisions(run.key).await?,
            directory: dir.path().display().to_string(),
            warnings,
            run,
        };
        if args.format == Format::Json {
            output::json(&facts.json())?;
        } else {
            output::data(&facts.text(output::terminal_width()))?;
        }
        Ok(exit::DONE)
    })
}

/// Why the point of a run was suggested; `None` where it was not.
pub(super) async fn suggestion(
    store: &mut Reader,
    record: &ExperimentRecord,
    run: &RunRecord,
) -> Result<Option<Suggested>, CliError> {
    if !record.spec.suggests() {
        return Ok(None);
    }
    Ok(store.point(record.key, run.spec.index.point(record.spec.seeds.len())).await?)
}

/// The one run that `wanted` names, as the argument's help says.
///
/// # Errors
/// Where it names none, or several.
pub(super) async fn one(store: &mut Reader, runs_dir: &Path, wanted: &str) -> Result<RunRecord, CliError> {
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
    if let Some(run) = found.pop() {
        return Ok(run);
    }
    let names = store.run_names().await?;
    // As the user has written it: with the experiment, or without.
    let known: Vec<String> = match wanted.contains('/') {
        true => names.into_iter().map(|(experiment, run)| format!("{experiment}/{run}")).collect(),
        false => names.into_iter().map(|(_, run)| run).collect(),
    };
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let meant = suggest(wanted, &known).map(|best| format!("did you mean `{best}`? ")).unwrap_or_default();
    Err(CliError::NotFound {
        message: format!("no run `{wanted}` in `{}`", listing::absolute(runs_dir)),
        hint: Some(format!("{meant}gridboard runs lists them")),
    })
}

impl RunDetails {
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
                    "device": attempt.device, "host": attempt.host, "job": attempt.job, "pid": attempt.pid, "pid_start": attempt.pid_start, "boot_id": attempt.boot_id,
                    "started": attempt.started, "finished": attempt.finished, "failure": attempt.failure,
                    "problem": attempt.problem,
                    "peak_memory": attempt.used.peak_memory, "threads": attempt.threads,
                    "core_seconds": attempt.used.core_seconds, "phases": attempt.used.phases,
                })
            })
            .collect();
        let confusion = self.confusion.as_ref().map(|matrix| {
            let row = |truth| (0..matrix.classes()).map(|p| matrix.count(truth, p)).collect::<Vec<_>>();
            json!({"classes": self.classes, "counts": (0..matrix.classes()).map(row).collect::<Vec<_>>()})
        });
        let certainty = self.row.as_ref().map(|row| {
            let interval = row.tally.and_then(|tally| tally.interval());
            json!({
                "rank": row.rank, "validation_images": row.tally.map(|tally| tally.images),
                "validation_accuracy_low": interval.map(|interval| interval.low),
                "validation_accuracy_high": interval.map(|interval| interval.high),
                "mcnemar_p": row.standing.p(), "against_best": row.standing.words(),
                "sensitivity": row.diagnosis.sensitivity, "specificity": row.diagnosis.specificity,
                "auc": row.diagnosis.auc, "constant_answer": row.diagnosis.constant,
                "positive_class": self.classes.get(1).filter(|_| self.classes.len() == 2),
                "reason": row.reason,
                "best_epoch": row.best.map(|best| best.step), "best_value": row.best.map(|best| best.value),
                "last_epoch": row.step, "last_value": row.by,
            })
        });
        let areas = self
            .areas
            .as_ref()
            .map(|areas| json!({"auc": areas.auc, "average_precision": areas.average_precision}));
        json!({
            "experiment": run.experiment, "run": run.spec.name, "id": run.spec.id, "state": run.state,
            "seed": run.spec.seed, "axes": axes, "parameters": run.spec.parameters, "directory": self.directory,
            "predictions": run.predictions, "attempts": attempts, "last": last, "confusion": confusion,
            "tags": run.tags, "note": run.note, "archived": run.archived, "last_point": run.last_point,
            "suggested": self.suggested,
            "decisions": self.decisions.iter().map(|(attempt, decided)| json!({
                "attempt": attempt, "epochs": decided.epochs, "action": decided.action, "reason": decided.reason,
            })).collect::<Vec<_>>(),
            "statistics": certainty, "areas": areas, "warnings": self.warnings,
        })
    }

    /// Lines of name and value, broken between words where they are longer than `width`.
    fn text(&self, width: Option<usize>) -> String {
        let run = &self.run;
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(15).max(20));
        let mut text = format!("{}/{}\n", run.experiment, run.spec.name);
        let mut line = |name: &str, value: String| {
            let value = break_words(&value, room).replace('\n', "\n               ");
            text += &format!("  {name:<12} {value}\n");
        };
        line("state", run.state.to_string());
        if !run.tags.is_empty() {
            line("tags", run.tags.join(", "));
        }
        if let Some(note) = &run.note {
            line("note", note.clone());
        }
        if run.archived {
            line("archived", "listings leave it out".to_owned());
        }
        line("id", run.spec.id.clone());
        line("seed", run.spec.seed.to_string());
        for (name, value) in &run.spec.parameters {
            line("parameter", format!("{name} = {value}"));
        }
        if let Some(point) = &self.suggested {
            line("suggested", point.words());
        }
        line("directory", self.directory.clone());
        for attempt in &self.attempts {
            let time = attempt.finished.map(|end| format!(" in {}", human::seconds(end - attempt.started)));
            let memory =
                attempt.used.peak_memory.map(|bytes| format!(", peak memory {}", human::bytes(bytes)));
            // Of the last one it stands below, with its log.
            let is_last = self.attempts.last().is_some_and(|last| last.attempt == attempt.attempt);
            let failure = attempt.failure.as_ref().filter(|_| !is_last);
            let why = failure.map(|failure| format!(": {}", failure.reason));
            line(
                "attempt",
                format!(
                    "{} {} on {} ({}{}){}{}{}",
                    attempt.attempt,
                    attempt.state,
                    attempt.slot,
                    attempt.host,
                    // One that could not be started has neither.
                    match &attempt.job {
                        Some(job) => format!(", job {job}"),
                        None if attempt.pid > 0 => format!(", pid {}", attempt.pid),
                        None => String::new(),
                    },
                    time.unwrap_or_default(),
                    memory.unwrap_or_default(),
                    why.unwrap_or_default()
                ),
            );
        }
        for (_, Decided { action, reason, .. }) in &self.decisions {
            line("decision", format!("{action}: {reason}"));
        }
        for attempt in &self.attempts {
            if let Some(problem) = &attempt.problem {
                line(
                    "problem",
                    format!("! attempt {}: its results may not be whole: {problem}", attempt.attempt),
                );
            }
        }
        if let Some(failure) = &run.failure {
            line("failure", format!("{}: {}", failure.kind, failure.reason));
            for log in failure.log_tail.lines() {
                line("log", log.to_owned());
            }
        }
        for warning in &self.warnings {
            line("warning", warning.clone());
        }
        for (tag, last) in &self.last {
            line("metric", format!("{tag} = {:.6} at step {}", last.value, last.step));
        }
        for (name, value) in self.certainty() {
            line(name, value);
        }
        if let Some(matrix) = &self.confusion {
            text += &confusion(matrix, &self.classes);
        }
        text
    }
}

impl RunDetails {
    /// How sure the results are, in lines of name and text.
    fn certainty(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        let known =
            |value: Option<f64>| value.map_or_else(|| "unknown".to_owned(), |value| format!("{value:.4}"));
        if let Some(Areas { auc, average_precision }) = &self.areas {
            let text = format!("AUC {}, average precision {}", known(*auc), known(*average_precision));
            lines.push(("predictions", text));
        }
        let Some(row) = &self.row else { return lines };
        if let Some(tally) = row.tally
            && let Some(interval) = tally.interval()
        {
            let (low, high) = (interval.low, interval.high);
            let text = format!(
                "{} of {} images right, 95 % interval of the accuracy {low:.4} to {high:.4} (Wilson)",
                tally.correct, tally.images
            );
            lines.push(("certainty", text));
        }
        let diagnosis = row.diagnosis;
        if diagnosis.sensitivity.is_some() || diagnosis.specificity.is_some() || diagnosis.auc.is_some() {
            let positive = self.classes.get(1).map_or("1", String::as_str);
            let text = format!(
                "{positive} is the positive class: sensitivity {}, specificity {}, AUC {}",
                known(diagnosis.sensitivity),
                known(diagnosis.specificity),
                known(diagnosis.auc)
            );
            lines.push(("classes", text));
        }
        if let (Some(constant), Some(is_beaten)) = (diagnosis.constant, row.beats_constant_answer()) {
            let verdict = if is_beaten { "" } else { ", and this run does no better" };
            lines.push(("constant", format!("answer {constant:.3}{verdict}")));
        }
        if let Some(reason) = &row.reason {
            lines.push(("not ranked", reason.clone()));
        }
        if let Some(best) = row.best {
            let last = row.step.zip(row.by).map(|(step, value)| format!("{value:.6} at the last, {step}"));
            let text = format!("{:.6} at step {}; {}", best.value, best.step, last.unwrap_or_default());
            lines.push(("best epoch", text));
        }
        if let (Some(rank), Some(words)) = (row.rank, row.standing.words()) {
            let text = match row.standing.p() {
                Some(p) => format!("rank {rank}: {words} from rank 1 (exact McNemar p = {})", shown_p(p)),
                None if row.standing == Standing::Best => format!("rank {rank}: {words}"),
                None => format!("rank {rank}; no test: {words}"),
            };
            lines.push(("standing", text));
        }
        lines
    }
}

/// A p-value for people.
fn shown_p(p: f64) -> String {
    if p < 0.0005 { format!("{p:.1e}") } else { format!("{p:.3}") }
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
