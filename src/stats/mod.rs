//! Statistics of results: how sure an accuracy is, whether two runs differ, what several seeds say together, and how
//! scores separate a class from the rest. Pure: numbers in, numbers out.
//!
//! Used by `rank` (intervals, ties, means over seeds and how far these agree), by `predictions` (two runs on the same
//! images) and by the report (ROC and PR curves). Point estimates at one threshold are `metrics`'. Each formula names its source; the tests
//! compare with scipy, statsmodels and scikit-learn through `tests/fixtures/statistics.json`, which
//! `scripts/statistics_fixture.py` writes.

mod curve;
mod interval;
mod mcnemar;
mod rank_correlation;
mod summary;

pub use curve::{PrCurve, PrPoint, RocCurve, RocPoint, macro_average_precision, one_vs_rest, pr_counts};
pub use interval::{CONFIDENCE, Interval, wilson};
pub use mcnemar::{McNemar, SIGNIFICANCE, exact_p};
pub use rank_correlation::spearman;
pub use summary::Summary;

#[cfg(test)]
mod tests;
