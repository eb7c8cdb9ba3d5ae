//! Judges the ends of attempts: reads the last of their events, their predictions, and lets the scheduler go on.
//!
//! An attempt that failed may have been ended by a signal that was meant for Gridboard too: a batch system, a service manager
//! or a closing terminal sends it to all processes at once, and nobody knows whose arrives first. So the verdict on a failure
//! waits for a moment; if Gridboard is asked to end within it, the attempt was interrupted.

use std::{mem, sync::Arc};

use super::{LiveAttempt, Loop, Now};
use crate::{
    base::{error::with_causes, human},
    event::{Attempt, Change},
    launch::{Alive, AttemptEnd, Ending, Launcher},
    run::{Evidence, Failure, FailureKind, RunState, Used},
    schedule::{DeviceKind, Input, Standing},
    sweep::attempt::fail,
    tfevents::hparams::Status,
};

/// How long a verdict waits for a signal, seconds, where the attempt ended as if by one.
const MOMENT: f64 = 1.0;
/// The same of any other failure: programs end in many ways when they are asked to.
const SHORT_MOMENT: f64 = 0.1;

/// An end that is not judged.
pub(super) struct Suspect {
    end: AttemptEnd,
    /// When the process was gone.
    ended: Now,
    pub(super) judged_at: f64,
}

impl<L: Launcher> Loop<'_, L> {
    /// An attempt's process is gone.
    pub(super) fn ended(&mut self, now: Now, end: AttemptEnd) {
        self.try_again(now);
        // The trainer's own word needs no other.
        let is_clear =
            end.has_outcome || self.scheduler.is_cancelled() || !matches!(end.ending, Ending::Failed(_));
        if is_clear {
            self.judge(now, now, end);
        } else {
            let moment = if end.asked_to_end { MOMENT } else { SHORT_MOMENT };
            self.suspects.push(Suspect { end, ended: now, judged_at: now.elapsed + moment });
        }
        self.carry_out(now);
    }

    /// Whether the process of a live run is gone, and its end is not judged.
    pub(super) fn is_suspect(&self, run: u64) -> bool {
        self.suspects.iter().any(|suspect| suspect.end.run == run)
    }

    /// Judges those whose moment is over.
    pub(super) fn judge_suspects(&mut self, now: Now) {
        let (due, waiting) =
            mem::take(&mut self.suspects).into_iter().partition(|suspect| suspect.judged_at <= now.elapsed);
        self.suspects = waiting;
        for Suspect { end, ended, .. } in due {
            self.judge(now, ended, end);
        }
    }

    /// Gridboard is asked to end within their moment.
    pub(super) fn interrupt_suspects(&mut self, now: Now) {
        for Suspect { mut end, ended, .. } in mem::take(&mut self.suspects) {
            end.ending = Ending::Interrupted;
            self.judge(now, ended, end);
        }
    }

    fn judge(&mut self, now: Now, ended: Now, mut end: AttemptEnd) {
        let run = end.run;
        self.count_budget(now);
        self.read_run(now, run);
        let Some(LiveAttempt { attempt, begun, tail, late, stalled, last_step, .. }) = self.live.remove(&run)
        else {
            return;
        };
        if let Some(points) = self.meter.as_ref().map(|meter| meter.forget(run)) {
            self.measured(now, Arc::clone(&attempt), points);
        }
        self.judge_late(late, stalled, &mut end);
        // A cluster's word comes late, and that of a job that ended while nobody looked much later.
        let ended = Now { wall: end.alive.map_or(ended.wall, |alive| alive.ended), ..ended };
        let seconds = end.alive.map_or((ended.elapsed - begun).max(0.0), Alive::seconds);
        let has_paused = end.has_paused;
        self.used.add(seconds, &end.used);
        if let Err(error) = self.attempts.restore(&attempt) {
            self.tell(now, Change::Warning(with_causes(&error)));
        }
        if let (Ending::Completed, Some(reason)) = (&end.ending, tail.lost_folder()) {
            // What was read is a part of what was logged, and the rest is somewhere else.
            fail(&mut end, reason);
        }
        let doubts = tail.problem();
        let is_whole = attempt.resumed.is_none();
        let begins_anew = tail.is_resumed() && end.resumed_from == Some(None);
        if let Err(error) = tail.end() {
            self.tell(now, Change::Warning(format!("{}: {}", attempt.name, with_causes(&error))));
        }
        if begins_anew {
            self.began_anew(now, &attempt);
        }
        if end.ending == Ending::Completed
            && let Err(error) = self.attempts.remove_state(&attempt)
        {
            self.tell(now, Change::Warning(with_causes(&error)));
        }
        let (answers, warnings) = self.attempts.answers(&end);
        if !warnings.is_empty() {
            let all = doubts.into_iter().chain(warnings.iter().cloned()).collect::<Vec<_>>().join("; ");
            self.tell(now, Change::Problem { attempt: Arc::clone(&attempt), found: warnings, all });
        }
        if let Ending::Failed(failure) = &mut end.ending {
            let AttemptEnd { used: Used { peak_memory, peak_device_memory, .. }, .. } = end;
            let last_line = Evidence::fingerprint(&failure.log_tail);
            let seen = mem::take(&mut failure.evidence);
            failure.evidence = Evidence { peak_memory, peak_device_memory, last_step, last_line, ..seen };
        }
        if end.has_paused {
            // Nobody had to ask it.
            self.step(now, Input::Park { run });
        }
        // What ends otherwise than completed is settled; a folder that takes nothing may still fail what has completed.
        let is_settled = end.ending != Ending::Completed;
        if let Ending::Failed(failure) = &end.ending
            && failure.kind == FailureKind::CudaFault
        {
            self.set_device_aside(now, &attempt, failure);
        }
        if is_settled {
            let cut_off = match &end.ending {
                Ending::Failed(failure) => self.cut_off(&attempt, failure),
                Ending::Completed | Ending::Interrupted => None,
            };
            let how = cut_off.unwrap_or_else(|| end.ended(&self.limits.retry));
            self.step(now, Input::Ended { run, how });
            if self.scheduler.standing(run) == Some(Standing::Stopped) {
                // However it has answered to being asked to end.
                end.ending = Ending::Interrupted;
            }
        }
        if let Some(folders) = &mut self.sinks.folders {
            let status = match end.ending {
                Ending::Completed => Some(Status::Success),
                // TensorBoard keeps the first status that it sees: only the last attempt's is the run's.
                Ending::Failed(_) if self.scheduler.next_try(run).is_some() => None,
                Ending::Failed(_) => Some(Status::Failure),
                Ending::Interrupted => None,
            };
            let outcome = end.outcome(ended.wall).filter(|_| !end.has_outcome);
            let closed = folders.ended(&attempt, status.map(|status| (status, ended.wall)), outcome);
            if let Err(problem) = closed {
                match end.ending {
                    Ending::Completed => fail(&mut end, problem),
                    Ending::Failed(_) | Ending::Interrupted => self.tell(now, Change::Warning(problem)),
                }
            }
        }
        let failure = match &end.ending {
            Ending::Failed(failure) => Some(failure.clone()),
            Ending::Completed | Ending::Interrupted => None,
        };
        self.trained += u64::from(end.ending != Ending::Interrupted);
        if failure.is_some() {
            self.last_failure.clone_from(&failure);
        }
        if !is_settled {
            self.step(now, Input::Ended { run, how: end.ended(&self.limits.retry) });
        }
        let standing = self.scheduler.standing(run);
        let next = failure.as_ref().and_then(|_| self.scheduler.next_try(run));
        let state = match (end.state(), standing) {
            (RunState::Completed, _) => RunState::Completed,
            (_, Some(Standing::Cancelled)) => RunState::Cancelled,
            (_, Some(Standing::Stopped)) => RunState::Stopped,
            (_, Some(Standing::Paused | Standing::Held)) => RunState::Paused,
            _ if next.is_some() => RunState::Pending,
            (state, _) => state,
        };
        if state == RunState::Cancelled {
            self.mark_cancelled(now, run, true);
        }
        let answers = answers.filter(|_| state == RunState::Completed);
        let ranked = self.status.live.get(&run).and_then(|live| live.ranked);
        let told = failure.clone();
        let (name, attempt) = (attempt.name.clone(), Arc::clone(&attempt));
        let change = Change::AttemptEnded { attempt, state, failure, next, seconds, used: end.used };
        let failed = match (&change, state) {
            (Change::AttemptEnded { failure: Some(failure), .. }, RunState::Failed) => Some(failure.clone()),
            _ => None,
        };
        self.tell_with(Now { wall: ended.wall, ..now }, change, answers);
        if state == RunState::Completed {
            if is_whole {
                self.learn_pace(run, seconds);
            }
            self.purse.completed(ranked);
            if let Some(stopping) = &mut self.stopping {
                stopping.completed(run);
            }
        }
        self.tell_search(now, run, state, told.as_ref(), ranked);
        if has_paused && standing == Some(Standing::Held) {
            self.go_on_undecided(now, run);
        }
        self.watch_budget(now);
        match failed {
            Some(failure) => self.compare_failure(now, &name, &failure),
            None if state == RunState::Completed => self.alike.completed(),
            None => {}
        }
    }

    /// A CUDA device has had a fault: no run starts there any more, and where it was the last one, the sweep ends.
    fn set_device_aside(&mut self, now: Now, attempt: &Attempt, failure: &Failure) {
        let slot = self.scheduler.slots().iter().find(|slot| slot.label == attempt.slot);
        let Some(slot) = slot.filter(|slot| slot.kind() == DeviceKind::Cuda) else { return };
        let (device, name) = (slot.device_index, slot.device_name().to_owned());
        let had_devices = self.scheduler.has_devices();
        self.step(now, Input::SetAside { device });
        let why = format!("{} has failed there: {}", attempt.name, failure.reason);
        let text = if self.scheduler.has_devices() || !had_devices {
            format!("{name} is set aside for the rest of this sweep, and no other run starts there: {why}")
        } else {
            let left = human::counted(self.scheduler.counts().waiting + self.starts.len(), "run");
            format!(
                "{name} is set aside, and no other device is left: nothing new starts, and {left} stay owed: {why}. \
                 `gridboard doctor` looks at the device; run the spec again when it is well"
            )
        };
        self.tell(now, Change::Warning(text));
        if !self.scheduler.has_devices() {
            self.give_up_starts(now);
        }
    }
}
