//! Names of runs: directories that a person can read, and unique.
//!
//! The paper's family follows the tutorial behind it: `3-conv-128-nodes-1-dense`; VGG and ResNet are their word, `vgg16`.
//! Other axes add `-axis-value`, a seed other than 0 adds `-seed-2`: seeds that are added to a spec later leave the runs of
//! the first one what they are. A `command` run is its axes alone.

use std::{collections::HashSet, path::Path};

use crate::spec::{Experiment, FAMILY_AXIS, Family, Value};

/// Longest name, bytes: sub-directories and file suffixes still fit the 255 of a file system.
const MAX_BYTES: usize = 120;
/// Longest number written out; `1e-300` would be a line of zeros.
const MAX_DIGITS: usize = 10;

/// The name of a run: the plain one, with the run's id where it is too long or others would have the same.
pub(super) fn name(plain: String, id: &str, shared: &HashSet<String>) -> String {
    if !carries_id(&plain, shared) {
        return plain;
    }
    with_id(&plain, id)
}

/// A name with the run's id behind it, which no other run has, as long as names may be.
#[must_use]
pub fn with_id(plain: &str, id: &str) -> String {
    let room = MAX_BYTES.saturating_sub(id.len() + 1);
    // `clean` left only ASCII, so every byte is a boundary.
    format!("{}-{id}", plain.get(..room).unwrap_or(plain))
}

/// Whether the plain name alone will not do. `shared` is in lower case: some file systems do not tell case apart.
pub(super) fn carries_id(plain: &str, shared: &HashSet<String>) -> bool {
    plain.len() > MAX_BYTES || !shared.is_empty() && shared.contains(&plain.to_ascii_lowercase())
}

/// The name of a run without a look at the others, of any length. A searched point has a number, and values of three digits:
/// those that tell it from others are in its parameters.
pub(super) fn plain(
    experiment: &Experiment,
    number: Option<u64>,
    axes: &[(String, Value)],
    seed: u64,
) -> String {
    let network = match experiment.family_of(axes) {
        Some(Family::GridCnn) => network(experiment, axes),
        Some(Family::Command) | None => None,
        Some(family) => Some(family.as_str().to_owned()),
    };
    let in_network = |axis: &str| network.is_some() && (axis == FAMILY_AXIS || NETWORK.contains(&axis));
    let is_baseline = network.is_some() && experiment.family_of(axes) != Some(Family::GridCnn);
    let mut parts: Vec<String> = number.map(|number| format!("{number:03}")).into_iter().collect();
    parts.extend(network.iter().cloned());
    for (axis, value) in axes.iter().filter(|(axis, _)| !in_network(axis)) {
        let value = match value {
            // A file of weights is known by its name; grid CNNs' runs keep the names that they have.
            Value::Text(path) if is_baseline && axis == "initial_weights" => stem(path),
            Value::Float(number_of_axis) if number.is_some() => three_digits(*number_of_axis),
            value => slug(value),
        };
        parts.push(format!("{}-{value}", clean(axis)));
    }
    if parts.is_empty() {
        parts.push("run".to_owned());
    }
    if seed != 0 {
        parts.push(format!("seed-{seed}"));
    }
    parts.join("-")
}

/// Whether two runs of the experiment could have the same plain name. Numbers and switches cannot be mistaken for one
/// another between the same axes; texts can (`a_b` for `a/b`), and so can the axes of different grids.
pub(super) fn may_collide(experiment: &Experiment) -> bool {
    let axes = || experiment.grids.iter().flat_map(|grid| &grid.axes);
    // Families have words of their own.
    let others = || axes().filter(|axis| axis.name != FAMILY_AXIS || experiment.is_command());
    let values = || others().flat_map(|axis| &axis.values);
    experiment.grids.len() > 1 || values().any(|value| matches!(value, Value::Text(_) | Value::List(_)))
}

/// The axes that the network part of a name tells.
const NETWORK: [&str; 3] = ["conv_layers", "layer_size", "dense_layers"];

fn network(experiment: &Experiment, axes: &[(String, Value)]) -> Option<String> {
    let [conv, size, dense] = NETWORK.map(|name| {
        let swept = axes.iter().find(|(axis, _)| axis == name).map(|(_, value)| value);
        swept.or_else(|| experiment.fixed.get(name))
    });
    Some(format!("{}-conv-{}-nodes-{}-dense", conv?, size?, dense?))
}

/// `0.00316`, `12.5`, `3.16e-5`: three significant digits, zeros at the end left out.
fn three_digits(number: f64) -> String {
    let rounded: f64 = format!("{number:.2e}").parse().unwrap_or(number);
    slug(&Value::Float(rounded))
}

fn slug(value: &Value) -> String {
    match value {
        Value::Float(number) => {
            let text = number.to_string();
            if text.len() > MAX_DIGITS { format!("{number:e}") } else { text }
        }
        Value::Text(text) if text.is_empty() => "empty".to_owned(),
        Value::Text(text) => clean(text),
        Value::List(items) if items.is_empty() => "empty".to_owned(),
        Value::List(items) => items.iter().map(slug).collect::<Vec<_>>().join("-"),
        Value::Bool(_) | Value::Int(_) | Value::Null => value.to_string(),
    }
}

/// The name of a file without folders and extension.
fn stem(path: &str) -> String {
    clean(&Path::new(path).file_stem().unwrap_or_default().to_string_lossy())
}

/// Everything that is not safe in a path, a URL and a shell becomes `_`.
fn clean(text: &str) -> String {
    let safe = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    text.chars().map(|letter| if safe(letter) { letter } else { '_' }).collect()
}
