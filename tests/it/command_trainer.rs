//! Sweeps over a program of the user's own.

use crate::{support::Project, tensorboard::TensorBoard};

/// A grid of 27 whose trainer aborts at one grid point.
const ONE_ABORTS: &str = "
experiment: aborts
model:
  family: command
  run: [sh, -c, 'test {a}{b}{c} != 132 || { echo about to crash >&2; kill -ABRT $$; }; exec python3 \"$0\" 0.{a}{b}{c}', TRAINER]
grid:
  a: [1, 2, 3]
  b: [1, 2, 3]
  c: [1, 2, 3]
schedule: {devices: 'cpu:2'}
";

fn one_aborts() -> Project {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    Project::with_spec(&ONE_ABORTS.replace("TRAINER", trainer))
}

#[test]
fn a_crashing_run_is_data_and_it_alone_is_tried_again() {
    let project = one_aborts();
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    assert!(ran.stdout.contains("a-3-b-3-c-3"), "the best run is in the top ten:\n{}", ran.stdout);

    let states = project.sql("select state, count(*) as runs from runs group by state order by state");
    assert_eq!(
        serde_json::json!(states),
        serde_json::json!([
            {"state": "completed", "runs": 26},
            {"state": "failed", "runs": 1},
        ])
    );
    let failed = &project.sql("select run, failure, reason, attempts from runs where state = 'failed'")[0];
    assert_eq!(failed["run"], "a-1-b-3-c-2");
    assert_eq!((&failed["failure"], &failed["attempts"]), (&"signal".into(), &3.into()));
    let [second, third] =
        ["2 of 3", "3 of 3"].map(|which| format!("SIGABRT), tried again (attempt {which})"));
    assert!(ran.stderr.contains(&second) && ran.stderr.contains(&third), "{}", ran.stderr);
    assert!(failed["reason"].as_str().expect("a reason").contains("SIGABRT"), "{failed}");
    let shown = project.run(&["show", "a-1-b-3-c-2"]).expect(0);
    assert!(shown.stdout.contains("about to crash"), "the log's tail is shown:\n{}", shown.stdout);

    project.run(&["run", "spec.yaml"]).expect(3);
    let attempts = project.sql("select run, attempts from runs where attempts > 1");
    assert_eq!(serde_json::json!(attempts), serde_json::json!([{"run": "a-1-b-3-c-2", "attempts": 6}]));
}

#[test]
fn the_leaderboard_is_the_same_everywhere() {
    let project = one_aborts();
    project.run(&["run", "spec.yaml"]).expect(3);
    let view = project.sql("select * from aborts order by rank limit 10");
    let top = project.run(&["top", "aborts", "--format", "json"]).expect(0).json();
    assert_eq!(top.len(), 10);
    for (row, (view, top)) in view.iter().zip(&top).enumerate() {
        assert_eq!(view["rank"], row + 1);
        for column in [
            "rank",
            "run",
            "a",
            "b",
            "c",
            "train_accuracy",
            "train_loss",
            "validation_accuracy",
            "validation_loss",
        ] {
            assert_eq!(view[column], top[column], "{column} of row {row}");
        }
    }
    assert_eq!(top[0]["run"], "a-3-b-3-c-3");
    assert_eq!(top[0]["validation_accuracy"].as_f64(), Some(f64::from(0.333_f32)));
    let csv = project.read("runs/aborts/report/top_ten.csv");
    let first = csv.lines().nth(1).expect("a first row");
    assert!(first.contains(&f64::from(0.333_f32).to_string()), "full precision in {first}");
    let board = project.sql("select run from leaderboard where experiment = 'aborts' and rank is null");
    assert_eq!(serde_json::json!(board), serde_json::json!([{"run": "a-1-b-3-c-2"}]));
}

#[test]
fn running_again_does_only_what_is_missing_and_a_changed_spec_is_refused() {
    let spec = "
experiment: again
model: {family: command, run: [{trainer}, '0.{x}']}
grid: {x: [5, 6]}
";
    let project = Project::with_spec(spec);
    project.run(&["run", "spec.yaml"]).expect(0);
    let before = project.sql("select run, started, attempts from runs order by run");
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(project.sql("select run, started, attempts from runs order by run"), before);

    let ran = project.run(&["run", "spec.yaml", "--set", "grid.x=[5, 7]"]).expect(2);
    assert!(ran.stderr.contains("grid") && ran.stderr.contains('7'), "the difference: {}", ran.stderr);
    assert!(ran.stderr.contains("--set experiment=again-2"), "a way out: {}", ran.stderr);
    project.run(&["run", "spec.yaml", "--set", "grid.x=[5, 7]", "--set", "experiment=again-2"]).expect(0);
    let experiments = project.sql("select distinct experiment from runs order by experiment");
    assert_eq!(
        serde_json::json!(experiments),
        serde_json::json!([{"experiment": "again"}, {"experiment": "again-2"}])
    );
}

#[test]
fn more_seeds_train_only_their_own_runs() {
    let spec = "
experiment: more
model: {family: command, run: [{trainer}, '0.{x}']}
grid: {x: [5, 6]}
";
    let project = Project::with_spec(spec);
    project.run(&["run", "spec.yaml"]).expect(0);
    let ran = project.run(&["run", "spec.yaml", "--set", "seeds=[0, 3]"]).expect(0);
    assert!(ran.stderr.contains("more: 4 runs, 2 completed, 2 to train"), "{}", ran.stderr);
    let runs = project.sql("select run, seed, attempts from runs order by position");
    assert_eq!(
        serde_json::json!(runs),
        serde_json::json!([
            {"run": "x-5", "seed": 0, "attempts": 1},
            {"run": "x-5-seed-3", "seed": 3, "attempts": 1},
            {"run": "x-6", "seed": 0, "attempts": 1},
            {"run": "x-6-seed-3", "seed": 3, "attempts": 1},
        ])
    );
    let points = project.sql("select grid_point, seeds, seeds_wanted from grid_points order by rank");
    assert_eq!(
        serde_json::json!(points[0]),
        serde_json::json!({"grid_point": "x-6", "seeds": 2, "seeds_wanted": 2})
    );
    let mut board = TensorBoard::start(&project.path("runs/more"));
    let request = serde_json::json!({
        "experimentName": "", "allowedStatuses": ["STATUS_SUCCESS"], "colParams": [], "startIndex": 0, "sliceSize": 10,
    });
    let sizes = board.wait_for("four sessions", |board| {
        let answer = board.post_json("/data/plugin/hparams/session_groups", &request);
        let groups = answer["sessionGroups"].as_array()?;
        let sizes: Vec<usize> =
            groups.iter().filter_map(|group| Some(group["sessions"].as_array()?.len())).collect();
        (sizes.iter().sum::<usize>() == 4).then_some(sizes)
    });
    assert_eq!(sizes, [2, 2], "a row for each grid point");
    // The first seeds alone are not what was run any more.
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(ran.stderr.contains("seeds: [0, 3] -> [0]"), "{}", ran.stderr);
}

#[test]
fn a_command_gets_its_parameters_and_a_run_without_metrics_does_not_rank() {
    let project = Project::with_spec(
        "
experiment: env
model: {family: command, run: [sh, -c, 'env | sort > \"$GRIDBOARD_RUN_DIR/env.txt\"; echo {{rate}} {rate} > \"$GRIDBOARD_RUN_DIR/args.txt\"']}
train: {epochs: 3}
grid: {rate: [0.001]}
seeds: [4]
",
    );
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    let env = project.read("runs/env/rate-0.001-seed-4/env.txt");
    for line in
        ["GRIDBOARD_PARAM_RATE=0.001", "GRIDBOARD_PARAM_EPOCHS=3", "GRIDBOARD_SEED=4", "GRIDBOARD_ATTEMPT=1"]
    {
        assert!(env.lines().any(|found| found == line), "{line} in\n{env}");
    }
    assert_eq!(project.read("runs/env/rate-0.001-seed-4/args.txt"), "{rate} 0.001\n");
    assert!(ran.stdout.contains("validation/epoch_accuracy was never written"), "{}", ran.stdout);
    assert!(ran.stderr.contains("rate-0.001-seed-4 has completed and will not rank"), "{}", ran.stderr);
}

#[test]
fn queries_from_outside_never_fail_while_a_sweep_writes() {
    let project = Project::with_spec(
        "
experiment: busy
model: {family: command, run: [{trainer}, '0.{x}', '200']}
grid: {x: [1, 2, 3, 4, 5, 6, 7, 8]}
schedule: {devices: 'cpu:2'}
",
    );
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let mut queries = 0;
    let status = loop {
        if let Some(status) = sweep.try_wait().expect("the sweep's status") {
            break status;
        }
        if project.path("runs/busy/experiment.yaml").exists() {
            project.sql("select count(*) as points, max(value) as best from history");
            queries += 1;
        }
    };
    assert_eq!(status.code(), Some(0), "{}", project.read("err.log"));
    assert!(queries > 3, "queries while the sweep ran: {queries}");
    // A run that takes longer than two seconds has what was measured of the machine, too.
    let points = project.sql("select count(*) as points from history where tag not like 'system/%'");
    assert_eq!(points[0]["points"], 8 * 200 * 4);
}
