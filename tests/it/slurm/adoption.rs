//! Whoever has submitted jobs may be gone: they go on, and the next one takes them over.

use nix::sys::signal::Signal;

use super::{Lab, leaderboard, on_this_machine, six, take_over};
use crate::support::signal;

#[test]
fn a_killed_orchestrator_finds_its_jobs_again() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 4);
    let jobs = lab.slurm("squeue", &["-h", "-r", "-o", "%i"]);
    signal(&sweep, Signal::SIGKILL);
    sweep.wait().expect("reap it");
    // Not here while the jobs are there: nobody would know of the others.
    let refused = project.run(&["run", "spec.yaml", "--launcher", "local"]).expect(2);
    assert!(refused.stderr.contains("6 attempts of `six` are in Slurm"), "{}", refused.stderr);
    let why = project.run(&["why", "six/a-1-b-4"]).expect(0).stdout;
    assert!(why.contains("goes on in a cluster without its sweep"), "{why}");
    take_over(&lab, &project, &jobs);
    let attempts = project.sql("select run, attempt, state from attempts order by run");
    assert_eq!(attempts.len(), 6, "{attempts:?}");
    assert!(attempts.iter().all(|row| row["attempt"] == 1 && row["state"] == "completed"), "{attempts:?}");
    project.run(&["verify"]).expect(0);
}

#[test]
fn what_has_ended_while_nobody_looked_is_found_in_the_files() {
    let Some(lab) = Lab::start("MinJobAge=2") else { return };
    let project = lab.project(&six("{}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 6);
    // A Ctrl-C ends the program, and no job.
    signal(&sweep, Signal::SIGINT);
    assert_eq!(sweep.wait().expect("wait for it").code(), Some(130), "{}", project.read("err.log"));
    assert!(project.read("err.log").contains("6 jobs of the cluster go on"), "{}", project.read("err.log"));
    assert_eq!(lab.jobs("R").len(), 6);
    project.write("go", "");
    lab.wait_for_jobs("all", 0);
    let later = project.sql("select unixepoch('subsec') as now")[0]["now"].as_f64();
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(!ran.stderr.contains("tried again"), "{}", ran.stderr);
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    assert!(project.sql("select run from runs where attempts > 1").is_empty());
    // They ended when they did, and not when somebody looked.
    let last = project.sql("select max(finished) as last from attempts")[0]["last"].as_f64();
    assert!(last < later, "{last:?} {later:?}");
}
