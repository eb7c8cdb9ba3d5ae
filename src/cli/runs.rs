//! `gridboard runs`: the ledger.

use std::path::Path;

use super::{CliError, exit, experiments, output, runtime};
use crate::{
    base::human,
    report::{Cell, Column, Format, Table},
    run::RunState,
    store::{Reader, RunRecord},
};

/// List runs with their state
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this experiment's
    experiment: Option<String>,
    /// Only runs in this state
    #[arg(long, value_name = "STATE", value_parser = output::words::<RunState>(RunState::ALL.map(RunState::as_str)))]
    state: Option<RunState>,
    /// Only runs that have this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Archived runs alone, which are left out else
    #[arg(long)]
    archived: bool,
    /// Output format
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let key = match &args.experiment {
            Some(name) => Some(experiments::named(&mut store, runs_dir, name).await?.key),
            None => None,
        };
        let mut runs = store.runs(key).await?;
        runs.retain(|run| args.state.is_none_or(|state| run.state == state));
        runs.retain(|run| run.archived == args.archived);
        runs.retain(|run| args.tag.as_ref().is_none_or(|tag| run.tags.contains(tag)));
        let format = args.format;
        let table = if format == Format::Table {
            short_table(&runs, args.experiment.is_none())
        } else {
            full_table(&runs)
        };
        output::table(&table, format)?;
        Ok(exit::DONE)
    })
}

/// For the eye: what fits a terminal; the rest is in `gridboard show RUN`.
fn short_table(runs: &[RunRecord], with_experiment: bool) -> Table {
    let mut columns = vec![Column::text("run"), Column::text("state")];
    columns.extend([Column::number("attempts").expendable(3), Column::number("time").expendable(2)]);
    columns.extend([Column::text("slot").expendable(4), Column::text("reason").expendable(1)]);
    if with_experiment {
        columns.insert(0, Column::text("experiment").expendable(1));
    }
    let rows = runs.iter().map(|run| {
        let mut row = vec![
            Cell::from(&run.spec.name),
            Cell::from(run.state.as_str()),
            Cell::from(u64::from(run.attempts)),
            run.seconds().map_or(Cell::Empty, |seconds| Cell::from(human::seconds(seconds))),
            run.slot.as_deref().map_or(Cell::Empty, Cell::from),
            reason(run),
        ];
        if with_experiment {
            row.insert(0, Cell::from(&run.experiment));
        }
        row
    });
    Table { title: None, columns, rows: rows.collect(), notes: Vec::new() }
}

/// Why it failed, and what is wrong with its event files, behind its tags.
fn reason(run: &RunRecord) -> Cell {
    let tags = run.tags.iter().map(|tag| format!("[{tag}]"));
    match (why(run), run.tags.is_empty()) {
        (reason, true) => reason,
        (Cell::Text(reason), false) => Cell::from(tags.chain([reason]).collect::<Vec<_>>().join(" ")),
        (_, false) => Cell::from(tags.collect::<Vec<_>>().join(" ")),
    }
}

fn why(run: &RunRecord) -> Cell {
    let failure = run.failure.as_ref().map(|failure| failure.reason.as_str());
    match (failure, run.problem.as_deref()) {
        (Some(failure), Some(problem)) => Cell::from(format!("{failure} ! {problem}")),
        (Some(failure), None) => Cell::from(failure),
        (None, Some(problem)) => Cell::from(format!("! {problem}")),
        (None, None) => Cell::Empty,
    }
}

/// For machines: everything, in plain units.
fn full_table(runs: &[RunRecord]) -> Table {
    let names =
        ["experiment", "run", "state", "seed", "attempts", "seconds", "device", "slot", "peak_memory"];
    let columns = names
        .into_iter()
        .chain(["failure", "reason", "problem", "last_point", "tags", "note", "host", "job"])
        .map(Column::text)
        .collect();
    let rows = runs.iter().map(|run| {
        let failure = run.failure.as_ref();
        vec![
            Cell::from(&run.experiment),
            Cell::from(&run.spec.name),
            Cell::from(run.state.as_str()),
            Cell::from(run.spec.seed),
            Cell::from(u64::from(run.attempts)),
            Cell::from(run.seconds()),
            run.device.as_deref().map_or(Cell::Empty, Cell::from),
            run.slot.as_deref().map_or(Cell::Empty, Cell::from),
            run.used.peak_memory.map_or(Cell::Empty, Cell::from),
            failure.map_or(Cell::Empty, |failure| Cell::from(failure.kind.as_str())),
            failure.map_or(Cell::Empty, |failure| Cell::from(&failure.reason)),
            run.problem.as_deref().map_or(Cell::Empty, Cell::from),
            Cell::from(run.last_point),
            if run.tags.is_empty() { Cell::Empty } else { Cell::from(run.tags.join(", ")) },
            run.note.as_deref().map_or(Cell::Empty, Cell::from),
            run.host.as_deref().map_or(Cell::Empty, Cell::from),
            run.job.as_deref().map_or(Cell::Empty, Cell::from),
        ]
    });
    Table { title: None, columns, rows: rows.collect(), notes: Vec::new() }
}
