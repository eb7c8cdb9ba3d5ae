//! What programs of others leave behind: predictions in formats of their own, files that are none, and names that would
//! command a terminal, a spreadsheet or LaTeX.

use std::fs;

use serde_json::json;

use crate::support::{Project, trainer};

/// A trainer that leaves something first, by a line of shell, then logs an accuracy of .5.
fn leaving(line: &str) -> Project {
    let script = trainer().replacen(", ", " ", 1);
    let project = Project::with_spec(
        "
experiment: others
model: {family: command, run: [sh, program.sh]}
schedule: {devices: 'cpu:1'}
",
    );
    project.write("program.sh", &format!("cd $GRIDBOARD_RUN_DIR; {line}; exec {script} 0.5\n"));
    project
}

/// A trainer that writes these predictions.
fn predicting(table: &str) -> Project {
    let project = leaving("cp ../../../table.csv predictions.csv");
    project.write("table.csv", table);
    project
}

/// A run that ended well, whatever its predictions are, is ranked; what is wrong with them is told and kept.
#[track_caller]
fn completed_and_told(project: &Project, problem: &str) {
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains(problem), "{problem} is not in\n{}", ran.stderr);
    let rows = project
        .sql("select (select rank from leaderboard) as rank, state, problem is not null as told from runs");
    assert_eq!(rows, [json!({"rank": 1, "state": "completed", "told": 1})]);
    let shown = project.run(&["show", "run"]).expect(0).stdout;
    assert!(shown.contains(problem), "{shown}");
    let again = project.run(&["report", "others"]).expect(0);
    assert!(again.stderr.contains(problem), "{}", again.stderr);
    assert_eq!(project.sql("select count(*) as n from confusion"), [json!({"n": 0})]);
}

#[test]
fn a_table_of_another_meaning_takes_nothing_from_the_run() {
    completed_and_told(
        &predicting("id,finding\np1,normal\n"),
        "`predictions.csv`, line 1: no column `predicted`",
    );
    completed_and_told(
        &predicting("image,label,predicted\na,0,0\nb,1\n"),
        "`predictions.csv`, line 3: 2 fields, expected 3",
    );
}

#[test]
fn a_pipe_a_folder_and_an_endless_file_are_no_predictions() {
    for (line, problem) in [
        ("mkfifo predictions.csv", "it is a named pipe, not a regular file"),
        ("mkdir predictions.csv", "it is a folder, not a regular file"),
        ("ln -s /dev/zero predictions.csv", "it is a device, not a regular file"),
    ] {
        completed_and_told(&leaving(line), problem);
    }
}

#[test]
fn a_table_of_another_program_is_read() {
    // A byte order mark, an index column, classes as floats, an empty line.
    let project = predicting("\u{feff},image,label,predicted\r\n0,a,0.0,0.0\r\n\r\n1,b,1.0,0.0\r\n\r\n");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(!ran.stderr.contains("predictions.csv"), "{}", ran.stderr);
    let right = "select sum(images) as n from confusion where true_class = predicted_class";
    assert_eq!(project.sql(right), [json!({"n": 1})]);
}

#[test]
fn logits_leave_the_confusion_matrix() {
    let project = predicting("image,label,predicted,probability_0,probability_1\na,1,1,-2.5,nan\n");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    let problem =
        "`predictions.csv`, line 2: probability_0 `-2.5` is not a number from 0 to 1; no probability is used";
    assert!(ran.stderr.contains(problem), "{}", ran.stderr);
    assert_eq!(project.sql("select sum(images) as n from confusion"), [json!({"n": 1})]);
}

#[test]
fn edited_predictions_are_told_and_not_believed() {
    let project = predicting("image,label,predicted\na,0,0\nb,1,0\n");
    project.run(&["run", "spec.yaml"]).expect(0);
    project.write("runs/others/run/predictions.csv", "image,label,predicted\na,0,0\nb,1,1\n");
    let told =
        "was changed after the run had ended: it has 2 of 2 images right, 1 of 2 were when it was counted";
    let shown = project.run(&["show", "run"]).expect(0).stdout;
    assert!(shown.contains(told), "{shown}");
    let compared = project.run(&["compare", "run", "run"]).expect(1).stderr;
    assert!(compared.contains(told), "{compared}");
    let report = project.run(&["report", "others"]).expect(0).stderr;
    assert!(report.contains(told), "{report}");
}

#[test]
fn broken_findings_about_a_corpus_leave_their_section_out() {
    let project = leaving("true");
    project.run(&["run", "spec.yaml"]).expect(0);
    project.write("runs/others/corpus_audit.json", "{\"fingerprint\": ");
    fs::create_dir(project.path("runs/others/corpus.json")).expect("a folder of that name");
    for arguments in [["report", "others"], ["run", "spec.yaml"]] {
        let told = project.run(&arguments).expect(0).stderr;
        assert!(told.contains("left out of the report"), "{told}");
        assert!(told.contains("corpus_audit.json` is not what was written there"), "{told}");
        assert!(told.contains("corpus.json`: it is a folder"), "{told}");
    }
}

#[test]
fn names_command_neither_a_spreadsheet_nor_latex_nor_a_terminal() {
    let values = r#"['=HYPERLINK("x";1)', '@SUM(1)', '+cmd|calc', '[3, 5]', '*', '-1.5', "a\e[31mb"]"#;
    let project = Project::with_spec(&format!(
        "
experiment: names
model: {{family: command, run: [{{trainer}}, '0.5']}}
grid: {{name: {values}, size: [1, 2]}}
schedule: {{devices: 'cpu:2'}}
"
    ));
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stdout.contains('\u{1b}'));
    let csv = project.read("runs/names/report/leaderboard.csv");
    for kept in ["\"'=HYPERLINK(\"\"x\"\";1)\"", ",'@SUM(1),", ",'+cmd|calc,", ",-1.5,"] {
        assert!(csv.contains(kept), "{kept} is not in\n{csv}");
    }
    let mut guarded = 0;
    for entry in fs::read_dir(project.path("runs/names/report")).expect("a report") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "tex") {
            let text = fs::read_to_string(&path).expect("UTF-8");
            guarded += text.matches("{}[3, 5]").count();
            let bare = text.lines().map(str::trim).find(|line| line.starts_with(['[', '*']));
            assert_eq!(bare, None, "{}", path.display());
        }
    }
    assert!(guarded > 0, "no table has these values in its first column");
}
