//! Programs of a user's own: the shipped examples, what is found out before anything starts, and limits.

use std::path::Path;

use serde_json::json;

use crate::support::Project;

#[test]
fn the_example_without_dependencies_runs_from_anywhere() {
    let project = Project::new();
    let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/own_program/plain.yaml");
    project.run(&["run", spec.to_str().expect("a path")]).expect(0);
    let rows =
        project.sql("select run, rank from leaderboard where experiment = 'own_program_plain' order by rank");
    assert_eq!(rows.len(), 6);
    // Beside what was measured of the machine, where a run took longer than two seconds.
    let points = project.sql(
        "select tag, count(*) as n from history where tag not like 'system/%' group by tag order by tag",
    );
    assert_eq!(points, [json!({"tag": "train/loss", "n": 180}), json!({"tag": "validation/loss", "n": 180})]);
    let problems = project.sql("select problem from runs where problem is not null");
    assert_eq!(problems.len(), 0, "its records are whole: {problems:?}");
}

#[test]
fn a_program_that_is_not_there_is_told_before_anything_starts() {
    let project = Project::with_spec(
        "experiment: mine\nmodel: {family: command, run: [pythn3, t.py, \"{x}\"]}\ngrid: {x: [1, 2]}\n",
    );
    let refused = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(
        refused.stderr.contains("the program `pythn3` of `model.run` is not on PATH"),
        "{}",
        refused.stderr
    );
    assert!(!project.path("runs").exists(), "nothing was begun");
    let plan = project.run(&["plan", "spec.yaml"]).expect(0);
    assert!(!plan.stdout.contains("FLOPs"), "no columns of what is not known: {}", plan.stdout);
    assert!(plan.stderr.contains("not on PATH"), "{}", plan.stderr);
    for (run, message) in [
        ("run: [./t.py], cwd: nowhere", "`model.cwd`: there is no folder"),
        ("run: [./t.py]", "is not there: no file `./t.py`"),
        ("run: [\"{x}\"]", "the program `1` of `model.run` is not on PATH"),
        ("run: [sh], env: {A: $GRIDBOARD_TEST_NOT_THERE}", "there is no variable `GRIDBOARD_TEST_NOT_THERE`"),
    ] {
        let grid = if run.contains("{x}") { "grid: {x: [1]}\n" } else { "" };
        project.write("spec.yaml", &format!("experiment: mine\nmodel: {{family: command, {run}}}\n{grid}"));
        let refused = project.run(&["run", "spec.yaml"]).expect(2);
        assert!(
            refused.stderr.contains(message) && refused.stderr.contains("hint: "),
            "{run}: {}",
            refused.stderr
        );
    }
}

#[test]
fn the_same_failure_of_the_first_runs_stops_the_sweep() {
    let spec = "experiment: mine\n\
                model: {family: command, run: [python3, -m, no_such_module_here, \"{x}\"]}\n\
                grid: {x: [1, 2, 3, 4, 5, 6, 7, 8]}\nschedule: {devices: \"cpu:1\"}\n";
    let project = Project::with_spec(spec);
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    let states = "select state, count(*) as n from runs group by state order by state";
    assert_eq!(
        project.sql(states),
        [json!({"state": "failed", "n": 3}), json!({"state": "pending", "n": 5})]
    );
    let told: Vec<&str> =
        ran.stderr.lines().filter(|line| line.contains("nothing more is started")).collect();
    assert_eq!(told.len(), 1, "{}", ran.stderr);
    assert!(
        told[0].contains("the first 3 runs failed alike") && told[0].contains("No module named"),
        "{told:?}"
    );
    // As the user wants it.
    project.run(&["run", "spec.yaml", "--set", "schedule.stop_after=0"]).expect(3);
    assert_eq!(project.sql(states), [json!({"state": "failed", "n": 8})]);
}

#[test]
fn a_run_that_takes_too_long_has_failed_and_the_next_one_starts() {
    let project = Project::with_spec(
        "experiment: mine\n\
         model: {family: command, run: [sh, -c, \"trap '' TERM; [ {x} = 2 ] || while :; do sleep 0.05; done\"]}\n\
         grid: {x: [1, 2]}\nschedule: {devices: \"cpu:1\", time_per_run: 1s, grace: 1s}\n",
    );
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    assert!(ran.stderr.contains("took longer than schedule.time_per_run, 1s"), "{}", ran.stderr);
    assert_eq!(
        project.sql("select run, state, failure from runs order by run"),
        [
            json!({"run": "x-1", "state": "failed", "failure": "timeout"}),
            json!({"run": "x-2", "state": "completed", "failure": null}),
        ]
    );
}

#[test]
fn switches_lists_and_empty_texts_arrive_as_arguments() {
    let project = Project::with_spec(
        "experiment: mine\n\
         model: {family: command, run: [sh, -c, 'for a in \"$@\"; do echo \"<$a>\"; done > $GRIDBOARD_RUN_DIR/args', sh, \
         \"{a}\", \"{b}\"]}\n\
         grid:\n  a: [--amp, null, false, \"\"]\n  b: [[64, 32], 7]\n",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    let arguments = |run: &str| project.read(&format!("runs/mine/{run}/args"));
    assert_eq!(arguments("a---amp-b-64-32"), "<--amp>\n<64>\n<32>\n");
    assert_eq!(arguments("a-null-b-7"), "<7>\n");
    assert_eq!(arguments("a-false-b-7"), "<7>\n");
    assert_eq!(arguments("a-empty-b-64-32"), "<>\n<64>\n<32>\n");
    for command in [&["runs"][..], &["top", "mine"], &["show", "mine/a-null-b-7"], &["report", "mine"]] {
        project.run(command).expect(0);
    }
    project.run(&["sql", "select a, b from mine", "--format", "csv"]).expect(0);
    project.run(&["run", "spec.yaml"]).expect(0);
}

/// One is silent from its first line on, the other writes one now and then, longer than the limit in all.
#[test]
fn a_program_that_hangs_is_ended_and_one_that_writes_is_not() {
    let program = "echo begin; if test {how} = hangs; then sleep 1000; fi; for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done";
    let project = Project::with_spec(&format!(
        "experiment: stalls\nmodel: {{family: command, run: [sh, -c, '{program}']}}\ngrid: {{how: [hangs, writes]}}\n\
         schedule: {{stall_timeout: 2s, grace: 1s, devices: 'cpu:2'}}\nretry: {{attempts: 1}}\n"
    ));
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    let said = "how-hangs has written no point and no line of its log for 2s: it is ended";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let rows = project.sql("select run, state, failure from runs order by run");
    assert_eq!(
        json!(rows),
        json!([
            {"run": "how-hangs", "state": "failed", "failure": "stalled"},
            {"run": "how-writes", "state": "completed", "failure": null},
        ])
    );
}
