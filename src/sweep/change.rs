//! A spec that is not the one its experiment was run with: which runs stay, and which are of the earlier spec alone.
//!
//! Runs are what their content ids say, so more seeds, more values and an axis over what was fixed keep every run that is in
//! both specs, in whatever order they stand. Images, variables and what is done to the images are of all runs: where they
//! change, none stays. Nothing is lost that was never completed, so such runs go without a question; completed ones go only
//! where the user wants that (`--replace`).
//!
//! Called by `prepare`, first to look and then, under the lock, to act.

use std::{collections::HashSet, path::Path};

use super::SweepError;
use crate::{
    grid, index,
    run::{ExperimentDir, RunState},
    spec::{self, Experiment},
    store::{ExperimentRecord, Reader, RunKey, StoreError},
};

/// What a new spec does to the runs of an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The experiment's name.
    pub experiment: String,
    /// A line for each key of the spec that says something else.
    pub differences: Vec<String>,
    /// Content id of the earlier images and of those that are there, where they differ.
    pub images: Option<(String, String)>,
    /// The runs that the new spec has not.
    pub gone: Vec<Gone>,
    /// Runs that are in both.
    pub kept: usize,
    /// Whether the surroundings of all runs are others.
    pub none_stays: bool,
}

/// A run of an earlier spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gone {
    pub key: RunKey,
    pub name: String,
    pub state: RunState,
}

impl Change {
    /// How many completed runs would be lost.
    #[must_use]
    pub(crate) fn completed(&self) -> usize {
        self.gone.iter().filter(|run| run.state.has_results()).count()
    }

    /// The refusal of a change that would lose completed runs.
    ///
    /// # Errors
    /// [`SweepError::Changed`], [`SweepError::OtherImages`].
    pub(crate) fn refuse_loss(&self) -> Result<(), SweepError> {
        let (experiment, lost, completed) = (self.experiment.clone(), self.gone.len(), self.completed());
        if completed == 0 {
            return Ok(());
        }
        let differences = self.differences.clone();
        Err(match &self.images {
            Some((old, new)) if differences.is_empty() => {
                let (old, new) = (old.clone(), new.clone());
                SweepError::OtherImages { experiment, old, new, lost, completed }
            }
            _ => SweepError::Changed { experiment, differences, lost, completed },
        })
    }
}

/// What the spec changes of the experiment; `None` where all its runs stay and none moves. `fingerprint` is the content id of
/// the images, once it is known.
///
/// # Errors
/// Where the database cannot be read.
pub(super) async fn between(
    store: &mut Reader,
    record: &ExperimentRecord,
    experiment: &Experiment,
    fingerprint: Option<&str>,
    dir: &ExperimentDir,
) -> Result<Option<Change>, SweepError> {
    let differences = spec::difference(&record.spec, experiment);
    let images = match (record.fingerprint.as_deref(), fingerprint) {
        (Some(old), Some(new)) if old != new => Some((old.to_owned(), new.to_owned())),
        _ => None,
    };
    if differences.is_empty() && images.is_none() {
        return Ok(None);
    }
    let none_stays = images.is_some() || !spec::shares_surroundings(&record.spec, experiment);
    let ids: HashSet<String> = match none_stays {
        true => HashSet::new(),
        false => {
            let points = grid::still_suggested(experiment, index::read_points(dir)?);
            grid::runs_with(experiment, &points).map(|run| run.id).collect()
        }
    };
    let runs = store.runs(Some(record.key)).await?;
    let all = runs.len();
    let gone: Vec<Gone> = runs
        .into_iter()
        .filter(|run| !ids.contains(&run.spec.id))
        .map(|run| Gone { key: run.key, name: run.spec.name, state: run.state })
        .collect();
    let (experiment, kept) = (experiment.name.clone(), all - gone.len());
    Ok(Some(Change { experiment, differences, images, gone, kept, none_stays }))
}

/// What a spec would change of what was run under its name before. Reads only: what a user should hear before the images are
/// decoded, whose content id is `fingerprint` once it is known.
///
/// # Errors
/// [`SweepError::Locked`] where runs would go that are being trained, [`SweepError::Unknown`], or where the database cannot be
/// read.
pub(crate) async fn planned_change(
    runs_dir: &Path,
    experiment: &Experiment,
    fingerprint: Option<&str>,
) -> Result<Option<Change>, SweepError> {
    let dir = ExperimentDir::new(runs_dir, &experiment.name);
    let mut store = match Reader::open(runs_dir).await {
        Err(StoreError::NoDatabase { .. }) => {
            super::earlier::refuse_unknown(runs_dir, &experiment.name)?;
            return Ok(None);
        }
        store => store?,
    };
    let record = store.experiment(&experiment.name).await?;
    let change = match &record {
        Some(record) => between(&mut store, record, experiment, fingerprint, &dir).await?,
        None => None,
    };
    store.close().await?;
    if record.is_none() {
        super::earlier::refuse_unknown(runs_dir, &experiment.name)?;
    }
    if change.as_ref().is_some_and(|change| !change.gone.is_empty()) && dir.is_locked() {
        return Err(SweepError::Locked { by: dir.busy(&experiment.name), path: dir.lock() });
    }
    Ok(change)
}
