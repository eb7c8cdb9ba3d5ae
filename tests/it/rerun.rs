//! `gridboard rerun`: a run trained again, and what is said of it.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use gridboard::tfevents::EventWriter;

use crate::support::{Project, Ran};

const COMMAND: &str = "
experiment: mine
model: {family: command, run: [{trainer}, '{accuracy}', '3']}
grid: {accuracy: [0.75]}
rank: {by: validation/epoch_accuracy}
";

/// The only object on stdout.
fn object(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

/// Every file below a folder, with its content.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.insert(path.display().to_string(), fs::read(&path).expect("read"));
        }
    }
    all
}

/// Changes a JSON file of a run.
fn edit_file(project: &Project, run: &str, name: &str, change: impl FnOnce(&mut Value)) {
    let path = format!("runs/{run}/{name}");
    let mut file: Value = serde_json::from_str(&project.read(&path)).expect("JSON");
    change(&mut file);
    project.write(&path, &file.to_string());
}

/// Changes `run.json` of a run, whose hashes go with it, as version 0.1.0 left none.
fn edit(project: &Project, run: &str, change: impl FnOnce(&mut Value)) {
    edit_file(project, run, "run.json", change);
    edit_file(project, run, "outcome.json", |outcome| {
        outcome.as_object_mut().expect("an object").remove("files");
    });
}

/// Puts one point in place of a curve of a run.
fn forge(project: &Project, run: &str, sub_run: &str, tag: &str, value: f32) {
    let folder = project.path(&format!("runs/{run}/{sub_run}"));
    fs::remove_dir_all(&folder).expect("remove the curves");
    let mut writer = EventWriter::create_at(&folder, 1.0).expect("a new file");
    writer.scalar(tag, 0, value, 2.0).expect("room on the disk");
    writer.finish().expect("room on the disk");
}

#[test]
fn a_command_is_repeated_from_its_run_file() {
    let project = Project::with_spec(COMMAND);
    project.run(&["run", "spec.yaml"]).expect(0);
    let said = project.run(&["rerun", "mine/accuracy-0.75"]).expect(0).stdout;
    assert!(said.contains("trainer.py 0.75 3") && said.contains("--check"), "{said}");

    let before = contents(&project.path("runs/mine"));
    let ran = project.run(&["rerun", "mine/accuracy-0.75", "--check", "--format", "json"]).expect(0);
    let answer = object(&ran);
    assert_eq!(answer["verdict"], "identical", "{answer:#}");
    assert_eq!(answer["parts"][0]["numbers"], "points");
    assert_eq!(answer["parts"][0]["compared"], 12, "two sub-runs, two tags, three epochs");
    assert_eq!(before, contents(&project.path("runs/mine")), "the run is only read");
    assert_eq!(project.sql("select count(*) as n from attempts")[0]["n"], 1);

    forge(&project, "mine/accuracy-0.75", "train", "epoch_accuracy", 0.25);
    let ran = project.run(&["rerun", "mine/accuracy-0.75", "--check", "--keep", "kept"]).expect(1);
    let expected = "mine/accuracy-0.75: diverged at step 0: train/epoch_accuracy was 0.25, now 0.56";
    assert!(ran.stdout.starts_with(expected), "{}", ran.stdout);
    assert!(project.path("kept/train").is_dir() && project.path("kept/run.json").is_file());
    let taken = project.run(&["rerun", "mine/accuracy-0.75", "--check", "--keep", "kept"]).expect(2).stderr;
    assert!(taken.contains("`kept` is not an empty folder"), "{taken}");

    fs::remove_file(project.path("runs/mine/accuracy-0.75/outcome.json")).expect("remove");
    let owed = project.run(&["rerun", "mine/accuracy-0.75", "--check"]).expect(2).stderr;
    assert!(owed.contains("is not completed"), "{owed}");
}

/// Each file that was altered is told as such, by its hash, and `run.json` by its content id too.
#[test]
fn altered_files_of_a_command_are_named() {
    let project = Project::with_spec(COMMAND);
    project.run(&["run", "spec.yaml"]).expect(0);
    let run = "mine/accuracy-0.75";
    let doctor = |expected: &str| {
        let said = project.run(&["doctor", "--format", "csv"]).stdout;
        assert!(said.contains(expected), "{said}");
    };
    doctor("results checked,1 file of 1 run with their hashes");
    edit_file(&project, run, "run.json", |file| file["threads"] = 7.into());
    let refused = project.run(&["rerun", run, "--check"]).expect(2).stderr;
    assert!(refused.contains("run.json` was altered: its hash is not the one in outcome.json"), "{refused}");
    doctor("run.json` is not what its run left");
    edit(&project, run, |file| file["parameters"]["accuracy"] = 0.5.into());
    let refused = project.run(&["rerun", run]).expect(2).stderr;
    assert!(
        refused.contains("run.json` was altered: its parameters and seed give the content id"),
        "{refused}"
    );
}

#[cfg(feature = "torch")]
mod built_in {
    use super::*;

    const SPEC: &str = "
experiment: mini
dataset:
  phantom: {images: [30, 20]}
  image_size: 24
model: {family: grid_cnn, conv_layers: 1, layer_size: 4, dense_layers: 1}
train: {epochs: 2, batch_size: 8}
grid:
  kernels: [fused, plain]
schedule: {devices: 'cpu:1'}
";

    fn trained() -> (Project, Vec<String>) {
        let project = Project::with_spec(SPEC);
        project.run(&["run", "spec.yaml"]).expect(0);
        let rows = project.sql("select run from runs order by run");
        let names =
            rows.iter().filter_map(|row| row["run"].as_str().map(|run| format!("mini/{run}"))).collect();
        (project, names)
    }

    fn check(project: &Project, run: &str, code: i32) -> Value {
        object(&project.run(&["rerun", run, "--check", "--format", "json"]).expect(code))
    }

    #[test]
    fn the_same_seed_is_identical_and_another_diverges_at_once() {
        let (project, runs) = trained();
        for run in &runs {
            let answer = check(&project, run, 0);
            assert_eq!(answer["verdict"], "identical", "{answer:#}");
            assert_eq!(answer["changed"], Value::Array(Vec::new()), "{answer:#}");
            let parts: Vec<(&str, u64)> = answer["parts"]
                .as_array()
                .expect("parts")
                .iter()
                .map(|part| {
                    (part["numbers"].as_str().expect("a name"), part["compared"].as_u64().expect("a count"))
                })
                .collect();
            // 35 train in batches of 8; 15 validate; 3 x 3 and 4 of the convolution, 4 x (11 x 11 x 4) and 4, 4 and 1.
            assert_eq!(parts[1..], [("batch losses", 10), ("predictions", 30), ("weights", 40 + 1940 + 5)]);
            assert!(parts[0].1 >= 2 * 9, "{parts:?}");
            assert_eq!(answer["not_compared"][0], "train/images_per_second");
        }
        for (key, change) in [("seed", 7.into()), ("learning_rate", Value::from(0.05))] {
            let whole = project.read(&format!("runs/{}/run.json", runs[0]));
            edit(&project, &runs[0], |file| match key {
                "seed" => file["seed"] = change,
                _ => file["parameters"][key] = change,
            });
            let refused = project.run(&["rerun", &runs[0], "--check"]).expect(2).stderr;
            assert!(refused.contains("its parameters and seed give the content id"), "{key}: {refused}");
            project.write(&format!("runs/{}/run.json", runs[0]), &whole);
        }
        forge(&project, &runs[0], "validation", "epoch_loss", 0.125);
        let answer = check(&project, &runs[0], 1);
        assert_eq!((&answer["verdict"], &answer["diverged"]["step"]), (&"diverged".into(), &0.into()));
        assert_ne!(answer["diverged"]["then"], answer["diverged"]["now"]);
    }

    /// The tests' own little network: the last four bytes are its last bias.
    fn change_a_weight(project: &Project, run: &str, value: f32) {
        let path = project.path(&format!("runs/{run}/checkpoint.safetensors"));
        let mut bytes = fs::read(&path).expect("weights");
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&value.to_le_bytes());
        fs::write(path, bytes).expect("write");
    }

    fn strip_hashes(project: &Project, run: &str) {
        edit(project, run, |_| {});
    }

    #[test]
    fn altered_weights_and_answers_are_told_apart() {
        let (project, runs) = trained();
        let run = runs[0].as_str();
        let files = |answer: &Value| {
            let ran = project.run(&["rerun", run, "--check"]).expect(1).stdout;
            let line = ran.lines().next().unwrap_or_default().to_owned();
            assert_eq!(answer["verdict"], "altered", "{line}");
            line
        };
        change_a_weight(&project, run, 5.0);
        let line = files(&check(&project, run, 1));
        assert!(line.contains("checkpoint.safetensors was altered (its hash is not"), "{line}");
        let refused = project.run(&["predict", run, "spec.yaml"]).expect(1).stderr;
        assert!(refused.contains("checkpoint.safetensors` is not what its run left"), "{refused}");
        // Without hashes the losses tell it.
        strip_hashes(&project, run);
        let line = files(&check(&project, run, 1));
        assert!(line.contains("checkpoint.safetensors was altered (every loss"), "{line}");
        assert!(!line.contains("predictions.csv"), "{line}");
        change_a_weight(&project, run, f32::NAN);
        let refused = project.run(&["predict", run, "spec.yaml"]).expect(1).stderr;
        assert!(refused.contains("holds NaN"), "{refused}");

        let other = runs[1].as_str();
        let path = format!("runs/{other}/predictions.csv");
        let swapped: Vec<String> = project
            .read(&path)
            .lines()
            .map(|line| match line.rsplitn(3, ',').collect::<Vec<_>>()[..] {
                [second, first, head] if second.starts_with(|c: char| c.is_ascii_digit()) => {
                    format!("{head},{second},{first}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        project.write(&path, &swapped.concat());
        strip_hashes(&project, other);
        let answer = check(&project, other, 1);
        assert_eq!(answer["verdict"], "altered", "{answer:#}");
        let said = project.run(&["rerun", other, "--check"]).expect(1).stdout;
        assert!(
            said.contains("predictions.csv was altered (every loss") && !said.contains("checkpoint.safe"),
            "{said}"
        );
    }

    /// A cache that a bad disk has damaged: told, and prepared again.
    #[test]
    fn damaged_pixels_are_told_and_prepared_again() {
        let (project, runs) = trained();
        let corpus = fs::read_dir(project.path("cache/corpus")).expect("a cache").next();
        let images = corpus.expect("a corpus").expect("an entry").path().join("images.npy");
        let mut bytes = fs::read(&images).expect("pixels");
        let whole = bytes.clone();
        bytes[200] ^= 1;
        fs::write(&images, &bytes).expect("write");
        let said = project.run(&["doctor", "--format", "csv"]).stdout;
        assert!(said.contains("its pixels have changed since they were prepared"), "{said}");
        let ran = project.run(&["rerun", &runs[0], "--check"]).expect(0);
        assert!(
            ran.stderr.contains("its pixels have changed") && ran.stdout.contains("bit-identical"),
            "{}",
            ran.stderr
        );
        assert_eq!(fs::read(&images).expect("pixels"), whole);
        fs::write(&images, &bytes).expect("write");
        let ran = project.run(&["run", "spec.yaml"]).expect(0);
        assert!(ran.stderr.contains("were damaged and have been prepared again"), "{}", ran.stderr);
        assert_eq!(fs::read(&images).expect("pixels"), whole);
    }

    #[test]
    fn lost_images_are_prepared_anew_or_refused() {
        let (project, runs) = trained();
        edit(&project, &runs[0], |file| file["provenance"]["processor"] = "another".into());
        fs::remove_dir_all(project.path("cache")).expect("remove the cache");
        let ran = project.run(&["rerun", &runs[0], "--check"]).expect(0);
        assert!(ran.stdout.contains(": bit-identical"), "{}", ran.stdout);
        assert!(ran.stdout.contains("processor: another then, "), "{}", ran.stdout);
        assert!(ran.stderr.contains("not there any more; the images are prepared anew"), "{}", ran.stderr);

        fs::remove_dir_all(project.path("cache")).expect("remove the cache");
        edit(&project, &runs[0], |file| {
            file["provenance"]["spec"]["dataset"]["source"]["phantom"]["seed"] = 9.into();
        });
        let refused = project.run(&["rerun", &runs[0], "--check"]).expect(2).stderr;
        assert!(refused.contains("now are others: content id "), "{refused}");
    }
}
