//! What the verbs share that change runs from another terminal: a sweep that lives is asked, of one that rests the lock is taken.
//!
//! A sweep answers within its tick, a quarter of a second. One that holds its lock and does not listen is being prepared, or
//! makes its report.

use std::{
    fs, io,
    path::Path,
    process,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{CliError, exit, experiments, listing, output, show};
use crate::{
    base::{clock::wall_now, files::FileError},
    report::Format,
    run::{
        Answer, Changed, ExperimentDir, ExperimentLock, Holder, Marks, Refused, Request, RunDir, RunState,
        Ticket,
    },
    store::{Reader, RunRecord, Store},
    sweep::SweepError,
};

/// How long a sweep that listens has for its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one on another machine has: file systems of a network show what is new after a while.
const FAR_PATIENCE: Duration = Duration::from_secs(60);
/// How long somebody who holds the lock for a moment, as another of these verbs, is waited for.
const MOMENT: Duration = Duration::from_millis(700);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// How an experiment was reached.
pub(super) enum Reached {
    /// Its sweep has answered.
    Live(Answer),
    /// Nobody sweeps it, nor can while this is held.
    Rest(ExperimentLock),
}

/// Asks the sweep of an experiment, or takes the experiment's lock where there is none.
///
/// # Errors
/// [`CliError::Deaf`] where the sweep takes no requests; what cannot be read or written.
pub(super) fn reach(dir: &ExperimentDir, experiment: &str, request: &Request) -> Result<Reached, CliError> {
    let begun = Instant::now();
    // It may have been deleted by hand.
    fs::create_dir_all(dir.path()).map_err(FileError::at("create folder", dir.path()))?;
    loop {
        if !dir.is_locked()
            && let Some(lock) = dir.take_lock().map_err(|source| {
                let path = dir.lock();
                SweepError::Io { what: "lock", path, source }
            })?
        {
            return Ok(Reached::Rest(lock));
        }
        if dir.listens() {
            let id = format!("{:020.0}-{}", wall_now() * 1e6, process::id());
            match dir.ask(id, request) {
                Ok(ticket) => {
                    if let Some(answer) = wait_for(dir, &ticket, experiment)? {
                        return Ok(Reached::Live(answer));
                    }
                }
                // It has just ended.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        if begun.elapsed() > MOMENT {
            return Err(CliError::Deaf { experiment: experiment.to_owned(), holder: dir.lock_holder() });
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits for the answer; `None` where the request was taken back, so that nobody does it.
fn wait_for(dir: &ExperimentDir, ticket: &Ticket, experiment: &str) -> Result<Option<Answer>, CliError> {
    let mut until = Instant::now() + PATIENCE;
    let mut far = dir.lock_holder().filter(Holder::is_elsewhere);
    let mut taken = false;
    loop {
        if let Some(answer) = ticket.answer()? {
            return Ok(Some(answer));
        }
        let gone = !dir.listens() || !dir.is_locked();
        if !gone
            && Instant::now() > until
            && let Some(holder) = far.take()
        {
            let seconds = FAR_PATIENCE.as_secs();
            output::note(&format!(
                "`{experiment}` is being run by {holder}: its answer is waited for, {seconds} s at most"
            ));
            until = Instant::now() + FAR_PATIENCE;
        }
        if gone || Instant::now() > until {
            if taken || ticket.withdraw()? || gone {
                return Ok(None);
            }
            // It has the request, and takes its time.
            taken = true;
            until = Instant::now() + PATIENCE;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The runs that a user names, all of one experiment.
///
/// # Errors
/// Where a name is none, or they are of several experiments.
async fn named_runs(
    store: &mut Reader,
    runs_dir: &Path,
    wanted: &[String],
) -> Result<Vec<RunRecord>, CliError> {
    let mut runs: Vec<RunRecord> = Vec::new();
    for wanted in wanted {
        let run = show::one(store, runs_dir, wanted).await?;
        if runs.iter().all(|known| known.key != run.key) {
            runs.push(run);
        }
    }
    if let Some(other) = runs.iter().find(|run| run.experiment != runs[0].experiment) {
        return Err(CliError::Usage {
            message: format!(
                "the runs are of several experiments: `{}` and `{}`",
                runs[0].experiment, other.experiment
            ),
            hint: Some("name those of one experiment at a time".to_owned()),
        });
    }
    Ok(runs)
}

/// The runs that a verb is for, with the name of their experiment: those that are named, or with `all` those of an experiment in
/// such a state.
///
/// # Errors
/// As [`named_runs`] and [`experiment`].
pub(super) async fn chosen(
    runs_dir: &Path,
    named: &[String],
    of: Option<&str>,
    all: Option<fn(RunState) -> bool>,
) -> Result<(String, Vec<RunRecord>), CliError> {
    let mut store = Reader::open(runs_dir).await?;
    let Some(is_meant) = all else {
        let runs = named_runs(&mut store, runs_dir, named).await?;
        return Ok((runs[0].experiment.clone(), runs));
    };
    let name = experiment(&mut store, runs_dir, of).await?;
    let record = experiments::named(&mut store, runs_dir, &name).await?;
    let mut runs = store.runs(Some(record.key)).await?;
    runs.retain(|run| is_meant(run.state));
    Ok((name, runs))
}

/// The experiment of this name; without one the only one that is being run, else the only one there is.
///
/// # Errors
/// Where there is none, or several.
pub(super) async fn experiment(
    store: &mut Reader,
    runs_dir: &Path,
    name: Option<&str>,
) -> Result<String, CliError> {
    if let Some(name) = name {
        return Ok(experiments::named(store, runs_dir, name).await?.name);
    }
    let all = store.experiments().await?;
    let live: Vec<&str> = all
        .iter()
        .map(|record| record.name.as_str())
        .filter(|name| ExperimentDir::new(runs_dir, name).is_locked())
        .collect();
    match live.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Ok(experiments::all_or_only(store, runs_dir, false).await?.remove(0).name),
        several => Err(CliError::NotFound {
            message: format!(
                "{} experiments are being run in `{}`: name one",
                several.len(),
                runs_dir.display()
            ),
            hint: Some(format!("there are: {}", listing::shortened(several, 20))),
        }),
    }
}

/// What becomes of a run at rest, or why not.
pub(super) type Verdict = Result<RunState, &'static str>;

/// Moves runs of an experiment that rests, each by the verdict on its state.
///
/// # Errors
/// What cannot be written.
pub(super) async fn move_at_rest(
    runs_dir: &Path,
    dir: &ExperimentDir,
    runs: &[RunRecord],
    verdict: impl Fn(RunState) -> Verdict,
) -> Result<Answer, CliError> {
    let mut answer = Answer::default();
    let mut store = Store::open(runs_dir).await?;
    store.must_be_newest(dir)?;
    store.be_newest(dir)?;
    let mut moved = Vec::new();
    for run in runs {
        // What it is now: it may have been read while its sweep lived.
        let RunRecord { state, attempts, .. } = store.run(run.key).await?;
        let name = run.spec.name.clone();
        match verdict(state) {
            Ok(state) => {
                match state {
                    RunState::Cancelled => Marks::cancel(&dir.run(&name))?,
                    _ => Marks::requeue(&dir.run(&name), attempts)?,
                }
                moved.push((run.key, state));
                answer.changed.push(Changed { run: name, state, text: None });
            }
            Err(reason) => {
                answer.refused.push(Refused { run: Some(name), reason: reason.to_owned() });
            }
        }
    }
    if let (Some(first), Some((_, state))) = (runs.first(), moved.first()) {
        let record = store.experiment(&first.experiment).await?;
        let keys: Vec<_> = moved.iter().map(|(key, _)| *key).collect();
        if let Some(record) = record {
            store.move_runs(record.key, &keys, *state).await?;
        }
    }
    store.leave().await?;
    Ok(answer)
}

/// Changes what is said of a run in its folder. Where nothing is said and nothing was, no folder is made.
///
/// # Errors
/// The file, and why it cannot be read or written.
pub(super) fn mark(dir: &RunDir, change: impl Fn(&mut Marks)) -> Result<Marks, CliError> {
    let before = Marks::read(dir)?;
    let mut after = before.clone();
    change(&mut after);
    if after == before {
        return Ok(before);
    }
    Ok(Marks::change(dir, change)?)
}

/// Prints what was done and what was not; the exit code says whether all was.
///
/// # Errors
/// Where stdout cannot be written.
pub(super) fn tell(experiment: &str, answer: &Answer, format: Format) -> Result<u8, CliError> {
    if format == Format::Json {
        output::json(&json!({
            "experiment": experiment, "changed": answer.changed, "refused": answer.refused, "text": answer.text,
        }))?;
    } else {
        for Changed { run, state, text } in &answer.changed {
            let more = text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            output::data(&format!("{experiment}/{run} is {state}{more}"))?;
        }
        if let Some(text) = &answer.text {
            output::data(&format!("{experiment}: {text}"))?;
        }
        for Refused { run, reason } in &answer.refused {
            let whose = run.as_ref().map(|run| format!("/{run}")).unwrap_or_default();
            output::note(&format!("error: {experiment}{whose}: {reason}"));
        }
    }
    Ok(if answer.refused.is_empty() { exit::DONE } else { exit::ERROR })
}
