//! Carries out what another terminal wants of a live sweep, and answers it: runs are cancelled and requeued, the sweep is paused,
//! resumed and drained, and says why a run is what it is.
//!
//! Requests come by files ([`Request`]); here they are values, so that a test needs no files. What makes no sense is refused with
//! a sentence.

use std::time::Duration;

use super::{Loop, Now};
use crate::{
    base::{
        error::{is_shortage, with_causes},
        human,
    },
    event::Change,
    launch::Launcher,
    run::{Answer, Changed, Refused, Request, RunState, SweepStatus},
    schedule::{Effect, Ended, Input, Standing},
};

impl<L: Launcher> Loop<'_, L> {
    /// Answers the requests that wait.
    pub(super) fn serve_all(&mut self, now: Now) {
        let Some(dir) = self.control.clone() else { return };
        let requests = match dir.requests() {
            Ok(requests) => requests,
            // Descriptors that have run out come back: the requests wait.
            Err(error) if is_shortage(&error.source) => return,
            // Told once: the sweep does without.
            Err(error) => {
                self.control = None;
                let text = format!("{}; the sweep takes no requests any more", with_causes(&error));
                return self.tell(now, Change::Warning(text));
            }
        };
        for (id, request) in requests {
            let answer = match request {
                Ok(request) => self.serve(now, &request),
                Err(error) => {
                    Answer::refusal(format!("the request is not understood: {}", with_causes(&error)))
                }
            };
            if let Err(error) = dir.answer(&id, &answer) {
                self.tell(now, Change::Warning(with_causes(&error)));
            }
        }
    }

    /// Says how the sweep stands, for whoever looks from elsewhere.
    pub(super) fn tell_status(&mut self, eta: Option<Duration>) {
        let Some(dir) = &self.control else { return };
        let status = SweepStatus {
            eta: eta.map(|eta| eta.as_secs_f64()),
            slots: self.scheduler.slots().len() as u64,
            busy: self.live.len() as u64,
        };
        // Not worth an error: it is said again with the next change.
        if self.stands.as_ref() != Some(&status) && dir.tell_status(&status).is_ok() {
            self.stands = Some(status);
        }
    }

    /// Carries a request out.
    pub(super) fn serve(&mut self, now: Now, request: &Request) -> Answer {
        let answer = match request {
            Request::Cancel { runs } => self.each(now, runs, Self::cancel_run),
            Request::CancelAll => {
                let open = |standing: &Standing| {
                    use Standing::{Delayed, Held, Live, Paused, Waiting};
                    matches!(standing, Delayed { .. } | Held | Live | Paused | Waiting)
                };
                match self.names_of(open) {
                    runs if runs.is_empty() => Answer::refusal("no run waits or is being run"),
                    runs => self.each(now, &runs, Self::cancel_run),
                }
            }
            Request::Requeue { runs } => self.each(now, runs, Self::requeue_run),
            Request::RequeueFailed => match self.names_of(|standing| *standing == Standing::Failed) {
                runs if runs.is_empty() => Answer::refusal("no run has failed"),
                runs => self.each(now, &runs, Self::requeue_run),
            },
            Request::Pause => self.pause(now),
            Request::Resume => self.resume(now),
            Request::Drain => self.drain_as_asked(now),
            Request::Why { run } => match self.attempts.indices_of(std::slice::from_ref(run))[0] {
                Some(index) => Answer::said(self.why(now, index)),
                None => Answer::refusal(format!("no run `{run}` in this sweep")),
            },
        };
        self.carry_out(now);
        answer
    }

    /// Does the same to several runs; each is done or refused by itself.
    fn each(
        &mut self,
        now: Now,
        runs: &[String],
        act: impl Fn(&mut Self, Now, u64) -> Result<(RunState, Option<String>), String>,
    ) -> Answer {
        let mut answer = Answer::default();
        for (run, index) in runs.iter().zip(self.attempts.indices_of(runs)) {
            let done = match index {
                Some(index) => act(self, now, index),
                None => Err("it is not in the spec that is being run".to_owned()),
            };
            match done {
                Ok((state, text)) => answer.changed.push(Changed { run: run.clone(), state, text }),
                Err(reason) => answer.refused.push(Refused { run: Some(run.clone()), reason }),
            }
        }
        answer
    }

    /// The runs of the sweep in the order of the grid whose standing is such.
    fn names_of(&self, wanted: impl Fn(&Standing) -> bool) -> Vec<String> {
        let of = |run: u64| {
            self.scheduler.standing(run).filter(&wanted).map(|_| self.attempts.name(run).to_owned())
        };
        (0..self.attempts.count()).filter_map(of).collect()
    }

    fn cancel_run(&mut self, now: Now, run: u64) -> Result<(RunState, Option<String>), String> {
        match self.scheduler.standing(run) {
            None | Some(Standing::Completed | Standing::Stopped) => return Err(self.is_over(run)),
            Some(Standing::Cancelled) => return Err("it is cancelled already".to_owned()),
            Some(Standing::Live) if self.live.get(&run).is_some_and(|live| live.cancelled) => {
                return Err("it is cancelled already, and is about to end".to_owned());
            }
            Some(_) => {}
        }
        self.step(now, Input::CancelRun { run });
        self.withdraw_start(now, run);
        if let Some(live) = self.live.get_mut(&run) {
            live.cancelled = true;
            // Before it has ended: nobody may be left then who could.
            self.mark_cancelled(now, run, true);
            let text = format!("asked to end, and killed in {} s if it has not", self.limits.grace);
            return Ok((RunState::Cancelled, Some(text)));
        }
        self.moved(now, run, RunState::Cancelled);
        self.tell_search(now, run, RunState::Cancelled, None, None);
        Ok((RunState::Cancelled, None))
    }

    fn requeue_run(&mut self, now: Now, run: u64) -> Result<(RunState, Option<String>), String> {
        match self.scheduler.standing(run) {
            None | Some(Standing::Completed) => return Err(self.is_over(run)),
            Some(Standing::Live) => return Err("it is being run".to_owned()),
            Some(Standing::Waiting | Standing::Paused) => return Err("it waits already".to_owned()),
            Some(_) if !self.scheduler.is_open() => {
                return Err("the sweep is ending, and nothing starts any more: run the spec again".to_owned());
            }
            Some(Standing::Delayed { .. } | Standing::Failed | Standing::Cancelled | Standing::Left)
            | Some(Standing::Stopped | Standing::Held) => {}
        }
        // Before it starts: the ledger starts no run that is cancelled.
        self.moved(now, run, RunState::Pending);
        self.forget_told(run);
        if let Some(stopping) = &mut self.stopping {
            stopping.exempt(run);
        }
        self.step(now, Input::Requeue { run });
        Ok((RunState::Pending, None))
    }

    /// Why nothing can be done to a run that is over.
    fn is_over(&self, run: u64) -> String {
        let state =
            self.attempts.state_before(run).filter(|state| !state.is_owed()).unwrap_or(RunState::Completed);
        match state {
            _ if self.scheduler.standing(run) == Some(Standing::Stopped) => {
                "it was ended by the stopping rule".to_owned()
            }
            RunState::Completed => "it has completed".to_owned(),
            state => format!("it is {state}"),
        }
    }

    fn pause(&mut self, now: Now) -> Answer {
        if self.scheduler.is_paused() {
            return Answer::refusal("the sweep is paused already");
        }
        if !self.scheduler.is_open() {
            return Answer::refusal("the sweep is ending, and nothing starts any more");
        }
        self.step(now, Input::Pause);
        self.give_up_starts(now);
        let live = human::counted(self.live.len(), "live run");
        let text = if self.live.is_empty() {
            "paused: nothing new starts".to_owned()
        } else {
            let grace = self.limits.grace;
            format!("paused: nothing new starts; {live} asked to keep the state and end, within {grace} s")
        };
        self.tell(now, Change::Note(format!("{text}; `gridboard resume` goes on")));
        Answer::said(text)
    }

    fn resume(&mut self, now: Now) -> Answer {
        if !self.scheduler.is_paused() {
            return Answer::refusal("the sweep is not paused");
        }
        self.release(now, false);
        self.step(now, Input::Resume);
        self.carry_out(now);
        let waiting = self.scheduler.counts().waiting;
        let text = format!("resumed: {} live, {waiting} waiting", human::counted(self.live.len(), "run"));
        self.tell(now, Change::Note(text.clone()));
        Answer::said(text)
    }

    /// Runs that are paused are left to another sweep.
    pub(super) fn release_paused(&mut self, now: Now) {
        self.release(now, true);
    }

    /// Runs that are paused wait as others do; those that wait at a rung, too, where the sweep is over.
    fn release(&mut self, now: Now, is_over: bool) {
        if is_over {
            for run in self.scheduler.parked() {
                self.moved(now, run, RunState::Pending);
            }
        }
        for run in 0..self.attempts.count() {
            if self.scheduler.standing(run) == Some(Standing::Paused) {
                self.moved(now, run, RunState::Pending);
            }
        }
    }

    fn drain_as_asked(&mut self, now: Now) -> Answer {
        if !self.scheduler.is_open() {
            return Answer::refusal("the sweep is ending already, and nothing starts any more");
        }
        self.drain(now);
        let waiting = self.totals().pending;
        let live = human::counted(self.live.len(), "live run");
        let text = format!("drained: {live} to end, then the sweep ends; {waiting} stay owed");
        self.tell(now, Change::Note(text.clone()));
        Answer::said(text)
    }

    /// A run that has no live attempt is in another state, in the ledger and in its folder.
    fn moved(&mut self, now: Now, run: u64, state: RunState) {
        // What was paused waits as it did before.
        if !matches!(self.scheduler.standing(run), Some(Standing::Paused | Standing::Held)) {
            self.mark_cancelled(now, run, state == RunState::Cancelled);
        }
        let name = self.attempts.name(run).to_owned();
        self.tell(now, Change::Moved { run, name, state });
    }

    /// Keeps in the folder of a run whether it is wanted.
    pub(super) fn mark_cancelled(&mut self, now: Now, run: u64, cancelled: bool) {
        if let Err(error) = self.attempts.mark_cancelled(run, cancelled, self.scheduler.last_attempt(run)) {
            self.tell(now, Change::Warning(with_causes(&error)));
        }
    }

    /// Takes a start back that is decided and not carried out.
    fn withdraw_start(&mut self, now: Now, run: u64) {
        if let Some(place) = self.starts.iter().position(|start| start.run == run) {
            self.starts.remove(place);
            self.step(now, Input::Ended { run, how: Ended::Withdrawn });
        }
    }

    /// Notes that an attempt was asked to end, so that it is killed when its time is over.
    pub(super) fn asked_to_leave(&mut self, now: Now, effect: Effect) {
        if let Effect::Stop { run, kill: false } = effect
            && let Some(live) = self.live.get_mut(&run)
        {
            live.killed_at = Some(now.elapsed + self.limits.grace);
        }
    }

    /// When the next attempt is killed that was asked to leave.
    pub(super) fn leaving_at(&self) -> Option<f64> {
        self.live.values().filter_map(|live| live.killed_at).min_by(f64::total_cmp)
    }

    /// Kills attempts that were asked to leave and have not.
    pub(super) fn kill_who_stayed(&mut self, now: Now) {
        let due = |live: &super::LiveAttempt| live.killed_at.is_some_and(|at| now.elapsed >= at);
        let runs: Vec<u64> = self.live.iter().filter(|(_, live)| due(live)).map(|(run, _)| *run).collect();
        for run in runs {
            if let Some(live) = self.live.get_mut(&run) {
                live.killed_at = None;
            }
            if let Err(error) = self.launcher.stop(run, true) {
                self.tell(now, Change::Warning(error.to_string()));
            }
        }
    }
}
