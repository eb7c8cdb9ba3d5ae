//! A runs directory of an earlier build: it opens, lists, ranks, reports and goes on as if nothing had happened.
//!
//! What `tests/fixtures/runs-0.1` holds is said in its README.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::Project;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/runs-0.1");
const EXPERIMENTS: [&str; 3] = ["old-grid", "old-seeds", "old-command"];

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("create a folder");
        for entry in fs::read_dir(from).expect("read a folder") {
            let entry = entry.expect("an entry");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).expect("copy a file");
    }
}

/// The runs directory and the specs, with the program of the command beside them.
fn earlier() -> Project {
    let project = Project::new();
    copy(&Path::new(FIXTURE).join("runs"), &project.path("runs"));
    copy(&Path::new(FIXTURE).join("specs"), &project.path(""));
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    copy(Path::new(trainer), &project.path("trainer.py"));
    project
}

fn expected(file: &str) -> String {
    let path = Path::new(FIXTURE).join("expected").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

fn expected_rows(file: &str) -> Vec<Value> {
    serde_json::from_str(&expected(file)).expect("an array of objects")
}

/// Every value that was there before is the same now; a column may have been added.
#[track_caller]
fn assert_holds(now: &[Value], before: &[Value], what: &str) {
    assert_eq!(now.len(), before.len(), "rows of {what}");
    for (now, before) in now.iter().zip(before) {
        for (column, value) in before.as_object().expect("an object") {
            assert_eq!(&now[column], value, "{column} in {what}");
        }
    }
}

/// The same of CSV, where nothing but added columns may be different.
#[track_caller]
fn assert_csv_holds(now: &str, before: &str, what: &str) {
    let rows = |text: &str| -> Vec<csv::StringRecord> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        reader.records().map(|record| record.expect("a record")).collect()
    };
    let (now, before) = (rows(now), rows(before));
    let places: Vec<usize> = before[0]
        .iter()
        .map(|column| {
            now[0].iter().position(|other| other == column).unwrap_or_else(|| panic!("no {column}"))
        })
        .collect();
    assert!(places.is_sorted(), "columns of {what} have changed places");
    let kept =
        |row: &csv::StringRecord| places.iter().map(|&place| row[place].to_owned()).collect::<Vec<_>>();
    let now: Vec<Vec<String>> = now.iter().map(kept).collect();
    let before: Vec<Vec<String>> = before.iter().map(|row| row.iter().map(str::to_owned).collect()).collect();
    assert_eq!(now, before, "{what}");
}

#[test]
fn it_opens_lists_and_ranks_as_before() {
    let project = earlier();
    for experiment in EXPERIMENTS {
        for (arguments, file) in
            [(&["top", experiment][..], "top"), (&["top", experiment, "--runs"], "top-runs")]
        {
            let ran = project.run(&[arguments, &["--format", "json"]].concat()).expect(0);
            let file = format!("{experiment}.{file}.json");
            assert_holds(&ran.json(), &expected_rows(&file), &file);
        }
    }
    let runs = project.run(&["runs", "--format", "json"]).expect(0).json();
    assert_holds(&runs, &expected_rows("runs.json"), "runs");
    for view in ["leaderboard", "grid_points"] {
        let ran = project.run(&["sql", &format!("select * from {view}"), "--format", "csv"]).expect(0);
        assert_csv_holds(&ran.stdout, &expected(&format!("{view}.csv")), view);
    }
    let shown = project.run(&["show", "old-command/x-7"]).expect(0);
    assert!(
        shown.stdout.contains("exited with status 3") && shown.stdout.contains("gives up"),
        "{}",
        shown.stdout
    );
}

#[test]
fn it_reports_as_before() {
    let project = earlier();
    project.run(&[&["report"][..], &EXPERIMENTS].concat()).expect(0);
    for experiment in EXPERIMENTS {
        let folder = Path::new(FIXTURE).join("expected").join(experiment);
        for entry in fs::read_dir(folder).expect("the tables") {
            let file = entry.expect("an entry").file_name().into_string().expect("a name");
            let (now, then) = (format!("runs/{experiment}/report/{file}"), format!("{experiment}/{file}"));
            match file.ends_with(".json") {
                true => {
                    let rows: Vec<Value> = serde_json::from_str(&project.read(&now)).expect("an array");
                    assert_holds(&rows, &expected_rows(&then), &then);
                }
                false => assert_csv_holds(&project.read(&now), &expected(&then), &then),
            }
        }
    }
}

#[test]
fn it_goes_on_with_what_is_missing() {
    let project = earlier();
    let before = project.sql("select run, started from runs where state = 'completed' order by run");
    let ran = project.run(&["run", "command.yaml"]).expect(3);
    assert!(ran.stderr.contains("old-command: 3 runs, 2 completed, 1 to train"), "{}", ran.stderr);
    assert_eq!(project.sql("select run, started from runs where state = 'completed' order by run"), before);
    let attempts =
        project.sql("select run, attempts from runs where experiment = 'old-command' order by run");
    assert_eq!(
        serde_json::json!(attempts),
        serde_json::json!([
            {"run": "x-5", "attempts": 1}, {"run": "x-6", "attempts": 1}, {"run": "x-7", "attempts": 2},
        ])
    );
    let more = project.run(&["run", "command.yaml", "--set", "seeds=[0, 1]"]).expect(3);
    assert!(more.stderr.contains("6 runs, 2 completed, 4 to train"), "{}", more.stderr);
}
