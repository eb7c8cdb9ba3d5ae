//! The grid's promises: order, names, ids, unions.

use std::{collections::HashSet, path::Path};

use proptest::prelude::*;

use super::*;
use crate::spec::{Axis, Family, Overrides, RankRule, Schedule, parse};

/// An experiment of the built-in family with this `grid` and `seeds`.
fn grid_cnn(rest: &str) -> Experiment {
    let text = format!("experiment: e\ndataset: {{phantom: {{}}}}\nmodel: {{family: grid_cnn}}\n{rest}\n");
    parse(&text, Path::new("e.yaml"), &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn command(rest: &str) -> Experiment {
    let text = format!("experiment: e\nmodel: {{family: command, run: [x]}}\n{rest}\n");
    parse(&text, Path::new("e.yaml"), &Overrides::default()).unwrap_or_else(|error| panic!("{error}"))
}

fn names(experiment: &Experiment) -> Vec<String> {
    runs(experiment).map(|run| run.name).collect()
}

#[test]
fn the_first_axis_is_outermost() {
    let experiment = grid_cnn(
        "train: {epochs: 1}\ngrid: {dense_layers: [0, 1], layer_size: [32, 64], conv_layers: [1, 2]}",
    );
    assert_eq!(
        names(&experiment),
        [
            "1-conv-32-nodes-0-dense",
            "2-conv-32-nodes-0-dense",
            "1-conv-64-nodes-0-dense",
            "2-conv-64-nodes-0-dense",
            "1-conv-32-nodes-1-dense",
            "2-conv-32-nodes-1-dense",
            "1-conv-64-nodes-1-dense",
            "2-conv-64-nodes-1-dense",
        ]
    );
    assert_eq!(axis_names(&experiment), ["dense_layers", "layer_size", "conv_layers"]);
}

#[test]
fn other_axes_and_seeds_other_than_0_are_in_the_name() {
    let experiment = grid_cnn(
        "train: {epochs: 1}\ngrid: {dense_layers: [0], layer_size: [32], conv_layers: [1], \
         learning_rate: [0.001, 1]}\nseeds: [0, 7]",
    );
    assert_eq!(
        names(&experiment),
        [
            "1-conv-32-nodes-0-dense-learning_rate-0.001",
            "1-conv-32-nodes-0-dense-learning_rate-0.001-seed-7",
            "1-conv-32-nodes-0-dense-learning_rate-1",
            "1-conv-32-nodes-0-dense-learning_rate-1-seed-7",
        ]
    );
}

#[test]
fn fixed_network_parameters_are_in_the_name() {
    let text = "experiment: e\ndataset: {phantom: {}}\ntrain: {epochs: 1}\n\
                model: {family: grid_cnn, conv_layers: 1, layer_size: 2, dense_layers: 3}\n";
    let experiment = parse(text, Path::new("e.yaml"), &Overrides::default()).expect("a valid spec");
    assert_eq!(names(&experiment), ["1-conv-2-nodes-3-dense"]);
    assert_eq!(count(&experiment), 1);
}

#[test]
fn command_runs_are_named_by_their_axes() {
    assert_eq!(names(&command("")), ["run"]);
    assert_eq!(names(&command("seeds: [1, 2]")), ["run-seed-1", "run-seed-2"]);
    let experiment = command("grid: {opt: [adam, sgd], lr: [0.1, -1.0e-9], bn: [true]}");
    assert_eq!(
        names(&experiment),
        [
            "opt-adam-lr-0.1-bn-true",
            "opt-adam-lr--1e-9-bn-true",
            "opt-sgd-lr-0.1-bn-true",
            "opt-sgd-lr--1e-9-bn-true",
        ]
    );
}

#[test]
fn names_that_would_be_the_same_carry_their_ids() {
    let experiment = command("grid: {file: [a/b, a_b, a b, c, C, \"\", 1, \"1\"]}");
    let plan = GridRuns::new(&experiment);
    let ids: Vec<String> = plan.iter().map(|run| run.id).collect();
    let with_id = |name: &str, index: usize| format!("{name}-{}", ids[index]);
    assert_eq!(
        names(&experiment),
        [
            with_id("file-a_b", 0),
            with_id("file-a_b", 1),
            with_id("file-a_b", 2),
            with_id("file-c", 3),
            with_id("file-C", 4),
            "file-empty".to_owned(),
            with_id("file-1", 6),
            with_id("file-1", 7),
        ]
    );
}

#[test]
fn long_names_are_cut_and_stay_unique() {
    let long = "x".repeat(300);
    let experiment = command(&format!("grid: {{file: [{long}a, {long}b]}}"));
    let names = names(&experiment);
    assert!(names.iter().all(|name| name.len() == 120), "{names:?}");
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_union_drops_what_it_repeats() {
    let experiment = command("train: {b: 0}\ngrid: [{a: [1, 2]}, {a: [2, 3]}, {a: [3, 4], b: [0, 1]}]");
    assert_eq!(names(&experiment), ["a-1", "a-2", "a-3", "a-3-b-1", "a-4-b-0", "a-4-b-1"]);
    assert_eq!(count(&experiment), 6);
    assert_eq!(nth(&experiment, 5).map(|run| run.index.get()), Some(5));
    assert_eq!(nth(&experiment, 6), None);
    assert_eq!(axis_names(&experiment), ["a", "b"]);
}

#[test]
fn ids_are_of_what_is_trained() {
    let id = |experiment: &Experiment| nth(experiment, 0).expect("one run").id;
    let base = grid_cnn("train: {epochs: 1}\ngrid: {dense_layers: [0], layer_size: [32], conv_layers: [1]}");
    assert_eq!(id(&base).len(), 16);
    // Stored in databases: must never change.
    assert_eq!(id(&base), "e70ea75dc1779fa8");
    let mut renamed = base.clone();
    renamed.name = "other".to_owned();
    renamed.grids[0].axes.reverse();
    assert_eq!(id(&renamed), id(&base));
    let mut reseeded = base.clone();
    reseeded.seeds = vec![1];
    assert_ne!(id(&reseeded), id(&base));
    let mut slower = base.clone();
    slower.fixed.insert("learning_rate".to_owned(), Value::Float(0.1));
    assert_ne!(id(&slower), id(&base));
    assert_ne!(id(&command("")), id(&command("train: {a: 1}")));
}

#[test]
fn an_axis_without_values_or_seeds_has_no_runs() {
    let mut experiment = command("grid: {a: [1]}");
    experiment.grids[0].axes[0].values.clear();
    assert_eq!((count(&experiment), nth(&experiment, 0)), (0, None));
    let mut experiment = command("grid: {a: [1]}");
    experiment.seeds.clear();
    assert_eq!((count(&experiment), nth(&experiment, 0)), (0, None));
    assert!(GridRuns::new(&experiment).is_empty());
}

#[test]
fn the_last_of_a_million_runs_is_found_without_the_others() {
    let axis =
        |name: &str| Axis { name: name.to_owned(), values: (0..100).map(Value::Int).collect(), range: None };
    let mut experiment = command("");
    experiment.grids[0].axes = vec![axis("a"), axis("b"), axis("c")];
    assert_eq!(count(&experiment), 1_000_000);
    let last = nth(&experiment, 999_999).expect("the last run");
    assert_eq!(last.name, "a-99-b-99-c-99");
    assert_eq!(nth(&experiment, 12_345).expect("a run").name, "a-1-b-23-c-45");
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        (-20_i64..20).prop_map(Value::Int),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(Value::Float),
        "[ab/._-]{0,3}|[a-c1-]{0,6}".prop_map(Value::Text),
    ]
}

fn experiment() -> impl Strategy<Value = Experiment> {
    let axes = prop::collection::btree_map("[ab](-[ab1]){0,1}", prop::collection::vec(value(), 1..5), 0..4);
    let grid = axes.prop_map(|axes| Grid {
        axes: axes
            .into_iter()
            .map(|(name, mut values)| {
                let mut seen = HashSet::new();
                // As the spec compares them: 0, 0.0 and -0.0 are one value.
                values.retain(|value| {
                    let number = value.as_f64().map(|number| (number + 0.0).to_string());
                    seen.insert(number.unwrap_or_else(|| json!(value).to_string()))
                });
                Axis { name, values, range: None }
            })
            .collect(),
    });
    let seeds = prop::collection::hash_set(0_u64..9, 1..3);
    (prop::collection::vec(grid, 1..4), seeds).prop_map(|(grids, seeds)| Experiment {
        name: "e".to_owned(),
        dataset: None,
        family: Some(Family::Command),
        command: vec!["x".to_owned()],
        env: std::collections::BTreeMap::new(),
        cwd: None,
        fixed: Parameters::from([("a".to_owned(), Value::Int(1))]),
        grids,
        search: None,
        exclude: Vec::new(),
        limit: crate::spec::Limit::default(),
        stop: None,
        budget: crate::spec::Budget::default(),
        launcher: None,
        reuse: None,
        seeds: seeds.into_iter().collect(),
        rank: RankRule { by: crate::spec::Metric::by_tag("a/b"), then: None, top: 10 },
        keep: crate::spec::Keep::default(),
        schedule: Schedule::default(),
        retry: crate::spec::Retry::default(),
        notify: Default::default(),
    })
}

proptest! {
    #[test]
    fn nth_is_the_iterator_and_every_run_is_there_once(experiment in experiment()) {
        let listed: Vec<RunSpec> = runs(&experiment).collect();
        prop_assert_eq!(listed.len() as u128, count(&experiment));
        let plan = GridRuns::new(&experiment);
        let mut names = HashSet::new();
        let mut ids = HashSet::new();
        for (index, run) in (0..).zip(&listed) {
            prop_assert_eq!(run.index.get(), index);
            let direct = plan.nth(index);
            prop_assert_eq!(direct.as_ref(), Some(run));
            prop_assert!(names.insert(run.name.to_ascii_lowercase()), "name {} twice", run.name);
            prop_assert!(ids.insert(run.id.clone()), "id of {} twice", run.name);
            prop_assert!(run.name.len() <= 120);
            prop_assert!(run.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)));
            for (axis, value) in &run.axes {
                prop_assert_eq!(run.parameters.get(axis), Some(value));
            }
        }
        prop_assert_eq!(plan.nth(plan.len()), None);
        // Nothing is lost: every point of every grid with every seed is some run's parameters.
        let trained: HashSet<(String, u64)> =
            listed.iter().map(|run| (json!(run.parameters).to_string(), run.seed)).collect();
        for grid in &experiment.grids {
            let single = Experiment { grids: vec![grid.clone()], ..experiment.clone() };
            for run in runs(&single) {
                prop_assert!(trained.contains(&(json!(run.parameters).to_string(), run.seed)));
            }
        }
    }
}

/// The runs of a spec of a user's program.
fn runs_of(lines: &str) -> Vec<RunSpec> {
    let text = format!("experiment: e\nmodel: {{family: command, run: [x]}}\nrank: {{by: loss}}\n{lines}\n");
    let experiment =
        crate::spec::parse(&text, std::path::Path::new("e.yaml"), &crate::spec::Overrides::default());
    let experiment = experiment.unwrap_or_else(|error| panic!("{error}"));
    let all: Vec<RunSpec> = runs(&experiment).collect();
    assert_eq!(all.len() as u128, count(&experiment));
    all
}

#[test]
fn searched_points_have_numbers_and_grow() {
    let space =
        "grid: {learning_rate: {from: 1e-5, to: 0.1, scale: log}, width: {from: 16, to: 256}, kind: [a, b]}";
    for method in ["random", "sobol"] {
        let search = |points: u32| {
            runs_of(&format!(
                "{space}\nsearch: {{method: {method}, points: {points}, seed: 1}}\nseeds: [0, 2]"
            ))
        };
        let (few, more) = (search(5), search(40));
        assert_eq!(few, more[..10], "more points leave the first as they are");
        assert_eq!(more.len(), 80);
        for (place, run) in more.iter().enumerate() {
            let number = format!("{:03}-learning_rate-", place / 2);
            assert!(run.name.starts_with(&number), "{}", run.name);
            assert_eq!(run.name.ends_with("-seed-2"), place % 2 == 1, "{}", run.name);
            let Value::Float(rate) = run.parameters["learning_rate"] else { panic!("a number") };
            assert!((1e-5..=0.1).contains(&rate));
            // Three digits in the name, all of them in the parameters.
            let digits = run.name[number.len()..].split("-width-").next().unwrap().parse::<f64>().unwrap();
            assert!((digits / rate - 1.0).abs() < 0.006, "{} of {rate}", run.name);
        }
        let ids: HashSet<&String> = more.iter().map(|run| &run.id).collect();
        assert_eq!(ids.len(), 80);
    }
    let other = runs_of(&format!("{space}\nsearch: {{method: random, points: 5, seed: 2}}"));
    assert_ne!(
        other[0].id,
        runs_of(&format!("{space}\nsearch: {{method: random, points: 5, seed: 1}}"))[0].id
    );
}

#[test]
fn sub_spaces_take_turns_and_share_no_point() {
    let lines = "grid:\n- {optimizer: [adam], rate: {from: 0.1, to: 1.5}}\n- {optimizer: [sgd], momentum: [0, 1], rate: {from: 0.1, to: 1.5}}\n\
                 - {optimizer: [adam], rate: [7]}\nsearch: {method: random, points: 9}";
    let all = runs_of(lines);
    assert_eq!(all.len(), 9);
    let sgd = all.iter().filter(|run| run.parameters.contains_key("momentum")).count();
    assert!(sgd == 4, "{sgd} of the second: the third has one point alone");
    // Three grids of which two are the same point.
    let same = runs_of("grid:\n- {a: [1, 2]}\n- {a: [2, 3]}\nsearch: {method: sobol, points: 3}");
    let ids: HashSet<&String> = same.iter().map(|run| &run.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn excluded_points_are_not_there() {
    let grid = "grid: {a: [1, 2, 3], b: [1, 2]}";
    let names = |lines: &str| runs_of(lines).into_iter().map(|run| run.name).collect::<Vec<_>>().join(" ");
    assert_eq!(names(&format!("{grid}\nexclude: [{{a: 3, b: 1}}, {{a: 1}}]")), "a-2-b-1 a-2-b-2 a-3-b-2");
    assert_eq!(names("grid:\n- {a: [1, 2]}\n- {a: [2, 3]}\nexclude: [{a: 2}]"), "a-1 a-3");
    assert_eq!(names(&format!("{grid}\nexclude: [{{a: 1}}, {{a: 2}}, {{a: 3}}]")), "");
    let searched = runs_of(&format!("{grid}\nsearch: {{method: random, points: 3}}\nexclude: [{{a: 1}}]"));
    assert!(searched.len() == 3 && searched.iter().all(|run| run.parameters["a"] != Value::Int(1)));
    assert_eq!(names("grid: {\"a, b\": [[1, 1], [2, 2]]}"), "a-1-b-1 a-2-b-2");
}

/// Networks of 224 pixels with 40,449 to 201,868,801 parameters.
const PAPER: &str =
    "train: {epochs: 1}\ngrid: {dense_layers: [0, 1], layer_size: [32, 128], conv_layers: [1, 3]}\n";

#[test]
fn points_beyond_the_limit_are_left_out() {
    let experiment = grid_cnn(&format!("{PAPER}limit: {{parameters: 12M}}"));
    let plan = GridRuns::new(&experiment);
    assert_eq!(plan.len(), 6);
    assert_eq!(count(&experiment), 6);
    let left_out = plan.left_out();
    assert_eq!((left_out.by_limit, left_out.by_rule, left_out.unnamed), (2, 0, 0));
    let reasons: Vec<&str> = left_out.named.iter().map(|network| network.reason.as_str()).collect();
    assert_eq!(reasons, ["12,617,089 parameters, more than 12M", "201,868,801 parameters, more than 12M"]);
    // As much as the limit says is allowed.
    let exact = grid_cnn(&format!("{PAPER}limit: {{parameters: 201868801}}"));
    assert_eq!(GridRuns::new(&exact).len(), 8);
    for (limit, left) in [("flops: 100M", 2), ("memory: 3GiB", 4)] {
        let found = GridRuns::new(&grid_cnn(&format!("{PAPER}limit: {{{limit}}}"))).len();
        assert_eq!(found, left, "{limit}");
    }
    // A network is named once, however many points have it; rules come first.
    let text =
        format!("{PAPER}limit: {{parameters: 12M}}\nexclude: [{{layer_size: 128, dense_layers: 1}}]\n");
    let text = text.replace("grid: {", "grid: {batch_size: [8, 16], shuffle: [true, false], ");
    let experiment = grid_cnn(&text);
    let plan = GridRuns::new(&experiment);
    let left_out = plan.left_out();
    assert_eq!((plan.len(), left_out.by_limit, left_out.by_rule), (20, 4, 8));
    assert_eq!(left_out.named.iter().map(|network| network.points).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn searches_pass_what_is_beyond_the_limit_or_cannot_be_built() {
    let space = "train: {epochs: 1}\ngrid: {dense_layers: [0, 1], layer_size: {from: 8, to: 128}, conv_layers: {from: 1, to: 8}}\n";
    let network = |experiment: &Experiment, values: &[(String, Value)]| {
        let mut parameters = experiment.fixed.clone();
        parameters.extend(values.iter().cloned());
        network(experiment, Family::GridCnn, &parameters).map(|network| network.unwrap().summary)
    };
    for method in ["random", "sobol", "tpe"] {
        let text = format!("{space}search: {{method: {method}, points: 40}}\nlimit: {{parameters: 2M}}");
        let experiment = grid_cnn(&text);
        let (values, left_out): (Vec<Vec<(String, Value)>>, LeftOut) = if experiment.suggests() {
            let mut search = PointSearch::new(&experiment, &[]).unwrap();
            let mut points = Vec::new();
            while let Some(point) = search.next_point() {
                #[expect(clippy::cast_precision_loss, reason = "a small number")]
                let value = Some(point.number as f64);
                search.learn(point.number, Outcome::Completed { value });
                points.push(point.values);
            }
            (points, search.left_out().clone())
        } else {
            let plan = GridRuns::new(&experiment);
            (plan.iter().map(|run| run.axes).collect(), plan.left_out().clone())
        };
        assert_eq!(values.len(), 40, "{method}");
        for values in &values {
            let summary = network(&experiment, values).unwrap();
            assert!(summary.parameters <= 2_000_000, "{method}: {values:?}");
        }
        assert!(left_out.by_limit > 0 && left_out.impossible > 0, "{method}: {left_out:?}");
        assert_eq!(check(&experiment), Ok(()), "{method}");
        // Where nothing is left, that is said and not looked for for ever.
        let text = format!("{space}search: {{method: {method}, points: 40}}\nlimit: {{parameters: 100}}");
        let text = text.replace("grid: {", "grid: {learning_rate: {from: 0.1, to: 0.2}, ");
        let nothing = check(&grid_cnn(&text)).unwrap_err().to_string();
        assert!(nothing.ends_with("leave out every grid point of experiment `e`"), "{method}: {nothing}");
    }
}
