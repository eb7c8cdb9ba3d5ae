//! The database is made anew from the folders: under a temporary name, whole, and put in the place of the one that is there.
//!
//! Folders are read on all cores, a piece ahead of the one connection that writes. The locks of all experiments are held
//! meanwhile. What is cut off leaves the database that was there.

use std::{
    collections::HashMap,
    mem,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use super::{
    folders::{self, FoundExperiment, FoundRun},
    read_ahead::{Piece, read_ahead},
    record::RecordError,
    salvage::salvage,
};
use crate::{
    base::{error::with_causes, files::FileError, human::counted, signals::Signals},
    event::Scalar,
    rank::importances,
    run::{Busy, ExperimentLock, LedgerFile, Marks, Quiet, RunSpec, RunState},
    store::{Anew, LoadedRun, RunKey, Store, StoreError},
};

/// Why the database was not made anew. The one that is there is what it was.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// An experiment is being run.
    #[error("{0}")]
    Running(Busy),
    /// There is nothing to make one of.
    #[error("no experiment's folder in `{}`", .0.display())]
    Nothing(PathBuf),
    /// A folder does not say what is in it.
    #[error("{0}")]
    Folder(String),
    /// A database cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user wants it to end.
    #[error("interrupted")]
    Interrupted,
}

/// What was made.
#[derive(Debug, Default)]
pub(crate) struct Rebuilt {
    pub(crate) experiments: usize,
    pub(crate) runs: usize,
    pub(crate) completed: usize,
    pub(crate) points: u64,
    /// Where the database lies that was there.
    pub(crate) kept: Option<PathBuf>,
    /// What is not as it was, or not known.
    pub(crate) notes: Vec<String>,
}

/// Makes the database of a runs directory anew. `progress` is told how many runs of how many are done, `say` what is waited for.
///
/// # Errors
/// [`IndexError`]; nothing has changed then.
pub(crate) async fn rebuild(
    runs_dir: &Path,
    progress: &(dyn Fn(usize, usize) + Sync),
    say: &(dyn Fn(&str) + Sync),
    signals: &Signals,
) -> Result<Rebuilt, IndexError> {
    let mut rebuilt = Rebuilt::default();
    // Held before anything is read, so that nothing changes meanwhile.
    let (before, _) = folders::experiments(runs_dir);
    let mut locks = Vec::new();
    for experiment in &before {
        locks.push(lock(experiment, say).await?);
    }
    let anew = Anew::new(runs_dir)?;
    take_from_database(&anew, runs_dir, &mut rebuilt.notes).await;
    let (experiments, problems) = folders::experiments(runs_dir);
    rebuilt.notes.extend(problems);
    if experiments.is_empty() {
        return Err(match rebuilt.notes.pop() {
            Some(problem) => IndexError::Folder(problem),
            None => IndexError::Nothing(runs_dir.to_owned()),
        });
    }
    let folder = anew.room()?;
    let mut store = Store::open(folder.path()).await?;
    store.be_loaded().await?;
    let total = experiments
        .iter()
        .map(|experiment| folders::runs(&experiment.file, &experiment.points).count())
        .sum();
    let mut done = 0;
    for experiment in &experiments {
        rebuilt.notes.extend(experiment.notes.iter().cloned());
        let mut advance = |runs: usize| {
            done += runs;
            progress(done, total);
        };
        load(&mut store, experiment, &mut rebuilt, &mut advance, signals).await?;
    }
    store.finish_load().await?;
    let dirs = experiments.iter().map(|experiment| &experiment.dir);
    rebuilt.kept = anew.take_place(folder.path(), dirs).await?;
    Ok(rebuilt)
}

async fn lock(
    experiment: &FoundExperiment,
    say: &(dyn Fn(&str) + Sync),
) -> Result<ExperimentLock, IndexError> {
    let (dir, name) = (&experiment.dir, &experiment.file.spec.name);
    let tell = |quiet: &Quiet| say(&format!("`{name}` is held by {quiet}"));
    let taken = dir
        .take_lock_in_time(false, tell, async |time| thread::sleep(time))
        .await
        .map_err(FileError::at("lock", &dir.lock()))?;
    taken.ok_or_else(|| IndexError::Running(dir.busy(name)))
}

/// Takes what only the database that is there knows, where it can be read.
async fn take_from_database(anew: &Anew, runs_dir: &Path, notes: &mut Vec<String>) {
    let taken = async {
        let mut store = anew.before().await?;
        let salvaged = salvage(&mut store, runs_dir).await?;
        store.close().await?;
        Ok::<usize, RecordError>(salvaged)
    };
    match taken.await {
        Ok(0) | Err(RecordError::Store(StoreError::NoDatabase { .. })) => {}
        Ok(runs) => notes.push(format!(
            "{} of an older version: what only the database knew of their attempts was put into their folders",
            counted(runs, "run")
        )),
        Err(error) => {
            notes.push(format!("the database that was there is of no help: {}", with_causes(&error)));
        }
    }
}

/// Loads an experiment with its runs.
async fn load(
    store: &mut Store,
    experiment: &FoundExperiment,
    rebuilt: &mut Rebuilt,
    advance: &mut dyn FnMut(usize),
    signals: &Signals,
) -> Result<(), IndexError> {
    let file = &experiment.file;
    let LedgerFile { spec, fingerprint, created, .. } = file;
    let key = store.create_experiment(spec, fingerprint.as_deref(), *created).await?;
    store.insert_runs(key, folders::runs(file, &experiment.points)).await?;
    store.set_points(key, &experiment.points).await?;
    let keys: HashMap<String, RunKey> = store.run_keys(key).await?.into_iter().collect();
    let (mut bulk, mut binder) = store.bulk().await?;
    let (mut unlogged, mut completed) = (0, 0);
    let mut marked: Vec<(RunKey, Marks)> = Vec::new();
    let keys = Arc::new(keys);
    let known = Arc::clone(&keys);
    let bind = move |mut piece: Piece| {
        let points = |(run, found): &mut (RunSpec, Result<FoundRun, String>)| {
            let points = mem::take(&mut found.as_mut().ok()?.points);
            Some((*known.get(&run.id)?, points))
        };
        let points: Vec<(RunKey, Vec<Scalar>)> = piece.iter_mut().filter_map(points).collect();
        let count: usize = points.iter().map(|(_, points)| points.len()).sum();
        (piece, binder.bind(&points), count)
    };
    let pieces = read_ahead(&experiment.dir, file, &experiment.points, signals, bind)?;
    while let Ok((piece, curves, points)) = pieces.recv() {
        let runs = piece.len();
        rebuilt.points += points as u64;
        bulk.curves(curves).await?;
        for (run, found) in piece {
            let found = found.unwrap_or_else(|problem| {
                rebuilt.notes.push(format!("{}/{}: {problem}", spec.name, run.name));
                FoundRun::unknown()
            });
            let Some(&key) = keys.get(&run.id) else { continue };
            unlogged += usize::from(!found.is_logged && !found.attempts.is_empty());
            rebuilt.runs += 1;
            completed += usize::from(found.state == RunState::Completed);
            if found.marks != Marks::default() {
                marked.push((key, found.marks.clone()));
            }
            let FoundRun { state, attempts, answers, .. } = &found;
            bulk.run(&LoadedRun { key, state: *state, attempts }).await?;
            if let Some(answers) = answers {
                bulk.answers(key, answers.loaded()).await?;
            }
        }
        advance(runs);
    }
    if signals.heard() {
        return Err(IndexError::Interrupted);
    }
    bulk.commit().await?;
    for (run, marks) in &marked {
        store.set_marks(*run, marks).await?;
    }
    store.set_ranks(key).await?;
    if completed > 0 {
        let leaderboard = store.leaderboard(key).await?;
        store.keep_statistics(key, &leaderboard, importances(spec, &leaderboard).as_ref()).await?;
    }
    if unlogged > 0 {
        rebuilt.notes.push(format!(
            "experiment `{}`: {} of version 0.1, whose folders do not tell slot, process, processor time and earlier attempts: \
             they are empty",
            spec.name,
            counted(unlogged, "run")
        ));
    }
    rebuilt.experiments += 1;
    rebuilt.completed += completed;
    Ok(())
}

impl FoundRun {
    /// A run whose folder tells nothing.
    fn unknown() -> Self {
        Self {
            state: RunState::Pending,
            marks: Marks::default(),
            attempts: Vec::new(),
            points: Vec::new(),
            answers: None,
            is_logged: true,
            lost: Vec::new(),
        }
    }
}
