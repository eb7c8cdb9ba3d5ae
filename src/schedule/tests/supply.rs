//! Runs that come while the sweep lasts, are held back, stopped, or left by a budget: one rule a test.

use proptest::prelude::*;

use super::*;

fn job(run: u64) -> Job {
    Job { run, cost: 1.0, memory: 1, attempt: 1, elastic: false, cancelled: false, alive: false }
}

fn env(told: fn(Scheduler) -> Scheduler) -> SchedEnv {
    SchedEnv { told, ..SchedEnv::new() }
}

#[test]
fn a_sweep_lasts_until_no_more_runs_come() {
    let mut env = env(Scheduler::with_more).device(9, 2).begin();
    assert!(env.scheduler().wants_more() && env.finished.is_none());
    assert_eq!(env.feed(Input::Add(job(0))).len(), 1);
    assert_eq!(env.feed(Input::Add(job(0))), [], "it is there");
    env.feed(Input::Add(job(1)));
    assert!(!env.scheduler().wants_more(), "no slot is free");
    env.feed(Input::Add(job(2)));
    env.finish(0);
    assert_eq!(env.started_runs(), [0, 1, 2]);
    env.finish(1);
    assert!(env.scheduler().wants_more());
    env.finish(2);
    assert_eq!(env.finished, None);
    env.feed(Input::Closed);
    assert_eq!(env.finished, Some(Counts { completed: 3, ..Counts::default() }));
}

#[test]
fn a_pause_and_a_drain_want_nothing() {
    let mut env = env(Scheduler::with_more).device(9, 1).begin();
    env.feed(Input::Pause);
    assert!(!env.scheduler().wants_more() && env.finished.is_none());
    env.feed(Input::Resume);
    assert!(env.scheduler().wants_more());
    env.feed(Input::Drain);
    assert_eq!(env.finished, Some(Counts::default()));
}

#[test]
fn what_is_held_back_starts_when_it_is_released() {
    let mut env = env(Scheduler::held_back).device(9, 2).runs(&[(1.0, 1), (3.0, 1), (2.0, 1)]).begin();
    assert_eq!((env.started_runs(), env.scheduler().next_held()), (vec![], Some(1)));
    assert_eq!(env.scheduler().standing(0), Some(Standing::Held));
    env.feed(Input::Release { run: 1 });
    env.feed(Input::Release { run: 1 });
    env.feed(Input::Release { run: 0 });
    assert_eq!(env.started_runs(), [1, 0]);
    // One makes room, and goes on later.
    assert_eq!(env.feed(Input::Park { run: 1 }), [Effect::Stop { run: 1, kill: false }]);
    assert_eq!(env.feed(Input::Park { run: 1 }), []);
    env.end(1, Ended::Interrupted);
    assert_eq!(env.scheduler().parked(), [1]);
    assert_eq!(env.scheduler().next_held(), Some(2), "it has begun");
    env.feed(Input::Release { run: 1 });
    assert_eq!(env.starts.last(), Some(&(1, 2, 0)));
    // One is not made again, live or not.
    assert_eq!(env.feed(Input::StopRun { run: 0 }), [Effect::Stop { run: 0, kill: false }]);
    env.end(0, Ended::Failed(Again::Yes));
    assert_eq!(env.scheduler().standing(0), Some(Standing::Stopped));
    env.feed(Input::Park { run: 1 });
    env.end(1, Ended::Interrupted);
    env.feed(Input::StopRun { run: 1 });
    env.feed(Input::Closed);
    let counts = Counts { stopped: 2, waiting: 1, ..Counts::default() };
    assert_eq!(env.finished, Some(counts), "what was never released is owed");
}

#[test]
fn what_gets_to_its_end_all_the_same_has_completed() {
    for input in [Input::Park { run: 0 }, Input::StopRun { run: 0 }] {
        let mut env = SchedEnv::new().device(9, 1).run(1.0, 1).begin();
        env.feed(input);
        env.finish(0);
        assert_eq!(env.finished, Some(Counts { completed: 1, ..Counts::default() }));
    }
}

#[test]
fn a_user_may_cancel_what_is_held_and_requeue_what_was_stopped() {
    let mut env = env(Scheduler::held_back).device(9, 1).runs(&[(2.0, 1), (1.0, 1)]).begin();
    env.feed(Input::CancelRun { run: 1 });
    assert_eq!(env.scheduler().standing(1), Some(Standing::Cancelled));
    env.feed(Input::Release { run: 0 });
    env.feed(Input::StopRun { run: 0 });
    env.end(0, Ended::Interrupted);
    env.feed(Input::Requeue { run: 0 });
    assert_eq!(env.live_runs(), [0]);
    env.finish(0);
    env.feed(Input::Closed);
    assert_eq!(env.finished, Some(Counts { completed: 1, cancelled: 1, ..Counts::default() }));
}

#[test]
fn a_budget_leaves_the_runs_that_never_began() {
    let two = |scheduler: Scheduler| scheduler.with_new_runs(Some(2));
    let mut env =
        SchedEnv { told: two, max_attempts: 2, ..SchedEnv::new() }.device(9, 1).runs(&[(1.0, 1); 4]);
    // This one began in an earlier sweep.
    env.jobs[3].attempt = 2;
    let mut env = env.begin();
    env.finish(0);
    // The last that may begin has its attempts, and so has what began before.
    env.crash(1);
    env.play_out();
    assert_eq!(
        env.starts.iter().map(|(run, attempt, _)| (*run, *attempt)).collect::<Vec<_>>(),
        [(0, 1), (1, 1), (1, 2), (3, 2)]
    );
    assert_eq!(env.finished, Some(Counts { completed: 3, waiting: 1, ..Counts::default() }));
    assert_eq!(env.scheduler().standing(2), Some(Standing::Left));
}

#[test]
fn a_budget_that_is_used_up_starts_nothing() {
    let none = |scheduler: Scheduler| scheduler.with_new_runs(Some(0));
    let env = SchedEnv { told: none, ..SchedEnv::new() }.device(9, 1).runs(&[(1.0, 1); 2]).begin();
    assert_eq!(env.finished, Some(Counts { waiting: 2, ..Counts::default() }));
}

proptest! {
    /// However runs come, are parked, released and stopped: the sweep ends, and each is counted once.
    #[test]
    fn every_run_ends_in_one_state(
        memories in prop::collection::vec(1_u64..12, 1..20),
        actions in prop::collection::vec((0_u8..6, 0_u64..20), 0..80),
        slots in 1_u32..4,
    ) {
        let mut env = env(Scheduler::with_more).device(10, slots).begin();
        let mut next = 0;
        for (action, run) in actions {
            match action {
                0 if next < memories.len() => {
                    env.feed(Input::Add(Job { memory: memories[next], ..job(next as u64) }));
                    next += 1;
                }
                1 => drop(env.feed(Input::Park { run })),
                2 => drop(env.feed(Input::Release { run })),
                3 => drop(env.feed(Input::StopRun { run })),
                4 => if let Some(run) = env.live_runs().first().copied() {
                    env.end(run, Ended::Interrupted);
                },
                _ => if let Some(run) = env.live_runs().last().copied() {
                    env.finish(run);
                },
            }
        }
        for run in env.scheduler().parked() {
            env.feed(Input::StopRun { run });
        }
        env.feed(Input::Closed);
        env.play_out();
        let counts = env.finished.unwrap();
        prop_assert_eq!(counts.live, 0);
        prop_assert_eq!(counts.waiting + counts.completed + counts.stopped, env.jobs.len());
    }
}
