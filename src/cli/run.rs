//! `gridboard run`: carry a spec out.

use std::path::Path;

use super::{
    CliError, apart, cluster, corpus, devices, exit, listing, output,
    replace::{self, Earlier},
    room,
    run_words::{closing, opening},
    runtime, serve, signals,
    spec_args::{SpecArgs, check_weights},
    suite, unless_asked,
};
use crate::{
    base::{disk::network, error::with_causes, human, signals::Signals},
    corpus::cache_root,
    device::{self, DeviceChoice},
    grid, launch, model,
    publish::{self, Finished},
    report::{Format, top_table, unranked_table},
    run::ExperimentDir,
    schedule::Slot,
    spec::{Experiment, Spec, Suite},
    store::{Store, StoreError, on_network},
    sweep::{self, Cores, Corpus, End, Terminal, Verbosity, Watch},
};

/// Train the runs that are not done yet, then rank all
///
/// Running a spec again trains only runs that are not completed; more values, seeds and axes over what was fixed add runs. A
/// spec whose change would lose completed runs is refused, unless `--replace` says so. Ctrl-C stops the sweep; the runs that
/// it cut off are trained when the spec is run again. The experiments of a suite are carried out in turn, and the
/// suite's report is written at the end.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    spec: SpecArgs,
    /// Delete runs of an earlier spec of this name that the spec has not any more, after a question
    #[arg(long)]
    replace: bool,
    /// Delete them without a question
    #[arg(long, requires = "replace")]
    yes: bool,
    /// Train every run that is owed, also where another experiment has its results
    #[arg(long)]
    fresh: bool,
    /// Take the experiment from a gridboard that runs it on another machine, also where it is alive: it ends there
    #[arg(long)]
    take_over: bool,
    /// Format of the top ten on stdout
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Show the live page meanwhile, on this port or the next free one; it ends with the sweep
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true, default_missing_value = "6007")]
    serve: Option<u16>,
    /// Say only what goes wrong, and the result
    #[arg(short, long)]
    quiet: bool,
}

/// How a spec is carried out.
#[derive(Clone, Copy)]
struct Manner {
    format: Format,
    verbosity: Verbosity,
    earlier: Earlier,
    fresh: bool,
    take_over: bool,
}

impl Manner {
    /// Writes a line to stderr, unless it tells no problem and only problems are wanted.
    fn note(self, text: &str) {
        if self.verbosity == Verbosity::Normal || text.starts_with("warning") {
            output::note(text);
        }
    }
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let verbosity = if args.quiet { Verbosity::Quiet } else { Verbosity::Normal };
    let earlier = Earlier::new(args.replace, args.yes);
    let manner =
        Manner { format: args.format, verbosity, earlier, fresh: args.fresh, take_over: args.take_over };
    let spec = args.spec.load(runs_dir)?;
    if let Some(port) = args.serve {
        output::note(&serve::beside(runs_dir, port)?);
    }
    match spec {
        Spec::Experiment(experiment) => one(runs_dir, *experiment, manner, &signals),
        Spec::Suite(suite) => all(runs_dir, &suite, manner, &signals),
    }
}

/// Carries every experiment of a suite out, then writes its report. A failed run does not stop the next; an interrupt does.
///
/// # Errors
/// What is wrong with any of the experiments, before the first one runs; what stops one of them.
fn all(runs_dir: &Path, suite: &Suite, manner: Manner, signals: &Signals) -> Result<u8, CliError> {
    suite::one_format(
        suite,
        manner.format == Format::Table,
        "gridboard top EXPERIMENT prints the best of one in any format",
    )?;
    for experiment in &suite.experiments {
        check(runs_dir, experiment, manner.earlier, signals)?;
    }
    let mut code = exit::DONE;
    let all = suite.experiments.len();
    for (place, experiment) in suite.experiments.iter().enumerate() {
        manner.note(&format!("{}: experiment {} of {all}: {}", suite.name, place + 1, experiment.name));
        match one(runs_dir, experiment.clone(), manner, signals)? {
            exit::INTERRUPTED => return Ok(exit::INTERRUPTED),
            ended => code = code.max(ended),
        }
        output::data("")?;
    }
    let (dir, of) = (runs_dir.to_owned(), suite.clone());
    let page = runtime()?.block_on(apart(signals, move |signals| {
        runtime()?.block_on(async {
            let mut store = Store::open(&dir).await?;
            let paths = suite::report(&mut store, &dir, &of, signals).await?;
            store.leave().await?;
            Ok(paths.into_iter().next())
        })
    }))?;
    if let Some(page) = page {
        output::data(&format!("suite        {page}"))?;
    }
    Ok(code)
}

/// What can be wrong with an experiment before its images are decoded: found for all of a suite before any of it runs.
///
/// # Errors
/// What is wrong.
fn check(
    runs_dir: &Path,
    experiment: &Experiment,
    earlier: Earlier,
    signals: &Signals,
) -> Result<(), CliError> {
    grid::check(experiment)?;
    check_weights(experiment)?;
    DeviceChoice::parse(&experiment.schedule.devices)?;
    if experiment.launcher.is_some() {
        cluster::check(experiment)?;
    } else {
        launch::check_programs(experiment)?;
        devices::check_precision(experiment, |choice| devices::usable(choice, true))?;
    }
    replace::check(runs_dir, experiment, earlier, signals)
}

/// Carries one experiment out and prints its top ten. Returns the exit code.
///
/// # Errors
/// What stopped it; a failed run does not.
fn one(runs_dir: &Path, experiment: Experiment, manner: Manner, signals: &Signals) -> Result<u8, CliError> {
    let earlier = manner.earlier;
    check(runs_dir, &experiment, earlier, signals)?;
    // As far as the spec tells; whether the images are others is known once they are read.
    let asked = replace::ask(runs_dir, &experiment, earlier, None, signals)?;
    let watch = Watch::start();
    let choice = DeviceChoice::parse(&experiment.schedule.devices)?;
    let (discovery, placement) = match &experiment.launcher {
        Some(plan) => cluster::place(&experiment, plan),
        None => place(&experiment, &choice)?,
    };

    let runtime = runtime()?;
    let prepared = match &experiment.dataset {
        None => None,
        Some(dataset) => {
            let root = cluster::cache_root(&experiment, runs_dir)?;
            let prepared = runtime.block_on(corpus::prepare(dataset, &root, signals))?;
            manner.note(&corpus::loading_text(&prepared.loading));
            Some(prepared)
        }
    };
    if !asked {
        let fingerprint = prepared.as_ref().map(Corpus::fingerprint);
        replace::ask(runs_dir, &experiment, earlier, fingerprint, signals)?;
    }
    runtime.block_on(async {
        let (fresh, take_over) = (manner.fresh, manner.take_over);
        let asked = sweep::Manner { replace: earlier != Earlier::Keep, fresh, take_over };
        let say = |text: &str| manner.note(text);
        let ready = sweep::prepare(runs_dir, experiment, prepared, asked, say);
        let mut ready = unless_asked(signals, ready).await?;
        room::check(&ready, say)?;
        if let Some(kind) = network(ready.store.file()) {
            manner.note(&format!("warning: {}", on_network(ready.store.file(), kind)));
        }
        ready.surroundings.name_gpus(&discovery);
        cluster::check_node(&ready, signals, say)?;
        let open = ready.experiment.launcher.is_none()
            && match choice {
                DeviceChoice::Cpu { slots } => slots.is_none(),
                DeviceChoice::Auto => discovery.cuda.is_empty(),
                DeviceChoice::Cuda { .. } => false,
            };
        let placement =
            if open { measured(&ready, placement, &discovery, manner, signals)? } else { placement };
        if signals.heard() {
            return Err(CliError::Interrupted);
        }
        manner.note(&opening(&ready, &placement));
        let cores = match &ready.experiment.launcher {
            Some(plan) => Cores::PerJob(plan.cpus),
            None => Cores::Machine(discovery.cpu.cores),
        };
        let (name, metric) = (&ready.experiment.name, &ready.experiment.rank.by);
        let mut terminal = Terminal::new(name, metric, manner.verbosity);
        let end = sweep::sweep(&ready, placement, &mut terminal, &mut signals.clone()).await?;
        drop(terminal);
        finish(runs_dir, ready, &end, (&watch, cores), manner.format, signals).await
    })
}

/// What there is of this machine, and the slots on it.
///
/// # Errors
/// If the devices that are asked for are not there.
fn place(
    experiment: &Experiment,
    choice: &DeviceChoice,
) -> Result<(device::Discovery, device::Placement), CliError> {
    let discovery = devices::usable(choice, !experiment.is_command())?;
    devices::tell(&discovery);
    let runs = u64::try_from(grid::count(experiment)).unwrap_or(u64::MAX);
    let mut placement = device::place(choice, &discovery, experiment.schedule.runs_per_device, runs)?;
    if !experiment.is_command() {
        let free = discovery.cpu.memory_bytes;
        let taken = placement.limit_host_memory(model::CUDA_HOST_BYTES, free);
        if taken > 0 {
            output::note(&format!(
                "warning: {} of the CUDA devices not used: each process takes {} of the host's memory, of \
                 which {} are free",
                human::counted(taken, "slot"),
                human::bytes(model::CUDA_HOST_BYTES),
                human::bytes(free)
            ));
        }
    }
    if let Some(warning) = oversubscription(&placement, &discovery) {
        output::note(&warning);
    }
    Ok((discovery, placement))
}

/// The placement that a measurement chooses, where there is one to be made.
fn measured(
    ready: &sweep::Preparation,
    placement: device::Placement,
    discovery: &device::Discovery,
    manner: Manner,
    signals: &Signals,
) -> Result<device::Placement, CliError> {
    // Without a folder for it, it is measured every time.
    let cache = cache_root().ok();
    let measured = sweep::measured_division(
        ready,
        &placement,
        discovery.cpu.cores,
        cache.as_deref(),
        |text: &str| manner.note(text),
        signals,
    )?;
    Ok(measured.map_or(placement, |measured| {
        manner.note(&measured.note);
        measured.placement
    }))
}

/// More CPU slots than cores: asked for by name, so it is done, but not without a word.
fn oversubscription(placement: &device::Placement, discovery: &device::Discovery) -> Option<String> {
    let cpu = placement.slots.iter().filter(|slot| slot.device == Slot::CPU).count();
    let cores = discovery.cpu.cores;
    (cpu > cores as usize).then(|| {
        format!("warning: {cpu} slots share {cores} cores: each run is slower, and the sweep is not faster")
    })
}

async fn finish(
    runs_dir: &Path,
    ready: sweep::Preparation,
    end: &End,
    (watch, cores): (&Watch, Cores),
    format: Format,
    signals: &Signals,
) -> Result<u8, CliError> {
    // The report of what an interrupt has left is made, unless another one comes.
    let signals = signals.from_now_on();
    let sweep::Preparation { experiment, store, dir, .. } = ready;
    let reported = {
        let (runs_dir, experiment) = (runs_dir.to_owned(), experiment.clone());
        apart(&signals, move |signals| runtime()?.block_on(report_on(store, &runs_dir, &experiment, signals)))
            .await
    };
    let account = watch.account(&experiment.name, cores, end);
    account.write(&dir)?;
    // What became of the database is said after what it has.
    let (finished, left) = match reported {
        Err(error) if error.exit_code() == exit::INTERRUPTED => {
            let name = &experiment.name;
            output::note(&format!(
                "{name}: interrupted while its report was made; `gridboard report {name}` makes it"
            ));
            return Ok(exit::INTERRUPTED);
        }
        finished => finished?,
    };
    if let Some(best) = experiment.keep.best
        && let Err(error) = sweep::keep_best(&dir, &finished.leaderboard, best)
    {
        output::note(&format!("warning: {}", with_causes(&error)));
    }
    for warning in &finished.warnings {
        output::note(&format!("warning: {warning}"));
    }

    if end.interrupted && format == Format::Table {
        output::note(&format!(
            "{}: interrupted with {} of {} completed; run the spec again to go on",
            experiment.name,
            end.completed,
            human::counted(finished.leaderboard.rows.len(), "run")
        ));
        left?;
        return Ok(exit::INTERRUPTED);
    }
    let head = top_table(&finished.leaderboard, Some(experiment.rank.top));
    output::table(&head, format)?;
    if let (Some(test), Format::Table) = (&finished.test, format) {
        output::data("")?;
        output::table(test, Format::Table)?;
    }
    if format == Format::Table {
        if let Some(unranked) = unranked_table(&finished.leaderboard, listing::most_unranked(false)) {
            output::data("")?;
            output::table(&listing::alike_together(unranked), Format::Table)?;
        }
        output::data(&closing(runs_dir, &experiment, &finished, end, &account))?;
    }
    left?;
    Ok(if end.interrupted {
        exit::INTERRUPTED
    } else if end.failed > 0 {
        exit::FAILED_RUNS
    } else {
        exit::DONE
    })
}

async fn report_on(
    mut store: Store,
    runs_dir: &Path,
    experiment: &Experiment,
    signals: &Signals,
) -> Result<(Finished, Result<(), StoreError>), CliError> {
    let record = store.experiment(&experiment.name).await?.ok_or_else(|| {
        // The preparation has just made it.
        CliError::NotFound {
            message: format!("no experiment `{}` in the runs database", experiment.name),
            hint: None,
        }
    })?;
    let finished = publish::report(&mut store, runs_dir, &record, &corpus::test_bar(), signals).await;
    let finished = match finished {
        Ok(mut finished) => {
            let dir = ExperimentDir::new(runs_dir, &record.name);
            let board = &finished.leaderboard;
            let foreign = sweep::foreign_records(&dir, board).filter(|_| experiment.is_command());
            finished.warnings.extend(foreign);
            Ok(finished)
        }
        failed => failed,
    };
    let left = store.leave().await;
    Ok((finished?, left))
}
