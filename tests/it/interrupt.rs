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

/// A trainer that notes its pid and does what `script` says; the second of two runs would be next.
fn with_trainer(script: &str, schedule: &str) -> Project {
    Project::with_spec(&format!(
        "
experiment: e
model: {{family: command, run: [sh, -c, 'echo $$ > \"$GRIDBOARD_RUN_DIR/pid\"; {script}']}}
grid: {{x: [1, 2, 3, 4]}}
schedule: {{{schedule}}}
"
    ))
}

fn pid(project: &Project, x: u32) -> Option<i64> {
    std::fs::read_to_string(project.path(&format!("runs/e/x-{x}/pid"))).ok()?.trim().parse().ok()
}

fn states(project: &Project) -> Vec<(String, i64)> {
    let rows = project.sql("select state, count(*) as runs from runs group by state order by state");
    rows.iter()
        .map(|row| (row["state"].as_str().unwrap_or("").to_owned(), row["runs"].as_i64().unwrap_or(0)))
        .collect()
}

#[test]
fn every_signal_that_asks_ends_the_sweep_in_order() {
    use Signal::{SIGHUP, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
    for asks in [SIGHUP, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU] {
        let project = with_trainer("sleep 1000", "devices: \"cpu:1\"");
        let mut sweep = project.start(&["run", "spec.yaml"]);
        wait_until("a run is alive", || pid(&project, 1).is_some());
        signal(&sweep, asks);
        assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130), "{asks}");
        assert!(!alive(pid(&project, 1).expect("its pid")), "{asks}: no run outlives the sweep");
        assert_eq!(states(&project), [("pending".to_owned(), 4)], "{asks}");
    }
}

#[test]
fn signals_that_ask_nothing_do_nothing() {
    let waits = with_trainer("until test -e go; do sleep 0.02; done", "devices: \"cpu:4\"");
    let mut sweep = waits.start(&["run", "spec.yaml"]);
    wait_until("a run is alive", || pid(&waits, 1).is_some());
    for nothing in [Signal::SIGXFSZ, Signal::SIGALRM, Signal::SIGVTALRM, Signal::SIGPROF, Signal::SIGIO] {
        signal(&sweep, nothing);
    }
    waits.write("go", "");
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(0), "{}", waits.read("err.log"));
    assert_eq!(states(&waits), [("completed".to_owned(), 4)]);
}

#[test]
fn a_signal_to_everybody_at_once_fails_no_run_and_starts_none() {
    // By the signal itself, with the status of a shell, and with one that says nothing.
    for script in [
        "exec sleep 1000",
        "trap \"exit 143\" TERM; sleep 1000 & wait",
        "trap \"exit 1\" TERM; sleep 1000 & wait",
    ] {
        let project = with_trainer(script, "devices: \"cpu:2\"");
        let mut sweep = project.start(&["run", "spec.yaml"]);
        wait_until("two runs are alive", || pid(&project, 1).is_some() && pid(&project, 2).is_some());
        for x in [1, 2] {
            let trainer = i32::try_from(pid(&project, x).expect("its pid")).expect("a pid");
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(trainer), Signal::SIGTERM).expect("signal it");
        }
        signal(&sweep, Signal::SIGTERM);
        assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130), "{}", project.read("err.log"));
        assert_eq!(states(&project), [("pending".to_owned(), 4)], "{script}: {}", project.read("err.log"));
        let attempts = project.sql("select count(*) as n from attempts");
        assert_eq!(attempts[0]["n"], 2, "{script}: nothing new was started");
    }
}

#[test]
fn a_trainer_that_does_not_listen_is_killed_after_the_grace() {
    let project =
        with_trainer("trap \"\" TERM; while :; do sleep 0.05; done", "devices: \"cpu:1\", grace: 1s");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("a run is alive", || pid(&project, 1).is_some());
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130));
    assert!(project.read("err.log").contains("killed in 1 s"), "{}", project.read("err.log"));
    assert!(!alive(pid(&project, 1).expect("its pid")));
    assert_eq!(states(&project), [("pending".to_owned(), 4)]);
}

#[test]
fn an_interrupt_ends_a_suite_as_a_whole() {
    let project = Project::new();
    let spec = |name: &str| {
        let run = "[sh, -c, 'echo $$ > \"$GRIDBOARD_RUN_DIR/pid\"; exec sleep 1000']";
        format!("experiment: {name}\nmodel: {{family: command, run: {run}}}\ngrid: {{x: [1]}}\n")
    };
    project.write("first.yaml", &spec("e"));
    project.write("second.yaml", &spec("second"));
    project.write("both.yaml", "suite: both\nexperiments: [first.yaml, second.yaml]\n");
    let mut suite = project.start(&["run", "both.yaml"]);
    wait_until("a run is alive", || pid(&project, 1).is_some());
    signal(&suite, Signal::SIGHUP);
    assert_eq!(suite.wait().expect("the suite ends").code(), Some(130));
    assert!(!project.path("runs/second").exists(), "the second experiment was not begun");
}

#[test]
fn whoever_ignores_the_end_of_children_can_still_run_gridboard() {
    let project = with_trainer("true", "devices: \"cpu:2\"");
    let gridboard = env!("CARGO_BIN_EXE_gridboard");
    let status = std::process::Command::new("sh")
        .args(["-c", "trap '' CHLD; exec \"$0\" run spec.yaml", gridboard])
        .current_dir(project.path(""))
        .env("GRIDBOARD_CACHE", project.path("cache"))
        .env_remove("GRIDBOARD_RUNS")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("start gridboard");
    assert_eq!(status.code(), Some(0));
    assert_eq!(states(&project), [("completed".to_owned(), 4)]);
}

/// Stands for the built-in trainer: waits for ever in whatever it is asked.
const WORKER: &str = "#!/bin/sh
echo $$ >> \"$(dirname \"$0\")/asked-$1\"
[ \"$1\" = train ] || exec sleep 1000
sleep 1
printf '{\"attempt\":1,\"state\":\"completed\",\"failure\":null,\"finished\":1.0,\"peak_memory\":null}' > \"$2/outcome.json\"
";

/// A project whose trainer is [`WORKER`].
fn with_worker(spec: &str) -> Project {
    let project = Project::with_spec(spec);
    let worker = project.write("worker.sh", WORKER);
    std::fs::set_permissions(&worker, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("executable");
    let worker = worker.display().to_string();
    project.env("GRIDBOARD_WORKER", worker)
}

#[test]
fn an_interrupt_while_the_placement_is_measured_starts_nothing() {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        // With one core there is nothing to measure.
        return;
    }
    let project = with_worker(
        "
experiment: e
dataset: {phantom: {images: [20, 20]}, image_size: 256}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 1}
train: {epochs: 20000, batch_size: 8}
grid: {layer_size: [16, 17, 18, 19]}
schedule: {devices: cpu}
",
    );
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("a worker measures", || project.path("asked-calibrate").exists());
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(130), "{}", project.read("err.log"));
    assert!(!project.path("asked-train").exists(), "no run was started");
    let workers = project.read("asked-calibrate");
    wait_until("the workers are gone", || {
        workers.lines().filter_map(|pid| pid.parse().ok()).all(|pid: i64| !alive(pid))
    });
}

#[test]
fn a_process_that_may_open_few_files_trains_everything_a_few_at_a_time() {
    let project = with_worker(
        "
experiment: e
dataset: {phantom: {images: [10, 10]}, image_size: 16}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0}
train: {epochs: 1}
seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
grid: {layer_size: [4, 5]}
",
    );
    let limited = std::process::Command::new("sh")
        .args([
            "-c",
            "ulimit -n 28; exec \"$0\" run spec.yaml --devices cpu:40",
            env!("CARGO_BIN_EXE_gridboard"),
        ])
        .current_dir(project.path(""))
        .env("GRIDBOARD_CACHE", project.path("cache"))
        .env("GRIDBOARD_WORKER", project.path("worker.sh"))
        .env_remove("GRIDBOARD_RUNS")
        .output()
        .expect("start gridboard");
    let words = String::from_utf8_lossy(&limited.stderr);
    assert!(words.contains("cannot be started now, and waits for another run to end"), "{words}");
    assert_eq!(states(&project), [("completed".to_owned(), 40)], "{words}");
}
