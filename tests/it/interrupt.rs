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
    let running = "select count(*) as n from runs where state = 'running'";
    wait_until("the ledger has both", || project.sql(running)[0]["n"] == 2);
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("the sweep is reaped");
    // Not waited for: the next sweep does that before it starts anything.
    project.write("go", "");
    let again = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(again.stderr.contains("x-1 was cut off"), "{}", again.stderr);
    assert!(orphans.iter().all(|pid| !alive(*pid)), "no run outlives the sweep");
    let states = project.sql("select state, count(*) as runs from runs group by state");
    assert_eq!(serde_json::json!(states), serde_json::json!([{"state": "completed", "runs": 3}]));
}

#[test]
fn ctrl_c_while_images_are_prepared_leaves_nothing_behind() {
    let project = Project::with_spec(
        "
experiment: large
dataset: {phantom: {images: [100000, 100000]}, image_size: 64}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0, layer_size: 2}
train: {epochs: 1}
",
    );
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("the preparation has begun", || project.read("err.log").contains("preparing"));
    signal(&sweep, Signal::SIGINT);
    let status = sweep.wait().expect("the sweep ends");
    assert_eq!(status.code(), Some(130), "an exit code, not a death by signal: {}", project.read("err.log"));
    assert!(!project.path("runs").exists(), "nothing was run");
    let left: Vec<_> = std::fs::read_dir(project.path("cache/corpus"))
        .expect("the cache")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
