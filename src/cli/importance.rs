//! `gridboard importance`: how much each axis of an experiment mattered.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{CliError, exit, experiments, output, runtime};
use crate::{
    base::files::{Durability, FileError, write_whole},
    figure::{Figure, FigureError},
    rank::{Importances, importances},
    report::{Format, contour_plot, importance_table, interaction_table, slice_plot},
    spec::Metric,
    store::Reader,
};

/// Show how much each axis of an experiment mattered
///
/// By PED-ANOVA, for any runs: what tells the best tenth of the points from all. Of a whole grid also the share of the
/// variance that each axis, and each pair of axes, explains. A point is worth its mean over the seeds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment; may be left out where there is only one
    experiment: Option<String>,
    /// Pairs of axes instead of axes
    #[arg(long)]
    pairs: bool,
    /// Write a slice plot and a contour plot of the two most important axes into this folder, as SVG and PNG
    #[arg(long, value_name = "FOLDER")]
    plot: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    runtime()?.block_on(async {
        let mut store = Reader::open(runs_dir).await?;
        let record = match &args.experiment {
            Some(name) => experiments::named(&mut store, runs_dir, name).await?,
            None => experiments::all_or_only(&mut store, runs_dir, false).await?.remove(0),
        };
        let board = store.leaderboard(record.key).await?;
        store.close().await?;
        let name = &record.name;
        let nothing = |what: &str| CliError::NotFound {
            message: format!("what mattered in experiment `{name}` is not known: {what}"),
            hint: None,
        };
        let found = importances(&record.spec, &board)
            .ok_or_else(|| nothing("it has no two ranked points that differ in an axis and in `rank.by`"))?;
        let by = &board.rule.by.tag;
        if let Some(folder) = &args.plot {
            plot(folder, name, &found, &board.rule.by)?;
        }
        let pairs = interaction_table(&found);
        if args.pairs {
            let table =
                pairs.ok_or_else(|| nothing("pairs of axes take a whole grid of two axes and more"))?;
            output::table(&table, args.format)?;
            return Ok(exit::DONE);
        }
        let title = format!("What mattered in {name}, by {by}");
        output::table(&importance_table(&found, Some(title)), args.format)?;
        if let (Some(pairs), Format::Table) = (pairs, args.format) {
            output::data("")?;
            output::table(&pairs, Format::Table)?;
        }
        Ok(exit::DONE)
    })
}

/// Writes the figures of the two most important axes, and names the files on stderr.
fn plot(folder: &Path, experiment: &str, of: &Importances, by: &Metric) -> Result<(), CliError> {
    let write = |stem: &str, figure: Result<Figure, FigureError>| -> Result<(), CliError> {
        let figure = match figure {
            Err(FigureError::Empty(what)) => {
                output::note(&format!("warning: no {stem}.svg: {what}"));
                return Ok(());
            }
            figure => figure?,
        };
        for (end, bytes) in [("svg", figure.svg.as_bytes()), ("png", figure.png.as_slice())] {
            let path = folder.join(format!("{stem}.{end}"));
            write_whole(&path, &[bytes], Durability::Written)?;
            output::note(&path.display().to_string());
        }
        Ok(())
    };
    fs::create_dir_all(folder).map_err(FileError::at("create", folder))?;
    write("slice_plot", slice_plot(of, experiment, by))?;
    write("contour_plot", contour_plot(of, experiment, by))
}
