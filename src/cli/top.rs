//! `gridboard top`: the head of the leaderboard, by grid point where there are several seeds.

use std::path::Path;

use super::{CliError, exit, experiments, listing, output, runtime};
use crate::{
    report::{Format, leaderboard_table, top_table, unranked_table},
    store::Reader,
};

/// Show the best runs of an experiment
///
/// With several seeds a row is a grid point with mean and deviation over its seeds. Without a name: of every experiment,
/// as a table; the machine formats need one.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment; may be left out where there is only one
    experiment: Option<String>,
    /// A row per run, also with several seeds
    #[arg(long)]
    runs: bool,
    /// How many rows; the spec's `rank.top` without this
    #[arg(short, long, value_name = "N")]
    n: Option<u32>,
    /// All ranked runs or grid points
    #[arg(long, conflicts_with = "n")]
    all: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let records = match &args.experiment {
            Some(name) => vec![experiments::named(&mut store, runs_dir, name).await?],
            None => experiments::all_or_only(&mut store, runs_dir, args.format == Format::Table).await?,
        };
        for (place, record) in records.iter().enumerate() {
            let head = if args.all { None } else { Some(args.n.unwrap_or(record.spec.rank.top)) };
            let by_point = record.spec.seeds.len() > 1 && !args.runs;
            let board = match head.filter(|_| !by_point) {
                None => store.leaderboard(record.key).await?,
                Some(head) => store.leaderboard_head(record.key, head, listing::UNRANKED_SHOWN).await?,
            };
            if place > 0 {
                output::data("")?;
            }
            let table = if by_point { top_table(&board, head) } else { leaderboard_table(&board, head) };
            output::table(&table, args.format)?;
            if args.format == Format::Table
                && let Some(unranked) = unranked_table(&board, listing::most_unranked(args.all))
            {
                output::data("")?;
                let unranked = if args.all { unranked } else { listing::alike_together(unranked) };
                output::table(&unranked, Format::Table)?;
            }
        }
        Ok(exit::DONE)
    })
}
