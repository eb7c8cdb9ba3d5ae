//! Classification metrics from counts and scores: pure, checked against scikit-learn.
//!
//! Used by the trainer every epoch and by the report from stored predictions.
//!
//! A ratio whose denominator is 0 (the precision of a class that was never predicted, the recall of a class without
//! images) is 0, which is scikit-learn's default (`zero_division`). ROC AUC has no such convention: it is `None` where
//! a class is absent.

use serde::{Deserialize, Serialize};

/// Counts of (true class, predicted class) pairs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    /// Number of classes, K.
    classes: usize,
    /// `[K, K]` row-major: row = true class, column = predicted class.
    counts: Vec<u64>,
}

/// Metrics of one class against the rest, or their unweighted mean over classes. All in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Of the images taken for the class, the part that is of it.
    pub precision: f64,
    /// Of the images of the class, the part that was found; also called sensitivity.
    pub recall: f64,
    /// Of the images of other classes, the part that was not taken for this one.
    pub specificity: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
}

impl ConfusionMatrix {
    /// An empty matrix of `classes` classes.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// The matrix of these counts, `[K, K]` row-major; `None` where their number is no square.
    #[must_use]
    pub fn from_counts(counts: Vec<u64>) -> Option<Self> {
        let classes = counts.len().isqrt();
        (classes * classes == counts.len()).then_some(Self { classes, counts })
    }

    /// Counts one image.
    ///
    /// # Panics
    /// If either class is not below [`ConfusionMatrix::classes`].
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(truth < self.classes && predicted < self.classes, "class outside the confusion matrix");
        self.counts[truth * self.classes + predicted] += 1;
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images of class `truth` that were taken for `predicted`.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// Images of class `truth`.
    #[must_use]
    pub fn support(&self, truth: usize) -> u64 {
        self.counts[truth * self.classes..(truth + 1) * self.classes].iter().sum()
    }

    /// All images.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Images whose class was predicted.
    #[must_use]
    pub fn correct(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// Part of the images whose class was predicted; 0 for an empty matrix.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        ratio(self.correct(), self.total())
    }

    /// Metrics of `class` against all the others.
    #[must_use]
    pub fn class_metrics(&self, class: usize) -> ClassMetrics {
        let hits = self.count(class, class);
        let support = self.support(class);
        let predicted: u64 = (0..self.classes).map(|truth| self.count(truth, class)).sum();
        let others = self.total() - support;
        ClassMetrics {
            precision: ratio(hits, predicted),
            recall: ratio(hits, support),
            specificity: ratio(others - (predicted - hits), others),
            f1: ratio(2 * hits, predicted + support),
        }
    }

    /// The unweighted mean of every class' metrics, scikit-learn's `average="macro"` over all K labels.
    #[must_use]
    pub fn macro_metrics(&self) -> ClassMetrics {
        let each: Vec<_> = (0..self.classes).map(|class| self.class_metrics(class)).collect();
        let mean =
            |part: fn(&ClassMetrics) -> f64| each.iter().map(part).sum::<f64>() / each.len().max(1) as f64;
        ClassMetrics {
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            specificity: mean(|class| class.specificity),
            f1: mean(|class| class.f1),
        }
    }

    /// The precision of [`ConfusionMatrix::headline`], where it is one: `None` where a class that it is of was never
    /// predicted, so that there is nothing to divide by.
    #[must_use]
    pub fn headline_precision(&self) -> Option<f64> {
        let is_predicted = |class: usize| (0..self.classes).any(|truth| self.count(truth, class) > 0);
        let first = if self.classes == 2 { 1 } else { 0 };
        (first..self.classes).all(is_predicted).then(|| self.headline().precision)
    }

    /// What a run reports: the metrics of the positive (last) class for two classes, the macro mean for more.
    #[must_use]
    pub fn headline(&self) -> ClassMetrics {
        if self.classes == 2 { self.class_metrics(1) } else { self.macro_metrics() }
    }
}

/// `part / whole`, 0 where the whole is 0. Counts stay far below 2^53.
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Area under the ROC curve of `scores` (higher means positive): the chance that a positive image scores above a
/// negative one, ties counting half (the Mann-Whitney statistic). `None` where either side is empty or a score is NaN.
///
/// # Panics
/// If the two slices differ in length.
#[must_use]
pub fn roc_auc_binary(scores: &[f32], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one score for each image");
    if scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    // Adding zero folds -0.0 into 0.0, which compare equal and must tie.
    order.sort_by(|&a, &b| (scores[a] + 0.0).total_cmp(&(scores[b] + 0.0)));

    // Images with equal scores share the mean of their ranks. Doubled, the mean is whole and the sum exact.
    let mut doubled_ranks: u128 = 0;
    let mut first = 0;
    for tie in order.chunk_by(|&a, &b| scores[a] == scores[b]) {
        let last = first + tie.len() - 1;
        let positives = tie.iter().filter(|&&image| positive[image]).count();
        doubled_ranks += positives as u128 * (first + last + 2) as u128;
        first = last + 1;
    }
    let positives = positive.iter().filter(|&&is| is).count() as u128;
    let negatives = positive.len() as u128 - positives;
    let pairs = positives * negatives;
    (pairs > 0).then(|| (doubled_ranks - positives * (positives + 1)) as f64 / (2 * pairs) as f64)
}

/// ROC AUC of class probabilities `[n, classes]`, row-major: of the positive (last) class for two classes, else the
/// unweighted mean of each class against the rest (scikit-learn's `multi_class="ovr", average="macro"`). `None` where a
/// class has no image or a probability is NaN.
///
/// # Panics
/// If `probabilities` does not hold `classes` numbers for each of `truths`.
#[must_use]
pub fn roc_auc(probabilities: &[f32], truths: &[usize], classes: usize) -> Option<f64> {
    assert_eq!(probabilities.len(), truths.len() * classes, "one probability for each image and class");
    let against_rest = |class: usize| {
        let scores: Vec<f32> = probabilities.iter().skip(class).step_by(classes).copied().collect();
        let positive: Vec<bool> = truths.iter().map(|&truth| truth == class).collect();
        roc_auc_binary(&scores, &positive)
    };
    if classes == 2 {
        return against_rest(1);
    }
    let each = (0..classes).map(against_rest).collect::<Option<Vec<f64>>>()?;
    (!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // The expected numbers are scikit-learn's; `scripts/sklearn_metrics.py` prints them.

    fn close(ours: f64, theirs: f64) {
        assert!((ours - theirs).abs() < 1e-12, "{ours} is not {theirs}");
    }

    fn matrix(truths: &[usize], predicted: &[usize], classes: usize) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(classes);
        for (&truth, &predicted) in truths.iter().zip(predicted) {
            matrix.add(truth, predicted);
        }
        matrix
    }

    fn check(metrics: ClassMetrics, [precision, recall, specificity, f1]: [f64; 4]) {
        close(metrics.precision, precision);
        close(metrics.recall, recall);
        close(metrics.specificity, specificity);
        close(metrics.f1, f1);
    }

    #[test]
    fn two_classes_agree_with_scikit_learn() {
        let positive = [0.1f32, 0.4, 0.35, 0.8, 0.65, 0.5, 0.5, 0.9, 0.2, 0.7, 0.35, 0.05];
        let probabilities: Vec<f32> = positive.iter().flat_map(|p| [1.0 - p, *p]).collect();
        let truths = [0, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0];
        let matrix = matrix(&truths, &positive.map(|p| usize::from(p > 0.5)), 2);
        close(matrix.accuracy(), 0.666_666_666_666_666_6);
        check(matrix.class_metrics(0), [0.625, 0.833_333_333_333_333_4, 0.5, 0.714_285_714_285_714_3]);
        check(matrix.class_metrics(1), [0.75, 0.5, 0.833_333_333_333_333_4, 0.6]);
        check(
            matrix.macro_metrics(),
            [0.6875, 0.666_666_666_666_666_7, 0.666_666_666_666_666_7, 0.657_142_857_142_857_1],
        );
        assert_eq!(matrix.headline(), matrix.class_metrics(1));
        close(roc_auc(&probabilities, &truths, 2).unwrap(), 0.791_666_666_666_666_6);
    }

    #[test]
    fn three_classes_agree_with_scikit_learn() {
        #[rustfmt::skip]
        let probabilities = [
            0.5, 0.25, 0.25,   0.25, 0.5, 0.25,   0.125, 0.125, 0.75,   0.5, 0.375, 0.125,   0.25, 0.25, 0.5,
            0.375, 0.5, 0.125,   0.125, 0.625, 0.25,   0.75, 0.125, 0.125,   0.25, 0.125, 0.625,   0.5, 0.25, 0.25,
        ];
        let truths = [0, 1, 2, 1, 2, 0, 1, 0, 1, 2];
        let matrix = matrix(&truths, &[0, 1, 2, 0, 2, 1, 1, 0, 2, 0], 3);
        close(matrix.accuracy(), 0.6);
        let third = 0.666_666_666_666_666_6;
        check(matrix.class_metrics(0), [0.5, third, 0.714_285_714_285_714_3, 0.571_428_571_428_571_4]);
        check(matrix.class_metrics(1), [third, 0.5, 0.833_333_333_333_333_4, 0.571_428_571_428_571_4]);
        check(matrix.class_metrics(2), [third, third, 0.857_142_857_142_857_1, third]);
        check(
            matrix.macro_metrics(),
            [0.611_111_111_111_111, 0.611_111_111_111_111, 0.801_587_301_587_301_5, 0.603_174_603_174_603_1],
        );
        assert_eq!(matrix.headline(), matrix.macro_metrics());
        close(roc_auc(&probabilities, &truths, 3).unwrap(), 0.806_547_619_047_619);
    }

    #[test]
    fn undefined_ratios_are_zero_as_in_scikit_learn() {
        let matrix = matrix(&[0, 1, 0], &[0, 0, 0], 2);
        check(matrix.class_metrics(0), [0.666_666_666_666_666_6, 1.0, 0.0, 0.8]);
        check(matrix.class_metrics(1), [0.0, 0.0, 1.0, 0.0]);
        close(roc_auc(&[0.9, 0.1, 0.8, 0.2, 0.7, 0.3], &[0, 1, 0], 2).unwrap(), 0.5);
        check(ConfusionMatrix::new(2).class_metrics(1), [0.0; 4]);
        close(ConfusionMatrix::new(2).accuracy(), 0.0);
    }

    #[test]
    fn auc_is_undefined_where_a_class_is_absent_or_a_score_is_nan() {
        assert_eq!(roc_auc_binary(&[], &[]), None);
        assert_eq!(roc_auc_binary(&[0.1, 0.9], &[true, true]), None);
        assert_eq!(roc_auc_binary(&[0.1, 0.9], &[false, false]), None);
        assert_eq!(roc_auc_binary(&[f32::NAN, 0.9], &[false, true]), None);
        assert_eq!(roc_auc(&[0.2, 0.3, 0.5, 0.4, 0.3, 0.3], &[0, 1], 3), None);
    }

    #[test]
    fn equal_scores_count_half_whatever_the_sign_of_zero() {
        assert_eq!(roc_auc_binary(&[0.5, 0.5, 0.5], &[true, false, true]), Some(0.5));
        assert_eq!(roc_auc_binary(&[-0.0, 0.0], &[true, false]), Some(0.5));
    }

    #[test]
    #[should_panic(expected = "class outside the confusion matrix")]
    fn a_class_outside_the_matrix_is_not_counted_as_another() {
        ConfusionMatrix::new(2).add(0, 2);
    }

    /// The definition: over all pairs of a positive and a negative image.
    fn auc_by_pairs(scores: &[f32], positive: &[bool]) -> Option<f64> {
        let of = |side: bool| {
            scores.iter().zip(positive).filter(move |(_, is)| **is == side).map(|(score, _)| *score)
        };
        let (mut wins, mut pairs) = (0.0, 0.0);
        for up in of(true) {
            for down in of(false) {
                pairs += 1.0;
                wins += if up > down {
                    1.0
                } else if up == down {
                    0.5
                } else {
                    0.0
                };
            }
        }
        (pairs > 0.0).then(|| wins / pairs)
    }

    /// Scores from few values, so that ties are common.
    fn scored() -> impl Strategy<Value = (Vec<f32>, Vec<bool>)> {
        prop::collection::vec((0u8..12, any::<bool>()), 0..60)
            .prop_map(|images| images.into_iter().map(|(score, is)| (f32::from(score) / 11.0, is)).unzip())
    }

    proptest! {
        #[test]
        fn auc_is_the_chance_of_the_right_order((scores, positive) in scored()) {
            let auc = roc_auc_binary(&scores, &positive);
            prop_assert_eq!(auc.is_some(), auc_by_pairs(&scores, &positive).is_some());
            if let (Some(auc), Some(pairs)) = (auc, auc_by_pairs(&scores, &positive)) {
                prop_assert!((0.0..=1.0).contains(&auc));
                prop_assert!((auc - pairs).abs() < 1e-12);
            }
        }

        #[test]
        fn auc_only_knows_the_order((scores, positive) in scored()) {
            let stretched: Vec<f32> = scores.iter().map(|score| score.exp() * 3.0 - 7.0).collect();
            prop_assert_eq!(roc_auc_binary(&scores, &positive), roc_auc_binary(&stretched, &positive));
        }

        #[test]
        fn auc_of_the_other_side_is_the_rest((scores, positive) in scored()) {
            let negated: Vec<f32> = scores.iter().map(|score| -score).collect();
            if let (Some(auc), Some(other)) =
                (roc_auc_binary(&scores, &positive), roc_auc_binary(&negated, &positive))
            {
                prop_assert!((auc + other - 1.0).abs() < 1e-12);
            }
        }

        #[test]
        fn metrics_do_not_depend_on_how_classes_are_numbered(
            pairs in prop::collection::vec((0usize..4, 0usize..4), 1..80),
        ) {
            let (truths, predicted): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let turned = |classes: &[usize]| classes.iter().map(|class| (class + 1) % 4).collect::<Vec<_>>();
            let ours = matrix(&truths, &predicted, 4);
            let other = matrix(&turned(&truths), &turned(&predicted), 4);
            prop_assert_eq!(ours.accuracy(), other.accuracy());
            for class in 0..4 {
                let metrics = ours.class_metrics(class);
                prop_assert_eq!(metrics, other.class_metrics((class + 1) % 4));
                for part in [metrics.precision, metrics.recall, metrics.specificity, metrics.f1] {
                    prop_assert!((0.0..=1.0).contains(&part));
                }
            }
        }
    }
}
