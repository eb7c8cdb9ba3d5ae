//! The machine's CUDA devices beside what the trainers' libtorch can use: stand-ins of NVIDIA's library and
//! of the worker in the situations that users meet.

use std::os::unix::fs::PermissionsExt as _;

use crate::{
    devices::fake_nvml,
    support::{Project, Ran},
};

const NOT_BUILT: &str =
    r#"{"built":false,"version":null,"available":false,"devices":0,"cudnn_version":null}"#;
const USABLE: &str = r#"{"built":true,"version":13000,"available":true,"devices":2,"cudnn_version":92000}"#;
const UNUSABLE: &str = r#"{"built":true,"version":13000,"available":false,"devices":0,"cudnn_version":null}"#;

const CURE: &str = "`scripts/setup.sh --cuda` brings a libtorch with CUDA; then build again";

/// A project with a grid of two networks, whose worker says `cuda` of its libtorch, writes the verbs that it
/// is asked for to `asked` and its devices to `trained`, and fails whatever it is to train.
fn project(gpus: Option<u32>, cuda: &str) -> Project {
    let project = Project::with_spec(
        "
experiment: mini
dataset: {phantom: {images: [12, 12]}, classes: [normal, covid], image_size: 16}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0}
train: {epochs: 1}
grid: {layer_size: [2, 4]}
",
    );
    let folder = project.path("");
    let worker = project.write(
        "worker.sh",
        &format!(
            r#"#!/bin/sh
echo "$1" >> {folder}/asked
case $1 in
  probe) echo '{cuda}' ;;
  doctor) echo '{{"works":true,"libtorch":{{"version":"2.13.0"}},"cuda":{cuda}}}' ;;
  *) echo "$* CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES" >> {folder}/trained; exit 1 ;;
esac
"#,
            folder = folder.display()
        ),
    );
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).expect("make it executable");
    let worker = worker.to_str().expect("UTF-8").to_owned();
    let project = project.env("GRIDBOARD_WORKER", worker);
    let Some(gpus) = gpus else { return project };
    let library = fake_nvml(&project);
    project
        .env("LD_LIBRARY_PATH", library.to_str().expect("UTF-8"))
        .env("GRIDBOARD_FAKE_GPUS", gpus.to_string())
}

/// Devices of the attempts, each once.
fn used(project: &Project) -> Vec<String> {
    let rows = project.sql("select distinct device from attempts order by device");
    rows.iter().map(|row| row["device"].as_str().expect("a device").to_owned()).collect()
}

fn asked(project: &Project, verb: &str) -> usize {
    let path = project.path("asked");
    let asked = if path.exists() { project.read("asked") } else { String::new() };
    asked.lines().filter(|line| *line == verb).count()
}

/// The rows of `doctor` of one name.
fn rows(ran: &Ran, item: &str) -> Vec<String> {
    let rows = ran.json();
    let of_item = rows.iter().filter(|row| row["item"] == item);
    of_item.map(|row| row["value"].as_str().expect("text").to_owned()).collect()
}

const DOCTOR: [&str; 3] = ["doctor", "--format", "json"];

#[test]
fn a_cpu_libtorch_leaves_the_gpu_alone_and_says_the_cure() {
    let project = project(Some(2), NOT_BUILT);
    let sentence = format!("the CUDA devices are not used: libtorch is built without CUDA; {CURE}");
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    assert_eq!(ran.stderr.matches(&sentence).count(), 1, "{}", ran.stderr);
    assert_eq!(used(&project), ["cpu"]);

    let ran = project.run(&["run", "spec.yaml", "--devices", "cuda:1"]).expect(2);
    assert!(
        ran.stderr.contains("the CUDA devices cannot be used: libtorch is built without CUDA"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains(CURE), "{}", ran.stderr);

    let ran = project.run(&DOCTOR).expect(1);
    assert_eq!(rows(&ran, "libtorch CUDA"), ["not built in"]);
    let problem =
        format!("built-in trainers cannot use the CUDA devices: libtorch is built without CUDA; {CURE}");
    assert_eq!(rows(&ran, "problem"), [problem]);
}

#[test]
fn a_cuda_libtorch_gets_the_devices() {
    let project = project(Some(2), USABLE);
    project.run(&["run", "spec.yaml"]).expect(3);
    let used = used(&project);
    assert!(used.len() == 2 && used.iter().all(|device| device.starts_with("GPU-")), "{used:?}");
    assert_eq!(asked(&project, "probe"), 1);

    let ran = project.run(&DOCTOR).expect(0);
    assert_eq!(rows(&ran, "libtorch CUDA"), ["13.0, 2 devices usable"]);
    assert_eq!(rows(&ran, "cuDNN"), ["9.20.0"]);
    assert_eq!(rows(&ran, "CUDA driver"), ["580.0-fake (CUDA 13.0)"]);
    let device = rows(&ran, "cuda:0").remove(0);
    assert!(device.contains("Fake GPU 0") && device.contains("compute capability 9.0"), "{device}");
    assert_eq!(rows(&ran, "problem"), [""; 0]);

    let old_device = project.env("GRIDBOARD_FAKE_CAPABILITY", "7").run(&DOCTOR).expect(1);
    let problems = rows(&old_device, "problem");
    assert!(problems[0].contains("has compute capability 7.0, and CUDA 13.0 needs 7.5"), "{problems:?}");
}

#[test]
fn a_driver_that_is_too_old_is_told_from_a_missing_device() {
    let old = project(Some(1), UNUSABLE).env("GRIDBOARD_FAKE_DRIVER", "535");
    let why = "libtorch has CUDA 13.0, which needs driver 580 or newer, and the driver here is 535.0-fake \
               (CUDA 12.2)";
    let ran = old.run(&["run", "spec.yaml"]).expect(3);
    assert!(ran.stderr.contains(why), "{}", ran.stderr);
    assert_eq!(used(&old), ["cpu"]);
    let ran = old.run(&DOCTOR).expect(1);
    assert_eq!(rows(&ran, "libtorch CUDA"), ["13.0, no usable device"]);
    let problems = rows(&ran, "problem");
    assert!(problems.len() == 1 && problems[0].contains(why), "{problems:?}");

    let ran = project(Some(1), UNUSABLE).run(&["run", "spec.yaml", "--devices", "cuda"]).expect(2);
    assert!(ran.stderr.contains("libtorch has CUDA 13.0 and can use no device"), "{}", ran.stderr);
}

#[test]
fn without_devices_or_for_other_programs_libtorch_is_not_asked() {
    let none = project(None, UNUSABLE);
    none.run(&["run", "spec.yaml"]).expect(3);
    assert_eq!(used(&none), ["cpu"]);
    let ran = none.run(&DOCTOR).expect(0);
    assert_eq!(rows(&ran, "CUDA driver"), ["none"]);
    assert_eq!(rows(&ran, "libtorch CUDA"), ["13.0, no usable device"]);
    assert_eq!(asked(&none, "probe"), 0);

    let cpu = project(Some(2), NOT_BUILT);
    let ran = cpu.run(&["run", "spec.yaml", "--devices", "cpu:1"]).expect(3);
    assert!(!ran.stderr.contains("CUDA"), "{}", ran.stderr);
    assert_eq!(asked(&cpu, "probe"), 0);

    let command = project(Some(2), NOT_BUILT);
    command
        .write("spec.yaml", "experiment: mine\nmodel: {family: command, run: ['true']}\ngrid: {x: [1, 2]}\n");
    command.run(&["run", "spec.yaml"]).expect(0);
    assert!(used(&command).iter().all(|device| device.starts_with("GPU-")));
    assert_eq!(asked(&command, "probe"), 0);
}

#[test]
fn tf32_without_a_gpu_is_refused_before_anything_starts() {
    let tf32 = ["--set", "train.precision=tf32"];
    for project in [project(None, NOT_BUILT), project(Some(1), NOT_BUILT)] {
        let ran = project.run(&[&["run", "spec.yaml"], &tf32[..]].concat()).expect(2);
        assert!(ran.stderr.contains("`precision: tf32` is for CUDA devices alone"), "{}", ran.stderr);
        assert!(!project.path("runs").exists(), "nothing was run");
    }
    let ran = project(None, NOT_BUILT).run(&[&["plan", "spec.yaml"], &tf32[..]].concat()).expect(2);
    assert!(ran.stderr.contains("this machine has no CUDA devices"), "{}", ran.stderr);
    let on_cpu = ["run", "spec.yaml", "--devices", "cpu"];
    let ran = project(Some(1), USABLE).run(&[&on_cpu[..], &tf32[..]].concat()).expect(2);
    let problem =
        "--set train.precision=tf32: `precision`: tf32 is for CUDA devices, and `schedule.devices` is `cpu`";
    assert!(ran.stderr.contains(problem), "{}", ran.stderr);

    let usable = project(Some(1), USABLE);
    usable.run(&[&["plan", "spec.yaml"], &tf32[..]].concat()).expect(0);
    usable.run(&[&["run", "spec.yaml"], &tf32[..]].concat()).expect(3);
    assert!(used(&usable)[0].starts_with("GPU-"));
}

#[test]
fn parts_of_a_partitioned_device_are_listed_and_chosen() {
    let project = project(Some(2), USABLE).env("GRIDBOARD_FAKE_PARTITIONED", "0");
    let parts = ["MIG-fa4e0000-0000-0000-0000-000000000000", "MIG-fa4e0000-0000-0000-0000-000000000002"];
    let ran = project.run(&DOCTOR).expect(0);
    for (number, uuid) in parts.iter().enumerate() {
        let row = rows(&ran, &format!("cuda:{number}")).remove(0);
        assert!(row.contains(uuid) && row.contains("Fake GPU 0 MIG 1g.2gb"), "{row}");
    }
    assert!(rows(&ran, "cuda:2")[0].contains("GPU-"));

    project.run(&["run", "spec.yaml", "--devices", &format!("cuda:{}", parts[1])]).expect(3);
    assert_eq!(used(&project), [parts[1]]);
    assert!(project.read("trained").contains(&format!("CUDA_VISIBLE_DEVICES={}", parts[1])));
    let visible = project.env("CUDA_VISIBLE_DEVICES", parts[0]);
    visible.run(&["run", "spec.yaml"]).expect(3);
    assert!(visible.read("trained").contains(&format!("CUDA_VISIBLE_DEVICES={}", parts[0])));
}

#[test]
fn predict_takes_the_words_for_a_device() {
    let project = project(Some(2), USABLE);
    project.run(&["run", "spec.yaml", "--devices", "cpu:1"]).expect(3);
    project.write("runs/mini/1-conv-2-nodes-0-dense/checkpoint.safetensors", "");
    project.write("x.png", "");
    let predicted = |device: &str, code: i32| {
        let ran =
            project.run(&["predict", "1-conv-2-nodes-0-dense", "x.png", "--device", device]).expect(code);
        let trained = project.read("trained");
        (trained.lines().last().expect("a line").to_owned(), ran.stderr)
    };
    let second = "GPU-fa4e0000-0000-0000-0000-000000000001";
    for (words, id) in
        [("cuda:1", second), (second, second), ("cpu", "cpu"), ("cuda:0", &second.replace("01", "00"))]
    {
        let (asked, _) = predicted(words, 1);
        let visible = if id == "cpu" { "" } else { id };
        assert!(
            asked.ends_with(&format!("--device {id} CUDA_VISIBLE_DEVICES={visible}")),
            "{words}: {asked}"
        );
    }
    assert!(predicted("cuda:7", 2).1.contains("no CUDA device 7: this machine has cuda:0"));
    assert!(predicted("cuda:0,1", 2).1.contains("`cuda:0,1` is not one device"));
    assert!(predicted("gpu", 2).1.contains("`gpu` names no devices"));
}

/// The two sides of the answer are written apart: the worker names nothing of `device`.
#[cfg(feature = "torch")]
#[test]
fn the_real_worker_is_understood() {
    let ran = Project::new().run(&DOCTOR);
    let told = rows(&ran, "libtorch CUDA");
    assert_eq!(told.len(), 1, "{}", ran.stdout);
}
