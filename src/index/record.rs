//! What `ledger.json` says of an experiment, from its rows.
//!
//! Called by whoever has changed which runs an experiment has, under its lock.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::points::read_points;
use crate::{
    base::files::FileError,
    grid::{self, Suggested},
    run::{ExperimentDir, ImportSource, LedgerFile},
    spec::Experiment,
    store::{ExperimentKey, Reader, StoreError},
};

/// Why the record of an experiment is not kept.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is to be kept of an experiment whose runs have these content ids and names.
pub(crate) fn ledger_file<'a>(
    (spec, fingerprint, created): (&Experiment, Option<&str>, f64),
    points: &[Suggested],
    runs: impl Iterator<Item = (&'a str, &'a str)>,
    import: Option<ImportSource>,
) -> LedgerFile {
    let known: HashMap<&str, &str> = runs.collect();
    let (mut names, mut without) = (BTreeMap::new(), BTreeSet::new());
    for run in grid::runs_with(spec, points) {
        match known.get(run.id.as_str()) {
            Some(name) if *name == run.name => {}
            Some(name) => {
                names.insert(run.id, (*name).to_owned());
            }
            None => {
                without.insert(run.id);
            }
        }
    }
    let fingerprint = fingerprint.map(str::to_owned);
    LedgerFile { created, fingerprint, spec: spec.clone(), names, without, import }
}

/// Keeps the record of an experiment as the database has it now.
///
/// # Errors
/// Where the database cannot be read or the file cannot be written.
pub(crate) async fn keep_record(
    store: &mut Reader,
    experiment: ExperimentKey,
    dir: &ExperimentDir,
) -> Result<(), RecordError> {
    let record = store.experiment_by_key(experiment).await?;
    let runs = store.run_ids(experiment).await?;
    // Where the runs came from is told by nobody else.
    let import = LedgerFile::read(dir).ok().flatten().and_then(|file| file.import);
    let known = runs.iter().map(|(id, name)| (id.as_str(), name.as_str()));
    let of = (&record.spec, record.fingerprint.as_deref(), record.created);
    let file = ledger_file(of, &read_points(dir)?, known, import);
    Ok(file.write(dir)?)
}
