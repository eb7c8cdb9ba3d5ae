//! Carries out what the stopping rule decides: runs are stopped, or pause at a rung and go on when they are among the best
//! there. Each decision is told before it is acted on, so that it is kept whatever happens then.

use std::sync::Arc;

use super::{Loop, Now};
use crate::{
    event::{Attempt, Change, Scalar},
    launch::Launcher,
    run::{Action, Decided},
    schedule::{Input, Standing},
};

impl<L: Launcher> Loop<'_, L> {
    /// A live run has new points.
    pub(super) fn judge_points(&mut self, now: Now, attempt: &Arc<Attempt>, points: &[Scalar]) {
        let run = attempt.run;
        if self.stopping.is_none() {
            return;
        }
        let Some(forecast) = self.status.live.get(&run).map(|live| live.forecast.clone()) else { return };
        for point in points.iter().filter(|point| forecast.ranks(&point.tag)) {
            let Ok(epochs) = u64::try_from(point.step.saturating_add(1)) else { continue };
            let Some(stopping) = &mut self.stopping else { return };
            // What an earlier attempt has logged is read again where this one goes on.
            let is_own = point.wall_time >= attempt.started;
            let at = (epochs, point.value.into());
            let Some(decided) = stopping.look(run, at, is_own, forecast.epochs) else { continue };
            let action = decided.action;
            self.tell_decided(now, run, decided);
            match action {
                Action::Stops => self.step(now, Input::StopRun { run }),
                Action::Pauses => self.step(now, Input::Park { run }),
                Action::GoesOn | Action::Promoted => {}
            }
        }
    }

    fn tell_decided(&mut self, now: Now, run: u64, decided: Decided) {
        let (name, attempt) = (self.attempts.name(run).to_owned(), self.scheduler.last_attempt(run));
        self.tell(now, Change::Decided { run, name, attempt, decided });
    }

    /// Lets the best run go on that waits at a rung, where it is its turn.
    pub(super) fn promote(&mut self, now: Now) -> bool {
        loop {
            let Some(promotion) = self.stopping.as_ref().and_then(|stopping| stopping.next()) else {
                return false;
            };
            let run = promotion.number;
            let standing = self.scheduler.standing(run);
            if standing == Some(Standing::Live) {
                // It is about to make room, and goes on when it has.
                return false;
            }
            if let Some(stopping) = &mut self.stopping {
                stopping.promote(promotion);
            }
            if standing == Some(Standing::Held) {
                let (epochs, action) = (promotion.from, Action::Promoted);
                self.tell_decided(now, run, Decided { epochs, action, reason: promotion.words() });
                self.forget_told(run);
                self.step(now, Input::Release { run });
                return true;
            }
            // What has completed or was cancelled meanwhile goes on no more.
        }
    }

    /// Lets a run go on that an earlier sweep has begun and that waits at no rung.
    pub(super) fn release_begun(&mut self, now: Now) -> bool {
        let Some(stopping) = &self.stopping else { return false };
        let Some(run) = self.begun.pop() else { return false };
        if !stopping.waits(run) {
            self.step(now, Input::Release { run });
        }
        true
    }

    /// A run has paused by itself: where nothing is known of it at that rung, or the user wants it whole, it goes on.
    pub(super) fn go_on_undecided(&mut self, now: Now, run: u64) {
        let waits = self.stopping.as_mut().is_some_and(|stopping| stopping.has_paused(run));
        if !waits {
            self.forget_told(run);
            self.step(now, Input::Release { run });
        }
    }

    /// Whether a run may go on later that waits at a rung.
    pub(super) fn may_promote(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| stopping.pauses())
    }

    /// No further run will come to a rung: those that wait there go on no more.
    pub(super) fn stop_parked(&mut self, now: Now) {
        for run in self.scheduler.parked() {
            let decided = self.stopping.as_ref().and_then(|stopping| stopping.last_word(run));
            // One that has reached no rung is owed.
            let Some(decided) = decided else { continue };
            self.tell_decided(now, run, decided);
            self.step(now, Input::StopRun { run });
            let (name, attempt) = (self.attempts.name(run).to_owned(), self.scheduler.last_attempt(run));
            self.tell(now, Change::Stopped { run, name, attempt });
        }
    }
}
