//! What the meter reads of the live runs: into their own event files and the database, a few readings at once. And what run
//! folders did not take, which is tried again.

use std::sync::Arc;

use super::{LiveAttempt, Loop, Now};
use crate::{
    event::{Attempt, Change, Scalar},
    launch::Launcher,
};

/// How often readings of the machine are told, seconds.
const MEASURED_EVERY: f64 = 10.0;

impl<L: Launcher> Loop<'_, L> {
    /// Tells what the meter has read, a few readings at once: each telling is a change of the database.
    pub(super) fn tell_measured(&mut self, now: Now) {
        let Some(meter) = &self.meter else { return };
        let due = |live: &&mut LiveAttempt| now.elapsed - live.measured >= MEASURED_EVERY;
        let told: Vec<(Arc<Attempt>, Vec<Scalar>)> = self
            .live
            .values_mut()
            .filter(due)
            .map(|live| {
                live.measured = now.elapsed;
                (Arc::clone(&live.attempt), meter.take(live.attempt.run))
            })
            .collect();
        for (attempt, points) in told {
            self.measured(now, attempt, points);
        }
    }

    pub(super) fn measured(&mut self, now: Now, attempt: Arc<Attempt>, points: Vec<Scalar>) {
        if points.is_empty() {
            return;
        }
        if let Some(folders) = &mut self.sinks.folders {
            folders.measured(&attempt, &points);
        }
        self.tell(now, Change::Measured { attempt, points: Arc::new(points) });
    }

    /// Tries again what could not be written into run folders.
    pub(super) fn catch_up(&mut self, now: Now) {
        let Some(folders) = &mut self.sinks.folders else { return };
        let problems = folders.catch_up();
        let late = folders.n_late() > 0;
        for problem in problems {
            self.tell(now, Change::Warning(problem));
        }
        match (self.late, late) {
            (false, true) => self.tell(
                now,
                Change::Warning(
                    "run folders take no files at the moment; they are kept and tried again".to_owned(),
                ),
            ),
            (true, false) => {
                self.tell(now, Change::Note("run folders take files again; nothing was lost".to_owned()))
            }
            _ => {}
        }
        self.late = late;
    }
}
