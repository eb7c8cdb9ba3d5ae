//! What a user changes from day to day: a spec that was wrong, grids that grow, runs that are not wanted any more.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Project, Ran, wait_until};

const SPEC: &str =
    "experiment: mine\nmodel: {family: command, run: [{trainer}, \"{acc}\"]}\ngrid: {acc: [0.5, 0.6]}\n";

/// Run, state and start of every run, in the order of the grid.
fn runs(project: &Project) -> Vec<(String, String, Value)> {
    let rows = project.sql("select run, state, started from runs order by experiment, position");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rows.iter().map(|row| (text(&row["run"]), text(&row["state"]), row["started"].clone())).collect()
}

fn names(project: &Project) -> Vec<String> {
    runs(project).into_iter().map(|(name, ..)| name).collect()
}

fn folders(project: &Project) -> Vec<String> {
    let entries = fs::read_dir(project.path("runs/mine")).expect("the experiment's folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .filter(|name| name.starts_with("acc") || name.starts_with("lr") || name.starts_with('x'))
        .collect();
    names.sort();
    names
}

fn respec(project: &Project, from: &str, to: &str) {
    let spec = project.read("spec.yaml");
    assert!(spec.contains(from), "{from} is not in {spec}");
    project.write("spec.yaml", &spec.replace(from, to));
}

fn run(project: &Project, more: &[&str]) -> Ran {
    project.run(&[&["run", "spec.yaml"], more].concat())
}

#[test]
fn a_command_that_failed_everywhere_is_corrected_under_the_same_name() {
    let project = Project::with_spec(&SPEC.replace("\"{acc}\"]", "\"x{acc}\"]"));
    run(&project, &[]).expect(3);
    fs::write(project.path("runs/mine/acc-0.5/checkpoint.bin"), "of the wrong command").expect("a file");
    respec(&project, "\"x{acc}\"", "\"{acc}\"");
    let ran = run(&project, &[]).expect(0);
    assert!(ran.stderr.contains("mine: 2 runs of an earlier spec removed"), "{}", ran.stderr);
    assert!(!project.path("runs/mine/acc-0.5/checkpoint.bin").exists());
    assert_eq!(
        project.sql("select run, attempts from runs order by run")[0],
        json!({"run": "acc-0.5", "attempts": 1})
    );
    // Now that there are results, nothing is lost without a word.
    respec(&project, "\"{acc}\"", "\"{acc}\", \"3\"");
    let refused = run(&project, &[]).expect(2);
    assert!(
        refused.stderr.contains("the spec of `mine` has changed since it ran:\n  model.run: "),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("--replace deletes 2 runs that the new spec has not (2 completed)"),
        "{}",
        refused.stderr
    );
}

#[test]
fn values_and_axes_grow_and_keep_what_was_trained() {
    let project = Project::with_spec(SPEC);
    run(&project, &[]).expect(0);
    let before = runs(&project);
    respec(&project, "[0.5, 0.6]", "[0.7, 0.6, 0.5]");
    let ran = run(&project, &[]).expect(0);
    assert!(ran.stderr.contains("3 runs, 2 completed, 1 to train"), "{}", ran.stderr);
    let after = runs(&project);
    assert_eq!(names(&project), ["acc-0.7", "acc-0.6", "acc-0.5"]);
    assert_eq!((&after[1], &after[2]), (&before[1], &before[0]));
    // What was fixed is swept: the runs of the fixed value stay, under the names of their folders.
    let project = Project::with_spec(&SPEC.replace("grid:", "train: {x: 1}\ngrid:"));
    run(&project, &[]).expect(0);
    respec(&project, "train: {x: 1}\ngrid: {", "grid: {x: [2, 1], ");
    let ran = run(&project, &[]).expect(0);
    assert!(ran.stderr.contains("4 runs, 2 completed, 2 to train"), "{}", ran.stderr);
    assert_eq!(names(&project), ["x-2-acc-0.5", "x-2-acc-0.6", "acc-0.5", "acc-0.6"]);
    assert_eq!(project.sql("select x from mine where run = 'acc-0.5'"), [json!({"x": 1})]);
    run(&project, &[]).expect(0);
}

#[test]
fn names_stay_unique_where_a_new_value_reads_like_an_old_one() {
    let spec = SPEC.replace("\"{acc}\"]", "\"0.5\", \"--x={x}\"]").replace("acc: [0.5, 0.6]", "x: [a b]");
    let project = Project::with_spec(&spec.replace(", \"--x={x}\"", ""));
    run(&project, &[]).expect(0);
    assert_eq!(names(&project), ["x-a_b"]);
    respec(&project, "[a b]", "[a_b, a b]");
    run(&project, &[]).expect(0);
    let names = names(&project);
    assert_eq!(names[1], "x-a_b");
    assert!(
        names[0].starts_with("x-a_b-") && project.path(&format!("runs/mine/{}", names[0])).is_dir(),
        "{names:?}"
    );
}

#[test]
fn replace_deletes_what_the_new_spec_has_not_and_keeps_the_rest() {
    let project = Project::with_spec(SPEC);
    run(&project, &[]).expect(0);
    let kept = runs(&project)[1].clone();
    respec(&project, "[0.5, 0.6]", "[0.6, 0.7]");
    let refused = run(&project, &[]).expect(2);
    assert!(refused.stderr.contains("grid.acc: [0.5, 0.6] -> [0.6, 0.7]"), "{}", refused.stderr);
    let alone = run(&project, &["--replace"]).expect(2);
    assert!(alone.stderr.contains("1 run of the earlier spec of `mine` (1 completed)"), "{}", alone.stderr);
    assert!(alone.stderr.contains("--yes"), "{}", alone.stderr);
    assert_eq!(names(&project), ["acc-0.5", "acc-0.6"]);
    run(&project, &["--replace", "--yes"]).expect(0);
    assert_eq!(runs(&project)[0], kept);
    assert_eq!(
        (names(&project), folders(&project)),
        (vec!["acc-0.6".into(), "acc-0.7".into()], vec!["acc-0.6".into(), "acc-0.7".into()])
    );
    assert_eq!(project.sql("select count(*) as n from history where run = 'acc-0.5'"), [json!({"n": 0})]);
}

#[test]
fn a_removal_that_was_cut_off_is_gone_on_with() {
    let project = Project::with_spec(SPEC);
    run(&project, &[]).expect(0);
    let bare = project.run(&["delete", "acc-0.5", "--yes"]).expect(2);
    assert!(bare.stderr.contains("hint: gridboard delete mine/acc-0.5"), "{}", bare.stderr);
    project.run(&["delete", "mine/acc-0.5", "--yes"]).expect(0);
    // As if the deletion had been killed between the rows and the files.
    fs::create_dir_all(project.path("runs/mine/acc-0.5/train")).expect("a folder");
    project.write("runs/mine/acc-0.5/stale", "x");
    project.write("runs/mine/.removal", "acc-0.5\nacc-0.6");
    project.run(&["delete", "mine/acc-0.5", "--yes"]).expect(0);
    assert!(!project.path("runs/mine/acc-0.5").exists() && !project.path("runs/mine/.removal").exists());
    assert!(project.path("runs/mine/acc-0.6/run.json").exists(), "it is in the database");
    project.write("runs/mine/acc-0.5/stale", "x");
    project.write("runs/mine/.removal", "acc-0.5\nacc-0.6");
    let ran = run(&project, &[]).expect(0);
    assert!(ran.stderr.contains("2 runs, 1 completed, 1 to train"), "{}", ran.stderr);
    assert!(!project.path("runs/mine/acc-0.5/stale").exists());
    // The rows of a whole experiment are gone, the folder is not.
    fs::remove_file(project.path("runs/gridboard.db")).expect("the database");
    run(&project, &[]).expect(2);
    project.run(&["delete", "mine", "--yes"]).expect(0);
    assert!(!project.path("runs/mine").exists());
    project.run(&["delete", "mine", "--yes"]).expect(2);
}

#[test]
fn an_experiment_is_deleted_with_rows_files_and_view_but_not_while_it_runs() {
    let project = Project::with_spec(&SPEC.replace("experiment: mine", "experiment: mine\nseeds: [0, 1]"));
    run(&project, &[]).expect(0);
    run(&project, &["--set", "experiment=other"]).expect(0);
    let ran = project.run(&["delete", "mine", "--yes", "--format", "json"]).expect(0);
    let said: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(
        (&said["experiment"], &said["runs"], &said["completed"]),
        (&json!("mine"), &json!(4), &json!(4))
    );
    assert!(said["bytes"].as_u64().is_some_and(|bytes| bytes > 10_000), "{said}");
    assert!(!project.path("runs/mine").exists());
    project.run(&["sql", "select * from mine"]).expect(1);
    assert_eq!(names(&project).len(), 4);
    let waits = "experiment: slow\nmodel: {family: command, run: [sleep, \"100\"]}\n";
    project.write("slow.yaml", waits);
    let mut child = project.start(&["run", "slow.yaml"]);
    wait_until("the run is alive", || {
        project.path("runs/gridboard.db").exists()
            && project
                .run(&["sql", "select run from runs where state = 'running'", "--format", "csv"])
                .stdout
                .contains("run\n")
            && project
                .run(&["sql", "select count(*) from runs where state = 'running'", "--format", "csv"])
                .stdout
                .contains("\n1")
    });
    let refused = project.run(&["delete", "slow", "--yes"]).expect(1);
    assert!(refused.stderr.contains("`slow` is being run by another process"), "{}", refused.stderr);
    crate::support::signal(&child, nix::sys::signal::Signal::SIGINT);
    assert_eq!(child.wait().expect("its end").code(), Some(130));
    project.run(&["delete", "slow", "--yes"]).expect(0);
}

#[test]
fn a_project_that_moves_goes_on_and_other_images_are_told() {
    let project = Project::new();
    let spec = "experiment: mine\ndataset: {images: img, classes: [a, b], image_size: 8}\n\
                model: {family: command, cwd: code, run: [sh, -c, \"pwd > \\\"$GRIDBOARD_RUN_DIR/where\\\"\"]}\n";
    let image = |path: &str, gray: u8| {
        let path = project.path(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        image::GrayImage::from_pixel(8, 8, image::Luma([gray])).save(path).expect("an image");
    };
    project.write("one/spec.yaml", spec);
    project.write("one/code/readme", "");
    for (place, class) in ["a", "b"].into_iter().enumerate() {
        for n in 0..4_u8 {
            image(&format!("one/img/{class}/{n}.png"), n * 20 + u8::try_from(place).expect("small") * 9);
        }
    }
    project.run(&["run", "one/spec.yaml"]).expect(0);
    assert!(project.read("runs/mine/run/where").trim().ends_with("/one/code"));
    fs::rename(project.path("one"), project.path("two")).expect("move the project");
    let ran = project.run(&["run", "two/spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("1 run, 1 completed, 0 to train"), "{}", ran.stderr);
    image("two/img/a/0.png", 77);
    let refused = project.run(&["run", "two/spec.yaml"]).expect(2);
    assert!(refused.stderr.contains("the images of `mine` have changed since it ran"), "{}", refused.stderr);
    let ran = project.run(&["run", "two/spec.yaml", "--replace", "--yes"]).expect(0);
    assert!(ran.stderr.contains("1 run, 0 completed, 1 to train"), "{}", ran.stderr);
}
