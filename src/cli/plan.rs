//! `gridboard plan`: what a spec would run. Decodes no image, starts no process, writes nothing.

use serde_json::{Map, Value as Json, json};

use super::{
    CliError, corpus, exit, listing,
    output::{self, ListFormat},
    spec_args::{self, SpecArgs},
};
use crate::{
    corpus::CorpusError,
    grid, human,
    model::{self, Architecture, Summary},
    report::{Cell, Column, Table},
    run::RunSpec,
    spec::{Experiment, Train},
};

/// Show the runs of a spec with parameters, FLOPs and memory; runs nothing
///
/// The table of runs goes to stdout; what loading the images gives (Tab. 1 of the paper) goes to stderr.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
    /// Output format
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    format: ListFormat,
}

pub(super) fn run(args: &Args) -> Result<u8, CliError> {
    let experiment = args.spec.load()?;
    model::check(&experiment)?;
    spec_args::check_weights(&experiment)?;
    let mut images = None;
    if let Some(dataset) = &experiment.dataset {
        match crate::corpus::survey(dataset) {
            Ok(loading) => {
                output::note(&corpus::loading_text(&loading));
                images = Some(loading.train);
            }
            // The grid can be planned before the images are there.
            Err(error @ CorpusError::NoImages { .. }) => {
                output::note(&format!("warning: {error}; the counts of images are unknown\n"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let runs: Vec<RunSpec> = grid::runs(&experiment).collect();
    match args.format {
        ListFormat::Json => {
            output::json_array(runs.iter().map(|run| row(&experiment, run)))?;
        }
        ListFormat::Csv => output::table(&table(&experiment, &runs, None, false), args.format.into())?,
        ListFormat::Table => output::table(&table(&experiment, &runs, images, true), args.format.into())?,
    }
    Ok(exit::DONE)
}

/// Parameters, FLOPs and memory, where the family is a built-in one.
fn summary(experiment: &Experiment, run: &RunSpec) -> Option<Summary> {
    let dataset = experiment.dataset.as_ref()?;
    let network = Architecture::of(run.family, &run.parameters).ok()??;
    let train = Train::from_parameters(&run.parameters).ok()?;
    let classes = u32::try_from(dataset.classes.len()).ok()?;
    model::summary(&network, dataset.image_size, classes, &train).ok()
}

fn row(experiment: &Experiment, run: &RunSpec) -> Json {
    let summary = summary(experiment, run);
    let axes: Map<String, Json> = run.axes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "name": run.name,
        "axes": axes,
        "seed": run.seed,
        "parameters": summary.as_ref().map(|summary| summary.parameters),
        "flops_per_image": summary.as_ref().map(|summary| summary.flops_per_image),
        "memory_bytes": summary.as_ref().map(|summary| summary.memory_bytes),
        "settings": run.parameters,
        "id": run.id,
    })
}

fn table(experiment: &Experiment, runs: &[RunSpec], images: Option<u64>, for_the_eye: bool) -> Table {
    let axes = grid::axis_names(experiment);
    let mut columns = vec![Column::text("name")];
    columns.extend(axes.iter().map(Column::number));
    columns.push(Column::number("seed"));
    columns.extend(["parameters", "flops_per_image", "memory_bytes"].map(Column::number));
    let mut total = 0.0;
    let rows = runs
        .iter()
        .map(|run| {
            let summary = summary(experiment, run);
            if let (Some(summary), Some(images), Ok(train)) =
                (&summary, images, Train::from_parameters(&run.parameters))
            {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let flops = 3.0 * summary.flops_per_image as f64 * images as f64 * f64::from(train.epochs);
                total += flops;
            }
            let mut row = vec![Cell::from(&run.name)];
            row.extend(axes.iter().map(|axis| {
                run.axes
                    .iter()
                    .find(|(name, _)| name == axis)
                    .map_or(Cell::Empty, |(_, value)| Cell::from(value))
            }));
            row.push(Cell::from(run.seed));
            row.extend(match summary {
                None => vec![Cell::Empty, Cell::Empty, Cell::Empty],
                Some(summary) if for_the_eye => vec![
                    Cell::from(human::grouped(summary.parameters)),
                    Cell::from(human::count(summary.flops_per_image)),
                    Cell::from(human::bytes(summary.memory_bytes)),
                ],
                Some(summary) => vec![
                    Cell::from(summary.parameters),
                    Cell::from(summary.flops_per_image),
                    Cell::from(summary.memory_bytes),
                ],
            });
            row
        })
        .collect();
    let mut notes = vec![listing::counted(runs.len(), "run")];
    if total > 0.0 {
        notes.push(format!(
            "about {}FLOP to train (three times forward, validation not counted); memory is an estimate",
            human::count(total as u64)
        ));
    }
    Table { title: Some(format!("Plan of {}", experiment.name)), columns, rows, notes }
}
