//! `gridboard plan`: what a spec would run. Decodes no image, starts no process, writes nothing.

use std::{collections::HashMap, fmt::Write as _, path::Path};

use serde_json::{Map, Value as Json, json};

use super::{
    CliError, corpus, devices, exit, output,
    plan_cluster::Submission,
    plan_estimate::{self, Pace, Room},
    plan_notes::{chosen, passed, stops},
    spec_args::{self, SpecArgs},
    suite,
};
use crate::{
    base::{error::with_causes, human},
    corpus::{CorpusError, LoadingTable},
    device::{self, DeviceChoice, Discovery},
    grid, launch,
    model::{self, Summary},
    report::{Cell, Column, Format},
    run::RunSpec,
    schedule::Slot,
    spec::{
        Experiment, FAMILY_AXIS, Family, Spec, Train,
        parameter::{Section, parameter_of_any},
    },
};

/// Show the runs of a spec with parameters, FLOPs, memory, time and room on the disk; runs nothing
///
/// Time is told once runs of the experiment have completed in `--runs-dir`. The table of runs goes to stdout; what loading the images gives (Tab. 1 of the paper) goes to stderr.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
    /// Output format
    #[arg(long, value_parser = output::one_of(&output::LISTS), default_value = "table")]
    format: Format,
    /// Print the batch scripts that would be given to Slurm at first, and nothing else on stdout
    #[arg(long, conflicts_with = "format")]
    script: bool,
}

/// What is printed of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Runs(Format),
    Scripts,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let shown = if args.script { Shown::Scripts } else { Shown::Runs(args.format) };
    match args.spec.load(runs_dir)? {
        Spec::Experiment(experiment) => plan(runs_dir, &[*experiment], shown)?,
        Spec::Suite(suite) => {
            let instead = "gridboard plan of one of its specs prints CSV; --format json has them all";
            suite::one_format(&suite, shown != Shown::Runs(Format::Csv), instead)?;
            plan(runs_dir, &suite.experiments, shown)?;
        }
    }
    Ok(exit::DONE)
}

/// Prints the runs of every experiment, all of them checked first.
fn plan(runs_dir: &Path, experiments: &[Experiment], shown: Shown) -> Result<(), CliError> {
    let mut images = Vec::with_capacity(experiments.len());
    let discovery = device::discover();
    for experiment in experiments {
        if shown == Shown::Scripts && experiment.launcher.is_none() {
            return Err(CliError::Usage {
                message: format!("the launcher of `{}` is this machine: there is no script", experiment.name),
                hint: Some("--launcher slurm, or `launcher: {slurm: {..}}` in the spec".to_owned()),
            });
        }
        grid::check(experiment)?;
        devices::check_precision(experiment, |_| Ok(discovery.clone()))?;
        spec_args::check_weights(experiment)?;
        // Another machine may have it.
        if let Err(error) = launch::check_programs(experiment) {
            let what = match experiment.launcher {
                Some(_) => "it has to be there on the nodes",
                None => "`gridboard run` would refuse it",
            };
            output::note(&format!("warning: {}; {what}", with_causes(&error)));
        }
        images.push(loading(experiment)?);
    }
    let plan_of = |experiment| {
        let (first, left_out) = grid::first_points(experiment);
        let plan = grid::GridRuns::with(experiment, &first);
        let left_out = if first.is_empty() { plan.left_out().clone() } else { left_out };
        (plan, left_out)
    };
    let (plans, left_out): (Vec<grid::GridRuns<'_>>, Vec<grid::LeftOut>) =
        experiments.iter().map(plan_of).unzip();
    let mut all: Vec<Costs<'_>> = Vec::with_capacity(experiments.len());
    for (experiment, loading) in experiments.iter().zip(images) {
        let mut costs = Costs::new(experiment, &discovery);
        costs.loading = loading;
        costs.pace = plan_estimate::pace(runs_dir, experiment, |run| costs.cost_of(run))?;
        all.push(costs);
    }
    let mut submissions = Vec::with_capacity(all.len());
    for (costs, plan) in all.iter().zip(&plans) {
        let Costs { experiment, loading, pace, .. } = costs;
        submissions
            .push(Submission::of(experiment, loading.as_ref(), runs_dir, plan, |run| pace.is_done(run))?);
    }
    let format = match shown {
        Shown::Runs(format) => format,
        Shown::Scripts => {
            return submissions
                .iter()
                .flatten()
                .try_for_each(|submission| submission.print_scripts(runs_dir));
        }
    };
    if format != Format::Table {
        left_out.iter().flat_map(passed).for_each(|note| output::note(&note));
        submissions.iter().flatten().for_each(Submission::note_unreached);
    }
    if format == Format::Json {
        return output::json_array(all.into_iter().zip(&submissions).zip(&plans).flat_map(
            |((mut costs, submission), plan)| {
                plan.iter().map(move |run| row(&mut costs, submission.as_ref(), &run))
            },
        ));
    }
    for (((costs, submission), plan), left_out) in
        all.into_iter().zip(&submissions).zip(&plans).zip(&left_out)
    {
        RunTable::new(costs, format == Format::Table).write(plan, left_out, format)?;
        if let (Some(submission), Format::Table) = (submission, format) {
            output::data("\n")?;
            output::table(&submission.table(), format)?;
        }
    }
    Ok(())
}

/// What loading the images of an experiment gives, after Tab. 1 went to stderr; `None` where it is not known.
fn loading(experiment: &Experiment) -> Result<Option<LoadingTable>, CliError> {
    let Some(dataset) = &experiment.dataset else { return Ok(None) };
    match crate::corpus::survey(dataset) {
        Ok(loading) => {
            output::note(&corpus::loading_text(&loading));
            Ok(Some(loading))
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
    /// Threads of a run, where it would be trained on a processor.
    threads: Option<u32>,
    /// The parameters that the cost depends on.
    names: Vec<&'a str>,
    /// By the values of these.
    known: HashMap<String, Option<Summary>>,
    /// The images, where they are there.
    loading: Option<LoadingTable>,
    /// How long runs of the experiment take.
    pace: Pace,
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
            loading: None,
            pace: Pace::default(),
        }
    }

    /// What the time of a run goes with, within an experiment: FLOPs of an image, so often as there are epochs.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn cost_of(&mut self, run: &RunSpec) -> Option<f64> {
        let summary = self.summary_of(run)?;
        let train = Train::from_parameters(&run.parameters).ok()?;
        Some(summary.flops_per_image as f64 * f64::from(train.epochs))
    }

    fn seconds_of(&mut self, run: &RunSpec) -> Option<f64> {
        let cost = self.cost_of(run);
        self.pace.seconds(cost)
    }

    fn room_of(&mut self, run: &RunSpec) -> Option<Room> {
        let summary = self.summary_of(run)?;
        Some(plan_estimate::room(run, &summary, self.experiment.keep, self.loading.as_ref()))
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

/// Threads of every run before anything is measured, where all slots are of the processor, this machine's or a node's. `None` with CUDA devices, and
/// where the devices that the spec names are not here: it may be planned for another machine.
fn threads_on_processor(experiment: &Experiment, discovery: &Discovery) -> Option<u32> {
    if let Some(plan) = &experiment.launcher {
        return Some(plan.cpus).filter(|_| plan.gpus == 0);
    }
    let choice = DeviceChoice::parse(&experiment.schedule.devices).ok()?;
    let runs = u64::try_from(grid::count(experiment)).unwrap_or(u64::MAX);
    let placement = device::place(&choice, discovery, experiment.schedule.runs_per_device, runs).ok()?;
    Slot::processor_threads(&placement.slots)
}

/// Parameters, FLOPs and memory, where the family is a built-in one. With `threads` the memory is that on the processor.
pub(super) fn summary(experiment: &Experiment, threads: Option<u32>, run: &RunSpec) -> Option<Summary> {
    let network = grid::network(experiment, run.family, &run.parameters).ok()??;
    let mut summary = network.summary;
    if let (Some(threads), Some(dataset)) = (threads, &experiment.dataset) {
        let grid::Network { architecture, classes, train, .. } = network;
        summary.memory_bytes =
            model::memory_on_processor(&architecture, dataset.image_size, classes, &train, threads).ok()?;
    }
    Some(summary)
}

fn row(costs: &mut Costs<'_>, submission: Option<&Submission<'_>>, run: &RunSpec) -> Json {
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
        "weights_bytes": costs.room_of(run).map(|room| room.weights),
        "disk_bytes": costs.room_of(run).filter(|room| room.rest > 0).map(|room| room.weights + room.rest),
        "state_bytes": costs.room_of(run).map(|room| room.state),
        "estimated_seconds": costs.seconds_of(run),
        "completed": costs.pace.is_done(run),
        "settings": run.parameters,
        "id": run.id,
        "submission": submission.map(|submission| submission.json(run)),
    })
}

/// So many runs from all over the grid tell how wide the columns of its table are.
const SAMPLE: u64 = 1_000;

/// The table of the runs of one experiment, for the eye or for machines.
struct RunTable<'a> {
    costs: Costs<'a>,
    axes: Vec<String>,
    for_the_eye: bool,
    sums: Sums,
}

/// What all rows come to.
#[derive(Default)]
struct Sums {
    flops: f64,
    room: Room,
    /// Runs that have not completed, and their time one after the other, seconds.
    owed: u64,
    seconds: f64,
}

impl<'a> RunTable<'a> {
    fn new(costs: Costs<'a>, for_the_eye: bool) -> Self {
        Self { axes: grid::axis_names(costs.experiment), costs, for_the_eye, sums: Sums::default() }
    }

    /// Writes the runs one by one: there may be millions.
    fn write(
        mut self,
        plan: &grid::GridRuns<'_>,
        left_out: &grid::LeftOut,
        format: Format,
    ) -> Result<(), CliError> {
        let title = Some(format!("Plan of {}", self.costs.experiment.name));
        let sample = if self.for_the_eye { self.sample(plan) } else { Vec::new() };
        let mut rows = output::Rows::new(title, self.columns(), format, sample);
        for run in plan.iter() {
            if !rows.row(self.row(run))? {
                break;
            }
        }
        rows.finish(self.notes(plan.len(), left_out))
    }

    /// Rows from all over the grid, the last one among them.
    fn sample(&mut self, plan: &grid::GridRuns<'_>) -> Vec<Vec<Cell>> {
        let last = plan.len().saturating_sub(1);
        let places =
            (1..=SAMPLE).map(|part| (u128::from(last) * u128::from(part) / u128::from(SAMPLE)) as u64);
        let rows = places.filter_map(|place| plan.nth(place)).map(|run| self.row(run)).collect();
        self.sums = Sums::default();
        rows
    }

    fn columns(&self) -> Vec<Column> {
        let mut columns = vec![Column::text("name").heading("run")];
        // The name of a run tells its axes and its seed.
        let axis =
            |name: &String| Column::number(name).chosen().heading(name.replace('_', " ")).expendable(4);
        columns.extend(self.axes.iter().map(axis));
        columns.push(Column::number("seed").expendable(3));
        if !self.has_costs() {
            return columns;
        }
        columns.push(Column::number("parameters"));
        columns.push(Column::number("flops_per_image").heading("FLOPs per image").expendable(1));
        columns.push(Column::number("memory_bytes").heading("memory").expendable(2));
        columns
    }

    /// What a program of the user's takes is not known: for the eye there are no columns of it.
    fn has_costs(&self) -> bool {
        !self.for_the_eye || !self.costs.experiment.is_command()
    }

    fn row(&mut self, run: RunSpec) -> Vec<Cell> {
        let summary = self.costs.summary_of(&run);
        self.add(&run);
        let mut row = vec![Cell::from(run.name)];
        row.extend(self.axes.iter().map(|axis| {
            run.axes.iter().find(|(name, _)| name == axis).map_or(Cell::Empty, |(_, value)| Cell::from(value))
        }));
        row.push(Cell::from(run.seed));
        if !self.has_costs() {
            return row;
        }
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

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn add(&mut self, run: &RunSpec) {
        if !self.for_the_eye {
            return;
        }
        let costs = &mut self.costs;
        if let (Some(cost), Some(loading)) = (costs.cost_of(run), &costs.loading) {
            self.sums.flops += 3.0 * cost * loading.train as f64;
        }
        if let Some(room) = costs.room_of(run) {
            self.sums.room.weights = self.sums.room.weights.saturating_add(room.weights);
            self.sums.room.rest = self.sums.room.rest.saturating_add(room.rest);
            self.sums.room.state = self.sums.room.state.max(room.state);
        }
        if !costs.pace.is_done(run) {
            self.sums.owed += 1;
            self.sums.seconds += costs.seconds_of(run).unwrap_or(0.0);
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
    fn notes(&self, runs: u64, left_out: &grid::LeftOut) -> Vec<String> {
        let Sums { flops, room, owed, seconds } = &self.sums;
        let mut notes = vec![human::counted(runs, "run")];
        notes.extend(chosen(self.costs.experiment, runs, left_out));
        notes.extend(stops(self.costs.experiment, runs));
        if *flops > 0.0 {
            notes.push(format!(
                "about {}FLOP to train (three times forward, validation not counted); memory is an estimate",
                human::count(*flops as u64)
            ));
        }
        if !self.for_the_eye {
            return notes;
        }
        notes.push(self.costs.pace.words(*owed, runs, *seconds));
        let state = match room.state {
            0 => String::new(),
            state => {
                format!("; a run that is under way keeps a training state, {} at most", human::bytes(state))
            }
        };
        notes.push(match room {
            Room { weights: 0, .. } => "disk: unknown, since it is the program's own".to_owned(),
            Room { weights, rest: 0, .. } => format!(
                "disk: {} of weights; event files and figures come on top, by the number of images{state}",
                human::bytes(*weights)
            ),
            Room { weights, rest, .. } => format!(
                "disk: about {} for all runs ({} of weights, {} of event files and figures){state}",
                human::bytes(weights.saturating_add(*rest)),
                human::bytes(*weights),
                human::bytes(*rest)
            ),
        });
        notes
    }
}
