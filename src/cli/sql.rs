//! `gridboard sql`: a read-only query against the runs database.

use std::path::Path;

use super::{CliError, exit, output, runtime};
use crate::{
    report::{Cell, Column, Format},
    store::{Reader, SqlValue},
};

/// Query the runs database, read-only
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Views: experiments, runs, attempts, history, leaderboard, grid_points, class_metrics, confusion, suggestions, decisions, \
                        and one named after each experiment.\n\nExample: gridboard sql 'select * from tab3 order by rank limit 10'"
)]
pub(super) struct Args {
    /// The query
    query: String,
    /// Output format
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let mut answer = store.ask(&args.query).await?;
        let columns = answer.columns().iter().map(Column::text).collect();
        let mut rows = output::Rows::new(None, columns, args.format, Vec::new());
        while let Some(row) = answer.next().await? {
            if !rows.row(row.into_iter().map(cell).collect())? {
                break;
            }
        }
        rows.finish(Vec::new())?;
        Ok(exit::DONE)
    })
}

fn cell(value: SqlValue) -> Cell {
    match value {
        SqlValue::Null => Cell::Empty,
        SqlValue::Integer(value) => Cell::Int(value),
        SqlValue::Real(value) => Cell::Float(value),
        SqlValue::Text(value) => Cell::from(value),
        SqlValue::Blob(bytes) => Cell::from(format!("({} bytes)", bytes.len())),
    }
}
