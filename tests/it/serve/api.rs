//! What the page is made from: states, ranks, curves and details of runs, of a sweep that rests and of a copy of its folder.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use serde_json::json;

use super::{Served, finished};
use crate::support::Project;

#[test]
fn a_finished_sweep_is_shown_whole() {
    let project = finished();
    let Some(served) = Served::start(&project, &[]) else { return };
    let whole = served.json("/api/experiment?experiment=done");
    assert_eq!(whole["strip"]["counts"], json!({"completed": 6}));
    assert_eq!(whole["axis_columns"], json!(["x", "y"]));
    assert_eq!(
        whole["metrics"][0],
        json!({"name": "validation_accuracy", "tag": "validation/epoch_accuracy"})
    );
    let fields = whole["fields"].as_array().expect("fields");
    let at = |name: &str| fields.iter().position(|field| field == name).expect("a field");
    let rows = whole["runs"].as_array().expect("runs");
    assert!(rows.iter().all(|row| row.as_array().expect("a row").len() == fields.len()));
    let mut ranked: Vec<_> =
        rows.iter().map(|row| (row[at("rank")].as_i64(), row[at("run")].clone())).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let ranked: Vec<_> = ranked.into_iter().map(|(_, run)| run).collect();
    let expected: Vec<_> =
        project.sql("select run from done order by rank").iter().map(|row| row["run"].clone()).collect();
    assert_eq!(ranked, expected);
    let key = &rows[0][0];
    let curves = served.json(&format!("/api/curves?experiment=done&runs={key}"));
    assert_eq!(curves["curves"][0]["steps"], json!([0, 1, 2]));
    assert_eq!(curves["tag"], "validation/epoch_accuracy");
    assert_eq!(served.json("/api/curves?experiment=done")["curves"].as_array().expect("curves").len(), 6);

    let run = served.json("/api/run?experiment=done&run=x-0.7-y-2");
    assert_eq!((&run["state"], &run["parameters"]["y"]), (&json!("completed"), &json!(2)));
    assert_eq!(run["attempts"].as_array().expect("attempts").len(), 1);
    assert!(run["files"].to_string().contains("worker.log"), "{}", run["files"]);
    let tags = served.json("/api/run/curves?experiment=done&run=x-0.7-y-2&from=1&to=2")["curves"].clone();
    let loss =
        tags.as_array().expect("curves").iter().find(|curve| curve["tag"] == "train/epoch_loss").expect("it");
    assert_eq!(loss["steps"], json!([1, 2]));
    let log = served.json("/api/run/log?experiment=done&run=x-0.7-y-2");
    assert!(log["text"].as_str().expect("text").contains("accuracy 0.7"), "{log}");
    let pair = served.json(&format!("/api/compare?experiment=done&runs={},{}", rows[0][0], rows[5][0]));
    let differ: Vec<_> =
        pair["parameters"].as_array().expect("parameters").iter().map(|one| &one["name"]).collect();
    assert_eq!(differ, ["x", "y"]);
}

#[test]
fn runs_are_cancelled_and_requeued_by_the_code_of_the_verbs() {
    let project = Project::with_spec(
        "experiment: failing\nmodel: {family: command, run: ['false', '{x}']}\ngrid: {x: [1, 2]}\n\
         rank: {by: validation/epoch_accuracy}\nretry: {attempts: 1}\nschedule: {stop_after: 0}\n",
    );
    project.run(&["run", "spec.yaml"]);
    let Some(served) = Served::start(&project, &[]) else { return };
    let states = || -> Vec<String> {
        let rows = project.sql("select state from runs order by position");
        rows.iter().map(|row| row["state"].as_str().expect("a state").to_owned()).collect()
    };
    assert_eq!(states(), ["failed", "failed"]);
    let wish = |verb: &str, run: &str| {
        served.post("/api/change", &json!({"verb": verb, "experiment": "failing", "runs": [run]}).to_string())
    };
    let cancelled = wish("cancel", "x-1");
    assert_eq!(cancelled.json()["changed"][0]["state"], "cancelled", "{}", cancelled.body);
    let requeued = wish("requeue", "x-2");
    assert!(
        requeued.json()["text"].as_str().expect("a text").contains("nobody runs it now"),
        "{}",
        requeued.body
    );
    assert_eq!(states(), ["cancelled", "pending"]);
    let again = wish("cancel", "x-1");
    assert_eq!(again.json()["refused"][0]["reason"], "it is cancelled already");
    assert_eq!(wish("cancel", "x-9").status, 409);
}

#[test]
fn a_copy_that_cannot_be_written_is_shown() {
    let project = finished();
    let copy = project.path("copy");
    copied(&project.path("runs"), &copy);
    let mode = |mode| fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).expect("set the mode");
    mode(0o555);
    let before = fs::metadata(copy.join("gridboard.db")).expect("the database").modified().expect("a time");
    let served = Served::start(&project, &["--runs-dir", &copy.display().to_string()]);
    if let Some(served) = &served {
        assert_eq!(served.json("/api/experiment?experiment=done")["strip"]["counts"]["completed"], 6);
        let after =
            fs::metadata(copy.join("gridboard.db")).expect("the database").modified().expect("a time");
        assert_eq!(before, after);
    }
    mode(0o755);
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("create a folder");
    for entry in fs::read_dir(from).expect("read a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copied(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("copy a file")),
        }
    }
}
