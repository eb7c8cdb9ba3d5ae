//! `gridboard rerun`: a run trained again, and what is said of it.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

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

/// Changes `run.json` of a run.
fn edit(project: &Project, run: &str, change: impl FnOnce(&mut Value)) {
    let path = format!("runs/{run}/run.json");
    let mut file: Value = serde_json::from_str(&project.read(&path)).expect("JSON");
    change(&mut file);
    project.write(&path, &file.to_string());
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

    edit(&project, "mine/accuracy-0.75", |file| file["parameters"]["accuracy"] = 0.5.into());
    let ran = project.run(&["rerun", "mine/accuracy-0.75", "--check", "--keep", "kept"]).expect(1);
    let expected = "mine/accuracy-0.75: diverged at step 0: train/epoch_accuracy was 0.56, now 0.31";
    assert!(ran.stdout.starts_with(expected), "{}", ran.stdout);
    assert!(project.path("kept/train").is_dir() && project.path("kept/run.json").is_file());
    let taken = project.run(&["rerun", "mine/accuracy-0.75", "--check", "--keep", "kept"]).expect(2).stderr;
    assert!(taken.contains("`kept` is not an empty folder"), "{taken}");

    fs::remove_file(project.path("runs/mine/accuracy-0.75/outcome.json")).expect("remove");
    let owed = project.run(&["rerun", "mine/accuracy-0.75", "--check"]).expect(2).stderr;
    assert!(owed.contains("is not completed"), "{owed}");
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
            edit(&project, &runs[0], |file| match key {
                "seed" => file["seed"] = change,
                _ => file["parameters"][key] = change,
            });
            let answer = check(&project, &runs[0], 1);
            assert_eq!(
                (&answer["verdict"], &answer["diverged"]["step"]),
                (&"diverged".into(), &0.into()),
                "{key}"
            );
            assert_ne!(answer["diverged"]["then"], answer["diverged"]["now"]);
        }
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
