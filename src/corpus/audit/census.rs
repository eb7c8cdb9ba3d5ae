//! What is in a corpus, class by class: the counts of the paper's Tab. 1 and Fig. 2, and what the files are.
//!
//! Called by the audit. Counts only; what is suspicious about it is said elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::corpus::Part;

/// The smallest, the middle and the largest of some numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle one; between the two middle ones where their number is even.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// `None` of nothing.
    fn over(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { min, median, max })
    }
}

/// One class of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassCensus {
    /// The class.
    pub class: String,
    /// All its images that can be read.
    pub images: u64,
    /// Those that train; 0 where the images are not split, as the next two.
    pub train: u64,
    /// Those that validate.
    pub validation: u64,
    /// Those that are held out for the test.
    pub test: u64,
    /// Images of each file format.
    pub formats: BTreeMap<String, u64>,
    /// Images of each colour type and bit depth of the file.
    pub colours: BTreeMap<String, u64>,
    /// Width of the upright originals, pixels.
    pub width: Option<Spread>,
    /// Height of the upright originals, pixels.
    pub height: Option<Spread>,
    /// Sum of the lengths of its files, bytes.
    pub bytes: u64,
    /// Mean gray level of the prepared images, 0 to 255.
    pub mean: Option<Spread>,
    /// Standard deviation of the gray levels of the prepared images.
    pub contrast: Option<Spread>,
}

pub(super) fn count(classes: &[String], subjects: &[Subject]) -> Vec<ClassCensus> {
    (0_usize..).zip(classes).map(|(label, class)| census(label, class, subjects)).collect()
}

fn census(label: usize, class: &str, subjects: &[Subject]) -> ClassCensus {
    let mine: Vec<&Subject> = subjects.iter().filter(|subject| usize::from(subject.label) == label).collect();
    let of = |part| mine.iter().filter(|subject| subject.part == Some(part)).count() as u64;
    let spread = |value: fn(&Subject) -> f64| Spread::over(mine.iter().map(|subject| value(subject)));
    let tally = |word: fn(&Subject) -> &String| {
        let mut tally = BTreeMap::new();
        mine.iter().for_each(|subject| *tally.entry(word(subject).clone()).or_insert(0) += 1);
        tally
    };
    ClassCensus {
        class: class.to_owned(),
        images: mine.len() as u64,
        train: of(Part::Train),
        validation: of(Part::Validation),
        test: of(Part::Test),
        formats: tally(|subject| &subject.format),
        colours: tally(|subject| &subject.colours),
        width: spread(|subject| f64::from(subject.width)),
        height: spread(|subject| f64::from(subject.height)),
        bytes: mine.iter().map(|subject| subject.bytes).sum(),
        mean: spread(|subject| subject.look.mean),
        contrast: spread(|subject| subject.look.contrast),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_counted_apart() {
        let subject = |label, width, format: &str, part| Subject {
            label,
            width,
            format: format.to_owned(),
            part: Some(part),
            ..Subject::default()
        };
        let subjects = [
            subject(0, 10, "png", Part::Train),
            subject(1, 500, "jpeg", Part::Train),
            subject(0, 40, "jpeg", Part::Validation),
            subject(0, 20, "jpeg", Part::Test),
            subject(0, 22, "jpeg", Part::Train),
        ];
        let classes = ["normal", "covid", "empty"].map(str::to_owned);
        let counted = count(&classes, &subjects);
        let normal = &counted[0];
        assert_eq!((normal.images, normal.train, normal.validation, normal.test), (4, 2, 1, 1));
        assert_eq!(normal.width, Some(Spread { min: 10.0, median: 21.0, max: 40.0 }));
        assert_eq!(normal.formats, BTreeMap::from([("jpeg".to_owned(), 3), ("png".to_owned(), 1)]));
        assert_eq!((normal.bytes, counted[1].images), (4000, 1));
        assert_eq!((counted[2].images, counted[2].width), (0, None));
    }
}
