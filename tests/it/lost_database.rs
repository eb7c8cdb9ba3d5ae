//! A database, or the folder of a run, that somebody deletes: before a sweep, and under one.

use std::fs;

use serde_json::json;

use crate::support::{Project, wait_until};

/// Two runs in turn, of which the second waits until it may end.
const SPEC: &str = "
experiment: kept
model: {family: command, run: [sh, -c, 'test {x} = 2 && { touch \"$GRIDBOARD_RUN_DIR/alive\"; until test -e go; do sleep 0.02; done; }; exec python3 TRAINER 0.{x}']}
grid: {x: [1, 2]}
schedule: {devices: 'cpu:1'}
";

fn project() -> Project {
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    Project::with_spec(&SPEC.replace("TRAINER", trainer))
}

/// Runs the spec and does something to the database while the second run is alive. Answers with exit code and errors.
fn meanwhile(project: &Project, deed: impl FnOnce()) -> (Option<i32>, String) {
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let alive = project.path("runs/kept/x-2/alive");
    wait_until("the second run is alive", || {
        alive.exists() || sweep.try_wait().is_ok_and(|end| end.is_some())
    });
    deed();
    project.write("go", "");
    let status = sweep.wait().expect("the sweep ends");
    (status.code(), project.read("err.log"))
}

fn states(project: &Project) -> serde_json::Value {
    json!(project.sql("select run, state, attempts from runs order by run"))
}

#[test]
fn a_database_that_is_deleted_under_a_sweep_is_written_anew_and_said() {
    let project = project();
    let (code, errors) = meanwhile(&project, || {
        for file in ["gridboard.db", "gridboard.db-wal", "gridboard.db-shm"] {
            let _ = fs::remove_file(project.path("runs").join(file));
        }
    });
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains("was deleted while it was in use, and was written anew"), "{errors}");
    let both = json!([
        {"run": "x-1", "state": "completed", "attempts": 1}, {"run": "x-2", "state": "completed", "attempts": 1},
    ]);
    assert_eq!(states(&project), both, "nothing is lost");
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(states(&project), both, "and nothing is trained again");
}

#[test]
fn a_database_that_is_emptied_or_replaced_under_a_sweep_never_ends_it_well() {
    for deed in ["emptied", "replaced"] {
        let project = project();
        let database = project.path("runs/gridboard.db");
        let (code, errors) = meanwhile(&project, || match deed {
            "emptied" => fs::write(&database, "").expect("empty it"),
            _ => {
                // At one stroke: where nothing lies there for a moment, the database is written anew.
                let other = project.path("other");
                fs::write(&other, "something else").expect("write another file");
                fs::rename(&other, &database).expect("replace it");
            }
        });
        assert_eq!(code, Some(4), "{deed}: {errors}");
        assert!(errors.contains(&format!("was {deed}")), "{errors}");
    }
}

#[test]
fn finished_runs_are_not_trained_again_because_the_database_is_gone() {
    let project = project();
    project.write("go", "");
    project.run(&["run", "spec.yaml"]).expect(0);
    let started = |run: &str| project.read(&format!("runs/kept/{run}/run.json"));
    let before = started("x-1");
    let kept = project.path("kept.db");
    fs::rename(project.path("runs/gridboard.db"), &kept).expect("take the database away");
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(ran.stderr.contains("2 finished runs of experiment `kept`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("not in the database") && ran.stderr.contains("hint"), "{}", ran.stderr);
    assert_eq!(started("x-1"), before);
    assert!(!project.path("runs/gridboard.db").exists(), "no other database takes its place");
    // Another experiment may begin, and does not make the database one of this.
    project.run(&["run", "spec.yaml", "--set", "experiment=other"]).expect(0);
    project.run(&["run", "spec.yaml"]).expect(2);
    fs::rename(&kept, project.path("runs/gridboard.db")).expect("put it back");
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(started("x-1"), before);
}

#[test]
fn a_run_whose_folder_is_gone_is_trained_again_and_said() {
    let project = project();
    project.write("go", "");
    project.run(&["run", "spec.yaml"]).expect(0);
    fs::remove_dir_all(project.path("runs/kept/x-1")).expect("remove the folder");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("trained again, since its folder is gone: x-1"), "{}", ran.stderr);
    assert!(project.path("runs/kept/x-1/outcome.json").exists());
    let again = json!([
        {"run": "x-1", "state": "completed", "attempts": 2}, {"run": "x-2", "state": "completed", "attempts": 1},
    ]);
    assert_eq!(states(&project), again);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("2 completed, 0 to train"), "{}", ran.stderr);
}

#[test]
fn doctor_looks_at_the_database() {
    let project = project();
    project.write("go", "");
    let doctor = |project: &Project| project.run(&["doctor"]).stdout;
    assert!(doctor(&project).contains("(not there yet)"));
    project.run(&["run", "spec.yaml"]).expect(0);
    let whole = doctor(&project);
    assert!(whole.contains("gridboard.db: schema ") && whole.contains("room for runs"), "{whole}");
    assert!(!whole.contains("damaged"), "{whole}");
    let path = project.path("runs/gridboard.db");
    // A table, not the texts of the views, without which nothing is opened at all.
    let page = "select rootpage, page_size from sqlite_master, pragma_page_size where name = '_scalar'";
    let page = project.sql(page).remove(0);
    let number = |name: &str| usize::try_from(page[name].as_u64().expect("a number")).expect("it fits");
    let from = (number("rootpage") - 1) * number("page_size");
    let mut bytes = fs::read(&path).expect("the database");
    bytes[from..from + number("page_size")].fill(0xa5);
    fs::write(&path, bytes).expect("damage it");
    let ran = project.run(&["doctor"]).expect(1);
    assert!(ran.stdout.contains("is damaged: "), "{}", ran.stdout);
}
