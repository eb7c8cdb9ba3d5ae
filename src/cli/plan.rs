//! `gridboard plan`: what a spec would run. Decodes no image, starts no process, writes nothing.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use serde_json::{Map, Value as Json, json};

use super::{
    CliError, corpus, devices, exit, output,
    spec_args::{self, SpecArgs},
    suite,
};
use crate::{
    base::human,
    corpus::CorpusError,
    device::{self, DeviceChoice, Discovery},
    grid,
    model::{self, Architecture, Summary},
    report::{Cell, Column, Format},
    run::RunSpec,
    schedule::Slot,
    spec::{
        Experiment, FAMILY_AXIS, Family, Source, Spec, Train,
        parameter::{Section, parameter_of_any},
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
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    match args.spec.load(runs_dir)? {
        Spec::Experiment(experiment) => plan(&[*experiment], args.format)?,
        Spec::Suite(suite) => {
            let instead = "gridboard plan of one of its specs prints CSV; --format json has them all";
            suite::one_format(&suite, args.format != Format::Csv, instead)?;
            plan(&suite.experiments, args.format)?;
        }
    }
    Ok(exit::DONE)
}

/// Prints the runs of every experiment, all of them checked first.
fn plan(experiments: &[Experiment], format: Format) -> Result<(), CliError> {
    let mut images = Vec::with_capacity(experiments.len());
    let discovery = device::discover();
    for experiment in experiments {
        model::check(experiment)?;
        devices::check_precision(experiment, |_| Ok(discovery.clone()))?;
        spec_args::check_weights(experiment)?;
        images.push(training_images(experiment)?);
    }
    let plans: Vec<grid::GridRuns<'_>> = experiments.iter().map(grid::GridRuns::new).collect();
    if format == Format::Json {
        return output::json_array(experiments.iter().zip(&plans).flat_map(|(experiment, plan)| {
            let mut costs = Costs::new(experiment, &discovery);
            plan.iter().map(move |run| row(&mut costs, &run))
        }));
    }
    let for_the_eye = format == Format::Table;
    for ((experiment, plan), images) in experiments.iter().zip(&plans).zip(images) {
        let costs = Costs::new(experiment, &discovery);
        RunTable::new(costs, images.filter(|_| for_the_eye), for_the_eye).write(plan, format)?;
    }
    Ok(())
}

/// The images that would train an experiment, after Tab. 1 went to stderr; `None` where they are not known.
fn training_images(experiment: &Experiment) -> Result<Option<u64>, CliError> {
    let Some(dataset) = &experiment.dataset else { return Ok(None) };
    match crate::corpus::survey(dataset) {
        Ok(loading) => {
            output::note(&corpus::loading_text(&loading));
            Ok(Some(loading.train))
        }
        // The grid can be planned before the images are there.
        Err(error @ CorpusError::NoImages { .. }) => {
            output::note(&format!("warning: {error}; the counts of images are unknown\n"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What the runs of a grid cost. A grid has far fewer networks than runs, so each is asked for once.
struct Costs<'a> {
    experiment: &'a Experiment,
    /// Threads of a run, where this machine would train it on its processor.
    threads: Option<u32>,
    /// The parameters that the cost depends on.
    names: Vec<&'a str>,
    /// By the values of these.
    known: HashMap<String, Option<Summary>>,
}

impl<'a> Costs<'a> {
    fn new(experiment: &'a Experiment, discovery: &Discovery) -> Self {
        let axes = experiment.grids.iter().flat_map(|grid| &grid.axes).map(|axis| &axis.name);
        let mut names: Vec<&str> = experiment.fixed.keys().chain(axes).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| {
            let row = parameter_of_any(&Family::BUILT_IN, name);
            ["batch_size", "freeze", "kernels", "precision", FAMILY_AXIS].contains(name)
                || row.is_some_and(|known| known.section == Section::Model)
        });
        Self {
            experiment,
            threads: threads_on_processor(experiment, discovery),
            names,
            known: HashMap::new(),
        }
    }

    fn summary_of(&mut self, run: &RunSpec) -> Option<Summary> {
        let mut key = String::new();
        for name in &self.names {
            if let Some(value) = run.parameters.get(*name) {
                // Writing to a string does not fail.
                let _ = write!(key, "{value}");
            }
            key.push('\0');
        }
        *self.known.entry(key).or_insert_with(|| summary(self.experiment, self.threads, run))
    }
}

/// Threads of every run before anything is measured, where all slots are of the processor. `None` with CUDA devices, and
/// where the devices that the spec names are not here: it may be planned for another machine.
fn threads_on_processor(experiment: &Experiment, discovery: &Discovery) -> Option<u32> {
    let choice = DeviceChoice::parse(&experiment.schedule.devices).ok()?;
    let runs = u64::try_from(grid::count(experiment)).unwrap_or(u64::MAX);
    let placement = device::place(&choice, discovery, experiment.schedule.runs_per_device, runs).ok()?;
    Slot::processor_threads(&placement.slots)
}

/// Parameters, FLOPs and memory, where the family is a built-in one. With `threads` the memory is that on the processor.
fn summary(experiment: &Experiment, threads: Option<u32>, run: &RunSpec) -> Option<Summary> {
    let dataset = experiment.dataset.as_ref()?;
    let network = Architecture::from_parameters(run.family, &run.parameters).ok()??;
    let mut train = Train::from_parameters(&run.parameters).ok()?;
    if let Source::Phantom(phantom) = &dataset.source {
        // Fewer train, but how many is the split's to say.
        train = train.fitting(phantom.images.iter().copied().map(u64::from).sum());
    }
    let classes = u32::try_from(dataset.classes.len()).ok()?;
    let mut summary = model::summary(&network, dataset.image_size, classes, &train).ok()?;
    if let Some(threads) = threads {
        summary.memory_bytes =
            model::memory_on_processor(&network, dataset.image_size, classes, &train, threads).ok()?;
    }
    Some(summary)
}

fn row(costs: &mut Costs<'_>, run: &RunSpec) -> Json {
    let summary = costs.summary_of(run);
    let axes: Map<String, Json> = run.axes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "experiment": costs.experiment.name,
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

/// So many runs from all over the grid tell how wide the columns of its table are.
const SAMPLE: u64 = 1_000;

/// The table of the runs of one experiment, for the eye or for machines.
struct RunTable<'a> {
    costs: Costs<'a>,
    axes: Vec<String>,
    /// Images that train, where they are known.
    images: Option<u64>,
    for_the_eye: bool,
    /// FLOPs of all rows.
    flops: f64,
}

impl<'a> RunTable<'a> {
    fn new(costs: Costs<'a>, images: Option<u64>, for_the_eye: bool) -> Self {
        Self { axes: grid::axis_names(costs.experiment), costs, images, for_the_eye, flops: 0.0 }
    }

    /// Writes the runs one by one: there may be millions.
    fn write(mut self, plan: &grid::GridRuns<'_>, format: Format) -> Result<(), CliError> {
        let title = Some(format!("Plan of {}", self.costs.experiment.name));
        let sample = if self.for_the_eye { self.sample(plan) } else { Vec::new() };
        let mut rows = output::Rows::new(title, self.columns(), format, sample);
        for run in plan.iter() {
            if !rows.row(self.row(run))? {
                break;
            }
        }
        rows.finish(self.notes(plan.len()))
    }

    /// Rows from all over the grid, the last one among them.
    fn sample(&mut self, plan: &grid::GridRuns<'_>) -> Vec<Vec<Cell>> {
        let last = plan.len().saturating_sub(1);
        let places =
            (1..=SAMPLE).map(|part| (u128::from(last) * u128::from(part) / u128::from(SAMPLE)) as u64);
        let rows = places.filter_map(|place| plan.nth(place)).map(|run| self.row(run)).collect();
        self.flops = 0.0;
        rows
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![Column::text("name")];
        columns.extend(self.axes.iter().map(Column::number));
        columns.push(Column::number("seed"));
        columns.extend(["parameters", "flops_per_image", "memory_bytes"].map(Column::number));
        columns
    }

    fn row(&mut self, run: RunSpec) -> Vec<Cell> {
        let summary = self.costs.summary_of(&run);
        if let (Some(summary), Some(images), Ok(train)) =
            (&summary, self.images, Train::from_parameters(&run.parameters))
        {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let flops = 3.0 * summary.flops_per_image as f64 * images as f64 * f64::from(train.epochs);
            self.flops += flops;
        }
        let mut row = vec![Cell::from(run.name)];
        row.extend(self.axes.iter().map(|axis| {
            run.axes.iter().find(|(name, _)| name == axis).map_or(Cell::Empty, |(_, value)| Cell::from(value))
        }));
        row.push(Cell::from(run.seed));
        row.extend(match summary {
            None => [Cell::Empty, Cell::Empty, Cell::Empty],
            Some(summary) if self.for_the_eye => [
                Cell::from(human::grouped(summary.parameters)),
                Cell::from(human::count(summary.flops_per_image)),
                Cell::from(human::bytes(summary.memory_bytes)),
            ],
            Some(summary) => [
                Cell::from(summary.parameters),
                Cell::from(summary.flops_per_image),
                Cell::from(summary.memory_bytes),
            ],
        });
        row
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    fn notes(&self, runs: u64) -> Vec<String> {
        let mut notes = vec![human::counted(usize::try_from(runs).unwrap_or(usize::MAX), "run")];
        if self.flops > 0.0 {
            notes.push(format!(
                "about {}FLOP to train (three times forward, validation not counted); memory is an estimate",
                human::count(self.flops as u64)
            ));
        }
        notes
    }
}
