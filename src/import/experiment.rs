//! The experiment that the runs of a log directory are: its axes are their HParams, its metric is one whose goal is known. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{ImportError, Request, group::Group, scan::LogDir};
use crate::{
    grid,
    run::{ImportSource, LedgerFile},
    spec::{
        Axis, Experiment, Family, Goal, Grid, Keep, Metric, Parameters, RESERVED_PARAMETERS, RankRule, Retry,
        Schedule, Value, goal_of, is_accuracy, is_of_time, words_of_tag,
    },
    tfevents::hparams::Status,
};

/// The axis of runs that no HParams tell apart: the directory that each was logged to.
const DIRECTORY: &str = "directory";
/// The parameter that becomes the runs' seed.
const SEED: &str = "seed";
/// Longest name of a run, bytes.
const LONGEST_NAME: usize = 100;
/// Longest name of an axis, characters.
const LONGEST_AXIS: usize = 64;
/// Seeds make the axes of a grid only where no more than so many of its runs are missing, for each that is there.
const MOST_MISSING: usize = 3;

/// A run of a log directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ForeignRun {
    /// Its path below the log directory.
    pub(super) directory: String,
    /// Its name, which no other has.
    pub(super) name: String,
    /// Its directories: index, and the sub-run that it is.
    pub(super) members: Vec<(usize, String)>,
    hparams: Vec<(String, Value)>,
    pub(super) status: Option<Status>,
    pub(super) times: (f64, f64),
    pub(super) host: Option<String>,
    /// Tags with their sub-runs.
    tags: BTreeSet<String>,
}

impl ForeignRun {
    /// The run that these directories are.
    pub(super) fn new(dirs: &[LogDir], group: &Group) -> Self {
        let members = || group.members.iter().map(|(index, below)| (&dirs[*index], below));
        let times = members()
            .filter_map(|(dir, _)| dir.times)
            .reduce(|(first, last), (start, end)| (first.min(start), last.max(end)));
        let tags = members().flat_map(|(dir, below)| {
            dir.tags
                .iter()
                .map(move |tag| if below.is_empty() { tag.clone() } else { format!("{below}/{tag}") })
        });
        Self {
            directory: group.path.clone(),
            name: String::new(),
            members: group.members.clone(),
            hparams: members().find_map(|(dir, _)| dir.hparams.clone()).unwrap_or_default(),
            status: members().find_map(|(dir, _)| dir.status),
            times: times.unwrap_or_default(),
            host: members().find_map(|(dir, _)| dir.host.clone()),
            tags: tags.collect(),
        }
    }
}

/// The rule by which the runs are ranked, and whether it was chosen here: what is asked for, else what they were ranked by
/// `before`, else the metric that most runs have whose words tell what is better.
///
/// # Errors
/// [`ImportError::NoTag`], [`ImportError::NoGoal`].
pub(super) fn rule(
    runs: &[ForeignRun],
    dirs: &[LogDir],
    request: &Request,
    before: Option<&RankRule>,
) -> Result<(RankRule, bool), ImportError> {
    let mut written: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in runs.iter().flat_map(|run| &run.tags) {
        *written.entry(tag).or_default() += 1;
    }
    let tags = || written.keys().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let rule =
        |tag: &str, goal: Goal| RankRule { by: Metric { tag: tag.to_owned(), goal }, then: None, top: 10 };
    if let Some(tag) = &request.by {
        if !written.contains_key(tag.as_str()) {
            return Err(ImportError::NoTag { tag: tag.clone(), tags: tags() });
        }
        let goal = request.goal.or_else(|| goal_of(tag));
        let goal = goal.ok_or_else(|| ImportError::NoGoal { tag: format!("`{tag}`"), tags: tags() })?;
        return Ok((rule(tag, goal), false));
    }
    if let Some(before) = before.filter(|before| written.contains_key(before.by.tag.as_str())) {
        let mut before = before.clone();
        before.by.goal = request.goal.unwrap_or(before.by.goal);
        return Ok((before, false));
    }
    let named: HashSet<&str> =
        dirs.iter().flat_map(|dir| &dir.metrics).map(|(_, tag)| tag.as_str()).collect();
    let worth = |tag: &str, runs: usize| {
        let words = words_of_tag(tag);
        let is_word = |of: &[&str]| words.iter().any(|word| of.contains(&word.as_str()));
        let held_out = is_word(&["val", "valid", "validation", "test", "eval", "evaluation", "dev"]);
        let of_training = is_word(&["train", "training", "batch"]);
        let is_named = named.iter().any(|name| tag == *name || tag.ends_with(&format!("/{name}")));
        (runs, held_out, is_named, is_accuracy(tag), !of_training)
    };
    let known = written.iter().filter(|(tag, _)| !is_of_time(tag));
    let known = known.filter_map(|(tag, runs)| Some((worth(tag, *runs), *tag, goal_of(tag)?)));
    // Of the same worth the first by name.
    let best = known.reduce(|best, next| if next.0 > best.0 { next } else { best });
    match best {
        Some((_, tag, goal)) => Ok((rule(tag, goal), true)),
        None => Err(ImportError::NoGoal { tag: "none of the metrics".to_owned(), tags: tags() }),
    }
}

/// What is kept of the experiment, and its runs under their names.
pub(super) fn ledger_file(
    name: &str,
    rule: RankRule,
    mut runs: Vec<ForeignRun>,
    source: ImportSource,
    created: f64,
) -> (LedgerFile, Vec<(String, ForeignRun)>) {
    give_names(&mut runs);
    let points = points(&runs);
    let seeds: BTreeSet<u64> = points.iter().map(|(_, seed)| *seed).collect();
    let fixed = constant(&points);
    let mut grids: Vec<Grid> = Vec::new();
    let mut seen = HashSet::new();
    for (point, _) in &points {
        if seen.insert(key(point, 0)) {
            let axis = |(name, value): (&String, &Value)| Axis {
                name: name.clone(),
                values: vec![value.clone()],
                range: None,
            };
            let swept = point.iter().filter(|(name, _)| !fixed.contains_key(*name));
            grids.push(Grid { axes: swept.map(axis).collect() });
        }
    }
    if let [first, ..] = &grids[..]
        && first.axes.len() == 1
        && first.axes[0].name == DIRECTORY
    {
        let values = grids.iter().flat_map(|grid| grid.axes[0].values.clone()).collect();
        grids = vec![Grid { axes: vec![Axis { name: DIRECTORY.to_owned(), values, range: None }] }];
    }
    let spec = Experiment {
        name: name.to_owned(),
        dataset: None,
        family: Some(Family::Command),
        command: Vec::new(),
        env: BTreeMap::new(),
        cwd: None,
        fixed,
        grids,
        search: None,
        exclude: Vec::new(),
        limit: crate::spec::Limit::default(),
        stop: None,
        budget: crate::spec::Budget::default(),
        seeds: seeds.into_iter().collect(),
        rank: rule,
        keep: Keep::default(),
        schedule: Schedule::of(true),
        retry: Retry::default(),
        notify: crate::spec::Notify::default(),
        launcher: None,
        reuse: None,
    };
    let mut by_point: HashMap<String, ForeignRun> =
        points.into_iter().zip(runs).map(|((point, seed), run)| (key(&point, seed), run)).collect();
    let (mut names, mut without, mut placed) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
    for run in grid::runs(&spec) {
        match by_point.remove(&key(&run.parameters, run.seed)) {
            Some(foreign) => {
                if foreign.name != run.name {
                    names.insert(run.id.clone(), foreign.name.clone());
                }
                placed.push((run.id, foreign));
            }
            None => {
                without.insert(run.id);
            }
        }
    }
    let file = LedgerFile { created, fingerprint: None, spec, names, without, import: Some(source) };
    (file, placed)
}

/// The parameters that are the same in every run, where there are several.
fn constant(points: &[(Parameters, u64)]) -> Parameters {
    let [(first, _), rest @ ..] = points else { return Parameters::new() };
    if rest.is_empty() {
        return Parameters::new();
    }
    let is_constant =
        |name: &String, value: &Value| rest.iter().all(|(point, _)| point.get(name) == Some(value));
    first
        .iter()
        .filter(|(name, value)| is_constant(name, value))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A grid point with a seed as a text that no other has.
fn key(point: &Parameters, seed: u64) -> String {
    serde_json::to_string(&(point, seed)).expect("finite numbers and texts are JSON")
}

/// Grid point and seed of every run, none twice.
fn points(runs: &[ForeignRun]) -> Vec<(Parameters, u64)> {
    let named = axis_names(runs);
    let of = |run: &ForeignRun, with_seed: bool| {
        let mut seed = None;
        let mut point = Parameters::new();
        for (name, value) in &run.hparams {
            match value.as_u64().filter(|_| with_seed && name == SEED && is_seed(value)) {
                Some(number) => seed = Some(number),
                None => {
                    point.insert(named[name].clone(), value.clone());
                }
            }
        }
        (point, seed.unwrap_or(0))
    };
    for with_seed in [true, false] {
        let points: Vec<(Parameters, u64)> = runs.iter().map(|run| of(run, with_seed)).collect();
        let distinct: HashSet<String> = points.iter().map(|(point, seed)| key(point, *seed)).collect();
        let grid: HashSet<String> = points.iter().map(|(point, _)| key(point, 0)).collect();
        let seeds: HashSet<u64> = points.iter().map(|(_, seed)| *seed).collect();
        let is_full = grid.len() * seeds.len() <= (1 + MOST_MISSING) * runs.len();
        if distinct.len() == runs.len() && is_full && (runs.len() > 1 || !points[0].0.is_empty()) {
            return points;
        }
    }
    let mut points: Vec<(Parameters, u64)> = runs.iter().map(|run| of(run, false)).collect();
    for ((point, _), run) in points.iter_mut().zip(runs) {
        let directory = if run.directory.is_empty() { "." } else { &run.directory };
        point.insert(DIRECTORY.to_owned(), Value::Text(directory.to_owned()));
    }
    points
}

/// SQLite's whole numbers have a sign.
fn is_seed(value: &Value) -> bool {
    matches!(value, Value::Int(0..))
}

/// What an axis is called, by the name of its parameter: no two alike, in SQL neither, and none that runs have already.
fn axis_names(runs: &[ForeignRun]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let mut taken: HashSet<String> = RESERVED_PARAMETERS.iter().map(|name| (*name).to_owned()).collect();
    taken.insert(DIRECTORY.to_owned());
    let all: BTreeSet<&String> =
        runs.iter().flat_map(|run| run.hparams.iter().map(|(name, _)| name)).collect();
    for name in all {
        let clean: String = name.chars().filter(|letter| !letter.is_control()).take(LONGEST_AXIS).collect();
        let mut axis = if clean.trim().is_empty() { "unnamed".to_owned() } else { clean };
        while !taken.insert(axis.to_ascii_lowercase()) {
            axis.push('_');
        }
        names.insert(name.clone(), axis);
    }
    names
}

/// Gives every run the name of its directory, as far as a folder of ours may have it.
fn give_names(runs: &mut [ForeignRun]) {
    let mut taken = HashSet::new();
    for run in runs {
        let clean = |letter: char| {
            if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' }
        };
        let plain: String = run.directory.chars().map(clean).collect();
        let plain = plain.trim_start_matches(['.', '-']);
        // The end tells runs apart.
        let plain = plain[plain.len().saturating_sub(LONGEST_NAME)..].trim_start_matches(['.', '-']);
        let plain = if plain.is_empty() { "run" } else { plain };
        let mut name = plain.to_owned();
        let mut number = 2;
        while !taken.insert(name.to_ascii_lowercase()) {
            name = format!("{plain}-{number}");
            number += 1;
        }
        run.name = name;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(directory: &str, hparams: &[(&str, Value)], tags: &[&str]) -> ForeignRun {
        ForeignRun {
            directory: directory.to_owned(),
            name: String::new(),
            members: Vec::new(),
            hparams: hparams.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            status: None,
            times: (1.0, 2.0),
            host: None,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        }
    }

    fn made(runs: Vec<ForeignRun>) -> (LedgerFile, Vec<(String, ForeignRun)>) {
        let rule = RankRule { by: Metric::by_tag("loss"), then: None, top: 10 };
        let source = ImportSource { directory: "/logs".into(), copied: false };
        ledger_file("x", rule, runs, source, 1.0)
    }

    fn request(by: Option<&str>, goal: Option<Goal>) -> Request {
        Request { directory: "/logs".into(), name: None, copy: false, by: by.map(str::to_owned), goal }
    }

    #[test]
    fn hparams_are_the_axes_and_a_seed_is_the_seed() {
        let hparams = |lr: f64, seed: i64| [("lr", Value::Float(lr)), ("seed", Value::Int(seed))];
        let runs = [(0.5, 1), (0.5, 2), (0.25, 1)];
        let runs = runs.map(|(lr, seed)| run(&format!("{lr}/{seed}"), &hparams(lr, seed), &[]));
        let (file, placed) = made(runs.to_vec());
        assert_eq!(grid::axis_names(&file.spec), ["lr"]);
        assert_eq!((file.spec.seeds.as_slice(), placed.len(), file.without.len()), (&[1, 2][..], 3, 1));
        let names: Vec<&str> = placed.iter().map(|(_, run)| run.name.as_str()).collect();
        assert_eq!(names, ["0.5-1", "0.5-2", "0.25-1"]);
        // Every run of its own seed is no grid of seeds.
        let runs = (0..8).map(|n| run(&n.to_string(), &hparams(f64::from(n) + 0.5, n.into()), &[])).collect();
        let (file, placed) = made(runs);
        assert_eq!(grid::axis_names(&file.spec), ["lr", "seed_"]);
        assert_eq!((placed.len(), file.without.len()), (8, 0));
    }

    #[test]
    fn runs_that_nothing_tells_apart_have_their_directory() {
        let (file, placed) = made(vec![run("", &[], &[]), run("a/b", &[], &[]), run("a-b", &[], &[])]);
        assert_eq!(grid::axis_names(&file.spec), [DIRECTORY]);
        assert_eq!(file.spec.grids.len(), 1);
        let names: Vec<&str> = placed.iter().map(|(_, run)| run.name.as_str()).collect();
        assert_eq!(names, ["run", "a-b", "a-b-2"]);
        let same = [("lr", Value::Float(0.5))];
        let (file, placed) = made(vec![run("a", &same, &[]), run("b", &same, &[])]);
        assert_eq!((grid::axis_names(&file.spec), placed.len()), (vec![DIRECTORY.to_owned()], 2));
    }

    #[test]
    fn what_is_the_same_in_all_runs_is_no_axis() {
        let hparams = |lr: f64| [("lr", Value::Float(lr)), ("width", Value::Int(64))];
        let (file, placed) = made(vec![run("a", &hparams(0.5), &[]), run("b", &hparams(0.25), &[])]);
        assert_eq!((grid::axis_names(&file.spec), placed.len()), (vec!["lr".to_owned()], 2));
        assert_eq!(file.spec.fixed, Parameters::from([("width".to_owned(), Value::Int(64))]));
    }

    #[test]
    fn names_that_clash_in_sql_or_are_taken_are_changed() {
        let hparams =
            [("LR", Value::Int(1)), ("lr", Value::Int(2)), ("family", Value::Int(3)), ("a\n", Value::Int(4))];
        let other = [("LR", Value::Int(2))];
        let (file, placed) = made(vec![run("a", &hparams, &[]), run("b", &other, &[])]);
        assert_eq!(placed.len(), 2);
        assert_eq!(grid::axis_names(&file.spec), ["LR", "a", "family_", "lr_"]);
    }

    #[test]
    fn the_metric_is_one_whose_goal_is_known() {
        let of = |tags: &[&str]| {
            let runs = [run("a", &[], tags), run("b", &[], tags)];
            rule(&runs, &[], &request(None, None), None).map(|(rule, _)| (rule.by.tag, rule.by.goal))
        };
        let told = |tags: &[&str]| of(tags).unwrap();
        assert_eq!(told(&["train/loss", "val/acc", "val/loss"]), ("val/acc".to_owned(), Goal::Maximize));
        assert_eq!(told(&["loss", "epoch"]), ("loss".to_owned(), Goal::Minimize));
        assert_eq!(
            told(&["train/accuracy", "hp_metric", "val_loss"]),
            ("val_loss".to_owned(), Goal::Minimize)
        );
        assert!(matches!(of(&["epoch", "hp_metric"]), Err(ImportError::NoGoal { .. })));
        let runs = [run("a", &[], &["epoch", "loss"])];
        let by = |tag: &str, goal| rule(&runs, &[], &request(Some(tag), goal), None);
        assert!(matches!(by("epoch", None), Err(ImportError::NoGoal { .. })));
        assert!(matches!(by("other", None), Err(ImportError::NoTag { .. })));
        assert_eq!(by("epoch", Some(Goal::Maximize)).unwrap().0.by.tag, "epoch");
        let before = RankRule { by: Metric::by_tag("epoch"), then: None, top: 3 };
        assert_eq!(rule(&runs, &[], &request(None, None), Some(&before)).unwrap(), (before, false));
    }
}
