//! Why a run of a live sweep is in the state it is in: one sentence with what the scheduler, its attempt and the other runs tell.
//!
//! Of runs that are over the ledger knows more; whoever asks puts that first.

use super::{LiveAttempt, Loop, Now};
use crate::{
    base::human,
    launch::Launcher,
    run::RunState,
    schedule::{Scheduler, Standing},
};

/// A run that takes this many times what the others let expect is called slow.
const SLOW: f64 = 1.5;

impl<L: Launcher> Loop<'_, L> {
    /// The sentence.
    pub(super) fn why(&self, now: Now, run: u64) -> String {
        match self.scheduler.standing(run) {
            Some(Standing::Live) => match self.live.get(&run) {
                Some(live) => self.why_live(now, run, live),
                None => self.why_not_started(),
            },
            Some(Standing::Waiting) => self.why_waiting(run),
            Some(Standing::Paused) => {
                "is paused: `gridboard pause` has ended its attempt to free the slot, and `gridboard resume` goes on".to_owned()
            }
            Some(Standing::Delayed { at }) => {
                let next = self.scheduler.next_try(run).map(|next| format!(" (attempt {} of {})", next.number, next.of));
                let wait = human::seconds((at - now.elapsed).max(0.0));
                format!("waits {wait} before it is tried again{}: its last attempt failed", next.unwrap_or_default())
            }
            Some(Standing::Failed) => "failed in this sweep, and is not tried again in it".to_owned(),
            Some(Standing::Held) => "is held back until it is its turn".to_owned(),
            Some(Standing::Stopped) => "was ended by the stopping rule".to_owned(),
            Some(Standing::Cancelled) => "was cancelled; `gridboard requeue` takes that back".to_owned(),
            Some(Standing::Left) => "was stopped, and is left to the next sweep".to_owned(),
            Some(Standing::Completed) => "has completed".to_owned(),
            None => match self.attempts.state_before(run) {
                Some(RunState::Completed) | None => "has completed before this sweep".to_owned(),
                Some(state) => format!("was {state} before this sweep"),
            },
        }
    }

    fn why_not_started(&self) -> String {
        if self.shortage.is_some() {
            "is to start as soon as the machine has what it needs for a process: descriptors, memory, room on the disk".to_owned()
        } else {
            "is about to start: what the sweep has done is being written to the database first".to_owned()
        }
    }

    fn why_waiting(&self, run: u64) -> String {
        if self.scheduler.is_paused() {
            return "waits: the sweep is paused, and `gridboard resume` goes on".to_owned();
        }
        if !self.scheduler.is_open() {
            return "stays owed: the sweep is ending, and nothing starts any more".to_owned();
        }
        let before = self.scheduler.waiting_before(run);
        let turn = match before {
            0 => "is the next one".to_owned(),
            1 => "1 run is before it, which is longer".to_owned(),
            before => format!("{before} runs are before it, which are longer"),
        };
        let usable = self.scheduler.usable_slots();
        let busy = self.scheduler.counts().live;
        let alone = self.scheduler.next_try(run).is_some_and(|next| next.alone);
        if busy < usable {
            // Work is conserved: what keeps it from a free slot is memory.
            let need = self.scheduler.memory_of(run).filter(|bytes| *bytes < u64::MAX);
            let what = match (alone, need) {
                (true, _) => {
                    "a device to itself, since its last attempt ran out of memory beside others".to_owned()
                }
                (false, Some(bytes)) => format!("{} of memory on a device", human::bytes(bytes)),
                (false, None) => "more memory than is free".to_owned(),
            };
            return format!("waits for {what}: {} of {usable} slots are busy; {turn}", busy);
        }
        format!("waits for a slot: all {usable} are busy; {turn}")
    }

    fn why_live(&self, now: Now, run: u64, live: &LiveAttempt) -> String {
        let attempt = &live.attempt;
        let took = now.elapsed - live.begun;
        let situation = self.launcher.situation(run);
        if live.is_queued {
            let situation = situation.unwrap_or_else(|| "waits in the cluster's queue".to_owned());
            let leaving =
                if live.cancelled || live.killed_at.is_some() { ", and is asked to end" } else { "" };
            let since = human::seconds(took);
            return format!("{situation}; submitted {since} ago (attempt {}){leaving}", attempt.number);
        }
        let mut text = format!(
            "is being run on {} since {} (attempt {}{})",
            attempt.slot,
            human::seconds(took),
            attempt.number,
            situation
                .map(|situation| format!(", {}", situation.trim_start_matches("is ")))
                .or_else(|| attempt.handle.as_ref().map(|handle| format!(", {handle}")))
                .unwrap_or_default()
        );
        if live.cancelled {
            return text + ", and is asked to end, since it was cancelled";
        }
        if live.killed_at.is_some() {
            return text + ", and is asked to keep its state and end, since the sweep is paused";
        }
        if self.is_suspect(run) {
            return text + ", and has just ended: its end is being judged";
        }
        let part = self.status.live.get(&run).and_then(super::super::status::RunProgress::fraction);
        if let Some(part) = part {
            text += &format!(", {:.0} % done", part * 100.0);
        }
        let silent = now.elapsed - live.heard;
        match live.last_step {
            Some(step) => {
                text += &format!("; its last point is of step {step}, {} ago", human::seconds(silent))
            }
            None => text += "; it has written no point yet",
        }
        if let Some((expected, whole)) = expected(&self.scheduler, run, took, part)
            && whole > SLOW * expected
        {
            text += &format!(
                "; it is slow: {} in all at this pace, where other runs of its size take {}",
                human::seconds(whole),
                human::seconds(expected)
            );
        }
        text
    }
}

/// Seconds that the run should take by what others have, and that it will take at its pace; `None` where that is not known.
fn expected(scheduler: &Scheduler, run: u64, took: f64, part: Option<f64>) -> Option<(f64, f64)> {
    let expected = scheduler.expected_seconds(run)?;
    let whole = part.filter(|part| *part > 0.0).map_or(took, |part| took / part);
    Some((expected, whole))
}
