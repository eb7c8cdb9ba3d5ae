//! Whether two seeds put the same networks first: Spearman's rank correlation.
//!
//! Spearman, 1904, "The proof and measurement of association between two things", American Journal of Psychology 15, 72-101:
//! Pearson's correlation of the ranks. Equal values share the mean of their ranks, as in `scipy.stats.spearmanr`.

/// Spearman's rank correlation of pairs, from -1 (the reverse order) through 0 (chance) to 1 (the same order). `None` for
/// fewer than three pairs, where all values of a side are equal, and where one is NaN.
#[must_use]
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    if pairs.len() < 3 || pairs.iter().any(|(a, b)| a.is_nan() || b.is_nan()) {
        return None;
    }
    let first = ranks(&pairs.iter().map(|(a, _)| *a).collect::<Vec<_>>());
    let second = ranks(&pairs.iter().map(|(_, b)| *b).collect::<Vec<_>>());
    // Ranks, ties included, have the same mean on both sides.
    let mean = (pairs.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let spread = (product(&first, &first) * product(&second, &second)).sqrt();
    (spread > 0.0).then(|| product(&first, &second) / spread)
}

/// The rank of each value, from 1; equal ones share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|place| ranks[*place] = rank);
        before += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn orders_and_their_limits() {
        assert_eq!(spearman(&[(1.0, 2.0), (2.0, 4.0), (3.0, 8.0)]), Some(1.0));
        assert_eq!(spearman(&[(1.0, 8.0), (2.0, 4.0), (3.0, 2.0)]), Some(-1.0));
        assert_eq!(spearman(&[(1.0, 8.0), (2.0, 4.0)]), None, "two pairs say nothing");
        assert_eq!(spearman(&[(1.0, 8.0), (1.0, 4.0), (1.0, 2.0)]), None, "no order");
        assert_eq!(spearman(&[(1.0, 8.0), (f64::NAN, 4.0), (3.0, 2.0)]), None);
        assert_eq!(ranks(&[0.5, 0.25, 0.5, 0.75]), [2.5, 1.0, 2.5, 4.0]);
    }

    proptest! {
        #[test]
        fn the_sides_are_alike_and_a_growing_function_changes_nothing(
            pairs in prop::collection::vec((0..12i32, 0..12i32), 3..40),
        ) {
            let pairs: Vec<(f64, f64)> = pairs.into_iter().map(|(a, b)| (f64::from(a), f64::from(b))).collect();
            let rho = spearman(&pairs);
            prop_assert!(rho.is_none_or(|rho| (-1.0 - 1e-12..=1.0 + 1e-12).contains(&rho)));
            let swapped: Vec<_> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
            prop_assert_eq!(spearman(&swapped), rho);
            let grown: Vec<_> = pairs.iter().map(|(a, b)| (a.exp(), *b)).collect();
            prop_assert_eq!(spearman(&grown), rho);
        }
    }
}
