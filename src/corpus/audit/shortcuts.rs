//! How well the class can be told from properties that have nothing to do with a disease.
//!
//! A network finds such properties too, and its accuracy is then about the sources of the images. Each property alone and
//! all together are given to a logistic regression, and its area under the ROC curve is measured by 5-fold
//! cross-validation, stratified, always with the same folds. Called by the audit.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Subject, features::Feature, logistic};

/// Folds of the cross-validation; fewer where a class has fewer images.
const FOLDS: usize = 5;
/// Area from which the class counts as told, where chance is excluded too.
const HIGH: f64 = 0.7;
/// Chance.
const CHANCE: f64 = 0.5;
/// Half the width of a 95 % interval, in standard errors.
const Z95: f64 = 1.96;

/// How well one property tells the class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortcut {
    /// The property; the last row is all of them together.
    pub feature: String,
    /// Mean area under the ROC curve over the folds, over classes against the rest where there are more than two; 0.5 is
    /// chance. Unknown where a class has too few images.
    pub auc: Option<f64>,
    /// Its standard error after Hanley and McNeil (Radiology 143:29, 1982).
    pub standard_error: Option<f64>,
    /// Whether that is a warning: 0.7 or more, and a 95 % interval above chance.
    pub is_high: bool,
}

/// Name of the row of all properties.
const ALL: &str = "all of these";

pub(super) fn measure(subjects: &[Subject], classes: usize) -> Vec<Shortcut> {
    let labels: Vec<u8> = subjects.iter().map(|subject| subject.label).collect();
    let counts: Vec<usize> = (0..classes)
        .map(|class| labels.iter().filter(|&&label| usize::from(label) == class).count())
        .collect();
    let folds = counts.iter().copied().min().unwrap_or(0).min(FOLDS);
    let of_each: Vec<Vec<Vec<f64>>> = Feature::ALL.iter().map(|feature| feature.columns(subjects)).collect();
    let mut columns: Vec<(&str, Vec<Vec<f64>>)> = vec![(ALL, of_each.concat())];
    columns.extend(Feature::ALL.iter().map(|feature| feature.as_str()).zip(of_each));
    let fold_of = logistic::deal(&labels, folds.max(1));
    let mut shortcuts: Vec<Shortcut> = columns
        .into_par_iter()
        .map(|(feature, columns)| {
            // Two folds are the fewest that leave images to fit to.
            let auc = if classes < 2 || folds < 2 {
                None
            } else if columns.is_empty() {
                Some(CHANCE)
            } else {
                logistic::cross_validated_auc(&columns, &labels, classes, &fold_of)
            };
            let standard_error = auc.map(|auc| standard_error(auc, &counts));
            let is_high =
                auc.zip(standard_error).is_some_and(|(auc, error)| auc >= HIGH && auc - Z95 * error > CHANCE);
            Shortcut { feature: feature.to_owned(), auc, standard_error, is_high }
        })
        .collect();
    // The largest task was started first; it is told last.
    shortcuts.rotate_left(1);
    shortcuts
}

/// Hanley and McNeil's standard error of an area over images of these classes; of several classes the mean of that of each
/// against the rest, which is at least that of their mean.
fn standard_error(auc: f64, counts: &[usize]) -> f64 {
    let total: usize = counts.iter().sum();
    let against_rest = |&positives: &usize| {
        let (positives, negatives) = (positives as f64, (total - positives) as f64);
        let (two_positives, two_negatives) = (auc / (2.0 - auc), 2.0 * auc * auc / (1.0 + auc));
        let variance = auc * (1.0 - auc)
            + (positives - 1.0) * (two_positives - auc * auc)
            + (negatives - 1.0) * (two_negatives - auc * auc);
        (variance.max(0.0) / (positives * negatives)).sqrt()
    };
    let counts = if counts.len() == 2 { &counts[1..] } else { counts };
    counts.iter().map(against_rest).sum::<f64>() / counts.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subjects(images: u32, width: impl Fn(u32) -> u32) -> Vec<Subject> {
        let subject = |image: u32| Subject {
            label: (image % 2) as u8,
            width: width(image),
            height: 300,
            ..Subject::default()
        };
        (0..images).map(subject).collect()
    }

    #[test]
    fn a_class_of_its_own_size_is_told_by_its_dimensions_alone() {
        let found = measure(&subjects(60, |image| 200 + 50 * (image % 2)), 2);
        let of = |name: &str| found.iter().find(|shortcut| shortcut.feature == name).unwrap();
        assert_eq!((of("image dimensions").auc, of("image dimensions").is_high), (Some(1.0), true));
        assert_eq!((of("file format").auc, of("file format").is_high), (Some(0.5), false));
        assert_eq!(found.last().unwrap().feature, "all of these");
        assert!(found.last().unwrap().is_high);
    }

    #[test]
    fn too_few_images_say_nothing() {
        for shortcut in measure(&subjects(3, |image| 200 + image), 2) {
            assert_eq!((shortcut.auc, shortcut.is_high), (None, false));
        }
        assert_eq!(measure(&subjects(20, |image| image + 1), 1)[0].auc, None);
    }

    /// Hanley and McNeil's own example: an area of 0.893 over 51 abnormal and 58 normal images has 0.032.
    #[test]
    fn the_standard_error_is_the_papers() {
        assert!((standard_error(0.893, &[58, 51]) - 0.032).abs() < 0.001);
    }

    /// scikit-learn on the features of 712 X-rays, recorded by `scripts/sklearn_shortcuts.py`.
    #[test]
    fn areas_are_those_of_scikit_learn() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/shortcuts");
        let text = std::fs::read_to_string(folder.join("features.csv")).unwrap();
        let (mut subjects, mut fold_of) = (Vec::new(), Vec::new());
        for line in text.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let [label, format, width, height, bytes, mean, contrast, fold] = fields[..] else {
                panic!("{line}")
            };
            let mut subject = Subject {
                label: label.parse().unwrap(),
                format: format.to_owned(),
                width: width.parse().unwrap(),
                height: height.parse().unwrap(),
                bytes: bytes.parse().unwrap(),
                ..Subject::default()
            };
            subject.look.mean = mean.parse().unwrap();
            subject.look.contrast = contrast.parse().unwrap();
            subjects.push(subject);
            fold_of.push(fold.parse().unwrap());
        }
        let labels: Vec<u8> = subjects.iter().map(|subject| subject.label).collect();
        let recorded = std::fs::read(folder.join("auc.json")).unwrap();
        let recorded: std::collections::BTreeMap<String, f64> = serde_json::from_slice(&recorded).unwrap();
        assert_eq!(recorded.len(), Feature::ALL.len() + 1);
        let each: Vec<_> = Feature::ALL.iter().map(|feature| feature.columns(&subjects)).collect();
        let mut named: Vec<(&str, Vec<Vec<f64>>)> = vec![(ALL, each.concat())];
        named.extend(Feature::ALL.iter().map(|feature| feature.as_str()).zip(each));
        for (name, columns) in named {
            let ours = logistic::cross_validated_auc(&columns, &labels, 2, &fold_of).unwrap();
            assert!((ours - recorded[name]).abs() < 1e-4, "{name}: {ours}, scikit-learn {}", recorded[name]);
        }
    }
}
