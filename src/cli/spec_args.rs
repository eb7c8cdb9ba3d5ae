//! The arguments that name a spec and override parts of it, shared by `run` and `plan`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
};

use super::{CliError, config, runtime};
use crate::{
    grid,
    spec::{self, Experiment, Kept, Metric, Overrides, Spec, Untold, Value},
    store::{Reader, StoreError},
};

/// A spec and its overrides.
#[derive(Debug, clap::Args)]
pub(super) struct SpecArgs {
    /// The spec of an experiment or of a suite, a YAML file
    spec: PathBuf,
    /// Folder with one folder of images per class, instead of the spec's
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Override a key of the spec: `--set dataset.image_size=64`, `--set 'grid.layer_size=[16, 32]'`
    #[arg(long = "set", value_name = "KEY.PATH=VALUE")]
    set: Vec<String>,
    /// Devices to use: `auto`, `cpu`, `cpu:2`, `cuda`, `cuda:0,2`
    #[arg(long, value_name = "DEVICES")]
    devices: Option<String>,
    /// Who executes the runs: this machine, or a Slurm cluster, by `launcher.slurm` of the spec and the user's config.yaml
    #[arg(long, value_name = "LAUNCHER", value_parser = ["local", "slurm"])]
    launcher: Option<String>,
}

impl SpecArgs {
    /// Reads, overrides and validates the spec.
    ///
    /// # Errors
    /// All problems of the spec.
    pub(super) fn load(&self, runs_dir: &Path) -> Result<Spec, CliError> {
        let (set, images, devices) = (self.set.clone(), self.images.clone(), self.devices.clone());
        let (launcher, config) = (self.launcher.clone(), config::read()?);
        let overrides = Overrides { set, images, devices, launcher, config, untold: Untold::Asked };
        load(runs_dir, &self.spec, overrides)
    }
}

/// Reads and validates a spec. Where neither it nor a tag tells what is better of the metric that ranks, an experiment that
/// has run keeps its goal.
///
/// # Errors
/// All problems of the spec.
pub(super) fn load(runs_dir: &Path, path: &Path, overrides: Overrides) -> Result<Spec, CliError> {
    spec::load_any(path, &overrides).or_else(|error| {
        // Most specs need no database, and most directories have none that matters here.
        let Some(untold) = kept(runs_dir) else { return Err(error.into()) };
        Ok(spec::load_any(path, &Overrides { untold, ..overrides })?)
    })
}

/// What the experiments of a database are ranked by; none without a database that can be read.
fn kept(runs_dir: &Path) -> Option<Untold> {
    let read = async {
        let mut store = Reader::open(runs_dir).await?;
        let mut kept = BTreeMap::new();
        for record in store.experiments().await? {
            let Metric { tag: by, goal } = record.spec.rank.by;
            let written = store.written_tags(record.key).await?;
            kept.insert(record.name, Kept { by, goal, written });
        }
        Ok::<_, StoreError>(Untold::Kept(kept))
    };
    runtime().ok()?.block_on(read).ok()
}

/// Checks that every file of initial weights that a run names can be opened, so that a mistake is told once and before
/// anything runs, not by each run. Whether the tensors fit is the trainer's to say.
///
/// # Errors
/// The first file that cannot be opened.
pub(super) fn check_weights(experiment: &Experiment) -> Result<(), CliError> {
    if experiment.is_command() {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    const WEIGHTS: &str = "initial_weights";
    for run in grid::runs(&grid::listed(experiment, &[WEIGHTS])) {
        if let Some(Value::Text(path)) = run.parameters.get(WEIGHTS)
            && seen.insert(path.clone())
        {
            File::open(path).map_err(|error| CliError::Weights { path: path.clone(), error })?;
        }
    }
    Ok(())
}
