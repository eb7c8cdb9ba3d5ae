//! How the best runs do on the held-out test images: values and their table.
//!
//! Pure. The order of the table is the leaderboard's, which the validation images made: what is seen here ranks nothing.

use super::{
    leaderboard::shown_interval,
    table::{Cell, Column, Table},
};
use crate::{
    base::human::grouped,
    metrics::{ConfusionMatrix, roc_auc},
    predictions::{self, Prediction},
    stats::{Interval, wilson},
};

/// What the numbers are, and what they are not.
pub(crate) const TEST_SENTENCE: &str = "The validation images chose these runs and their order; the test images did not: no run has \
                                 seen them, and each was evaluated on them once.";

/// A run on the test images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TestResult {
    /// Rank by the validation images.
    pub rank: u32,
    /// The run's name.
    pub run: String,
    /// Test images.
    pub n: u64,
    /// Part of them that is right, 0..=1.
    pub accuracy: f64,
    /// 95 % Wilson interval of the accuracy.
    pub interval: Option<Interval>,
    /// The accuracy on the validation images, for comparison.
    pub validation_accuracy: Option<f64>,
    /// Of the positive class for two classes, else the mean over the classes; so are recall and F1.
    /// Unknown where such a class was never predicted.
    pub precision: Option<f64>,
    /// Also called sensitivity.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Area under the ROC curve; absent where a class has no test image.
    pub auc: Option<f64>,
    /// Counts of true and predicted classes.
    pub confusion: ConfusionMatrix,
}

impl TestResult {
    /// The result of a run's predictions over `classes` classes.
    #[must_use]
    pub(crate) fn new(
        rank: u32,
        run: &str,
        validation_accuracy: Option<f64>,
        rows: &[Prediction],
        classes: usize,
    ) -> Self {
        let confusion = predictions::confusion(rows, classes);
        let headline = confusion.headline();
        let truths: Vec<usize> = rows.iter().map(|row| row.label).collect();
        let probabilities: Vec<f32> = rows.iter().flat_map(|row| row.probabilities.iter().copied()).collect();
        Self {
            rank,
            run: run.to_owned(),
            n: confusion.total(),
            accuracy: confusion.accuracy(),
            interval: wilson(confusion.correct(), confusion.total()),
            validation_accuracy,
            precision: confusion.headline_precision(),
            recall: headline.recall,
            f1: headline.f1,
            auc: roc_auc(&probabilities, &truths, classes),
            confusion,
        }
    }
}

/// The table of the results, by rank; `None` without any.
#[must_use]
pub(crate) fn test_table(results: &[TestResult]) -> Option<Table> {
    let images = results.first()?.n;
    let number = |name: &str, heading: &str| Column::number(name).heading(heading).decimals(4);
    let columns = vec![
        Column::number("rank"),
        Column::text("run"),
        number("validation_accuracy", "val. acc."),
        number("test_accuracy", "test acc."),
        Column::text("test_accuracy_interval").heading("95 % interval"),
        number("test_precision", "precision"),
        number("test_recall", "recall"),
        number("test_f1", "F1"),
        number("test_auc", "AUC"),
        Column::number("test_images").heading("images"),
    ];
    let rows = results
        .iter()
        .map(|result| {
            vec![
                Cell::from(u64::from(result.rank)),
                Cell::from(&result.run),
                Cell::from(result.validation_accuracy),
                Cell::Float(result.accuracy),
                result.interval.map_or(Cell::Empty, |interval| Cell::from(shown_interval(interval))),
                Cell::from(result.precision),
                Cell::Float(result.recall),
                Cell::Float(result.f1),
                Cell::from(result.auc),
                Cell::from(result.n),
            ]
        })
        .collect();
    let title = Some(format!("The best runs on {} held-out test images", grouped(images)));
    Some(Table { title, columns, rows, notes: vec![TEST_SENTENCE.to_owned()] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Format;

    fn prediction(label: usize, positive: f32) -> Prediction {
        let predicted = usize::from(positive >= 0.5);
        Prediction {
            image: "a.png".to_owned(),
            label,
            predicted,
            probabilities: vec![1.0 - positive, positive],
        }
    }

    /// Ten images: 3 of 4 positives found, one of 6 negatives taken for one. Precision 3/4, recall 3/4, F1 3/4; of the 24
    /// pairs of a positive and a negative 22 are in order (the positive at .2 is below .3 and .6).
    #[test]
    fn the_numbers_are_those_of_the_predictions() {
        let rows: Vec<Prediction> = [(1, 0.9), (1, 0.8), (1, 0.7), (1, 0.2)]
            .into_iter()
            .chain([(0, 0.6), (0, 0.3), (0, 0.1), (0, 0.1), (0, 0.1), (0, 0.0)])
            .map(|(label, positive)| prediction(label, positive))
            .collect();
        let result = TestResult::new(2, "run", Some(0.9), &rows, 2);
        assert_eq!((result.n, result.accuracy, result.confusion.count(0, 1)), (10, 0.8, 1));
        assert_eq!((result.precision, result.recall, result.f1), (Some(0.75), 0.75, 0.75));
        assert_eq!(result.auc, Some(22.0 / 24.0));
        let text = test_table(std::slice::from_ref(&result)).unwrap().render(Format::Csv, None);
        // statsmodels: proportion_confint(8, 10, method="wilson").
        assert!(text.contains("2,run,0.9,0.8,0.490–0.943,0.75,0.75,0.75,0.9166666666666666,10"), "{text}");
        assert!(test_table(&[]).is_none());
    }

    #[test]
    fn a_class_without_test_images_has_no_area() {
        let rows = [prediction(0, 0.1), prediction(0, 0.9)];
        assert_eq!(TestResult::new(1, "run", None, &rows, 2).auc, None);
        let never = TestResult::new(1, "run", None, &rows[..1], 2);
        assert_eq!(never.precision, None, "nothing was taken for the positive class");
    }
}
