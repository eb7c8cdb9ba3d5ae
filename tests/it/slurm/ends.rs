//! How jobs end otherwise: cancelled by somebody, cut off by their limit, preempted, on a node that is lost.

use std::path::Path;

use nix::sys::signal::Signal;

use super::{Lab, leaderboard, on_this_machine, place, six, wait_for_the_first};
use crate::support::{Project, alive, wait_until};

fn failures(project: &Project) -> Vec<(String, String)> {
    let rows =
        project.sql("select run, failure from attempts where failure is not null order by run, attempt");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    rows.iter().map(|row| (text(&row["run"]), text(&row["failure"]))).collect()
}

#[test]
fn a_job_that_somebody_cancels_is_told_as_such_and_begins_again() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    let running = lab.wait_for_jobs("R", 4);
    let waiting = lab.wait_for_jobs("PD", 2);
    wait_for_the_first(&project);
    let first = running.iter().find(|job| job.ends_with("_0")).expect("the first run");
    let last = waiting.iter().find(|job| job.ends_with("_5")).expect("the last run");
    lab.slurm("scancel", &[first, last]);
    wait_until("both are told", || {
        let said = project.read("err.log");
        said.matches("failed after").count() >= 2
    });
    let said = project.read("err.log");
    assert_eq!(said.matches("it was cancelled outside Gridboard").count(), 2, "{said}");
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    let told = ["a-1-b-4", "a-3-b-5"].map(|run| (run.to_owned(), "job_cancelled".to_owned()));
    assert_eq!(failures(&project), told);
    assert_eq!(leaderboard(&project), on_this_machine(&project));
}

#[test]
fn a_run_on_a_node_that_is_lost_goes_on_elsewhere_and_its_copy_changes_nothing() {
    let Some(lab) = Lab::start("SlurmdTimeout=4") else { return };
    let project = lab.project(&six("{gpus: 1, at_once: 4}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 4);
    wait_for_the_first(&project);
    let place = |run: &str| place(&project, run);
    assert_eq!(place("a-1-b-4"), "n1:0");
    // Those who would see that their order was taken back sleep, and the programs that they have started do not.
    let copies = Lab::attendants(&project, "n1");
    assert_eq!(copies.len(), 2);
    copies.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
    // The daemon alone: what it has started lives on, and nobody is told.
    lab.daemon("kill", "n1");
    wait_until("the loss is told", || {
        let said = project.read("err.log");
        said.matches("its node has failed").count() == 2
    });
    wait_until("both are begun elsewhere or wait", || {
        lab.jobs("R,PD").len() >= 4 && place("a-1-b-4") != "n1:0" || lab.jobs("PD").len() >= 2
    });
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    let told = ["a-1-b-4", "a-1-b-5"].map(|run| (run.to_owned(), "node_failed".to_owned()));
    assert_eq!(failures(&project), told);
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    let attempts = project.sql("select run, attempts from runs where attempts > 1");
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    copies.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
    wait_until("the copies are gone", || copies.iter().all(|pid| !alive(*pid)));
    assert_eq!(leaderboard(&project), on_this_machine(&project));
    for run in ["a-1-b-4", "a-1-b-5"] {
        assert_eq!(project.read(&format!("runs/six/{run}/done_by")), "n2\n", "{run}");
    }
    project.run(&["verify"]).expect(0);
}

fn send(pid: i64, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process id");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("signal the copy");
}

/// A run that keeps its state after each of its epochs, which take a second or two, and is done after so many.
fn long(launcher: &str, epochs: u32) -> String {
    let trainer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/slurm/long_trainer.py");
    format!(
        "experiment: six\n\
         model:\n  family: command\n  run: [python3, {}, '{epochs}']\n\
         grid: {{a: [1, 2]}}\n\
         launcher: {{slurm: {launcher}}}\n",
        trainer.display()
    )
}

#[test]
fn a_run_that_is_longer_than_its_job_goes_on_in_another() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&long("{time: 1m}", 45));
    let ran = project.run(&["run", "spec.yaml"]).expect(0);
    assert!(ran.stderr.contains("its time limit was reached"), "{}", ran.stderr);
    let told = failures(&project);
    assert!(!told.is_empty() && told.iter().all(|(_, kind)| kind == "time_limit"), "{told:?}");
    // Whoever went on had the epochs of before.
    let curve = project.sql("select count(*) as n, count(distinct step) as steps from history where run = 'a-1' and tag = 'validation/epoch_loss'");
    assert_eq!((curve[0]["n"].as_u64(), curve[0]["steps"].as_u64()), (Some(45), Some(45)));
    let log = project.read("runs/six/a-1/worker.log");
    assert!(log.contains("asked to end") && log.contains("goes on at"), "{log}");
}

#[test]
fn a_run_that_is_preempted_goes_on_when_there_is_room() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&long("{partition: sweep, cpus: 4}", 12));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 2);
    wait_until("both have kept an epoch", || {
        ["a-1", "a-2"].iter().all(|run| project.path(&format!("runs/six/{run}/state/epoch")).exists())
    });
    // A whole node for a job of a higher priority.
    let urgent = ["--partition=urgent", "--cpus-per-task=4", "--nodelist=n1", "--output=/dev/null"];
    let arguments: Vec<&str> = urgent.iter().copied().chain(["--wrap", "sleep 5"]).collect();
    lab.slurm("sbatch", &arguments);
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    let told = failures(&project);
    assert_eq!(told.len(), 1, "{told:?}\n{}", project.read("err.log"));
    assert_eq!(told[0].1, "preempted");
    let curve = project.sql(
        "select count(distinct step) as steps from history where tag = 'validation/epoch_loss' group by run",
    );
    assert!(curve.iter().all(|row| row["steps"] == 12), "{curve:?}");
}
