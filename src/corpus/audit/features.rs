//! What is known of an image without looking at its lungs, as columns for a classifier.
//!
//! Called by `shortcuts`. Numbers become themselves and bins at their quintiles, words become a column each, so that a
//! linear classifier can follow a relation that is not a straight line. Edges and words come from all images, without their
//! labels. `scripts/sklearn_shortcuts.py` builds the same columns in NumPy.

use std::collections::BTreeMap;

use super::Subject;

/// Most words of one property that get a column; the rest are one word.
const MAX_WORDS: usize = 12;
/// Where a number is cut into bins.
const CUTS: [f64; 4] = [0.2, 0.4, 0.6, 0.8];

/// A property that has nothing to do with a disease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    /// File format, colour type and bit depth.
    Format,
    /// Width, height and aspect ratio of the original.
    Dimensions,
    /// Mean gray level.
    Mean,
    /// Standard deviation of the gray levels.
    Contrast,
    /// Length of the file over the pixels of the original: how hard it was compressed.
    BytesPerPixel,
}

impl Feature {
    pub(super) const ALL: [Self; 5] =
        [Self::Format, Self::Dimensions, Self::Mean, Self::Contrast, Self::BytesPerPixel];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Format => "file format",
            Self::Dimensions => "image dimensions",
            Self::Mean => "mean gray level",
            Self::Contrast => "contrast",
            Self::BytesPerPixel => "bytes per pixel",
        }
    }

    /// Its columns, `[d][n]`; none where it is the same for all images.
    pub(super) fn columns(self, subjects: &[Subject]) -> Vec<Vec<f64>> {
        let numbers = |value: fn(&Subject) -> f64| subjects.iter().map(value).collect::<Vec<f64>>();
        let columns = match self {
            Self::Format => words(
                subjects.iter().map(|subject| format!("{}, {}", subject.format, subject.colours)).collect(),
            ),
            Self::Dimensions => {
                let mut columns = number(numbers(|subject| f64::from(subject.width)));
                columns.extend(number(numbers(|subject| f64::from(subject.height))));
                columns
                    .extend(number(numbers(|subject| f64::from(subject.width) / f64::from(subject.height))));
                columns.extend(words(
                    subjects
                        .iter()
                        .map(|subject| format!("{} x {}", subject.width, subject.height))
                        .collect(),
                ));
                columns
            }
            Self::Mean => number(numbers(|subject| subject.look.mean)),
            Self::Contrast => number(numbers(|subject| subject.look.contrast)),
            Self::BytesPerPixel => number(numbers(|subject| {
                subject.bytes as f64 / (f64::from(subject.width) * f64::from(subject.height))
            })),
        };
        columns.into_iter().filter(|column| column.iter().any(|value| *value != column[0])).collect()
    }
}

/// A column for each of the most frequent words, ties in their order: 1 where an image has it.
fn words(words: Vec<String>) -> Vec<Vec<f64>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    words.iter().for_each(|word| *counts.entry(word).or_default() += 1);
    let mut frequent: Vec<(&str, usize)> = counts.into_iter().collect();
    frequent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let column = |(known, _): &(&str, usize)| {
        words.iter().map(|word| f64::from(u8::from(word == known))).collect::<Vec<f64>>()
    };
    frequent.iter().take(MAX_WORDS).map(column).collect()
}

/// The number itself, and a column for each bin between its quintiles: 1 where it lies in it.
fn number(values: Vec<f64>) -> Vec<Vec<f64>> {
    let mut edges: Vec<f64> = CUTS.iter().map(|&cut| quantile(&values, cut)).collect();
    edges.dedup();
    let bin = |value: f64| edges.iter().filter(|&&edge| edge <= value).count();
    let mut columns: Vec<Vec<f64>> = (0..=edges.len())
        .map(|wanted| values.iter().map(|&value| f64::from(u8::from(bin(value) == wanted))).collect())
        .collect();
    columns.push(values);
    columns
}

/// As `numpy.quantile`: linear between the sorted values.
fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = part * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // np.quantile([3, 1, 2, 10], [.2, .5, .8])
        let values = [3.0, 1.0, 2.0, 10.0];
        for (part, expected) in [(0.2, 1.6), (0.5, 2.5), (0.8, 5.8), (0.0, 1.0), (1.0, 10.0)] {
            assert!((quantile(&values, part) - expected).abs() < 1e-12, "{part}");
        }
    }

    #[test]
    fn every_image_is_in_one_bin_and_has_one_word() {
        let columns = number((0..50).map(f64::from).collect());
        assert_eq!(columns.len(), 6);
        for image in 0..50 {
            assert!((columns[..5].iter().map(|column| column[image]).sum::<f64>() - 1.0).abs() < 1e-12);
        }
        assert_eq!(columns[0].iter().sum::<f64>(), 10.0);
        // Values of which most are equal have fewer bins.
        assert!(number([vec![1.0; 45], vec![2.0; 5]].concat()).len() <= 4);
        let columns = words(["a", "b", "a"].map(str::to_owned).to_vec());
        assert_eq!(columns, [[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]);
    }

    #[test]
    fn what_is_the_same_for_all_has_no_columns() {
        let subjects = vec![Subject::default(); 4];
        for feature in Feature::ALL {
            assert!(feature.columns(&subjects).is_empty(), "{feature:?}");
        }
    }
}
