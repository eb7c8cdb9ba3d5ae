//! What becomes of the event files of programs that resume, break off, move and link them.

use std::{fs, path::Path};

use gridboard::tfevents::EventWriter;

use crate::support::Project;

/// An event file with these steps and values of the tag `acc`.
fn events(project: &Project, name: &str, points: &[(i64, f32)]) {
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, Path::new("memory"), 1.0).expect("memory");
    for (at, (step, value)) in points.iter().enumerate() {
        writer.scalar("acc", *step, *value, 10.0 + at as f64).expect("memory");
    }
    writer.finish().expect("memory");
    fs::write(project.path(name), bytes).expect("write");
}

/// A project whose program is a shell script over the files of [`events`].
fn project(experiment: &str, script: &str) -> Project {
    let project = Project::with_spec(&format!(
        "experiment: {experiment}\nmodel: {{family: command, run: [sh, program.sh]}}\nrank: {{by: validation/acc}}\n"
    ));
    let head = "set -e\nD=$GRIDBOARD_RUN_DIR\nmkdir -p $D/validation\nF=$D/validation/events.out.tfevents\n";
    project.write("program.sh", &format!("{head}{script}\n"));
    project
}

fn steps(project: &Project) -> Vec<i64> {
    let rows = project.sql("select step from history where tag = 'validation/acc' order by step");
    rows.iter().filter_map(|row| row["step"].as_i64()).collect()
}

#[test]
fn a_restarted_curve_ranks_by_what_tensorboard_shows() {
    let project = Project::with_spec(
        "experiment: x\nmodel: {family: command, run: [sh, program.sh, '{way}']}\ngrid: {way: [phases, straight]}\n\
         rank: {by: validation/acc}\n",
    );
    project.write(
        "program.sh",
        "mkdir $GRIDBOARD_RUN_DIR/validation\ncp $1 $GRIDBOARD_RUN_DIR/validation/1.tfevents\n",
    );
    events(&project, "phases", &[(0, 0.9), (1, 0.9), (2, 0.9), (3, 0.9), (0, 0.5), (1, 0.5)]);
    events(&project, "straight", &[(0, 0.7), (1, 0.7), (2, 0.7), (3, 0.7)]);
    project.run(&["run", "spec.yaml"]).expect(0);
    let rows = project.sql("select run from leaderboard where rank is not null order by rank");
    assert_eq!((&rows[0]["run"], &rows[1]["run"]), (&"way-straight".into(), &"way-phases".into()));
    let rows = project.sql("select step, value from history where run = 'way-phases' order by step");
    assert_eq!(
        serde_json::json!(rows),
        serde_json::json!([{"step": 0, "value": 0.5}, {"step": 1, "value": 0.5}])
    );
}

#[test]
fn a_retry_that_resumes_keeps_its_curve_and_one_that_starts_anew_does_not() {
    let resumes = project(
        "resumes",
        "if test -e $D/ckpt; then cp second $F.2; exit 0; fi\ntouch $D/ckpt\ncp first $F.1\nexit 1",
    );
    let anew = project(
        "anew",
        "if test -e seen; then cp second $F.2; exit 0; fi\ntouch seen\ncp first $F.1\nexit 1",
    );
    for (project, second) in [(&resumes, [(3, 0.4), (4, 0.5)]), (&anew, [(0, 0.4), (1, 0.5)])] {
        events(project, "first", &[(0, 0.1), (1, 0.2), (2, 0.3)]);
        events(project, "second", &second);
        project.run(&["run", "spec.yaml"]).expect(3);
        project.run(&["run", "spec.yaml"]).expect(0);
    }
    assert_eq!(steps(&resumes), [0, 1, 2, 3, 4]);
    assert_eq!(steps(&anew), [0, 1]);
    let files = |project: &Project, experiment: &str| {
        fs::read_dir(project.path(&format!("runs/{experiment}/run/validation"))).expect("a folder").count()
    };
    assert_eq!((files(&resumes, "resumes"), files(&anew, "anew")), (2, 1));
}

#[test]
fn a_corrupt_file_is_kept_with_the_attempt_and_marks_the_run() {
    let project = project("x", "cp good $F.1\nhead -c 40 /dev/zero >> $F.1");
    events(&project, "good", &[(0, 0.5), (1, 0.75)]);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("warning: run: event file `"), "{}", ran.stderr);
    let rows = project.sql("select problem from runs union all select problem from attempts");
    for row in &rows {
        assert!(
            row["problem"].as_str().is_some_and(|problem| problem.contains("is corrupt at byte")),
            "{row}"
        );
    }
    assert_eq!(rows.len(), 2);
    for arguments in [&["top", "x"][..], &["runs"], &["show", "run"], &["report", "x"]] {
        let said = project.run(arguments).expect(0).stdout;
        let text = if arguments[0] == "report" { project.read("runs/x/report/report.html") } else { said };
        assert!(text.contains("is corrupt at byte") && text.contains('!'), "{arguments:?}: {text}");
    }
    let top = project.run(&["top", "x", "--format", "json"]).expect(0).json();
    assert_eq!(top[0]["rank"], 1);
    assert!(top[0]["problem"].is_string(), "{}", top[0]);
}

#[test]
fn a_linked_folder_is_followed_inside_and_told_outside() {
    let project = project(
        "x",
        "mkdir $D/logs && ln -s logs $D/inside && cp good $D/logs/1.tfevents && cp good $F.1 && ln -s $PWD/elsewhere $D/outside",
    );
    events(&project, "good", &[(0, 0.5)]);
    fs::create_dir(project.path("elsewhere")).expect("create");
    events(&project, "elsewhere/1.tfevents", &[(0, 0.5)]);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("outside` is a link out of the run's folder, to `"), "{}", ran.stderr);
    let tags = project.sql("select tag from history order by tag");
    assert_eq!(
        tags.iter().filter_map(|row| row["tag"].as_str()).collect::<Vec<_>>(),
        ["inside/acc", "logs/acc", "validation/acc"]
    );
}

#[test]
fn a_folder_that_moves_away_is_no_completed_run() {
    for (script, why) in [
        ("cp good $F.1\nmv $D $D-moved", "the run's folder was renamed or deleted while it trained"),
        ("cp good $F.1\nmv $D $D-moved\nmkdir $D", "the run's folder was replaced while it trained"),
    ] {
        let project = project("x", script);
        events(&project, "good", &[(0, 0.5)]);
        project.run(&["run", "spec.yaml"]).expect(3);
        assert_eq!(project.sql("select reason from runs")[0]["reason"], why);
    }
}

#[test]
fn a_trainers_own_session_file_stays() {
    let project = project("x", "cp good $F.1\ncp good $D/events.out.tfevents.0000000001.host.session");
    events(&project, "good", &[(0, 0.5)]);
    project.run(&["run", "spec.yaml"]).expect(0);
    assert!(project.path("runs/x/run/events.out.tfevents.0000000001.host.session").exists());
    assert_eq!(project.sql("select value from history where tag = 'acc'")[0]["value"], 0.5);
}
