//! `gridboard predict`: a trained run on files of the user's.

use std::{collections::BTreeMap, fs};

use image::{GrayImage, Luma};
use serde_json::Value;

use crate::support::Project;

/// Two classes of striped images, told apart by their brightness; larger than the network's and not square.
const SPEC: &str = "
experiment: mini
dataset:
  images: images
  classes: [normal, covid]
  image_size: 24
  blur: {kernel: 3, sigma: 0.8}
model: {family: grid_cnn, conv_layers: 1, layer_size: 4, dense_layers: 1}
train: {epochs: 2, batch_size: 8, learning_rate: 0.003}
grid:
  kernels: [fused, plain]
schedule: {devices: 'cpu:1'}
";

fn project() -> Project {
    let project = Project::with_spec(SPEC);
    for (class, base, count) in [("normal", 40, 26), ("covid", 90, 18)] {
        fs::create_dir_all(project.path(&format!("images/{class}"))).expect("create the folder");
        for n in 0..count {
            let gray = |x: u32, y: u32| {
                let noise = (x * 31 + y * 17 + n * 57).wrapping_mul(2_654_435_761) >> 26;
                Luma([
                    u8::try_from(base + noise + if (x + n) % 9 < 4 { 60 } else { 0 }).expect("a gray value")
                ])
            };
            let image = GrayImage::from_fn(50 + n, 61, gray);
            image.save(project.path(&format!("images/{class}/{n:02}.png"))).expect("write the image");
        }
    }
    project.run(&["run", "spec.yaml"]).expect(0);
    project
}

/// The name of the run with these kernels.
fn run_of(project: &Project, kernels: &str) -> String {
    let rows = project.sql("select run from runs");
    let mut names = rows.iter().filter_map(|row| row["run"].as_str());
    names.find(|run| run.contains(kernels)).expect("a run of these kernels").to_owned()
}

#[test]
fn files_get_the_predictions_that_the_training_wrote() {
    let project = project();
    for kernels in ["fused", "plain"] {
        let run = run_of(&project, kernels);
        let answers =
            project.run(&["predict", &run, "images", "--labelled", "--format", "json"]).expect(0).json();
        assert_eq!(answers.len(), 44);
        let by_image: BTreeMap<&str, &Value> =
            answers.iter().map(|row| (row["image"].as_str().expect("a path"), row)).collect();
        let predictions = project.read(&format!("runs/mini/{run}/predictions.csv"));
        let mut seen = 0;
        for line in predictions.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let row = by_image[format!("images/{}", fields[0]).as_str()];
            let class = |index: &str| ["normal", "covid"][index.parse::<usize>().expect("a class index")];
            assert_eq!(
                (row["label"].as_str(), row["predicted"].as_str()),
                (Some(class(fields[1])), Some(class(fields[2])))
            );
            assert_eq!(row["correct"], Value::Bool(fields[1] == fields[2]));
            for k in 0..2 {
                let ours = row[format!("probability_{k}")].as_f64().expect("a number");
                let theirs: f64 = fields[3 + k].parse().expect("a number");
                // In other batches than the training's, which matters to libtorch.
                assert!((ours - theirs).abs() < 1e-6, "{line}: {row}");
            }
            seen += 1;
        }
        assert_eq!(seen, 13, "30 % of 44 images validate");
    }
}

/// The run's own validation images, in their order: the same batches, and so the same bits, whatever computes them.
#[test]
fn validation_images_get_the_bits_that_the_training_wrote() {
    let project = project();
    for kernels in ["fused", "plain"] {
        let run = run_of(&project, kernels);
        let predictions = project.read(&format!("runs/mini/{run}/predictions.csv"));
        let written: Vec<Vec<&str>> =
            predictions.lines().skip(1).map(|line| line.split(',').collect()).collect();
        let files: Vec<String> = written.iter().map(|fields| format!("images/{}", fields[0])).collect();
        let mut arguments = vec!["predict", run.as_str(), "--format", "json"];
        arguments.extend(files.iter().map(String::as_str));
        let answers = project.run(&arguments).expect(0).json();
        assert_eq!(answers.len(), written.len());
        for (row, fields) in answers.iter().zip(&written) {
            for k in 0..2 {
                let ours = row[format!("probability_{k}")].as_f64().expect("a number");
                let theirs: f32 = fields[3 + k].parse().expect("a number");
                assert_eq!(ours, f64::from(theirs), "{kernels}: {row}");
            }
        }
    }
}

#[test]
fn other_files_are_listed_and_the_rest_is_predicted() {
    let project = project();
    let run = &format!("mini/{}", run_of(&project, "fused"));
    fs::create_dir_all(project.path("new/deep")).expect("create the folder");
    fs::copy(project.path("images/covid/03.png"), project.path("new/deep/a.png")).expect("copy");
    fs::copy(project.path("images/normal/03.png"), project.path("new/z.jpg")).expect("copy");
    project.write("new/notes.txt", "no image");
    let png = fs::read(project.path("images/covid/03.png")).expect("read");
    fs::write(project.path("new/half.png"), &png[..png.len() / 2]).expect("write");

    let ran = project.run(&["predict", run, "new", "images/covid/03.png", "--format", "csv"]).expect(1);
    let images: Vec<&str> = ran.stdout.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!(images, ["new/deep/a.png", "new/z.jpg", "images/covid/03.png"]);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(
        lines[1].split_once(',').map(|x| x.1),
        lines[3].split_once(',').map(|x| x.1),
        "the same image"
    );
    assert!(ran.stderr.contains("2 of 5 files could not be predicted"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`new/notes.txt`: the content is text"), "{}", ran.stderr);
    assert!(ran.stderr.contains("`new/half.png`: the PNG is cut off"), "{}", ran.stderr);

    let ran = project.run(&["predict", run, "images", "--labelled", "--figure", "xrays.png"]).expect(0);
    assert!(ran.stdout.contains("44 images: ") && ran.stdout.contains("accuracy 0."), "{}", ran.stdout);
    let png = image::open(project.path("xrays.png")).expect("a PNG");
    assert!(png.width() > 1000 && png.height() > 1000, "{} x {}", png.width(), png.height());
    let svg = project.read("xrays.svg");
    assert_eq!(svg.matches("<image ").count(), 24);
    assert!(svg.contains("wrong and") && svg.contains("are shown"), "what was left out is said");
}

#[test]
fn what_is_missing_is_said_before_anything_starts() {
    let project = project();
    let run = &format!("runs/mini/{}", run_of(&project, "fused"));
    let error = |arguments: &[&str], code: i32| project.run(arguments).expect(code).stderr;
    let absent = error(&["predict", "mini/absent", "images"], 2);
    assert!(absent.contains("no run `mini/absent`") && absent.contains("hint: "), "{absent}");
    let nowhere = error(&["predict", run, "nowhere"], 2);
    assert!(nowhere.contains("`nowhere` does not exist"), "{nowhere}");
    project.write("flat/one.png", "");
    let flat = error(&["predict", run, "flat", "--labelled"], 2);
    assert!(flat.contains("`--labelled` finds no class") && flat.contains("`normal`, `covid`"), "{flat}");

    let worker = Project::command(&project, &["predict", run, "images"])
        .env("GRIDBOARD_WORKER", project.path("no-worker"))
        .output()
        .expect("start gridboard");
    let stderr = String::from_utf8_lossy(&worker.stderr);
    assert!(worker.status.code() == Some(1) && stderr.contains("no-worker"), "{stderr}");

    fs::remove_file(project.path(run).join("checkpoint.safetensors")).expect("remove");
    let bare = error(&["predict", run, "images"], 2);
    assert!(bare.contains("has no `checkpoint.safetensors`") && bare.contains("hint: "), "{bare}");
}

/// The best runs on images that are held out: once, in the report, and again only where a run was trained again.
#[test]
fn the_best_runs_are_evaluated_on_the_test_images_once() {
    let spec = "
experiment: held
dataset:
  phantom: {images: [40, 30]}
  image_size: 24
  test: 0.2
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0}
train: {epochs: 1, batch_size: 8}
grid: {layer_size: [2, 3, 4]}
rank: {by: validation/epoch_accuracy, top: 2}
schedule: {devices: 'cpu:1'}
";
    let project = Project::with_spec(spec);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stdout.contains("held-out test images"), "{}", ran.stdout);
    let table = |project: &Project| -> Vec<Value> {
        serde_json::from_str(&project.read("runs/held/report/test_set.json")).expect("a table")
    };
    let rows = table(&project);
    let top = project.run(&["top", "held", "--format", "json"]).expect(0).json();
    assert_eq!(rows.len(), 2, "the head of the leaderboard");
    let corpus = project.read("runs/held/corpus.csv");
    let held_out: Vec<&str> = corpus
        .lines()
        .filter(|line| line.ends_with(",test"))
        .map(|line| line.split(',').nth(1).expect("a file"))
        .collect();
    assert_eq!(held_out.len(), 14);
    for (row, top) in rows.iter().zip(&top) {
        let run = row["run"].as_str().expect("a name");
        assert_eq!((row["run"].as_str(), row["rank"].as_u64()), (top["run"].as_str(), top["rank"].as_u64()));
        let predictions = project.read(&format!("runs/held/{run}/test_predictions.csv"));
        let fields: Vec<Vec<&str>> =
            predictions.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(fields.iter().map(|fields| fields[0]).collect::<Vec<_>>(), held_out);
        let hits = u32::try_from(fields.iter().filter(|fields| fields[1] == fields[2]).count()).expect("few");
        assert_eq!(row["test_accuracy"].as_f64(), Some(f64::from(hits) / 14.0), "{run}");
    }
    let unnamed = project
        .sql("select run from runs")
        .into_iter()
        .find(|row| !rows.iter().any(|named| named["run"] == row["run"]));
    let unnamed = unnamed.expect("the third run")["run"].as_str().expect("a name").to_owned();
    assert!(!project.path(&format!("runs/held/{unnamed}/test_predictions.csv")).exists());
    let page = project.read("runs/held/report/report.html");
    assert!(
        page.contains("the test images did not") && page.contains("images as the network saw them"),
        "the report says it"
    );

    // A second report asks no network: there is none to ask, and the bytes are the same.
    let checkpoint = |run: &str| project.path(&format!("runs/held/{run}/checkpoint.safetensors"));
    let first = rows[0]["run"].as_str().expect("a name");
    fs::remove_file(checkpoint(first)).expect("remove");
    project.run(&["report", "held"]).expect(0);
    assert_eq!(page, project.read("runs/held/report/report.html"));

    // What cannot be evaluated is a warning.
    fs::remove_file(project.path(&format!("runs/held/{first}/test_predictions.csv"))).expect("remove");
    let warned = project.run(&["report", "held"]).expect(0);
    assert!(
        warned.stderr.contains(&format!("{first}: not evaluated on the test images: ")),
        "{}",
        warned.stderr
    );
    assert_eq!(table(&project).len(), 1);
}
