//! Programs that keep something to resume from in `GRIDBOARD_STATE_DIR`.

use std::path::Path;

use serde_json::json;

use crate::support::Project;

/// Three epochs an attempt, nine in all; the first attempt logs one more than it keeps.
const SPEC: &str = "
experiment: own
model: {family: command, run: [python3, '{trainer}', '{keeps}']}
grid: {keeps: [state, nothing]}
rank: {by: validation/epoch_accuracy}
";

fn project() -> Project {
    let trainer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/resuming_trainer.py");
    let project = Project::new();
    project.write("spec.yaml", &SPEC.replace("{trainer}", &trainer.display().to_string()));
    project
}

#[test]
fn a_program_goes_on_from_what_it_has_kept() {
    let project = project();
    for _ in 0..2 {
        project.run(&["run", "spec.yaml"]).expect(3);
        assert!(project.path("runs/own/keeps-state/state/epoch").exists());
    }
    project.run(&["run", "spec.yaml"]).expect(3);
    let attempts = project
        .sql("select attempt, resumed_from, state from attempts where run = 'keeps-state' order by attempt");
    assert_eq!(
        json!(attempts),
        json!([
            {"attempt": 1, "resumed_from": null, "state": "failed"},
            {"attempt": 2, "resumed_from": 3, "state": "failed"},
            {"attempt": 3, "resumed_from": 6, "state": "completed"},
        ])
    );
    // Each attempt's points from its first step on are those of the later one.
    let curve = project.sql(
        "select step, value from history where run = 'keeps-state' and tag = 'train/epoch_loss' order by step",
    );
    let expected: Vec<_> =
        (0..9).map(|epoch| json!({"step": epoch, "value": f64::from(epoch / 3 + 1)})).collect();
    assert_eq!(json!(curve), json!(expected));
    assert!(!project.path("runs/own/keeps-state/state").exists(), "a run that has completed needs none");

    // One that keeps nothing begins with an empty folder each time.
    let curve = project
        .sql("select step, value from history where run = 'keeps-nothing' and tag = 'train/epoch_loss' order by step");
    let expected: Vec<_> = (0..4).map(|epoch| json!({"step": epoch, "value": 1.0})).collect();
    assert_eq!(json!(curve), json!(expected));
    let resumed = project
        .sql("select count(*) as n from attempts where run = 'keeps-nothing' and resumed_from is not null");
    assert_eq!(resumed[0]["n"], 0);
}

/// What a run of `resuming_trainer.py` leaves whose attempts end in some way, and what the sweep says.
fn cut_off(end: &str, retry: &str) -> (Project, String, i32) {
    let project = project();
    let spec = project.read("spec.yaml").replace("'{keeps}'", &format!("'{{keeps}}', '{end}'"));
    project.write("spec.yaml", &format!("{}\n{retry}\n", spec.replace(", nothing]", "]")));
    let ran = project.run(&["run", "spec.yaml"]);
    (project, ran.stderr, ran.code.expect("an exit code"))
}

const ATTEMPTS: &str = "select attempt, state, failure, resumed_from, evidence ->> 'signal' as signal,
    evidence ->> 'exit_code' as code, evidence ->> 'last_step' as last from attempts order by attempt";

#[test]
fn a_program_that_is_killed_is_tried_again_and_goes_on() {
    let (project, said, code) = cut_off("killed", "");
    assert_eq!(code, 0, "{said}");
    for which in ["2 of 3", "3 of 3"] {
        assert!(said.contains(&format!("(killed by SIGKILL), tried again (attempt {which})")), "{said}");
    }
    let failed = |attempt: u32, from: Option<u32>, last: u32| {
        json!({"attempt": attempt, "state": "failed", "failure": "signal", "resumed_from": from,
            "signal": 9, "code": null, "last": last})
    };
    let completed = json!({"attempt": 3, "state": "completed", "failure": null, "resumed_from": 6,
        "signal": null, "code": null, "last": null});
    assert_eq!(json!(project.sql(ATTEMPTS)), json!([failed(1, None, 3), failed(2, Some(3), 6), completed]));
    let counts = project.sql("select runs, pending, running, completed, failed from experiments");
    assert_eq!(json!(counts), json!([{"runs": 1, "pending": 0, "running": 0, "completed": 1, "failed": 0}]));
}

#[test]
fn a_status_that_is_listed_is_tried_again_and_another_is_not() {
    let (project, said, code) = cut_off("75", "");
    assert_eq!((code, project.sql(ATTEMPTS).len()), (0, 3), "{said}");
    assert!(said.contains("(exited with status 75), tried again (attempt 2 of 3)"), "{said}");
    for (end, retry, attempts) in [
        ("75", "retry: {attempts: 2}", 2),
        ("75", "retry: {exit_codes: []}", 1),
        ("3", "", 1),
        ("3", "retry: {attempts: 2, exit_codes: [3]}", 2),
    ] {
        let (project, said, code) = cut_off(end, retry);
        let rows = project.sql(ATTEMPTS);
        assert_eq!((code, rows.len()), (3, attempts), "{end} {retry}: {said}");
        assert_eq!(rows[0]["code"].to_string(), end, "{rows:?}");
    }
}
