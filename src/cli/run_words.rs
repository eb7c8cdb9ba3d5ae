//! What `gridboard run` says before the first run starts and after the last one has ended.

use std::path::{Path, PathBuf};

use super::listing;
use crate::{
    base::human,
    device, grid,
    publish::Finished,
    report::files::PAGE,
    run::ExperimentDir,
    schedule::Slot,
    spec::Experiment,
    sweep::{self, Account, End},
};

/// What is about to happen: `tab3: 27 runs, 20 completed, 7 to train on cpu/0, cpu/1 (1 thread each)`.
pub(super) fn opening(ready: &sweep::Preparation, placement: &device::Placement) -> String {
    let mut text = String::new();
    for run in &ready.taken_back {
        text += &format!("{}: {run} was cut off and is trained again\n", ready.experiment.name);
    }
    let alive = ready.owed.iter().filter(|owed| owed.alive).count();
    if alive > 0 {
        let what = human::counted(alive, "attempt");
        text += &format!(
            "{}: {what} of an earlier sweep in the cluster, now taken over\n",
            ready.experiment.name
        );
    }
    if !ready.gone.is_empty() {
        let names: Vec<&str> = ready.gone.iter().map(String::as_str).collect();
        let whose = if names.len() == 1 { "its folder is gone" } else { "their folders are gone" };
        let names = listing::shortened(&names, 8);
        text += &format!("{}: trained again, since {whose}: {names}\n", ready.experiment.name);
    }
    if ready.replaced > 0 {
        let what = human::counted(ready.replaced, "run");
        text += &format!("{}: {what} of an earlier spec removed\n", ready.experiment.name);
    }
    if !ready.reused.is_empty() {
        let whose: Vec<String> =
            ready.reused.iter().map(|(run, whose)| format!("{run} of {whose}")).collect();
        let whose: Vec<&str> = whose.iter().map(String::as_str).collect();
        let whose = listing::shortened(&whose, 8);
        text += &format!("{}: reused, not trained again (--fresh trains): {whose}\n", ready.experiment.name);
    }
    if ready.killed > 0 {
        let what = human::counted(ready.killed, "process");
        text += &format!("{}: {what} of cut off runs still alive, now ended\n", ready.experiment.name);
    }
    let owed = ready.owed.iter().filter(|owed| !owed.cancelled).count();
    let cancelled = ready.owed.len() - owed;
    // Points that a search has not suggested yet.
    let planned = if ready.experiment.suggests() { grid::count(&ready.experiment) } else { 0 };
    let unknown = u64::try_from(planned).unwrap_or(u64::MAX).saturating_sub(ready.runs.len() as u64);
    text += &format!(
        "{}: {}, {} completed, {} to train",
        ready.experiment.name,
        human::counted(ready.runs.len() as u64 + unknown, "run"),
        ready.completed,
        owed as u64 + unknown
    );
    if owed as u64 + unknown > 0 {
        let labels: Vec<&str> = placement.slots.iter().map(|slot| slot.label.as_str()).collect();
        let where_ = if labels.iter().all(|label| label.starts_with(Slot::IN_SLURM)) {
            format!("as jobs of Slurm, at most {} at once", labels.len())
        } else {
            format!("on {}", listing::shortened(&labels, 8))
        };
        let threads = placement.slots.first().map_or(1, |slot| slot.threads);
        let threads = human::counted(threads, "thread");
        text += &format!(" {where_} ({threads} each)");
    }
    if cancelled > 0 {
        text += &format!(", {cancelled} cancelled (`gridboard requeue` takes that back)");
    }
    text
}

/// Counts, time, where the report is, and how to look at it in TensorBoard and SQL.
pub(super) fn closing(
    runs_dir: &Path,
    experiment: &Experiment,
    finished: &Finished,
    end: &End,
    account: &Account,
) -> String {
    let name = &experiment.name;
    let dir = ExperimentDir::new(runs_dir, name);
    let mut text = format!("\n{} completed, {} failed", end.completed, end.failed);
    if end.stopped > 0 {
        text += &format!(", {} stopped early", end.stopped);
    }
    if end.pending > 0 {
        text += &format!(", {} still to run", end.pending);
    }
    if end.cancelled > 0 {
        text += &format!(", {} cancelled", end.cancelled);
    }
    if end.trained > 0 {
        text += &format!(" ({} trained in {}", end.trained, human::seconds(end.seconds));
        if let Some(busy) = account.shares.slots {
            text += &format!(", slots busy {:.0} % of the time", busy.min(1.0) * 100.0);
        }
        text += ")";
    }
    if let Some(what) = &end.ended_by {
        text += &format!("\n{what}; a larger budget goes on");
    }
    if let Some(line) = account.line() {
        text += &format!("\n{line}");
    }
    if end.completed == 0 && end.failed > 0 {
        text +=
            "\nno run has completed: correct the spec or the program and run it again, under the same name";
    }
    text += "\n\n";
    let shown: Vec<&PathBuf> = finished
        .paths
        .iter()
        .filter(|path| {
            path.parent() == Some(dir.report().as_path()) && path.extension().is_some_and(|e| e == "png")
        })
        .collect();
    text += &format!("report       {}\n", dir.report().join(PAGE).display());
    for path in shown {
        text += &format!("figure       {}\n", path.display());
    }
    // The one that scripts/setup.sh has installed, where this is the project's own folder.
    let own = Path::new(".venv/bin/tensorboard");
    let program = if own.exists() { own } else { Path::new("tensorboard") };
    text += &format!("TensorBoard  {} --logdir {}\n", program.display(), dir.path().display());
    let view = if name.contains('-') { format!("\\\"{name}\\\"") } else { name.clone() };
    let place = if runs_dir == Path::new("runs") {
        String::new()
    } else {
        format!(" --runs-dir {}", runs_dir.display())
    };
    text += &format!("SQL          gridboard{place} sql \"select * from {view} order by rank limit 10\"");
    text
}
