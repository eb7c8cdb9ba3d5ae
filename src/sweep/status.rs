//! What each live run of a sweep is doing, as the events tell it. Pure: no clock, no terminal.
//!
//! The sweep loop feeds it and tells the scheduler the parts that are done; the terminal shows it. The counts of the sweep
//! are in the events themselves.

use std::collections::{BTreeMap, VecDeque};

use crate::{
    event::{Change, Event, Scalar, tags},
    rank::{Wanted, never_written},
    run::Handle,
};

/// How many recent batches the throughput is taken over: enough to be steady, few enough to follow a change.
const THROUGHPUT_BATCHES: i64 = 20;

/// So many tags of a run are kept, to be named where the metric that ranks is not among them.
const MOST_TAGS: usize = 32;

/// What is known of a run before it starts.
#[derive(Clone, Debug)]
pub(crate) struct RunForecast {
    /// The run's name.
    pub name: String,
    /// Epochs, where the parameters say so.
    pub epochs: Option<u64>,
    /// Training steps per epoch, where the corpus is known.
    pub steps_per_epoch: Option<u64>,
    /// Images per training step.
    pub batch_size: Option<u64>,
    /// Tag of the metric that ranks.
    pub rank_by: String,
}

/// A live run.
#[derive(Clone, Debug)]
pub(super) struct RunProgress {
    /// What was known before.
    pub forecast: RunForecast,
    /// Label of the slot.
    pub slot: String,
    /// Whether it is in the queue of a cluster, and has not begun.
    pub is_queued: bool,
    /// Epochs finished.
    pub epochs_done: u64,
    /// Training steps finished, over all epochs.
    pub steps_done: u64,
    /// Last value of the metric that ranks.
    pub ranked: Option<f32>,
    /// The first tags that it has written, while the metric that ranks is not among them.
    unranked: Vec<String>,
    /// Whether a series of it may stand for that metric.
    may_rank: bool,
    /// Last loss: of the last batch, or else of the last epoch.
    pub loss: Option<f32>,
    /// Training throughput over the recent batches.
    pub images_per_second: Option<f64>,
    /// (step, wall time) of recent batches by step, each step once.
    recent: VecDeque<(i64, f64)>,
}

/// The live runs of a sweep.
#[derive(Debug, Default)]
pub(super) struct Status {
    /// By index.
    pub live: BTreeMap<u64, RunProgress>,
}

impl Status {
    /// Takes one event; `forecast` tells what is known of its run.
    pub(super) fn apply(&mut self, event: &Event, forecast: impl FnOnce(u64) -> RunForecast) {
        match &event.change {
            Change::AttemptStarted(attempt) => {
                let mut live = RunProgress::new(forecast(attempt.run), attempt.slot.clone());
                live.is_queued = matches!(attempt.handle, Some(Handle::Job(_)));
                self.live.insert(attempt.run, live);
            }
            Change::AttemptBegan { attempt, .. } => {
                if let Some(live) = self.live.get_mut(&attempt.run) {
                    live.is_queued = false;
                }
            }
            Change::Scalars { attempt, points } => {
                if let Some(live) = self.live.get_mut(&attempt.run) {
                    points.iter().for_each(|point| live.take(point));
                }
            }
            Change::AttemptEnded { attempt, .. } | Change::AttemptNotStarted { attempt, .. } => {
                self.live.remove(&attempt.run);
            }
            Change::SweepBegun { .. }
            | Change::Cut { .. }
            | Change::Measured { .. }
            | Change::Resumed { .. }
            | Change::Problem { .. }
            | Change::Suggested { .. }
            | Change::Decided { .. }
            | Change::Stopped { .. }
            | Change::Moved { .. }
            | Change::Cancelled { .. }
            | Change::Note(_)
            | Change::Warning(_)
            | Change::SweepEnded { .. } => {}
        }
    }
}

impl RunForecast {
    /// Whether a tag is that of the metric that ranks, or a series that stands for it below folders made anew for each run.
    pub(super) fn ranks(&self, tag: &str) -> bool {
        ranks(&self.rank_by, tag)
    }
}

/// Whether a tag is that of the metric that ranks, or a series that stands for it.
pub(super) fn ranks(rank_by: &str, tag: &str) -> bool {
    let wanted = Wanted::new(rank_by);
    tag == rank_by || (wanted.may_be(tag) && !wanted.chosen(&[vec![tag]])[0].is_empty())
}

impl RunProgress {
    fn new(forecast: RunForecast, slot: String) -> Self {
        Self {
            forecast,
            slot,
            is_queued: false,
            epochs_done: 0,
            steps_done: 0,
            ranked: None,
            may_rank: false,
            unranked: Vec::new(),
            loss: None,
            images_per_second: None,
            recent: VecDeque::new(),
        }
    }

    /// What to say of a run that has ended without the metric that ranks, as far as its points tell.
    pub(super) fn without_metric(&self) -> Option<String> {
        let wanted = Wanted::new(&self.forecast.rank_by);
        let written: Vec<&str> = self.unranked.iter().map(String::as_str).collect();
        (self.ranked.is_none() && !self.may_rank).then(|| never_written(wanted.tag(), &[], &written))
    }

    fn take(&mut self, point: &Scalar) {
        if self.forecast.ranks(&point.tag) {
            self.ranked = Some(point.value);
        }
        if self.ranked.is_none() && !self.unranked.contains(&point.tag) {
            // Which of several series it is, or none, is told when runs are ranked.
            self.may_rank |= Wanted::new(&self.forecast.rank_by).may_be(&point.tag);
            if self.unranked.len() < MOST_TAGS {
                self.unranked.push(point.tag.clone());
            }
        }
        match point.tag.as_str() {
            tags::BATCH_LOSS => self.take_batch(point),
            tags::VALIDATION_ACCURACY => self.epochs_done = self.epochs_done.max(count(point.step)),
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
        self.note_batch((point.step, point.wall_time));
        let (Some(first), Some(last)) = (self.recent.front(), self.recent.back()) else { return };
        if let Some(batch) = self.forecast.batch_size
            && last.0 > first.0
            && last.1 > first.1
        {
            // The window keeps their difference small, wherever they are.
            let batches = last.0.abs_diff(first.0);
            #[expect(clippy::cast_precision_loss, reason = "batch sizes and step counts are far below 2^53")]
            let images = batches as f64 * batch as f64;
            self.images_per_second = Some(images / (last.1 - first.1));
        }
    }

    /// Takes a batch into the window. Constant time for each, whatever the steps are: a trainer may log every batch at one
    /// step, go back, or count from anywhere.
    fn note_batch(&mut self, batch: (i64, f64)) {
        match self.recent.back_mut() {
            Some(last) if last.0 == batch.0 => {
                last.1 = batch.1;
                return;
            }
            Some(last) if last.0 > batch.0 => self.recent.clear(),
            _ => {}
        }
        let before = batch.0.saturating_sub(THROUGHPUT_BATCHES);
        while self.recent.front().is_some_and(|(step, _)| *step <= before) {
            self.recent.pop_front();
        }
        self.recent.push_back(batch);
    }

    /// Part of the training that is done, 0 to 1, where the number of steps or epochs is known.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "step counts are far below 2^53")]
    pub(super) fn fraction(&self) -> Option<f64> {
        let epochs = self.forecast.epochs.filter(|epochs| *epochs > 0)? as f64;
        let by_epoch = self.epochs_done as f64 / epochs;
        let by_step = self
            .forecast
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
    use std::sync::Arc;

    use super::*;
    use crate::{
        event::{Attempt, Totals},
        run::{RunState, Used},
    };

    fn forecast() -> RunForecast {
        RunForecast {
            name: "a".to_owned(),
            epochs: Some(2),
            steps_per_epoch: Some(10),
            batch_size: Some(32),
            rank_by: tags::VALIDATION_ACCURACY.to_owned(),
        }
    }

    fn scalar(tag: &str, step: i64, value: f32, wall_time: f64) -> Scalar {
        Scalar { tag: tag.to_owned(), step, value, wall_time }
    }

    fn attempt() -> Arc<Attempt> {
        Arc::new(Attempt {
            run: 7,
            name: "a".to_owned(),
            number: 1,
            slot: "cpu/0".to_owned(),
            device: "cpu".to_owned(),
            threads: 1,
            handle: Some(Handle::Process(1)),
            pid_start: None,
            started: 10.0,
            resumed: None,
        })
    }

    fn apply(status: &mut Status, change: Change) {
        status.apply(&Event { time: 10.0, totals: Totals::default(), change }, |_| forecast());
    }

    fn started() -> Status {
        let mut status = Status::default();
        apply(&mut status, Change::AttemptStarted(attempt()));
        status
    }

    fn feed(status: &mut Status, points: Vec<Scalar>) {
        apply(status, Change::Scalars { attempt: attempt(), points: Arc::new(points) });
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
    fn a_run_without_the_metric_that_ranks_names_what_it_wrote() {
        let mut status = started();
        assert!(status.live[&7].without_metric().unwrap().ends_with("nor was any other metric"));
        let many = (0..99).map(|place| scalar(&format!("m{place:02}"), 0, 0.5, 1.0)).collect();
        feed(&mut status, many);
        let words = status.live[&7].without_metric().unwrap();
        assert!(words.contains("never written") && words.contains("m00, m01"), "{words}");
        // One that may be it, or not, is no matter of certainty.
        feed(&mut status, vec![scalar("amber/validation/epoch_accuracy", 0, 0.5, 1.0)]);
        assert_eq!(status.live[&7].without_metric(), None);
        let mut status = started();
        feed(&mut status, vec![scalar(tags::VALIDATION_ACCURACY, 0, 0.5, 1.0)]);
        assert_eq!(status.live[&7].without_metric(), None);
    }

    #[test]
    fn the_window_moves_with_the_batches() {
        let mut status = started();
        // Slow at first: the window forgets it.
        let time = |i: i64| if i < 30 { i as f64 } else { 30.0 + (i - 30) as f64 * 0.25 };
        feed(&mut status, (0..60).map(|i| scalar(tags::BATCH_LOSS, i, 0.5, time(i))).collect());
        assert_eq!(status.live[&7].images_per_second, Some(128.0));
        assert!(status.live[&7].recent.len() <= 20);
    }

    #[test]
    fn any_step_is_a_step() {
        for steps in [vec![i64::MIN, 0], vec![i64::MAX, i64::MIN, i64::MAX], vec![5, 5, 5], vec![3, 2, 1, 0]]
        {
            let mut status = started();
            feed(&mut status, steps.iter().map(|step| scalar(tags::BATCH_LOSS, *step, 0.5, 1.0)).collect());
            assert_eq!(status.live[&7].recent.back().map(|(step, _)| step), steps.last());
            assert_eq!(status.live[&7].images_per_second, None);
        }
    }

    #[test]
    fn a_step_that_comes_again_and_again_is_kept_once() {
        let mut status = started();
        feed(&mut status, (0..50_000).map(|i| scalar(tags::BATCH_LOSS, 0, 0.5, f64::from(i))).collect());
        assert_eq!(status.live[&7].recent, [(0, 49_999.0)]);
    }

    #[test]
    fn epochs_count_where_batches_are_not_logged() {
        let mut status = started();
        feed(&mut status, vec![scalar(tags::VALIDATION_ACCURACY, 0, 0.75, 11.0)]);
        assert_eq!(status.live[&7].fraction(), Some(0.5));
        assert_eq!(status.live[&7].ranked, Some(0.75));
    }

    #[test]
    fn the_metric_that_ranks_is_the_tag_or_what_stands_for_it() {
        let ranks = |by: &str, tag: &str| RunForecast { rank_by: by.to_owned(), ..forecast() }.ranks(tag);
        assert!(ranks("eval/loss", "eval/loss") && ranks("eval/loss", "2026-11-27/eval/loss"));
        assert!(ranks("version_*/val_loss", "version_3/val_loss"));
        assert!(!ranks("loss", "train/loss") && !ranks("loss", "validation/epoch_loss"));
    }

    #[test]
    fn a_run_is_live_from_its_start_to_its_end() {
        let mut status = started();
        assert_eq!(status.live.keys().copied().collect::<Vec<_>>(), [7]);
        let (state, used) = (RunState::Completed, Used::default());
        apply(
            &mut status,
            Change::AttemptEnded { attempt: attempt(), state, failure: None, next: None, seconds: 1.0, used },
        );
        assert!(status.live.is_empty());
    }
}
