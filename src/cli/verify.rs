//! `gridboard verify`: an experiment's files held against the database.

use std::path::Path;

use serde_json::{Value, json};

use super::{CliError, apart, exit, experiments, output, progress::RunBar, runtime, signals};
use crate::{
    base::{human::counted, signals::Signals},
    index::{self, Difference, Verified},
    report::Format,
    store::Reader,
};

/// Prove that an experiment's files and the database agree
///
/// Every run of the grid is in exactly one state; what its last attempt has left is there, with the hashes that it noted; event files
/// and database have the same points, and the same last points and confusion counts. Where they disagree it says which side is
/// right, and ends with exit code 4. Nothing is changed. Refused while the experiment is being run.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiments; all where none is named
    #[arg(value_name = "EXPERIMENT")]
    experiments: Vec<String>,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

/// So many differences of an experiment are shown; JSON has all.
const SHOWN: usize = 40;

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let bar = RunBar::new("verifying");
    let (dir, names, told) = (runs_dir.to_owned(), args.experiments.clone(), bar.clone());
    let work = apart(&signals, move |signals| runtime()?.block_on(verify(&dir, &names, &told, signals)));
    let verified = runtime()?.block_on(work);
    bar.finish();
    let verified = verified?;
    if args.format == Format::Json {
        let documents: Vec<Value> = verified.iter().map(|(name, of)| document(name, of)).collect();
        output::json(&documents)?;
    } else {
        for (name, of) in &verified {
            show(name, of)?;
        }
    }
    let agree = verified.iter().all(|(_, of)| of.differences.is_empty());
    Ok(if agree { exit::DONE } else { exit::LEDGER })
}

async fn verify(
    runs_dir: &Path,
    names: &[String],
    bar: &RunBar,
    signals: &Signals,
) -> Result<Vec<(String, Verified)>, CliError> {
    let mut store = Reader::open(runs_dir).await?;
    let records = match names {
        [] => store.experiments().await?,
        names => {
            let mut records = Vec::new();
            for name in names {
                records.push(experiments::named(&mut store, runs_dir, name).await?);
            }
            records
        }
    };
    let progress = |done: usize, total: usize| bar.at(done, total);
    let mut all = Vec::new();
    for record in records {
        let verified = index::verify(&mut store, runs_dir, &record, &progress, signals).await?;
        all.push((record.name, verified));
    }
    store.close().await?;
    Ok(all)
}

fn show(name: &str, of: &Verified) -> Result<(), CliError> {
    for note in &of.notes {
        output::note(&format!("note: {note}"));
    }
    let states: Vec<String> = of.states.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
    output::data(&format!(
        "{name}: {}{states}, {} compared, {} with hashes, {} of confusion counts",
        counted(of.runs, "run"),
        counted(usize::try_from(of.points).unwrap_or(usize::MAX), "point"),
        counted(of.sealed, "file"),
        counted(of.confusions, "run")
    ))?;
    for Difference { run, what, right } in of.differences.iter().take(SHOWN) {
        let run = run.as_ref().map(|run| format!("{run}: ")).unwrap_or_default();
        let right = match right {
            index::Side::Files => "the files are right",
            index::Side::Database => "the database is right",
            index::Side::Neither => "neither is sure",
        };
        output::data(&format!("  {run}{what} ({right})"))?;
    }
    match of.differences.len() {
        0 => output::data(&format!("{name}: files and database agree")),
        all => {
            if all > SHOWN {
                output::data(&format!("  and {} more; --format json has all", all - SHOWN))?;
            }
            if of.differences.iter().any(|of| of.right == index::Side::Files) {
                output::note(
                    "where the files are right, `gridboard index --rebuild` makes the database anew from them",
                );
            }
            output::data(&format!("{name}: {}", counted(all, "difference")))
        }
    }
}

fn document(name: &str, of: &Verified) -> Value {
    let differences: Vec<Value> = of
        .differences
        .iter()
        .map(|of| json!({"run": of.run, "what": of.what, "right": of.right.as_str()}))
        .collect();
    let states: serde_json::Map<String, Value> =
        of.states.iter().map(|(state, count)| (state.as_str().to_owned(), json!(count))).collect();
    json!({
        "experiment": name,
        "runs": of.runs,
        "states": states,
        "points": of.points,
        "sealed_files": of.sealed,
        "confusions": of.confusions,
        "agree": of.differences.is_empty(),
        "differences": differences,
        "notes": of.notes,
    })
}
