//! Programs of the user's own whose metrics have names of their own: ranked the right way round, found where they are, and
//! shown in tables, figures and TensorBoard.

use serde_json::{Value, json};

use crate::{support::Project, tensorboard::TensorBoard};

/// A program of one writer, or of one for each sub-run: `own.py LAYOUT QUALITY TAG...`, each tag at .1 where the quality is
/// good and at .9 where it is bad.
const PROGRAM: &str = r#"
import os, sys
sys.path.insert(0, "TESTS")
from trainer import Writer
layout, quality, tags = sys.argv[1], sys.argv[2], sys.argv[3:]
folder = os.environ["GRIDBOARD_RUN_DIR"]
writers = {}
for tag in tags:
    tag = tag.replace("RUN", os.environ["GRIDBOARD_RUN"].split("-")[1])
    group, _, name = tag.rpartition("/") if layout == "many" else ("", "", tag)
    writer = writers.get(group) or writers.setdefault(group, Writer(os.path.join(folder, group)))
    for step in range(3):
        writer.scalar(name, step, (.1 if quality == "good" else .9) + .3 - .1 * step)
"#;

fn project(rest: &str) -> Project {
    let project = Project::with_spec(rest);
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    project.write("own.py", &PROGRAM.replace("TESTS", tests));
    project
}

/// A sweep over good and bad runs of a program that writes these tags.
fn spec(layout: &str, tags: &str, rank: &str) -> String {
    format!(
        "experiment: own\nmodel: {{family: command, run: [python3, own.py, {layout}, \"{{quality}}\", {tags}]}}\n\
         grid: {{quality: [good, bad]}}\nrank: {rank}\nschedule: {{devices: 'cpu:2'}}\n"
    )
}

fn best(project: &Project) -> Value {
    project.sql("select run from leaderboard where rank = 1")[0]["run"].clone()
}

#[test]
fn a_loss_by_any_name_ranks_the_lowest_first_and_the_report_follows() {
    let project = project(&spec("one", "Loss/val, Loss/train", "{by: Loss/val}"));
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(best(&project), "quality-good");
    assert!(
        ran.stdout.contains("ranked by Loss/val at the last epoch (lower is better), then name"),
        "{}",
        ran.stdout
    );
    for absent in ["val. acc.", "train acc.", "images", "not tested"] {
        assert!(!ran.stdout.contains(absent), "{absent} in\n{}", ran.stdout);
    }
    let report = project.read("runs/own/report/report.html");
    assert!(report.contains("Loss/val by step") && report.contains("Loss/train by step"));
    assert!(!report.contains("images"), "there are none");
    for file in ["metric_curves_1.svg", "metric_curves_2.png"] {
        assert!(project.path(&format!("runs/own/report/{file}")).exists(), "{file}");
    }
    let top = project.run(&["top", "--format", "json"]).expect(0).json();
    let table: Vec<Value> = top.iter().map(|row| row["Loss/val"].clone()).collect();
    let sql: Vec<Value> = project
        .sql("select \"Loss/val\" as loss from own order by rank")
        .iter()
        .map(|row| row["loss"].clone())
        .collect();
    assert_eq!(table, sql);
    assert!(top[0]["Loss/train"].is_f64(), "{}", top[0]);
}

#[test]
fn a_goal_that_nothing_tells_is_asked_for_and_then_kept() {
    let project = project(&spec("one", "val/quantity", "{by: val/quantity}"));
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(
        ran.stderr.contains("line 4, column 12: `rank.by`: nothing in `val/quantity` tells")
            && ran.stderr.contains("goal: minimize"),
        "{}",
        ran.stderr
    );
    assert!(!project.path("runs/own").exists());
    project.run(&["plan", "spec.yaml"]).expect(2);
    project.run(&["run", "spec.yaml", "--set", "rank.goal=minimize"]).expect(0);
    assert_eq!(best(&project), "quality-good");
    // The experiment has run: it keeps its goal, and may be given another one.
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(best(&project), "quality-good");
    let mistyped = project.run(&["run", "spec.yaml", "--set", "rank.by=val/quantty"]).expect(2);
    assert!(mistyped.stderr.contains("did you mean `val/quantity`?"), "{}", mistyped.stderr);
    project.run(&["run", "spec.yaml", "--set", "rank.goal=maximize"]).expect(0);
    assert_eq!(best(&project), "quality-bad");
}

#[test]
fn a_metric_below_a_folder_of_its_run_is_found_and_several_are_named() {
    let project = project(&spec("many", "2026-RUN/eval/loss, 2026-RUN/train/loss", "{by: eval/loss}"));
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(best(&project), "quality-good");
    let csv = project.read("runs/own/report/leaderboard.csv");
    assert!(csv.lines().next().expect("a header").contains("eval/loss"), "{csv}");
    assert!(project.read("runs/own/report/metric_curves_1.svg").contains("eval/loss"));

    let several = self::project(&spec("many", "a1/loss, b2/loss", "{by: loss}"));
    let ran = several.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stdout.contains("a1/loss, b2/loss; name one of them"), "{}", ran.stdout);
    several.run(&["run", "spec.yaml", "--set", "rank.by=b*/loss"]).expect(0);
    assert_eq!(best(&several), "quality-good");
}

#[test]
fn tags_that_were_written_are_named_wherever_a_run_does_not_rank() {
    let project = project(&spec("many", "validation/val_loss", "{by: val_loss}"));
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    let shown = project.run(&["show", "quality-good"]).expect(0);
    let top = project.run(&["top"]).expect(0);
    for text in [ran.stdout, shown.stdout, top.stdout] {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("did you mean validation/val_loss?"), "{text}");
    }
}

#[test]
fn tensorboard_shows_the_metrics_of_one_writer_and_of_many() {
    for layout in ["one", "many"] {
        let project = project(&spec(layout, "Loss/val, Accuracy/val", "{by: Loss/val}"));
        project.run(&["run", "spec.yaml"]).expect(0);
        let mut board = TensorBoard::start(&project.path("runs/own"));
        let request = json!({
            "experimentName": "", "colParams": [], "startIndex": 0, "sliceSize": 10,
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        });
        let groups = board.wait_for("both runs with their metrics", |board| {
            let answer = board.post_json("/data/plugin/hparams/session_groups", &request);
            let groups = answer["sessionGroups"].as_array()?.clone();
            let has_all =
                |group: &Value| group["metricValues"].as_array().is_some_and(|values| values.len() == 3);
            (groups.len() == 2 && groups.iter().all(has_all)).then_some(groups)
        });
        assert_eq!(groups.len(), 2);
        let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({"experimentName": ""}));
        let columns = experiment["metricInfos"].as_array().expect("columns").len();
        assert_eq!(columns, 3, "the rank and both, no column is empty: {experiment}");
    }
}
