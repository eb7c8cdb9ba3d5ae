//! The leaderboard: runs ordered by the spec's rule. Pure: rows in, order out.
//!
//! The store collects the rows and calls [`Leaderboard::new`]; the same [`rank`] gives the ranks that it keeps for the
//! SQL views, so that there is one ranking. Tables and figures are left to `report`.

mod columns;
mod importance;
mod order;
mod point;
mod sameness;
mod series;
mod standing;

use serde::Serialize;

use crate::{
    metrics::ConfusionMatrix,
    predictions::Hits,
    run::{FailureKind, RunIndex, RunKey, RunState},
    spec::{Goal, RankRule, Value},
    stats::{Interval, wilson},
};

pub use columns::{axis_columns, rule_metrics, standard_metrics};
pub use importance::{Extent, Importances, Measure, importances};
pub use order::{Candidate, Ranking, rank, unfinished};
pub use point::{GridPoint, Means};
pub use sameness::{Results, constant_answer, without_effect};
pub use series::{Wanted, folder_of, never_written, series_named, without_numbered_folders};
pub use standing::Standing;

/// Runs of one experiment in the order of its rule, the unranked ones last.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Leaderboard {
    /// The experiment's name.
    pub experiment: String,
    /// Names of the axes, in the order of the spec.
    pub axes: Vec<String>,
    /// Class names in index order; empty without a dataset.
    pub classes: Vec<String>,
    /// The rule.
    pub rule: RankRule,
    /// The seeds of every grid point.
    pub seeds: Vec<u64>,
    /// Ranked rows first, by rank; then the others, by their place in the grid.
    pub rows: Vec<Row>,
    /// What is not in `rows`.
    pub omitted: Omitted,
    /// Names of further metrics that the best run has, where it lacks standard ones: what [`Row::others`] are. A name is a tag
    /// without the folder that the run has made for itself; [`series_named`] finds the series of a run.
    pub metrics: Vec<String>,
    /// What was found about all runs together: seeds and axes that change nothing.
    pub notes: Vec<String>,
}

/// A leaderboard has no more further metrics than there are standard ones.
pub const MOST_FURTHER: usize = 4;

/// What a leaderboard that holds only its head leaves out; nothing, in a whole one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Ranked runs.
    pub ranked: usize,
    /// Runs that do not rank.
    pub unranked: usize,
}

/// One run on the leaderboard. Metrics are the values at the last epoch (the highest step of their tag), as the f32 of
/// the event file widened to f64; `None` where the run has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// From 1; `None` for a run that does not rank.
    pub rank: Option<u32>,
    /// Which run it is: the rest of a row may be that of another run too, or change.
    #[serde(skip)]
    pub key: RunKey,
    /// The run's name.
    pub run: String,
    /// Place in the grid.
    pub index: RunIndex,
    /// One value per axis of the leaderboard: the grid point's, or, where only another grid of a union has the axis, the
    /// value that the run trains with all the same; `None` where it has no such parameter.
    pub axes: Vec<Option<Value>>,
    /// The seed.
    pub seed: u64,
    /// State in the ledger.
    pub state: RunState,
    /// `train/epoch_accuracy`.
    pub train_accuracy: Option<f64>,
    /// `train/epoch_loss`.
    pub train_loss: Option<f64>,
    /// `validation/epoch_accuracy`.
    pub validation_accuracy: Option<f64>,
    /// `validation/epoch_loss`.
    pub validation_loss: Option<f64>,
    /// The rule's first metric.
    pub by: Option<f64>,
    /// The rule's tie breaker.
    pub then: Option<f64>,
    /// The step that the first metric was taken at.
    pub step: Option<i64>,
    /// The first metric at its best step, which may be an earlier one. Choosing it looks at the images that report, so it
    /// never ranks.
    pub best: Option<Best>,
    /// The metrics of [`Leaderboard::metrics`], at their highest steps.
    pub others: Vec<Option<f64>>,
    /// What the run's predictions count, where it has any.
    pub tally: Option<Tally>,
    /// What they say of two classes, and what one answer for all images would reach.
    pub diagnosis: Diagnosis,
    /// Which images those predictions have right; `None` where the database keeps none.
    #[serde(skip)]
    pub hits: Option<Hits>,
    /// Whether its predictions tell the run from the best one.
    pub standing: Standing,
    /// Why the run does not rank: what it failed of, that it has not ended, or its missing, NaN or infinite metric.
    pub reason: Option<String>,
    /// What is wrong with the event files of its last attempt: its curves, and so its metrics, may not be whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// A metric at the step where it was best.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Best {
    /// The epoch, from 0; the first of several that are equally good.
    pub step: i64,
    /// The value there.
    pub value: f64,
}

impl Best {
    /// Whether an earlier epoch was better than the last one of the run, and not just as good.
    #[must_use]
    pub fn beats_last(&self, row: &Row) -> bool {
        row.by.is_none_or(|last| last != self.value)
    }

    /// The best of the points (step, value) of a curve, in any order; `None` where none is finite.
    #[must_use]
    pub fn among(goal: Goal, points: impl IntoIterator<Item = (i64, f64)>) -> Option<Self> {
        let better = |a: f64, b: f64| match goal {
            Goal::Maximize => a > b,
            Goal::Minimize => a < b,
        };
        let finite = points.into_iter().filter(|(_, value)| value.is_finite());
        finite.fold(None, |best: Option<Self>, (step, value)| match best {
            Some(best) if better(best.value, value) || (best.value == value && best.step <= step) => {
                Some(best)
            }
            _ => Some(Self { step, value }),
        })
    }
}

/// What a run's predictions of the validation images say beside how many are right; `None` where that is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Diagnosis {
    /// Of the images of the positive (last) of two classes, the part that was found.
    pub sensitivity: Option<f64>,
    /// Of the images of the other one, the part that was not taken for it.
    pub specificity: Option<f64>,
    /// Area under the ROC curve of the positive class.
    pub auc: Option<f64>,
    /// The accuracy of the answer that names the most frequent class for every image.
    pub constant: Option<f64>,
}

/// What a run's predictions of the validation images count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Images.
    pub images: u64,
    /// Images whose class was predicted.
    pub correct: u64,
}

impl From<&ConfusionMatrix> for Tally {
    fn from(matrix: &ConfusionMatrix) -> Self {
        Self { images: matrix.total(), correct: matrix.correct() }
    }
}

impl Tally {
    /// The 95 % Wilson interval of the accuracy; `None` without images.
    #[must_use]
    pub fn interval(self) -> Option<Interval> {
        wilson(self.correct.min(self.images), self.images)
    }

    /// Part of the images whose class was predicted; `None` without images.
    #[must_use]
    pub fn accuracy(self) -> Option<f64> {
        (self.images > 0).then(|| self.correct as f64 / self.images as f64)
    }
}

/// A run before it is ranked: its row, and what a failed one failed of.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The row; its rank and reason are overwritten.
    pub row: Row,
    /// Kind and reason of the failure, for a failed run.
    pub failure: Option<(FailureKind, String)>,
    /// What to say of the rule's first metric, for a run that has never written it.
    pub absent: Option<String>,
}

impl Leaderboard {
    /// Ranks the runs of one experiment, and tests each against the best. The entries may come in any order.
    #[must_use]
    pub fn new(
        experiment: String,
        axes: Vec<String>,
        classes: Vec<String>,
        rule: RankRule,
        seeds: Vec<u64>,
        entries: Vec<Entry>,
    ) -> Self {
        let candidates: Vec<Candidate<'_>> = entries
            .iter()
            .map(|Entry { row, failure, absent }| Candidate {
                absent: absent.as_deref(),
                run: &row.run,
                state: row.state,
                failure: failure.as_ref().map(|(kind, reason)| (*kind, reason.as_str())),
                by: row.by,
                then: row.then,
            })
            .collect();
        let ranking = rank(&rule, &candidates);
        let mut rows: Vec<Row> = entries.into_iter().map(|entry| entry.row).collect();
        for row in &mut rows {
            (row.rank, row.reason) = (None, None);
        }
        for (rank, &place) in (1..).zip(&ranking.ranked) {
            rows[place].rank = Some(rank);
        }
        for (place, reason) in ranking.unranked {
            rows[place].reason = Some(reason);
        }
        rows.sort_by_key(|row| (row.rank.unwrap_or(u32::MAX), row.index));
        standing::settle(&mut rows, &rule);
        let (metrics, notes) = (Vec::new(), Vec::new());
        Self { experiment, axes, classes, rule, seeds, rows, omitted: Omitted::default(), metrics, notes }
    }

    /// A part of a leaderboard whose ranks are known already: the best rows, from rank 1 on without a gap, then some that
    /// do not rank. Tests each against the best.
    #[must_use]
    pub fn head(mut self, omitted: Omitted) -> Self {
        standing::settle(&mut self.rows, &self.rule);
        Self { omitted, ..self }
    }

    /// Whether every grid point is trained with several seeds, so that the mean over them ranks.
    #[must_use]
    pub fn several_seeds(&self) -> bool {
        self.seeds.len() > 1
    }
}

#[cfg(test)]
mod tests;
