//! Control from another terminal: of a live sweep, and of one that rests.

use std::{fs, process::Child};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Project, signal, wait_until};

/// Four runs on two slots. Each waits for a file of its own, and fails where there is another.
const SPEC: &str = "
experiment: live
model:
  family: command
  run: [sh, -c, 'echo $$ >> \"$GRIDBOARD_RUN_DIR/pids\"; until test -e ../../go-{x}; do test -e ../../fail-{x} && exit 3; sleep 0.02; done']
  cwd: CWD
grid: {x: [1, 2, 3, 4]}
schedule: {devices: 'cpu:2', grace: 2s}
retry: {attempts: 1}
";

/// The project, in whose folder `go-1` lets the first run end.
fn project() -> Project {
    let project = Project::new();
    project.write("a/b/here", "");
    let cwd = project.path("a/b").display().to_string();
    project.write("spec.yaml", &SPEC.replace("CWD", &cwd));
    project
}

fn started() -> (Project, Child) {
    let project = project();
    let sweep = project.start(&["run", "spec.yaml"]);
    wait_until("two runs are being run", || {
        project.path("runs/live/x-1/pids").exists() && first_two_are(&project, ["running", "running"])
    });
    (project, sweep)
}

fn states(project: &Project) -> Vec<String> {
    if !project.path("runs/gridboard.db").exists() {
        return vec![String::new(); 4];
    }
    let rows = project.sql("select state from runs order by position");
    rows.iter().map(|row| row["state"].as_str().expect("a state").to_owned()).collect()
}

/// Whether the first two runs have these states: a sweep that starts may not have listed them yet.
fn first_two_are(project: &Project, wanted: [&str; 2]) -> bool {
    states(project).get(..2).is_some_and(|first| first == wanted)
}

fn end(project: &Project, mut sweep: Child, runs: &[u32]) -> Option<i32> {
    for run in runs {
        project.write(&format!("go-{run}"), "");
    }
    sweep.wait().expect("the sweep ends").code()
}

fn answer(project: &Project, arguments: &[&str], code: i32) -> Value {
    let ran = project.run(&[arguments, &["--format", "json"]].concat()).expect(code);
    serde_json::from_str(&ran.stdout).expect("an object")
}

#[test]
fn a_sweep_is_paused_and_goes_on() {
    let (project, sweep) = started();
    let said = project.run(&["pause"]).expect(0).stdout;
    assert!(said.starts_with("live: paused: nothing new starts; 2 live runs asked"), "{said}");
    wait_until("both slots are free", || states(&project) == ["paused", "paused", "pending", "pending"]);
    let attempts = project.sql("select distinct state, failure from attempts");
    assert_eq!(json!(attempts), json!([{"state": "interrupted", "failure": null}]));
    let counts = project.sql("select runs, paused, pending, running from experiments");
    assert_eq!(json!(counts), json!([{"runs": 4, "paused": 2, "pending": 2, "running": 0}]));
    let again = project.run(&["pause", "live"]).expect(1);
    assert_eq!(again.stderr, "error: live: the sweep is paused already\n");
    assert!(project.run(&["why", "x-1"]).expect(0).stdout.starts_with("live/x-1 is paused: "));
    assert!(project.run(&["why", "x-4"]).expect(0).stdout.contains("the sweep is paused"));
    let listed = project.run(&["runs", "--state", "paused", "--format", "json"]).expect(0).json();
    assert_eq!(listed.len(), 2);
    // Whoever opens the database does not take a live sweep's runs back.
    assert_eq!(states(&project)[..2], ["paused", "paused"]);

    project.run(&["resume"]).expect(0);
    wait_until("they go on", || first_two_are(&project, ["running", "running"]));
    assert_eq!(project.run(&["resume"]).expect(1).stderr, "error: live: the sweep is not paused\n");
    assert_eq!(end(&project, sweep, &[1, 2, 3, 4]), Some(0), "{}", project.read("err.log"));
    let runs = project.sql("select state, attempts from runs order by position");
    let all = [2, 2, 1, 1].map(|attempts| json!({"state": "completed", "attempts": attempts}));
    assert_eq!(json!(runs), json!(all));
    assert!(!project.path("runs/live/.control").exists());
}

#[test]
fn a_paused_sweep_that_is_killed_or_stopped_owes_its_runs() {
    for by in [Signal::SIGKILL, Signal::SIGINT] {
        let (project, mut sweep) = started();
        project.run(&["pause"]).expect(0);
        wait_until("both slots are free", || first_two_are(&project, ["paused", "paused"]));
        signal(&sweep, by);
        let code = sweep.wait().expect("the sweep ends").code();
        assert_eq!(code, (by == Signal::SIGINT).then_some(130));
        assert_eq!(states(&project), ["pending"; 4], "{by}");
        let said = project.run(&["resume", "live"]).expect(1).stderr;
        assert_eq!(said, "error: live: it is not being run: run its spec again to go on\n");
        // What a killed sweep has left disturbs nobody.
        (1..=4).for_each(|run| drop(project.write(&format!("go-{run}"), "")));
        project.run(&["run", "spec.yaml"]).expect(0);
    }
}

#[test]
fn runs_of_a_live_sweep_are_cancelled_and_requeued() {
    let (project, sweep) = started();
    let said = answer(&project, &["cancel", "x-1", "live/x-4"], 0);
    let changed: Vec<_> = said["changed"].as_array().expect("a list").iter().map(|run| &run["run"]).collect();
    assert_eq!(json!(changed), json!(["x-1", "x-4"]));
    wait_until("another one has the slot", || {
        states(&project) == ["cancelled", "running", "running", "cancelled"]
    });
    let again = answer(&project, &["cancel", "x-1"], 1);
    assert_eq!(again["refused"], json!([{"run": "x-1", "reason": "it is cancelled already"}]));
    assert!(project.read("runs/live/x-4/marks.json").contains("\"cancelled\": true"));
    let why = project.run(&["why", "x-4"]).expect(0).stdout;
    assert_eq!(why, "live/x-4 was cancelled before it was started: `gridboard requeue` takes that back.\n");
    let unranked = project.sql("select reason from leaderboard where run = 'x-1'");
    assert_eq!(json!(unranked), json!([{"reason": "was cancelled"}]));
    assert_eq!(answer(&project, &["requeue", "x-4", "x-2"], 1)["refused"][0]["reason"], "it is being run");
    assert!(!project.path("runs/live/x-4/marks.json").exists());
    wait_until("it waits again", || states(&project)[3] == "pending");
    assert_eq!(end(&project, sweep, &[1, 2, 3, 4]), Some(0), "{}", project.read("err.log"));
    assert_eq!(states(&project), ["cancelled", "completed", "completed", "completed"]);

    // At rest: it stays cancelled until somebody says otherwise.
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("0 to train, 1 cancelled"), "{}", ran.stderr);
    assert_eq!(states(&project)[0], "cancelled");
    let said = answer(&project, &["requeue", "x-1", "x-2"], 1);
    assert_eq!(said["changed"], json!([{"run": "x-1", "state": "pending"}]));
    assert!(said["refused"][0]["reason"].as_str().expect("a reason").starts_with("it has completed"));
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(states(&project), ["completed"; 4]);
    assert!(
        answer(&project, &["cancel", "--all"], 1)["refused"][0]["reason"] == "no run waits or has failed"
    );
}

/// The run has not ended yet when gridboard is killed: that it is not wanted is kept all the same.
#[test]
fn a_cancelled_run_stays_so_where_its_sweep_is_killed() {
    let project = project();
    let spec = fs::read_to_string(project.path("spec.yaml")).expect("read");
    let spec = spec.replace("'echo", "'trap \"\" TERM; echo").replace("grace: 2s", "grace: 1h");
    project.write("spec.yaml", &spec);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("two runs are being run", || first_two_are(&project, ["running", "running"]));
    project.run(&["cancel", "live/x-1"]).expect(0);
    assert_eq!(states(&project)[0], "running", "it does not end by itself");
    sweep.kill().expect("kill");
    sweep.wait().expect("reap");
    for run in 1..=4 {
        project.write(&format!("go-{run}"), "");
    }
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(states(&project), ["cancelled", "completed", "completed", "completed"]);
    project.run(&["verify", "live"]).expect(0);
    project.run(&["requeue", "live/x-1"]).expect(0);
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(states(&project)[0], "completed");
}

#[test]
fn all_runs_are_cancelled_and_the_sweep_ends() {
    let (project, mut sweep) = started();
    let said = answer(&project, &["cancel", "--all"], 0);
    assert_eq!(said["changed"].as_array().map(Vec::len), Some(4));
    assert_eq!(sweep.wait().expect("the sweep ends").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(states(&project), ["cancelled"; 4]);
    let counts = project.sql("select runs, cancelled, completed from experiments");
    assert_eq!(json!(counts), json!([{"runs": 4, "cancelled": 4, "completed": 0}]));
}

#[test]
fn a_drained_sweep_ends_with_its_live_runs() {
    let (project, sweep) = started();
    let said = project.run(&["drain"]).expect(0).stdout;
    assert_eq!(said, "live: drained: 2 live runs to end, then the sweep ends; 2 stay owed\n");
    assert!(project.run(&["pause"]).expect(1).stderr.contains("nothing starts any more"));
    assert_eq!(end(&project, sweep, &[1, 2]), Some(0), "{}", project.read("err.log"));
    assert_eq!(states(&project), ["completed", "completed", "pending", "pending"]);
    let why = project.run(&["why", "x-3"]).expect(0).stdout;
    assert!(why.starts_with("live/x-3 was never started: nobody runs its experiment now"), "{why}");
}

#[test]
fn what_failed_is_said_requeued_and_deleted() {
    let (project, sweep) = started();
    project.write("fail-1", "");
    wait_until("it has failed", || states(&project)[0] == "failed");
    let why = project.run(&["why", "x-1"]).expect(0).stdout;
    assert!(
        why.starts_with("live/x-1 failed after 1 attempt (exit): exited with status 3; exit code 3"),
        "{why}"
    );
    assert_eq!(answer(&project, &["why", "x-1"], 0)["evidence"]["exit_code"], 3);
    fs::remove_file(project.path("fail-1")).expect("remove it");
    project.run(&["cancel", "x-4"]).expect(0);
    assert_eq!(answer(&project, &["requeue", "--failed"], 0)["changed"][0]["run"], "x-1");
    let waits = project.run(&["why", "x-1"]).expect(0).stdout;
    assert!(waits.contains("waits for a slot: all 2 are busy"), "{waits}");
    project.write("fail-2", "");
    wait_until("it goes on", || first_two_are(&project, ["running", "failed"]));
    let live = project.run(&["why", "x-1"]).expect(0).stdout;
    assert!(live.contains("is being run on cpu/") && live.contains("has written no point yet"), "{live}");
    assert!(project.run(&["delete", "live", "--failed", "--yes"]).expect(1).stderr.contains("is being run"));
    assert_eq!(end(&project, sweep, &[1, 3]), Some(3), "{}", project.read("err.log"));
    assert_eq!(states(&project), ["completed", "failed", "completed", "cancelled"]);

    project.run(&["delete", "live/x-1", "--failed", "--yes"]).expect(2);
    let gone = project.run(&["delete", "live", "--failed", "--yes"]).expect(0).stdout;
    assert!(gone.starts_with("deleted 1 failed run of experiment `live`"), "{gone}");
    assert!(!project.path("runs/live/x-2").exists());
    assert_eq!(
        json!(project.sql("select run from runs order by position")),
        json!([{"run": "x-1"}, {"run": "x-3"}, {"run": "x-4"}])
    );
    project.run(&["delete", "live", "--failed", "--yes"]).expect(2);
}

#[test]
fn marks_are_set_while_a_sweep_lives_and_kept_in_files() {
    let (project, sweep) = started();
    project.run(&["tag", "x-1", "paper", "lr-0.1"]).expect(0);
    project.run(&["tag", "x-3", "paper"]).expect(0);
    project.run(&["note", "x-3", "  too slow\nfor us "]).expect(0);
    project.run(&["tag", "x-1", "--remove", "lr-0.1"]).expect(0);
    assert_eq!(project.run(&["tag", "x-1"]).expect(0).stdout, "live/x-1: tags paper; no note\n");
    assert!(project.run(&["tag", "x-1", "two words"]).expect(2).stderr.contains("a tag is a word"));
    let tagged = project.run(&["runs", "--tag", "paper", "--format", "json"]).expect(0).json();
    assert_eq!(json!(tagged.iter().map(|run| &run["run"]).collect::<Vec<_>>()), json!(["x-1", "x-3"]));
    let marks = project.sql("select tags, note, archived from runs where run = 'x-3'");
    assert_eq!(json!(marks), json!([{"tags": "[\"paper\"]", "note": "too slow\nfor us", "archived": 0}]));
    let file: Value = serde_json::from_str(&project.read("runs/live/x-3/marks.json")).expect("JSON");
    assert_eq!(
        file,
        json!({"tags": ["paper"], "note": "too slow\nfor us", "archived": false, "cancelled": false})
    );
    assert_eq!(end(&project, sweep, &[1, 2, 3, 4]), Some(0), "{}", project.read("err.log"));
    // Training it has taken nothing away.
    assert!(project.run(&["show", "x-3"]).expect(0).stdout.contains("too slow"));

    project.run(&["archive", "x-2", "x-3"]).expect(0);
    let listed = |arguments: &[&str]| {
        project.run(&[&["runs", "--format", "json"], arguments].concat()).expect(0).json().len()
    };
    assert_eq!((listed(&[]), listed(&["--archived"])), (2, 2));
    let top = project.sql("select count(*) as runs from leaderboard");
    assert_eq!(json!(top), json!([{"runs": 4}]), "a ranking hides nothing");
    project.run(&["archive", "x-2", "x-3", "--undo"]).expect(0);
    project.run(&["note", "x-3", "--remove"]).expect(0);
    project.run(&["tag", "x-3", "--remove", "paper"]).expect(0);
    assert!(!project.path("runs/live/x-3/marks.json").exists());
    assert_eq!(listed(&[]), 4);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let project = project();
    (1..=4).for_each(|run| drop(project.write(&format!("go-{run}"), "")));
    project.run(&["run", "spec.yaml"]).expect(0);
    for (arguments, code, said) in [
        (&["pause"][..], 1, "error: live: it is not being run: there is nothing to pause"),
        (&["drain", "live"], 1, "error: live: it is not being run: there is nothing to drain"),
        (&["cancel", "x-1"], 1, "error: live/x-1: it has completed"),
        (&["requeue", "--failed"], 1, "error: live: no run has failed"),
        (&["pause", "lives"], 2, "error: no experiment `lives` in"),
        (&["cancel", "x-9"], 2, "error: no run `x-9` in"),
        (&["cancel"], 2, "error: the following required arguments"),
        (&["cancel", "x-1", "--all"], 2, "error: the argument"),
        (&["why", "x-9"], 2, "error: no run `x-9` in"),
    ] {
        let ran = project.run(arguments).expect(code);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
    // Somebody holds the experiment and does not listen.
    let lock = fs::File::options().write(true).open(project.path("runs/live/.lock")).expect("the lock");
    lock.lock().expect("nobody holds it");
    let ran = project.run(&["cancel", "x-1"]).expect(1);
    assert!(ran.stderr.contains("error: `live` takes no requests at the moment: process "), "{}", ran.stderr);
    let ran = project.run(&["delete", "live", "--yes"]).expect(1);
    assert!(ran.stderr.contains("`live` is being run by another process"), "{}", ran.stderr);
}

#[test]
fn the_database_is_made_anew_with_what_users_have_said_and_done() {
    let project = project();
    for file in ["fail-1", "go-2", "go-3", "fail-4"] {
        project.write(file, "");
    }
    project.run(&["run", "spec.yaml"]).expect(3);
    project.run(&["requeue", "x-1"]).expect(0);
    project.run(&["cancel", "x-4"]).expect(0);
    project.run(&["tag", "x-2", "paper"]).expect(0);
    project.run(&["note", "x-1", "again"]).expect(0);
    project.run(&["archive", "x-3"]).expect(0);
    let said = || {
        let runs = "select run, state, attempts, failure, tags, note, archived, last_point from runs order by position";
        let attempts = "select run, attempt, state, pid, pid_start, boot_id, failure, reason from attempts";
        json!([project.sql(runs), project.sql(attempts), project.sql("select * from experiments")])
    };
    let before = said();
    assert_eq!(states(&project), ["pending", "completed", "completed", "cancelled"]);
    project.run(&["verify", "live"]).expect(0);
    fs::remove_file(project.path("runs/gridboard.db")).expect("remove the database");
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(said(), before);
    // Its mark is of an attempt that is over.
    project.run(&["run", "spec.yaml"]).expect(3);
    assert_eq!(states(&project), ["failed", "completed", "completed", "cancelled"]);
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(states(&project), ["failed", "completed", "completed", "cancelled"]);
    project.run(&["verify", "live"]).expect(0);
}
