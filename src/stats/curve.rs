//! ROC and precision-recall curves of scores, and the areas under them.
//!
//! Fawcett, T. (2006), "An introduction to ROC analysis", Pattern Recognition Letters 27, 861-874, Algorithm 1: images
//! with equal scores pass the threshold together, so ties become one sloped piece and not an order of chance. The area
//! under ROC is that of straight lines between the points, which counts ties half and so equals `metrics::roc_auc_binary`.
//! Straight lines are wrong between points of a PR curve (Davis and Goadrich, 2006, "The relationship between
//! precision-recall and ROC curves", ICML): its area is the average precision, sum of (R_i - R_{i-1}) P_i, as
//! scikit-learn's `average_precision_score` has it. Points and areas are those of scikit-learn's `roc_curve` (with
//! `drop_intermediate=False`), `precision_recall_curve` and `auc`.

use serde::Serialize;

/// A point of a ROC curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RocPoint {
    /// Images that score at least this are called positive; infinite at the first point, where none is.
    pub threshold: f64,
    /// Part of the negatives that is called positive, 1 - specificity.
    pub false_positive_rate: f64,
    /// Part of the positives that is called positive: recall, sensitivity.
    pub true_positive_rate: f64,
}

/// A ROC curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RocCurve {
    /// From (0, 0) to (1, 1), thresholds falling, one point for each distinct score.
    pub points: Vec<RocPoint>,
    /// The area under it, in 0..=1; one half is chance.
    pub area: f64,
}

/// A point of a precision-recall curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrPoint {
    /// Images that score at least this are called positive; infinite at the first point, where none is.
    pub threshold: f64,
    /// Part of the positives that is called positive.
    pub recall: f64,
    /// Part of those called positive that is; 1 at the first point, by convention.
    pub precision: f64,
}

/// A precision-recall curve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PrCurve {
    /// Recall rises from 0 to 1, thresholds fall, one point for each distinct score.
    pub points: Vec<PrPoint>,
    /// The area under its steps; the share of positives is chance.
    pub average_precision: f64,
}

/// How many images pass a threshold.
#[derive(Clone, Copy)]
struct Passed {
    threshold: f64,
    true_positives: u64,
    false_positives: u64,
}

impl RocCurve {
    /// The curve of `scores` (higher means positive); `None` where there is no positive or no negative image, or a
    /// score is NaN.
    ///
    /// # Panics
    /// If the two slices differ in length.
    #[must_use]
    pub fn from_scores(scores: &[f32], positive: &[bool]) -> Option<Self> {
        let passed = passed(scores, positive)?;
        let all = *passed.last()?;
        if all.true_positives == 0 || all.false_positives == 0 {
            return None;
        }
        let part = |part: u64, whole: u64| part as f64 / whole as f64;
        let mut points =
            vec![RocPoint { threshold: f64::INFINITY, false_positive_rate: 0.0, true_positive_rate: 0.0 }];
        points.extend(passed.iter().map(|at| RocPoint {
            threshold: at.threshold,
            false_positive_rate: part(at.false_positives, all.false_positives),
            true_positive_rate: part(at.true_positives, all.true_positives),
        }));
        // Twice the area in whole numbers: the trapezoids add up without rounding.
        let (mut doubled, mut before) = (0u128, (0, 0));
        for at in &passed {
            let width = u128::from(at.false_positives - before.0);
            doubled += width * u128::from(at.true_positives + before.1);
            before = (at.false_positives, at.true_positives);
        }
        let whole = u128::from(all.false_positives) * u128::from(all.true_positives);
        Some(Self { points, area: doubled as f64 / (2 * whole) as f64 })
    }
}

impl PrCurve {
    /// The curve of `scores` (higher means positive); `None` where there is no positive image, or a score is NaN.
    ///
    /// # Panics
    /// If the two slices differ in length.
    #[must_use]
    pub fn from_scores(scores: &[f32], positive: &[bool]) -> Option<Self> {
        let passed = passed(scores, positive)?;
        let positives = passed.last()?.true_positives;
        if positives == 0 {
            return None;
        }
        let mut points = vec![PrPoint { threshold: f64::INFINITY, recall: 0.0, precision: 1.0 }];
        let (mut average_precision, mut found) = (0.0, 0);
        for at in &passed {
            let precision = at.true_positives as f64 / (at.true_positives + at.false_positives) as f64;
            average_precision += (at.true_positives - found) as f64 / positives as f64 * precision;
            found = at.true_positives;
            let recall = found as f64 / positives as f64;
            points.push(PrPoint { threshold: at.threshold, recall, precision });
        }
        Some(Self { points, average_precision })
    }
}

/// Images that pass each distinct score as the threshold, from the highest; `None` where a score is NaN.
fn passed(scores: &[f32], positive: &[bool]) -> Option<Vec<Passed>> {
    assert_eq!(scores.len(), positive.len(), "one score for each image");
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Adding zero folds -0.0 into 0.0, which compare equal and must tie.
    order.sort_by(|&a, &b| (scores[b] + 0.0).total_cmp(&(scores[a] + 0.0)));
    let mut passed: Vec<Passed> = Vec::new();
    let (mut true_positives, mut false_positives) = (0, 0);
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let of_tie = tie.iter().filter(|&&image| positive[image]).count() as u64;
        true_positives += of_tie;
        false_positives += tie.len() as u64 - of_tie;
        passed.push(Passed { threshold: f64::from(scores[tie[0]]), true_positives, false_positives });
    }
    Some(passed)
}

/// The scores of one class against the rest, from probabilities `[n, classes]`, row-major, and whether each image is
/// of the class.
///
/// # Panics
/// If `probabilities` does not hold `classes` numbers for each of `truths`.
#[must_use]
pub fn one_vs_rest(
    probabilities: &[f32],
    truths: &[usize],
    classes: usize,
    class: usize,
) -> (Vec<f32>, Vec<bool>) {
    assert_eq!(probabilities.len(), truths.len() * classes, "one probability for each image and class");
    let scores = probabilities.iter().skip(class).step_by(classes).copied().collect();
    (scores, truths.iter().map(|&truth| truth == class).collect())
}

/// Average precision of class probabilities `[n, classes]`, row-major: of the positive (last) class for two classes, else
/// the unweighted mean of each class against the rest (scikit-learn's `average="macro"`), as `metrics::roc_auc` does.
/// `None` where a class has no image or a probability is NaN.
///
/// # Panics
/// If `probabilities` does not hold `classes` numbers for each of `truths`.
#[must_use]
pub fn macro_average_precision(probabilities: &[f32], truths: &[usize], classes: usize) -> Option<f64> {
    let against_rest = |class: usize| {
        let (scores, positive) = one_vs_rest(probabilities, truths, classes, class);
        PrCurve::from_scores(&scores, &positive).map(|curve| curve.average_precision)
    };
    if classes == 2 {
        return against_rest(1);
    }
    let each = (0..classes).map(against_rest).collect::<Option<Vec<f64>>>()?;
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

/// Counts at `thresholds` evenly spaced thresholds from 0 to 1, as TensorBoard's PR curves have them: true positives,
/// false positives, true negatives, false negatives of `score >= threshold`. A score outside 0..=1 counts as its nearer
/// end, NaN as no positive at any threshold above 0.
///
/// # Panics
/// If the two slices differ in length, or for fewer than two thresholds.
#[must_use]
pub fn pr_counts(scores: &[f32], positive: &[bool], thresholds: usize) -> Vec<[u64; 4]> {
    assert_eq!(scores.len(), positive.len(), "one score for each image");
    assert!(thresholds > 1, "a curve has two ends");
    // Images by the highest threshold that they pass.
    let mut buckets = vec![[0u64; 2]; thresholds];
    for (score, &is) in scores.iter().zip(positive) {
        let place = f64::from(score.clamp(0.0, 1.0)) * (thresholds - 1) as f64;
        // A cast of NaN is 0.
        buckets[place.floor() as usize][usize::from(is)] += 1;
    }
    let [negatives, positives] =
        buckets.iter().fold([0, 0], |sum, bucket| [sum[0] + bucket[0], sum[1] + bucket[1]]);
    let (mut above, mut counts) = ([0, 0], Vec::with_capacity(thresholds));
    for bucket in buckets.iter().rev() {
        above = [above[0] + bucket[0], above[1] + bucket[1]];
        counts.push([above[1], above[0], negatives - above[0], positives - above[1]]);
    }
    counts.reverse();
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::{roc_auc, roc_auc_binary};

    #[test]
    fn without_the_two_sides_there_is_no_curve() {
        assert_eq!(RocCurve::from_scores(&[], &[]), None);
        assert_eq!(RocCurve::from_scores(&[0.1, 0.9], &[true, true]), None);
        assert_eq!(RocCurve::from_scores(&[0.1, 0.9], &[false, false]), None);
        assert_eq!(RocCurve::from_scores(&[f32::NAN, 0.9], &[false, true]), None);
        assert_eq!(PrCurve::from_scores(&[0.1, 0.9], &[false, false]), None);
        assert_eq!(PrCurve::from_scores(&[f32::NAN, 0.9], &[false, true]), None);
        // Precision needs no negatives.
        assert_eq!(PrCurve::from_scores(&[0.1, 0.9], &[true, true]).unwrap().average_precision, 1.0);
        assert_eq!(macro_average_precision(&[0.2, 0.3, 0.5, 0.4, 0.3, 0.3], &[0, 1], 3), None);
    }

    #[test]
    fn signed_zeros_tie() {
        assert_eq!(RocCurve::from_scores(&[-0.0, 0.0], &[true, false]).unwrap().area, 0.5);
        assert_eq!(PrCurve::from_scores(&[-0.0, 0.0], &[true, false]).unwrap().points.len(), 2);
    }

    #[test]
    fn counts_at_thresholds_by_hand() {
        let counts = pr_counts(&[0.0, 0.5, 0.75, 1.0], &[false, true, false, true], 3);
        assert_eq!(counts, [[2, 2, 0, 0], [2, 1, 1, 0], [1, 0, 2, 1]]);
    }

    /// Scores from few values, so that ties are common.
    fn scored() -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
        prop::collection::vec((0u8..12, any::<bool>()), 0..60)
            .prop_map(|images| images.into_iter().map(|(score, is)| (f32::from(score) / 11.0, is)).unzip())
    }

    proptest! {
        #[test]
        fn the_area_under_roc_is_the_rank_statistic((scores, positive) in scored()) {
            let curve = RocCurve::from_scores(&scores, &positive);
            prop_assert_eq!(curve.as_ref().map(|curve| curve.area), roc_auc_binary(&scores, &positive));
            if let Some(RocCurve { points, .. }) = curve {
                for pair in points.windows(2) {
                    prop_assert!(pair[0].threshold > pair[1].threshold);
                    prop_assert!(pair[0].false_positive_rate <= pair[1].false_positive_rate);
                    prop_assert!(pair[0].true_positive_rate <= pair[1].true_positive_rate);
                }
                let ends = |point: RocPoint| (point.false_positive_rate, point.true_positive_rate);
                prop_assert_eq!((ends(points[0]), ends(points[points.len() - 1])), ((0.0, 0.0), (1.0, 1.0)));
            }
        }

        #[test]
        fn precision_and_recall_are_those_of_the_threshold((scores, positive) in scored()) {
            let Some(PrCurve { points, average_precision }) = PrCurve::from_scores(&scores, &positive) else { return Ok(()) };
            prop_assert!(average_precision > 0.0 && average_precision <= 1.0 + 1e-12);
            for point in points {
                let called: Vec<bool> = scores.iter().map(|score| f64::from(*score) >= point.threshold).collect();
                let hits = called.iter().zip(&positive).filter(|(called, is)| **called && **is).count();
                let called = called.iter().filter(|called| **called).count();
                let positives = positive.iter().filter(|is| **is).count();
                prop_assert_eq!(point.recall, hits as f64 / positives as f64);
                prop_assert!(called == 0 || point.precision == hits as f64 / called as f64);
            }
        }

        #[test]
        fn only_the_order_of_the_scores_matters((scores, positive) in scored()) {
            let stretched: Vec<f32> = scores.iter().map(|score| score.exp() * 3.0 - 7.0).collect();
            let ap = |scores: &[f32]| PrCurve::from_scores(scores, &positive).map(|curve| curve.average_precision);
            prop_assert_eq!(ap(&scores), ap(&stretched));
        }

        #[test]
        fn counts_are_those_of_each_threshold((scores, positive) in scored(), thresholds in 2usize..30) {
            for (place, counts) in pr_counts(&scores, &positive, thresholds).into_iter().enumerate() {
                let at = |score: f32| f64::from(score) * (thresholds - 1) as f64 >= place as f64;
                let mut expected = [0; 4];
                for (&score, &is) in scores.iter().zip(&positive) {
                    expected[match (at(score), is) { (true, true) => 0, (true, false) => 1, (false, false) => 2, (false, true) => 3 }] += 1;
                }
                prop_assert_eq!(counts, expected);
            }
        }

        #[test]
        fn several_classes_are_each_against_the_rest(
            images in prop::collection::vec((prop::collection::vec(0u8..6, 3), 0usize..3), 1..40),
        ) {
            let probabilities: Vec<f32> =
                images.iter().flat_map(|(scores, _)| scores.iter().map(|score| f32::from(*score) / 6.0)).collect();
            let truths: Vec<usize> = images.iter().map(|(_, truth)| *truth).collect();
            let areas: Option<Vec<f64>> = (0..3).map(|class| {
                let (scores, positive) = one_vs_rest(&probabilities, &truths, 3, class);
                RocCurve::from_scores(&scores, &positive).map(|curve| curve.area)
            }).collect();
            prop_assert_eq!(areas.map(|areas| areas.iter().sum::<f64>() / 3.0), roc_auc(&probabilities, &truths, 3));
        }
    }
}
