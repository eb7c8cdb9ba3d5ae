//! The arguments that name a spec and override parts of it, shared by `run` and `plan`.

use std::{collections::BTreeSet, fs::File, path::PathBuf};

use super::CliError;
use crate::{
    grid,
    spec::{self, Experiment, Overrides, Spec, Value},
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
}

impl SpecArgs {
    /// Reads, overrides and validates the spec.
    ///
    /// # Errors
    /// All problems of the spec.
    pub(super) fn load(&self) -> Result<Spec, CliError> {
        let overrides =
            Overrides { set: self.set.clone(), images: self.images.clone(), devices: self.devices.clone() };
        Ok(spec::load_any(&self.spec, &overrides)?)
    }
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
    for run in grid::runs(experiment) {
        if let Some(Value::Text(path)) = run.parameters.get("initial_weights")
            && seen.insert(path.clone())
        {
            File::open(path).map_err(|error| CliError::Weights { path: path.clone(), error })?;
        }
    }
    Ok(())
}
