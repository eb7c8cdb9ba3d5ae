//! What ends a sweep before all its runs are made: the spec's `budget`, looked at whenever something happens.

use std::collections::HashSet;

use super::{Loop, Now};
use crate::{base::human, event::Change, launch::Launcher, schedule::Input};

impl<L: Launcher> Loop<'_, L> {
    /// Devices that have a live run.
    fn busy_devices(&self) -> usize {
        let devices: HashSet<&str> = self.live.values().map(|live| live.attempt.device.as_str()).collect();
        devices.len()
    }

    /// When the budget is used up at this pace.
    pub(super) fn budget_at(&self) -> Option<f64> {
        self.purse.due(self.busy_devices()).filter(|_| self.purse.ended_by.is_none())
    }

    /// Counts what was used until now. Before a run begins or ends.
    pub(super) fn count_budget(&mut self, now: Now) {
        self.purse.count(now.elapsed, self.busy_devices());
    }

    /// Ends the sweep where its budget is used up.
    pub(super) fn watch_budget(&mut self, now: Now) {
        if self.purse.budget.is_default() || self.purse.ended_by.is_some() {
            return;
        }
        self.count_budget(now);
        let failed = self.scheduler.counts().failed;
        let Some((what, ends_live)) = self.purse.exceeded(failed) else { return };
        if !self.scheduler.is_open() {
            return;
        }
        let live = human::counted(self.live.len(), "live run");
        let then = match (self.live.is_empty(), ends_live) {
            (true, _) => "nothing more is started".to_owned(),
            (false, true) => format!("nothing more is started, and {live} keep their state and end"),
            (false, false) => format!("nothing more is started, and {live} go on to their end"),
        };
        self.tell(now, Change::Note(format!("{what}: {then}")));
        self.purse.ended_by = Some(what);
        if ends_live {
            self.step(now, Input::Pause);
        }
        self.drain(now);
    }

    /// What of the budget has ended the sweep, in words.
    pub(super) fn ended_by(&self) -> Option<String> {
        let runs = self.purse.budget.runs.filter(|_| !self.scheduler.may_begin_new());
        let runs = runs.filter(|_| self.totals().pending > 0);
        self.purse
            .ended_by
            .clone()
            .or_else(|| runs.map(|runs| format!("budget.runs: {runs} of {runs} begun")))
    }
}
