//! Reads what live runs write: the points of their curves, what is wrong with their files, where they go on.

use std::sync::Arc;

use super::{Loop, Now, TICK};
use crate::{
    base::error::with_causes,
    event::{Attempt, Change},
    launch::Launcher,
    schedule::Input,
};

/// Each live run adds this to the time between two readings, up to [`LONGEST_PAUSE`], so that following a hundred of them
/// costs no more than following twenty-five, which are read at every tick. Seconds.
const PAUSE_PER_RUN: f64 = 0.01;
/// No run's points are read later than this, seconds.
const LONGEST_PAUSE: f64 = 2.0;

impl<L: Launcher> Loop<'_, L> {
    /// Reads what live runs have written since the last time.
    pub(super) fn read_events(&mut self, now: Now) {
        #[expect(clippy::cast_precision_loss, reason = "a number of runs")]
        let pause = (PAUSE_PER_RUN * self.live.len() as f64).max(self.read_every).min(LONGEST_PAUSE);
        if self.read.is_some_and(|read| now.elapsed - read + TICK / 2.0 < pause) {
            return;
        }
        self.read = Some(now.elapsed);
        let begun = self.live.iter().filter(|(_, live)| !live.is_queued);
        let runs: Vec<u64> = begun.map(|(run, _)| *run).collect();
        for run in runs {
            self.read_run(now, run);
            if self.limits.stall_timeout.is_some()
                && let Some(live) = self.live.get_mut(&run)
            {
                live.look_at_log(now);
            }
            let fraction = self.status.live.get(&run).and_then(crate::sweep::status::RunProgress::fraction);
            if let Some(fraction) = fraction {
                // Progress has no effects; it only teaches the cost model.
                self.step(now, Input::Progress { run, fraction });
            }
        }
    }

    /// A built-in trainer has refused the state that it was to go on with.
    pub(super) fn began_anew(&mut self, now: Now, attempt: &Arc<Attempt>) {
        let name = &attempt.name;
        let text = format!("{name}: its training state could not be used, and it began anew: see its log");
        self.tell(now, Change::Warning(text));
        self.tell(now, Change::Resumed { attempt: Arc::clone(attempt), from: None });
        self.step(now, Input::GoesOn { run: attempt.run, done: 0.0 });
    }

    pub(super) fn read_run(&mut self, now: Now, run: u64) {
        let Some(live) = self.live.get_mut(&run) else { return };
        let attempt = Arc::clone(&live.attempt);
        let (polled, all, goes_on_at, begins_anew) = match live.tail.poll() {
            Ok(polled) => {
                let goes_on_at = live.tail.goes_on_at(&polled.scalars);
                let begins_anew = live.tail.begins_anew(&polled.scalars);
                (polled, live.tail.problem(), goes_on_at, begins_anew)
            }
            Err(error) => {
                let problem = format!("{}: {}", attempt.name, with_causes(&error));
                return self.tell(now, Change::Warning(problem));
            }
        };
        let found: Vec<String> = polled.problems.iter().map(ToString::to_string).collect();
        if let (1.., Some(all)) = (found.len(), all) {
            self.tell(now, Change::Problem { attempt: Arc::clone(&attempt), found, all });
        }
        if !polled.cuts.is_empty() {
            let cuts = Arc::new(polled.cuts);
            self.tell(now, Change::Cut { attempt: Arc::clone(&attempt), cuts });
        }
        if let Some(from) = goes_on_at {
            self.tell(now, Change::Resumed { attempt: Arc::clone(&attempt), from: Some(from) });
        }
        if begins_anew {
            self.began_anew(now, &attempt);
        }
        if let (Some(last), Some(live)) = (polled.scalars.last(), self.live.get_mut(&run)) {
            live.last_step = Some(last.step);
            live.heard = now.elapsed;
        }
        if !polled.scalars.is_empty() {
            let points = Arc::new(polled.scalars);
            self.tell(now, Change::Scalars { attempt: Arc::clone(&attempt), points: Arc::clone(&points) });
            self.judge_points(now, &attempt, &points);
        }
    }
}
