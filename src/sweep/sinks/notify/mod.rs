//! The sink that tells people: at the end of a sweep, when a run has failed for good, is the best so far, or was silent.
//!
//! What is worth a message is decided here, purely; `deliver` sends on a thread of its own, within a time. A sweep never waits
//! for it but for a few seconds at its end, and an address that does not answer is told once.

mod deliver;

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use serde_json::{Value as Json, json};

use crate::{
    base::{human, program::host},
    event::{Change, Event, Totals},
    run::{FailureKind, RunState},
    spec::{Experiment, Goal, NotifyOn},
};
use deliver::Target;

/// Messages that may wait; what comes beyond them is not sent.
const WAITING: usize = 64;
/// Between two messages about failures, seconds: what fails meanwhile is counted.
const FAILURES_EVERY: f64 = 60.0;
/// So many failures are told one by one at first.
const FIRST_FAILURES: u64 = 3;

/// What is sent.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    /// A sentence or two.
    pub(super) text: String,
    /// The same for programs.
    pub(super) json: Json,
}

/// Tells people.
pub(in crate::sweep) struct Notifier {
    decisions: Decisions,
    queue: SyncSender<Message>,
    /// Messages that are not sent, and not given up.
    waiting: Arc<AtomicUsize>,
    problems: Receiver<String>,
    told: BTreeSet<String>,
}

/// What is worth a message.
struct Decisions {
    experiment: String,
    on: Vec<NotifyOn>,
    goal: Goal,
    metric: String,
    best: Option<f64>,
    began: Option<f64>,
    failures: u64,
    /// When the last failure was told, and how many are not told since.
    last_failure: Option<f64>,
    untold: u64,
}

impl Notifier {
    /// A notifier of an experiment, whose best run so far has `best`; `None` where nobody is to be told. Says which addresses
    /// cannot be used.
    pub(in crate::sweep) fn start(experiment: &Experiment, best: Option<f64>) -> (Option<Self>, Vec<String>) {
        let notify = &experiment.notify;
        let (targets, mut problems) = Target::all(notify);
        if targets.is_empty() {
            return (None, problems);
        }
        let (queue, messages) = sync_channel::<Message>(WAITING);
        let (tell, told) = sync_channel::<String>(WAITING);
        let waiting = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&waiting);
        let thread = thread::Builder::new().name("notify".to_owned()).spawn(move || {
            while let Ok(message) = messages.recv() {
                for problem in targets.iter().filter_map(|target| target.send(&message).err()) {
                    // Nobody listens any more where this fails, or has heard enough.
                    let _ = tell.try_send(problem);
                }
                left.fetch_sub(1, Ordering::AcqRel);
            }
        });
        if let Err(error) = thread {
            problems.push(format!("nobody can be notified: {error}"));
            return (None, problems);
        }
        let decisions = Decisions {
            experiment: experiment.name.clone(),
            on: notify.on.clone(),
            goal: experiment.rank.by.goal,
            metric: experiment.rank.by.tag.clone(),
            best,
            began: None,
            failures: 0,
            last_failure: None,
            untold: 0,
        };
        (Some(Self { decisions, queue, waiting, problems: told, told: BTreeSet::new() }), problems)
    }

    /// Takes an event; `ranked` is the metric that ranks of a run that this event completes.
    pub(super) fn tell(&mut self, event: &Event, ranked: Option<f64>) {
        for message in self.decisions.of(event, ranked) {
            self.waiting.fetch_add(1, Ordering::AcqRel);
            if self.queue.try_send(message).is_err() {
                self.waiting.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// What has gone wrong since the last call, each thing once.
    pub(in crate::sweep) fn problems(&mut self) -> Vec<String> {
        self.problems.try_iter().filter(|problem| self.told.insert(problem.clone())).collect()
    }

    /// Whether all is sent, or given up.
    pub(in crate::sweep) fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Acquire) == 0
    }
}

impl Decisions {
    fn of(&mut self, event: &Event, ranked: Option<f64>) -> Vec<Message> {
        match &event.change {
            Change::SweepBegun { .. } => {
                self.began = Some(event.time);
                Vec::new()
            }
            Change::AttemptEnded { attempt, state, failure, next, .. } => {
                let mut messages = Vec::new();
                if failure.as_ref().is_some_and(|failure| failure.kind == FailureKind::Stalled) {
                    messages.extend(self.stalled(event, &attempt.name, next.is_some()));
                }
                if let (RunState::Completed, Some(value)) = (state, ranked) {
                    messages.extend(self.completed(event, &attempt.name, value));
                }
                if let (Some(failure), None) = (failure, next) {
                    messages.extend(self.failed(event, &attempt.name, failure.reason.as_str()));
                }
                messages
            }
            Change::AttemptNotStarted { attempt, failure, next: None, .. } => {
                self.failed(event, &attempt.name, &failure.reason).into_iter().collect()
            }
            Change::SweepEnded { interrupted } => self.finished(event, *interrupted).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn message(&self, event: &Event, on: NotifyOn, text: String, more: Json) -> Option<Message> {
        if !self.on.contains(&on) {
            return None;
        }
        let Totals { total, completed, failed, pending, live, cancelled } = event.totals;
        let mut json = json!({
            "event": on.as_str(),
            "experiment": self.experiment,
            "text": text,
            "time": event.time,
            "host": host(),
            "runs": {"total": total, "completed": completed, "failed": failed, "pending": pending, "live": live,
                "cancelled": cancelled},
        });
        if let (Some(json), Json::Object(more)) = (json.as_object_mut(), more) {
            json.extend(more);
        }
        Some(Message { text, json })
    }

    fn finished(&self, event: &Event, interrupted: bool) -> Option<Message> {
        let Totals { total, completed, failed, pending, cancelled, .. } = event.totals;
        let how = if interrupted { "was interrupted" } else { "is finished" };
        let mut text = format!("{} {how}: {completed} of {total} runs completed", self.experiment);
        if failed > 0 {
            text += &format!(", {failed} failed");
        }
        if cancelled > 0 {
            text += &format!(", {cancelled} cancelled");
        }
        if pending > 0 {
            text += &format!(", {pending} still to run");
        }
        let seconds = self.began.map(|began| (event.time - began).max(0.0));
        if let Some(seconds) = seconds {
            text += &format!(", in {}", human::seconds(seconds));
        }
        if let Some(best) = self.best {
            text += &format!("; the best {} is {best:.4}", self.metric);
        }
        text += &format!(" ({})", host());
        let more = json!({
            "interrupted": interrupted, "seconds": seconds, "metric": self.metric, "best": self.best,
        });
        self.message(event, NotifyOn::Finished, text, more)
    }

    fn failed(&mut self, event: &Event, run: &str, reason: &str) -> Option<Message> {
        self.failures += 1;
        let is_due = self.failures <= FIRST_FAILURES
            || self.last_failure.is_none_or(|last| event.time - last >= FAILURES_EVERY);
        if !is_due {
            self.untold += 1;
            return None;
        }
        self.last_failure = Some(event.time);
        let untold = std::mem::take(&mut self.untold);
        let mut text = format!("{}: {run} has failed: {reason}", self.experiment);
        if untold > 0 {
            text += &format!(" (and {untold} more since the last message)");
        }
        self.message(event, NotifyOn::Failed, text, json!({"run": run, "reason": reason, "untold": untold}))
    }

    fn completed(&mut self, event: &Event, run: &str, value: f64) -> Option<Message> {
        let is_better = |best: f64| match self.goal {
            Goal::Maximize => value > best,
            Goal::Minimize => value < best,
        };
        if !value.is_finite() || self.best.is_some_and(|best| !is_better(best)) {
            return None;
        }
        let before = self.best.replace(value)?;
        let metric = &self.metric;
        let text = format!(
            "{}: {run} is the best so far, {metric} {value:.4} after {before:.4} ({} of {} runs completed)",
            self.experiment, event.totals.completed, event.totals.total
        );
        let more = json!({"run": run, "metric": metric, "value": value, "before": before});
        self.message(event, NotifyOn::Best, text, more)
    }

    fn stalled(&self, event: &Event, run: &str, again: bool) -> Option<Message> {
        let then = if again { "and is tried again" } else { "and is not tried again" };
        let text = format!("{}: {run} was silent for too long, was ended, {then}", self.experiment);
        self.message(event, NotifyOn::Stalled, text, json!({"run": run, "again": again}))
    }
}

#[cfg(test)]
mod tests;
