//! Whole sweeps: what runs are given, what they give, what Slurm refuses.

use std::collections::BTreeSet;

use super::{FIRST, Lab, leaderboard, on_this_machine, place, six, wait_for_the_first};
use crate::support::{Project, wait_until};

#[test]
fn runs_on_two_nodes_rank_as_on_this_machine_and_each_has_a_gpu_of_its_own() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 4);
    wait_for_the_first(&project);
    let places: BTreeSet<String> = FIRST.iter().map(|run| place(&project, run)).collect();
    let all = ["n1:0", "n1:1", "n2:0", "n2:1"].map(str::to_owned);
    assert_eq!(places, BTreeSet::from(all), "no two at once on one GPU");
    let why = || project.run(&["why", "six/a-3-b-5"]).expect(0).stdout;
    wait_until("Slurm's reason is told", || why().contains("(Resources)"));
    assert!(why().contains("waits in Slurm's queue as job"), "{}", why());
    let why = project.run(&["why", "six/a-1-b-4"]).expect(0).stdout;
    assert!(why.contains("is being run on slurm/0") && why.contains(" on n1"), "{why}");
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    let attempts = project.sql("select distinct host, state from attempts order by host");
    let hosts: Vec<_> = attempts.iter().map(|row| row["host"].as_str().unwrap_or_default()).collect();
    assert_eq!(hosts, ["n1", "n2"]);
    // The folders say the same as the database, and nothing of the submission is left.
    project.run(&["verify"]).expect(0);
    let left = project.path("runs/six/.slurm").read_dir().expect("a folder").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["nodes.json"], "what a node was found to have");
    // The same spec is done here and there.
    let again = project.run(&["run", "spec.yaml", "--launcher", "local"]).expect(0);
    assert!(again.stderr.contains("6 completed, 0 to train"), "{}", again.stderr);
}

/// Six networks of 16 pixels, with and without Slurm: bit by bit the same, in the weights too.
#[cfg(feature = "torch")]
#[test]
fn built_in_networks_are_trained_as_on_this_machine() {
    let Some(lab) = Lab::start("") else { return };
    let spec = "experiment: six\n\
        dataset:\n  phantom: {images: [60, 40], difficulty: 0.35, seed: 0}\n  classes: [normal, covid]\n  \
        image_size: 16\n  validation_split: 0.3\n\
        model: {family: grid_cnn}\n\
        train: {epochs: 2, batch_size: 16, learning_rate: 0.001}\n\
        grid: {dense_layers: [0, 1], conv_layers: [1], layer_size: [4, 8, 16]}\n\
        launcher: {slurm: {}}\n";
    let project = lab.project(spec);
    project.run(&["run", "spec.yaml"]).expect(0);
    let here = Project::with_spec(spec);
    here.run(&["run", "spec.yaml", "--launcher", "local"]).expect(0);
    assert_eq!(leaderboard(&project), leaderboard(&here));
    for file in ["leaderboard.csv", "top_ten.tex", "top_ten_confusion.png", "roc_curves.png"] {
        let path = format!("runs/six/report/{file}");
        let read = |project: &Project| std::fs::read(project.path(&path)).expect("a file of the report");
        assert_eq!(read(&project), read(&here), "{file}");
    }
    let weights = "runs/six/1-conv-8-nodes-1-dense/best.safetensors";
    let read = |project: &Project| std::fs::read(project.path(weights)).expect("the weights");
    assert_eq!(read(&project), read(&here));
    let hosts = project.sql("select distinct host from attempts order by host");
    assert_eq!(hosts, [serde_json::json!({"host": "n1"}), serde_json::json!({"host": "n2"})]);
    project.run(&["verify"]).expect(0);
}

#[test]
fn what_slurm_does_not_take_is_refused_in_its_own_words() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{partition: nowhere}"));
    let refused = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(
        refused.stderr.contains("Slurm says: ") && refused.stderr.contains("partition"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("sinfo"), "a hint: {}", refused.stderr);
    assert!(!project.path("runs").exists(), "nothing was written");
    let refused = project.run(&["run", "spec.yaml", "--set", "launcher.slurm={cpus: 400}"]).expect(2);
    assert!(refused.stderr.contains("Slurm says: "), "{}", refused.stderr);
}

#[test]
fn without_slurms_programs_that_is_said() {
    let project = Project::with_spec(&six("{}")).env("PATH", "/nowhere");
    let refused = project.run(&["run", "spec.yaml"]).expect(2);
    assert!(
        refused.stderr.contains("the launcher is slurm, and `sbatch` cannot be started"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("--launcher local"), "{}", refused.stderr);
}

#[test]
fn arrays_are_cut_to_what_slurm_takes() {
    let Some(lab) = Lab::start("MaxArraySize=4") else { return };
    let project = lab.project(&six("{check: false}"));
    project.write("go", "");
    project.run(&["run", "spec.yaml"]).expect(0);
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    let arrays: BTreeSet<String> = lab
        .slurm("squeue", &["-h", "-r", "-t", "all", "-o", "%F:%K"])
        .lines()
        .map(|line| line.split(':').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(arrays.len(), 2, "four tasks and two");
}

#[test]
fn three_starts_that_fail_alike_stop_the_submission() {
    let Some(lab) = Lab::start("") else { return };
    let spec = six("{at_once: 1, check: false, setup: ['echo no such module; exit 3']}");
    let project = lab.project(&format!("{spec}retry: {{attempts: 1}}\n"));
    project.write("go", "");
    let ran = project.run(&["run", "spec.yaml"]).expect(3);
    assert!(ran.stderr.contains("the first 3 runs failed alike"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the job has ended before the run began: no such module"), "{}", ran.stderr);
    let states = project.sql("select state, count(*) as n from runs group by state order by state");
    assert_eq!((states[0]["state"].as_str(), states[0]["n"].as_u64()), (Some("failed"), Some(3)));
}

#[test]
fn a_controller_that_is_away_is_waited_for() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 6);
    lab.daemon("stop", "slurmctld");
    wait_until("it is told", || project.read("err.log").contains("Slurm does not answer"));
    lab.daemon("start", "slurmctld");
    wait_until("it is told that it is back", || project.read("err.log").contains("Slurm answers again"));
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    let more = project.sql("select run from runs where attempts > 1");
    assert!(more.is_empty(), "nobody was begun twice: {more:?}");
}

/// A controller that is killed may have forgotten the last that it was told.
#[test]
fn a_controller_that_is_killed_loses_no_run() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 4);
    lab.daemon("kill", "slurmctld");
    wait_for_the_first(&project);
    wait_until("it is told", || project.read("err.log").contains("Slurm does not answer"));
    lab.daemon("start", "slurmctld");
    wait_until("it is told that it is back", || project.read("err.log").contains("Slurm answers again"));
    project.write("go", "");
    wait_until("the first four are done", || project.read("err.log").contains("[4/6]"));
    // It may have started them anew in its mind, and have drained the nodes, which know better: then somebody has to help.
    let is_drained = || lab.slurm("sinfo", &["-h", "-N", "-o", "%T"]).contains("drain");
    let is_told = || project.read("err.log").contains("perhaps for somebody to do something");
    wait_until("the sweep ends", || {
        if is_drained() {
            let first = |job: &&String| ["_0", "_1", "_2", "_3"].iter().any(|end| job.ends_with(end));
            lab.jobs("R").iter().filter(first).for_each(|job| drop(lab.slurm("scancel", &[job])));
            if is_told() {
                lab.slurm("scontrol", &["update", "nodename=n[1-2]", "state=resume"]);
            }
        }
        sweep.try_wait().expect("look at the sweep").is_some()
    });
    assert_eq!(sweep.wait().expect("reap it").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    project.run(&["verify"]).expect(0);
}

#[test]
fn a_secret_is_in_no_file_and_gets_to_the_program_all_the_same() {
    let Some(lab) = Lab::start("") else { return };
    let spec = six("{}")
        .replace("model:\n", "model:\n  env: {WORD: $A_SECRET}\n")
        .replace("echo $SLURMD_NODENAME:$CUDA_VISIBLE_DEVICES", "test ${#WORD} = 6 && echo told");
    let project = lab.project(&spec).env("A_SECRET", "sesame");
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 6);
    wait_until("a run has begun", || project.path("runs/six/a-1-b-4/place").exists());
    let found = std::process::Command::new("grep")
        .args(["-r", "-l", "sesame"])
        .arg(project.path("runs"))
        .output()
        .expect("start grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "files with the secret");
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(project.read("runs/six/a-1-b-4/place"), "told\n");
}
