//! Ctrl-C and sudden death.

use nix::sys::signal::Signal;

use crate::support::{Project, alive, signal, wait_until};

/// Two runs that write their pid and wait for ever, and one that would be next.
const FOREVER: &str = "
experiment: forever
model: {family: command, run: [sh, -c, 'echo $$ > \"$GRIDBOARD_RUN_DIR/pid\"; test -e go && exit 0; sleep 1000 & wait']}
grid: {x: [1, 2, 3]}
schedule: {devices: 'cpu:2'}
";

fn pids(project: &Project) -> Vec<i64> {
    (1..=3)
        .filter_map(|x| std::fs::read_to_string(project.path(&format!("runs/forever/x-{x}/pid"))).ok())
        .filter_map(|text| text.trim().parse().ok())
        .collect()
}

#[test]
fn ctrl_c_stops_cleanly_and_the_next_run_goes_on() {
    let project = Project::with_spec(FOREVER);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("two runs are alive", || pids(&project).len() == 2);
    let before = pids(&project);
    signal(&sweep, Signal::SIGINT);
    let status = sweep.wait().expect("the sweep ends");
    assert_eq!(status.code(), Some(130), "{}", project.read("err.log"));
    assert!(before.iter().all(|pid| !alive(*pid)), "no run outlives the sweep");
    let states = project.sql("select state, count(*) as runs from runs group by state");
    assert_eq!(serde_json::json!(states), serde_json::json!([{"state": "pending", "runs": 3}]));

    project.write("go", "");
    project.run(&["run", "spec.yaml"]).expect(0);
    let states = project.sql("select state, count(*) as runs from runs group by state");
    assert_eq!(serde_json::json!(states), serde_json::json!([{"state": "completed", "runs": 3}]));
}

#[test]
fn a_second_sweep_of_the_same_experiment_is_refused() {
    let project = Project::with_spec(FOREVER);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("two runs are alive", || pids(&project).len() == 2);
    let second = project.run(&["run", "spec.yaml"]).expect(1);
    assert!(second.stderr.contains("is being run by another process"), "{}", second.stderr);
    signal(&sweep, Signal::SIGTERM);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130));
}

#[test]
fn after_a_kill_what_ran_is_owed_again_and_its_orphans_are_ended() {
    let project = Project::with_spec(FOREVER);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("two runs are alive", || pids(&project).len() == 2);
    let orphans = pids(&project);
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("the sweep is reaped");
    assert!(orphans.iter().all(|pid| alive(*pid)), "a command outlives a killed orchestrator");

    project.write("go", "");
    let again = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(again.stderr.contains("x-1 was cut off"), "{}", again.stderr);
    wait_until("the orphans are gone", || orphans.iter().all(|pid| !alive(*pid)));
    let states = project.sql("select state, count(*) as runs from runs group by state");
    assert_eq!(serde_json::json!(states), serde_json::json!([{"state": "completed", "runs": 3}]));
}
