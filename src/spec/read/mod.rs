//! The tree of a spec to a validated [`Experiment`], section by section, adding every mistake to the problems.
//!
//! This file reads the top of the spec and what is small: name, seeds, schedule. `dataset`, `parameters` (the
//! trainer and what is fixed) and `grid` (what is swept, and how that fits the rest) and `rank` have
//! files of their own.

mod axes;
pub(super) mod dataset;
mod env;
mod families;
mod grid;
pub(super) mod keep;
mod launcher;
mod limit;
pub(super) mod notify;
mod parameters;
mod range;
mod rank;
mod search;
mod section;
mod stop;
mod suite;
mod zip;

use std::path::Path;

pub(super) use rank::{MAX_TOP, known_tags};
use section::{Section, int, must_be, text};
pub(super) use suite::suite;

use super::{
    Experiment, Retry, Schedule, Untold,
    devices::DeviceChoice,
    names,
    problem::Problems,
    size,
    yaml::{Content, Node},
};

/// The keys of a spec, in the order they are written.
pub(super) const KEYS: [&str; 17] = [
    "experiment",
    "dataset",
    "model",
    "train",
    "grid",
    "search",
    "exclude",
    "limit",
    "stop",
    "budget",
    "seeds",
    "rank",
    "schedule",
    "launcher",
    "retry",
    "reuse",
    "notify",
];

/// Most runs of one experiment, repeated grid points of a union included.
pub const MAX_RUNS: u128 = 1_000_000;
/// Most runs that may fail alike, beside any number.
pub(super) const MAX_STOP_AFTER: u32 = 1_000_000;
/// Most runs at once on one device that a spec may ask for.
pub(super) const MAX_RUNS_PER_DEVICE: u32 = 1024;

/// Reads the whole spec. `None` where something is missing; then there is a problem that says so.
pub(super) fn experiment(
    root: &Node,
    spec_file: &Path,
    untold: &Untold,
    problems: &mut Problems,
) -> Option<Experiment> {
    let top = Section::open(root, "", &root.place, problems)?;
    top.only(&KEYS, problems);
    let name = text_name(&top, "experiment", "the name of the experiment", problems);
    let trainer = parameters::trainer(&top, spec_file, problems);
    let built_in = trainer.families.first().copied().filter(|_| trainer.is_sure && !trainer.is_command());
    let dataset = match top.given("dataset") {
        Some(entry) => dataset::read(entry, spec_file, problems).map(Some),
        None if built_in.is_none() => Some(None),
        None => {
            top.missing("dataset", "a mapping with `images` or `phantom`", problems);
            None
        }
    };
    let (is_command, keep) = (trainer.is_command(), trainer.keep);
    let seeds = seeds(&top, problems);
    let search = search::read(&top, problems);
    let limit = limit::read(&top, is_command, problems);
    let swept = grid::read(&top, trainer, (search, seeds.len()), spec_file, problems);
    let rank = rank::read(&top, built_in, (name.as_deref().unwrap_or_default(), untold), problems);
    let schedule = schedule(&top, is_command, problems);
    let launcher = launcher::read(&top, problems);
    let retry = retry(&top, problems);
    let (stop, budget) = (stop::read(&top, problems), stop::budget(&top, problems));
    let reuse = top.bool("reuse", problems);
    let notify = notify::read(&top, problems);
    let swept = swept?;
    if let (Some(stop), Some(rank)) = (stop, &rank) {
        stop::check(&top, stop, (&swept.fixed, &swept.grids, &rank.by.tag), problems);
    }
    Some(Experiment {
        name: name?,
        dataset: dataset?,
        family: swept.family,
        command: swept.command,
        env: swept.env,
        cwd: swept.cwd,
        fixed: swept.fixed,
        grids: swept.grids,
        search,
        exclude: swept.exclude,
        limit,
        stop,
        budget,
        seeds,
        rank: rank?,
        keep,
        schedule: schedule?,
        launcher,
        retry: retry?,
        reuse,
        notify: notify?,
    })
}

/// The name at `key`, fit for a directory and a view; `what` says what it is.
fn text_name(top: &Section<'_>, key: &str, what: &str, problems: &mut Problems) -> Option<String> {
    let Some(entry) = top.given(key) else {
        top.missing(key, what, problems);
        return None;
    };
    let Some(name) = text(&entry.value) else {
        must_be(&format!("`{key}`"), "text", &entry.value, problems);
        return None;
    };
    match names::check_experiment_name(name) {
        Ok(()) => Some(name.to_owned()),
        Err(error) => {
            problems.add(&entry.value.place, error.to_string());
            None
        }
    }
}

fn seeds(top: &Section<'_>, problems: &mut Problems) -> Vec<u64> {
    let expected = format!("whole number from 0 to {}", i64::MAX);
    let Some(nodes) = top.list("seeds", &expected, problems, |node| {
        let seed = int(node, 0, i64::MAX).and_then(|seed| u64::try_from(seed).ok())?;
        Some((seed, &node.place))
    }) else {
        return vec![0];
    };
    if let Some(entry) = top.entry("seeds").filter(|entry| is_empty_list(&entry.value)) {
        problems.add(&entry.place, "`seeds` is empty; give at least one, or leave the key out for `[0]`");
    }
    let mut taken = std::collections::HashSet::new();
    for (seed, place) in &nodes {
        if !taken.insert(*seed) {
            problems.add(place, format!("`seeds` repeats the seed `{seed}`"));
        }
    }
    nodes.into_iter().map(|(seed, _)| seed).collect()
}

fn is_empty_list(node: &Node) -> bool {
    matches!(&node.content, Content::Sequence(items) if items.is_empty())
}

fn retry(top: &Section<'_>, problems: &mut Problems) -> Option<Retry> {
    let mut retry = Retry::default();
    let Some(entry) = top.given("retry") else { return Some(retry) };
    let section = Section::open(&entry.value, "retry", &entry.place, problems)?;
    section.only(&["attempts", "exit_codes", "pause"], problems);
    let attempts = section.u32("attempts", 1, Retry::MOST_ATTEMPTS, problems);
    retry.attempts = attempts.unwrap_or(retry.attempts);
    let code = |node| int(node, 1, 255).and_then(|code| i32::try_from(code).ok());
    if let Some(codes) = section.list("exit_codes", "whole number from 1 to 255", problems, code) {
        retry.exit_codes = codes;
    }
    let expected = "a duration such as `1s`, `30s` or `5m`";
    let pause = section.take("pause", expected, problems, |node| text(node)?.parse().ok());
    retry.pause = pause.unwrap_or(retry.pause);
    Some(retry)
}

fn schedule(top: &Section<'_>, is_command: bool, problems: &mut Problems) -> Option<Schedule> {
    let mut schedule = Schedule::of(is_command);
    let Some(entry) = top.given("schedule") else { return Some(schedule) };
    let section = Section::open(&entry.value, "schedule", &entry.place, problems)?;
    section.only(
        &["devices", "runs_per_device", "log_limit", "grace", "time_per_run", "stall_timeout", "stop_after"],
        problems,
    );
    let expected = "`auto`, `cpu`, `cpu:N`, `cuda` or `cuda:N,N`";
    let devices =
        section.take("devices", expected, problems, |node| text(node).filter(|text| rank::is_tag(text)));
    if let Some(devices) = devices {
        if let Some(entry) = section.entry("devices")
            && let Err(error) = DeviceChoice::parse(devices)
        {
            problems.add(&entry.value.place, format!("`schedule.devices`: {error}"));
        }
        schedule.devices = devices.to_owned();
    }
    let expected = format!("`auto` or a whole number from 1 to {MAX_RUNS_PER_DEVICE}");
    let runs = section.take("runs_per_device", &expected, problems, |node| match text(node) {
        Some("auto") => Some(None),
        _ => int(node, 1, MAX_RUNS_PER_DEVICE.into()).and_then(|runs| u32::try_from(runs).ok()).map(Some),
    });
    schedule.runs_per_device = runs.flatten();
    let expected =
        format!("a size from {} on, as `64MiB` or `2GiB`", size::to_text(Schedule::LOWEST_LOG_LIMIT));
    let limit = section.take("log_limit", &expected, problems, |node| {
        text(node).and_then(size::parse).filter(|bytes| *bytes >= Schedule::LOWEST_LOG_LIMIT)
    });
    schedule.log_limit = limit.unwrap_or(schedule.log_limit);
    let expected = "a duration such as `30s`, `5m` or `8h`";
    let grace = section.take("grace", expected, problems, |node| text(node)?.parse().ok());
    schedule.grace = grace.unwrap_or(schedule.grace);
    if section.given("time_per_run").is_some() {
        schedule.time_per_run =
            section.take("time_per_run", expected, problems, |node| text(node)?.parse().ok());
    }
    if section.given("stall_timeout").is_some() {
        schedule.stall_timeout =
            section.take("stall_timeout", expected, problems, |node| text(node)?.parse().ok());
    }
    if section.given("stop_after").is_some() {
        let stop_after = section.u32("stop_after", 0, MAX_STOP_AFTER, problems);
        schedule.stop_after = stop_after.unwrap_or(schedule.stop_after);
    }
    Some(schedule)
}
