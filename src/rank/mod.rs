//! The leaderboard: runs ordered by the spec's rule. Pure: rows in, order out.
//!
//! The store collects the rows and calls [`Leaderboard::new`]; the same [`rank`] gives the ranks that it keeps for the
//! SQL views, so that there is one ranking. Tables and figures are left to `report`.

mod order;

use serde::Serialize;

use crate::{
    run::{FailureKind, RunState},
    spec::{RankRule, Value},
};

pub use order::{Candidate, Ranking, rank, unfinished};

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
    /// Ranked rows first, by rank; then the others, by their place in the grid.
    pub rows: Vec<Row>,
    /// What is not in `rows`.
    pub omitted: Omitted,
}

/// What a leaderboard that holds only its head leaves out; nothing, in a whole one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// Ranked runs.
    pub ranked: usize,
    /// Runs that do not rank.
    pub unranked: usize,
    /// Whether the experiment has several seeds, which the rows that are there need not show.
    pub several_seeds: bool,
}

/// One run on the leaderboard. Metrics are the values at the last epoch (the highest step of their tag), as the f32 of
/// the event file widened to f64; `None` where the run has none.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// From 1; `None` for a run that does not rank.
    pub rank: Option<u32>,
    /// The run's name.
    pub run: String,
    /// Place in the grid.
    pub index: u64,
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
    /// Why the run does not rank: what it failed of, that it has not ended, or its missing, NaN or infinite metric.
    pub reason: Option<String>,
}

/// A run before it is ranked: its row, and what a failed one failed of.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The row; its rank and reason are overwritten.
    pub row: Row,
    /// Kind and reason of the failure, for a failed run.
    pub failure: Option<(FailureKind, String)>,
}

impl Leaderboard {
    /// Ranks the runs of one experiment. The entries may come in any order.
    #[must_use]
    pub fn new(
        experiment: String,
        axes: Vec<String>,
        classes: Vec<String>,
        rule: RankRule,
        entries: Vec<Entry>,
    ) -> Self {
        let candidates: Vec<Candidate<'_>> = entries
            .iter()
            .map(|Entry { row, failure }| Candidate {
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
        Self { experiment, axes, classes, rule, rows, omitted: Omitted::default() }
    }
}
