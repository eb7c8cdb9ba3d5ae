//! The experiments of a suite in turn, and the suite's report. Used by `run` and `report`.

use std::path::Path;

use super::{CliError, corpus, exit, listing::TopFormat, output, run, runtime};
use crate::{publish, spec::Suite, store::Store};

/// Carries every experiment out. A failed run of one does not stop the next; an interrupt ends the suite.
///
/// # Errors
/// What is wrong with any of the experiments, before the first one runs; what stops one of them.
pub(super) fn run(runs_dir: &Path, suite: &Suite, format: TopFormat) -> Result<u8, CliError> {
    one_format(
        suite,
        format == TopFormat::Table,
        "gridboard top EXPERIMENT prints the best of one in any format",
    )?;
    for experiment in &suite.experiments {
        run::check(runs_dir, experiment)?;
    }
    let mut code = exit::DONE;
    let all = suite.experiments.len();
    for (place, experiment) in suite.experiments.iter().enumerate() {
        output::note(&format!("{}: experiment {} of {all}: {}", suite.name, place + 1, experiment.name));
        match run::one(runs_dir, experiment.clone(), format)? {
            exit::INTERRUPTED => {
                code = exit::INTERRUPTED;
                break;
            }
            ended => code = code.max(ended),
        }
        output::data("")?;
    }
    let page = runtime()?.block_on(async {
        let mut store = Store::open(runs_dir).await?;
        let paths = report(&mut store, runs_dir, suite).await?;
        store.leave().await?;
        Ok::<_, CliError>(paths.into_iter().next())
    })?;
    if let Some(page) = page {
        output::data(&format!("suite        {page}"))?;
    }
    Ok(code)
}

/// Writes the suite's report. Returns the paths written, `report.html` first.
///
/// # Errors
/// Where the database cannot be read or a file cannot be written.
pub(super) async fn report(
    store: &mut Store,
    runs_dir: &Path,
    suite: &Suite,
) -> Result<Vec<String>, CliError> {
    let (paths, warnings) = publish::report_suite(store, runs_dir, suite, &corpus::test_bar()).await?;
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
