//! How far two trainings of one run are apart. Pure.
//!
//! Two numbers are compared by their difference over the larger of their sizes; numbers under [`SMALL`] count as that
//! large, since a loss of 1e-9 and one of 2e-9 tell nobody anything apart. The verdict is by the metrics of the epochs
//! (for a command: by all its points); batch losses, predictions and weights are shown beside it, and count where every
//! bit does.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Record;
use crate::{event::tags, predictions::Prediction, run::RunDir};

/// Numbers below this are compared as if they were this large.
const SMALL: f64 = 1e-3;

/// Words in a tag that make it a measurement of the machine, which no two trainings share.
const TIMES: [&str; 6] = ["per_second", "seconds", "time", "duration", "throughput", "elapsed"];

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// In a word.
    pub verdict: Verdict,
    /// What was compared, part by part.
    pub parts: Vec<Part>,
    /// Tags that measure the machine.
    pub not_compared: Vec<String>,
}

/// How like two trainings are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// Every number has the same bits.
    Identical,
    /// Every metric of every epoch is within the tolerance.
    WithinTolerance,
    /// The first epoch with a metric beyond the tolerance.
    Diverged(Apart),
    /// Files of the first training are not what it left.
    Altered(Vec<Altered>),
}

/// A file of the first training that is not what it left, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Altered {
    /// Its name in the run's folder.
    pub file: String,
    /// How: by its hash, or by the results of the second training.
    pub why: &'static str,
}

/// By the seal that the attempt set.
const BY_HASH: &str = "its hash is not the one in outcome.json";
/// The losses follow from the weights, to the last bit.
const BY_LOSSES: &str = "every loss and metric is the same to the last bit, and this is not";

/// A metric of an epoch that is not what it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Apart {
    /// Epoch from 0, or a command's step.
    pub step: i64,
    /// The metric.
    pub tag: String,
    /// The first training's value; absent where it has no such point.
    pub then: Option<f32>,
    /// The second's.
    pub now: Option<f32>,
}

/// One kind of results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    /// `epoch metrics`, `batch losses`, `predictions`, `weights`, or `points` of a command.
    pub name: &'static str,
    /// Numbers that were compared.
    pub compared: u64,
    /// Of these, the ones whose bits differ, and those that only one training has.
    pub different: u64,
    /// The largest difference.
    pub largest: Option<Largest>,
}

/// The largest difference of a kind of results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Largest {
    /// Relative, see the head of this file.
    pub relative: f64,
    /// Where: a tag and a step, an image, a tensor.
    pub place: String,
    /// The first training's number.
    pub then: f64,
    /// The second's.
    pub now: f64,
}

impl Part {
    /// Nothing compared yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, compared: 0, different: 0, largest: None }
    }

    /// Compares one number. `place` is only asked where it is the largest so far.
    pub(super) fn number(&mut self, then: f64, now: f64, place: impl FnOnce() -> String) {
        self.compared += 1;
        if then.to_bits() == now.to_bits() {
            return;
        }
        self.different += 1;
        let relative = relative(then, now);
        if self.largest.as_ref().is_none_or(|largest| relative > largest.relative) {
            self.largest = Some(Largest { relative, place: place(), then, now });
        }
    }

    /// Counts numbers that only one training has.
    pub(super) fn missing(&mut self, numbers: u64) {
        self.compared += numbers;
        self.different += numbers;
    }
}

/// Compares two trainings; `built_in` says whether batch losses are apart from the metrics of the epochs, `altered` names the
/// files of the first one whose seal is broken.
#[must_use]
pub(super) fn compare(
    then: &Record,
    now: &Record,
    built_in: bool,
    weights: Option<Part>,
    altered: &[String],
    tolerance: f64,
) -> Comparison {
    let mut metrics = Part::new(if built_in { "epoch metrics" } else { "points" });
    let mut batches = Part::new("batch losses");
    let mut not_compared = BTreeSet::new();
    let mut apart: Option<Apart> = None;
    let keys: BTreeSet<&(String, i64)> = then.scalars.keys().chain(now.scalars.keys()).collect();
    for key in keys {
        let (tag, step) = key;
        if measures_the_machine(tag) {
            not_compared.insert(tag.clone());
            continue;
        }
        let (first, again) = (then.scalars.get(key).copied(), now.scalars.get(key).copied());
        let is_batch = built_in && tag == tags::BATCH_LOSS;
        let part = if is_batch { &mut batches } else { &mut metrics };
        match (first, again) {
            (Some(first), Some(again)) => {
                part.number(first.into(), again.into(), || format!("{tag} at {step}"))
            }
            _ => part.missing(1),
        }
        let beyond =
            first.zip(again).is_none_or(|(first, again)| relative(first.into(), again.into()) > tolerance);
        if beyond && !is_batch && apart.as_ref().is_none_or(|apart| *step < apart.step) {
            apart = Some(Apart { step: *step, tag: tag.clone(), then: first, now: again });
        }
    }
    let mut parts = vec![metrics];
    if built_in {
        parts.push(batches);
    }
    parts.extend(predictions(then.predictions.as_deref(), now.predictions.as_deref()));
    parts.extend(weights);
    let mut altered: Vec<Altered> =
        altered.iter().map(|file| Altered { file: file.clone(), why: BY_HASH }).collect();
    if built_in && parts[0].compared > 0 && parts.iter().take(2).all(|part| part.different == 0) {
        // What the same training gives is the same: a file that differs all the same was changed behind it.
        for (part, file) in [("predictions", RunDir::PREDICTIONS), ("weights", RunDir::CHECKPOINT)] {
            let differs = parts.iter().any(|found| found.name == part && found.different > 0);
            if differs && altered.iter().all(|known| known.file != file) {
                altered.push(Altered { file: file.to_owned(), why: BY_LOSSES });
            }
        }
    }
    let verdict = match apart {
        _ if !altered.is_empty() => Verdict::Altered(altered),
        Some(apart) => Verdict::Diverged(apart),
        None if parts.iter().all(|part| part.different == 0) => Verdict::Identical,
        None => Verdict::WithinTolerance,
    };
    Comparison { verdict, parts, not_compared: not_compared.into_iter().collect() }
}

/// The probabilities of every image; `None` where neither training wrote any.
fn predictions(then: Option<&[Prediction]>, now: Option<&[Prediction]>) -> Option<Part> {
    let (then, now) = (then.unwrap_or_default(), now.unwrap_or_default());
    if then.is_empty() && now.is_empty() {
        return None;
    }
    let mut part = Part::new("predictions");
    let numbers = |rows: &[&Prediction]| rows.iter().map(|row| row.probabilities.len() as u64).sum::<u64>();
    let mut left: BTreeMap<&str, &Prediction> = now.iter().map(|row| (row.image.as_str(), row)).collect();
    for first in then {
        match left.remove(first.image.as_str()) {
            Some(again) if again.probabilities.len() == first.probabilities.len() => {
                for (first_p, again_p) in first.probabilities.iter().zip(&again.probabilities) {
                    part.number((*first_p).into(), (*again_p).into(), || first.image.clone());
                }
            }
            again => part.missing(numbers(&[first]).max(again.map_or(0, |again| numbers(&[again])))),
        }
    }
    part.missing(numbers(&left.into_values().collect::<Vec<_>>()));
    Some(part)
}

/// The difference over the larger size, at least [`SMALL`]; infinite where one is no number and the other is.
fn relative(then: f64, now: f64) -> f64 {
    if then == now || then.is_nan() && now.is_nan() {
        return 0.0;
    }
    let difference = (then - now).abs() / then.abs().max(now.abs()).max(SMALL);
    if difference.is_finite() { difference } else { f64::INFINITY }
}

fn measures_the_machine(tag: &str) -> bool {
    let name = tag.rsplit('/').next().unwrap_or(tag).to_lowercase();
    // A part of the name: `timesteps` is no time.
    TIMES.iter().any(|word| {
        let separate = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        name.match_indices(word).any(|(at, _)| {
            separate(name[..at].chars().next_back()) && separate(name[at + word.len()..].chars().next())
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(points: &[(&str, i64, f32)], probabilities: &[f32]) -> Record {
        let prediction = |(n, p): (usize, &f32)| Prediction {
            image: format!("{n}.png"),
            label: 0,
            predicted: 0,
            probabilities: vec![1.0 - p, *p],
        };
        Record {
            scalars: points.iter().map(|(tag, step, value)| (((*tag).to_owned(), *step), *value)).collect(),
            predictions: Some(probabilities.iter().enumerate().map(prediction).collect()),
        }
    }

    const LOSS: &str = tags::VALIDATION_LOSS;

    #[test]
    fn the_same_bits_are_identical_whatever_the_time_took() {
        let then =
            record(&[(LOSS, 0, 0.5), (LOSS, 1, f32::NAN), ("train/images_per_second", 0, 10.0)], &[0.25]);
        let mut now = then.clone();
        *now.scalars.get_mut(&("train/images_per_second".to_owned(), 0)).unwrap() = 99.0;
        let same = compare(&then, &now, true, Some(Part::new("weights")), &[], 1e-3);
        assert_eq!(same.verdict, Verdict::Identical);
        assert_eq!(same.not_compared, ["train/images_per_second"]);
        let compared: Vec<_> =
            same.parts.iter().map(|part| (part.name, part.compared, part.different)).collect();
        assert_eq!(
            compared,
            [("epoch metrics", 2, 0), ("batch losses", 0, 0), ("predictions", 2, 0), ("weights", 0, 0)]
        );
    }

    #[test]
    fn small_differences_are_measured_and_placed() {
        let then = record(&[(LOSS, 0, 0.5), (LOSS, 1, 0.4), (tags::BATCH_LOSS, 7, 1.0)], &[0.25, 0.5]);
        let now = record(&[(LOSS, 0, 0.5), (LOSS, 1, 0.4001), (tags::BATCH_LOSS, 7, 1.5)], &[0.25, 0.75]);
        let close = compare(&then, &now, true, None, &[], 1e-3);
        assert_eq!(
            close.verdict,
            Verdict::WithinTolerance,
            "batch losses and predictions alone do not diverge"
        );
        let largest = close.parts[0].largest.as_ref().unwrap();
        assert_eq!(largest.place, "validation/epoch_loss at 1");
        assert!((largest.relative - 1e-4 / 0.4001).abs() < 1e-6, "{largest:?}");
        assert_eq!(close.parts[1].largest.as_ref().unwrap().place, "batch/loss at 7");
        assert_eq!(
            (close.parts[2].different, close.parts[2].largest.as_ref().unwrap().place.as_str()),
            (2, "1.png")
        );
        let diverged = compare(&then, &now, true, None, &[], 1e-5).verdict;
        let apart = Apart { step: 1, tag: LOSS.to_owned(), then: Some(0.4), now: Some(0.4001) };
        assert_eq!(diverged, Verdict::Diverged(apart));
    }

    /// The losses rest on the weights: where they are the same bits, other weights or answers are another file.
    #[test]
    fn a_file_that_was_altered_is_told_as_such() {
        let points = [(LOSS, 0, 0.5), (tags::BATCH_LOSS, 7, 1.0)];
        let then = record(&points, &[0.25, 0.5]);
        let altered = |now: &Record, weights: Part, seal: &[String]| match compare(
            &then,
            now,
            true,
            Some(weights),
            seal,
            1e-3,
        )
        .verdict
        {
            Verdict::Altered(altered) => altered.into_iter().map(|of| (of.file, of.why)).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let mut weights = Part::new("weights");
        weights.number(0.5, 5.5, || "conv1.weight".to_owned());
        let same = || Part::new("weights");
        let (checkpoint, answers) = (RunDir::CHECKPOINT.to_owned(), RunDir::PREDICTIONS.to_owned());
        assert_eq!(altered(&then, weights.clone(), &[]), [(checkpoint.clone(), BY_LOSSES)]);
        let swapped = record(&points, &[0.5, 0.25]);
        assert_eq!(altered(&swapped, same(), &[]), [(answers.clone(), BY_LOSSES)]);
        // The seal alone is enough, and a file is named once.
        let seal = [checkpoint.clone()];
        assert_eq!(altered(&then, same(), &seal), [(checkpoint.clone(), BY_HASH)]);
        assert_eq!(altered(&swapped, weights.clone(), &seal), [(checkpoint, BY_HASH), (answers, BY_LOSSES)]);
        // Where the losses are other bits, so may be the rest.
        let near = record(&[(LOSS, 0, 0.5), (tags::BATCH_LOSS, 7, 1.000_001)], &[0.25, 0.5]);
        let verdict = compare(&then, &near, true, Some(weights), &[], 1e-3).verdict;
        assert_eq!(verdict, Verdict::WithinTolerance);
    }

    #[test]
    fn the_first_epoch_apart_is_named_and_a_missing_point_is_apart() {
        let accuracy = tags::VALIDATION_ACCURACY;
        let then = record(&[(LOSS, 0, 0.5), (LOSS, 2, 0.4), (accuracy, 1, 0.9)], &[]);
        let now = record(&[(LOSS, 0, 0.5), (LOSS, 2, 0.9), (accuracy, 1, 0.5)], &[]);
        let Verdict::Diverged(apart) = compare(&then, &now, true, None, &[], 1e-3).verdict else {
            panic!("apart")
        };
        assert_eq!((apart.step, apart.tag.as_str()), (1, accuracy));
        let short = record(&[(LOSS, 0, 0.5)], &[]);
        let Verdict::Diverged(apart) = compare(&then, &short, true, None, &[], 1e-3).verdict else {
            panic!("apart")
        };
        assert_eq!((apart.step, apart.then, apart.now), (1, Some(0.9), None));
        // Of a command every point counts, and its batch losses are points as any other.
        let batch = |value| record(&[(tags::BATCH_LOSS, 3, value)], &[]);
        assert!(matches!(
            compare(&batch(1.0), &batch(2.0), false, None, &[], 1e-3).verdict,
            Verdict::Diverged(_)
        ));
    }

    #[test]
    fn only_whole_words_are_times() {
        for tag in ["train/images_per_second", "epoch_time", "time/step", "a/elapsed", "wall-time"] {
            assert_eq!(measures_the_machine(tag), tag != "time/step", "{tag}");
        }
        assert!(!measures_the_machine("train/timesteps") && !measures_the_machine("sentiment"));
    }

    proptest! {
        #[test]
        fn the_difference_is_symmetric_and_zero_for_equals(a: f32, b: f32) {
            prop_assert_eq!(relative(a.into(), b.into()).to_bits(), relative(b.into(), a.into()).to_bits());
            prop_assert_eq!(relative(a.into(), a.into()), 0.0);
            prop_assert!(relative(a.into(), b.into()) >= 0.0);
        }
    }
}
