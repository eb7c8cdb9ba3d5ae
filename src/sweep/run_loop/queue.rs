//! What is different where attempts wait in a queue before they begin, and outlive this program: what has begun is told, what an
//! earlier sweep has left is taken over, and the end of the sweep leaves them alone.

use std::sync::Arc;

use super::{Loop, Now, starts::Begun};
use crate::{
    base::human,
    event::{Attempt, Change},
    launch::{Launcher, News},
    run::{Failure, FailureKind, TrainingState},
    schedule::{Again, Ended, Input},
    sweep::tail::Cleared,
};

impl<L: Launcher> Loop<'_, L> {
    /// The launcher has something to tell.
    pub(super) fn heard(&mut self, now: Now, news: News) {
        match news {
            News::Ended(end) => self.ended(now, *end),
            News::Began { run, host, job, time } => self.began(now, run, (host, job, time)),
            News::Note(text) => self.tell(now, Change::Note(text)),
            News::Warning(text) => self.tell(now, Change::Warning(text)),
        }
    }

    /// An attempt that was in a queue has begun: from now on its time counts.
    fn began(&mut self, now: Now, run: u64, (host, job, time): (String, String, f64)) {
        let Some(live) = self.live.get_mut(&run) else { return };
        // One that is taken over may have begun long before this sweep; nobody begins before it is submitted, whatever a clock says.
        let begun = now.elapsed - (now.wall - time.max(live.attempt.started)).max(0.0);
        (live.is_queued, live.begun, live.heard) = (false, begun, now.elapsed);
        let attempt = Arc::clone(&live.attempt);
        self.step(now, Input::Began { run });
        self.tell(now, Change::AttemptBegan { attempt, host, job, time });
    }

    /// Takes over the attempt of a run that an earlier sweep has left.
    pub(super) fn adopt(&mut self, attempt: &Attempt) -> Option<Begun> {
        let left = self.launcher.adopt(attempt.run)?;
        let attempt = Attempt {
            handle: Some(left.handle),
            number: left.attempt,
            started: left.started,
            resumed: left.resumed,
            ..attempt.clone()
        };
        let cleared = Cleared { resumed: left.resumed, ..Cleared::default() };
        Some(Begun { attempt, run_dir: left.run_dir, cleared })
    }

    /// The user wants this program to end; what is in the queue goes on.
    pub(super) fn leave(&mut self, now: Now) {
        self.give_up_starts(now);
        let jobs = human::counted(self.live.len(), "job");
        if !self.live.is_empty() {
            let text = format!(
                "{jobs} of the cluster go on without this program: run the spec again to take them over, here or on another \
                 login node; `gridboard pause` ends them with their state kept, `gridboard cancel --all` for good"
            );
            self.tell(now, Change::Note(text));
        }
        self.over = true;
    }

    /// How the scheduler is told of an attempt that a cluster has ended; `None` where that is nothing special.
    pub(super) fn cut_off(&self, attempt: &Attempt, failure: &Failure) -> Option<Ended> {
        // What comes no further within the limit of a job would never end.
        let goes_on = failure.kind == FailureKind::TimeLimit
            && (self.comes_further(attempt) || self.launcher.gives_more_time(attempt.run));
        goes_on.then_some(Ended::Failed(Again::GoesOn))
    }

    /// A run has completed in one attempt, in so many seconds: what the time limits of others rest on.
    pub(super) fn learn_pace(&mut self, run: u64, seconds: f64) {
        if let (Some(pace), Some((run, cost))) = (&mut self.pace, self.attempts.run_and_cost(run)) {
            pace.learn(&run.axes, cost, seconds);
        }
    }

    /// How long a run takes in the cluster at most, as far as that is known, seconds.
    pub(super) fn slowest(&self, run: u64) -> Option<f64> {
        let pace = self.pace.as_ref()?;
        let (run, cost) = self.attempts.run_and_cost(run)?;
        pace.slowest(&run.axes, cost)
    }

    /// Whether an attempt has left something to go on from that it did not begin with.
    fn comes_further(&self, attempt: &Attempt) -> bool {
        let Some(folder) = self.attempts.folder(attempt.run) else { return false };
        if let Ok(Some(state)) = TrainingState::read(&folder) {
            return attempt.resumed.is_none_or(|resumed| state.epoch > resumed.epoch);
        }
        // What a command keeps is its own business.
        std::fs::read_dir(folder.state_dir()).is_ok_and(|mut entries| entries.next().is_some())
    }
}
