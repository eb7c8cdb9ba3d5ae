//! What `tfevents` writes, as TensorBoard shows it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use gridboard::{
    spec::Value,
    tfevents::{
        EventWriter,
        hparams::{HParamInfo, MetricInfo, Status, write_experiment_record, write_session},
    },
};
use serde_json::{Value as Json, json};

use super::TensorBoard;

/// Name, width, and how and when it ended.
type Run = (&'static str, i64, Option<(Status, f64)>);

const RUNS: [Run; 3] = [
    ("1-conv-32-nodes-0-dense", 32, Some((Status::Success, 1060.5))),
    ("1-conv-64-nodes-0-dense", 64, Some((Status::Failure, 1030.0))),
    ("1-conv-128-nodes-0-dense", 128, None),
];
const EPOCHS: i64 = 4;

/// Values that no shorter float stands for, so that a rounding on the way would show.
#[expect(clippy::cast_precision_loss, reason = "both are small")]
fn accuracy(width: i64, epoch: i64) -> f32 {
    1.0 / 3.0 + width as f32 / 700.0 + epoch as f32 * 0.1
}

fn hparams(width: i64) -> Vec<(String, Value)> {
    vec![
        ("layer_size".to_owned(), Value::Int(width)),
        ("optimizer".to_owned(), Value::Text("adam".to_owned())),
        ("augment".to_owned(), Value::Bool(false)),
    ]
}

/// A confusion matrix in gray.
fn png() -> Vec<u8> {
    let mut png = io::Cursor::new(Vec::new());
    let image =
        image::GrayImage::from_fn(30, 20, |x, y| image::Luma([u8::try_from(x * y % 256).unwrap_or(0)]));
    image.write_to(&mut png, image::ImageFormat::Png).expect("a PNG in memory");
    png.into_inner()
}

fn write_experiment(logdir: &Path) {
    let widths: Vec<_> = RUNS.iter().map(|run| Value::Int(run.1)).collect();
    let infos = [
        HParamInfo::new("layer_size", &widths),
        HParamInfo::new("optimizer", &[Value::Text("adam".to_owned())]),
        HParamInfo::new("augment", &[Value::Bool(false)]),
    ];
    let metrics = [
        MetricInfo::new("validation/epoch_accuracy", "accuracy (validation)"),
        MetricInfo::new("train/epoch_loss", "loss (train)"),
    ];
    write_experiment_record(logdir, &infos, &metrics, "tab3", "the paper's grid", 999.0).unwrap();
    let mut page = EventWriter::create_at(logdir, 999.0).unwrap();
    page.text("top_ten", 0, 999.0, "| rank | run |\n|---|---|\n| 1 | 3-conv |").unwrap();
    page.finish().unwrap();
    for (name, width, end) in RUNS {
        let dir = logdir.join(name);
        write_session(&dir, &hparams(width), "", 1000.25, None).unwrap();
        let mut train = EventWriter::create_at(&dir.join("train"), 1001.0).unwrap();
        let mut validation = EventWriter::create_at(&dir.join("validation"), 1001.0).unwrap();
        for epoch in 0..EPOCHS {
            let time = 1002.5;
            train.scalar("epoch_loss", epoch, 1.0 - accuracy(width, epoch), time).unwrap();
            validation.scalar("epoch_accuracy", epoch, accuracy(width, epoch), time).unwrap();
            validation.image("confusion_matrix", epoch, time, &png(), 30, 20).unwrap();
        }
        train.finish().unwrap();
        validation.finish().unwrap();
        write_session(&dir, &hparams(width), "", 1000.25, end).unwrap();
    }
}

/// Rows of the HParams table whose status is one of `statuses`, best accuracy first.
fn session_groups(board: &TensorBoard, statuses: &[&str]) -> Vec<Json> {
    let metric = json!({"group": "validation", "tag": "epoch_accuracy"});
    let request = json!({
        "experimentName": "", "allowedStatuses": statuses, "startIndex": 0, "sliceSize": 1000,
        "colParams": [{"metric": metric, "order": "ORDER_DESC"}],
    });
    let answer = board.post_json("/data/plugin/hparams/session_groups", &request);
    answer["sessionGroups"].as_array().cloned().unwrap_or_default()
}

const STATUSES: [&str; 4] = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"];

/// TensorBoard widens an f32 to print it; rounding takes it back, bit for bit.
#[expect(clippy::cast_possible_truncation, reason = "the number was an f32")]
fn bits(value: &Json) -> u32 {
    (value.as_f64().unwrap_or_else(|| panic!("no number: {value}")) as f32).to_bits()
}

#[test]
fn an_experiment_is_shown_as_it_was_written() {
    let logdir = tempfile::tempdir().unwrap();
    write_experiment(logdir.path());
    let mut board = TensorBoard::start(logdir.path());
    let expected: Vec<String> = {
        let subs = |name: &str| [format!("{name}/train"), format!("{name}/validation"), name.to_owned()];
        let mut runs: Vec<_> = RUNS.iter().flat_map(|run| subs(run.0)).chain([".".to_owned()]).collect();
        runs.sort();
        runs
    };
    board.wait_for("all runs", |board| {
        let mut runs: Vec<String> = serde_json::from_slice(&board.get("/data/runs")).unwrap();
        runs.sort();
        (runs == expected).then_some(())
    });
    // The run list is there before the last file is loaded.
    board.wait_for("all rows of the table", |board| {
        let rows = session_groups(board, &STATUSES);
        let full = |row: &Json| row["metricValues"].as_array().is_some_and(|values| values.len() == 2);
        (rows.len() == RUNS.len() && rows.iter().all(full)).then_some(())
    });
    let plugins = board.get_json("/data/plugins_listing", &[]);
    for plugin in ["scalars", "images", "hparams", "text"] {
        assert_eq!(plugins[plugin]["enabled"], true, "{plugin}");
    }
    scalars_are_shown(&board);
    images_are_shown(&board);
    the_table_is_shown(&board);
    let text = board.get_json("/data/plugin/text/text", &[("run", "."), ("tag", "top_ten")]);
    let text = text[0]["text"].as_str().unwrap();
    assert!(text.contains("<table>") && text.contains("<td>3-conv</td>"), "{text}");
}

fn scalars_are_shown(board: &TensorBoard) {
    for (name, width, _) in RUNS {
        let run = format!("{name}/validation");
        let query = [("run", run.as_str()), ("tag", "epoch_accuracy")];
        let points = board.get_json("/data/plugin/scalars/scalars", &query);
        let points: Vec<_> =
            points.as_array().unwrap().iter().map(|p| (p[0].clone(), p[1].clone(), bits(&p[2]))).collect();
        let expected: Vec<_> = (0..EPOCHS)
            .map(|epoch| (json!(1002.5), json!(epoch), accuracy(width, epoch).to_bits()))
            .collect();
        assert_eq!(points, expected);
    }
    let runs = RUNS.map(|run| format!("{}/train", run.0));
    let mut fields = vec![("tag", "epoch_loss")];
    fields.extend(runs.iter().map(|run| ("runs", run.as_str())));
    let answer = board.post_form("/data/plugin/scalars/scalars_multirun", &fields);
    for (run, (_, width, _)) in runs.iter().zip(RUNS) {
        let found: Vec<_> = answer[run].as_array().unwrap().iter().map(|point| bits(&point[2])).collect();
        let expected: Vec<_> = (0..EPOCHS).map(|epoch| (1.0 - accuracy(width, epoch)).to_bits()).collect();
        assert_eq!(found, expected);
    }
}

fn images_are_shown(board: &TensorBoard) {
    let run = format!("{}/validation", RUNS[1].0);
    let query = [("run", run.as_str()), ("tag", "confusion_matrix"), ("sample", "0")];
    let samples = board.get_json("/data/plugin/images/images", &query);
    let samples = samples.as_array().unwrap();
    let steps: Vec<_> = samples.iter().map(|sample| sample["step"].as_i64().unwrap()).collect();
    assert_eq!(steps, (0..EPOCHS).collect::<Vec<_>>());
    let last = samples.last().unwrap()["query"].as_str().unwrap();
    assert_eq!(board.get(&format!("/data/plugin/images/individualImage?{last}")), png());
}

fn the_table_is_shown(board: &TensorBoard) {
    let experiment = board.post_json("/data/plugin/hparams/experiment", &json!({}));
    assert_eq!((&experiment["name"], &experiment["timeCreatedSecs"]), (&json!("tab3"), &json!(999.0)));
    let columns: Vec<_> = experiment["hparamInfos"].as_array().unwrap().iter().collect();
    let names: Vec<_> = columns.iter().map(|column| (&column["name"], &column["type"])).collect();
    let expected = [
        (json!("layer_size"), json!("DATA_TYPE_FLOAT64")),
        (json!("augment"), json!("DATA_TYPE_BOOL")),
        (json!("optimizer"), json!("DATA_TYPE_STRING")),
    ];
    assert_eq!(names, expected.iter().map(|(name, kind)| (name, kind)).collect::<Vec<_>>());
    assert_eq!(columns[0]["domainDiscrete"], json!([32.0, 64.0, 128.0]));
    assert_eq!(columns[0]["differs"], true);
    let metrics: Vec<_> =
        experiment["metricInfos"].as_array().unwrap().iter().map(|metric| &metric["displayName"]).collect();
    assert_eq!(metrics, ["accuracy (validation)", "loss (train)"]);

    // The widest run is the most accurate.
    let rows = session_groups(board, &STATUSES);
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, [RUNS[2].0, RUNS[1].0, RUNS[0].0]);
    for (row, (_, width, end)) in rows.iter().zip(RUNS.iter().rev()) {
        let hparams = json!({"layer_size": (*width as f64), "optimizer": "adam", "augment": false});
        assert_eq!(row["hparams"], hparams);
        let session = &row["sessions"][0];
        let status = match end {
            Some((Status::Success, _)) => "STATUS_SUCCESS",
            Some((Status::Failure, _)) => "STATUS_FAILURE",
            None => "STATUS_UNKNOWN",
        };
        assert_eq!((&session["status"], &session["startTimeSecs"]), (&json!(status), &json!(1000.25)));
        if let Some((_, time)) = end {
            assert_eq!(session["endTimeSecs"], json!(time));
        }
        let value = |group: &str| {
            let values = row["metricValues"].as_array().unwrap();
            let value = values.iter().find(|value| value["name"]["group"] == group).unwrap();
            assert_eq!(value["trainingStep"], EPOCHS - 1);
            bits(&value["value"])
        };
        let last = accuracy(*width, EPOCHS - 1);
        assert_eq!((value("validation"), value("train")), (last.to_bits(), (1.0 - last).to_bits()));
    }
    let failed = session_groups(board, &["STATUS_FAILURE"]);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["name"], RUNS[1].0);
}

/// What a user sees who watches a sweep: records torn by the moment of reading, sessions that end, files of a resumed run.
#[test]
fn a_live_run_is_shown_as_it_grows() {
    let logdir = tempfile::tempdir().unwrap();
    let run = logdir.path().join("run");
    write_session(&run, &hparams(32), "", 1000.0, None).unwrap();
    let mut bytes = Vec::new();
    let mut writer = EventWriter::new(&mut bytes, Path::new("memory"), 1.0).unwrap();
    (0..2).for_each(|step| writer.scalar("epoch_loss", step, 0.5, 1.0).unwrap());
    writer.finish().unwrap();
    let (first, rest) = bytes.split_at(bytes.len() - 20);
    let train = run.join("train");
    fs::create_dir(&train).unwrap();
    let path = train.join("events.out.tfevents.0000000001.host.1");
    fs::write(&path, first).unwrap();

    let mut board = TensorBoard::start(logdir.path());
    let wait_for_steps = |board: &mut TensorBoard, expected: &[i64]| {
        board.wait_for(&format!("the steps {expected:?}"), |board| {
            let tags = board.get_json("/data/plugin/scalars/tags", &[]);
            tags["run/train"].get("epoch_loss")?;
            let query = [("run", "run/train"), ("tag", "epoch_loss")];
            let points = board.get_json("/data/plugin/scalars/scalars", &query);
            let steps: Vec<_> = points.as_array()?.iter().filter_map(|point| point[1].as_i64()).collect();
            (steps == expected).then_some(())
        });
    };
    wait_for_steps(&mut board, &[0]);
    OpenOptions::new().append(true).open(&path).unwrap().write_all(rest).unwrap();
    wait_for_steps(&mut board, &[0, 1]);
    // A resume from step 1: a new file, whose steps evict the old ones.
    let mut resumed = EventWriter::create_at(&train, 2.0).unwrap();
    resumed.start_at(1, 2.0).unwrap();
    (1..4).for_each(|step| resumed.scalar("epoch_loss", step, 0.25, 2.0).unwrap());
    resumed.flush().unwrap();
    wait_for_steps(&mut board, &[0, 1, 2, 3]);

    let wait_for_status = |board: &mut TensorBoard, expected: &str| {
        board.wait_for(expected, |board| {
            let rows = session_groups(board, &STATUSES);
            (rows.first()?["sessions"][0]["status"] == expected).then_some(())
        });
    };
    wait_for_status(&mut board, "STATUS_UNKNOWN");
    write_session(&run, &hparams(32), "", 1000.0, Some((Status::Success, 1001.0))).unwrap();
    wait_for_status(&mut board, "STATUS_SUCCESS");
}

/// The numbers at every threshold, as TensorBoard shows them beside those that went in.
#[test]
fn precision_recall_curves_are_shown_as_they_were_counted() {
    let logdir = tempfile::tempdir().expect("a log directory");
    let (scores, positive) =
        ([0.125, 0.375, 0.625, 0.875, 0.5, 0.75], [false, true, false, true, true, true]);
    let counts = gridboard::stats::pr_counts(&scores, &positive, 5);
    let mut writer = EventWriter::create(&logdir.path().join("run/validation")).expect("an event file");
    writer.pr_curve("pr_curve/covid", 3, 1000.5, &counts).expect("a curve");
    writer.flush().expect("flush");

    let mut board = TensorBoard::start(logdir.path());
    let query = [("tag", "pr_curve/covid"), ("run", "run/validation")];
    let served = board.wait_for("the curve", |board| {
        let tags = board.get_json("/data/plugin/pr_curves/tags", &[]);
        tags["run/validation"].get("pr_curve/covid")?;
        Some(board.get_json("/data/plugin/pr_curves/pr_curves", &query)["run/validation"][0].clone())
    });
    assert_eq!(served["step"], 3);
    // At threshold 1 nothing is called positive: TensorBoard leaves that column out.
    let shown = 4;
    for (row, name) in
        ["true_positives", "false_positives", "true_negatives", "false_negatives"].iter().enumerate()
    {
        let wanted: Vec<u64> = counts[..shown].iter().map(|column| column[row]).collect();
        assert_eq!(served[*name], json!(wanted), "{name}: {served}");
    }
    let near = |name: &str, wanted: [f64; 4]| {
        let numbers = served[name].as_array().unwrap_or_else(|| panic!("{name} in {served}"));
        assert_eq!(numbers.len(), shown, "{name}: {served}");
        for (number, wanted) in numbers.iter().zip(wanted) {
            assert!((number.as_f64().expect("a number") - wanted).abs() < 1e-6, "{name}: {served}");
        }
    };
    near("precision", [4.0 / 6.0, 0.8, 0.75, 1.0]);
    near("recall", [1.0, 1.0, 0.75, 0.5]);
    near("thresholds", [0.0, 0.25, 0.5, 0.75]);
}
