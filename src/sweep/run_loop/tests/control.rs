//! What other terminals want of a live sweep, faults of devices, and pauses between attempts.

use super::*;
use crate::{
    run::{Answer as Said, Request},
    schedule::Standing,
};

impl World {
    fn ask(&mut self, request: &Request) -> Said {
        let said = self.this.serve(self.at(), request);
        self.check();
        said
    }

    fn standing(&self, run: u64) -> Standing {
        self.this.scheduler.standing(run).expect("a run of the sweep")
    }

    /// What runs without a live attempt were moved to.
    fn moves(&self) -> Vec<(u64, RunState)> {
        let moved = |event: &Event| match &event.change {
            Change::Moved { run, state, .. } => Some((*run, *state)),
            _ => None,
        };
        self.told.borrow().iter().filter_map(moved).collect()
    }
}

fn runs(numbers: &[u64]) -> Vec<String> {
    numbers.iter().map(|run| format!("run-{run}")).collect()
}

fn reasons(said: &Said) -> Vec<&str> {
    said.refused.iter().map(|refused| refused.reason.as_str()).collect()
}

#[test]
fn a_pause_asks_live_runs_to_end_and_a_resume_takes_them_up_again() {
    let mut world = begun(3, 2, 3);
    let said = world.ask(&Request::Pause);
    assert_eq!(
        said.text.unwrap(),
        "paused: nothing new starts; 2 live runs asked to keep the state and end, within 10 s"
    );
    assert_eq!(world.this.launcher.stops, [(0, false), (1, false)]);
    assert_eq!(reasons(&world.ask(&Request::Pause)), ["the sweep is paused already"]);
    world.end(0, Ending::Interrupted);
    // Who does not end is killed after the grace.
    world.pass(9.0);
    assert_eq!(world.this.launcher.stops.len(), 2);
    world.pass(1.5);
    assert_eq!(world.this.launcher.stops[2..], [(1, true)]);
    world.end(1, Ending::Interrupted);
    assert_eq!(world.ends(), [(0, 1, RunState::Paused), (1, 1, RunState::Paused)]);
    assert!(world.ask(&Request::Why { run: "run-0".to_owned() }).text.unwrap().starts_with("is paused: "));
    assert!(
        world.ask(&Request::Why { run: "run-2".to_owned() }).text.unwrap().contains("the sweep is paused")
    );
    world.pass(1000.0);
    assert_eq!(world.this.launcher.starts.len(), 2, "nothing starts meanwhile");
    assert_eq!(world.ask(&Request::Resume).text.unwrap(), "resumed: 2 runs live, 1 waiting");
    assert_eq!(world.moves(), [(0, RunState::Pending), (1, RunState::Pending)]);
    assert_eq!(world.this.launcher.starts[2..], [(0, 2), (1, 2)]);
    assert_eq!(reasons(&world.ask(&Request::Resume)), ["the sweep is not paused"]);
    for run in [0, 1, 2] {
        world.end(run, Ending::Completed);
    }
    assert!(world.this.over);
}

#[test]
fn a_paused_sweep_that_is_stopped_leaves_its_runs_owed() {
    let mut world = begun(2, 1, 3);
    world.ask(&Request::Pause);
    world.end(0, Ending::Interrupted);
    world.cancel();
    assert!(world.this.over);
    world.this.release_paused(world.at());
    assert!(world.moves().len() <= 1);
    assert_eq!(world.totals(), Totals { total: 4, completed: 2, pending: 2, ..Totals::default() });
}

#[test]
fn a_cancelled_run_ends_alone_and_another_takes_its_slot() {
    let mut world = begun(4, 1, 3);
    let said = world.ask(&Request::Cancel { runs: [runs(&[0, 1]), vec!["nobody".to_owned()]].concat() });
    let changed: Vec<_> = said.changed.iter().map(|changed| (changed.run.as_str(), changed.state)).collect();
    assert_eq!(changed, [("run-0", RunState::Cancelled), ("run-1", RunState::Cancelled)]);
    assert_eq!(reasons(&said), ["it is not in the spec that is being run"]);
    assert_eq!(
        (world.moves(), &world.this.launcher.stops),
        (vec![(1, RunState::Cancelled)], &vec![(0, false)])
    );
    let again = world.ask(&Request::Cancel { runs: runs(&[0, 1]) });
    assert_eq!(reasons(&again), ["it is cancelled already, and is about to end", "it is cancelled already"]);
    assert!(
        world.ask(&Request::Why { run: "run-0".to_owned() }).text.unwrap().contains("since it was cancelled")
    );
    world.pass(11.0);
    assert_eq!(world.this.launcher.stops[1..], [(0, true)]);
    world.end(0, Ending::Interrupted);
    assert_eq!(world.ends(), [(0, 1, RunState::Cancelled)]);
    assert_eq!(world.this.launcher.starts, [(0, 1), (2, 1)]);
    world.end(2, Ending::Completed);
    assert_eq!(reasons(&world.ask(&Request::Cancel { runs: runs(&[2]) })), ["it has completed"]);
    let said = world.ask(&Request::CancelAll);
    assert_eq!(said.changed.len(), 1);
    world.end(3, Ending::Failed(failure()));
    // It failed for a reason of its own, and is not tried again all the same.
    assert_eq!(world.ends()[2..], [(3, 1, RunState::Cancelled)]);
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 6, completed: 3, cancelled: 3, ..Totals::default() });
}

#[test]
fn what_failed_or_was_cancelled_is_requeued() {
    let mut world = begun(3, 1, 1);
    assert_eq!(reasons(&world.ask(&Request::RequeueFailed)), ["no run has failed"]);
    world.end(0, Ending::Failed(failure()));
    world.ask(&Request::Cancel { runs: runs(&[2]) });
    let said = world.ask(&Request::Requeue { runs: runs(&[2, 1, 0]) });
    assert_eq!(reasons(&said), ["it is being run"]);
    assert_eq!(world.moves(), [(2, RunState::Cancelled), (2, RunState::Pending), (0, RunState::Pending)]);
    assert_eq!(reasons(&world.ask(&Request::Requeue { runs: runs(&[0]) })), ["it waits already"]);
    world.end(1, Ending::Completed);
    world.end(0, Ending::Failed(failure()));
    assert_eq!(world.ask(&Request::RequeueFailed).changed.len(), 1);
    world.end(2, Ending::Completed);
    world.end(0, Ending::Completed);
    assert_eq!(world.this.launcher.starts, [(0, 1), (1, 1), (0, 2), (2, 1), (0, 3)]);
    assert_eq!(world.totals(), Totals { total: 5, completed: 5, ..Totals::default() });
}

#[test]
fn a_drain_lets_live_runs_end_and_nothing_start() {
    let mut world = begun(3, 1, 3);
    let said = world.ask(&Request::Drain);
    assert_eq!(said.text.unwrap(), "drained: 1 live run to end, then the sweep ends; 2 stay owed");
    for request in [Request::Drain, Request::Pause] {
        let said = world.ask(&request);
        assert!(reasons(&said)[0].contains("nothing starts any more"), "{said:?}");
    }
    assert!(reasons(&world.ask(&Request::Resume))[0].contains("not paused"));
    world.end(0, Ending::Completed);
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 5, completed: 3, pending: 2, ..Totals::default() });
}

#[test]
fn a_sentence_says_what_a_run_waits_for() {
    let mut world = begun(4, 1, 3);
    let why = |world: &mut World, run: &str| world.ask(&Request::Why { run: run.to_owned() }).text.unwrap();
    assert_eq!(why(&mut world, "run-1"), "waits for a slot: all 1 are busy; is the next one");
    assert!(why(&mut world, "run-3").ends_with("2 runs are before it, which are longer"));
    world.now = 90.0;
    let live = why(&mut world, "run-0");
    assert_eq!(
        live,
        "is being run on cpu/0 since 1 min 30 s (attempt 1, process 1000); it has written no point yet"
    );
    assert!(reasons(&world.ask(&Request::Why { run: "nobody".to_owned() }))[0].contains("no run `nobody`"));
    world.end(0, Ending::Completed);
    assert_eq!(why(&mut world, "run-0"), "has completed");
    assert_eq!(world.standing(1), Standing::Live);
}

#[test]
fn a_cuda_fault_sets_its_device_aside_and_the_last_one_ends_the_sweep() {
    let cuda = |index: u32| Slot {
        label: format!("cuda:{index}/0"),
        device: format!("GPU-{index}"),
        device_index: index,
        ..slot(index)
    };
    let fault = || {
        Ending::Failed(Failure {
            kind: FailureKind::CudaFault,
            reason: "an illegal access".to_owned(),
            ..failure()
        })
    };
    let mut world = made_on(vec![cuda(0), cuda(1)], 4, 3, |_, _| Answer::Alive);
    world.begin();
    world.end(0, fault());
    assert_eq!(
        world.warnings(),
        [
            "cuda:0 is set aside for the rest of this sweep, and no other run starts there: run-0 has failed there: \
          an illegal access"
        ]
    );
    assert_eq!(world.ends(), [(0, 1, RunState::Pending)], "it is tried once more, on another device");
    world.end(1, Ending::Completed);
    assert_eq!(world.this.live[&0].attempt.slot, "cuda:1/0");
    world.end(0, fault());
    let told = world.warnings().pop().unwrap();
    assert!(
        told.starts_with(
            "cuda:1 is set aside, and no other device is left: nothing new starts, and 2 runs stay owed"
        ),
        "{told}"
    );
    assert!(world.this.over);
    assert_eq!(world.totals(), Totals { total: 6, completed: 3, failed: 1, pending: 2, ..Totals::default() });
    // A program that speaks of CUDA on the processor loses no device.
    let mut world = begun(2, 1, 1);
    world.end(0, fault());
    assert_eq!((world.warnings().len(), world.this.live.len()), (0, 1));
}

#[test]
fn what_was_killed_is_tried_again_after_a_pause() {
    let mut world = made(1, 1, 3, |_, _| Answer::Alive);
    world.this.scheduler = world.this.scheduler.clone().with_pause(4.0);
    world.begin();
    world.end(0, Ending::Failed(failure()));
    assert_eq!(world.this.wake_at(), Some(4.0));
    let why = world.ask(&Request::Why { run: "run-0".to_owned() }).text.unwrap();
    assert_eq!(why, "waits 4.0 s before it is tried again (attempt 2 of 3): its last attempt failed");
    world.pass(3.9);
    assert_eq!(world.this.launcher.starts.len(), 1);
    world.pass(0.2);
    assert_eq!(world.this.launcher.starts, [(0, 1), (0, 2)]);
    world.end(0, Ending::Failed(failure()));
    world.pass(7.0);
    assert_eq!(world.this.launcher.starts.len(), 2, "twice as long");
    world.pass(1.1);
    world.end(0, Ending::Completed);
    assert!(world.this.over);
}
