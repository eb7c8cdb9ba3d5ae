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
