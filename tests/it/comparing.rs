//! How sure results are, as a user asks: ranks with ties, grid points over seeds, two runs side by side.

use std::fmt::Write as _;

use serde_json::json;

use crate::support::{Project, trainer};

/// A trainer that copies the predictions made for it, if any, and logs an accuracy that belongs to them.
fn spec(experiment: &str, axes: &str) -> String {
    let script = trainer().replacen(", ", " ", 1);
    let copy =
        "cp \"answers-{right}-$GRIDBOARD_SEED.csv\" \"$GRIDBOARD_RUN_DIR/predictions.csv\" 2>/dev/null";
    format!(
        "
experiment: {experiment}
model:
  family: command
  run: [sh, -c, '{copy}; exec {script} 0.{{right}}']
{axes}
schedule: {{devices: 'cpu:2'}}
"
    )
}

/// Predictions of 100 images of which the first `right` are right.
fn answers(project: &Project, right: usize, seed: u64, folder: &str) {
    let mut text = "image,label,predicted,probability_0,probability_1\n".to_owned();
    for image in 0..100 {
        let label = usize::from(image % 3 == 0);
        let predicted = if image < right { label } else { 1 - label };
        let probabilities = if predicted == 0 { "0.75,0.25" } else { "0.25,0.75" };
        writeln!(text, "{folder}/image-{image:03}.png,{label},{predicted},{probabilities}")
            .expect("a string");
    }
    project.write(&format!("answers-{right}-{seed}.csv"), &text);
}

#[test]
fn ties_intervals_and_best_epochs_stand_beside_the_ranks() {
    let project = Project::with_spec(&spec("sure", "grid: {right: [90, 86, 75, 60, 50]}"));
    for right in [90, 86, 75] {
        answers(&project, right, 0, "a");
    }
    answers(&project, 60, 0, "b");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    for text in [
        "= marks runs that the test cannot tell from rank 1 (exact McNemar, p >= 0.05)",
        "? 1 run not tested against rank 1: no predictions are stored",
        "? 1 run not tested against rank 1: validated on other images",
        "95 % interval: Wilson, over 100 validation images",
        "selection bias: these images chose and scored the runs",
    ] {
        assert!(ran.stdout.contains(text), "{text} in\n{}", ran.stdout);
    }
    let top = project.run(&["top", "sure", "--format", "json"]).expect(0).json();
    // statsmodels: proportion_confint(90, 100, method="wilson"); mcnemar of 4 and of 15 discordant images.
    let near = |value: &serde_json::Value, wanted: f64| {
        assert!((value.as_f64().expect("a number") - wanted).abs() < 1e-9, "{value} is not {wanted}");
    };
    near(&top[0]["validation_accuracy_low"], 0.825_634_338_495);
    near(&top[0]["validation_accuracy_high"], 0.944_770_862_939);
    near(&top[1]["mcnemar_p"], 0.125);
    near(&top[2]["mcnemar_p"], 2.0 / 32_768.0);
    let words: Vec<_> = top.iter().map(|row| row["against_best"].clone()).collect();
    assert_eq!(
        json!(words),
        json!([
            "best",
            "not distinguishable",
            "distinguishable",
            "other images than rank 1",
            "no predictions"
        ])
    );
    assert_eq!(top[4]["validation_accuracy_low"], json!(null));
    assert_eq!(top[0]["best_epoch"], 1);
    // SQL, CSV and JSON are the same.
    let columns =
        "validation_accuracy_low, validation_accuracy_high, mcnemar_p, against_best, best_epoch, best_value";
    let view = project.sql(&format!("select {columns} from leaderboard order by rank"));
    for (view, top) in view.iter().zip(&top) {
        for column in columns.split(", ") {
            assert_eq!(view[column], top[column], "{column}");
        }
    }
    assert_eq!(
        project.run(&["top", "sure", "--format", "csv"]).expect(0).stdout,
        project.read("runs/sure/report/top_ten.csv")
    );
    for file in ["roc_curves.svg", "pr_curves.png"] {
        assert!(project.path(&format!("runs/sure/report/{file}")).exists(), "{file}");
    }
    let shown = project.run(&["show", "right-86"]).expect(0).stdout;
    assert!(
        shown.contains("86 of 100 images right, 95 % interval") && shown.contains("average precision"),
        "{shown}"
    );
    assert!(shown.contains("rank 2: not distinguishable from rank 1 (exact McNemar p = 0.125)"), "{shown}");
}

#[test]
fn two_runs_side_by_side() {
    let project = Project::with_spec(&spec("sure", "grid: {right: [90, 75, 60, 50]}"));
    for (right, folder) in [(90, "a"), (75, "a"), (60, "b")] {
        answers(&project, right, 0, folder);
    }
    project.run(&["run", "spec.yaml"]).expect(0);
    let ran = project
        .run(&["compare", "right-75", "right-90", "--disagreements", "--figure", "difference"])
        .expect(0);
    for text in [
        "right             75        90",
        "accuracy          0.7500    0.9000",
        "distinguishable: exact McNemar p = 6.1e-5 on 15 discordant images",
        "15 images that the two answer differently",
        "a/image-075.png",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&ran.stdout).contains(&squeezed(text)), "{text} in\n{}", ran.stdout);
    }
    assert!(project.read("difference.svg").starts_with("<svg") && project.path("difference.png").exists());

    let json = project.run(&["compare", "right-75", "right-90", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert_eq!(json["mcnemar"]["only_second"], 15);
    assert_eq!(json["parameters"], json!({"right": [75, 90]}));

    let other = project.run(&["compare", "right-90", "right-60"]).expect(1);
    assert!(
        other.stderr.contains("validated on other images: 0 in common, 100 of the first alone"),
        "{}",
        other.stderr
    );
    // What both have logged is compared where one has no predictions.
    let metrics = project.run(&["compare", "right-90", "right-50"]).expect(0);
    assert!(metrics.stdout.contains("metrics at the last step"), "{}", metrics.stdout);
    assert!(metrics.stdout.contains("no test without predictions"), "{}", metrics.stdout);
    let json = project.run(&["compare", "right-90", "right-50", "--format", "json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert_eq!(json["parameters"], json!({"right": [90, 50]}));
    assert!(json["metrics"].as_object().is_some_and(|metrics| !metrics.is_empty()), "{json}");
    let none = project.run(&["compare", "right-90", "right-50", "--disagreements"]).expect(1);
    assert!(none.stderr.contains("run `sure/right-50` has no predictions"), "{}", none.stderr);
    assert!(none.stderr.contains("hint: a command has predictions where"), "{}", none.stderr);
    let unknown = project.run(&["compare", "right-90", "right-91"]).expect(2);
    assert!(unknown.stderr.contains("no run `right-91`"), "{}", unknown.stderr);
    let figure = project.run(&["compare", "right-75", "right-90", "--figure", "x.pdf"]).expect(2);
    assert!(figure.stderr.contains("`x.pdf` is neither an SVG nor a PNG file"), "{}", figure.stderr);
}

#[test]
fn several_seeds_are_ranked_by_their_mean() {
    let project = Project::with_spec(&spec("seeds", "grid: {right: [90, 80]}\nseeds: [1, 2]"));
    answers(&project, 90, 1, "a");
    answers(&project, 80, 1, "a");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stdout.contains("2 grid points, mean over 2 seeds"), "{}", ran.stdout);
    let top = project.run(&["top", "--format", "json"]).expect(0).json();
    let shown: Vec<_> = top
        .iter()
        .map(|row| {
            json!([row["rank"], row["grid_point"], row["seeds"], row["validation_accuracy_deviation"]])
        })
        .collect();
    assert_eq!(json!(shown), json!([[1, "right-90", 2, 0.0], [2, "right-80", 2, 0.0]]));
    // One of the two seeds has predictions: 10 images apart.
    assert_eq!(top[1]["mcnemar_p"], json!(2.0 / 1024.0));
    let runs = project.run(&["top", "--runs", "--format", "json"]).expect(0).json();
    assert_eq!((runs.len(), runs[0]["run"].as_str()), (4, Some("right-90-seed-1")));
    let view = project.sql("select rank, grid_point, seeds, seeds_wanted, mcnemar_p from grid_points");
    assert_eq!(view.len(), 2);
    assert_eq!(view[1]["mcnemar_p"], top[1]["mcnemar_p"]);
    assert!(project.read("runs/seeds/report/top_ten.md").contains("grid point"));
    assert!(project.read("runs/seeds/report/top_ten_runs.csv").contains("right-90-seed-1"));
}

/// What a database of an older Gridboard lacks is taken from the files again.
#[test]
fn a_report_takes_predictions_that_the_database_lost() {
    let project = Project::with_spec(&spec("old", "grid: {right: [90, 86]}"));
    answers(&project, 90, 0, "a");
    answers(&project, 86, 0, "a");
    project.run(&["run", "spec.yaml"]).expect(0);
    let forget = "import sqlite3; db = sqlite3.connect('runs/gridboard.db'); \
                  db.execute('update _validation set hits = null, image_set = null'); \
                  db.execute('delete from _statistic'); db.commit()";
    let status = std::process::Command::new("python3")
        .args(["-c", forget])
        .current_dir(project.path(""))
        .status()
        .expect("start python3");
    assert!(status.success());
    let standing = |project: &Project| {
        project.run(&["top", "old", "--format", "json"]).expect(0).json()[1]["against_best"].clone()
    };
    assert_eq!(standing(&project), "no predictions");
    project.run(&["report", "old"]).expect(0);
    assert_eq!(standing(&project), "not distinguishable");
    // A file that is gone is said, and costs the report nothing.
    project.write("runs/old/right-86/predictions.csv", "image\n");
    let ran = project.run(&["report", "old"]).expect(0);
    assert!(
        ran.stderr.contains("warning: ") && ran.stderr.contains("right-86/predictions.csv"),
        "{}",
        ran.stderr
    );
    let nowhere = project.run(&["--runs-dir", "nowhere", "report", "old"]).expect(1);
    assert!(
        nowhere.stderr.contains("no runs database") && !project.path("nowhere").exists(),
        "{}",
        nowhere.stderr
    );
}
