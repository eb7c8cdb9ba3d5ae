//! Time limits by estimate: none before runs have ended in the cluster, then twice of what they took, and twice of what was too
//! short.

use super::{Lab, six};
use crate::support::wait_until;

#[test]
fn jobs_get_the_time_that_earlier_ones_have_taken_and_more_where_it_was_too_short() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{check: false}"));
    let limits = || lab.slurm("squeue", &["-h", "-r", "-t", "PD,R", "-o", "%l"]);
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 6);
    assert!(limits().lines().all(|limit| limit == "UNLIMITED"), "nothing is known yet: {}", limits());
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));

    let more = ["--set", "seeds=[0, 1]"];
    let plan = project.run(&["plan", "spec.yaml", more[0], more[1], "--format", "json"]).expect(0).json();
    let asked = &plan[1]["submission"];
    assert_eq!((&asked["time_limit_seconds"], &asked["time_from"]), (&600.into(), &"estimate".into()));
    std::fs::remove_file(project.path("go")).expect("remove the file");
    let mut sweep = project.start(&["run", "spec.yaml", more[0], more[1]]);
    let running = lab.wait_for_jobs("R", 6);
    assert!(limits().lines().all(|limit| limit == "10:00"), "{}", limits());
    let run = "a-1-b-4-seed-1";
    wait_until("it has begun", || project.path(&format!("runs/six/{run}/place")).exists());
    // Slurm's warning, without the wait for it.
    let first = running.iter().find(|job| job.ends_with("_0")).expect("the first run");
    lab.slurm("scancel", &["--batch", "--signal=USR2", first]);
    wait_until("it has more time", || limits().lines().any(|limit| limit == "20:00"));
    let why = || project.run(&["why", &format!("six/{run}")]).expect(0).stdout;
    wait_until("it is told why", || {
        why().contains("with 20 min, since the 10 min of the estimate were too short")
    });
    let plan = project.run(&["plan", "spec.yaml", more[0], more[1], "--format", "json"]).expect(0).json();
    assert_eq!(plan[1]["submission"]["time_limit_seconds"], 1200);
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    let failures = project.sql("select run, failure from attempts where failure is not null");
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!((&failures[0]["run"], &failures[0]["failure"]), (&run.into(), &"time_limit".into()));
    assert!(project.read("runs/six/.slurm/limits.json").contains("\"a-1-b-4-seed-1\": 10"));
}
