//! Names of runs: directories that a person can read, and unique.
//!
//! The paper's family follows the tutorial behind it: `3-conv-128-nodes-1-dense`. Other axes add `-axis-value`, several
//! seeds add `-seed-2`. A `command` run is its axes alone.

use std::collections::HashSet;

use crate::{
    run::RunSpec,
    spec::{Experiment, Family, Parameters, Value},
};

/// Longest name, bytes: sub-directories and file suffixes still fit the 255 of a file system.
const MAX_BYTES: usize = 120;
/// Longest number written out; `1e-300` would be a line of zeros.
const MAX_DIGITS: usize = 10;

/// The name of a run: the plain one, with the run's id where others would have the same.
pub(super) fn name(experiment: &Experiment, run: &RunSpec, shared: &HashSet<String>) -> String {
    let plain = plain(experiment, run);
    let is_shared = !shared.is_empty() && shared.contains(&plain.to_ascii_lowercase());
    if is_shared { with_id(&plain, &run.id) } else { plain }
}

/// The name of a run without a look at the others.
pub(super) fn plain(experiment: &Experiment, run: &RunSpec) -> String {
    let network = match experiment.family {
        Family::GridCnn => network(&run.parameters),
        Family::Command => None,
    };
    let in_network = |axis: &str| network.is_some() && NETWORK.contains(&axis);
    let mut parts: Vec<String> = network.iter().cloned().collect();
    for (axis, value) in run.axes.iter().filter(|(axis, _)| !in_network(axis)) {
        parts.push(format!("{}-{}", clean(axis), slug(value)));
    }
    if parts.is_empty() {
        parts.push("run".to_owned());
    }
    if experiment.seeds.len() > 1 {
        parts.push(format!("seed-{}", run.seed));
    }
    let name = parts.join("-");
    if name.len() > MAX_BYTES { with_id(&name, &run.id) } else { name }
}

/// Whether two runs of the experiment could have the same plain name. Numbers and switches cannot be mistaken for one
/// another between the same axes; texts can (`a_b` for `a/b`), and so can the axes of different grids.
pub(super) fn may_collide(experiment: &Experiment) -> bool {
    let values = || experiment.grids.iter().flat_map(|grid| &grid.axes).flat_map(|axis| &axis.values);
    experiment.grids.len() > 1 || values().any(|value| matches!(value, Value::Text(_)))
}

/// The axes that the network part of a name tells.
const NETWORK: [&str; 3] = ["conv_layers", "layer_size", "dense_layers"];

fn network(parameters: &Parameters) -> Option<String> {
    let [conv, size, dense] = NETWORK.map(|name| parameters.get(name));
    Some(format!("{}-conv-{}-nodes-{}-dense", conv?, size?, dense?))
}

fn with_id(name: &str, id: &str) -> String {
    let room = MAX_BYTES.saturating_sub(id.len() + 1);
    // `clean` left only ASCII, so every byte is a boundary.
    format!("{}-{id}", name.get(..room).unwrap_or(name))
}

fn slug(value: &Value) -> String {
    match value {
        Value::Float(number) => {
            let text = number.to_string();
            if text.len() > MAX_DIGITS { format!("{number:e}") } else { text }
        }
        Value::Text(text) if text.is_empty() => "empty".to_owned(),
        Value::Text(text) => clean(text),
        Value::Bool(_) | Value::Int(_) => value.to_string(),
    }
}

/// Everything that is not safe in a path, a URL and a shell becomes `_`.
fn clean(text: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    text.chars().map(|letter| if safe(letter) { letter } else { '_' }).collect()
}
