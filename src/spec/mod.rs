//! The experiment spec: YAML in, a validated [`Experiment`] out, or every problem at once with line and column.
//!
//! The only home of the YAML crate. Everything behind this module works on the validated types below and never asks
//! again whether a value is in range.
//!
//! The way through it: `yaml` makes a tree of nodes with places, `overrides` puts the command line into it, `read`
//! validates it against the table of `parameter` and collects `problem`s. `document` turns an experiment back into a
//! spec, for `experiment.yaml` and for the difference of two experiments. `schema` describes it all to editors.

pub mod command;
pub mod devices;
mod document;
mod duration;
mod family;
mod goal;
mod keep;
mod launcher;
mod limit;
mod logging;
mod names;
mod notify;
mod overrides;
pub mod parameter;
mod problem;
mod read;
mod retry;
mod scalar;
mod schema;
mod search;
mod size;
mod stop;
mod suite;
mod train;
mod value;
mod words;
mod yaml;

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use document::{difference, shares_surroundings, to_yaml};
pub use duration::{ParseDurationError, SpecDuration};
pub use family::{FAMILY_AXIS, Family};
pub(crate) use goal::{PARTS, words as words_of_tag};
pub use goal::{goal_of, is_accuracy, is_of_time};
pub use keep::{Checkpoint, Keep};
pub use launcher::SlurmPlan;
pub use limit::{Limit, count_text, size_text};
pub use logging::Logging;
pub use names::{NameError, RESERVED_EXPERIMENTS, RESERVED_PARAMETERS, check_experiment_name};
pub use notify::{Notify, NotifyBy, NotifyOn};
pub use overrides::{Kept, Overrides, Untold};
pub use parameter::ParameterError;
pub use problem::{Place, Problem, SpecError, suggest};
pub use read::MAX_RUNS;
pub use retry::Retry;
pub use schema::schema;
pub use search::{AxisRange, SearchMethod, SearchPlan};
pub use stop::{Budget, StopPlan, StopRule};
pub use suite::{Spec, Suite, load_any, suite_schema};
pub use train::Train;
pub use value::{Parameters, Value};
pub use words::{Freeze, Kernels, Precision};

/// Reads and validates the spec in the file `path`.
///
/// # Errors
/// [`SpecError::Read`] where the file cannot be read, else [`SpecError::Problems`] with everything that is wrong.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Experiment, SpecError> {
    parse(&read_text(path)?, path, overrides)
}

/// The text of a spec's file.
fn read_text(path: &Path) -> Result<String, SpecError> {
    let read = || {
        let mut bytes = Vec::new();
        // One byte more than is allowed shows a file that is too large without reading all of it.
        File::open(path)?.take(yaml::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|source| SpecError::Read { path: path.to_owned(), source })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if error.as_bytes().len() > yaml::MAX_BYTES => {
            Ok(String::from_utf8_lossy(error.as_bytes()).into_owned())
        }
        Err(error) => {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = String::from_utf8_lossy(good);
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            let place = Place::File { line, column };
            let problems = vec![Problem { place, message: "the spec is not UTF-8 text".to_owned() }];
            Err(SpecError::Problems { path: path.to_owned(), problems })
        }
    }
}

/// Validates the spec `text`. `file` is where it comes from: named in the error, and what its paths are relative to.
///
/// # Errors
/// [`SpecError::Problems`] with everything that is wrong; a syntax error stands alone.
pub fn parse(text: &str, file: &Path, overrides: &Overrides) -> Result<Experiment, SpecError> {
    let mut problems = problem::Problems::default();
    let experiment = match yaml::parse(text) {
        Ok(mut root) => {
            overrides::apply(overrides, &mut root, &mut problems);
            read::experiment(&root, file, &overrides.untold, &mut problems)
        }
        Err(problem) => {
            problems.add(&problem.place, problem.message);
            None
        }
    };
    match experiment {
        Some(experiment) if problems.len() == 0 => Ok(experiment),
        _ => Err(SpecError::Problems { path: file.to_owned(), problems: problems.into_sorted() }),
    }
}

/// One experiment: everything the spec says, validated, with every default filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Directory and SQL view name: letters, digits, `_` and `-`, starting with a letter.
    pub name: String,
    /// The images; absent only for `command` trainers.
    pub dataset: Option<Dataset>,
    /// The trainer of every run whose grid does not sweep it, as the axis [`FAMILY_AXIS`]; `None` where each grid does.
    pub family: Option<Family>,
    /// Program and arguments of a `command` trainer, with `{axis}` places; empty for the built-in families.
    pub command: Vec<String>,
    /// Variables in the environment of a `command` trainer, by name: a text, or `$NAME` for that variable of whoever starts
    /// Gridboard, whose value is looked up when a run starts and kept nowhere.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Where a `command` trainer is started: absolute; `None` for the folder that Gridboard was started in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Every model and train parameter that is not swept, defaults included; the family is none of them.
    pub fixed: Parameters,
    /// The grids whose union is run. At least one; a grid without axes is one grid point.
    pub grids: Vec<Grid>,
    /// Which points are trained instead of all: what the grids span is then a space, whose axes may be ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<SearchPlan>,
    /// Grid points that are left out: those that have all values of one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Parameters>,
    /// The most that the network of a grid point may have or need; points beyond it are left out.
    #[serde(default, skip_serializing_if = "Limit::is_default")]
    pub limit: Limit,
    /// Which runs end before their time. Never part of what is compared when a spec is run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopPlan>,
    /// What ends a sweep before all runs are made. Never part of what is compared when a spec is run again.
    #[serde(default, skip_serializing_if = "Budget::is_default")]
    pub budget: Budget,
    /// Each grid point is trained once with each seed.
    pub seeds: Vec<u64>,
    /// The order of the leaderboard.
    pub rank: RankRule,
    /// What runs keep while they train. No part of what is compared when a spec is run again.
    #[serde(default, skip_serializing_if = "Keep::is_default")]
    pub keep: Keep,
    /// Where and how many at once. Never part of what is compared when a spec is run again.
    pub schedule: Schedule,
    /// The cluster whose jobs the runs are; none where this machine executes them. Never part of what is compared when a spec is
    /// run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launcher: Option<SlurmPlan>,
    /// When a failed run is tried again. Never part of what is compared when a spec is run again.
    #[serde(default, skip_serializing_if = "Retry::is_default")]
    pub retry: Retry,
    /// Whether runs take the results of the same runs of other experiments; where the spec says nothing, those of built-in
    /// trainers do and a `command`'s do not. Never part of what is compared when a spec is run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<bool>,
    /// Who is told what of a sweep. Never part of what is compared when a spec is run again.
    #[serde(default, skip_serializing_if = "Notify::is_default")]
    pub notify: Notify,
}

/// One grid: the product of its axes, the first axis outermost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grid {
    /// In the order of the spec.
    pub axes: Vec<Axis>,
}

/// A swept parameter and its values: at least one, none repeated, or a range of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis {
    /// The parameter's name.
    pub name: String,
    /// In the order of the spec; none where the axis is a range.
    pub values: Vec<Value>,
    /// The range of an axis that is searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<AxisRange>,
}

/// The images of an experiment and what is done to them before training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Where the images come from.
    pub source: Source,
    /// Class names, in index order; the last is "positive" for two classes.
    pub classes: Vec<String>,
    /// Side of the square images, pixels.
    pub image_size: u32,
    /// Gaussian blur after the resize.
    pub blur: Option<Blur>,
    /// Images that neither train nor validate, for one last evaluation; none where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestSet>,
    /// Part of the images that validates, over 0 and under 1; of those that are left where a share is held out.
    pub validation_split: f64,
    /// Same part of each class in training and validation; off is Keras' "last part of a shuffled list".
    pub stratify: bool,
    /// Seed of the split; the same split serves every run.
    pub split_seed: u64,
    /// Regular expression on the file name whose first group (or whole match) names a group kept on one side.
    pub group_by: Option<String>,
    /// What an unreadable image does.
    pub on_error: OnError,
}

/// Where images come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A folder with one folder per class; absolute, or relative to the working directory.
    Images(PathBuf),
    /// The built-in synthetic chest phantoms.
    Phantom(Phantom),
}

/// The held-out test set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestSet {
    /// A part of the images, over 0 and under 1, taken out before training and validation are split.
    Share(f64),
    /// A folder of its own with one folder per class; absolute, or relative to the working directory.
    Folder(PathBuf),
}

/// The built-in synthetic corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phantom {
    /// Images per class, in class order.
    pub images: Vec<u32>,
    /// 0 is easy, 1 is hopeless: how weak the findings are against the noise.
    pub difficulty: f64,
    /// Seed of the generator.
    pub seed: u64,
}

/// A Gaussian blur.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blur {
    /// Side of the square kernel, pixels; odd.
    pub kernel: u32,
    /// Standard deviation, pixels.
    pub sigma: f64,
}

/// What an unreadable image does to the preparation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The preparation fails and lists every bad file.
    Fail,
    /// The bad files are left out and counted.
    Skip,
}

/// The order of the leaderboard: a metric, then a second one for ties, then the run's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankRule {
    /// First metric.
    pub by: Metric,
    /// Tie breaker.
    pub then: Option<Metric>,
    /// Length of the head of the leaderboard.
    pub top: u32,
}

/// A metric by its full tag (`validation/epoch_accuracy`: sub-run, slash, tag) and what is better.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Sub-run and tag, joined by a slash.
    pub tag: String,
    /// What is better: the word of the spec, else what [`goal_of`] reads from the tag.
    pub goal: Goal,
}

/// What is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Higher is better.
    Maximize,
    /// Lower is better.
    Minimize,
}

/// Where runs are placed, and how they are stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// `auto`, or `cpu:N`, `cuda:0,2`, as `--devices` takes it: words that [`devices::DeviceChoice`] reads.
    pub devices: String,
    /// Runs at once on one CUDA device; `None` is auto.
    pub runs_per_device: Option<u32>,
    /// The log of a run keeps at most so many bytes: its beginning and its end.
    #[serde(default = "Schedule::default_log_limit")]
    pub log_limit: u64,
    /// How long a run that is asked to end has for it, until it is killed.
    #[serde(default = "Schedule::default_grace")]
    pub grace: SpecDuration,
    /// How long a run may take, until it is asked to end and has failed; `None` for as long as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_per_run: Option<SpecDuration>,
    /// How long a run may write no point and no line of its log, until it is asked to end and has failed; `None` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_timeout: Option<SpecDuration>,
    /// When this many runs have failed alike and none was completed, no other is started; 0 for never.
    #[serde(default = "Schedule::default_stop_after")]
    pub stop_after: u32,
}

impl Schedule {
    /// The limit of logs where the spec says none: 64 MiB.
    pub const LOG_LIMIT: u64 = 64 << 20;
    /// The lowest limit of logs: 1 MiB.
    pub const LOWEST_LOG_LIMIT: u64 = 1 << 20;

    /// How many runs may fail alike where the spec does not say.
    pub const STOP_AFTER: u32 = 3;

    fn default_stop_after() -> u32 {
        Self::STOP_AFTER
    }

    fn default_log_limit() -> u64 {
        Self::LOG_LIMIT
    }

    /// How long a `command` has to end where the spec does not say it.
    pub const COMMAND_GRACE: SpecDuration = SpecDuration::seconds(10);
    /// How long a built-in trainer has: it finishes its epoch and writes its state.
    pub const BUILT_IN_GRACE: SpecDuration = SpecDuration::seconds(30);

    /// Specs that were kept without it are of a time when it was this for all.
    fn default_grace() -> SpecDuration {
        Self::COMMAND_GRACE
    }

    /// What a spec means that says nothing, for runs that are `command`s or built in.
    #[must_use]
    pub fn of(is_command: bool) -> Self {
        let grace = if is_command { Self::COMMAND_GRACE } else { Self::BUILT_IN_GRACE };
        Self {
            devices: "auto".to_owned(),
            runs_per_device: None,
            log_limit: Self::LOG_LIMIT,
            grace,
            time_per_run: None,
            stall_timeout: None,
            stop_after: Self::STOP_AFTER,
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::of(false)
    }
}

impl Metric {
    /// A metric whose goal follows from its tag; higher is better where the tag tells nothing.
    #[must_use]
    pub fn by_tag(tag: &str) -> Self {
        Self { tag: tag.to_owned(), goal: goal_of(tag).unwrap_or(Goal::Maximize) }
    }
}

#[cfg(test)]
mod tests;
