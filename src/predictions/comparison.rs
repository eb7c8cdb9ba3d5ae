//! Two runs on the same validation images: where they agree, where they do not, and whether that is a difference.
//!
//! Used by `gridboard compare`. Images are paired by name, so the two files may list them in any order.

use std::collections::{HashMap, HashSet};

use crate::{metrics::ConfusionMatrix, stats::McNemar};

use super::{Prediction, Predictions, confusion};

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Counts of the first run.
    pub first: ConfusionMatrix,
    /// Counts of the second run, over the same images.
    pub second: ConfusionMatrix,
    /// Which of the two is right, over all images.
    pub table: McNemar,
    /// Images that the two answer with different classes, by name.
    pub disagreements: Vec<Disagreement>,
}

/// An image that two runs answer differently.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// Its name.
    pub image: String,
    /// Its class.
    pub label: usize,
    /// The first run's answer.
    pub first: Answer,
    /// The second run's answer.
    pub second: Answer,
}

/// What a run says of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Answer {
    /// The class.
    pub predicted: usize,
    /// The probability it gives that class, where it tells probabilities.
    pub probability: Option<f32>,
}

/// Why two runs cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// One predicts nothing at all.
    #[error("there are no images in the predictions of one of them")]
    Empty,
    /// They tell different numbers of classes apart.
    #[error("they have {first} and {second} classes")]
    Classes {
        /// Classes of the first.
        first: usize,
        /// Classes of the second.
        second: usize,
    },
    /// A name stands for two images.
    #[error("image `{image}` is listed twice")]
    Repeated {
        /// The name.
        image: String,
    },
    /// They were validated on other images.
    #[error(
        "they were validated on other images: {both} in common, {only_first} of the first alone, {only_second} of the second \
         alone (for one, `{example}`)"
    )]
    Images {
        /// Images of both.
        both: usize,
        /// Images of the first alone.
        only_first: usize,
        /// Images of the second alone.
        only_second: usize,
        /// One of those that are not in both.
        example: String,
    },
    /// They disagree on what an image shows.
    #[error("image `{image}` is of class {first} for the first and of class {second} for the second")]
    Labels {
        /// The image.
        image: String,
        /// Its class in the first.
        first: usize,
        /// Its class in the second.
        second: usize,
    },
}

impl Comparison {
    /// Compares the predictions of two runs.
    ///
    /// # Errors
    /// See [`Incomparable`].
    pub fn between(first: &Predictions, second: &Predictions) -> Result<Self, Incomparable> {
        let (k, other) = (first.classes.len(), second.classes.len());
        let (first, second) = (&first.rows[..], &second.rows[..]);
        if first.is_empty() || second.is_empty() {
            return Err(Incomparable::Empty);
        }
        if k != other {
            return Err(Incomparable::Classes { first: k, second: other });
        }
        let mut pairs = pairs(first, second)?;
        pairs.sort_by(|(a, _), (b, _)| a.image.cmp(&b.image));
        let right = |row: &Prediction| row.label == row.predicted;
        let answer = |row: &Prediction| Answer {
            predicted: row.predicted,
            probability: row.probabilities.get(row.predicted).copied(),
        };
        Ok(Self {
            first: confusion(first, k),
            second: confusion(second, k),
            table: McNemar::count(pairs.iter().map(|(a, b)| (right(a), right(b)))),
            disagreements: pairs
                .iter()
                .filter(|(a, b)| a.predicted != b.predicted)
                .map(|(a, b)| Disagreement {
                    image: a.image.clone(),
                    label: a.label,
                    first: answer(a),
                    second: answer(b),
                })
                .collect(),
        })
    }

    /// Images that the first takes for `predicted` less those that the second does, of class `truth`.
    #[must_use]
    pub fn difference(&self, truth: usize, predicted: usize) -> i64 {
        let count =
            |matrix: &ConfusionMatrix| i64::try_from(matrix.count(truth, predicted)).unwrap_or(i64::MAX);
        count(&self.first) - count(&self.second)
    }
}

/// Each image of both lists once.
fn pairs<'a>(
    first: &'a [Prediction],
    second: &'a [Prediction],
) -> Result<Vec<(&'a Prediction, &'a Prediction)>, Incomparable> {
    // A program may name images without their folder: then two of one name are told apart by their class.
    let by_class = [first, second].iter().any(|list| !names_differ(list));
    let key = |row: &'a Prediction| (row.image.as_str(), by_class.then_some(row.label));
    let (ours, theirs) = (by_name(first, key)?, by_name(second, key)?);
    let missing = |list: &'a [Prediction], other: &HashMap<Key<'_>, &Prediction>| -> Vec<&'a str> {
        list.iter().filter(|row| !other.contains_key(&key(row))).map(|row| row.image.as_str()).collect()
    };
    let (only_first, only_second) = (missing(first, &theirs), missing(second, &ours));
    if let Some(example) = only_first.iter().chain(&only_second).min() {
        return Err(Incomparable::Images {
            both: first.len() - only_first.len(),
            only_first: only_first.len(),
            only_second: only_second.len(),
            example: (*example).to_owned(),
        });
    }
    first
        .iter()
        .map(|row| match theirs[&key(row)] {
            other if other.label == row.label => Ok((row, other)),
            other => {
                Err(Incomparable::Labels { image: row.image.clone(), first: row.label, second: other.label })
            }
        })
        .collect()
}

/// What tells an image from the others of a list: its name, and its class where names do not.
type Key<'a> = (&'a str, Option<usize>);

fn names_differ(list: &[Prediction]) -> bool {
    let names: HashSet<&str> = list.iter().map(|row| row.image.as_str()).collect();
    names.len() == list.len()
}

fn by_name<'a>(
    list: &'a [Prediction],
    key: impl Fn(&'a Prediction) -> Key<'a>,
) -> Result<HashMap<Key<'a>, &'a Prediction>, Incomparable> {
    let mut names = HashMap::with_capacity(list.len());
    for row in list {
        if names.insert(key(row), row).is_some() {
            return Err(Incomparable::Repeated { image: row.image.clone() });
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(image: &str, label: usize, probabilities: [f32; 2]) -> Prediction {
        let predicted = usize::from(probabilities[1] > probabilities[0]);
        Prediction { image: image.to_owned(), label, predicted, probabilities: probabilities.to_vec() }
    }

    fn list(rows: &[Prediction]) -> Predictions {
        let k = rows.first().map_or(2, |row| row.probabilities.len());
        let classes = (0..k).map(|class| class.to_string()).collect();
        Predictions { rows: rows.to_vec(), classes, warnings: Vec::new() }
    }

    fn first() -> Vec<Prediction> {
        vec![
            prediction("a", 0, [0.75, 0.25]),
            prediction("b", 1, [0.25, 0.75]),
            prediction("c", 1, [0.25, 0.75]),
            prediction("d", 0, [0.25, 0.75]),
        ]
    }

    #[test]
    fn images_pair_by_name_and_the_difference_is_first_less_second() {
        let second = [
            prediction("d", 0, [1.0, 0.0]),
            prediction("c", 1, [0.875, 0.125]),
            prediction("b", 1, [0.5, 1.0]),
            prediction("a", 0, [1.0, 0.0]),
        ];
        let comparison = Comparison::between(&list(&first()), &list(&second)).unwrap();
        assert_eq!(comparison.table, McNemar { both: 2, only_first: 1, only_second: 1, neither: 0 });
        let found: Vec<_> = comparison.disagreements.iter().map(|row| row.image.as_str()).collect();
        assert_eq!(found, ["c", "d"]);
        assert_eq!(comparison.disagreements[0].first, Answer { predicted: 1, probability: Some(0.75) });
        assert_eq!(comparison.disagreements[0].second, Answer { predicted: 0, probability: Some(0.875) });
        let difference = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(t, p)| comparison.difference(t, p));
        assert_eq!(difference, [-1, 1, -1, 1]);
    }

    #[test]
    fn a_run_agrees_with_itself() {
        let comparison = Comparison::between(&list(&first()), &list(&first())).unwrap();
        assert_eq!((comparison.disagreements.len(), comparison.table.p()), (0, 1.0));
        assert_eq!(comparison.first, comparison.second);
    }

    #[test]
    fn images_of_one_name_pair_by_their_class() {
        let mut rows = first();
        rows.push(prediction("a", 1, [0.25, 0.75]));
        let mut other = rows.clone();
        other.reverse();
        other[0].probabilities.clear();
        let comparison = Comparison::between(&list(&rows), &list(&other[1..])).unwrap_err().to_string();
        assert!(comparison.starts_with("they were validated on other images: 4 in common"), "{comparison}");
        let mut second = list(&rows);
        second.rows = other;
        let comparison = Comparison::between(&list(&rows), &second).unwrap();
        assert_eq!((comparison.table.images(), comparison.disagreements.len()), (5, 0));
    }

    #[test]
    fn what_cannot_be_compared_is_told_apart() {
        let message = |second: &[Prediction]| {
            Comparison::between(&list(&first()), &list(second)).unwrap_err().to_string()
        };
        let mut other = first();
        other[3].image = "e".to_owned();
        assert_eq!(
            message(&other),
            "they were validated on other images: 3 in common, 1 of the first alone, 1 of the second alone (for one, `d`)"
        );
        let mut other = first();
        other[1].label = 0;
        assert_eq!(message(&other), "image `b` is of class 1 for the first and of class 0 for the second");
        other[1].image = "a".to_owned();
        assert_eq!(message(&other), "image `a` is listed twice");
        other[0].probabilities.push(0.0);
        assert_eq!(message(&other), "they have 2 and 3 classes");
        assert_eq!(message(&[]), "there are no images in the predictions of one of them");
    }
}
