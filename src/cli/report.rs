//! `gridboard report`: make reports anew from the database.

use std::path::{Path, PathBuf};

use super::{CliError, apart, corpus, exit, experiments, output, runtime, signals, suite};
use crate::{
    base::signals::Signals,
    publish,
    spec::{self, Overrides, Spec, Suite, Untold},
    store::{Reader, Store},
};

/// Write the report of experiments or of a suite anew from the database
///
/// Prints the paths of what it wrote, report.html first. The same database gives the same bytes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Experiments, or the YAML file of an experiment or of a suite
    #[arg(required = true, value_name = "EXPERIMENT|SPEC")]
    what: Vec<String>,
}

pub(super) fn run(runs_dir: &Path, args: &Args) -> Result<u8, CliError> {
    let (mut names, mut suites) = (Vec::new(), Vec::new());
    for what in &args.what {
        match as_spec(what)? {
            None => names.push(what.clone()),
            Some(Spec::Experiment(experiment)) => names.push(experiment.name),
            Some(Spec::Suite(suite)) => suites.push(suite),
        }
    }
    let signals = signals()?;
    let runs_dir = runs_dir.to_owned();
    let paths = runtime()?.block_on(apart(&signals, move |signals| {
        runtime()?.block_on(write(&runs_dir, names, &suites, signals))
    }))?;
    output::data(&paths.join("\n"))?;
    Ok(exit::DONE)
}

/// Writes the reports. Returns the paths written.
async fn write(
    runs_dir: &Path,
    mut names: Vec<String>,
    suites: &[Suite],
    signals: &Signals,
) -> Result<Vec<String>, CliError> {
    // Looked for before anything is written: a directory that was mistyped must not get a database.
    let mut reader = Reader::open(runs_dir).await?;
    for name in &names {
        experiments::named(&mut reader, runs_dir, name).await?;
    }
    for member in suites.iter().flat_map(|suite| &suite.experiments) {
        if reader.experiment(&member.name).await?.is_some() && !names.contains(&member.name) {
            names.push(member.name.clone());
        }
    }
    drop(reader);
    let mut store = Store::open(runs_dir).await?;
    let mut paths: Vec<String> = Vec::new();
    for suite in suites {
        paths.extend(suite::report(&mut store, runs_dir, suite, signals).await?);
    }
    for name in &names {
        let record = experiments::named(&mut store, runs_dir, name).await?;
        let finished = publish::report(&mut store, runs_dir, &record, &corpus::test_bar(), signals).await?;
        for warning in &finished.warnings {
            output::note(&format!("warning: {warning}"));
        }
        paths.extend(finished.paths.iter().map(|path| path.display().to_string()));
    }
    store.leave().await?;
    Ok(paths)
}

/// The spec, where the argument is the path of one: no experiment's name has a point in it.
fn as_spec(what: &str) -> Result<Option<Spec>, CliError> {
    let path = PathBuf::from(what);
    if path.extension().is_none_or(|extension| extension != "yaml" && extension != "yml") {
        return Ok(None);
    }
    // The names alone are used.
    Ok(Some(spec::load_any(&path, &Overrides { untold: Untold::Higher, ..Overrides::default() })?))
}
