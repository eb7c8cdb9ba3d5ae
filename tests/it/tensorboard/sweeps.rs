//! Whole sweeps as TensorBoard shows them, with both of its loaders: the sweep's own run, HParams, and that nothing differs
//! from the database.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::TensorBoard;
use crate::support::Project;

/// TensorBoard's default loader and that in Python.
const LOADERS: [bool; 2] = [true, false];

/// Rows of the HParams table, by name.
pub(crate) fn session_groups(board: &TensorBoard, statuses: &[&str]) -> BTreeMap<String, Value> {
    let request = json!({
        "experimentName": "", "allowedStatuses": statuses, "colParams": [], "startIndex": 0, "sliceSize": 10_000,
    });
    let answer = board.post_json("/data/plugin/hparams/session_groups", &request);
    let groups = answer["sessionGroups"].as_array().cloned().unwrap_or_default();
    groups.into_iter().map(|group| (group["name"].as_str().unwrap_or_default().to_owned(), group)).collect()
}

/// A metric of a row.
pub(crate) fn metric(group: &Value, folder: &str, tag: &str) -> Option<f64> {
    let values = group["metricValues"].as_array()?;
    let found = values.iter().find(|value| value["name"] == json!({"group": folder, "tag": tag}))?;
    found["value"].as_f64()
}

/// The last text of a tag of the sweep's own run.
fn text(board: &TensorBoard, tag: &str) -> String {
    let texts = board.get_json("/data/plugin/text/text", &[("run", "."), ("tag", tag)]);
    let last = texts.as_array().and_then(|texts| texts.last()).cloned().unwrap_or_default();
    last["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_sweep_has_a_run_of_its_own_with_table_spec_and_bands() {
    let project = Project::with_spec(
        "
experiment: seeded
model: {family: command, run: [{trainer}, '0.{x}{seed}', '4']}
grid: {x: [5, 7]}
seeds: [1, 2, 6]
schedule: {devices: 'cpu:2'}
",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/seeded"), fast);
        let groups = board.wait_for("two rows that have ranks", |board| {
            let groups = session_groups(board, &["STATUS_SUCCESS"]);
            let ranked = groups.values().filter(|group| metric(group, "", "rank").is_some()).count();
            (ranked == 2).then_some(groups)
        });
        // Named by what differs alone; ranks 1 to 3, and 4 to 6, are averaged.
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["x-5", "x-7"]);
        assert_eq!(metric(&groups["x-7"], "", "rank"), Some(2.0));
        assert_eq!(metric(&groups["x-5"], "", "rank"), Some(5.0));
        let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({"experimentName": ""}));
        assert_eq!(experiment["hparamInfos"][0]["domainDiscrete"], json!([5.0, 7.0]), "{experiment}");

        let table = text(&board, "top_ten");
        assert!(table.contains("<table>") && table.contains("x-7"), "{table}");
        assert!(text(&board, "spec").contains("experiment: seeded"));
        assert!(text(&board, "provenance").contains("Gridboard"));

        let layout = board.get_json("/data/plugin/custom_scalars/layout", &[]);
        let titles: Vec<&str> = layout["category"]
            .as_array()
            .expect("categories")
            .iter()
            .filter_map(|category| category["title"].as_str())
            .collect();
        assert!(titles.contains(&"the whole grid"), "{layout}");
        let band = "validation/epoch_accuracy: mean over the seeds, lowest to highest";
        assert!(titles.contains(&band), "{layout}");
        for (end, value) in [("mean", 0.73), ("low", 0.71), ("high", 0.76)] {
            let tag = format!("seeds/validation/epoch_accuracy/x-7/{end}");
            let points = board.get_json("/data/plugin/scalars/scalars", &[("run", "."), ("tag", &tag)]);
            let points = points.as_array().expect("points");
            assert_eq!(points.len(), 4);
            let last = points[3][2].as_f64().expect("a value");
            assert!((last - value).abs() < 1e-6, "{tag}: {last}");
        }
        let whole = board.get_json(
            "/data/plugin/custom_scalars/scalars",
            &[("run", "x-5-seed-1/validation"), ("tag", "^epoch_accuracy$")],
        );
        assert_eq!(whole["tag_to_events"]["epoch_accuracy"].as_array().map(Vec::len), Some(4), "{whole}");
    }
    // A second sweep has one file again, and adds seeds to the rows.
    project.run(&["run", "spec.yaml"]).expect(0);
    let boards = std::fs::read_dir(project.path("runs/seeded")).expect("the folder");
    let boards = boards.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("tfevents"));
    assert_eq!(boards.count(), 1);
}

#[test]
fn a_run_that_is_tried_again_has_the_status_of_its_last_attempt() {
    let project = Project::with_spec(
        "
experiment: again
model: {family: command, run: [sh, -c, 'test $GRIDBOARD_ATTEMPT -ge {needs} || exit 75; exec python3 TRAINER .5']}
grid: {needs: [1, 2, 9]}
retry: {attempts: 3}
schedule: {devices: 'cpu:2'}
",
    );
    let trainer = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py");
    project.write("spec.yaml", &project.read("spec.yaml").replace("TRAINER", trainer));
    std::fs::create_dir_all(project.path("runs/again")).expect("the folder");
    let mut boards = LOADERS.map(|fast| TensorBoard::start_as(&project.path("runs/again"), fast));
    project.run(&["run", "spec.yaml"]).expect(3);
    for board in &mut boards {
        let statuses = board.wait_for("three ends", |board| {
            let completed = session_groups(board, &["STATUS_SUCCESS"]);
            let failed = session_groups(board, &["STATUS_FAILURE"]);
            (completed.len() + failed.len() == 3).then_some((completed, failed))
        });
        assert_eq!(statuses.0.keys().collect::<Vec<_>>(), ["needs-1", "needs-2"], "while it looked on");
        assert_eq!(statuses.1.keys().collect::<Vec<_>>(), ["needs-9"]);
    }
}
