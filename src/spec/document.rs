//! An experiment back to the form of a spec: `experiment.yaml`, and what changed between two experiments.
//!
//! Both go over one document, a JSON value with the keys of the spec, so that the difference speaks the words that the
//! user would edit. Written by hand and not by the YAML crate's serializer because a spec is to be read: short lists on
//! one line, as its author wrote them, and because writing it cannot fail.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::{
    Axis, AxisRange, Checkpoint, Experiment, FAMILY_AXIS, Family, Goal, Grid, Metric, Notify, OnError, Retry,
    Source, StopPlan, StopRule, TestSet, Value, goal_of, launcher, limit,
    parameter::{Section, parameter_of_any},
    read::{
        keep::{self, BATCH_CURVES, BEST, CHECKPOINT, HISTOGRAMS, KEEP, PR_CURVES},
        notify::{COMMAND, ON},
    },
    scalar::{Scalar, core_schema},
    size,
};

/// The spec that gives this experiment, whichever directory it is put into: paths are absolute, defaults written out.
#[must_use]
pub fn to_yaml(experiment: &Experiment) -> String {
    let mut text = String::new();
    if let Json::Object(document) = document(experiment) {
        write_mapping(&document, 0, &mut text);
    }
    text
}

/// What differs between two experiments, a line for each key of the spec: `dataset.image_size: 224 -> 64`. `rank`,
/// `schedule`, `launcher`, `retry`, `notify`, `stop`, `budget` and what runs keep are not compared, since they change no result, nor are places: images are told by their
/// content, and the folder that a program is started in is a project's own.
#[must_use]
pub fn difference(old: &Experiment, new: &Experiment) -> Vec<String> {
    let flat = |experiment: &Experiment| {
        let mut document = document(&without_places(experiment));
        if let Json::Object(map) = &mut document {
            map.retain(|key, _| {
                !["rank", "schedule", "launcher", "retry", "notify", "reuse", "stop", "budget"]
                    .contains(&key.as_str())
            });
            if let (false, Some(Json::Object(train))) = (experiment.is_command(), map.get_mut("train")) {
                train.retain(|key, _| !keep::KEYS.contains(&key.as_str()));
            }
        }
        let mut flat = Vec::new();
        flatten("", &document, &mut flat);
        flat
    };
    let (old_keys, new_keys) = (flat(old), flat(new));
    let find = |keys: &[(String, String)], wanted: &str| {
        keys.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.clone())
    };
    let nothing = || "(not set)".to_owned();
    let mut lines = Vec::new();
    for (key, before) in &old_keys {
        match find(&new_keys, key) {
            Some(after) if after == *before => {}
            after => lines.push(format!("{key}: {before} -> {}", after.unwrap_or_else(nothing))),
        }
    }
    for (key, after) in &new_keys {
        if find(&old_keys, key).is_none() {
            lines.push(format!("{key}: {} -> {after}", nothing()));
        }
    }
    if lines.is_empty() {
        // The same axes in another order number the runs anew.
        lines.extend(old.grids.iter().zip(&new.grids).filter_map(|(old, new)| {
            let (old, new) = (axis_names(old), axis_names(new));
            (old != new).then(|| format!("grid: order of the axes: {old} -> {new}"))
        }));
    }
    lines
}

/// Whether the runs of two experiments that are called alike by their content ids are the same: what is done to the images, as
/// far as the spec says it, and the variables of a command are no part of an id.
#[must_use]
pub fn shares_surroundings(old: &Experiment, new: &Experiment) -> bool {
    let of = |experiment: &Experiment| {
        let Experiment { dataset, env, .. } = without_places(experiment);
        (dataset, env)
    };
    of(old) == of(new)
}

/// The experiment without the places of its files.
fn without_places(experiment: &Experiment) -> Experiment {
    let mut experiment = experiment.clone();
    experiment.cwd = None;
    if let Some(dataset) = &mut experiment.dataset {
        let nowhere = || std::path::PathBuf::from("(by content)");
        if let Source::Images(path) = &mut dataset.source {
            *path = nowhere();
        }
        if let Some(TestSet::Folder(path)) = &mut dataset.test {
            *path = nowhere();
        }
        // Which images are left out is told by the content id.
        dataset.on_error = OnError::Fail;
    }
    experiment
}

fn axis_names(grid: &Grid) -> String {
    grid.axes.iter().map(|axis| axis.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Every leaf with its dotted path; a list of single values is one leaf.
fn flatten(path: &str, value: &Json, flat: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                flatten(&below(key), value, flat);
            }
        }
        Json::Array(items) if items.iter().any(Json::is_object) => {
            for (index, item) in items.iter().enumerate() {
                flatten(&below(&index.to_string()), item, flat);
            }
        }
        leaf => {
            let mut text = String::new();
            write_inline(leaf, &mut text);
            flat.push((path.to_owned(), text));
        }
    }
}

/// The keys of the spec, in the order that a spec is written.
fn document(experiment: &Experiment) -> Json {
    let mut model = Map::new();
    let mut train = Map::new();
    if let Some(family) = experiment.family {
        model.insert(FAMILY_AXIS.to_owned(), json!(family));
    }
    let families: &[Family] = if experiment.is_command() {
        model.insert("run".to_owned(), json!(experiment.command));
        if let Some(folder) = &experiment.cwd {
            model.insert("cwd".to_owned(), json!(folder.to_string_lossy()));
        }
        if !experiment.env.is_empty() {
            model.insert("env".to_owned(), json!(experiment.env));
        }
        &[]
    } else {
        &Family::BUILT_IN
    };
    for (name, value) in &experiment.fixed {
        match parameter_of_any(families, name).map(|row| row.section) {
            Some(Section::Model) => model.insert(name.clone(), scalar(value)),
            Some(Section::Train) | None => train.insert(name.clone(), scalar(value)),
        };
    }
    let keep = &experiment.keep;
    if keep.checkpoint != Checkpoint::default() {
        train.insert(CHECKPOINT.to_owned(), json!(keep.checkpoint));
    }
    if let Some(best) = keep.best {
        train.insert(KEEP.to_owned(), json!({BEST: best}));
    }
    for (key, every) in [(HISTOGRAMS, keep.logging.histograms), (PR_CURVES, keep.logging.pr_curves)] {
        if let Some(every) = every {
            train.insert(key.to_owned(), json!(every));
        }
    }
    if !keep.logging.batch_curves {
        train.insert(BATCH_CURVES.to_owned(), json!(false));
    }
    let grid = match experiment.grids.as_slice() {
        [grid] => axes(grid),
        grids => Json::Array(grids.iter().map(axes).collect()),
    };
    let mut document = Map::new();
    document.insert("experiment".to_owned(), json!(experiment.name));
    if let Some(dataset) = dataset(experiment) {
        document.insert("dataset".to_owned(), dataset);
    }
    if !model.is_empty() {
        document.insert("model".to_owned(), Json::Object(model));
    }
    if !train.is_empty() {
        document.insert("train".to_owned(), Json::Object(train));
    }
    document.insert("grid".to_owned(), grid);
    if let Some(search) = &experiment.search {
        document.insert("search".to_owned(), json!(search));
    }
    if !experiment.exclude.is_empty() {
        document.insert("exclude".to_owned(), json!(experiment.exclude));
    }
    if !experiment.limit.is_default() {
        document.insert("limit".to_owned(), limit::document(&experiment.limit));
    }
    if let Some(stop) = &experiment.stop {
        document.insert("stop".to_owned(), self::stop(stop));
    }
    if !experiment.budget.is_default() {
        document.insert("budget".to_owned(), json!(experiment.budget));
    }
    document.insert("seeds".to_owned(), json!(experiment.seeds));
    let rank = &experiment.rank;
    document.insert(
        "rank".to_owned(),
        json!({"by": metric(&rank.by), "then": rank.then.as_ref().map(metric), "top": rank.top}),
    );
    let schedule = &experiment.schedule;
    let runs_per_device = schedule.runs_per_device.map_or(json!("auto"), |runs| json!(runs));
    document.insert(
        "schedule".to_owned(),
        json!({
            "devices": schedule.devices,
            "runs_per_device": runs_per_device,
            "log_limit": size::to_text(schedule.log_limit),
            "grace": schedule.grace,
            "time_per_run": schedule.time_per_run,
            "stall_timeout": schedule.stall_timeout,
            "stop_after": schedule.stop_after,
        }),
    );
    if let Some(launcher) = &experiment.launcher {
        document.insert("launcher".to_owned(), launcher::document(launcher));
    }
    let Retry { attempts, exit_codes, pause } = &experiment.retry;
    let retry = json!({"attempts": attempts, "exit_codes": exit_codes, "pause": pause});
    document.insert("retry".to_owned(), retry);
    if let Some(reuse) = experiment.reuse {
        document.insert("reuse".to_owned(), json!(reuse));
    }
    if !experiment.notify.is_default() {
        document.insert("notify".to_owned(), notify(&experiment.notify));
    }
    Json::Object(document)
}

fn stop(stop: &StopPlan) -> Json {
    let mut map = Map::new();
    map.insert("rule".to_owned(), json!(stop.rule));
    map.insert("first".to_owned(), json!(stop.first));
    if stop.rule != StopRule::Median {
        map.insert("keep".to_owned(), json!(format!("1/{}", stop.factor)));
    }
    if let Some(epochs) = stop.epochs {
        map.insert("epochs".to_owned(), json!(epochs));
    }
    Json::Object(map)
}

fn notify(notify: &Notify) -> Json {
    let mut map = Map::new();
    for (by, address) in &notify.targets {
        map.insert(by.as_str().to_owned(), json!(address));
    }
    if !notify.command.is_empty() {
        map.insert(COMMAND.to_owned(), json!(notify.command));
    }
    map.insert(ON.to_owned(), json!(notify.on));
    Json::Object(map)
}

fn dataset(experiment: &Experiment) -> Option<Json> {
    let dataset = experiment.dataset.as_ref()?;
    let mut map = Map::new();
    match &dataset.source {
        Source::Images(path) => map.insert("images".to_owned(), json!(path.to_string_lossy())),
        Source::Phantom(phantom) => map.insert("phantom".to_owned(), json!(phantom)),
    };
    map.insert("classes".to_owned(), json!(dataset.classes));
    map.insert("image_size".to_owned(), json!(dataset.image_size));
    if let Some(blur) = &dataset.blur {
        map.insert("blur".to_owned(), json!(blur));
    }
    match &dataset.test {
        Some(TestSet::Share(share)) => drop(map.insert("test".to_owned(), json!(share))),
        Some(TestSet::Folder(path)) => drop(map.insert("test".to_owned(), json!(path.to_string_lossy()))),
        None => {}
    }
    map.insert("validation_split".to_owned(), json!(dataset.validation_split));
    map.insert("stratify".to_owned(), json!(dataset.stratify));
    map.insert("split_seed".to_owned(), json!(dataset.split_seed));
    if let Some(pattern) = &dataset.group_by {
        map.insert("group_by".to_owned(), json!(pattern));
    }
    let on_error = match dataset.on_error {
        OnError::Fail => "fail",
        OnError::Skip => "skip",
    };
    map.insert("on_error".to_owned(), json!(on_error));
    Some(Json::Object(map))
}

fn axes(grid: &Grid) -> Json {
    let values = |axis: &Axis| match axis.range {
        Some(range) => self::range(range),
        None => Json::Array(axis.values.iter().map(scalar).collect()),
    };
    Json::Object(grid.axes.iter().map(|axis| (axis.name.clone(), values(axis))).collect())
}

fn range(range: AxisRange) -> Json {
    let number = |value: f64| match range.is_integer {
        #[expect(clippy::cast_possible_truncation, reason = "ends and steps of integers are integers")]
        true => json!(value as i64),
        false => json!(value),
    };
    let mut map = Map::new();
    map.insert("from".to_owned(), number(range.from));
    map.insert("to".to_owned(), number(range.to));
    if range.is_log {
        map.insert("scale".to_owned(), json!("log"));
    } else if let Some(step) = range.step {
        map.insert("step".to_owned(), number(step));
    }
    Json::Object(map)
}

/// The tag alone where its goal follows from it without a doubt.
fn metric(metric: &Metric) -> Json {
    if goal_of(&metric.tag) == Some(metric.goal) {
        return json!(metric.tag);
    }
    let goal = match metric.goal {
        Goal::Maximize => "maximize",
        Goal::Minimize => "minimize",
    };
    json!({"tag": metric.tag, "goal": goal})
}

fn scalar(value: &Value) -> Json {
    json!(value)
}

/// Mappings as blocks, a key a line; everything that holds no mapping on the line of its key.
fn write_mapping(map: &Map<String, Json>, indent: usize, text: &mut String) {
    for (key, value) in map {
        let blanks = " ".repeat(indent);
        text.push_str(&blanks);
        write_text(key, text);
        text.push(':');
        match value {
            Json::Object(map) if !map.is_empty() => {
                text.push('\n');
                write_mapping(map, indent + 2, text);
            }
            Json::Array(items) if items.iter().any(Json::is_object) => {
                text.push('\n');
                for item in items {
                    text.push_str(&blanks);
                    text.push_str("  - ");
                    write_inline(item, text);
                    text.push('\n');
                }
            }
            value => {
                text.push(' ');
                write_inline(value, text);
                text.push('\n');
            }
        }
    }
}

fn write_inline(value: &Json, text: &mut String) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(_) | Json::Number(_) => text.push_str(&value.to_string()),
        Json::String(string) => write_text(string, text),
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                write_inline(item, text);
            }
            text.push(']');
        }
        Json::Object(map) => {
            text.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                write_text(key, text);
                text.push_str(": ");
                write_inline(value, text);
            }
            text.push('}');
        }
    }
}

/// Plain where nobody could read it as anything else, else double-quoted with escapes.
fn write_text(string: &str, text: &mut String) {
    let plain = string.starts_with(|first: char| first.is_ascii_alphabetic() || "/_.".contains(first))
        && string.chars().all(|letter| letter.is_ascii_alphanumeric() || "/_.-+".contains(letter))
        && core_schema(string) == Scalar::Text
        // Words that YAML 1.1 readers take for booleans.
        && !matches!(string.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    if plain && string != "..." {
        return text.push_str(string);
    }
    text.push('"');
    for letter in string.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            ' '..='~' => text.push(letter),
            _ if letter.is_alphanumeric() => text.push(letter),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "\\U{:08X}", u32::from(letter))),
        }
    }
    text.push('"');
}
