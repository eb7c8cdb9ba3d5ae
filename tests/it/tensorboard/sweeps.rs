//! Whole sweeps as TensorBoard shows them, with both of its loaders: the sweep's own run, HParams, and that nothing differs
//! from the database.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::TensorBoard;
use crate::support::Project;

/// TensorBoard's default loader and that in Python.
pub(crate) const LOADERS: [bool; 2] = [true, false];

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
        // Named by what differs alone, with the ranks of the grid points.
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["x-5", "x-7"]);
        assert_eq!(metric(&groups["x-7"], "", "rank"), Some(1.0));
        assert_eq!(metric(&groups["x-5"], "", "rank"), Some(2.0));
        let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({"experimentName": ""}));
        assert_eq!(experiment["hparamInfos"][0]["domainDiscrete"], json!([5.0, 7.0]), "{experiment}");

        let table = text(&board, "leaderboard");
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
        assert_band(&board, [0.73, 0.71, 0.76]);
        let whole = board.get_json(
            "/data/plugin/custom_scalars/scalars",
            &[("run", "x-5-seed-1/validation"), ("tag", "^epoch_accuracy$")],
        );
        assert_eq!(whole["tag_to_events"]["epoch_accuracy"].as_array().map(Vec::len), Some(4), "{whole}");
    }
    // A second sweep has one file again, and other bands where there are more seeds.
    project.run(&["run", "spec.yaml", "--set", "seeds=[1, 2, 6, 8]"]).expect(0);
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/seeded"), fast);
        board.wait_for("the seed that was added", |board| {
            let groups = session_groups(board, &["STATUS_SUCCESS"]);
            (groups["x-7"]["sessions"].as_array().map(Vec::len) == Some(4)).then_some(())
        });
        assert_band(&board, [0.7425, 0.71, 0.78]);
    }
    let boards = std::fs::read_dir(project.path("runs/seeded")).expect("the folder");
    let boards = boards.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("tfevents"));
    assert_eq!(boards.count(), 1);
}

/// The band of `x-7` has four steps and ends at these: mean, low and high.
#[track_caller]
fn assert_band(board: &TensorBoard, ends: [f64; 3]) {
    for (end, value) in ["mean", "low", "high"].iter().zip(ends) {
        let tag = format!("seeds/validation/epoch_accuracy/{end}");
        let points = board.get_json("/data/plugin/scalars/scalars", &[("run", "x-7-seed-1"), ("tag", &tag)]);
        let points = points.as_array().expect("points");
        assert_eq!(points.len(), 4, "{tag}: {points:?}");
        let last = points[3][2].as_f64().expect("a value");
        assert!((last - value).abs() < 1e-6, "{tag}: {last}");
    }
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
    // One that has seen the first attempts, and those that look afterwards. The loader in Python looks no further in a folder
    // whose file is gone.
    let mut boards = vec![TensorBoard::start(&project.path("runs/again"))];
    project.run(&["run", "spec.yaml"]).expect(3);
    boards.extend(LOADERS.map(|fast| TensorBoard::start_as(&project.path("runs/again"), fast)));
    for mut board in boards {
        let statuses = board.wait_for("three ends", |board| {
            let completed = session_groups(board, &["STATUS_SUCCESS"]);
            let failed = session_groups(board, &["STATUS_FAILURE"]);
            (completed.len() + failed.len() == 3).then_some((completed, failed))
        });
        assert_eq!(statuses.0.keys().collect::<Vec<_>>(), ["needs-1", "needs-2"]);
        assert_eq!(statuses.1.keys().collect::<Vec<_>>(), ["needs-9"]);
    }
}

/// A program that logs as PyTorch's and Keras' users do, by its argument: all into one file with slashes in its tags, or into
/// folders.
const STYLES: &str = "import os, sys
sys.path.insert(0, 'TESTS')
from trainer import Writer
style, folder = sys.argv[1], os.environ['GRIDBOARD_RUN_DIR']
if style == 'torch':
    writer = Writer(folder)
    for step in range(3):
        writer.scalar('Loss/val', step, 1 - step / 4)
        writer.scalar('Loss/train', step, 1 - step / 5)
else:
    train, val, loss = [Writer(folder + name) for name in ('/train', '/validation', '/Loss')]
    for step in range(3):
        train.scalar('epoch_loss', step, 1 - step / 5)
        val.scalar('epoch_loss', step, 1 - step / 4)
        loss.scalar('val', step, 1 - step / 4)
";

#[test]
fn programs_of_different_habits_have_columns_where_they_write() {
    let project = Project::with_spec(
        "
experiment: styles
model: {family: command, run: [python3, styles.py, '{style}']}
grid: {style: [torch, keras], rate: [null, 0.5]}
rank: {by: Loss/val}
schedule: {devices: 'cpu:2'}
",
    );
    project.write("styles.py", &STYLES.replace("TESTS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")));
    project.run(&["run", "spec.yaml"]).expect(0);
    let sql = project.sql("select run, \"Loss/val\" as loss, rank from styles");
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/styles"), fast);
        let groups = board.wait_for("four rows with ranks", |board| {
            let groups = session_groups(board, &["STATUS_SUCCESS"]);
            let ranked = groups.values().filter(|group| metric(group, "", "rank").is_some()).count();
            (ranked == 4).then_some(groups)
        });
        for row in &sql {
            let name = row["run"].as_str().expect("a name");
            let group = &groups[name];
            let shown = metric(group, "", "Loss/val").or_else(|| metric(group, "Loss", "val"));
            assert_eq!(shown, row["loss"].as_f64(), "{name}");
            assert_eq!(metric(group, "", "rank"), row["rank"].as_f64(), "{name}");
            let hparams = group["hparams"].as_object().expect("hparams");
            // Of one type: a number beside a null is a text as well.
            assert!(hparams["rate"].is_string() && hparams["style"].is_string(), "{group}");
        }
        let plugins = board.get_json("/data/plugins_listing", &[]);
        for plugin in ["scalars", "hparams", "text", "custom_scalars"] {
            assert_eq!(plugins[plugin]["enabled"], true, "{plugin}: {plugins}");
        }
    }
}

#[test]
fn a_live_sweep_shows_its_table_before_it_ends() {
    let project = Project::with_spec(
        "
experiment: live
model: {family: command, run: [sh, -c, 'python3 TRAINER 0.{x}; test {x} = 1 || until test -e GO; do :; done']}
grid: {x: [1, 2]}
schedule: {devices: 'cpu:1'}
",
    );
    let (trainer, go) = (concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/trainer.py"), project.path("go"));
    let spec = project.read("spec.yaml").replace("TRAINER", trainer).replace("GO", &go.to_string_lossy());
    project.write("spec.yaml", &spec);
    std::fs::create_dir_all(project.path("runs/live")).expect("the folder");
    let mut boards = LOADERS.map(|fast| TensorBoard::start_as(&project.path("runs/live"), fast));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    for board in &mut boards {
        board.wait_for("the first run in the table", |board| {
            text(board, "leaderboard").contains("x-1").then_some(())
        });
        let groups = session_groups(board, &["STATUS_SUCCESS"]);
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["x-1"]);
    }
    assert!(sweep.try_wait().expect("its state").is_none(), "it goes on");
    std::fs::write(&go, "").expect("let it end");
    assert!(sweep.wait().expect("its end").success(), "{}", project.read("err.log"));
    for board in &mut boards {
        board.wait_for("both rows", |board| {
            let groups = session_groups(board, &["STATUS_SUCCESS"]);
            (groups.values().filter(|group| metric(group, "", "rank").is_some()).count() == 2).then_some(())
        });
        board.wait_for("both in the table", |board| text(board, "leaderboard").contains("x-2").then_some(()));
    }
}

#[test]
#[ignore = "takes minutes"]
fn five_hundred_runs_are_all_there_and_equal_to_the_database() {
    let values: Vec<String> = (100..600).map(|value| value.to_string()).collect();
    let spec = format!(
        "experiment: many\nmodel: {{family: command, run: [{}, '0.{{x}}']}}\ngrid: {{x: [{}]}}\n\
         schedule: {{devices: 'cpu:4'}}\n",
        crate::support::trainer(),
        values.join(", ")
    );
    let project = Project::with_spec(&spec);
    project.run(&["run", "spec.yaml", "--quiet"]).expect(0);
    let rows = project.sql("select run, validation_accuracy, rank from many");
    assert_eq!(rows.len(), 500);
    for fast in LOADERS {
        let mut board = TensorBoard::start_as(&project.path("runs/many"), fast);
        let groups = board.wait_for("all rows with their ranks", |board| {
            let groups = session_groups(board, &["STATUS_SUCCESS"]);
            let whole = groups.values().filter(|group| {
                metric(group, "", "rank").is_some() && metric(group, "validation", "epoch_accuracy").is_some()
            });
            (whole.count() == 500).then_some(groups)
        });
        for row in &rows {
            let group = &groups[row["run"].as_str().expect("a name")];
            assert_eq!(metric(group, "", "rank"), row["rank"].as_f64());
            let accuracy = metric(group, "validation", "epoch_accuracy");
            assert_eq!(accuracy, row["validation_accuracy"].as_f64());
        }
    }
}
