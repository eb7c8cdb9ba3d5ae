//! Log directories of other programs: what lies in `logs/` was written by Keras 3.15, PyTorch 2.13, tensorboardX 2.6 and clu
//! 0.0.12. Lightning itself was not at hand: its folders and names were laid out by PyTorch's writer, which is what its logger
//! writes through.

use std::{fs, path::Path};

use gridboard::tfevents::EventWriter;
use serde_json::{Value, json};

use crate::support::{Project, Ran};

/// The recorded logs of a library, copied into the project.
fn logs(project: &Project, library: &str) {
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/logs").join(library), &project.path(library));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("create");
    for entry in fs::read_dir(from).expect("read").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("copy");
        }
    }
}

fn import(project: &Project, arguments: &[&str]) -> Value {
    let ran = project.run(&[&["import", "--format", "json"], arguments].concat()).expect(0);
    serde_json::from_str(&ran.stdout).expect("JSON")
}

/// Names, lengths and times of all that lies in a directory.
fn listing(folder: &Path) -> Vec<(String, u64, std::time::SystemTime)> {
    let mut all = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("read").flatten() {
            let data = entry.metadata().expect("metadata");
            all.push((entry.path().display().to_string(), data.len(), data.modified().expect("a time")));
            if data.is_dir() {
                waiting.push(entry.path());
            }
        }
    }
    all.sort();
    all
}

/// Rows of every view that has the experiment's runs.
fn dump(project: &Project, name: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for query in ["runs", "attempts", "history", "leaderboard", name] {
        rows.extend(project.sql(&format!("select * from \"{query}\" order by 1, 2, 3, 4, 5")));
    }
    rows
}

#[test]
fn logs_of_five_libraries_become_experiments() {
    let project = Project::new();
    for (library, axes, by, runs, top, columns) in [
        ("keras", json!(["lr", "units"]), "validation/epoch_accuracy", 3, "run-1", "validation_accuracy, lr"),
        ("torch", json!(["batch", "lr"]), "val/acc", 4, "exp_lr0.01_b16", "batch"),
        ("tensorboardX", json!(["lr"]), "Loss/val", 2, "lr_0.01", "lr"),
        ("lightning", json!(["lr"]), "val_loss", 3, "lightning_logs-version_2", "lr"),
        ("clu", json!(["learning_rate"]), "eval/accuracy", 2, "lr0.1", "learning_rate"),
    ] {
        logs(&project, library);
        let before = listing(&project.path(library));
        let told = import(&project, &[library]);
        assert_eq!(
            (&told["axes"], &told["by"], &told["runs"]),
            (&axes, &json!(by), &json!(runs)),
            "{library}"
        );
        assert_eq!((&told["warnings"], &told["changed"]), (&json!([]), &json!(runs)), "{library}");
        assert_eq!(listing(&project.path(library)), before, "nothing is written into the directory");
        let best = project.sql(&format!("select run, {columns} from \"{library}\" where rank = 1"));
        assert_eq!(best[0]["run"], json!(top), "{library}");
        assert!(project.run(&["top", library]).expect(0).stdout.contains(top), "{library}");
        project.run(&["report", library]).expect(0);
        project.run(&["verify", library]).expect(0);
        let rows = dump(&project, library);
        assert_eq!(import(&project, &[library])["changed"], json!(0), "the same again changes nothing");
        assert_eq!(dump(&project, library), rows, "{library}");
    }
    // PyTorch's and tensorboardX's sessions lie in folders named by the time; their metrics are the run's own.
    let hparams = project.sql("select distinct tag from history where tag like 'hparam%' order by tag");
    assert_eq!(json!(hparams), json!([{"tag": "hparam/acc"}, {"tag": "hparam/accuracy"}]));
    let attempt = project
        .sql("select state, host, pid, slot, started > 1e9 as known from attempts where run = 'run-0'");
    assert_eq!(
        json!(attempt),
        json!([{"state": "completed", "host": "vm", "pid": null, "slot": null, "known": 1}])
    );
    let compared = project.run(&["compare", "keras/run-0", "keras/run-1"]).expect(0);
    assert!(compared.stdout.contains("lr"), "{}", compared.stdout);
    // All comes back from the folders.
    let before: Vec<Value> = ["keras", "torch"].iter().flat_map(|name| dump(&project, name)).collect();
    fs::remove_file(project.path("runs/gridboard.db")).expect("remove");
    project.run(&["index", "--rebuild"]).expect(0);
    let after: Vec<Value> = ["keras", "torch"].iter().flat_map(|name| dump(&project, name)).collect();
    assert_eq!(before, after);
}

/// A run of a live directory: one more point for every call.
fn log(project: &Project, run: &str, steps: std::ops::Range<i64>) {
    let folder = project.path(&format!("live/{run}/validation"));
    fs::create_dir_all(&folder).expect("create");
    let mut writer = EventWriter::create(&folder).expect("an event file");
    for step in steps {
        writer.scalar("loss", step, 1.0 / (step + 1) as f32, step as f64).expect("write");
    }
    writer.finish().expect("write");
}

fn points(project: &Project) -> Value {
    json!(
        project.sql(
            "select run, count(*) as n from history where experiment = 'live' group by run order by run"
        )
    )
}

#[test]
fn a_live_directory_is_imported_again() {
    let project = Project::new();
    log(&project, "a", 0..3);
    assert_eq!(import(&project, &["live"])["by"], json!("validation/loss"));
    log(&project, "a", 3..5);
    log(&project, "b", 0..2);
    let told = import(&project, &["live"]);
    assert_eq!((&told["runs"], &told["changed"], &told["points"]), (&json!(2), &json!(2), &json!(7)));
    assert_eq!(points(&project), json!([{"run": "a", "n": 5}, {"run": "b", "n": 2}]));
    project.run(&["verify", "live"]).expect(0);
    // A run that is gone goes with its links; the directory is left alone.
    fs::remove_dir_all(project.path("live/a")).expect("remove");
    let told = import(&project, &["live"]);
    assert_eq!((&told["runs"], &told["gone"], &told["changed"]), (&json!(1), &json!(1), &json!(0)));
    assert!(!project.path("runs/live/a").exists());
    project.run(&["verify", "live"]).expect(0);
    project.run(&["delete", "--yes", "live"]).expect(0);
    assert_eq!(fs::read_dir(project.path("live/b/validation")).expect("it is there").count(), 1);
}

#[test]
fn copies_stand_alone() {
    let project = Project::new();
    log(&project, "a", 0..3);
    log(&project, "b", 0..4);
    import(&project, &["live", "--copy", "--as", "mine"]);
    fs::rename(project.path("live"), project.path("elsewhere")).expect("rename");
    project.run(&["verify", "mine"]).expect(0);
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(project.sql("select 1 from history where experiment = 'mine'").len(), 7);
    // What is copied is not given up because the original is.
    fs::rename(project.path("elsewhere"), project.path("live")).expect("rename");
    fs::remove_dir_all(project.path("live/b")).expect("remove");
    let refused = project.run(&["import", "live", "--copy", "--as", "mine"]).expect(2);
    assert!(refused.stderr.contains("1 run was copied before and gone from"), "{}", refused.stderr);
    // Links whose files are gone are seen.
    log(&project, "b", 0..4);
    import(&project, &["live", "--as", "linked"]);
    fs::remove_dir_all(project.path("live/b")).expect("remove");
    let ran = project.run(&["verify", "linked"]).expect(4);
    assert!(ran.stdout.contains("the database is right"), "{}", ran.stdout);
}

#[track_caller]
fn refused(ran: Ran, words: &[&str]) {
    let ran = ran.expect(2);
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}

#[test]
fn what_cannot_be_imported_is_said() {
    let project = Project::new();
    log(&project, "a", 0..3);
    refused(project.run(&["import", "nowhere"]), &["is no directory of logs"]);
    fs::create_dir(project.path("empty")).expect("create");
    refused(project.run(&["import", "empty"]), &["no event file with scalars"]);
    refused(project.run(&["import", "live", "--as", "a b"]), &["must start with a letter", "--as NAME"]);
    refused(
        project.run(&["import", "live", "--by", "lss"]),
        &["no run has written `lss`", "validation/loss"],
    );
    import(&project, &["live"]);
    copy(&project.path("live"), &project.path("other"));
    refused(project.run(&["import", "other", "--as", "live"]), &["was imported from", "--as NAME"]);
    refused(project.run(&["import", "live", "--copy"]), &["was linked before"]);
    refused(project.run(&["import", "runs/live"]), &["lie in one another"]);
    refused(project.run(&["import", "."]), &["lie in one another"]);
    // A name that the database keeps for itself is not the directory's to have.
    copy(&project.path("live"), &project.path("logs/runs"));
    assert_eq!(import(&project, &["logs/runs"])["experiment"], json!("imported-runs"));
    let folder = project.path("odd/a");
    fs::create_dir_all(&folder).expect("create");
    let mut writer = EventWriter::create(&folder).expect("an event file");
    writer.scalar("wiggle", 0, 0.5, 1.0).expect("write");
    writer.finish().expect("write");
    refused(project.run(&["import", "odd"]), &["what is better of none of the metrics", "--goal maximize"]);
    assert_eq!(import(&project, &["odd", "--by", "wiggle", "--goal", "minimize"])["goal"], json!("minimize"));
    // Bytes that are no events are told, and the rest is taken.
    fs::write(project.path("live/a/validation/events.out.tfevents.9.x"), "no event file at all")
        .expect("write");
    let told = import(&project, &["live"]);
    assert_eq!(told["points"], json!(3));
    assert!(told["warnings"].to_string().contains("corrupt"), "{told}");
}
