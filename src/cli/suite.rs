//! What of a suite several verbs need: its report, and the refusal of a format that holds one table.

use std::path::Path;

use super::{CliError, corpus, output};
use crate::{base::signals::Signals, publish, spec::Suite, store::Store};

/// Writes the suite's report. Returns the paths written, `report.html` first.
///
/// # Errors
/// Where the database cannot be read or a file cannot be written.
pub(super) async fn report(
    store: &mut Store,
    runs_dir: &Path,
    suite: &Suite,
    signals: &Signals,
) -> Result<Vec<String>, CliError> {
    let (paths, warnings) =
        publish::report_suite(store, runs_dir, suite, &corpus::test_bar(), signals).await?;
    for warning in &warnings {
        output::note(&format!("warning: {warning}"));
    }
    Ok(paths.iter().map(|path| path.display().to_string()).collect())
}

/// Refuses a machine format that holds one table, where there would be one for each experiment.
///
/// # Errors
/// Unless it `fits`.
pub(super) fn one_format(suite: &Suite, fits: bool, instead: &str) -> Result<(), CliError> {
    if fits {
        return Ok(());
    }
    let experiments = suite.experiments.len();
    Err(CliError::Usage {
        message: format!(
            "this format is of one experiment, and `{}` is a suite of {experiments}",
            suite.name
        ),
        hint: Some(instead.to_owned()),
    })
}
