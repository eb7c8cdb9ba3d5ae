//! The database made anew from the folders: every view as it was, whatever the runs went through.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};

use crate::support::{Project, wait_until};

/// Four runs: one with predictions, one that is tried again and then completes, one that fails, one whose metric is NaN.
const SPEC: &str = "
experiment: kept
model: {family: command, run: [sh, TRAIN, '{x}']}
grid: {x: [1, 2, 3, 4]}
rank: {by: validation/epoch_accuracy}
retry: {attempts: 2}
schedule: {devices: 'cpu:2'}
";

const TRAIN: &str = r#"
echo "run $1"
case $1 in
2) test -e tried || { touch tried; python3 TRAINER 0.9 1; exit 75; } ;;
3) python3 TRAINER 0.3; echo 'KeyError: 3' >&2; exit 3 ;;
4) exec python3 TRAINER nan ;;
6) for i in $(seq 600); do grep -qs system/memory "$GRIDBOARD_RUN_DIR"/*.session && break; sleep 0.1; done ;;
5) if test -e hang; then touch alive; python3 TRAINER 0.5; exec sleep 600; fi ;;
esac
printf 'image,label,predicted,probability_0,probability_1\na,0,0,0.9,0.1\nb,0,1,0.4,0.6\nc,1,1,0.2,0.8\n' > "$GRIDBOARD_RUN_DIR/predictions.csv"
exec python3 TRAINER 0.$1
"#;

fn project(grid: &str) -> Project {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    let project = Project::new();
    let train = project.write("train.sh", &TRAIN.replace("TRAINER", trainer));
    write_spec(&project, grid, train.to_str().expect("a UTF-8 path"));
    project
}

fn write_spec(project: &Project, grid: &str, train: &str) {
    let spec = SPEC.replace("TRAIN", train).replace("grid: {x: [1, 2, 3, 4]}", grid);
    project.write("spec.yaml", &spec);
}

/// Every row of every view, sorted.
fn dump(project: &Project) -> BTreeMap<String, Vec<String>> {
    let views = project.sql("select name from sqlite_master where type = 'view' order by name");
    let views = views.iter().map(|row| row["name"].as_str().expect("a name").to_owned());
    let rows = |view: &String| {
        let mut rows: Vec<String> =
            project.sql(&format!("select * from \"{view}\"")).iter().map(Value::to_string).collect();
        rows.sort();
        rows
    };
    views.map(|view| (view.clone(), rows(&view))).collect()
}

fn forget(project: &Project) {
    for name in ["gridboard.db", "gridboard.db-wal", "gridboard.db-shm"] {
        let _ = fs::remove_file(project.path("runs").join(name));
    }
}

/// Compares every view before and after, so that a difference is a line and not a page.
#[track_caller]
fn assert_same(before: &BTreeMap<String, Vec<String>>, after: &BTreeMap<String, Vec<String>>) {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for (view, rows) in before {
        assert_eq!(rows.len(), after[view].len(), "rows of {view}");
        for (one, other) in rows.iter().zip(&after[view]) {
            assert_eq!(one, other, "in {view}");
        }
    }
}

#[test]
fn a_database_that_is_deleted_comes_back_as_it_was() {
    let project = project("grid: {x: [1, 2, 3, 4]}");
    project.run(&["run", "spec.yaml"]).expect(3);
    // A run under another name than the grid's, moved in the grid, and one that is deleted.
    let train = project.path("train.sh");
    write_spec(&project, "grid: {x: [6, 1, 2, 3, 4]}\nseeds: [0, 1]", train.to_str().expect("UTF-8"));
    project.run(&["run", "spec.yaml"]).expect(3);
    let last = project.sql("select run from runs order by position desc limit 1");
    let last = format!("kept/{}", last[0]["run"].as_str().expect("a name"));
    project.run(&["delete", "--yes", &last]).expect(0);
    project.run(&["report", "kept"]).expect(0);

    let before = dump(&project);
    assert!(before["history"].iter().any(|row| row.contains("system/")), "what the machine did is in SQL");
    project.run(&["verify", "kept"]).expect(0);
    assert_eq!(before["runs"].len(), 9);
    assert!(before["attempts"].len() > before["runs"].len(), "some were tried again");
    assert!(
        before["confusion"].len() > 8 && before["grid_points"].len() == 5 && before["history"].len() > 20
    );
    forget(&project);
    let lost = project.run(&["top"]).expect(1);
    assert!(lost.stderr.contains("gridboard index --rebuild"), "{}", lost.stderr);
    let lost = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(lost.stderr.contains("gridboard index --rebuild"), "{}", lost.stderr);
    let rebuilt = project.run(&["index", "--rebuild", "--format", "json"]).expect(0);
    let told: Value = serde_json::from_str(&rebuilt.stdout).expect("JSON");
    assert_eq!((&told["experiments"], &told["runs"], &told["notes"]), (&json!(1), &json!(9), &json!([])));
    assert_same(&before, &dump(&project));

    // Again, over the one that is there, which is kept.
    let again = project.run(&["index", "--rebuild"]).expect(0);
    assert!(again.stderr.contains("is kept as"), "{}", again.stderr);
    assert!(project.path("runs/gridboard.db.before").is_file());
    assert_same(&before, &dump(&project));
    let left = fs::read_dir(project.path("runs")).expect("the folder").flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".partial")));
    // The sweep goes on from it: the deleted run and the failed ones alone are owed.
    let on = project.run(&["run", "spec.yaml"]).expect(3);
    assert!(on.stderr.contains("10 runs, 7 completed, 3 to train"), "{}", on.stderr);
}

/// A program that is started twice in the same folder, or logs from two places, tells one step again.
#[test]
fn a_step_that_an_event_file_has_twice_is_in_the_database_once() {
    let project = project("grid: {x: [1]}");
    project.run(&["run", "spec.yaml"]).expect(0);
    let file = event_file(&project, "x-1");
    let whole = fs::read(&file).expect("read");
    // The first record is the file's version.
    let first =
        16 + usize::try_from(u64::from_le_bytes(whole[..8].try_into().expect("eight"))).expect("small");
    let once =
        project.sql("select tag, step, value from history where tag like 'validation/%' order by tag, step");
    fs::write(&file, [&whole[..], &whole[first..]].concat()).expect("write");
    project.run(&["index", "--rebuild"]).expect(0);
    let twice =
        project.sql("select tag, step, value from history where tag like 'validation/%' order by tag, step");
    assert!(!once.is_empty());
    assert_eq!(once, twice);
    fs::rename(project.path("runs/kept/x-1"), project.path("logs")).expect("move");
    project.run(&["import", "logs", "--as", "taken"]).expect(0);
    let taken = project.sql(
        "select tag, step, value from history h join runs r using (run) where r.experiment = 'taken' and tag like 'validation/%' order by tag, step",
    );
    assert_eq!(once, taken);
}

#[test]
fn a_sweep_that_lives_is_not_disturbed_and_one_that_was_killed_comes_back() {
    let project = project("grid: {x: [5, 1]}");
    project.write("hang", "");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("the run is alive", || {
        project.path("alive").exists() || sweep.try_wait().is_ok_and(|end| end.is_some())
    });
    let refused = project.run(&["index", "--rebuild"]).expect(2);
    assert!(refused.stderr.contains("`kept` is being run by another process"), "{}", refused.stderr);
    wait_until("a point and an end are in the database", || {
        !project
            .sql(
                "select 1 from history h join runs r using (run) where r.run = 'x-5' and exists \
                      (select 1 from runs where state = 'completed') limit 1",
            )
            .is_empty()
    });
    sweep.kill().expect("kill the sweep");
    sweep.wait().expect("the sweep ends");
    // Ranks and statistics of a sweep that was killed are made by whoever looks.
    project.run(&["report", "kept"]).expect(0);
    let before = dump(&project);
    let lost = project.sql("select run, state, attempts, failure from runs where run = 'x-5'");
    assert_eq!(json!(lost), json!([{"run": "x-5", "state": "pending", "attempts": 1, "failure": "lost"}]));
    forget(&project);
    project.run(&["index", "--rebuild"]).expect(0);
    assert_same(&before, &dump(&project));
    fs::remove_file(project.path("hang")).expect("remove");
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(project.sql("select attempt from attempts where run = 'x-5'").len(), 2);
}

#[test]
fn folders_of_version_0_1_give_what_they_have_and_the_rest_is_said() {
    let project = project("grid: {x: [1, 2]}");
    project.run(&["run", "spec.yaml"]).expect(0);
    let before = dump(&project);
    let strip = || {
        fs::remove_file(project.path("runs/kept/ledger.json")).expect("remove");
        for run in ["x-1", "x-2"] {
            fs::remove_file(project.path(&format!("runs/kept/{run}/attempts.jsonl"))).expect("remove");
        }
    };
    // The database is there: what only it knows is kept first.
    strip();
    let rebuilt = project.run(&["index", "--rebuild"]).expect(0);
    assert!(rebuilt.stderr.contains("2 runs of an older version"), "{}", rebuilt.stderr);
    assert_same(&before, &dump(&project));
    strip();
    forget(&project);
    let rebuilt = project.run(&["index", "--rebuild"]).expect(0);
    assert!(
        rebuilt.stderr.contains("2 runs of version 0.1, whose folders do not tell slot"),
        "{}",
        rebuilt.stderr
    );
    let after = dump(&project);
    for view in ["history", "leaderboard", "confusion", "class_metrics", "kept"] {
        assert_eq!(before[view], after[view], "{view}");
    }
    let known =
        project.sql("select run, state, attempt, slot, pid, device, core_seconds from attempts order by run");
    let of = |run: &str, attempt: u32| {
        json!({"run": run, "state": "completed", "attempt": attempt, "slot": null, "pid": null, "device": "cpu",
               "core_seconds": null})
    };
    assert_eq!(json!(known), json!([of("x-1", 1), of("x-2", 2)]));
}

#[test]
fn a_damaged_database_names_the_way_out() {
    let project = project("grid: {x: [1]}");
    project.run(&["run", "spec.yaml"]).expect(0);
    let before = dump(&project);
    let database = project.path("runs/gridboard.db");
    let mut bytes = fs::read(&database).expect("read");
    for place in [0, 5000] {
        bytes[place..place + 90].fill(0x5a);
    }
    fs::write(&database, bytes).expect("write");
    let damaged = project.run(&["top"]);
    assert_ne!(damaged.code, Some(0));
    assert!(damaged.stderr.contains("gridboard index --rebuild"), "{}", damaged.stderr);
    let rebuilt = project.run(&["index", "--rebuild"]).expect(0);
    assert!(rebuilt.stderr.contains("is of no help"), "{}", rebuilt.stderr);
    assert_same(&before, &dump(&project));
}

/// The differences of the experiment: run, what, right.
fn differences(project: &Project, code: i32) -> Vec<(String, String, String)> {
    let ran = project.run(&["verify", "kept", "--format", "json"]).expect(code);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = &ran.json()[0];
    assert_eq!(told["agree"], json!(code == 0));
    let all = told["differences"].as_array().expect("a list");
    all.iter().map(|one| (text(&one["run"]), text(&one["what"]), text(&one["right"]))).collect()
}

/// Changes the database as nobody should.
fn alter(project: &Project, sql: &str) {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit()";
    let database = project.path("runs/gridboard.db");
    let status = std::process::Command::new("python3").args(["-c", script]).arg(database).arg(sql).status();
    assert!(status.expect("start python3").success(), "{sql}");
}

fn event_file(project: &Project, run: &str) -> std::path::PathBuf {
    let folder = project.path(&format!("runs/kept/{run}/validation"));
    fs::read_dir(folder).expect("the folder").next().expect("a file").expect("an entry").path()
}

#[test]
fn a_sweep_is_verified_and_every_change_is_found_with_the_side_that_is_right() {
    let project = project("grid: {x: [1, 2, 3, 4]}");
    project.run(&["run", "spec.yaml"]).expect(3);
    let told = project.run(&["verify", "kept"]).expect(0);
    assert!(told.stdout.contains("4 runs (3 completed, 1 failed)"), "{}", told.stdout);
    assert!(told.stdout.contains("files and database agree"), "{}", told.stdout);
    assert_eq!(differences(&project, 0), []);
    let backup = fs::read(project.path("runs/gridboard.db")).expect("read");
    let put_back = || {
        forget(&project);
        fs::write(project.path("runs/gridboard.db"), &backup).expect("write");
    };

    for (sql, run, words) in [
        (
            "update _scalar set value = value + 1e-7 where step = 1 and run_id = (select id from _run where name = 'x-1')
             and tag_id = (select id from _tag where name = 'train/epoch_loss')",
            "x-1",
            "train/epoch_loss: 1 point otherwise, the first at step 1",
        ),
        (
            "delete from _scalar where step = 0 and run_id = (select id from _run where name = 'x-2')
             and tag_id = (select id from _tag where name = 'train/epoch_loss')",
            "x-2",
            "train/epoch_loss: 1 point of the event files not in the database, the first at step 0",
        ),
        (
            "update _latest set value = 9 where run_id = (select id from _run where name = 'x-1')
             and tag_id = (select id from _tag where name = 'train/epoch_loss')",
            "x-1",
            "the leaderboards take 9 of step 1 for the last point",
        ),
        (
            "update _confusion set images = 7 where true_class = 0 and predicted_class = 0
             and run_id = (select id from _run where name = 'x-1')",
            "x-1",
            "confusion matrix: the predictions have 2 of 3 right, the database has 8 of 9 right",
        ),
        ("update _run set state = 'completed' where name = 'x-3'", "x-3", "its files say that it is failed"),
        ("update _attempt set slot = 'cpu/7' where attempt = 2", "x-2", "attempt 2 has another slot"),
        ("update _run set content_id = 'beef' where name = 'x-1'", "x-1", "its content id beef is none of the grid"),
        ("update _scalar set value = 'text' where step = 0", "x-1", "the database holds what cannot be read"),
    ] {
        alter(&project, sql);
        let found = differences(&project, 4);
        let is_told = |(of, what, right): &(String, String, String)| {
            of == run && what.contains(words) && right == "files"
        };
        assert!(found.iter().any(is_told), "{sql}: {found:?}");
        put_back();
        assert_eq!(differences(&project, 0), []);
    }
    // One wrong value is one line.
    alter(&project, "update _scalar set value = 0.125 where step = 0 and run_id = 1 and tag_id = 1");
    assert_eq!(differences(&project, 4).len(), 1);
    // And the files make it right.
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(differences(&project, 0), []);

    // One byte of an event file: the database still has the points.
    let file = event_file(&project, "x-1");
    let whole = fs::read(&file).expect("read");
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, &bytes).expect("write");
    let found = differences(&project, 4);
    assert!(found.iter().all(|(run, _, right)| run == "x-1" && right == "database"), "{found:?}");
    assert!(found.iter().any(|(_, what, _)| what.contains("is corrupt at byte")), "{found:?}");
    fs::write(&file, &whole[..whole.len() - 60]).expect("write");
    let found = differences(&project, 4);
    assert!(found[0].1.contains("not in the event files any more") && found[0].2 == "database", "{found:?}");
    fs::write(&file, &whole).expect("write");

    // Predictions that are not what the attempt left, and an outcome that is gone.
    let predictions = project.path("runs/kept/x-1/predictions.csv");
    let text = fs::read_to_string(&predictions).expect("read");
    fs::write(&predictions, text.replace("b,0,1", "b,0,0")).expect("write");
    let found = differences(&project, 4);
    assert!(found.iter().all(|(_, _, right)| right == "database"), "{found:?}");
    assert!(found.iter().any(|(_, what, _)| what.contains("its content has changed")), "{found:?}");
    fs::write(&predictions, text).expect("write");
    fs::remove_file(project.path("runs/kept/x-2/outcome.json")).expect("remove");
    let found = differences(&project, 4);
    assert!(found.len() == 1 && found[0].0 == "x-2" && found[0].1.contains("is missing"), "{found:?}");
}
