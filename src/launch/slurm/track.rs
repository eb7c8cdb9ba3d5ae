//! What becomes of one job, by what its own files and Slurm say of it. Pure: no clock, no file, no process.
//!
//! A job's own word counts first: `ended.json` is its process' last act. Only where there is none is Slurm asked how it ended, and
//! where Slurm knows nothing either, it is lost. An attempt whose end nobody has seen may still be alive on a node that has lost
//! its way: its order is taken back, and its end is told only after whoever carries it out has had time to see that.

use super::{
    order::{AskedBy, Ended},
    queue::{JobId, Over, Seen, State},
};
use crate::{
    launch::{AttemptEnd, Ending},
    run::{Evidence, Failure, FailureKind, Used},
};

/// How long is waited for what, seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a file that a node has written to be seen here.
    pub(super) settle: f64,
    /// For whoever carries an order out to see that it was taken back.
    pub(super) fence: f64,
}

/// What was done to end an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    No,
    ToEnd,
    Killed,
}

/// A job, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Tracked {
    pub(super) run: u64,
    pub(super) attempt: u32,
    pub(super) job: Option<JobId>,
    /// Whether its process has begun.
    pub(super) begun: bool,
    /// Where, as it has said itself.
    pub(super) host: String,
    pub(super) asked: Asked,
    /// What Slurm has last said of it.
    pub(super) state: Option<State>,
    pub(super) reason: Option<String>,
    /// Whether it was not in the queue when that was last looked at.
    gone: bool,
    /// When it was first seen to be over or gone without a word of its own.
    gone_since: Option<f64>,
    /// Whether it was seen to wait after it had begun: what was seen before says nothing of that.
    waits_again: bool,
    /// Whether Slurm was asked for what it knows of a job that is not in its queue.
    asked_for: bool,
    /// When its order was taken back.
    fenced: Option<f64>,
    /// When its own word was first seen.
    word_since: Option<f64>,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing.
    Wait,
    /// Look into the queue soon: something there is to be known.
    Look,
    /// Ask Slurm what it knows of a job that is not in its queue.
    AskFor,
    /// Take its order back, and end the job if there is one.
    Fence,
    /// It has ended.
    End(Box<AttemptEnd>),
    /// It has ended without a word of its own, for this reason.
    Unseen(FailureKind, String),
    /// It was ended by Gridboard.
    Interrupted,
}

impl Tracked {
    /// A job of which nothing is known yet.
    pub(super) fn new(run: u64, attempt: u32, job: Option<JobId>) -> Self {
        Self { run, attempt, job, ..Self::default() }
    }

    /// Takes in what the whole queue says. `None`: the job is not in it; others of its array may be.
    pub(super) fn seen(&mut self, seen: Option<&Seen>, has_others: bool, now: f64) {
        self.gone = seen.is_none();
        match seen {
            Some(seen) => {
                self.waits_again = self.begun && seen.state == State::Waiting;
                self.state = Some(seen.state.clone());
                self.reason.clone_from(&seen.reason);
                if self.host.is_empty() {
                    self.host.clone_from(&seen.nodes);
                }
                if matches!(seen.state, State::Over(_)) || self.is_requeued() {
                    self.gone_since.get_or_insert(now);
                } else {
                    self.gone_since = None;
                }
            }
            // One that was never submitted is in no queue.
            None if self.job.is_some() => {
                // Slurm keeps what has run for a while. Of a task that was cancelled before it began nothing is left.
                if has_others && !self.begun && self.over().is_none() {
                    self.state = Some(State::Over(Over::Cancelled));
                }
                if !matches!(self.state, Some(State::Over(_))) {
                    self.state = None;
                }
                self.gone_since.get_or_insert(now);
            }
            None => {}
        }
    }

    /// Takes in what Slurm knows of a job that is not in its queue.
    pub(super) fn told(&mut self, seen: Option<&Seen>) {
        self.asked_for = true;
        if let Some(seen) = seen {
            self.state = Some(seen.state.clone());
        }
    }

    /// Whether it was not in the queue when that was last looked at.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Its order was taken back.
    pub(super) fn fenced(&mut self, now: f64) {
        self.fenced = Some(now);
    }

    /// Whether somebody has put it back into the queue after it had begun.
    fn is_requeued(&self) -> bool {
        self.waits_again && self.state == Some(State::Waiting)
    }

    fn over(&self) -> Option<Over> {
        match self.state {
            Some(State::Over(over)) => Some(over),
            _ => None,
        }
    }

    /// What is to be done, with its own word where it is there.
    pub(super) fn step(&mut self, word: Option<&Ended>, now: f64, patience: Patience) -> Step {
        if let Some(word) = word {
            let since = *self.word_since.get_or_insert(now);
            return self.with_word(word, now - since, patience);
        }
        let Some(since) = self.gone_since else { return Step::Wait };
        if now - since < patience.settle {
            return Step::Wait;
        }
        if self.is_requeued() {
            return self.after_fence(now, patience, FailureKind::Requeued, "it was put back into the queue");
        }
        if self.over().is_none() && !self.asked_for {
            return Step::AskFor;
        }
        self.without_word(now, patience)
    }

    /// It says itself how it ended; why, where something had asked it to, is Slurm's to say.
    fn with_word(&self, word: &Ended, waited: f64, patience: Patience) -> Step {
        let mut end = word.end.clone();
        end.run = self.run;
        // Where nobody has asked it, its order was taken back.
        let is_asked = word.asked.is_some() || end.ending == Ending::Interrupted && !end.has_paused;
        let is_asked = is_asked && self.asked == Asked::No && !end.has_outcome;
        if !is_asked || end.ending == Ending::Completed {
            return Step::End(Box::new(end));
        }
        let kind = match (word.asked, self.over()) {
            (Some(AskedBy::Warning), _) | (_, Some(Over::TimeLimit)) => FailureKind::TimeLimit,
            (_, Some(Over::Preempted)) => FailureKind::Preempted,
            (_, Some(Over::Cancelled)) => FailureKind::JobCancelled,
            (_, Some(Over::NodeFailed)) => FailureKind::NodeFailed,
            // Whoever has sent the signal may not have said so yet, and what the queue has said may be older.
            _ if self.fenced.is_none() && waited < patience.settle.max(5.0) => return Step::Look,
            _ if self.is_requeued() => FailureKind::Requeued,
            _ if self.fenced.is_some() => FailureKind::Lost,
            _ => FailureKind::Signal,
        };
        let (log_tail, evidence) = match &mut end.ending {
            Ending::Failed(failure) => {
                (std::mem::take(&mut failure.log_tail), std::mem::take(&mut failure.evidence))
            }
            Ending::Completed | Ending::Interrupted => (String::new(), Evidence::default()),
        };
        end.ending = Ending::Failed(Failure { kind, reason: self.reason_of(kind), log_tail, evidence });
        Step::End(Box::new(end))
    }

    /// It has not said how it ended.
    fn without_word(&mut self, now: f64, patience: Patience) -> Step {
        if !self.begun {
            return match self.over() {
                _ if self.asked != Asked::No => Step::Interrupted,
                Some(Over::Cancelled) => self.unseen(FailureKind::JobCancelled),
                Some(Over::NodeFailed) => self.unseen(FailureKind::NodeFailed),
                Some(Over::Preempted) => self.unseen(FailureKind::Preempted),
                Some(Over::TimeLimit) => self.unseen(FailureKind::TimeLimit),
                Some(Over::OutOfMemory) => self.unseen(FailureKind::OutOfMemory),
                Some(Over::Completed | Over::Failed) => self.unseen(FailureKind::Launch),
                // Slurm has forgotten it: it may begin all the same, on a node that has not.
                None => self.after_fence(now, patience, FailureKind::Lost, "Slurm does not know it any more"),
            };
        }
        let (kind, what) = match self.over() {
            Some(Over::Cancelled) => (FailureKind::JobCancelled, ""),
            Some(Over::NodeFailed) => (FailureKind::NodeFailed, ""),
            Some(Over::Preempted) => (FailureKind::Preempted, ""),
            Some(Over::TimeLimit) => (FailureKind::TimeLimit, ""),
            Some(Over::OutOfMemory) => (FailureKind::OutOfMemory, ""),
            Some(Over::Completed | Over::Failed) => (FailureKind::Lost, "its process was killed"),
            None => (FailureKind::Lost, "Slurm does not know it any more"),
        };
        // Of the others Slurm has seen every process end.
        let may_live = matches!(kind, FailureKind::NodeFailed) || self.over().is_none();
        let patience = if may_live { patience } else { Patience { fence: 0.0, ..patience } };
        self.after_fence(now, patience, kind, what)
    }

    fn after_fence(&self, now: f64, patience: Patience, kind: FailureKind, what: &str) -> Step {
        match self.fenced {
            None => Step::Fence,
            Some(at) if now - at < patience.fence => Step::Wait,
            Some(_) if self.asked != Asked::No => Step::Interrupted,
            Some(_) if what.is_empty() => self.unseen(kind),
            Some(_) => Step::Unseen(kind, format!("{what} ({})", self.called())),
        }
    }

    fn unseen(&self, kind: FailureKind) -> Step {
        Step::Unseen(kind, self.reason_of(kind))
    }

    /// The job as people are told of it: `job 12_3 on n1`.
    pub(super) fn called(&self) -> String {
        let job = self.job.map_or_else(|| "its job".to_owned(), |job| format!("job {job}"));
        if self.host.is_empty() { job } else { format!("{job} on {}", self.host) }
    }

    fn reason_of(&self, kind: FailureKind) -> String {
        let what = match kind {
            FailureKind::TimeLimit => "its time limit was reached",
            FailureKind::Preempted => "it was preempted for a job of a higher priority",
            FailureKind::JobCancelled => "it was cancelled outside Gridboard",
            FailureKind::NodeFailed => "its node has failed",
            FailureKind::Requeued => "it was put back into the queue",
            FailureKind::OutOfMemory => "it took more memory than it had asked for",
            FailureKind::Launch => "it has ended before the run began",
            FailureKind::Lost => "Slurm does not know it any more",
            _ => "it was asked to end by a signal from outside",
        };
        format!("{what} ({})", self.called())
    }

    /// The end of an attempt that has not told it.
    pub(super) fn end(&self, ending: Ending) -> AttemptEnd {
        AttemptEnd {
            run: self.run,
            attempt: self.attempt,
            ending,
            used: Used::default(),
            has_outcome: false,
            resumed_from: None,
            asked_to_end: false,
            has_paused: false,
            alive: None,
        }
    }
}

#[cfg(test)]
mod tests;
