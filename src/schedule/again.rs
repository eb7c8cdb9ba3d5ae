//! What follows in the queue when an attempt has failed: whether its run waits again, and for how long.
//!
//! A part of the scheduler. Which failures are worth another attempt is said in `retry`.

use super::{
    delays::pause,
    messages::Ended,
    retry::Again,
    scheduler::{Phase, Scheduler},
    task::Fate,
};

impl Scheduler {
    /// Lets a run wait in the queue.
    pub(super) fn enqueue(&mut self, position: usize, fate: Fate) {
        self.tasks[position].fate = fate;
        self.queue.insert(position, self.tasks[position].memory());
    }

    /// Lets a run that has failed wait: for a moment, where whatever ended it may still be there.
    pub(super) fn try_again(&mut self, now: f64, position: usize, how: Ended) {
        let pauses = matches!(how, Ended::Failed(Again::Yes) | Ended::NotStarted);
        let wait = if pauses { pause(self.first_pause, self.tasks[position].counted) } else { 0.0 };
        if wait > 0.0 {
            self.tasks[position].fate = Fate::Delayed(now + wait);
            self.delayed += 1;
            self.delays.insert(now + wait, position);
        } else {
            self.enqueue(position, Fate::Open);
        }
    }

    /// Whether a run that has failed is tried again. One that ran out of memory is not admitted beside another from then on.
    pub(super) fn is_worth_another(&mut self, position: usize, how: Ended) -> bool {
        let task = &mut self.tasks[position];
        let is_open = matches!(self.phase, Phase::Running | Phase::Paused);
        if is_open && how == Ended::Failed(Again::GoesOn) {
            task.uncount();
            return true;
        }
        if !is_open || task.counted >= self.max_attempts {
            return false;
        }
        match how {
            Ended::Failed(Again::Alone) => !std::mem::replace(&mut task.alone, true),
            Ended::Failed(Again::Once) => !std::mem::replace(&mut task.had_once, true),
            Ended::Failed(Again::Yes) | Ended::NotStarted => true,
            Ended::Failed(Again::No | Again::GoesOn)
            | Ended::Completed
            | Ended::Interrupted
            | Ended::Withdrawn => false,
        }
    }
}
