//! What users ask of a live sweep: cancel, requeue, pause.

use super::{Lab, leaderboard, on_this_machine, six, wait_for_the_first};
use crate::support::wait_until;

#[test]
fn runs_are_cancelled_and_requeued_and_the_sweep_is_paused() {
    let Some(lab) = Lab::start("") else { return };
    let project = lab.project(&six("{gpus: 1}"));
    let mut sweep = project.start(&["run", "spec.yaml"]);
    lab.wait_for_jobs("R", 4);
    lab.wait_for_jobs("PD", 2);
    wait_for_the_first(&project);
    project.run(&["cancel", "six/a-1-b-4", "six/a-3-b-5"]).expect(0);
    // Another one has its place.
    lab.wait_for_jobs("R", 4);
    lab.wait_for_jobs("PD", 0);
    let states = || project.sql("select run, state from runs where state = 'cancelled' order by run");
    wait_until("both are cancelled", || states().len() == 2);
    project.run(&["pause", "six"]).expect(0);
    lab.wait_for_jobs("R,PD,CG", 0);
    let paused = || project.sql("select run from runs where state = 'paused'");
    wait_until("four are paused", || paused().len() == 4);
    project.run(&["requeue", "six/a-1-b-4", "six/a-3-b-5"]).expect(0);
    project.run(&["resume", "six"]).expect(0);
    lab.wait_for_jobs("R", 4);
    project.write("go", "");
    assert_eq!(sweep.wait().expect("wait for the sweep").code(), Some(0), "{}", project.read("err.log"));
    assert_eq!(leaderboard(&project), on_this_machine(&project));
}
