//! Another login node goes on with an experiment: its jobs are taken over, by a database of its own.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{Lab, six, take_over};
use crate::{
    placed_database::move_away,
    support::{Project, signal},
};

/// Makes the lease that is there that of another machine, which has given a sign of life every 0.4 s.
fn lease_of(project: &Project, host: &str) {
    let folder = project.path("runs/six/.lease");
    let path = fs::read_dir(folder).expect("the leases").flatten().next().expect("a lease").path();
    let mut lease: Value = serde_json::from_slice(&fs::read(&path).expect("a lease")).expect("JSON");
    (lease["host"], lease["boot_id"], lease["every"]) = (json!(host), json!("another"), json!(0.4));
    fs::write(&path, lease.to_string()).expect("write the lease");
}

#[test]
fn another_login_node_takes_the_jobs_over() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml", "--database", "one.db"]);
    lab.wait_for_jobs("R", 4);
    let jobs = lab.slurm("squeue", &["-h", "-r", "-o", "%i"]);
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("reap it");
    move_away(&project, "login1");
    lease_of(&project, "login1");
    let refused = project.run(&["run", "spec.yaml"]).expect(1);
    assert!(refused.stderr.contains("lies on login1 as "), "{}", refused.stderr);
    let made = project.run(&["index", "--rebuild", "--database", "two.db"]).expect(0);
    assert!(made.stderr.contains("on login1: no sign of life for 0 s of 2"), "{}", made.stderr);
    take_over(&lab, &project, &jobs);
    let attempts = project.sql("select run, attempt, state, job, host from attempts order by run");
    assert_eq!(attempts.len(), 6, "{attempts:?}");
    assert!(attempts.iter().all(|row| row["attempt"] == 1 && row["state"] == "completed"), "{attempts:?}");
    let mut known: Vec<&str> = attempts.iter().filter_map(|row| row["job"].as_str()).collect();
    known.sort_unstable();
    let mut jobs: Vec<&str> = jobs.lines().collect();
    jobs.sort_unstable();
    assert_eq!(known, jobs);
    project.run(&["verify"]).expect(0);
}

#[test]
fn a_sweep_that_is_taken_over_leaves_its_jobs() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let jobs = lab.wait_for_jobs("R", 4);
    let first = project.path("runs/six/.lease/00000001");
    fs::copy(&first, project.path("runs/six/.lease/00000002")).expect("a later lease");
    assert_eq!(sweep.wait().expect("it ends").code(), Some(1), "{}", project.read("err.log"));
    let said = project.read("err.log");
    assert!(said.contains("experiment `six` was taken over by process "), "{said}");
    assert!(said.contains("this program ends; its jobs stay"), "{said}");
    assert_eq!(lab.jobs("R"), jobs);
    assert!(project.path("runs/six/.slurm").read_dir().expect("a folder").count() > 0, "their orders stand");
}
