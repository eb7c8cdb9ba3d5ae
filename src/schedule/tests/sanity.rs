//! What must hold between the structures of the scheduler after every step.

use super::super::{
    pool::Claim,
    scheduler::{Phase, Scheduler},
    task::Fate,
};

impl Scheduler {
    /// Asserts the invariants that tie the structures together.
    pub(in crate::schedule) fn sanity_check(&self) {
        let claims: Vec<Claim> = self.live.values().map(|live| live.claim).collect();
        self.pool.sanity_check(&claims);
        let mut taken = vec![false; self.slots().len()];
        for claim in &claims {
            assert!(
                !std::mem::replace(&mut taken[claim.slot as usize], true),
                "two runs on slot {}",
                claim.slot
            );
            assert_eq!(self.slots()[claim.slot as usize].device_index as usize, claim.device);
        }
        for (position, task) in self.tasks.iter().enumerate() {
            assert!(!(self.queue.contains(position) && self.live.contains_key(&position)));
            assert!(task.counted <= self.max_attempts, "run {} has made too many attempts", task.job.run);
            let waits = matches!(task.fate, Fate::Open | Fate::Paused) && !self.live.contains_key(&position);
            assert_eq!(self.queue.contains(position), waits, "run {} {:?}", task.job.run, task.fate);
        }
        let of = |fate: fn(&Fate) -> bool| self.tasks.iter().filter(|task| fate(&task.fate)).count();
        assert_eq!(self.delayed, of(|fate| matches!(fate, Fate::Delayed(_))));
        assert_eq!(self.failed, of(|fate| *fate == Fate::Failed));
        assert_eq!(self.completed, of(|fate| *fate == Fate::Completed));
        assert_eq!(self.cancelled_runs, of(|fate| *fate == Fate::Cancelled));
        if self.phase == Phase::Running {
            for device in self.pool.with_free_slots() {
                for position in self.queue.positions() {
                    let task = &self.tasks[position];
                    assert!(
                        !self.pool.admits(device, position, task.memory()),
                        "run {} waits although device {device} has a free slot for it",
                        task.job.run
                    );
                }
            }
        }
    }
}
