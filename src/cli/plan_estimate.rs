//! What a plan will take: the time of the runs that are not done yet, and room on the disk.
//!
//! Called by `plan`. Time is told from runs of the same experiment that have completed, and is unknown without any; room
//! follows from parameters, epochs and images, with sizes that were measured on what the built-in trainers write.

use std::{collections::HashSet, path::Path};

use super::runtime;
use crate::{
    base::human,
    corpus::LoadingTable,
    model::Summary,
    run::{RunSpec, RunState},
    spec::{Checkpoint, Experiment, Keep, Train},
    store::{Reader, RunRecord, StoreError},
};

/// Bytes of a parameter in a checkpoint.
const WEIGHT: u64 = 4;
/// Weights in a training state: the network's, and Adam's two moments, twice while a new state takes the place of the old one.
const STATES: u64 = 6;
/// Bytes that the event files have for each training step (its loss), and for each epoch (its metrics, and an image of the
/// confusion matrix), as measured.
const STEP: u64 = 55;
const EPOCH: u64 = 40_000;
/// Bytes of a validation image in `predictions.csv`, and of what every run has beside: its figures, precision-recall curves,
/// `run.json`, as measured.
const PREDICTION: u64 = 55;
const RUN: u64 = 130_000;

/// Room on the disk, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Room {
    /// The weights of the last epoch, and those of the best one where they are kept.
    pub(super) weights: u64,
    /// Event files, predictions and figures.
    pub(super) rest: u64,
    /// The training state at most, until the run has completed.
    pub(super) state: u64,
}

/// What a run of a built-in network leaves. Without the counts of images, weights and state alone.
pub(super) fn room(run: &RunSpec, summary: &Summary, keep: Keep, loading: Option<&LoadingTable>) -> Room {
    let one = summary.parameters.saturating_mul(WEIGHT);
    let weights = if keep.best == Some(0) { one } else { one.saturating_mul(2) };
    let state = if keep.checkpoint == Checkpoint::Never { 0 } else { one.saturating_mul(STATES) };
    let (Some(loading), Ok(train)) = (loading, Train::from_parameters(&run.parameters)) else {
        return Room { weights, rest: 0, state };
    };
    let (epochs, batch) = (u64::from(train.epochs), u64::from(train.batch_size).max(1));
    let steps = loading.train.div_ceil(batch).saturating_mul(epochs);
    let rest =
        steps.saturating_mul(STEP) + epochs.saturating_mul(EPOCH) + loading.validation * PREDICTION + RUN;
    Room { weights, rest, state }
}

/// How long runs of an experiment take, from those that have completed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pace {
    /// Ids of the runs that have completed.
    done: HashSet<String>,
    /// Seconds of a run: so many, and so many for each unit of cost.
    line: Option<(f64, f64)>,
    /// Slots that they had, together.
    slots: usize,
}

/// The pace of an experiment in a runs directory; of nothing where it was never run there.
///
/// # Errors
/// Where there is a database that cannot be read.
pub(super) fn pace(
    runs_dir: &Path,
    experiment: &Experiment,
    cost: impl FnMut(&RunSpec) -> Option<f64>,
) -> Result<Pace, super::CliError> {
    runtime()?.block_on(async {
        let mut store = match Reader::open(runs_dir).await {
            // Where only others have one, what was measured here is not known.
            Err(StoreError::NoDatabase { .. } | StoreError::Elsewhere { .. }) => return Ok(Pace::default()),
            opened => opened?,
        };
        let Some(record) = store.experiment(&experiment.name).await? else { return Ok(Pace::default()) };
        Ok(Pace::of(&store.runs(Some(record.key)).await?, cost))
    })
}

impl Pace {
    fn of(runs: &[RunRecord], mut cost: impl FnMut(&RunSpec) -> Option<f64>) -> Self {
        let completed = || runs.iter().filter(|run| run.state == RunState::Completed);
        let done = completed().map(|run| run.spec.id.clone()).collect();
        let slots: HashSet<&str> = completed().filter_map(|run| run.slot.as_deref()).collect();
        let points: Vec<(f64, f64)> =
            completed().filter_map(|run| Some((cost(&run.spec).unwrap_or(0.0), run.seconds()?))).collect();
        Self { done, line: line(&points), slots: slots.len().max(1) }
    }

    /// Whether the run has completed.
    pub(super) fn is_done(&self, run: &RunSpec) -> bool {
        self.done.contains(&run.id)
    }

    /// Seconds that a run takes by itself, where that is known; `cost` is in the unit of the pace, or 0.
    pub(super) fn seconds(&self, cost: Option<f64>) -> Option<f64> {
        self.line.map(|(fixed, slope)| fixed + slope * cost.unwrap_or(0.0))
    }

    /// What is said of `owed` runs that take `seconds` one after the other, of `all`.
    pub(super) fn words(&self, owed: u64, all: u64, seconds: f64) -> String {
        if owed == 0 {
            return format!(
                "time: none, {} completed",
                if all == 1 { "the run has" } else { "all runs have" }
            );
        }
        let completed = all - owed;
        if self.line.is_none() {
            return "time: unknown until a run of this experiment has completed".to_owned();
        }
        format!(
            "time: about {} for the {} that {} not done, on {} (at the pace of the {} that completed)",
            rounded(seconds / self.slots as f64),
            human::counted(owed, "run"),
            if owed == 1 { "is" } else { "are" },
            human::counted(self.slots, "slot"),
            completed.max(self.done.len() as u64),
        )
    }
}

/// A time no more precise than it is known.
fn rounded(seconds: f64) -> String {
    let step = match seconds {
        ..60.0 => 5.0,
        ..1_200.0 => 60.0,
        ..36_000.0 => 600.0,
        _ => 3_600.0,
    };
    human::seconds((seconds / step).ceil().max(1.0) * step).replace(".0 s", " s")
}

/// `(a, b)` of `seconds = a + b * cost`, by least squares, neither below 0; `None` without points.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let count = points.len() as f64;
    let mean = |read: fn(&(f64, f64)) -> f64| points.iter().map(read).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let shared: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let slope = if spread > 0.0 { (shared / spread).max(0.0) } else { 0.0 };
    let fixed = y - slope * x;
    match points {
        [] => None,
        // One size alone, or a line that would begin below nothing: in proportion.
        _ if x > 0.0 && (spread == 0.0 || fixed < 0.0) => Some((0.0, y / x)),
        _ => Some((fixed.max(0.0), slope)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_through_what_was_measured() {
        let near = |found: Option<(f64, f64)>, expected: (f64, f64)| {
            let (a, b) = found.unwrap();
            assert!((a - expected.0).abs() < 1e-9 && (b - expected.1).abs() < 1e-9, "{a} {b}");
        };
        near(line(&[(1.0, 3.0), (2.0, 5.0), (4.0, 9.0)]), (1.0, 2.0));
        near(line(&[(2.0, 5.0)]), (0.0, 2.5));
        near(line(&[(0.0, 4.0), (0.0, 6.0)]), (5.0, 0.0));
        near(line(&[(1.0, 9.0), (2.0, 5.0)]), (7.0, 0.0));
        assert_eq!(line(&[]), None);
    }

    #[test]
    fn room_has_the_best_weights_and_the_state_as_the_spec_keeps_them() {
        let summary = Summary { parameters: 1000, flops_per_image: 0, memory_bytes: 0 };
        let run = crate::grid::runs(&crate::store::testing::small("tab3")).next().unwrap();
        let of = |keep| {
            let Room { weights, rest, state } = room(&run, &summary, keep, None);
            assert_eq!(rest, 0);
            (weights, state)
        };
        assert_eq!(of(Keep::default()), (8000, 24_000));
        assert_eq!(of(Keep { best: Some(0), checkpoint: Checkpoint::Never, ..Keep::default() }), (4000, 0));
    }

    #[test]
    fn time_is_told_as_far_as_it_is_known() {
        let unknown = Pace::default();
        assert_eq!(unknown.words(27, 27, 0.0), "time: unknown until a run of this experiment has completed");
        let pace = Pace { done: HashSet::from(["a".to_owned()]), line: Some((1.0, 2.0)), slots: 2 };
        assert_eq!(pace.seconds(Some(3.0)), Some(7.0));
        assert_eq!(
            pace.words(26, 27, 500.0),
            "time: about 5 min for the 26 runs that are not done, on 2 slots (at the pace of the 1 that completed)"
        );
        assert_eq!(pace.words(0, 27, 0.0), "time: none, all runs have completed");
        assert_eq!(rounded(33.0), "35 s");
    }
}
