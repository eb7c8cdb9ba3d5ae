//! `gridboard plan`: what a spec would run. Decodes no image, starts no process, writes nothing.

use std::{collections::HashMap, fmt::Write as _};

use serde_json::{Map, Value as Json, json};

use super::{
    CliError, corpus, exit, listing,
    output::{self, ListFormat},
    spec_args::{self, SpecArgs},
};
use crate::{
    corpus::CorpusError,
    grid, human,
    model::{self, Summary},
    report::{Cell, Column, Table},
    run::RunSpec,
    spec::{
        Experiment, Family, Parameters, Train,
        parameter::{Section, parameter},
    },
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
    let plan = grid::Plan::new(&experiment);
    match args.format {
        ListFormat::Json => {
            let mut costs = Costs::new(&experiment);
            output::json_array(plan.iter().map(|run| row(&mut costs, &run)))?;
        }
        ListFormat::Csv => output::table(&table(&experiment, &plan, None, false), args.format.into())?,
        ListFormat::Table => output::table(&table(&experiment, &plan, images, true), args.format.into())?,
    }
    Ok(exit::DONE)
}

/// What the runs of a grid cost. A grid has far fewer networks than runs, so each is asked for once.
struct Costs<'a> {
    experiment: &'a Experiment,
    /// The parameters that the cost depends on.
    names: Vec<&'a str>,
    /// By the values of these.
    known: HashMap<String, Option<Summary>>,
}

impl<'a> Costs<'a> {
    fn new(experiment: &'a Experiment) -> Self {
        let axes = experiment.grids.iter().flat_map(|grid| &grid.axes).map(|axis| &axis.name);
        let mut names: Vec<&str> = experiment.fixed.keys().chain(axes).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| {
            *name == "batch_size"
                || parameter(experiment.family, name).is_some_and(|known| known.section == Section::Model)
        });
        Self { experiment, names, known: HashMap::new() }
    }

    fn of(&mut self, parameters: &Parameters) -> Option<Summary> {
        let mut key = String::new();
        for name in &self.names {
            if let Some(value) = parameters.get(*name) {
                // Writing to a string does not fail.
                let _ = write!(key, "{value}");
            }
            key.push('\0');
        }
        *self.known.entry(key).or_insert_with(|| summary(self.experiment, parameters))
    }
}

/// Parameters, FLOPs and memory, where the family is a built-in one.
fn summary(experiment: &Experiment, parameters: &Parameters) -> Option<Summary> {
    let dataset = experiment.dataset.as_ref()?;
    match experiment.family {
        Family::GridCnn => {
            let network = model::GridCnn::from_parameters(parameters).ok()?;
            let train = Train::from_parameters(parameters).ok()?;
            model::summary(
                &network,
                dataset.image_size,
                u32::try_from(dataset.classes.len()).ok()?,
                train.batch_size,
            )
            .ok()
        }
        Family::Command => None,
    }
}

fn row(costs: &mut Costs<'_>, run: &RunSpec) -> Json {
    let summary = costs.of(&run.parameters);
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

fn table(experiment: &Experiment, plan: &grid::Plan<'_>, images: Option<u64>, for_the_eye: bool) -> Table {
    let axes = grid::axis_names(experiment);
    let mut columns = vec![Column::text("name")];
    columns.extend(axes.iter().map(Column::number));
    columns.push(Column::number("seed"));
    columns.extend(["parameters", "flops_per_image", "memory_bytes"].map(Column::number));
    let mut costs = Costs::new(experiment);
    let mut total = 0.0;
    let rows: Vec<Vec<Cell>> = plan
        .iter()
        .map(|run| {
            let summary = costs.of(&run.parameters);
            if let (Some(summary), Some(images), Ok(train)) =
                (&summary, images, Train::from_parameters(&run.parameters))
            {
                #[expect(clippy::cast_precision_loss, reason = "an estimate")]
                let flops = 3.0 * summary.flops_per_image as f64 * images as f64 * f64::from(train.epochs);
                total += flops;
            }
            let mut row = vec![Cell::from(run.name)];
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
    let mut notes = vec![listing::counted(rows.len(), "run")];
    if total > 0.0 {
        notes.push(format!(
            "about {}FLOP to train (three times forward, validation not counted); memory is an estimate",
            human::count(total as u64)
        ));
    }
    Table { title: Some(format!("Plan of {}", experiment.name)), columns, rows, notes }
}
