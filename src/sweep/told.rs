//! What a search is told of the runs of a sweep, and what a point has come to by it. Pure.

use crate::grid::Outcome;

/// What is known of a run, for the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told {
    /// It has completed with this value of the metric that ranks, or diverged: not a number.
    Value(f64),
    /// It was stopped at a step with this value.
    Stopped(u64, f64),
    /// It tells nothing of its point.
    Nothing,
}

/// What the runs of a point come to together.
pub(super) fn outcome_of(told: &[Told]) -> Outcome {
    let values: Vec<f64> = told
        .iter()
        .filter_map(|told| match told {
            Told::Value(value) | Told::Stopped(_, value) => Some(*value),
            Told::Nothing => None,
        })
        .collect();
    if values.is_empty() {
        return Outcome::Failed;
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of seeds")]
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let value = Some(mean).filter(|mean| mean.is_finite());
    let step = told.iter().filter_map(|told| match told {
        Told::Stopped(step, _) => Some(*step),
        _ => None,
    });
    match step.min() {
        Some(step) => Outcome::Stopped { step, value },
        None => Outcome::Completed { value },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_mean_of_its_seeds() {
        let of = |told: &[Told]| outcome_of(told);
        assert_eq!(of(&[Told::Value(0.5), Told::Value(1.0)]), Outcome::Completed { value: Some(0.75) });
        assert_eq!(of(&[Told::Value(0.5), Told::Nothing]), Outcome::Completed { value: Some(0.5) });
        assert_eq!(of(&[Told::Value(f64::NAN), Told::Value(0.5)]), Outcome::Completed { value: None });
        assert_eq!(of(&[Told::Nothing, Told::Nothing]), Outcome::Failed);
        let stopped = Outcome::Stopped { step: 2, value: Some(0.5) };
        assert_eq!(of(&[Told::Stopped(4, 0.5), Told::Stopped(2, 0.5), Told::Value(0.5)]), stopped);
    }
}
