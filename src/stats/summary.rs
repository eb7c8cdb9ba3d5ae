//! What several seeds say together: mean and sample standard deviation.
//!
//! The standard deviation divides by n - 1 (Bessel's correction; numpy's `std(ddof=1)`): the seeds are a sample of all
//! that could have been drawn. One seed has none.

use serde::Serialize;

/// Mean and spread of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many values.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation; `None` for one value.
    pub deviation: Option<f64>,
}

impl Summary {
    /// The summary of finite values, in any order; `None` without values, or where one is NaN or infinite.
    #[must_use]
    pub fn from_values(values: &[f64]) -> Option<Self> {
        if values.is_empty() || !values.iter().all(|value| value.is_finite()) {
            return None;
        }
        // Sorted, so that the order of the seeds does not reach the last digit.
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let n = values.len() as f64;
        let mean = values.iter().map(|value| value / n).sum::<f64>();
        // Rounding can leave the mean of equal values beside them.
        let mean = mean.clamp(values[0], values[values.len() - 1]);
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (n - 1.0)).sqrt());
        Some(Self { count: values.len(), mean, deviation })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_value_has_no_spread_and_none_no_mean() {
        assert_eq!(Summary::from_values(&[0.5]), Some(Summary { count: 1, mean: 0.5, deviation: None }));
        assert_eq!(Summary::from_values(&[]), None);
        assert_eq!(Summary::from_values(&[0.5, f64::NAN]), None);
        assert_eq!(Summary::from_values(&[0.5, f64::INFINITY]), None);
    }

    proptest! {
        #[test]
        fn the_order_does_not_matter(mut values in prop::collection::vec(-1e3..1e3f64, 1..20)) {
            let summary = Summary::from_values(&values).unwrap();
            values.reverse();
            prop_assert_eq!(Summary::from_values(&values), Some(summary));
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            prop_assert!(low <= summary.mean && summary.mean <= high);
        }

        #[test]
        fn shifting_keeps_the_spread_and_scaling_scales_it(values in prop::collection::vec(0.0..1.0f64, 2..20)) {
            let base = Summary::from_values(&values).unwrap();
            let moved = Summary::from_values(&values.iter().map(|v| 3.0 * v + 1.0).collect::<Vec<_>>()).unwrap();
            prop_assert!((moved.mean - (3.0 * base.mean + 1.0)).abs() < 1e-12);
            prop_assert!((moved.deviation.unwrap() - 3.0 * base.deviation.unwrap()).abs() < 1e-12);
        }

        #[test]
        fn equal_values_do_not_spread(value in -1e3..1e3f64, count in 2usize..20) {
            let summary = Summary::from_values(&vec![value; count]).unwrap();
            prop_assert_eq!((summary.mean, summary.deviation), (value, Some(0.0)));
        }
    }
}
