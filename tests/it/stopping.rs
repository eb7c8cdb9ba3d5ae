//! Runs that end before their time by a rule, and sweeps that end by their budget.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Project, signal, wait_until};

const SPEC: &str = "experiment: stops
model: {family: command, run: [python3, TRAINER, \"{acc}\", \"{epochs}\", \"SECONDS\"]}
train: {epochs: 9}
grid: {acc: [0.7, 0.9, 0.6, 0.8, 0.5, 0.95, 0.4, 0.3, 0.2]}
schedule: {devices: 'cpu:2'}
";

fn project(more: &str, seconds: &str) -> Project {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/paced_trainer.py");
    Project::with_spec(&format!("{}{more}\n", SPEC.replace("TRAINER", trainer).replace("SECONDS", seconds)))
}

/// The epochs that all attempts of a run have made.
fn made(project: &Project, run: &str) -> Vec<u64> {
    let text = project.read(&format!("runs/stops/{run}/epochs"));
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

fn states(project: &Project) -> Vec<(String, String)> {
    let word = |row: &serde_json::Value, key: &str| row[key].as_str().expect("a word").to_owned();
    let rows = project.sql("select run, state from runs order by run");
    rows.iter().map(|row| (word(row, "run"), word(row, "state"))).collect()
}

#[test]
fn a_rung_ends_runs_for_good_and_they_never_rank() {
    let project = project("stop: {rule: asha_stop, first: 1, keep: 1/3}", "0.5");
    let plan = project.run(&["plan", "spec.yaml"]).expect(0).stdout;
    assert!(plan.contains("stop: asha_stop, rungs at epochs 1, 3 of 9, the best third goes on"), "{plan}");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stdout.contains("stopped early"), "{}", ran.stdout);
    let all = states(&project);
    let stopped: Vec<&str> =
        all.iter().filter(|(_, state)| state == "stopped").map(|(run, _)| run.as_str()).collect();
    assert!(stopped.contains(&"acc-0.2") && !stopped.contains(&"acc-0.95"), "{all:?}");
    assert!(all.iter().all(|(_, state)| ["stopped", "completed"].contains(&state.as_str())), "{all:?}");

    // Never beside whole runs, and each with its reason.
    let ranked = project.sql("select run from stops");
    assert_eq!(ranked.len() + stopped.len(), 9);
    let said = project.sql("select action, epochs, reason from decisions where run = 'acc-0.2'");
    assert_eq!((&said[0]["action"], &said[0]["epochs"]), (&json!("stops"), &json!(1)));
    let reason = said[0]["reason"].as_str().expect("a sentence");
    assert!(reason.starts_with("epoch 1: 9th of 9, best "), "{reason}");
    let why = project.run(&["why", "acc-0.2"]).expect(0).stdout;
    assert!(why.contains("was ended by a stopping rule") && why.contains(reason), "{why}");
    let show = project.run(&["show", "acc-0.2"]).expect(0).stdout;
    assert!(show.contains(&format!("stops: {reason}")), "{show}");
    let reported = project.read("runs/stops/report/leaderboard.csv");
    assert!(reported.lines().any(|line| line.contains("acc-0.2") && line.contains("stopped")), "{reported}");
    assert!(made(&project, "acc-0.2").len() < 9);

    // It is over, and stays as it is.
    let again = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(again.stderr.contains("0 to train"), "{}", again.stderr);
    project.run(&["verify", "stops"]).expect(0);
    let decisions = "select run, number, attempt, epochs, action, reason from decisions";
    let before = project.sql(decisions);
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!((project.sql(decisions), states(&project)), (before, all));
    project.run(&["verify", "stops"]).expect(0);

    // What is said otherwise is found.
    let log = "runs/stops/acc-0.2/attempts.jsonl";
    let kept = project.read(log);
    project.write(log, &kept.replace("epoch 1: 9th", "epoch 1: 1st"));
    let differs = project.run(&["verify", "stops"]);
    assert!(differs.stdout.contains("other decisions of the stopping rule"), "{}", differs.stdout);
    project.write(log, &kept);

    // Who wants one whole gets it.
    project.run(&["requeue", "acc-0.2"]).expect(0);
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(project.sql("select state from runs where run = 'acc-0.2'"), [json!({"state": "completed"})]);
    project.run(&["verify", "stops"]).expect(0);
}

#[test]
fn runs_pause_at_rungs_and_go_on_where_they_were() {
    let project = project("stop: {rule: asha, keep: .333}", "0.5");
    project.run(&["run", "spec.yaml"]).expect(0);
    // Halved as in the paper: nine, the best three of them, the best one of those.
    assert_eq!(made(&project, "acc-0.95"), (0..9).collect::<Vec<u64>>());
    for (run, epochs) in [("acc-0.9", 3), ("acc-0.8", 3), ("acc-0.7", 1), ("acc-0.2", 1)] {
        assert_eq!(made(&project, run).len(), epochs, "{run}");
    }
    let promoted = project.sql("select distinct run from decisions where action = 'promoted' order by run");
    assert_eq!(promoted, ["acc-0.8", "acc-0.9", "acc-0.95"].map(|run| json!({"run": run})));
    let attempts = project.sql("select attempt, state, resumed_from from attempts where run = 'acc-0.95'");
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert_eq!(attempts[2]["state"], "completed");
    assert_eq!(project.sql("select count(*) as n from runs where state = 'stopped'"), [json!({"n": 8})]);
    project.run(&["verify", "stops"]).expect(0);
    project.run(&["index", "--rebuild"]).expect(0);
    project.run(&["verify", "stops"]).expect(0);
}

/// Trainers of ours pause by themselves: they are through long before anybody could ask them.
#[cfg(feature = "torch")]
#[test]
fn the_shortest_runs_pause_at_rungs_too() {
    let spec = "experiment: stops\ndataset: {phantom: {images: [12, 12]}, image_size: 24}\n\
                model: {family: grid_cnn, conv_layers: 1, dense_layers: 0}\ntrain: {epochs: 9, batch_size: 8}\n\
                grid: {layer_size: [2, 3, 4], learning_rate: [0.1, 0.01, 0.001]}\n\
                stop: {rule: asha, first: 1, keep: 1/3}\nschedule: {devices: 'cpu:2'}\n";
    let project = Project::with_spec(spec);
    project.run(&["run", "spec.yaml"]).expect(0);
    let epochs = project.sql(
        "select r.run, r.state, count(distinct h.step) as epochs from runs r join history h on h.run = r.run \
         where h.tag = 'validation/epoch_accuracy' group by r.run order by epochs",
    );
    let count = |n: u64| epochs.iter().filter(|row| row["epochs"] == n).count();
    // Nine come to the first rung; a third of those that have been there goes on each time.
    assert_eq!((epochs.len(), count(1) + count(3) + count(9)), (9, 9), "{epochs:?}");
    assert!(count(1) >= 5 && count(9) >= 1 && count(3) + count(9) <= 4, "{epochs:?}");
    assert!(epochs.iter().all(|row| (row["state"] == "completed") == (row["epochs"] == 9)), "{epochs:?}");
    let resumed = project
        .sql("select run, resumed_from from attempts where resumed_from is not null and state = 'completed'");
    assert!(!resumed.is_empty() && resumed.iter().all(|row| row["resumed_from"] == 3), "{resumed:?}");
    project.run(&["verify", "stops"]).expect(0);

    // Who wants one whole gets it, without a pause.
    let stopped = epochs[0]["run"].as_str().expect("a name");
    project.run(&["requeue", stopped]).expect(0);
    project.run(&["run", "spec.yaml"]).expect(0);
    let whole = project.sql(&format!("select state from runs where run = '{stopped}'"));
    assert_eq!(whole, [json!({"state": "completed"})]);
}

#[test]
fn what_was_decided_survives_a_kill() {
    for rule in ["asha", "asha_stop"] {
        let project = project(&format!("stop: {{rule: {rule}}}"), "0.4");
        for n in [3, 6] {
            let mut sweep = project.start(&["run", "spec.yaml"]);
            wait_until("so much is decided", || {
                project.path("runs/gridboard.db").exists()
                    && project.sql("select 1 from decisions").len() >= n
            });
            signal(&sweep, Signal::SIGKILL);
            sweep.wait().expect("the sweep is reaped");
        }
        let before = project.sql("select run, epochs, action, reason from decisions");
        project.run(&["run", "spec.yaml"]).expect(0);
        let after = project.sql("select run, epochs, action, reason from decisions");
        assert!(before.iter().all(|decided| after.contains(decided)), "{rule}: {before:?} {after:?}");
        assert!(states(&project).iter().all(|(_, state)| ["stopped", "completed"].contains(&state.as_str())));
        // A run that was told to end is not trained again.
        for row in before.iter().filter(|row| row["action"] == "stops") {
            let run = row["run"].as_str().expect("a name");
            assert_eq!(
                project.sql(&format!("select 1 from runs where run = '{run}' and state = 'stopped'")).len(),
                1
            );
        }
        project.run(&["verify", "stops"]).expect(0);
        project.run(&["index", "--rebuild"]).expect(0);
        project.run(&["verify", "stops"]).expect(0);
    }
}

#[test]
fn a_search_learns_from_runs_that_were_stopped() {
    let search = "search: {method: tpe, points: 14}\nstop: {rule: asha_stop, keep: 1/2}";
    let project = project(search, "0.1");
    let spec = project
        .read("spec.yaml")
        .replace("[0.7, 0.9, 0.6, 0.8, 0.5, 0.95, 0.4, 0.3, 0.2]", "{from: 0.1, to: 0.9}");
    project.write("spec.yaml", &spec);
    project.run(&["run", "spec.yaml"]).expect(0);
    let learned = project.sql("select learned from suggestions where learned like '%\"stopped\"%'");
    assert!(!learned.is_empty());
    assert!(!project.sql("select 1 from suggestions where reason = 'estimated'").is_empty());
    project.run(&["verify", "stops"]).expect(0);
}

#[test]
fn a_budget_ends_the_sweep_and_a_larger_one_goes_on() {
    let project = project("budget: {runs: 3}", "0.02");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stdout.contains("3 completed, 0 failed, 6 still to run"), "{}", ran.stdout);
    assert!(ran.stdout.contains("budget.runs: 3 of 3 begun; a larger budget goes on"), "{}", ran.stdout);
    assert_eq!(project.sql("select 1 from runs where state = 'pending'").len(), 6);
    // It is used up.
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(project.sql("select 1 from runs where state = 'completed'").len(), 3);
    let ran = project.run(&["run", "spec.yaml", "--set", "budget.runs=5"]).expect(0);
    assert!(ran.stdout.contains("5 completed, 0 failed, 4 still to run"), "{}", ran.stdout);
    let until = project.run(&["run", "spec.yaml", "--set", "budget={until: 0.85}"]).expect(0);
    assert!(until.stdout.contains("budget.until: 0.9000 is reached, 0.85 was wanted"), "{}", until.stdout);
    let all = project.run(&["run", "spec.yaml", "--set", "budget=null"]).expect(0);
    assert!(
        all.stdout.contains("9 completed, 0 failed") && !all.stdout.contains("budget."),
        "{}",
        all.stdout
    );
}

#[test]
fn time_that_is_used_up_lets_live_runs_keep_their_state() {
    let project = project("budget: {time: 1s}", "0.3");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(
        ran.stderr.contains("nothing more is started, and 2 live runs keep their state and end"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("9 still to run") && ran.stdout.contains("of 1s used"), "{}", ran.stdout);
    project.run(&["run", "spec.yaml", "--set", "budget.time=60s"]).expect(0);
    assert_eq!(project.sql("select 1 from runs where state = 'completed'").len(), 9);
    // They went on where they were.
    assert_eq!(made(&project, "acc-0.7"), (0..9).collect::<Vec<u64>>());
}

#[test]
fn failures_and_hours_end_it_too() {
    let failing = project("budget: {failures: 2}", "0.02");
    failing.write("spec.yaml", &failing.read("spec.yaml").replace("paced_trainer.py", "no_such_trainer.py"));
    let ran = failing.run(&["run", "spec.yaml", "--set", "schedule.devices=cpu:1"]).expect(3);
    assert!(ran.stdout.contains("budget.failures: 2 runs of 2 failed"), "{}", ran.stdout);
    assert!(ran.stdout.contains("2 failed, 7 still to run"), "{}", ran.stdout);
    let hours = project("budget: {device_hours: 0.0002}", "0.3").run(&["run", "spec.yaml"]).expect(0).stdout;
    assert!(hours.contains("budget.device_hours: 0.0002 of 0.0002 used"), "{hours}");
}
