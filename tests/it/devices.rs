//! CUDA devices, through a stand-in of NVIDIA's management library.

use std::{path::PathBuf, process::Command};

use crate::support::{Project, Ran};

/// Compiles the stand-in into the project's folder and answers that folder.
pub(crate) fn fake_nvml(project: &Project) -> PathBuf {
    let folder = project.path("nvml");
    std::fs::create_dir_all(&folder).expect("create the folder");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.join("libnvidia-ml.so.1"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fake_nvml.c"))
        .status()
        .expect("start cc");
    assert!(compiled.success());
    folder
}

/// A project on a machine of `gpus` GPUs, whose six runs write down the devices that they see.
fn project(gpus: u32) -> Project {
    let project = Project::with_spec(
        "
experiment: gpus
model:
  family: command
  run: [sh, -c, 'echo \"$CUDA_VISIBLE_DEVICES $CUDA_DEVICE_ORDER\" > \"$GRIDBOARD_RUN_DIR/seen\"']
grid: {x: [1, 2, 3, 4, 5, 6]}
",
    );
    let folder = fake_nvml(&project);
    project
        .env("LD_LIBRARY_PATH", folder.to_str().expect("UTF-8"))
        .env("GRIDBOARD_FAKE_GPUS", gpus.to_string())
}

/// What each run saw, and what the ledger says that it was given.
fn seen_and_given(project: &Project) -> Vec<(String, String)> {
    let rows = project.sql("select run, device from runs order by run");
    rows.iter()
        .map(|row| {
            let run = row["run"].as_str().expect("a name");
            let seen = project.read(&format!("runs/gpus/{run}/seen"));
            (seen.trim().to_owned(), row["device"].as_str().expect("a device").to_owned())
        })
        .collect()
}

#[test]
fn each_run_sees_exactly_its_own_device() {
    let project = project(3);
    project.run(&["run", "spec.yaml"]).expect(0);
    let mut used = std::collections::BTreeSet::new();
    for (seen, given) in seen_and_given(&project) {
        assert!(given.starts_with("GPU-"), "{given}");
        assert_eq!(seen, format!("{given} PCI_BUS_ID"));
        used.insert(given);
    }
    assert_eq!(used.len(), 3, "all three devices work: {used:?}");
}

#[test]
fn devices_can_be_chosen_and_hidden() {
    let chosen = project(3);
    chosen.run(&["run", "spec.yaml", "--devices", "cuda:0,2"]).expect(0);
    let used: std::collections::BTreeSet<String> =
        seen_and_given(&chosen).into_iter().map(|(_, given)| given).collect();
    assert_eq!(used.len(), 2);

    let hidden = project(3).env("CUDA_VISIBLE_DEVICES", "1");
    hidden.run(&["run", "spec.yaml"]).expect(0);
    let visible: std::collections::BTreeSet<String> =
        seen_and_given(&hidden).into_iter().map(|(_, given)| given).collect();
    assert_eq!(visible.len(), 1);

    let cpu = project(3);
    cpu.run(&["run", "spec.yaml", "--devices", "cpu:2"]).expect(0);
    assert!(seen_and_given(&cpu).iter().all(|(seen, given)| given == "cpu" && !seen.contains("GPU-")));
}

#[test]
fn a_device_that_is_not_there_is_named_with_those_that_are() {
    let ran: Ran = project(2).run(&["run", "spec.yaml", "--devices", "cuda:5"]).expect(2);
    assert!(
        ran.stderr.contains('5') && ran.stderr.contains("cuda:0") && ran.stderr.contains("cuda:1"),
        "{}",
        ran.stderr
    );
}

/// A project whose runs meet a fault on the first GPU.
fn faulty(gpus: u32) -> Project {
    let project = Project::with_spec(
        "
experiment: gpus
model:
  family: command
  run:
    - sh
    - -c
    - 'test \"$GRIDBOARD_DEVICE_INDEX\" != 0 && exit 0; echo RuntimeError: CUDA error: an illegal memory access was encountered >&2; exit 1'
grid: {x: [1, 2, 3, 4, 5, 6]}
",
    );
    let folder = fake_nvml(&project);
    project
        .env("LD_LIBRARY_PATH", folder.to_str().expect("UTF-8"))
        .env("GRIDBOARD_FAKE_GPUS", gpus.to_string())
}

#[test]
fn a_device_that_has_a_fault_is_set_aside() {
    let project = faulty(2);
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("cuda:0 is set aside for the rest of this sweep"), "{}", ran.stderr);
    let on = project.sql("select slot, count(*) as attempts from attempts group by slot order by slot");
    assert_eq!(on[0], serde_json::json!({"slot": "cuda:0/0", "attempts": 1}), "nothing else starts there");
    assert_eq!(
        on[1],
        serde_json::json!({"slot": "cuda:1/0", "attempts": 6}),
        "its run is tried again elsewhere"
    );
    let faults =
        project.sql("select failure, count(*) as attempts from attempts group by failure order by failure");
    assert_eq!(faults[1], serde_json::json!({"failure": "cuda_fault", "attempts": 1}));
}

#[test]
fn without_a_sound_device_the_sweep_ends_and_says_so() {
    let project = faulty(1);
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    let said = "cuda:0 is set aside, and no other device is left: nothing new starts, and 5 runs stay owed";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    let states = project.sql("select pending, failed from experiments");
    assert_eq!(serde_json::json!(states), serde_json::json!([{"pending": 5, "failed": 1}]));
}
