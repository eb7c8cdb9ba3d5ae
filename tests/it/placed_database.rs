//! The runs database where the user has said, found again, and never made empty beside another one.

use std::fs;

use serde_json::Value;

use crate::support::Project;

const SPEC: &str = "
experiment: placed
model: {family: command, run: [{trainer}, '0.{x}']}
grid: {x: [1, 2]}
schedule: {devices: 'cpu:2'}
";

/// The notes, each with the name of its file.
fn notes(project: &Project) -> Vec<(String, Value)> {
    let folder = project.path("runs/.database");
    let mut notes: Vec<(String, Value)> = fs::read_dir(folder)
        .expect("the notes")
        .flatten()
        .map(|entry| {
            let name = entry.file_name().into_string().expect("a name");
            let text = project.read(&format!("runs/.database/{name}"));
            (name, serde_json::from_str(&text).expect("JSON"))
        })
        .collect();
    notes.sort_by(|one, other| one.0.cmp(&other.0));
    notes
}

/// Makes the note of this machine that of another one.
pub(crate) fn move_away(project: &Project, host: &str) {
    let (name, mut note) = notes(project).remove(0);
    fs::remove_file(project.path("runs/.database").join(name)).expect("remove the note");
    note["host"] = host.into();
    project.write(&format!("runs/.database/{host}.json"), &note.to_string());
}

fn runs(project: &Project, database: &[&str]) -> u64 {
    let query = ["sql", "--format", "json", "select count(*) as n from runs where state = 'completed'"];
    let ran = project.run(&[database, &query].concat()).expect(0);
    ran.json()[0]["n"].as_u64().expect("a number")
}

#[test]
fn a_database_on_another_disk_is_found_by_every_later_command() {
    let project = Project::with_spec(SPEC);
    project.run(&["run", "spec.yaml", "--database", "disk/mine.db"]).expect(0);
    assert!(project.path("disk/mine.db").is_file() && !project.path("runs/gridboard.db").exists());
    let (name, note) = notes(&project).remove(0);
    assert_eq!(name, format!("{}.json", note["host"].as_str().expect("a name")));
    let file = fs::canonicalize(project.path("disk/mine.db")).expect("a path");
    assert_eq!(note["path"].as_str(), file.to_str());
    assert_eq!(runs(&project, &[]), 2);
    for arguments in [
        &["top", "placed"][..],
        &["runs"],
        &["report", "placed"],
        &["verify"],
        &["tag", "x-1", "good", "--experiment", "placed"],
        &["run", "spec.yaml", "--set", "grid.x=[1, 2, 3]"],
        &["requeue", "placed/x-1"],
        &["index", "--rebuild"],
        &["doctor"],
        &["delete", "placed/x-1", "--yes"],
    ] {
        // Some of them have nothing to do, which they say.
        let ran = project.run(arguments);
        assert!(
            ran.code != Some(101) && !ran.stderr.contains("no runs database"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
    assert!(!project.path("runs/gridboard.db").exists());
    assert_eq!(runs(&project, &[]), 2, "one was added, one deleted");
    // A word of the user's comes first, and the variable after the flag.
    fs::copy(project.path("disk/mine.db"), project.path("disk/copy.db")).expect("copy it");
    let project = project.env("GRIDBOARD_DATABASE", "nowhere.db");
    let missing = project.run(&["top", "placed"]).expect(1);
    assert!(missing.stderr.contains("and there is none here as `"), "{}", missing.stderr);
    assert!(!project.path("nowhere.db").exists());
    assert_eq!(runs(&project, &["--database", "disk/copy.db"]), 2);
}

#[test]
fn on_another_machine_it_is_said_where_the_database_lies_and_one_is_made_from_the_folders() {
    let project = Project::with_spec(SPEC);
    project.run(&["--database", "one.db", "run", "spec.yaml"]).expect(0);
    let file = fs::canonicalize(project.path("one.db")).expect("a path");
    move_away(&project, "login1");
    let said = format!("lies on login1 as {}, and there is none here", file.display());
    for arguments in
        [&["top"][..], &["run", "spec.yaml"], &["delete", "placed", "--yes"], &["report", "placed"]]
    {
        let refused = project.run(arguments).expect(1);
        assert!(refused.stderr.contains(&said), "{arguments:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("gridboard index --rebuild"), "{}", refused.stderr);
    }
    let refused = project.run(&["run", "spec.yaml", "--database", "two.db"]).expect(1);
    assert!(refused.stderr.contains(&said) && !project.path("two.db").exists(), "{}", refused.stderr);
    project.run(&["index", "--rebuild", "--database", "two.db"]).expect(0);
    assert_eq!(notes(&project).len(), 2);
    assert!(!project.path("runs/gridboard.db").exists());
    assert_eq!(runs(&project, &[]), 2);
    project.run(&["verify"]).expect(0);
    // The other machine has gone on since.
    let there = notes(&project).into_iter().find(|(name, _)| name == "login1.json").expect("its note").1;
    let id = there["id"].as_str().expect("an id");
    project.write("runs/placed/.database", id);
    let warned = project.run(&["top", "placed"]).expect(0);
    let behind = "`placed` has gone on with the database of login1, and the database here is behind";
    assert!(warned.stderr.contains(&format!("warning: {behind}")), "{}", warned.stderr);
    let refused = project.run(&["run", "spec.yaml"]).expect(1);
    assert!(refused.stderr.contains(&format!("error: {behind}")), "{}", refused.stderr);
    project.run(&["index", "--rebuild"]).expect(0);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(
        ran.stderr.contains("2 completed, 0 to train") && !ran.stderr.contains("behind"),
        "{}",
        ran.stderr
    );
    // Somebody has emptied the disk.
    fs::remove_file(project.path("two.db")).expect("remove it");
    let gone = project.run(&["run", "spec.yaml"]).expect(1);
    assert!(gone.stderr.contains("is not where it was: `"), "{}", gone.stderr);
    project.run(&["index", "--rebuild"]).expect(0);
    assert_eq!(runs(&project, &[]), 2);
}

#[test]
fn a_database_moves_out_of_the_runs_directory_by_being_made_anew() {
    let project = Project::with_spec(SPEC);
    project.run(&["run", "spec.yaml"]).expect(0);
    assert!(!project.path("runs/.database").exists() && !project.path("runs/placed/.database").exists());
    let refused = project.run(&["run", "spec.yaml", "--database", "new.db"]).expect(1);
    assert!(refused.stderr.contains("runs/gridboard.db, and there is none here as `"), "{}", refused.stderr);
    assert!(!project.path("new.db").exists());
    let made = project.run(&["index", "--rebuild", "--database", "new.db"]).expect(0);
    assert!(made.stderr.contains("gridboard.db.before"), "{}", made.stderr);
    assert!(!project.path("runs/gridboard.db").exists());
    assert_eq!(runs(&project, &[]), 2);
    project.run(&["verify"]).expect(0);
    // And back again, where somebody has removed the notes.
    project.run(&["index", "--rebuild", "--database", "runs/gridboard.db"]).expect(0);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("2 completed, 0 to train"), "{}", ran.stderr);
    fs::remove_dir_all(project.path("runs/.database")).expect("remove the notes");
    project.run(&["index", "--rebuild"]).expect(0);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("2 completed, 0 to train"), "{}", ran.stderr);
}
