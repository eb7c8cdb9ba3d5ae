//! The state of a sweep as its events tell it: counts, and what each live run is doing. Pure: no clock, no terminal.
//!
//! The sweep loop feeds it; the progress sink shows it; the ETA is computed from it.

use std::collections::BTreeMap;

use crate::{
    event::{Event, Scalar, tags},
    run::RunState,
};

/// How many recent batches the throughput is taken over: enough to be steady, few enough to follow a change.
const THROUGHPUT_BATCHES: i64 = 20;

/// What is known of a run before it starts.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The run's name.
    pub name: String,
    /// Epochs, where the parameters say so.
    pub epochs: Option<u64>,
    /// Training steps per epoch, where the corpus is known.
    pub steps_per_epoch: Option<u64>,
    /// Images per training step.
    pub batch_size: Option<u64>,
}

/// A live run.
#[derive(Clone, Debug)]
pub struct Live {
    /// What was known before.
    pub planned: Planned,
    /// Label of the slot.
    pub slot: String,
    /// Start, seconds since 1970.
    pub started: f64,
    /// Epochs finished.
    pub epochs_done: u64,
    /// Training steps finished, over all epochs.
    pub steps_done: u64,
    /// Last validation accuracy.
    pub accuracy: Option<f32>,
    /// Last loss: of the last batch, or else of the last epoch.
    pub loss: Option<f32>,
    /// Training throughput over the recent batches.
    pub images_per_second: Option<f64>,
    /// (step, wall time) of recent batches, oldest first.
    recent: Vec<(i64, f64)>,
}

/// The whole sweep.
#[derive(Debug)]
pub struct Status {
    /// Runs of the grid.
    pub total: u64,
    /// Completed runs, earlier sweeps' included.
    pub completed: u64,
    /// Failed runs of this sweep.
    pub failed: u64,
    /// Live runs by index.
    pub live: BTreeMap<u64, Live>,
}

impl Status {
    /// The state before the first event: `completed` runs are there from earlier.
    #[must_use]
    pub fn new(total: u64, completed: u64) -> Self {
        Self { total, completed, failed: 0, live: BTreeMap::new() }
    }

    /// Takes one event; `planned` tells what is known of its run.
    pub fn apply(&mut self, event: &Event, planned: impl FnOnce() -> Planned) {
        match event {
            Event::AttemptStarted { run, slot, time, .. } => {
                self.live.insert(*run, Live::new(planned(), slot.clone(), *time));
            }
            Event::Scalars { run, points } => {
                if let Some(live) = self.live.get_mut(run) {
                    points.iter().for_each(|point| live.take(point));
                }
            }
            Event::AttemptEnded { run, state, .. } => {
                self.live.remove(run);
                match state {
                    RunState::Completed => self.completed += 1,
                    RunState::Failed => self.failed += 1,
                    RunState::Pending | RunState::Running => {}
                }
            }
        }
    }
}

impl Live {
    fn new(planned: Planned, slot: String, started: f64) -> Self {
        Self {
            planned,
            slot,
            started,
            epochs_done: 0,
            steps_done: 0,
            accuracy: None,
            loss: None,
            images_per_second: None,
            recent: Vec::new(),
        }
    }

    fn take(&mut self, point: &Scalar) {
        match point.tag.as_str() {
            tags::BATCH_LOSS => self.take_batch(point),
            tags::VALIDATION_ACCURACY => {
                self.accuracy = Some(point.value);
                self.epochs_done = self.epochs_done.max(count(point.step));
            }
            tags::TRAIN_LOSS | tags::VALIDATION_LOSS => {
                self.loss = Some(point.value);
                self.epochs_done = self.epochs_done.max(count(point.step));
            }
            _ => {}
        }
    }

    fn take_batch(&mut self, point: &Scalar) {
        self.loss = Some(point.value);
        self.steps_done = self.steps_done.max(count(point.step));
        self.recent.push((point.step, point.wall_time));
        self.recent.retain(|(step, _)| *step > point.step - THROUGHPUT_BATCHES);
        let (first, last) = (self.recent[0], (point.step, point.wall_time));
        if let Some(batch) = self.planned.batch_size
            && last.0 > first.0
            && last.1 > first.1
        {
            #[expect(clippy::cast_precision_loss, reason = "batch sizes and step counts are far below 2^53")]
            let images = ((last.0 - first.0) as f64) * batch as f64;
            self.images_per_second = Some(images / (last.1 - first.1));
        }
    }

    /// Part of the training that is done, 0 to 1, where the number of steps or epochs is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    pub fn fraction(&self) -> Option<f64> {
        let epochs = self.planned.epochs.filter(|epochs| *epochs > 0)? as f64;
        let by_epoch = self.epochs_done as f64 / epochs;
        let by_step = self
            .planned
            .steps_per_epoch
            .filter(|steps| *steps > 0)
            .map_or(0.0, |steps| self.steps_done as f64 / (steps as f64 * epochs));
        Some(by_epoch.max(by_step).min(1.0))
    }
}

/// Steps count from 0, so step 4 means five are done.
fn count(step: i64) -> u64 {
    u64::try_from(step.saturating_add(1)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned() -> Planned {
        Planned { name: "a".to_owned(), epochs: Some(2), steps_per_epoch: Some(10), batch_size: Some(32) }
    }

    fn scalar(tag: &str, step: i64, value: f32, wall_time: f64) -> Scalar {
        Scalar { tag: tag.to_owned(), step, value, wall_time }
    }

    fn started() -> Status {
        let mut status = Status::new(3, 1);
        let event = Event::AttemptStarted {
            run: 7,
            attempt: 1,
            pid: 1,
            slot: "cpu/0".to_owned(),
            device: "cpu".to_owned(),
            time: 10.0,
        };
        status.apply(&event, planned);
        status
    }

    fn feed(status: &mut Status, points: Vec<Scalar>) {
        status.apply(&Event::Scalars { run: 7, points }, planned);
    }

    #[test]
    fn throughput_and_fraction_follow_the_batches() {
        let mut status = started();
        feed(&mut status, (0..5).map(|i| scalar(tags::BATCH_LOSS, i, 0.5, 10.0 + i as f64 * 0.5)).collect());
        let live = &status.live[&7];
        assert_eq!(live.images_per_second, Some(64.0));
        assert_eq!(live.fraction(), Some(0.25));
        assert_eq!(live.loss, Some(0.5));
    }

    #[test]
    fn epochs_count_where_batches_are_not_logged() {
        let mut status = started();
        feed(&mut status, vec![scalar(tags::VALIDATION_ACCURACY, 0, 0.75, 11.0)]);
        assert_eq!(status.live[&7].fraction(), Some(0.5));
        assert_eq!(status.live[&7].accuracy, Some(0.75));
    }

    #[test]
    fn an_end_moves_the_run_from_live_to_its_count() {
        let mut status = started();
        let end = |state| Event::AttemptEnded { run: 7, attempt: 1, state, failure: None, time: 20.0 };
        status.apply(&end(RunState::Failed), planned);
        assert_eq!((status.live.len(), status.completed, status.failed), (0, 1, 1));
    }
}
