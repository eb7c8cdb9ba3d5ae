//! `gridboard runs`: the ledger.

use std::path::Path;

use super::{
    CliError, exit, experiments,
    output::{self, ListFormat},
    runtime,
};
use crate::{
    human,
    report::{Cell, Column, Format, Table},
    run::RunState,
    store::{RunRecord, Store},
};

/// List runs with their state
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this experiment's
    experiment: Option<String>,
    /// Only runs in this state: pending, running, completed, failed
    #[arg(long, value_name = "STATE")]
    state: Option<RunState>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    format: ListFormat,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Store::open_existing(runs_dir).await?;
        let key = match &args.experiment {
            Some(name) => Some(experiments::named(&mut store, runs_dir, name).await?.key),
            None => None,
        };
        let mut runs = store.runs(key).await?;
        runs.retain(|run| args.state.is_none_or(|state| run.state == state));
        let format = Format::from(args.format);
        output::table(&table(&runs, format == Format::Table), format)?;
        Ok(exit::DONE)
    })
}

/// One row a run; for the eye, times are humanised and long reasons are left to `show`.
fn table(runs: &[RunRecord], for_the_eye: bool) -> Table {
    let mut columns = ["experiment", "run", "state", "seed", "attempts"].map(Column::text).to_vec();
    columns.push(Column::number(if for_the_eye { "time" } else { "seconds" }));
    columns.extend(["device", "slot"].map(Column::text));
    columns.push(Column::number("peak_memory"));
    columns.extend(["failure", "reason"].map(Column::text));
    let rows = runs
        .iter()
        .map(|run| {
            let failure = run.failure.as_ref();
            vec![
                Cell::from(&run.experiment),
                Cell::from(&run.spec.name),
                Cell::from(run.state.as_str()),
                Cell::from(run.spec.seed),
                Cell::from(u64::from(run.attempts)),
                match run.seconds() {
                    None => Cell::Empty,
                    Some(seconds) if for_the_eye => Cell::from(human::seconds(seconds)),
                    Some(seconds) => Cell::Float(seconds),
                },
                run.device.as_deref().map_or(Cell::Empty, Cell::from),
                run.slot.as_deref().map_or(Cell::Empty, Cell::from),
                match run.peak_memory {
                    None => Cell::Empty,
                    Some(bytes) if for_the_eye => Cell::from(human::bytes(bytes)),
                    Some(bytes) => Cell::from(bytes),
                },
                failure.map_or(Cell::Empty, |failure| Cell::from(failure.kind.as_str())),
                failure.map_or(Cell::Empty, |failure| Cell::from(&failure.reason)),
            ]
        })
        .collect();
    Table { title: None, columns, rows, notes: Vec::new() }
}
