//! The limits of a sweep: how long a run may take, and how many runs may fail alike before the rest is left.

use std::mem;

use super::{LiveAttempt, Loop, Now};
use crate::{
    base::human,
    event::Change,
    launch::{AttemptEnd, Ending, Launcher},
    run::{Evidence, Failure, FailureKind, last_line},
    schedule::without_particulars,
    spec::{Retry, Schedule, SpecDuration},
};

/// What a sweep is limited by.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    /// How long live attempts that are asked to end have for it, seconds.
    pub(super) grace: f64,
    /// How long an attempt may take.
    pub(super) time_per_run: Option<SpecDuration>,
    /// How long an attempt may write nothing.
    pub(super) stall_timeout: Option<SpecDuration>,
    /// How many runs may fail alike; 0 for any number.
    pub(super) stop_after: u32,
    /// Which failures are worth another attempt.
    pub(super) retry: Retry,
}

impl From<&Schedule> for Limits {
    fn from(schedule: &Schedule) -> Self {
        Self {
            grace: schedule.grace.duration().as_secs_f64(),
            time_per_run: schedule.time_per_run,
            stall_timeout: schedule.stall_timeout,
            stop_after: schedule.stop_after,
            retry: Retry::default(),
        }
    }
}

impl Limits {
    /// When an attempt that nothing was done about is to end, on the clock of the sweep, and whether for its silence.
    fn due(&self, live: &LiveAttempt) -> Option<(f64, bool)> {
        if live.is_queued {
            return None;
        }
        let after = |since: f64, limit: Option<SpecDuration>| Some(since + limit?.duration().as_secs_f64());
        let late = after(live.begun, self.time_per_run).map(|due| (due, false));
        let silent = after(live.heard, self.stall_timeout).map(|due| (due, true));
        late.into_iter().chain(silent).min_by(|(one, _), (other, _)| one.total_cmp(other))
    }
}

/// What was done about an attempt that takes too long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Late {
    /// It is in time.
    No,
    /// It is asked to end, and killed at this moment.
    Asked {
        /// Seconds of the sweep.
        killed_at: f64,
    },
    /// It is killed.
    Killed,
}

impl<L: Launcher> Loop<'_, L> {
    /// When the next attempt is to be asked to end, or killed, for its time.
    pub(super) fn late_at(&self) -> Option<f64> {
        let due = |(run, live): (&u64, &LiveAttempt)| match live.late {
            Late::No => self.limited(*run, live).map(|(due, _)| due),
            Late::Asked { killed_at } => Some(killed_at),
            Late::Killed => None,
        };
        self.live.iter().filter_map(due).min_by(f64::total_cmp)
    }

    /// As [`Limits::due`]. No limit is on an attempt whose process is gone, nor on one that the user has asked to end: it
    /// has its grace, and is interrupted and not late.
    fn limited(&self, run: u64, live: &LiveAttempt) -> Option<(f64, bool)> {
        let asked = self.scheduler.is_cancelled() || live.killed_at.is_some() || live.cancelled;
        self.limits.due(live).filter(|_| !asked && !self.is_suspect(run))
    }

    /// Asks attempts to end that take too long, and kills those that do not.
    pub(super) fn end_late(&mut self, now: Now) {
        let killed_at = now.elapsed + self.limits.grace;
        let late = self.live.iter().filter_map(|(run, live)| match live.late {
            Late::No => {
                let (due, stalled) = self.limited(*run, live)?;
                (now.elapsed >= due).then_some((*run, Late::Asked { killed_at }, stalled))
            }
            Late::Asked { killed_at } => {
                (now.elapsed >= killed_at).then_some((*run, Late::Killed, live.stalled))
            }
            Late::Killed => None,
        });
        let late: Vec<(u64, Late, bool)> = late.collect();
        let (mut stops, mut silent) = (Vec::new(), Vec::new());
        for (run, late, stalled) in late {
            let Some(live) = self.live.get_mut(&run) else { continue };
            (live.late, live.stalled) = (late, stalled);
            stops.push((run, late == Late::Killed));
            silent.extend((stalled && late != Late::Killed).then(|| live.attempt.name.clone()));
        }
        let limit = self.limits.stall_timeout.map(|limit| limit.to_string()).unwrap_or_default();
        for name in silent {
            let text = format!("{name} has written no point and no line of its log for {limit}: it is ended");
            self.tell(now, Change::Warning(text));
        }
        for (run, kill) in stops {
            if let Err(error) = self.launcher.stop(run, kill) {
                self.tell(now, Change::Warning(error.to_string()));
            }
        }
    }

    /// The verdict on an attempt that was ended for its time: what it has left is not what its parameters give. One that has got
    /// to its end all the same is completed.
    pub(super) fn judge_late(&self, late: Late, stalled: bool, end: &mut AttemptEnd) {
        let limit = if stalled { self.limits.stall_timeout } else { self.limits.time_per_run };
        let Some(limit) = limit.filter(|_| late != Late::No) else { return };
        let (log_tail, evidence) = match &mut end.ending {
            Ending::Completed => return,
            Ending::Failed(failure) => (mem::take(&mut failure.log_tail), mem::take(&mut failure.evidence)),
            Ending::Interrupted => (String::new(), Evidence::default()),
        };
        let (kind, reason) = if stalled {
            let reason = format!("no point and no line of its log for schedule.stall_timeout, {limit}");
            (FailureKind::Stalled, reason)
        } else {
            (FailureKind::Timeout, format!("took longer than schedule.time_per_run, {limit}"))
        };
        end.ending = Ending::Failed(Failure { kind, reason, log_tail, evidence });
        end.has_outcome = false;
    }

    /// A run has failed for good. Where it is the last of so many that failed alike, nothing more is started.
    pub(super) fn compare_failure(&mut self, now: Now, run: &str, failure: &Failure) {
        let signature = signature(failure, run);
        if !self.alike.failed(signature.as_deref()) {
            return;
        }
        let left = self.scheduler.counts().waiting + self.starts.len();
        if left == 0 {
            return;
        }
        let others = human::counted(left, "run");
        let first = match self.limits.stop_after {
            1 => "the first run failed".to_owned(),
            seen => format!("the first {seen} runs failed alike"),
        };
        let last = last_line(&failure.log_tail).trim();
        let last = if last.is_empty() || failure.reason.contains(last) {
            String::new()
        } else {
            format!("; last line of its log: {}", without_controls(last))
        };
        self.tell(
            now,
            Change::Warning(format!(
                "{first}, and {others} would too: nothing more is started ({}{last}). `gridboard show {run}` has the log; \
                 schedule.stop_after sets the number, 0 goes on in any case",
                failure.reason
            )),
        );
        self.drain(now);
    }
}

/// What two failures have in common that are the same: kind, how the process ended, the line that says why, and the last line of
/// the log, without what is the run's own. `None` for a failure that follows from the run's parameters.
fn signature(failure: &Failure, run: &str) -> Option<String> {
    if failure.kind.depends_on_parameters() {
        return None;
    }
    // The head has the exit status.
    let (head, line) = failure.reason.split_once(": ").unwrap_or((&failure.reason, ""));
    let [line, last] = [line, last_line(&failure.log_tail)].map(|line| without_particulars(line, run));
    Some(format!("{}\n{head}\n{line}\n{last}", failure.kind))
}

/// As much of a line as a message has room for.
fn without_controls(line: &str) -> String {
    line.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_failure_of_other_runs_is_the_same() {
        let failure = |kind, reason: &str, log: &str| Failure {
            kind,
            reason: reason.into(),
            log_tail: log.into(),
            evidence: Evidence::default(),
        };
        let exit = |reason: &str, log: &str| signature(&failure(FailureKind::Exit, reason, log), "lr-0.1");
        let one =
            exit("exited with status 1: KeyError: 0.1", "--- gridboard: t\nloss 0.5\nKeyError: 0.1\n\n");
        assert_eq!(one, exit("exited with status 1: KeyError: 0.2", "KeyError: 0.2"));
        assert_ne!(one, exit("exited with status 2: KeyError: 0.2", "KeyError: 0.2"));
        assert_ne!(one, exit("exited with status 1: KeyError: 0.2", "bye"));
        assert_eq!(signature(&failure(FailureKind::OutOfMemory, "none left", ""), "x"), None);
    }
}
