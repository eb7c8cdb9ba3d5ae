//! Whether every network of a grid can be built: asked before anything runs.

use std::{collections::HashMap, fmt};

use super::{GridCnn, ModelError, layers};
use crate::{
    grid,
    spec::{Experiment, Family},
};

/// Runs beyond this are counted, not listed.
const MAX_LISTED: usize = 20;

/// A run whose network cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImpossibleRun {
    /// The run's name.
    pub run: String,
    /// Why, naming the layer; or which parameter is not as it should be.
    pub reason: String,
}

/// The runs of a grid whose networks cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ImpossibleRuns {
    /// The experiment's name.
    pub experiment: String,
    /// Side of its images, pixels.
    pub image_size: u32,
    /// Runs in the grid.
    pub total: u64,
    /// Every impossible one, in the order of the grid; at least one.
    pub runs: Vec<ImpossibleRun>,
}

impl fmt::Display for ImpossibleRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { experiment, image_size, total, runs } = self;
        let n_runs = runs.len();
        write!(
            f,
            "experiment `{experiment}` has {n_runs} impossible of {total} runs at {image_size}x{image_size} pixels"
        )?;
        for ImpossibleRun { run, reason } in runs.iter().take(MAX_LISTED) {
            write!(f, "\n  run `{run}`: {reason}")?;
        }
        if n_runs > MAX_LISTED {
            write!(f, "\n  and {} more", n_runs - MAX_LISTED)?;
        }
        Ok(())
    }
}

/// Checks the network of every run of a grid; a `command` experiment has none to check.
///
/// # Errors
/// Lists every run whose image is too small for its convolutions, with the layer.
pub fn check(experiment: &Experiment) -> Result<(), ImpossibleRuns> {
    let (Family::GridCnn, Some(dataset)) = (experiment.family, &experiment.dataset) else { return Ok(()) };
    let n_classes = u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX);
    // A grid has far fewer networks than runs.
    let mut known: HashMap<GridCnn, Option<ModelError>> = HashMap::new();
    let plan = grid::Plan::new(experiment);
    let mut runs = Vec::new();
    for run in plan.iter() {
        let reason = match GridCnn::from_parameters(&run.parameters) {
            Ok(model) => known
                .entry(model)
                .or_insert_with(|| layers(&model, dataset.image_size, n_classes).err())
                .as_ref()
                .map(ToString::to_string),
            Err(error) => Some(error.to_string()),
        };
        runs.extend(reason.map(|reason| ImpossibleRun { run: run.name, reason }));
    }
    if runs.is_empty() {
        return Ok(());
    }
    Err(ImpossibleRuns {
        experiment: experiment.name.clone(),
        image_size: dataset.image_size,
        total: plan.len(),
        runs,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Overrides, parse};

    fn check_at(image_size: u32) -> Result<(), String> {
        let text = format!(
            "experiment: e\ndataset: {{phantom: {{}}, image_size: {image_size}}}\nmodel: {{family: grid_cnn}}\n\
             train: {{epochs: 1}}\ngrid: {{dense_layers: [0, 1], conv_layers: [1, 2, 3], layer_size: [8]}}\n"
        );
        let experiment = parse(&text, Path::new("e.yaml"), &Overrides::default()).expect("a valid spec");
        check(&experiment).map_err(|error| error.to_string())
    }

    #[test]
    fn every_impossible_run_is_named_with_its_layer() {
        assert_eq!(check_at(22), Ok(()));
        assert_eq!(
            check_at(14).expect_err("three convolutions need more"),
            "experiment `e` has 2 impossible of 6 runs at 14x14 pixels\n  \
             run `3-conv-8-nodes-0-dense`: `conv2d_3` needs at least 3x3, gets 2x2\n  \
             run `3-conv-8-nodes-1-dense`: `conv2d_3` needs at least 3x3, gets 2x2"
        );
        assert!(check_at(2).expect_err("nothing fits").contains("has 6 impossible of 6 runs"));
    }
}
