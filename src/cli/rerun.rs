//! `gridboard rerun`: train a run again and say how like the first time it came out.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::{CliError, corpus, exit, output, predict, runtime, signals};
use crate::{
    base::human,
    device,
    launch::{self, Children, LaunchPlan},
    report::{Cell, Column, Format, Table},
    rerun::{self, Changed, Comparison, Part, Repeat, Verdict},
    run::ExperimentDir,
    schedule::Slot,
    sweep::{self, Surroundings, Terminal},
};

/// Train a run again and compare: bit-identical, within tolerance, or diverged at an epoch
///
/// The same parameters, seed, threads and images, as `run.json` has them, in a temporary folder; the runs
/// and their database are only read. Ends with exit code 1 where the two trainings diverge, and where a file
/// of the first one was altered since. Without --check it only says what it would run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The run: its name, `experiment/name`, the start of its content id, or its directory
    run: String,
    /// Train and compare
    #[arg(long)]
    check: bool,
    /// Keep the second training in this folder, which is empty or not there yet
    #[arg(long, value_name = "DIR", requires = "check")]
    keep: Option<PathBuf>,
    /// Largest relative difference of an epoch's metric that is no divergence
    #[arg(long, value_name = "X", default_value_t = 1e-3, value_parser = tolerance)]
    tolerance: f64,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number >= 0.0 && number.is_finite() => Ok(number),
        _ => Err("a number from 0".to_owned()),
    }
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let dir = predict::directory(runs_dir, &args.run)?;
    let discovery = device::discover();
    let signals = signals()?;
    let runtime = runtime()?;
    let mut surroundings = runtime.block_on(Surroundings::gather(Path::new(".")));
    surroundings.name_gpus(&discovery);
    let mut repeat = Repeat::new(&dir, &discovery, &surroundings)?;
    let worker = if repeat.is_built_in() { launch::find_worker()? } else { PathBuf::new() };

    if !args.check {
        let folder = Path::new("<temporary folder>");
        output::data(&announcement(&repeat, &repeat.plan(&worker, folder)?, args))?;
        return Ok(exit::DONE);
    }
    let temporary;
    let folder = match &args.keep {
        Some(folder) => {
            rerun::make_kept(folder)?;
            folder.as_path()
        }
        None => {
            let made = tempfile::Builder::new().prefix("gridboard-rerun-").tempdir();
            temporary = made.map_err(|source| CliError::Write { path: std::env::temp_dir(), source })?;
            temporary.path()
        }
    };
    if let Some((dataset, reason)) = repeat.lost_corpus()? {
        output::note(&format!("{reason}; the images are prepared anew"));
        let dataset = dataset.clone();
        let corpus = runtime.block_on(corpus::prepare(&dataset, &crate::corpus::cache_root()?, &signals))?;
        repeat.take_corpus(&corpus, reason, folder)?;
    }
    repeat.write(folder)?;
    let plan = repeat.plan(&worker, folder)?;
    let mut terminal =
        Terminal::new(&repeat.now.experiment, &repeat.experiment.rank.by, sweep::Verbosity::Normal);
    let (slot, forecast) = (slot(&repeat.now.device, repeat.now.threads), repeat.forecast());
    let children = Children::beside(&ExperimentDir::at(repeat.dir.parent().unwrap_or(Path::new("."))));
    let schedule = &repeat.experiment.schedule;
    let ended = runtime.block_on(sweep::repeat(
        plan,
        slot,
        forecast,
        (&children, schedule),
        &mut terminal,
        &mut signals.clone(),
    ))?;
    if ended.interrupted {
        output::note("interrupted: nothing is compared");
        return Ok(exit::INTERRUPTED);
    }
    if let Some(failure) = ended.failure {
        return Err(CliError::Rerun(format!("the second training failed: {}", failure.reason)));
    }
    // The trainer has added to it.
    repeat.reread(folder)?;
    let comparison = rerun::compare(&repeat.dir, folder, repeat.is_built_in(), args.tolerance)?;
    let changed = rerun::changed(&repeat.then, &repeat.now);
    if args.format == Format::Json {
        output::json(&as_json(&repeat, &comparison, &changed, args))?;
    } else {
        output::data(&as_text(&repeat, &comparison, &changed, ended.seconds, args))?;
    }
    let apart = matches!(comparison.verdict, Verdict::Diverged(_) | Verdict::Altered(_));
    Ok(if apart { exit::ERROR } else { exit::DONE })
}

fn slot(device: &str, threads: u32) -> Slot {
    let label = if device == Slot::CPU { "cpu/0" } else { "cuda/0" };
    Slot { index: 0, label: label.to_owned(), device: device.to_owned(), device_index: 0, threads }
}

/// What would be run.
fn announcement(repeat: &Repeat, plan: &LaunchPlan, args: &Args) -> String {
    let words: Vec<String> = std::iter::once(&plan.program)
        .chain(&plan.args)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let now = &repeat.now;
    if args.format == Format::Json {
        let facts = json!({
            "run": format!("{}/{}", now.experiment, now.run), "command": words, "seed": now.seed,
            "device": now.device, "threads": now.threads, "parameters": now.parameters,
        });
        return format!("{facts:#}");
    }
    let mut text = format!("{}/{} would be trained again:\n", now.experiment, now.run);
    let mut line = |name: &str, value: String| text += &format!("  {name:<12} {value}\n");
    line("command", words.join(" "));
    line("seed", now.seed.to_string());
    line("device", now.device.clone());
    line("threads", now.threads.to_string());
    for (name, value) in &now.parameters {
        line("parameter", format!("{name} = {value}"));
    }
    if let Some(dataset) = &now.dataset {
        line("images", format!("{} (content id {})", dataset.cache.display(), dataset.fingerprint));
    }
    text + "\n`--check` does it, and compares"
}

/// The verdict as one sentence.
fn verdict(repeat: &Repeat, comparison: &Comparison, tolerance: f64) -> String {
    let run = format!("{}/{}", repeat.then.experiment, repeat.then.run);
    match &comparison.verdict {
        Verdict::Identical => format!("{run}: bit-identical"),
        Verdict::WithinTolerance => {
            let largest = comparison.parts.first().and_then(|part| part.largest.as_ref());
            let largest = largest.map_or_else(
                || "every metric is the same, other numbers are not".to_owned(),
                |largest| format!("largest relative difference {:.1e}, {}", largest.relative, largest.place),
            );
            format!("{run}: within tolerance {tolerance}: {largest}")
        }
        Verdict::Altered(files) => {
            let files: Vec<String> =
                files.iter().map(|of| format!("{} was altered ({})", of.file, of.why)).collect();
            format!("{run}: {}", files.join("; "))
        }
        Verdict::Diverged(apart) => {
            let value =
                |value: Option<f32>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
            let word = if repeat.is_built_in() { "epoch" } else { "step" };
            let (then, now) = (value(apart.then), value(apart.now));
            format!("{run}: diverged at {word} {}: {} was {then}, now {now}", apart.step, apart.tag)
        }
    }
}

fn as_text(
    repeat: &Repeat,
    comparison: &Comparison,
    changed: &[Changed],
    seconds: f64,
    args: &Args,
) -> String {
    let counted = |number: u64| human::grouped(number);
    let row = |part: &Part| {
        let largest = part.largest.as_ref();
        vec![
            Cell::from(part.name),
            Cell::from(counted(part.compared)),
            Cell::from(counted(part.different)),
            largest.map_or(Cell::Empty, |largest| Cell::from(format!("{:.1e}", largest.relative))),
            largest.map_or(Cell::Empty, |largest| Cell::from(&largest.place)),
            largest.map_or(Cell::Empty, |largest| Cell::from(format!("{} / {}", largest.then, largest.now))),
        ]
    };
    let columns = vec![
        Column::text("numbers"),
        Column::number("compared"),
        Column::number("different"),
        Column::number("largest").heading("largest rel. difference"),
        Column::text("where"),
        Column::text("values").heading("then / now"),
    ];
    let mut notes = vec![format!("trained again in {}", human::seconds(seconds))];
    if !comparison.not_compared.is_empty() {
        notes.push(format!("measures the machine, not compared: {}", comparison.not_compared.join(", ")));
    }
    let rows = comparison.parts.iter().map(row).collect();
    let table = Table { title: None, columns, rows, notes };
    let mut text = format!("{}\n\n", verdict(repeat, comparison, args.tolerance));
    text += table.render(Format::Table, output::terminal_width()).trim_end();
    if !changed.is_empty() {
        let why = if comparison.verdict == Verdict::Identical {
            "different, and without effect:"
        } else {
            "what is different, and the likely reason:"
        };
        text += &format!("\n\n{why}\n");
        for Changed { what, then, now } in changed {
            text += &format!("  {what}: {then} then, {now} now\n");
        }
    } else if matches!(comparison.verdict, Verdict::WithinTolerance | Verdict::Diverged(_)) {
        text +=
            "\n\nnothing that is recorded is different: program, machine, threads and images are the same";
    }
    if let Some(kept) = &args.keep {
        text += &format!("\nkept in {}", kept.display());
    }
    text
}

fn as_json(repeat: &Repeat, comparison: &Comparison, changed: &[Changed], args: &Args) -> Json {
    let parts: Vec<Json> = comparison
        .parts
        .iter()
        .map(|part| {
            let largest = part.largest.as_ref().map(|largest| {
                json!({"relative": largest.relative, "where": largest.place, "then": largest.then, "now": largest.now})
            });
            json!({"numbers": part.name, "compared": part.compared, "different": part.different, "largest": largest})
        })
        .collect();
    let (word, apart) = match &comparison.verdict {
        Verdict::Identical => ("identical", None),
        Verdict::WithinTolerance => ("within_tolerance", None),
        Verdict::Altered(_) => ("altered", None),
        Verdict::Diverged(apart) => ("diverged", Some(apart)),
    };
    let apart = apart
        .map(|apart| json!({"step": apart.step, "tag": apart.tag, "then": apart.then, "now": apart.now}));
    let changed: Vec<Json> = changed
        .iter()
        .map(|Changed { what, then, now }| json!({"what": what, "then": then, "now": now}))
        .collect();
    json!({
        "experiment": repeat.then.experiment, "run": repeat.then.run, "verdict": word, "tolerance": args.tolerance,
        "diverged": apart, "parts": parts, "not_compared": comparison.not_compared, "changed": changed,
        "kept": args.keep,
    })
}
