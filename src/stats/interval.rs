//! The Wilson score interval: where the accuracy that a run would have on more images of the same kind may lie.
//!
//! Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference", Journal of the American
//! Statistical Association 22, 209-212. Unlike p ± z sqrt(p(1-p)/n) it never leaves 0..=1 and holds its level for
//! accuracies near 1 and for few images (Agresti and Coull, 1998, The American Statistician 52, 119-126). It is
//! statsmodels' `proportion_confint(method="wilson")`.

use serde::Serialize;

/// The level of every interval that the program shows.
pub const CONFIDENCE: f64 = 0.95;

/// The standard normal quantile of .975, which belongs to [`CONFIDENCE`].
const Z: f64 = 1.959_963_984_540_054;

/// A confidence interval of a proportion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end, in 0..=1.
    pub low: f64,
    /// Upper end, in 0..=1.
    pub high: f64,
}

/// The 95 % Wilson interval of `hits` among `trials`; `None` without trials.
///
/// # Panics
/// If there are more hits than trials.
#[must_use]
pub fn wilson(hits: u64, trials: u64) -> Option<Interval> {
    interval(hits, trials, Z)
}

/// Centre (p + z²/2n) / (1 + z²/n), half width z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n).
pub(super) fn interval(hits: u64, trials: u64, z: f64) -> Option<Interval> {
    assert!(hits <= trials, "more hits than trials");
    if trials == 0 {
        return None;
    }
    let (n, p) = (trials as f64, hits as f64 / trials as f64);
    let shrink = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / shrink;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / shrink;
    // At the two ends centre and half width are equal but for rounding, and the end is exact.
    let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits == trials { 1.0 } else { (centre + half).min(1.0) };
    Some(Interval { low, high })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn without_trials_there_is_no_interval() {
        assert_eq!(wilson(0, 0), None);
    }

    fn counted() -> impl Strategy<Value = (u64, u64)> {
        (1u64..100_000).prop_flat_map(|trials| (0..=trials, Just(trials)))
    }

    proptest! {
        #[test]
        fn it_holds_the_proportion_and_stays_a_proportion((hits, trials) in counted()) {
            let Interval { low, high } = wilson(hits, trials).unwrap();
            let p = hits as f64 / trials as f64;
            prop_assert!(0.0 <= low && low <= p && p <= high && high <= 1.0);
            prop_assert!(low < high);
        }

        #[test]
        fn it_ends_where_the_score_test_just_rejects((hits, trials) in counted()) {
            // The definition: the ends solve |p - end| = z sqrt(end (1 - end) / n).
            let interval = wilson(hits, trials).unwrap();
            let (n, p) = (trials as f64, hits as f64 / trials as f64);
            for (end, exact) in [(interval.low, hits == 0), (interval.high, hits == trials)] {
                let rejects = Z * (end * (1.0 - end) / n).sqrt();
                prop_assert!(exact || ((p - end).abs() - rejects).abs() < 1e-10);
            }
        }

        #[test]
        fn misses_mirror_hits((hits, trials) in counted()) {
            let (of_hits, of_misses) = (wilson(hits, trials).unwrap(), wilson(trials - hits, trials).unwrap());
            prop_assert!((of_hits.low - (1.0 - of_misses.high)).abs() < 1e-12);
            prop_assert!((of_hits.high - (1.0 - of_misses.low)).abs() < 1e-12);
        }
    }
}
