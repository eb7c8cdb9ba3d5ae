//! Whether a grid has runs, and every network of it can be built: asked before anything runs.

use std::fmt;

use super::{GridRuns, LeftOut, suggested::first_points};
use crate::{
    model::Architecture,
    spec::{
        Experiment, FAMILY_AXIS, Family, Grid, Parameters,
        parameter::{Section, parameter_of_any},
    },
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
    /// Every impossible one, in the order of the grid; none where the grid has no runs at all.
    pub runs: Vec<ImpossibleRun>,
    /// What leaves no run at all, where that is so.
    pub nothing_left: Option<String>,
}

impl fmt::Display for ImpossibleRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { experiment, image_size, total, runs, nothing_left } = self;
        if let Some(what) = nothing_left {
            return write!(f, "{what} every grid point of experiment `{experiment}`");
        }
        let n_runs = runs.len();
        let are = if n_runs == 1 { "is" } else { "are" };
        match *total {
            1 => write!(f, "the only run of experiment `{experiment}`")?,
            total if total == n_runs as u64 => write!(f, "all {total} runs of experiment `{experiment}`")?,
            total => write!(f, "{n_runs} of the {total} runs of experiment `{experiment}`")?,
        }
        write!(f, " {are} impossible at {image_size}x{image_size} pixels")?;
        for ImpossibleRun { run, reason } in runs.iter().take(MAX_LISTED) {
            write!(f, "\n  run `{run}`: {reason}")?;
        }
        if n_runs > MAX_LISTED {
            write!(f, "\n  and {} more", n_runs - MAX_LISTED)?;
        }
        Ok(())
    }
}

/// Checks that the experiment has runs, and the network of every run of a grid; a `command` experiment has none to check, and a
/// search leaves out those that cannot be built.
///
/// # Errors
/// Lists every run whose image is too small for its convolutions, with the layer.
pub fn check(experiment: &Experiment) -> Result<(), ImpossibleRuns> {
    let nothing_left = match experiment.search {
        Some(_) if experiment.suggests() => {
            let (points, left_out) = first_points(experiment);
            points.is_empty().then(|| what_is_left_out(&left_out))
        }
        None if experiment.exclude.is_empty() && experiment.limit.is_default() => None,
        _ => {
            let plan = GridRuns::new(experiment);
            plan.is_empty().then(|| what_is_left_out(plan.left_out()))
        }
    };
    if nothing_left.is_some() {
        let (experiment, runs) = (experiment.name.clone(), Vec::new());
        return Err(ImpossibleRuns { experiment, image_size: 0, total: 0, runs, nothing_left });
    }
    if experiment.search.is_some() {
        return Ok(());
    }
    let Some(dataset) = experiment.dataset.as_ref().filter(|_| !experiment.is_command()) else {
        return Ok(());
    };
    let n_classes = u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX);
    let reason =
        |family: Family, parameters: &Parameters| match Architecture::from_parameters(family, parameters) {
            Ok(model) => model?.layers(dataset.image_size, n_classes).err().map(|error| error.to_string()),
            Err(error) => Some(error.to_string()),
        };
    let impossible = |experiment: &Experiment| -> Vec<ImpossibleRun> {
        let plan = GridRuns::new(experiment);
        let reasons = (0..plan.len()).filter_map(|index| {
            let (family, parameters) = plan.trained(index)?;
            let reason = reason(family, &parameters)?;
            // Names cost more than networks, and are asked for only where there is something to say.
            Some(ImpossibleRun { run: plan.nth(index)?.name, reason })
        });
        reasons.collect()
    };
    // A grid has far fewer networks than runs, and mostly all of them are possible.
    let is_product = experiment.exclude.is_empty() && experiment.limit.is_default();
    if is_product && impossible(&networks(experiment)).is_empty() {
        return Ok(());
    }
    let runs = impossible(experiment);
    if runs.is_empty() {
        return Ok(());
    }
    Err(ImpossibleRuns {
        experiment: experiment.name.clone(),
        image_size: dataset.image_size,
        total: GridRuns::new(experiment).len(),
        runs,
        nothing_left: None,
    })
}

/// The beginning of a sentence: what leaves out all there is, and the first reason.
fn what_is_left_out(left_out: &LeftOut) -> String {
    let what: Vec<&str> = [
        (left_out.by_rule, "`exclude`"),
        (left_out.by_limit, "`limit`"),
        (left_out.impossible, "what cannot be built"),
    ]
    .into_iter()
    .filter_map(|(count, what)| (count > 0).then_some(what))
    .collect();
    let verb = if what.len() == 1 { "leaves" } else { "leave" };
    let example = left_out.named.first().map(|known| format!(" ({})", known.reason)).unwrap_or_default();
    format!("{}{example} {verb} out", what.join(" and "))
}

/// The experiment without the axes and seeds that leave the network as it is.
fn networks(experiment: &Experiment) -> Experiment {
    let shapes = |name: &str| {
        let row = parameter_of_any(&Family::BUILT_IN, name);
        name == FAMILY_AXIS || row.is_some_and(|parameter| parameter.section == Section::Model)
    };
    let grids = experiment
        .grids
        .iter()
        .map(|grid| Grid { axes: grid.axes.iter().filter(|axis| shapes(&axis.name)).cloned().collect() });
    Experiment { grids: grids.collect(), seeds: vec![0], ..experiment.clone() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::spec::{Overrides, parse};

    fn check_at(image_size: u32) -> Result<(), String> {
        check_with(image_size, "")
    }

    fn check_with(image_size: u32, more: &str) -> Result<(), String> {
        let text = format!(
            "experiment: e\ndataset: {{phantom: {{}}, image_size: {image_size}}}\nmodel: {{family: grid_cnn}}\n\
             train: {{epochs: 1}}\ngrid: {{dense_layers: [0, 1], conv_layers: [1, 2, 3], layer_size: [8]}}\n{more}"
        );
        let experiment = parse(&text, Path::new("e.yaml"), &Overrides::default()).expect("a valid spec");
        check(&experiment).map_err(|error| error.to_string())
    }

    #[test]
    fn every_impossible_run_is_named_with_its_layer() {
        assert_eq!(check_at(22), Ok(()));
        assert_eq!(
            check_at(14).expect_err("three convolutions need more"),
            "2 of the 6 runs of experiment `e` are impossible at 14x14 pixels\n  \
             run `3-conv-8-nodes-0-dense`: `conv2d_3` needs at least 3x3, gets 2x2\n  \
             run `3-conv-8-nodes-1-dense`: `conv2d_3` needs at least 3x3, gets 2x2"
        );
        let message = check_at(2).expect_err("nothing fits");
        assert!(
            message.starts_with("all 6 runs of experiment `e` are impossible at 2x2 pixels\n"),
            "{message}"
        );
        let one = |grid: &str, image_size: u32| {
            let text = format!(
                "experiment: e\ndataset: {{phantom: {{}}, image_size: {image_size}}}\n\
                 model: {{family: grid_cnn, dense_layers: 0, layer_size: 8}}\ntrain: {{epochs: 1}}\n{grid}"
            );
            let experiment = parse(&text, Path::new("e.yaml"), &Overrides::default()).expect("a valid spec");
            let message = check(&experiment).expect_err("impossible").to_string();
            message.lines().next().unwrap_or_default().to_owned()
        };
        assert_eq!(
            one("grid: {conv_layers: [2, 3]}", 14),
            "1 of the 2 runs of experiment `e` is impossible at 14x14 pixels"
        );
        assert_eq!(
            one("grid: {conv_layers: [3]}", 14),
            "the only run of experiment `e` is impossible at 14x14 pixels"
        );
    }

    #[test]
    fn seeds_are_runs_too_and_a_long_list_is_cut() {
        let seeds: Vec<String> = (0..30).map(|seed| seed.to_string()).collect();
        let message = check_with(14, &format!("seeds: [{}]\n", seeds.join(", "))).expect_err("impossible");
        assert!(message.starts_with("60 of the 180 runs of experiment `e` are impossible"), "{message}");
        assert!(message.contains("\n  run `3-conv-8-nodes-0-dense`: "), "{message}");
        assert!(message.ends_with("\n  and 40 more"), "{message}");
        assert_eq!(message.lines().count(), 22);
    }
}
