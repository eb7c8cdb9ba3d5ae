//! A part of a space: ranges, searches, and what a rule leaves out.

use nix::sys::signal::Signal;

use crate::support::{Project, signal, wait_until};

const SPEC: &str = "experiment: space
model: {family: command, run: [{trainer}, \"{acc}\"]}
grid: {acc: {from: 0.5, to: 0.99}, width: {from: 1, to: 8}}
search: {method: sobol, points: 4}
exclude: [{width: 1}]
rank: {by: validation/epoch_accuracy}
";

#[test]
fn a_search_is_planned_run_ranked_and_grows() {
    let project = Project::with_spec(SPEC);
    let plan = project.run(&["plan", "spec.yaml"]).expect(0);
    assert!(plan.stdout.contains("search: 4 points of Sobol's sequence, seed 0"), "{}", plan.stdout);
    project.run(&["run", "spec.yaml"]).expect(0);
    let rows = project.sql("select s.run, acc, width, validation_accuracy, started from space s join runs r on r.run = s.run order by s.rank");
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let (acc, ranked) = (row["acc"].as_f64().expect("a number"), row["validation_accuracy"].as_f64());
        assert!((ranked.expect("it ranks") - acc).abs() < 1e-6, "{row}");
        assert_ne!(row["width"], 1);
    }
    assert!(rows.windows(2).all(|pair| pair[0]["acc"].as_f64() > pair[1]["acc"].as_f64()), "{rows:?}");
    // Four digits for people, all of them for machines.
    let table = project.run(&["top"]).expect(0).stdout;
    let best = rows[0]["acc"].as_f64().expect("a number");
    assert!(!table.contains(&best.to_string()), "{table}");
    assert!(project.run(&["top", "--format", "csv"]).expect(0).stdout.contains(&best.to_string()));

    // More points keep those that were trained; another seed has none of them.
    project.write("spec.yaml", &project.read("spec.yaml").replace("points: 4", "points: 6"));
    project.run(&["run", "spec.yaml"]).expect(0);
    let grown = project.sql("select run, started from runs");
    assert_eq!(grown.len(), 6);
    let is_kept = |row: &serde_json::Value| {
        grown.iter().any(|other| other["run"] == row["run"] && other["started"] == row["started"])
    };
    assert!(rows.iter().all(is_kept), "{grown:?}");
    let other = project.run(&["run", "spec.yaml", "--set", "search.seed=1"]).expect(2);
    assert!(other.stderr.contains("search.seed: 0 -> 1"), "{}", other.stderr);
}

#[test]
fn what_is_left_out_is_told() {
    let grid = "experiment: e\nmodel: {family: command, run: ['true']}\ngrid: {a: [1, 2], b: [1, 2]}\nrank: {by: loss}\n";
    let project = Project::with_spec(&format!("{grid}exclude: [{{a: 1, b: 2}}]\n"));
    let plan = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    assert!(plan.contains("1 of 4 grid points is left out by 1 rule of `exclude`"), "{plan}");
    assert!(!plan.contains("a-1-b-2") && plan.contains("a-1-b-1"), "{plan}");
    project.write("spec.yaml", &format!("{grid}exclude: [{{a: 1}}, {{a: 2}}]\n"));
    for command in ["plan", "run"] {
        let refused = project.run(&[command, "spec.yaml"]).expect(2);
        assert!(
            refused.stderr.contains("`exclude` leaves out every grid point of experiment `e`"),
            "{}",
            refused.stderr
        );
    }
    project.write(
        "spec.yaml",
        "experiment: e\nmodel: {family: command, run: ['true']}\ngrid: {a: {from: 1, to: 2}}\n",
    );
    let refused = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(refused.stderr.contains("line 3, column 8: axis `a` is a range"), "{}", refused.stderr);
}

#[test]
fn networks_beyond_the_limit_are_told_and_not_trained() {
    let spec = "experiment: l\ndataset: {phantom: {}}\nmodel: {family: grid_cnn, dense_layers: 1}\n\
                grid: {conv_layers: [1, 3], layer_size: [32, 128], learning_rate: [0.1, 0.01]}\n\
                train: {epochs: 1}\nlimit: {parameters: 12M}\n";
    let project = Project::with_spec(spec);
    let plan = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    let flat = plan.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("4 of 8 grid points are left out by `limit`"), "{plan}");
    assert!(
        flat.contains("conv_layers 1, layer_size 128: 201,868,801 parameters, more than 12M (2 points)"),
        "{plan}"
    );
    assert!(!plan.contains("1-conv-32") && plan.contains("3-conv-32"), "{plan}");
    let json = project.run(&["plan", "spec.yaml", "--format", "json"]).expect(0);
    assert!(json.stderr.contains("201,868,801 parameters, more than 12M"), "{}", json.stderr);
    // A search draws others instead, and learns nothing of what it passes.
    let ranges =
        "grid: {conv_layers: {from: 1, to: 3}, layer_size: {from: 32, to: 128}, learning_rate: [0.1, 0.01]}";
    for method in ["random", "tpe"] {
        let search = format!("{ranges}\nsearch: {{method: {method}, points: 8}}\n");
        let text = spec.replace(
            "grid: {conv_layers: [1, 3], layer_size: [32, 128], learning_rate: [0.1, 0.01]}\n",
            &search,
        );
        project.write("spec.yaml", &text);
        let plan = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
        let flat = plan.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains("points that were drawn are left out by `limit`"), "{method}: {plan}");
        assert!(plan.contains("007-"), "{method}: {plan}");
    }
    project.write("spec.yaml", &spec.replace("12M", "12k"));
    for command in ["plan", "run"] {
        let refused = project.run(&[command, "spec.yaml"]).expect(2).stderr;
        assert!(
            refused.contains("more than 12k) leaves out every grid point of experiment `l`"),
            "{refused}"
        );
    }
}

/// A search that learns, on one slot; the trainer is slow enough to be cut off.
const LEARNS: &str = "experiment: learns
model: {family: command, run: [sh, -c, \"sleep 0.05; exec {python} {acc}\"]}
grid: {acc: {from: 0.5, to: 0.99}, width: {from: 1, to: 8}, kind: [a, b]}
search: {method: tpe, points: 16, seed: 1}
exclude: [{width: 1}]
schedule: {devices: 'cpu:1'}
";

fn learning(spec: &str) -> Project {
    let trainer = concat!("python3 ", env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    Project::with_spec(&spec.replace("{python}", trainer))
}

/// What was suggested, with its reasons.
fn suggestions(project: &Project) -> Vec<serde_json::Value> {
    project.sql("select point, reason, score, place, running, axis_values from suggestions order by point")
}

#[test]
fn a_search_that_was_killed_goes_on_as_it_would_have() {
    let whole = learning(LEARNS);
    whole.run(&["run", "spec.yaml"]).expect(0);
    let expected = suggestions(&whole);
    assert_eq!(expected.len(), 16);
    assert!(expected.iter().filter(|point| point["reason"] == "estimated").count() >= 5, "{expected:?}");
    let points: std::collections::HashSet<String> =
        expected.iter().map(|point| point["axis_values"].to_string()).collect();
    assert_eq!(points.len(), 16, "no point is there twice");

    let cut = learning(LEARNS);
    for at in [3, 11, 13] {
        let mut sweep = cut.start(&["run", "spec.yaml"]);
        wait_until("so many runs have ended", || {
            cut.path("runs/gridboard.db").exists()
                && cut.sql("select 1 from runs where state = 'completed'").len() >= at
        });
        signal(&sweep, Signal::SIGKILL);
        sweep.wait().expect("the sweep is reaped");
    }
    cut.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(suggestions(&cut), expected);
    let ended = cut.sql("select state, count(*) as n from runs group by state");
    assert_eq!(serde_json::json!(ended), serde_json::json!([{"state": "completed", "n": 16}]));

    // Files and database have the same, also where it is made anew.
    cut.run(&["verify", "learns"]).expect(0);
    cut.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(suggestions(&cut), expected);
    cut.run(&["verify", "learns"]).expect(0);

    // Each says why it is there.
    let last =
        cut.sql("select run from runs where position = 15")[0]["run"].as_str().expect("a name").to_owned();
    for verb in ["show", "why"] {
        let said = cut.run(&[verb, &last]).expect(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("point 15: the best of"), "{said}");
        assert!(said.contains("with 15 ended and 0 running"), "{said}");
    }

    // It grows, and keeps what it has.
    let grown = cut.run(&["run", "spec.yaml", "--set", "search.points=18"]).expect(0);
    assert!(grown.stderr.contains("learns: 18 runs, 16 completed, 2 to train"), "{}", grown.stderr);
    assert_eq!(suggestions(&cut)[..16], expected);
}

#[test]
fn a_space_that_changes_keeps_the_points_that_it_still_has() {
    let project = learning(&LEARNS.replace("sleep 0.05; ", ""));
    project.run(&["run", "spec.yaml"]).expect(0);
    let before = project.sql("select run, acc, validation_accuracy from learns");
    project.write("spec.yaml", &project.read("spec.yaml").replace("from: 0.5", "from: 0.75"));
    let refused = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(refused.stderr.contains("grid.acc.from: 0.5 -> 0.75"), "{}", refused.stderr);
    project.run(&["run", "spec.yaml", "--replace", "--yes"]).expect(0);
    let after = project.sql("select run, acc from learns");
    assert_eq!(after.len(), 16);
    assert!(after.iter().all(|row| row["acc"].as_f64() >= Some(0.75)));
    for row in before.iter().filter(|row| row["acc"].as_f64() >= Some(0.75)) {
        assert!(after.iter().any(|other| other["run"] == row["run"]), "{row} is gone");
    }
    project.run(&["verify", "learns"]).expect(0);
}

#[test]
fn a_search_that_learns_nothing_ends() {
    let nothing = |spec: &str| {
        let project = learning(spec);
        let ran = project.run(&["run", "spec.yaml"]);
        let runs = project.sql("select 1 from runs").len();
        assert!(runs < 8, "{runs} runs: {}", ran.stderr);
        ran.stderr
    };
    let fast = LEARNS.replace("sleep 0.05; ", "");
    let never = nothing(&fast.replace("schedule:", "rank: {by: {tag: f1, goal: maximize}}\nschedule:"));
    assert!(
        never.contains("the first 3 points tell the search nothing: none of them has a value of `f1`"),
        "{never}"
    );
    let nan = nothing(&fast.replace("{acc}\"]", "nan\"]"));
    assert!(nan.contains("`validation/epoch_accuracy` is not a number at each of them"), "{nan}");
}

#[test]
fn a_small_space_is_tried_once_and_whole() {
    let spec = LEARNS
        .replace("{from: 0.5, to: 0.99}", "[0.5, 0.6, 0.7]")
        .replace("{from: 1, to: 8}", "[1, 2]")
        .replace("sleep 0.05; ", "")
        .replace("points: 16", "points: 12");
    let project = learning(&spec.replace("exclude: [{width: 1}]", "exclude: [{width: 1, kind: a}]"));
    let plan = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    assert!(plan.contains("12 points: a search gains nothing here"), "{plan}");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("the search has tried all of its space, 9 points"), "{}", ran.stderr);
    assert_eq!(project.sql("select 1 from runs where state = 'completed'").len(), 9);
}
