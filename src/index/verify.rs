//! An experiment's folders held against its rows in the database: every run of the grid in exactly one state, every file as its
//! attempt left it, every point of the event files in SQL.
//!
//! Reads only. What disagrees is told with the side that is right: an event file proves itself by its checksums, so a point that
//! it has otherwise is right; a point that only the database has was in a file once, and the file has lost it. `compare` has
//! the comparisons, this the walk over grid, folders and rows.

mod attempts;
mod compare;
mod ledger;

use std::{collections::HashMap, convert::identity, path::Path};

use super::{
    folders::{self, FoundExperiment, FoundRun},
    read_ahead::read_ahead,
    rebuild::IndexError,
};
use crate::{
    base::{error::with_causes, signals::Signals},
    follow::FollowProblem,
    run::{ExperimentDir, Outcome, RunDir, RunFile, RunFileError, RunSpec, RunState},
    store::{ExperimentRecord, Reader, RunRecord},
};

/// Which side a difference leaves to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The files: the database is to be made anew.
    Files,
    /// The database: the file has lost or changed what it has.
    Database,
    /// Neither says what is right.
    Neither,
}

impl Side {
    /// The word for tables and scripts.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Database => "database",
            Self::Neither => "neither",
        }
    }
}

/// Something that disagrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The run; `None` where it is of the experiment.
    pub(crate) run: Option<String>,
    /// What, in a sentence with both sides.
    pub(crate) what: String,
    /// The side that is right.
    pub(crate) right: Side,
}

/// What was looked at, and what disagrees.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verified {
    /// Runs of the grid.
    pub(crate) runs: usize,
    /// Runs by state, in the order of the states.
    pub(crate) states: Vec<(RunState, usize)>,
    /// Points that were compared.
    pub(crate) points: u64,
    /// Files whose hashes were looked at.
    pub(crate) sealed: usize,
    /// Runs whose confusion counts were compared.
    pub(crate) confusions: usize,
    /// What disagrees.
    pub(crate) differences: Vec<Difference>,
    /// What could not be looked at, and why.
    pub(crate) notes: Vec<String>,
}

impl Verified {
    fn add(&mut self, run: &str, right: Side, what: String) {
        self.differences.push(Difference { run: Some(run.to_owned()), what, right });
    }
}

/// Holds an experiment's folders against its rows. `progress` is told how many runs of how many are done.
///
/// # Errors
/// [`IndexError::Running`] while it is swept, since files are ahead of the database then; [`IndexError::Folder`] where its
/// folder tells nothing; where the database cannot be read.
pub(crate) async fn verify(
    store: &mut Reader,
    runs_dir: &Path,
    record: &ExperimentRecord,
    progress: &(dyn Fn(usize, usize) + Sync),
    signals: &Signals,
) -> Result<Verified, IndexError> {
    let dir = ExperimentDir::new(runs_dir, &record.name);
    if dir.is_locked() {
        return Err(IndexError::Running(dir.busy(&record.name)));
    }
    let found = folders::experiment(&dir).map_err(IndexError::Folder)?;
    let mut verified = Verified::default();
    let records = store.runs(Some(record.key)).await?;
    verified.runs = records.len();
    verified.states = count(&records);
    let Some(found) = found else {
        let what = format!("`{}` has neither `ledger.json` nor a spec", dir.path().display());
        verified.differences.push(Difference { run: None, what, right: Side::Database });
        return Ok(verified);
    };
    verified.notes.extend(found.notes.iter().cloned());
    ledger::compare(&found, record, &records, &mut verified.differences);
    ledger::compare_points(&found.points, &store.points(record.key).await?, &mut verified.differences);
    let by_id: HashMap<&str, &RunRecord> = records.iter().map(|run| (run.spec.id.as_str(), run)).collect();
    let pieces = read_ahead(&dir, &found.file, &found.points, signals, identity)?;
    let mut done = 0;
    while let Ok(piece) = pieces.recv() {
        done += piece.len();
        for (run, read) in piece {
            let Some(&record) = by_id.get(run.id.as_str()) else { continue };
            if let Err(error) = one(store, &found, &run, record, read, &mut verified).await {
                let what = format!("the database holds what cannot be read: {}", with_causes(&error));
                verified.add(&record.spec.name, Side::Files, what);
            }
        }
        progress(done, records.len());
    }
    if signals.heard() {
        return Err(IndexError::Interrupted);
    }
    Ok(verified)
}

fn count(records: &[RunRecord]) -> Vec<(RunState, usize)> {
    let mut states: Vec<(RunState, usize)> = Vec::new();
    for record in records {
        match states.iter_mut().find(|(state, _)| *state == record.state) {
            Some((_, count)) => *count += 1,
            None => states.push((record.state, 1)),
        }
    }
    states.sort_by_key(|(state, _)| state.as_str());
    states
}

/// Holds one run's folder against its rows.
async fn one(
    store: &mut Reader,
    experiment: &FoundExperiment,
    run: &RunSpec,
    record: &RunRecord,
    read: Result<FoundRun, String>,
    verified: &mut Verified,
) -> Result<(), crate::store::StoreError> {
    let name = record.spec.name.as_str();
    let dir = experiment.dir.run(name);
    let mut say = |right: Side, what: String| verified.add(name, right, what);
    let found = match read {
        Ok(found) => found,
        Err(problem) => {
            say(Side::Database, format!("its folder cannot be read: {problem}"));
            return Ok(());
        }
    };
    if !dir.path().is_dir() {
        if record.attempts > 0 && record.state != RunState::Pending {
            say(
                Side::Database,
                format!("its folder `{}` is gone: it is trained again", dir.path().display()),
            );
        }
        return Ok(());
    }
    run_file(&dir, run, record, experiment.file.import.is_some(), &mut say);
    outcome(&dir, record, experiment.file.import.is_some(), &mut say);
    if found.is_logged {
        attempts::compare(&store.attempts(record.key).await?, &found.attempts, &mut say);
        attempts::compare_decisions(&store.decisions(record.key).await?, &found.attempts, &mut say);
        if found.state != record.state {
            say(
                Side::Files,
                format!("its files say that it is {}, the database calls it {}", found.state, record.state),
            );
        }
    } else if record.attempts > 0 {
        let note = format!("{name}: of version 0.1, its attempts stand in the database alone");
        verified.notes.push(note);
    }
    let altered = sealed(&dir, name, verified);
    let lossy: Vec<String> =
        found.lost.iter().filter(|problem| problem.loses_points()).map(FollowProblem::to_string).collect();
    let curves = store.raw_curves(record.key).await?;
    let latest = store.raw_latest(record.key).await?;
    verified.points += found.points.len() as u64;
    let mut say = |right: Side, what: String| verified.add(name, right, what);
    compare::curves(&found.points, &curves, &lossy, &mut say);
    compare::latest(&curves, &latest, &mut say);
    compare::chunks(&curves, &store.raw_chunks(record.key).await?, &mut say);
    if record.state.has_results() {
        let matrix = store.confusion(record.key).await?;
        let validation = store.raw_validation(record.key).await?;
        let file_is_right = !altered.iter().any(|name| name == RunDir::PREDICTIONS);
        compare::confusion(
            found.answers.as_ref(),
            matrix.as_ref(),
            validation.as_ref(),
            file_is_right,
            &mut say,
        );
        verified.confusions += usize::from(matrix.is_some());
    }
    Ok(())
}

/// What an attempt was told.
fn run_file(
    dir: &RunDir,
    run: &RunSpec,
    record: &RunRecord,
    is_imported: bool,
    say: &mut dyn FnMut(Side, String),
) {
    let file = match RunFile::read(dir.path()) {
        Ok(file) => file,
        Err(RunFileError::Missing(_)) if is_imported || record.attempts == 0 => return,
        Err(error) => return say(Side::Database, with_causes(&error)),
    };
    let spec = &record.spec;
    for (what, is_same) in [
        ("content id", file.id == spec.id),
        ("seed", file.seed == spec.seed),
        ("parameters", file.parameters == run.parameters),
        ("name", file.run == spec.name),
    ] {
        if !is_same {
            say(Side::Database, format!("`{}` has another {what} than the ledger", RunDir::RUN_FILE));
        }
    }
    if spec.parameters != run.parameters || spec.seed != run.seed {
        say(Side::Files, "parameters or seed in the database are not what the content id is of".to_owned());
    }
}

/// What its last attempt answered.
fn outcome(dir: &RunDir, record: &RunRecord, is_imported: bool, say: &mut dyn FnMut(Side, String)) {
    let (file, ended) =
        (dir.outcome(), matches!(record.state, RunState::Completed | RunState::Failed) && !is_imported);
    match Outcome::read(dir.path()) {
        Ok(None) if ended => {
            say(Side::Database, format!("`{}` is missing, and the run is {}", file.display(), record.state))
        }
        Ok(Some(outcome)) if ended => {
            if (outcome.attempt, outcome.state) != (record.attempts, record.state) {
                let (attempt, state) = (outcome.attempt, outcome.state);
                say(
                    Side::Neither,
                    format!(
                        "`{}` is of attempt {attempt}, which was {state}; the database has attempt {}, which was {}",
                        file.display(),
                        record.attempts,
                        record.state
                    ),
                );
            }
        }
        Ok(_) => {}
        Err(error) => say(Side::Database, with_causes(&error)),
    }
}

/// The files that the last attempt has sealed. Returns those that are not what it left.
fn sealed(dir: &RunDir, name: &str, verified: &mut Verified) -> Vec<String> {
    // That it cannot be read has been said.
    let seal = dir.look_at_seal().unwrap_or_default();
    verified.sealed += seal.whole.len() + seal.altered.len();
    for file in &seal.altered {
        let path = dir.path().join(file);
        let how =
            if path.exists() { "is not what its attempt left: its content has changed" } else { "is gone" };
        verified.add(name, Side::Database, format!("`{}` {how}", path.display()));
    }
    seal.altered
}
