//! Runs that were finished in another experiment are not trained again, where everything that they rest on is the same.

use std::{fs, os::unix::fs::MetadataExt as _};

use serde_json::json;

use crate::support::{Project, trainer};

/// Counts how often each `x` is trained.
fn spec(name: &str, more: &str) -> String {
    format!(
        "experiment: {name}\nmodel: {{family: command, run: [sh, -c, 'echo x >> trained-{{x}}; printf \"image,label,predicted\\na,0,0\\nb,1,1\\n\" \
         > \"$GRIDBOARD_RUN_DIR/predictions.csv\"; exec {} 0.{{x}}']{more}}}\ngrid: {{x: [1, 2]}}\nschedule: {{devices: 'cpu:1'}}\n",
        trainer().replace(',', "")
    )
}

fn trained(project: &Project, x: u32) -> usize {
    fs::read_to_string(project.path(&format!("trained-{x}"))).unwrap_or_default().lines().count()
}

fn states(project: &Project, experiment: &str) -> serde_json::Value {
    json!(project.sql(&format!(
        "select run, state, attempts from runs where experiment = '{experiment}' order by run"
    )))
}

#[test]
fn finished_runs_of_another_experiment_are_taken_over() {
    let project = Project::new();
    let reuse = "\nreuse: true\n";
    project.write("first.yaml", &spec("first", ""));
    project.run(&["run", "first.yaml"]).expect(0);
    // More values, and what is the same is not trained.
    project.write("second.yaml", &(spec("second", "").replace("[1, 2]", "[2, 3]") + reuse));
    let ran = project.run(&["run", "second.yaml"]).expect(0);
    assert!(
        ran.stderr.contains("second: reused, not trained again (--fresh trains): x-2 of first/x-2"),
        "{}",
        ran.stderr
    );
    assert_eq!([trained(&project, 1), trained(&project, 2), trained(&project, 3)], [1, 1, 1]);
    let both = json!([
        {"run": "x-2", "state": "reused", "attempts": 0}, {"run": "x-3", "state": "completed", "attempts": 1},
    ]);
    assert_eq!(states(&project, "second"), both);
    let ranked = "select rank, run, validation_accuracy, validation_accuracy_low is not null as tested from second order by rank";
    let before = json!(project.sql(ranked));
    assert_eq!((&before[1]["run"], &before[1]["tested"]), (&json!("x-2"), &json!(1)), "{before}");
    project.run(&["verify"]).expect(0);
    project.run(&["run", "second.yaml"]).expect(0);
    assert_eq!(trained(&project, 2), 1);
    // A folder that stands alone: without the other experiment, and after a rebuild.
    project.run(&["delete", "--yes", "first"]).expect(0);
    let rows = "select * from runs order by run";
    let runs = json!(project.sql(rows));
    fs::remove_file(project.path("runs/gridboard.db")).expect("remove");
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!((json!(project.sql(rows)), json!(project.sql(ranked))), (runs, before));
    project.run(&["verify"]).expect(0);
    assert_eq!(fs::metadata(project.path("runs/second/x-2/predictions.csv")).expect("a file").nlink(), 1);
    project.run(&["run", "second.yaml"]).expect(0);
    assert_eq!(trained(&project, 2), 1);
}

#[test]
fn what_is_not_the_same_or_not_wanted_is_trained() {
    let project = Project::new();
    let reuse = "\nreuse: true\n";
    project.write("first.yaml", &spec("first", ""));
    project.run(&["run", "first.yaml"]).expect(0);
    for (place, name, text, arguments) in [
        (1, "silent", spec("silent", ""), &["run", "silent.yaml"][..]),
        (2, "fresh", spec("fresh", "") + reuse, &["run", "--fresh", "fresh.yaml"]),
        (3, "other", spec("other", ", env: {A: b}") + reuse, &["run", "other.yaml"]),
    ] {
        project.write(&format!("{name}.yaml"), &text);
        project.run(arguments).expect(0);
        assert_eq!([trained(&project, 1), trained(&project, 2)], [place + 1; 2], "{name}");
    }
    // Results that are not what their attempt left are nobody's; of the others one will do.
    for name in ["silent", "fresh", "other"] {
        project.run(&["delete", "--yes", name]).expect(0);
    }
    let predictions = project.path("runs/first/x-1/predictions.csv");
    fs::write(&predictions, fs::read_to_string(&predictions).expect("read") + "c,1,1\n").expect("write");
    project.write("last.yaml", &(spec("last", "") + reuse));
    project.run(&["run", "last.yaml"]).expect(0);
    let both = json!([
        {"run": "x-1", "state": "completed", "attempts": 1}, {"run": "x-2", "state": "reused", "attempts": 0},
    ]);
    assert_eq!(states(&project, "last"), both);
}
