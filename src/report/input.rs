//! What a report is made of: values that `publish` collects.
//!
//! Read by `page`, which decides what is said of them, and by `files`, which writes it.

use super::{about::About, curves::ScoredRun, test_set::TestResult, trace::Lane};
use crate::{
    figure::Figure,
    metrics::ConfusionMatrix,
    rank::{Leaderboard, Row},
    spec::Value,
};

/// What a report is made of.
#[derive(Clone, Debug)]
pub(crate) struct ReportInput {
    /// All runs.
    pub leaderboard: Leaderboard,
    /// Run name and validation counts, of every run that has them, ranked or not.
    pub confusion: Vec<(String, ConfusionMatrix)>,
    /// The curves, of every run that has them.
    pub curves: Vec<RunCurves>,
    /// Spec, images, and facts of the runs.
    pub about: About,
    /// The predictions of the best runs that have any, best first.
    pub predictions: Vec<ScoredRun>,
    /// The best runs on the held-out test images, by rank; empty without a test set.
    pub test: Vec<TestResult>,
    /// Fig. 11 of the paper: validation images with the best run's answers, where predictions and corpus are there.
    pub xrays: Option<Figure>,
    /// What the slots did, by their names; empty where that is not known.
    pub slots: Vec<Lane>,
}

/// The curves of a run: (epoch from 0, value), by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RunCurves {
    /// The run's name.
    pub run: String,
    /// `train/epoch_accuracy`.
    pub train_accuracy: Vec<(i64, f64)>,
    /// `train/epoch_loss`.
    pub train_loss: Vec<(i64, f64)>,
    /// `validation/epoch_accuracy`.
    pub validation_accuracy: Vec<(i64, f64)>,
    /// `validation/epoch_loss`.
    pub validation_loss: Vec<(i64, f64)>,
    /// Further metrics by tag: the one that ranks, where it is none of these, then others that the runs have.
    pub others: Vec<(String, Vec<(i64, f64)>)>,
}

impl ReportInput {
    /// A whole number among a run's parameters, whether it was swept or fixed.
    #[must_use]
    pub(crate) fn whole_parameter(&self, row: &Row, name: &str) -> Option<i64> {
        let axis = self.leaderboard.axes.iter().position(|axis| axis == name);
        match axis.and_then(|axis| row.axes.get(axis)?.as_ref()) {
            Some(Value::Int(value)) => Some(*value),
            Some(_) => None,
            None => match self.about.spec.fixed.get(name) {
                Some(Value::Int(value)) => Some(*value),
                _ => None,
            },
        }
    }
}

#[cfg(test)]
pub(super) mod samples;
