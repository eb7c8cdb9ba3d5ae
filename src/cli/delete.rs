//! `gridboard delete`: an experiment or a run, with its files and its rows.
//!
//! The rows go first, in one change, so that no listing shows what is half gone; the files follow under the experiment's lock. A
//! deletion that is cut off is finished by the same command, or by the next `gridboard run` of the experiment.

use std::path::Path;

use serde_json::json;

use super::{CliError, confirm, exit, listing, output, runtime, signals};
use crate::{
    base::{human, signals::Signals},
    index::keep_record,
    launch::Children,
    report::Format,
    run::{ExperimentDir, RunState, bytes_on_disk},
    store::{ExperimentRecord, RunRecord, Store, StoreError},
    sweep::SweepError,
};

/// Delete an experiment, one of its runs, or those that have failed: files and rows
///
/// Asks first, and is refused while the experiment is being run. A run that is in the spec is trained again when the spec is
/// run again. Prepared images in the cache stay: other experiments may use them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The experiment, or a run as `EXPERIMENT/RUN`
    #[arg(value_name = "EXPERIMENT|EXPERIMENT/RUN")]
    what: String,
    /// Only the runs of the experiment that have failed
    #[arg(long)]
    failed: bool,
    /// Delete without a question
    #[arg(long)]
    yes: bool,
    /// Output format
    #[arg(long, value_parser = output::one_of(&[Format::Table, Format::Json]), default_value = "table")]
    format: Format,
}

/// What is to be deleted.
struct Doomed {
    experiment: String,
    /// These runs of it, by name, where not all is.
    names: Option<Vec<String>>,
    /// Whether those are the failed ones.
    failed: bool,
    record: Option<ExperimentRecord>,
    /// The runs that are in the database.
    runs: Vec<RunRecord>,
    /// Bytes of its files.
    bytes: u64,
}

impl Doomed {
    fn completed(&self) -> usize {
        self.runs.iter().filter(|run| run.state.has_results()).count()
    }

    /// `experiment `mine`: 4 runs (3 completed), 12 MB of files`.
    fn text(&self) -> String {
        let bytes = human::bytes(self.bytes);
        match self.names.as_deref() {
            Some(names) if self.failed => {
                let runs = human::counted(names.len(), "failed run");
                format!("{runs} of experiment `{}`, {bytes} of files", self.experiment)
            }
            Some(names) => {
                let run = names.first().map_or("", String::as_str);
                let state = self.runs.first().map_or("not in the database", |run| run.state.as_str());
                format!("run `{}/{run}` ({state}), {bytes} of files", self.experiment)
            }
            None => format!(
                "experiment `{}`: {} ({} completed), {bytes} of files",
                self.experiment,
                human::counted(self.runs.len(), "run"),
                self.completed()
            ),
        }
    }
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let signals = signals()?;
    let runtime = runtime()?;
    let (doomed, dir) = runtime.block_on(find(runs_dir, &args.what, args.failed))?;
    if dir.is_locked() {
        return Err(CliError::Running(dir.busy(&doomed.experiment)));
    }
    if doomed.failed && doomed.runs.is_empty() {
        return Err(CliError::NotFound {
            message: format!("no run of experiment `{}` has failed", doomed.experiment),
            hint: None,
        });
    }
    if !args.yes {
        confirm::confirm(&format!("delete {}?", doomed.text()), &doomed.text(), &signals)?;
    }
    runtime.block_on(delete(runs_dir, &doomed, &dir, &signals))?;
    if args.format == Format::Json {
        output::json(&json!({
            "experiment": doomed.experiment,
            "run": doomed.names.as_ref().filter(|_| !doomed.failed).and_then(|names| names.first()),
            "runs": doomed.runs.len(),
            "completed": doomed.completed(),
            "bytes": doomed.bytes,
        }))?;
    } else {
        output::data(&format!("deleted {}", doomed.text()))?;
        if !doomed.runs.is_empty() {
            output::note("gridboard.db keeps its size: the room of the rows is used for new ones");
        }
    }
    Ok(exit::DONE)
}

/// What a user means, in the database and on the disk: one of the two is enough, so that a deletion that was cut off can be
/// repeated.
async fn find(runs_dir: &Path, what: &str, failed: bool) -> Result<(Doomed, ExperimentDir), CliError> {
    let (experiment, run) = match what.split_once('/') {
        Some((experiment, run)) => {
            (experiment, Some(run.trim_end_matches('/')).filter(|run| !run.is_empty()))
        }
        None => (what, None),
    };
    if failed && run.is_some() {
        return Err(CliError::Usage {
            message: format!("`--failed` is of an experiment, and `{what}` is a run"),
            hint: Some(format!("gridboard delete {experiment} --failed, or gridboard delete {what}")),
        });
    }
    let dir = ExperimentDir::new(runs_dir, experiment);
    let mut store = match crate::store::Reader::open(runs_dir).await {
        Err(StoreError::NoDatabase { .. }) => None,
        store => Some(store?),
    };
    let mut record = None;
    let mut runs = Vec::new();
    let mut names = Vec::new();
    let mut of_that_name = Vec::new();
    if let Some(store) = &mut store {
        record = store.experiment(experiment).await?;
        names = store.experiments().await?.into_iter().map(|record| record.name).collect();
        if let Some(record) = &record {
            runs = store.runs(Some(record.key)).await?;
        } else if run.is_none() {
            // The other verbs take the name of a run alone.
            let all = store.runs(None).await?.into_iter();
            of_that_name = all.filter(|run| run.spec.name == what).map(|run| run.experiment).collect();
        }
    }
    if let Some(store) = store {
        store.close().await?;
    }
    let is_ours = crate::spec::check_experiment_name(experiment).is_ok()
        && dir.lock().is_file()
        && dir.path().symlink_metadata().is_ok_and(|data| data.is_dir());
    if record.is_none() && !is_ours && !of_that_name.is_empty() {
        let commands: Vec<String> =
            of_that_name.iter().map(|of| format!("gridboard delete {of}/{what}")).collect();
        let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
        return Err(CliError::NotFound {
            message: format!("`{what}` is no experiment, but a run"),
            hint: Some(listing::shortened(&commands, 5)),
        });
    }
    if record.is_none() && !is_ours {
        return Err(not_found(
            format!("no experiment `{experiment}` in `{}`", listing::absolute(runs_dir)),
            experiment,
            names.iter().map(String::as_str),
        ));
    }
    let bytes = match run {
        None if failed => {
            runs.retain(|run| run.state == RunState::Failed);
            runs.iter().map(|run| bytes_on_disk(dir.run(&run.spec.name).path())).sum()
        }
        None => bytes_on_disk(dir.path()),
        Some(run) => {
            let all: Vec<String> = runs.iter().map(|known| known.spec.name.clone()).collect();
            runs.retain(|known| known.spec.name == run);
            let folder = dir.run(run);
            let left = !run.contains('/')
                && !run.starts_with('.')
                && (folder.run_file().is_file() || dir.noted_removal()?.iter().any(|name| name == run));
            if runs.is_empty() && !left {
                return Err(not_found(
                    format!("no run `{run}` in experiment `{experiment}`"),
                    run,
                    all.iter().map(String::as_str),
                ));
            }
            bytes_on_disk(folder.path())
        }
    };
    let names = match run {
        Some(run) => Some(vec![run.to_owned()]),
        None => failed.then(|| runs.iter().map(|run| run.spec.name.clone()).collect()),
    };
    Ok((Doomed { experiment: experiment.to_owned(), names, failed, record, runs, bytes }, dir))
}

fn not_found<'a>(message: String, wanted: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let known: Vec<&str> = known.collect();
    CliError::NotFound { message, hint: listing::meant(wanted, &known) }
}

/// Takes the rows out, then the files.
///
/// # Errors
/// [`CliError::Running`], or what cannot be written or deleted; the same command goes on from there.
async fn delete(
    runs_dir: &Path,
    doomed: &Doomed,
    dir: &ExperimentDir,
    signals: &Signals,
) -> Result<(), CliError> {
    if signals.heard() {
        return Err(CliError::Interrupted);
    }
    let io = |what, path: &Path| {
        let path = path.to_owned();
        move |source| SweepError::Io { what, path, source }
    };
    std::fs::create_dir_all(dir.path()).map_err(io("create", dir.path()))?;
    let lock = dir.take_lock().map_err(io("lock", &dir.lock()))?;
    let Some(lock) = lock else { return Err(CliError::Running(dir.busy(&doomed.experiment))) };
    // What is alive of an earlier sweep would write the files anew.
    let children = Children::in_experiment(dir).map_err(io("write", &dir.children()))?;
    let _ended = children.end_orphans();
    let mut store = match &doomed.record {
        Some(_) => Some(Store::open(runs_dir).await?),
        None => None,
    };
    if let Some(store) = &store {
        store.must_be_newest(dir)?;
        store.be_newest(dir)?;
    }
    match &doomed.names {
        None => {
            if let (Some(store), Some(record)) = (&mut store, &doomed.record) {
                store.remove_experiment(record.key).await?;
            }
            dir.remove()?;
        }
        Some(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            dir.note_removal(&names)?;
            let mut kept = Vec::new();
            if let (Some(store), Some(record)) = (&mut store, &doomed.record) {
                let keys: Vec<_> = doomed.runs.iter().map(|run| run.key).collect();
                store.remove_runs(record.key, &keys).await?;
                keep_record(store, record.key, dir).await?;
                kept = store.runs(Some(record.key)).await?;
            }
            // What is in the database was noted by somebody who was cut off before it was taken out.
            dir.finish_removal(|name| kept.iter().all(|run| run.spec.name != name))?;
        }
    }
    if let Some(store) = store {
        store.leave().await?;
    }
    drop(lock);
    Ok(())
}
