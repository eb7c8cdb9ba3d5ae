//! The exact McNemar test: whether two runs that answered the same images differ in how often they are right.
//!
//! McNemar, Q. (1947), "Note on the sampling error of the difference between correlated proportions or percentages",
//! Psychometrika 12, 153-157; the exact form is the two-sided binomial test of one half on the discordant pairs, as
//! statsmodels' `mcnemar(exact=True)` and scipy's `binomtest(b, b + c)` compute it. Only images on which exactly one of
//! the two is right say anything about the difference; where both are right or both are wrong, neither is better.

use serde::Serialize;

/// Below this p-value two runs are told apart; at or above it they tie.
pub const SIGNIFICANCE: f64 = 0.05;

/// Two runs on the same images, counted by which of them is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct McNemar {
    /// Images on which both are right.
    pub both: u64,
    /// Images on which the first alone is right.
    pub only_first: u64,
    /// Images on which the second alone is right.
    pub only_second: u64,
    /// Images on which both are wrong.
    pub neither: u64,
}

impl McNemar {
    /// Counts pairs of (the first is right, the second is right), one for each image.
    #[must_use]
    pub fn count(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut table = Self::default();
        for pair in pairs {
            match pair {
                (true, true) => table.both += 1,
                (true, false) => table.only_first += 1,
                (false, true) => table.only_second += 1,
                (false, false) => table.neither += 1,
            }
        }
        table
    }

    /// The exact two-sided p-value of "both are right equally often".
    #[must_use]
    pub fn p(&self) -> f64 {
        exact_p(self.only_first, self.only_second)
    }

    /// All images.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.both + self.only_first + self.only_second + self.neither
    }

    /// Accuracy of the first less that of the second; `None` without images.
    #[must_use]
    pub fn difference(&self) -> Option<f64> {
        let images = self.images();
        (images > 0).then(|| (self.only_first as f64 - self.only_second as f64) / images as f64)
    }
}

/// min(1, 2 P(X <= min(b, c))) for X binomial of b + c trials and one half; 1 without discordant pairs.
///
/// The time grows with b + c. A p-value below 1e-308 is 0.
#[must_use]
pub fn exact_p(only_first: u64, only_second: u64) -> f64 {
    let (fewer, pairs) = (only_first.min(only_second), only_first + only_second);
    if only_first == only_second {
        // The tail is over one half.
        return 1.0;
    }
    // The largest term, C(n, k) / 2^n, as a product whose halvings are taken as soon as it exceeds one: it neither
    // overflows nor loses digits to logarithms.
    let (mut term, mut halvings) = (1.0f64, pairs);
    for factor in 1..=fewer {
        term *= (pairs - fewer + factor) as f64 / factor as f64;
        while term > 1.0 && halvings > 0 {
            term /= 2.0;
            halvings -= 1;
        }
    }
    // The tail below it, each term from the one before: C(n, i - 1) = C(n, i) i / (n - i + 1).
    let (mut tail, mut ratio) = (1.0, 1.0);
    for i in (1..=fewer).rev() {
        ratio *= i as f64 / (pairs - i + 1) as f64;
        tail += ratio;
        if ratio < tail * f64::EPSILON / 4.0 {
            break;
        }
    }
    let halved = i32::try_from(halvings).map_or(0.0, |halvings| 0.5f64.powi(halvings));
    (2.0 * term * tail * halved).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_tables_by_hand() {
        // 2 (1 + 5) / 2^5, and 2 / 2^6.
        assert_eq!(exact_p(1, 4), 0.375);
        assert_eq!(exact_p(6, 0), 0.03125);
        assert_eq!(exact_p(0, 0), 1.0);
        assert_eq!(exact_p(7, 7), 1.0);
    }

    #[test]
    fn counts_and_difference() {
        let pairs = [(true, true), (true, false), (true, false), (false, true), (false, false)];
        let table = McNemar::count(pairs);
        assert_eq!(table, McNemar { both: 1, only_first: 2, only_second: 1, neither: 1 });
        assert_eq!((table.images(), table.difference(), table.p()), (5, Some(0.2), 1.0));
        assert_eq!(McNemar::default().difference(), None);
    }

    #[test]
    fn vanishing_and_huge_tables_end_in_numbers() {
        assert_eq!(exact_p(0, 2_000), 0.0);
        let huge = exact_p(500_000, 502_000);
        assert!((0.04..0.05).contains(&huge), "{huge}");
    }

    /// The definition, with whole numbers: exact up to 60 pairs.
    fn by_counting(b: u64, c: u64) -> f64 {
        let n = b + c;
        let choose = |k: u64| (0..k).fold(1u128, |value, i| value * u128::from(n - i) / u128::from(i + 1));
        let tail: u128 = (0..=b.min(c)).map(choose).sum();
        ((2 * tail) as f64 / 2f64.powi(i32::try_from(n).unwrap())).min(1.0)
    }

    proptest! {
        #[test]
        fn it_is_the_sum_of_binomial_terms(b in 0u64..30, c in 0u64..30) {
            let (p, counted) = (exact_p(b, c), by_counting(b, c));
            prop_assert!((p - counted).abs() <= 1e-14 * counted, "{} {}", p, counted);
        }

        #[test]
        fn the_order_of_the_two_does_not_matter(b in 0u64..3_000, c in 0u64..3_000) {
            prop_assert_eq!(exact_p(b, c), exact_p(c, b));
            prop_assert!((0.0..=1.0).contains(&exact_p(b, c)));
        }

        #[test]
        fn a_larger_gap_on_as_many_pairs_is_surer(b in 1u64..2_000, c in 1u64..2_000) {
            let (fewer, more) = (b.min(c), b.max(c));
            prop_assert!(exact_p(fewer - 1, more + 1) <= exact_p(fewer, more));
        }
    }
}
