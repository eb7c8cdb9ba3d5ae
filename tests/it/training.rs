//! The built-in trainer, from the spec to TensorBoard.

use std::{collections::BTreeMap, path::Path};

use gridboard::{base::signals::Signals, run::RunFile};
use serde_json::{Value, json};

use crate::{support::Project, tensorboard::TensorBoard};

/// The paper's 27 grid points, as small as they can be.
const GRID: &str = "
experiment: mini
dataset:
  phantom: {images: [30, 20]}
  image_size: 32
model: {family: grid_cnn}
train: {epochs: 2, batch_size: 8}
grid:
  dense_layers: [0, 1, 2]
  conv_layers: [1, 2, 3]
  layer_size: [2, 4, 8]
schedule: {devices: 'cpu:2'}
";

/// One row per run of TensorBoard's HParams table.
fn session_groups(board: &TensorBoard) -> Vec<Value> {
    let request = json!({
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{"metric": {"group": "validation", "tag": "epoch_accuracy"}, "order": "ORDER_DESC"}],
        "startIndex": 0,
        "sliceSize": 1000,
    });
    let answer = board.post_json("/data/plugin/hparams/session_groups", &request);
    answer["sessionGroups"].as_array().expect("session groups").clone()
}

#[test]
fn the_grid_is_trained_ranked_and_shown_alike_everywhere() {
    let project = Project::with_spec(GRID);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stdout.contains("tensorboard --logdir"), "{}", ran.stdout);

    let view = project.sql("select * from mini order by rank");
    assert_eq!(view.len(), 27);
    let top = project.run(&["top", "mini", "--format", "json"]).expect(0).json();
    let csv = project.run(&["top", "mini", "--format", "csv"]).expect(0).stdout;
    assert_eq!(csv, project.read("runs/mini/report/top_ten.csv"));

    let mut board = TensorBoard::start(&project.path("runs/mini"));
    // The sweep's own, and for each run its session and three sub-runs.
    board.wait_for("all runs", |board| {
        let runs = board.get_json("/data/runs", &[]);
        (runs.as_array().expect("runs").len() == 1 + 4 * 27).then_some(())
    });
    let groups = session_groups(&board);
    assert_eq!(groups.len(), 27);
    let mut served = BTreeMap::new();
    for group in &groups {
        let session = &group["sessions"][0];
        assert_eq!(session["status"], "STATUS_SUCCESS");
        let hparams = group["hparams"].as_object().expect("hparams");
        assert_eq!(
            hparams.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(),
            ["conv_layers", "dense_layers", "layer_size"].into()
        );
        let name = session["name"].as_str().expect("a session name").to_owned();
        let metric = |group_name: &str, tag: &str| {
            group["metricValues"]
                .as_array()
                .and_then(|values| {
                    values.iter().find(|value| value["name"] == json!({"group": group_name, "tag": tag}))
                })
                .unwrap_or_else(|| panic!("{group_name}/{tag} of {name}"))["value"]
                .clone()
        };
        served.insert(
            name.clone(),
            [
                metric("validation", "epoch_accuracy"),
                metric("validation", "epoch_loss"),
                metric("train", "epoch_accuracy"),
                metric("train", "epoch_loss"),
            ],
        );
    }
    for (row, view) in view.iter().enumerate() {
        let name = view["run"].as_str().expect("a name");
        let columns = ["validation_accuracy", "validation_loss", "train_accuracy", "train_loss"];
        for (column, served) in columns.iter().zip(&served[name]) {
            assert_eq!(view[*column].as_f64(), served.as_f64(), "{column} of {name}");
            if row < 10 {
                assert_eq!(view[*column], top[row][*column], "{column} of {name}");
            }
        }
    }

    let scalars = board.get_json(
        "/data/plugin/scalars/scalars",
        &[("run", "1-conv-2-nodes-0-dense/train"), ("tag", "epoch_loss")],
    );
    assert_eq!(scalars.as_array().expect("points").len(), 2);
    let images = board.get_json(
        "/data/plugin/images/images",
        &[("run", "1-conv-2-nodes-0-dense/validation"), ("tag", "confusion_matrix"), ("sample", "0")],
    );
    assert_eq!(images.as_array().expect("images").len(), 2, "one an epoch: {images}");

    // The networks, and what the best run has wrong, beside its HParams.
    let graphs = board.get_json("/data/plugin/graphs/info", &[]);
    assert_eq!(graphs.as_object().expect("runs").len(), 27, "{graphs}");
    let graph = board.get("/data/plugin/graphs/graph?run=2-conv-4-nodes-1-dense&conceptual=false");
    assert!(String::from_utf8_lossy(&graph).contains("max_pooling2d_2"));
    let best = view.iter().take(10).find(|row| row["validation_accuracy"].as_f64() < Some(1.0));
    let best = best.and_then(|row| row["run"].as_str()).expect("a run of the top ten with a wrong answer");
    let tags = board.get_json("/data/plugin/images/tags", &[]);
    assert!(tags[best]["misclassified"].is_object(), "{best}: {tags}");

    // Without class names in the spec the classes are the phantom's own; one curve, of the positive class.
    let tags = board.get_json("/data/plugin/pr_curves/tags", &[]);
    let tags = tags["1-conv-2-nodes-0-dense/validation"].as_object().expect("tags of PR curves");
    assert_eq!(tags.len(), 1, "{tags:?}");
    let tag = tags.keys().next().expect("a tag");
    assert!(tag.starts_with("pr_curve/"), "{tag}");
    let run = "1-conv-2-nodes-0-dense/validation";
    let curves = board.get_json("/data/plugin/pr_curves/pr_curves", &[("tag", tag), ("run", run)]);
    let curves = curves[run].as_array().expect("curves");
    assert_eq!((curves.len(), &curves[0]["step"]), (1, &json!(1)), "at the last epoch alone");
    // Threshold 0 calls every image positive.
    let predictions = project.read("runs/mini/1-conv-2-nodes-0-dense/predictions.csv");
    let positives = predictions.lines().skip(1).filter(|line| line.split(',').nth(1) == Some("1")).count();
    assert_eq!(curves[0]["true_positives"][0], positives);
    assert_eq!(curves[0]["recall"][0], 1.0);
}

#[test]
fn predictions_confusion_and_figures_agree() {
    let project = Project::with_spec(GRID);
    let one = ["--set", "grid={conv_layers: [2], dense_layers: [1], layer_size: [8]}"];
    project.run(&[&["run", "spec.yaml"], &one[..]].concat()).expect(0);
    let folder = "runs/mini/2-conv-8-nodes-1-dense";
    let predictions = project.read(&format!("{folder}/predictions.csv"));
    assert_eq!(predictions.lines().count(), 1 + 15, "30 % of 50 images validate");
    let hits = predictions
        .lines()
        .skip(1)
        .filter(|line| {
            let columns: Vec<&str> = line.split(',').collect();
            columns[1] == columns[2]
        })
        .count();
    let accuracy = project.sql("select validation_accuracy from mini")[0]["validation_accuracy"].as_f64();
    #[expect(clippy::cast_precision_loss, reason = "15 images")]
    let expected = f64::from(hits as f32 / 15.0);
    assert_eq!(accuracy, Some(expected));
    let counts = project.sql("select true_class, predicted_class, images from confusion");
    assert_eq!(counts.iter().filter_map(|row| row["images"].as_u64()).sum::<u64>(), 15);
    for figure in ["confusion_matrix.svg", "confusion_matrix.png"] {
        assert!(project.path(&format!("{folder}/{figure}")).exists(), "{figure}");
    }
    for file in [
        "top_ten.md",
        "top_ten.csv",
        "top_ten.json",
        "top_ten.tex",
        "top_ten_confusion.png",
        "accuracy_bars.svg",
    ] {
        assert!(project.path(&format!("runs/mini/report/{file}")).exists(), "{file}");
    }
}

/// Tab. 2 from the program, against the shapes that the worker trained.
#[test]
fn the_layers_shown_are_those_that_were_trained() {
    let project = Project::with_spec(GRID);
    let one = ["--set", "grid={conv_layers: [2], dense_layers: [1], layer_size: [8]}"];
    project.run(&[&["run", "spec.yaml"], &one[..]].concat()).expect(0);
    let name = "2-conv-8-nodes-1-dense";
    let shown = project.run(&["show", name, "--layers", "--format", "json"]).expect(0).stdout;
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    let layers = shown["layers"].as_array().expect("layers");
    let parameters: u64 = layers.iter().filter_map(|layer| layer["parameters"].as_u64()).sum();
    assert_eq!(shown["parameters"].as_u64(), Some(parameters));

    let weights = project.path(&format!("runs/mini/{name}/checkpoint.safetensors"));
    let bytes = std::fs::read(weights).expect("the weights");
    let weights = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let trained: usize =
        weights.tensors().iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum();
    assert_eq!(trained as u64, parameters);

    let text = project.run(&["show", name, "--layers"]).expect(0).stdout;
    for layer in layers {
        let layer = layer["layer"].as_str().expect("a name");
        assert!(text.contains(layer), "{layer} in {text}");
    }
    let csv = project.run(&["show", name, "--layers", "--format", "csv"]).expect(0).stdout;
    assert_eq!(csv.lines().count(), 1 + layers.len(), "{csv}");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let losses = |name: &str, project: &Project| {
        let arguments = format!("experiment={name}");
        let one = "grid={conv_layers: [2], dense_layers: [1], layer_size: [8]}";
        project.run(&["run", "spec.yaml", "--set", &arguments, "--set", one]).expect(0);
        project.sql(&format!(
            "select tag, step, value from history where experiment = '{name}' and tag like '%loss%' order by tag, step"
        ))
    };
    let project = Project::with_spec(GRID);
    let first = losses("first", &project);
    assert!(first.len() > 8, "{first:?}");
    assert_eq!(first, losses("second", &project));
}

#[test]
fn a_weight_file_that_does_not_fit_fails_its_run_with_names_and_shapes() {
    let project = Project::with_spec(GRID);
    project
        .run(&["run", "spec.yaml", "--set", "grid={conv_layers: [1], dense_layers: [0], layer_size: [2]}"])
        .expect(0);
    let weights = project.path("runs/mini/1-conv-2-nodes-0-dense/checkpoint.safetensors");
    let weights = format!("train.initial_weights={}", weights.display());
    let other = ["--set", "experiment=other", "--set", &weights];
    let grid = ["--set", "grid={conv_layers: [1], dense_layers: [0], layer_size: [4]}"];
    project.run(&[&["run", "spec.yaml"], &other[..], &grid].concat()).expect(3);
    let reason = &project.sql("select reason from runs where experiment = 'other'")[0]["reason"];
    let reason = reason.as_str().expect("a reason");
    assert!(reason.contains("[2, 1, 3, 3]") && reason.contains("[4, 1, 3, 3]"), "{reason}");
}

/// More epochs need no more memory than few, whatever computes; and our own kernels end where libtorch's operations end.
#[test]
fn memory_does_not_grow_with_the_epochs_and_both_kernels_end_alike() {
    let project = Project::with_spec(
        "
experiment: steady
dataset:
  phantom: {images: [40, 40], difficulty: 0.3}
  image_size: 32
model: {family: grid_cnn, conv_layers: 2, layer_size: 8, dense_layers: 1}
train: {batch_size: 8}
grid: {epochs: [2, 12], kernels: [fused, plain]}
schedule: {devices: 'cpu:2'}
",
    );
    project.run(&["run", "spec.yaml"]).expect(0);
    let of = |table: &str, column: &str, epochs: u32, kernels: &str| {
        let run = format!("%-epochs-{epochs}-kernels-{kernels}");
        let rows = project.sql(&format!("select {column} from {table} where run like '{run}'"));
        assert_eq!(rows.len(), 1, "{run}: {rows:?}");
        rows[0][column].as_f64().expect("a number")
    };
    for kernels in ["fused", "plain"] {
        let (few, many) = (of("runs", "peak_memory", 2, kernels), of("runs", "peak_memory", 12, kernels));
        // Less than the activations of one batch for each of the ten epochs, and the allocator's moods.
        assert!(many < few + 6e6, "{kernels}: {few} bytes after 2 epochs, {many} after 12");
    }
    let end = |column: &str| ["fused", "plain"].map(|kernels| of("steady", column, 12, kernels));
    let [fused, plain] = end("validation_loss");
    assert!((fused - plain).abs() < 0.05 * plain, "losses {fused} and {plain}");
    let [fused, plain] = end("validation_accuracy");
    // Of sixteen images, one may be on the fence.
    assert!((fused - plain).abs() < 0.07, "accuracies {fused} and {plain}");
}

/// What the placement is chosen by: two workers that measure at the same time, and end with their orchestrator.
#[test]
fn workers_measure_a_run_side_by_side() {
    let project = Project::with_spec(GRID);
    let one = "grid={conv_layers: [1], dense_layers: [0], layer_size: [2]}";
    project.run(&["run", "spec.yaml", "--set", one]).expect(0);
    let text = project.read("runs/mini/1-conv-2-nodes-0-dense/run.json");
    let file: RunFile = serde_json::from_str(&text).expect("a run file");
    let worker = Path::new(env!("CARGO_BIN_EXE_gridboard-worker"));
    let rate =
        gridboard::launch::throughput(worker, &file, 2, 0.05, &Signals::silent()).expect("two measurements");
    assert!(rate > 1.0, "{rate} images a second");
    // Nothing but the directory of a run.json is read, and nothing is written.
    let strange = RunFile { parameters: file.axes.clone(), ..file };
    let error =
        gridboard::launch::throughput(worker, &strange, 1, 0.05, &Signals::silent()).expect_err("no epochs");
    assert!(error.to_string().contains("answered ``"), "{error}");
}

#[test]
fn a_sweep_accounts_for_the_time_of_the_cores() {
    let project = Project::with_spec(GRID);
    let grid = "grid={conv_layers: [1, 2], dense_layers: [1], layer_size: [8]}";
    let ran = project.run(&["run", "spec.yaml", "--set", grid]).expect(0);
    assert!(ran.stdout.contains(" (training "), "{}", ran.stdout);
    let account: Value = serde_json::from_str(&project.read("runs/mini/sweep.json")).expect("JSON");
    let number =
        |path: &str| account.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}"));
    assert_eq!(number("/attempts"), 2.0);
    let (training, trainers) = (number("/core_seconds/training"), number("/core_seconds/trainers"));
    assert!(0.0 < training && training < trainers, "{account}");
    assert!(number("/seconds/runs") < number("/seconds/command"), "{account}");
    let rows = project
        .sql("select sum(core_seconds) as all_of_it, sum(training_core_seconds) as training from attempts");
    assert!((rows[0]["all_of_it"].as_f64().expect("a sum") - trainers).abs() < 1e-9);
    assert!((rows[0]["training"].as_f64().expect("a sum") - training).abs() < 1e-9);

    // A sweep that finds nothing to do leaves the account of the one that did.
    project.run(&["run", "spec.yaml", "--set", grid]).expect(0);
    assert_eq!(account, serde_json::from_str::<Value>(&project.read("runs/mini/sweep.json")).expect("JSON"));
}

/// Threads are a matter of speed alone: a run has as many as the schedule finds free.
#[test]
fn the_number_of_threads_changes_no_bit() {
    let project = Project::with_spec(GRID);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let run = "2-conv-8-nodes-1-dense";
    let mut curves = Vec::new();
    // Alone on two slots, the run has the threads of both; beside another one, those of its own.
    for (name, sizes, expected) in
        [("alone", "[8]", cores.max(2) / 2 * 2), ("beside", "[8, 4]", cores.max(2) / 2)]
    {
        let grid = format!("grid={{conv_layers: [2], dense_layers: [1], layer_size: {sizes}}}");
        let experiment = format!("experiment={name}");
        project
            .run(&["run", "spec.yaml", "--fresh", "--devices", "cpu:2", "--set", &experiment, "--set", &grid])
            .expect(0);
        let filter = format!("where experiment = '{name}' and run = '{run}'");
        let used = project.sql(&format!("select threads from runs {filter}"));
        assert_eq!(used[0]["threads"].as_u64(), Some(expected), "{name}");
        curves.push(project.sql(&format!(
            "select tag, step, value from history {filter} and tag like '%loss%' order by tag, step"
        )));
    }
    assert!(curves[0].len() > 8 && curves[0] == curves[1]);
}
