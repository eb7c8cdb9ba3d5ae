//! The check of a node before the first runs are submitted.

use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::{Lab, six};
use crate::support::{signal, wait_until};

#[test]
fn a_node_is_looked_at_once_and_again_only_where_something_has_changed() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    project.write("go", "");
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    let found = "six: node n1 has what the runs need: the runs directory, this program, 1 GPU, the program of `model.run`";
    assert!(ran.stderr.contains(found), "{}", ran.stderr);
    let again = project.run(&["run", "spec.yaml", "--set", "seeds=[0, 1]"]).expect(0);
    assert!(!again.stderr.contains("has what the runs need"), "{}", again.stderr);
    let changed =
        ["run", "spec.yaml", "--set", "seeds=[0, 1, 2]", "--set", "launcher.slurm.setup=[echo hello]"];
    let again = project.run(&changed).expect(0);
    assert!(again.stderr.contains("has what the runs need"), "{}", again.stderr);
}

#[test]
fn what_a_node_does_not_see_is_a_sentence_before_any_run_is_submitted() {
    let Some(lab) = Lab::start("") else { return };
    a_trainer_that_does_not_start(&lab);
    let project = lab.project(&six("{gpus: 1}"));
    project.write("go", "");
    let refused = |setting: &str, expected: &str, hint: &str| {
        let ran = project.run(&["run", "spec.yaml", "--set", setting]).expect(2);
        assert!(ran.stderr.contains(expected) && ran.stderr.contains(hint), "{setting}\n{}", ran.stderr);
    };
    refused(
        "launcher.slurm.setup=[echo no such module; exit 3]",
        "on node n1: the job has ended before this program had a look: no such module",
        "launcher.slurm.setup",
    );
    refused(
        "launcher.slurm.setup=[export PATH=/nowhere]",
        "on node n1: the program `sh` of `model.run`",
        "which sh",
    );
    refused(
        "launcher.slurm.setup=[unset CUDA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES ZE_AFFINITY_MASK]",
        "on node n1: the job has asked for 1 GPU, and CUDA_VISIBLE_DEVICES is not set",
        "gres.conf",
    );
    // What a network file system that is none looks like: the folder is there, and another one.
    let hide = "launcher.slurm.setup=['mv runs/six/.slurm/check-* runs/six/.slurm/gone']";
    refused(hide, "is not seen", "--runs-dir");
    let states = project.sql("select distinct state, attempts from runs");
    assert_eq!(states.len(), 1, "{states:?}");
    assert_eq!((&states[0]["state"], &states[0]["attempts"]), (&"pending".into(), &0.into()));
    let jobs = lab.slurm("squeue", &["-h", "-t", "all", "-o", "%j"]);
    assert!(jobs.lines().all(|name| name.contains("-check-")), "{jobs}");
}

#[test]
fn a_check_that_waits_says_why_and_a_signal_ends_it() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{}"));
    // Both nodes are taken.
    let full = ["--array=0-1", "--exclusive", "--output=/dev/null", "--wrap", "sleep 300"];
    lab.slurm("sbatch", &full);
    lab.wait_for_jobs("R", 2);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    wait_until("it is told what is waited for", || {
        project.read("err.log").contains("six: waiting for a node to check (job ")
    });
    assert!(project.read("err.log").contains("(Resources)"), "{}", project.read("err.log"));
    lab.wait_for_jobs("PD", 1);
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("wait for it").code(), Some(130), "{}", project.read("err.log"));
    lab.wait_for_jobs("PD", 0);
    assert_eq!(project.path("runs/six/.slurm").read_dir().expect("a folder").count(), 0);
}

/// A built-in network needs its trainer there.
fn a_trainer_that_does_not_start(lab: &Lab) {
    let project = lab.project(
        "experiment: nets\n\
         dataset: {phantom: {images: [20, 20]}, image_size: 16}\n\
         model: {family: grid_cnn, conv_layers: 1, dense_layers: 0}\n\
         train: {epochs: 1, batch_size: 8}\n\
         grid: {layer_size: [8]}\n\
         launcher: {slurm: {}}\n",
    );
    // A trainer whose libtorch is not there.
    let worker = project.write(
        "worker",
        "#!/bin/sh\necho 'error while loading shared libraries: libtorch.so: cannot open shared object file' >&2; exit 127\n",
    );
    let made = Command::new("chmod").arg("+x").arg(&worker).stdin(Stdio::null()).status();
    assert!(made.expect("start chmod").success());
    // Nobody has said where prepared images are to lie.
    let project = project.env("GRIDBOARD_WORKER", worker.to_str().expect("UTF-8")).env("GRIDBOARD_CACHE", "");
    let ran = project.run(&["run", "spec.yaml"]).expect(2);
    let expected = "on node n1: the worker does not start (exit status: 127): error while loading shared libraries: libtorch.so";
    assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    assert!(project.path("runs/.cache/corpus").is_dir(), "beside the runs");
    assert!(ran.stderr.contains("its libtorch have to lie where the nodes see them"), "{}", ran.stderr);
    assert!(lab.slurm("squeue", &["-h", "-t", "all", "-o", "%j"]).lines().count() == 1, "no run");
}
