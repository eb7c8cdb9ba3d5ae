//! What `gridboard plan` says of runs that are jobs of a cluster: what is asked of Slurm for each, what that rests on, what is
//! submitted at first, and the batch scripts themselves. Slurm is asked what it allows, and nothing else; where it is not
//! reached, that is said.

use std::path::{Path, absolute};

use serde_json::{Map, Value as Json, json};

use super::{CliError, cluster, output, runtime};
use crate::{
    base::{error::with_causes, human},
    corpus::LoadingTable,
    grid,
    launch::{Needs, Shape, Site, SlurmError, SlurmSetup, Source, Submitted, reached_limits},
    report::{Cell, Column, Table},
    run::{ExperimentDir, RunSpec},
    spec::{Experiment, SlurmPlan},
    store::{Reader, StoreError},
    sweep::{self, Forecaster, Pace},
};

/// What would be asked of Slurm for the runs of an experiment.
pub(super) struct Submission<'a> {
    experiment: &'a Experiment,
    setup: SlurmSetup,
    /// What Slurm allows, or why it is not known.
    site: Result<Site, SlurmError>,
    /// What each run asks for, by its index.
    shapes: Vec<Shape>,
    /// Runs that are still to be trained.
    owed: u64,
    first: Vec<Submitted>,
}

impl<'a> Submission<'a> {
    /// What it is for `runs`, those that are done left out; `None` where this machine executes them.
    ///
    /// # Errors
    /// Where there is a database that cannot be read.
    pub(super) fn of(
        experiment: &'a Experiment,
        loading: Option<&LoadingTable>,
        runs_dir: &Path,
        runs: &grid::GridRuns<'_>,
        is_done: impl Fn(&RunSpec) -> bool,
    ) -> Result<Option<Self>, CliError> {
        let Some(setup) = cluster::setup(experiment) else { return Ok(None) };
        let (_, placement) = cluster::place(experiment, &setup.plan);
        let forecaster = Forecaster::new(experiment, loading, &placement.slots);
        let pace = pace(runs_dir, experiment, &setup.plan, &forecaster)?;
        let site = Site::ask(&setup.plan);
        let reached = reached_limits(&ExperimentDir::new(runs_dir, &experiment.name));
        let allowed = *site.as_ref().unwrap_or(&Site::default());
        let mut shapes = Vec::new();
        let mut owed = Vec::new();
        for run in runs.iter() {
            let (cost, memory) = forecaster.cost_and_memory(&run);
            let needs = Needs {
                memory,
                seconds: pace.slowest(&run.axes, cost),
                reached: reached.get(&run.name).copied(),
            };
            let shape = Shape::of(&setup.plan, needs, allowed.most_minutes);
            shapes.push(shape);
            if !is_done(&run) {
                owed.push((cost, run.index.get(), shape));
            }
        }
        // As the scheduler starts them.
        owed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let count = owed.len() as u64;
        let in_order = owed.into_iter().map(|(_, run, shape)| (run, shape)).collect();
        let first = Submitted::at_first(in_order, setup.plan.at_once, allowed);
        Ok(Some(Self { experiment, setup, site, shapes, owed: count, first }))
    }

    fn site(&self) -> Site {
        *self.site.as_ref().unwrap_or(&Site::default())
    }

    /// Prints the scripts of what is submitted at first, as they are given to `sbatch`, and says on stderr what is not known yet.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub(super) fn print_scripts(&self, runs_dir: &Path) -> Result<(), CliError> {
        let dir = ExperimentDir::new(
            &absolute(runs_dir).unwrap_or_else(|_| runs_dir.to_owned()),
            &self.experiment.name,
        );
        let all = self.first.len();
        let mut text = String::new();
        for (place, submitted) in self.first.iter().enumerate() {
            if place > 0 {
                let tasks = human::counted(submitted.runs.len(), "run");
                text += &format!("# ---- submission {} of {all}: {tasks} ----\n", place + 1);
            }
            let script = self.setup.preview(&dir, &self.experiment.name, submitted, self.site());
            text += &script.map_err(CliError::Runtime)?;
        }
        output::data(&text)?;
        let name = &self.experiment.name;
        let placeholder = SlurmSetup::NAME_TO_COME;
        let later = self.owed.saturating_sub(self.first.iter().map(|one| one.runs.len() as u64).sum());
        let mut note = match all {
            0 => format!("{name}: nothing is to be submitted"),
            _ => format!(
                "{name}: {placeholder} is the name that a submission gets when it is made; its folder has an order for each \
                 task, without which a job does nothing: `sbatch --test-only` is what this is fit for"
            ),
        };
        if later > 0 {
            note += &format!(
                "; {} more {} as those end",
                human::counted(later, "run"),
                if later == 1 { "follows" } else { "follow" }
            );
        }
        output::note(&note);
        self.note_unreached();
        Ok(())
    }

    /// Says on stderr that Slurm is not reached, where it is so.
    pub(super) fn note_unreached(&self) {
        if let Err(error) = &self.site {
            output::note(&format!("warning: {}; {}", with_causes(error), assumed()));
        }
    }

    /// What is asked for a run, for machines.
    pub(super) fn json(&self, run: &RunSpec) -> Json {
        let plan = &self.setup.plan;
        let index = run.index.get();
        let Some(shape) = usize::try_from(index).ok().and_then(|index| self.shapes.get(index)) else {
            return Json::Null;
        };
        let array = self.first.iter().position(|one| one.runs.contains(&index));
        let options: Map<String, Json> =
            plan.options.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "launcher": "slurm",
            "partition": plan.partition,
            "account": plan.account,
            "gpus": plan.gpus,
            "cpus": plan.cpus,
            "memory_bytes": shape.memory_mib().map(|mib| mib << 20),
            "memory_from": shape.memory_from(plan).as_str(),
            "time_limit_seconds": shape.minutes().map(|minutes| minutes * 60),
            "time_from": shape.time_from(plan).as_str(),
            "warning_seconds": shape.warning(self.setup.grace),
            "at_once": plan.at_once,
            "options": options,
            "first_array": array,
            "array_limit": self.site.as_ref().ok().map(|site| site.array_tasks),
        })
    }

    /// The same of all runs, for the eye.
    pub(super) fn table(&self) -> Table {
        let plan = &self.setup.plan;
        let mut rows: Vec<[String; 3]> = Vec::new();
        let mut row = |what: &str, value: String, from: String| rows.push([what.to_owned(), value, from]);
        let named = |name: &Option<String>| {
            let from = if name.is_some() { Source::Given } else { Source::Site };
            (name.clone().unwrap_or_else(|| "-".to_owned()), in_words(from).to_owned())
        };
        let (value, from) = named(&plan.partition);
        row("partition", value, from);
        let (value, from) = named(&plan.account);
        row("account", value, from);
        row("GPUs of a run", plan.gpus.to_string(), String::new());
        row("cores of a run", plan.cpus.to_string(), String::new());
        let (value, from) = self.range(Shape::memory_mib, Shape::memory_from, |mib| human::bytes(mib << 20));
        row("memory of a run", value, from.replace(ESTIMATE, "estimate and a quarter"));
        let time = |minutes: u64| human::seconds((minutes * 60) as f64);
        let (value, from) = self.range(Shape::minutes, Shape::time_from, time);
        row("time limit", value, from.replace(ESTIMATE, "twice the slowest so far"));
        let warnings = self.shapes.iter().map(|shape| shape.warning(self.setup.grace));
        if let Some(value) = span(warnings, |seconds| format!("{seconds} s before it")) {
            row("warning", value, "SIGUSR2, passed on as SIGTERM".to_owned());
        }
        if !plan.options.is_empty() {
            let options = plan.options.iter().map(|(name, value)| match value.as_str() {
                "" => format!("--{name}"),
                value => format!("--{name}={value}"),
            });
            row("other options", options.collect::<Vec<_>>().join(" "), in_words(Source::Given).to_owned());
        }
        if !plan.setup.is_empty() {
            row("setup", human::counted(plan.setup.len(), "line"), in_words(Source::Given).to_owned());
        }
        let unknown = u64::try_from(grid::count(self.experiment)).unwrap_or(u64::MAX);
        let unknown = unknown.saturating_sub(self.shapes.len() as u64);
        let jobs = human::counted(self.owed + unknown, "job");
        row("jobs", jobs, "one for each attempt of a run".to_owned());
        row("at once", plan.at_once.to_string(), "waiting or running".to_owned());
        row("submitted at first", self.at_first(), self.limit_of_arrays());
        let columns = vec![Column::text("asked of Slurm"), Column::text("value"), Column::text("from")];
        let cell = |text: String| if text.is_empty() { Cell::Empty } else { Cell::from(text) };
        Table {
            title: Some(format!("Submission of {}", self.experiment.name)),
            columns,
            rows: rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect(),
            notes: self.notes(),
        }
    }

    /// `2 arrays of 12 and 15 tasks`.
    fn at_first(&self) -> String {
        let counts: Vec<usize> = self.first.iter().map(|one| one.runs.len()).collect();
        let all: usize = counts.iter().sum();
        if self.site().array_tasks == 0 {
            return human::counted(all, "job");
        }
        match counts.as_slice() {
            [] => "nothing".to_owned(),
            [one] => format!("1 array of {}", human::counted(*one, "task")),
            several => {
                let fewest = several.iter().min().copied().unwrap_or_default();
                let most = several.iter().max().copied().unwrap_or_default();
                let tasks = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
                format!("{} arrays of {tasks} tasks", several.len())
            }
        }
    }

    fn limit_of_arrays(&self) -> String {
        match &self.site {
            Ok(site) if site.array_tasks == 0 => "no arrays here".to_owned(),
            Ok(site) => format!("{} tasks at most", human::grouped(site.array_tasks.into())),
            Err(_) => "Slurm is not reached".to_owned(),
        }
    }

    /// Least and most of a number that runs ask for, and what it rests on.
    fn range(
        &self,
        number: impl Fn(Shape) -> Option<u64>,
        from: impl Fn(Shape, &SlurmPlan) -> Source,
        text: impl Fn(u64) -> String,
    ) -> (String, String) {
        let shapes = || self.shapes.iter().copied();
        let asked = shapes().find(|shape| number(*shape).is_some());
        let source = asked.map_or(Source::Site, |shape| from(shape, &self.setup.plan));
        let value = span(shapes().filter_map(&number), text).unwrap_or_else(|| "-".to_owned());
        let others = if asked.is_some() && shapes().any(|shape| number(shape).is_none()) {
            "; some have the site's default"
        } else {
            ""
        };
        (value, format!("{}{others}", in_words(source)))
    }

    fn notes(&self) -> Vec<String> {
        let plan = &self.setup.plan;
        let mut notes = Vec::new();
        let is_asked =
            |number: fn(Shape) -> Option<u64>| self.shapes.iter().any(|shape| number(*shape).is_some());
        if !is_asked(Shape::minutes) {
            notes.push(format!(
                "no --time: how long runs take there is known once {} have completed; \
                 launcher.slurm.time says it",
                Pace::ENOUGH
            ));
        }
        if !is_asked(Shape::memory_mib) {
            let why = if self.experiment.is_command() {
                "what the program takes is not known"
            } else if plan.gpus > 0 {
                "what a run on a GPU takes of its node's memory is not known"
            } else {
                "without the images there is no estimate"
            };
            notes.push(format!("no --mem: {why}; launcher.slurm.memory says it"));
        }
        if let Err(error) = &self.site {
            notes.push(format!("{}; {}", with_causes(error), assumed()));
        }
        notes.push("`gridboard plan SPEC --script` prints what is given to sbatch".to_owned());
        notes
    }
}

/// What an estimate is called before it is said which.
const ESTIMATE: &str = "estimate";

fn in_words(from: Source) -> &'static str {
    match from {
        Source::Given => "given",
        Source::Estimate => ESTIMATE,
        Source::Site => "the site's default",
    }
}

fn assumed() -> String {
    format!("arrays of at most {} tasks are assumed", human::grouped(Site::default().array_tasks.into()))
}

/// `10 min`, or `10 min to 30 min`; `None` of nothing.
fn span(numbers: impl Iterator<Item = u64>, text: impl Fn(u64) -> String) -> Option<String> {
    let (least, most) = numbers.fold(None, |found: Option<(u64, u64)>, number| {
        let (least, most) = found.unwrap_or((number, number));
        Some((least.min(number), most.max(number)))
    })?;
    Some(if least == most { text(most) } else { format!("{} to {}", text(least), text(most)) })
}

/// How long the runs of an experiment take in its cluster, by those that have completed there.
fn pace(
    runs_dir: &Path,
    experiment: &Experiment,
    plan: &SlurmPlan,
    forecaster: &Forecaster,
) -> Result<Pace, CliError> {
    runtime()?.block_on(async {
        let mut store = match Reader::open(runs_dir).await {
            Err(StoreError::NoDatabase { .. }) => return Ok(Pace::default()),
            opened => opened?,
        };
        let Some(record) = store.experiment(&experiment.name).await? else { return Ok(Pace::default()) };
        let runs = store.runs(Some(record.key)).await?;
        let mut pace = Pace::default();
        for (run, seconds) in sweep::whole_runs(&mut store, record.key, &runs, plan).await? {
            pace.learn(&run.spec.axes, forecaster.cost_and_memory(&run.spec).0, seconds);
        }
        Ok(pace)
    })
}
