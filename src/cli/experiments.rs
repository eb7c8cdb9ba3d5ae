//! Finding an experiment by the name that a user gave, or by there being only one.

use std::path::Path;

use super::{CliError, listing};
use crate::store::{ExperimentRecord, Reader};

const NOTHING_YET: &str = "nothing was run there yet: gridboard run SPEC";

/// The experiment of this name.
pub(super) async fn named(
    store: &mut Reader,
    runs_dir: &Path,
    name: &str,
) -> Result<ExperimentRecord, CliError> {
    if let Some(record) = store.experiment(name).await? {
        return Ok(record);
    }
    let known = store.experiments().await?;
    let names: Vec<&str> = known.iter().map(|record| record.name.as_str()).collect();
    Err(CliError::NotFound {
        message: format!("no experiment `{name}` in `{}`", listing::absolute(runs_dir)),
        hint: listing::meant(name, &names).or_else(|| Some(NOTHING_YET.to_owned())),
    })
}

/// Every experiment, or, where only one makes sense, the only one.
pub(super) async fn all_or_only(
    store: &mut Reader,
    runs_dir: &Path,
    several: bool,
) -> Result<Vec<ExperimentRecord>, CliError> {
    let records = store.experiments().await?;
    let names: Vec<&str> = records.iter().map(|record| record.name.as_str()).collect();
    match names.as_slice() {
        [] => Err(CliError::NotFound {
            message: format!("no experiment in `{}`", listing::absolute(runs_dir)),
            hint: Some(NOTHING_YET.to_owned()),
        }),
        [_, _, ..] if !several => Err(CliError::NotFound {
            message: format!("there are {} experiments in `{}`: name one", names.len(), runs_dir.display()),
            hint: Some(format!("there are: {}", listing::shortened(&names, 20))),
        }),
        _ => Ok(records),
    }
}
