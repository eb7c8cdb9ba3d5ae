//! Whether a run's predictions tell it from the best run: the exact McNemar test of each ranked run against rank 1.
//!
//! Called by [`super::Leaderboard`] once the ranks are known. Each p-value is that of one comparison: with many runs some
//! fall below .05 by chance, and rank 1 itself was chosen by these images, so a mark says "not told apart", never "worse
//! by so much". It is a test of accuracies: where another metric ranks, none is made.

use serde::Serialize;

use super::Row;
use crate::{
    spec::{RankRule, is_accuracy},
    stats::{McNemar, SIGNIFICANCE},
};

/// A run beside the best one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does not rank.
    #[default]
    Unranked,
    /// It is rank 1.
    Best,
    /// Tested against rank 1, which is the first of the table.
    Tested {
        /// Images by which of the two is right.
        table: McNemar,
        /// The exact p-value.
        p: f64,
    },
    /// It has no stored predictions.
    NoPredictions,
    /// Rank 1 has no stored predictions.
    BestUnknown,
    /// It was validated on other images than rank 1, or with other labels.
    OtherImages,
    /// The metric that ranks is not the accuracy of the answers, which is what the test is of.
    OtherMetric,
}

impl Standing {
    /// The p-value against rank 1, where there was a test.
    #[must_use]
    pub fn p(&self) -> Option<f64> {
        match self {
            Self::Tested { p, .. } => Some(*p),
            _ => None,
        }
    }

    /// Whether the test does not tell the run from rank 1; `None` where there was none.
    #[must_use]
    pub fn ties(&self) -> Option<bool> {
        self.p().map(|p| p >= SIGNIFICANCE)
    }

    /// In words, for machines' columns and the database; `None` for a run that does not rank.
    #[must_use]
    pub fn words(&self) -> Option<&'static str> {
        Some(match self {
            Self::Unranked => return None,
            Self::Best => "best",
            Self::Tested { p, .. } if *p >= SIGNIFICANCE => "not distinguishable",
            Self::Tested { .. } => "distinguishable",
            Self::NoPredictions => "no predictions",
            Self::BestUnknown => "rank 1 has no predictions",
            Self::OtherImages => "other images than rank 1",
            Self::OtherMetric => "the test is of another metric",
        })
    }
}

/// Sets the standing of every row, from its rank and its hits. The test is of right and wrong answers: where another metric
/// ranks, two runs with equal answers may be far apart in it, and there is no test.
pub(super) fn settle(rows: &mut [Row], rule: &RankRule) {
    let is_tested = is_accuracy(&rule.by.tag);
    let best = rows.iter().find(|row| row.rank == Some(1)).and_then(|row| row.hits.clone());
    for row in rows {
        row.standing = match (row.rank, &best, &row.hits) {
            (None, ..) => Standing::Unranked,
            (Some(1), ..) => Standing::Best,
            (Some(_), _, None) => Standing::NoPredictions,
            _ if !is_tested => Standing::OtherMetric,
            (Some(_), None, Some(_)) => Standing::BestUnknown,
            (Some(_), Some(best), Some(hits)) => match best.against(hits) {
                Some(table) => Standing::Tested { table, p: table.p() },
                None => Standing::OtherImages,
            },
        };
    }
}
