//! The leaderboard: runs ordered by the spec's rule. Pure: rows in, order out.

use serde::Serialize;

use crate::{
    run::RunState,
    spec::{RankRule, Value},
};

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
    /// The grid point, one value per axis of the leaderboard; `None` where a union's other grid has that axis.
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
    /// Why the run does not rank: its failure, its state, or its missing or NaN metric.
    pub reason: Option<String>,
}
