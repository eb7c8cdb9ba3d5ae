//! Carries out what the scheduler starts: prepares, launches, tells. What cannot be started now waits, in order.
//!
//! A start waits for two reasons. The ledger is behind: then it goes on when the ledger has caught up. Or the machine has no
//! more of something (descriptors, processes, memory, room on the disk): then it is tried again when an attempt has ended,
//! and once a second. Where nothing is alive that could give something back, patience ends, and with it the sweep: to fail
//! one run after the other would be worse.

use std::{path::PathBuf, sync::Arc};

use super::{Late, LiveAttempt, Loop, Now};
use crate::{
    base::process,
    event::{Attempt, Change},
    launch::Launcher,
    run::{RunDir, RunState},
    schedule::{Ended, Input, Slot},
    sweep::{
        SweepError,
        attempt::StartError,
        tail::{Cleared, Tail},
    },
};

/// How long a start that nobody can make room for is tried again, seconds.
const PATIENCE: f64 = 30.0;
/// How long after a failure a start is tried again, seconds, where no end comes before.
const AGAIN: f64 = 1.0;

/// A start that the scheduler has decided.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) run: u64,
    pub(super) attempt: u32,
    pub(super) slot: u32,
    pub(super) threads: u32,
}

/// An attempt that is alive.
pub(super) struct Begun {
    pub(super) attempt: Attempt,
    pub(super) run_dir: PathBuf,
    pub(super) cleared: Cleared,
}

/// Something of which the machine has no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage {
    /// Since when nothing is alive that could give it back.
    alone_since: Option<f64>,
    /// When the next start is tried.
    pub(super) again_at: f64,
}

impl<L: Launcher> Loop<'_, L> {
    /// Starts what is to be started, as far as that is possible now.
    pub(super) fn carry_out(&mut self, now: Now) {
        while self.sinks.has_room() && self.shortage.is_none_or(|shortage| now.elapsed >= shortage.again_at) {
            self.supply(now);
            let Some(start) = self.starts.pop_front() else { break };
            let slot = self.scheduler.slots()[start.slot as usize].clone();
            let slot = Slot { threads: start.threads, ..slot };
            let attempt = Attempt {
                run: start.run,
                name: self.attempts.name(start.run).to_owned(),
                number: start.attempt,
                slot: slot.label.clone(),
                device: slot.device.clone(),
                threads: slot.threads,
                handle: None,
                pid_start: None,
                started: now.wall,
                resumed: None,
            };
            match self.start(now, &slot, &attempt) {
                Ok(()) => self.shortage = None,
                Err(error) if error.is_shortage() => {
                    self.starts.push_front(start);
                    self.wait_for_more(now, start, &error);
                }
                Err(error) => {
                    self.step(now, Input::Ended { run: start.run, how: Ended::NotStarted });
                    let next = self.scheduler.next_try(start.run);
                    let state = if next.is_some() { RunState::Pending } else { RunState::Failed };
                    let failure = error.failure();
                    self.last_failure = Some(failure.clone());
                    let (name, told) = (attempt.name.clone(), failure.clone());
                    self.tell(
                        now,
                        Change::AttemptNotStarted { attempt: Arc::new(attempt), state, failure, next },
                    );
                    self.tell_search(now, start.run, state, Some(&told), None);
                    if state == RunState::Failed {
                        self.compare_failure(now, &name, &told);
                    }
                }
            }
        }
    }

    /// Starts an attempt, or says why not.
    fn start(&mut self, now: Now, slot: &Slot, attempt: &Attempt) -> Result<(), StartError> {
        self.count_budget(now);
        let begun = match self.adopt(attempt) {
            Some(begun) => begun,
            None => self.begin_attempt(now, slot, attempt)?,
        };
        let Begun { attempt, run_dir, mut cleared } = begun;
        let (attempt, refused, resumed) = (Arc::new(attempt), cleared.refused.take(), cleared.resumed);
        let tail = Tail::new(&run_dir, attempt.started, cleared);
        self.live.insert(
            attempt.run,
            LiveAttempt {
                attempt: Arc::clone(&attempt),
                tail,
                begun: now.elapsed,
                is_queued: self.launcher.is_queue(),
                late: Late::No,
                stalled: false,
                heard: now.elapsed,
                log: RunDir::new(&run_dir).log(),
                log_written: None,
                last_step: None,
                killed_at: None,
                cancelled: false,
                measured: now.elapsed,
            },
        );
        if let Some(meter) = &self.meter {
            meter.watch(&attempt);
        }
        let folder = self.sinks.folders.as_mut().map_or(Ok(()), |folders| folders.started(&attempt));
        if let Some(refused) = refused {
            let text = format!(
                "{}: the training state is not used, since {refused}: the run starts anew",
                attempt.name
            );
            self.tell(now, Change::Warning(text));
        }
        let run = attempt.run;
        if self.launcher.is_queue() {
            self.step(now, Input::Queued { run });
        }
        self.tell(now, Change::AttemptStarted(attempt));
        if let (Some(resumed), Some(epochs)) = (resumed, self.attempts.forecast(run).epochs) {
            #[expect(clippy::cast_precision_loss, reason = "a number of epochs")]
            let done = f64::from(resumed.epoch) / epochs.max(1) as f64;
            self.step(now, Input::GoesOn { run, done });
        }
        if let Err(problem) = folder {
            self.tell(now, Change::Warning(problem));
        }
        Ok(())
    }

    /// Prepares an attempt and lets the launcher start it.
    fn begin_attempt(&mut self, now: Now, slot: &Slot, attempt: &Attempt) -> Result<Begun, StartError> {
        let pause = self.stopping.as_ref().and_then(|stopping| stopping.pause_after(attempt.run));
        let (plan, cleared) = self.attempts.prepare(attempt.run, attempt.number, slot, (now.wall, pause))?;
        let plan = plan.expected_to_take(self.slowest(attempt.run));
        let handle = self.launcher.start(&plan)?;
        let pid_start = handle.pid().and_then(process::start_of);
        let resumed = cleared.resumed;
        let attempt = Attempt { handle: Some(handle), pid_start, resumed, ..attempt.clone() };
        Ok(Begun { attempt, run_dir: plan.run_dir, cleared })
    }

    /// Waits until an attempt gives back what there is no more of.
    fn wait_for_more(&mut self, now: Now, start: Start, error: &StartError) {
        let again_at = now.elapsed + AGAIN;
        let alone = self.live.is_empty();
        let Some(shortage) = &mut self.shortage else {
            let alone_since = alone.then_some(now.elapsed);
            self.shortage = Some(Shortage { alone_since, again_at });
            let run = self.attempts.name(start.run);
            let text = format!("{run} cannot be started now, and waits for another run to end: {error}");
            return self.tell(now, Change::Warning(text));
        };
        shortage.again_at = again_at;
        shortage.alone_since = alone.then(|| shortage.alone_since.unwrap_or(now.elapsed));
        if shortage.alone_since.is_some_and(|since| now.elapsed - since >= PATIENCE) {
            self.problem.get_or_insert(SweepError::NoStart {
                run: self.attempts.name(start.run).to_owned(),
                reason: error.to_string(),
            });
            self.drain(now);
        }
    }

    /// An attempt has ended: what it gives back may be what a start waits for.
    pub(super) fn try_again(&mut self, now: Now) {
        if let Some(shortage) = &mut self.shortage {
            shortage.again_at = now.elapsed;
        }
    }

    /// Leaves what is not started yet: its runs wait again, or stay owed.
    pub(super) fn give_up_starts(&mut self, now: Now) {
        self.shortage = None;
        while let Some(start) = self.starts.pop_front() {
            self.step(now, Input::Ended { run: start.run, how: Ended::Withdrawn });
        }
    }
}
