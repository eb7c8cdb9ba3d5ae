//! The folders of an import into the database: as a rebuild reads them, and only what has changed.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    convert::identity,
};

use super::{ImportError, experiment::ForeignRun, place, scan::LogDir};
use crate::{
    base::{error::with_causes, signals::Signals},
    event::Scalar,
    index::{self, FoundRun, IndexError},
    run::{ExperimentDir, LedgerFile},
    store::{ExperimentRecord, LoadedRun, Point, RunKey, RunRecord, Store},
};

/// What was loaded.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) changed: usize,
    pub(super) gone: usize,
    pub(super) points: u64,
    pub(super) notes: Vec<String>,
}

/// Puts the runs of an import, with their content ids, into folders and database, and removes those of an earlier one that
/// are gone. Under the experiment's lock.
///
/// # Errors
/// [`ImportError::Gone`] where runs would go whose only event files are the copies; a file or the database cannot be written.
pub(super) async fn load(
    store: &mut Store,
    dir: &ExperimentDir,
    file: &LedgerFile,
    (runs, dirs): (&[(String, ForeignRun)], &[LogDir]),
    known: Option<ExperimentRecord>,
    progress: &(dyn Fn(usize, usize) + Sync),
    signals: &Signals,
) -> Result<Loaded, ImportError> {
    let mut loaded = Loaded::default();
    let copy = file.import.as_ref().is_some_and(|import| import.copied);
    let before: Vec<RunRecord> = match &known {
        Some(record) => store.runs(Some(record.key)).await?,
        None => Vec::new(),
    };
    let ids: HashSet<&str> = runs.iter().map(|(id, _)| id.as_str()).collect();
    let names: HashSet<&str> = runs.iter().map(|(_, run)| run.name.as_str()).collect();
    // Of another content id where its parameters have become known since.
    let gone: Vec<&RunRecord> = before.iter().filter(|run| !ids.contains(run.spec.id.as_str())).collect();
    let lost: Vec<&str> =
        gone.iter().map(|run| run.spec.name.as_str()).filter(|name| !names.contains(name)).collect();
    if copy && !lost.is_empty() {
        let directory = file.import.as_ref().map(|import| import.directory.clone()).unwrap_or_default();
        return Err(ImportError::Gone { runs: lost.len(), directory });
    }
    for (_, run) in runs {
        place::place(&dir.run(&run.name), run, dirs, copy)?;
        if signals.heard() {
            return Err(IndexError::Interrupted.into());
        }
    }
    file.write(dir)?;
    let key = match known {
        None => store.create_experiment(&file.spec, None, file.created).await?,
        Some(record) => {
            dir.note_removal(&lost)?;
            let keys: Vec<RunKey> = gone.iter().map(|run| run.key).collect();
            store.update_experiment(record.key, &file.spec, None, &keys).await?;
            dir.finish_removal(|name| !names.contains(name))?;
            record.key
        }
    };
    loaded.gone = lost.len();
    store.insert_runs(key, index::runs(file, &[])).await?;
    let keys: HashMap<String, RunKey> = store.run_keys(key).await?.into_iter().collect();
    let pieces = index::read_ahead(dir, file, &[], signals, identity)?;
    let mut done = 0;
    while let Ok(piece) = pieces.recv() {
        let mut changed = Vec::new();
        done += piece.len();
        for (run, found) in piece {
            let Some(&key) = keys.get(&run.id) else { continue };
            let found = match found {
                Ok(found) => found,
                Err(problem) => {
                    loaded.notes.push(format!("{}: {problem}", run.name));
                    continue;
                }
            };
            let problems = found.lost.iter().map(|problem| format!("{}: {}", run.name, with_causes(problem)));
            loaded.notes.extend(problems);
            loaded.points += found.points.len() as u64;
            if !is_there(store, key, &found).await? {
                changed.push((key, found));
            }
        }
        loaded.changed += changed.len();
        let (mut bulk, mut binder) = store.bulk().await?;
        for (key, found) in &changed {
            let FoundRun { state, attempts, answers, .. } = found;
            bulk.clear(*key).await?;
            bulk.run(&LoadedRun { key: *key, state: *state, attempts }).await?;
            if let Some(answers) = answers {
                bulk.answers(*key, answers.loaded()).await?;
            }
        }
        let points: Vec<(RunKey, &[Scalar])> =
            changed.iter().map(|(key, found)| (*key, found.points.as_slice())).collect();
        bulk.curves(binder.bind(&points)).await?;
        bulk.commit().await?;
        progress(done, runs.len());
    }
    if signals.heard() {
        return Err(IndexError::Interrupted.into());
    }
    store.set_ranks(key).await?;
    let leaderboard = store.leaderboard(key).await?;
    store.keep_statistics(key, &leaderboard).await?;
    Ok(loaded)
}

/// Whether the database has a run as its folder tells it.
async fn is_there(store: &mut Store, key: RunKey, found: &FoundRun) -> Result<bool, ImportError> {
    let attempts = store.attempts(key).await?;
    let same_attempts = attempts.len() == found.attempts.len()
        && attempts.iter().zip(&found.attempts).all(|(row, logged)| {
            let end = logged.end.as_ref();
            (row.started, row.finished, row.failure.as_ref())
                == (
                    logged.start.started,
                    end.map(|end| end.finished),
                    end.and_then(|end| end.failure.as_ref()),
                )
        });
    if !same_attempts {
        return Ok(false);
    }
    let rows = store.raw_curves(key).await?;
    let latest = store.raw_latest(key).await?;
    Ok(latest.len() == rows.len() && same_points(&found.points, &rows))
}

fn same_points(points: &[Scalar], rows: &BTreeMap<String, Vec<Point>>) -> bool {
    let mut files: BTreeMap<&str, Vec<&Scalar>> = BTreeMap::new();
    for point in points {
        files.entry(&point.tag).or_default().push(point);
    }
    let same = |left: f64, right: f64| left == right || left.is_nan() && right.is_nan();
    files.len() == rows.len()
        && files.iter().zip(rows).all(|((tag, points), (name, rows))| {
            *tag == name
                && points.len() == rows.len()
                && points.iter().zip(rows).all(|(point, row)| {
                    point.step == row.step
                        && same(point.value.into(), row.value)
                        && same(point.wall_time, row.wall_time)
                })
        })
}
