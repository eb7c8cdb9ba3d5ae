//! Which images train and which validate: seeded, the same for all runs of an experiment.
//!
//! The validation part has `round(n * fraction)` images, as the paper counts (2,134 images, 0.3: 640). Its draw is
//! [`Stream`]'s shuffle, spelled out there, so that a seed means the same images for ever. Pure but for the reading and
//! writing of `split.npy`; called by the sweep (split, write) and the worker (read).

use std::{collections::BTreeMap, path::Path};

use regex::Regex;
use thiserror::Error;

use super::{
    npy::{self, NpyError},
    random::Stream,
};
use crate::spec::Dataset;

/// The side of the split that an image is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Trains: 0 in `split.npy`.
    Train,
    /// Validates: 1 in `split.npy`.
    Validation,
}

/// How to split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitRule {
    /// Part of the images that validates, over 0 and under 1.
    pub fraction: f64,
    /// The same part of each class; off is Keras' last part of a shuffled list.
    pub stratify: bool,
    /// Seed of the draw.
    pub seed: u64,
    /// Regular expression that names the group of a file: its first group, or the whole match. It is matched against the
    /// file's name; a pattern with a `/` against the path below the images folder. A file that does not match is a group
    /// of its own. Groups of one name are one group, whatever class they are in.
    pub group_by: Option<String>,
}

impl SplitRule {
    /// The rule of a dataset.
    #[must_use]
    pub fn of(dataset: &Dataset) -> Self {
        Self {
            fraction: dataset.validation_split,
            stratify: dataset.stratify,
            seed: dataset.split_seed,
            group_by: dataset.group_by.clone(),
        }
    }
}

/// Why a corpus cannot be split.
#[derive(Debug, Error)]
pub enum SplitError {
    /// The fraction is no part of a whole.
    #[error("a validation split of {0} is not between 0 and 1")]
    Fraction(f64),
    /// `group_by` is no regular expression.
    #[error("`group_by`: {0}")]
    Pattern(Box<regex::Error>),
    /// `group_by` names no group, so that it keeps nothing together.
    #[error("`group_by: {pattern}` matches none of {names} file names")]
    NoGroups {
        /// The regular expression.
        pattern: String,
        /// Number of files.
        names: usize,
    },
    /// One side has no images.
    #[error("a validation split of {fraction} leaves {train} of {} images to train and {validation} to validate", train + validation)]
    EmptySide {
        /// The fraction.
        fraction: f64,
        /// Images on the training side.
        train: usize,
        /// Images on the validation side.
        validation: usize,
    },
    /// A stratified split leaves a class out of one side.
    #[error(
        "a stratified validation split of {fraction} leaves {train} images of class {label} to train and {validation} to validate"
    )]
    EmptyClass {
        /// The fraction.
        fraction: f64,
        /// The class index.
        label: u8,
        /// Its images on the training side.
        train: usize,
        /// Its images on the validation side.
        validation: usize,
    },
}

impl SplitError {
    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Fraction(_) | Self::Pattern(_) => None,
            Self::NoGroups { .. } => Some(
                "it is matched against file names, or with a `/` in it against the path below the images folder",
            ),
            Self::EmptySide { .. } | Self::EmptyClass { .. } => {
                Some("more images, smaller groups or another `validation_split` help")
            }
        }
    }
}

/// Splits a corpus: `labels` and `names` (paths below the images folder) of the same images, one [`Part`] for each.
///
/// Stratified, each class gives its share, `n_class * fraction` rounded so that the shares sum to the total (largest
/// remainder, ties to the lower class). With groups the shares are approached, not met: groups are visited in random order
/// and change sides where that brings the validation side nearer to its shares, until none does.
///
/// # Errors
/// [`SplitError`]; in particular where a side, or stratified a class on a side, would be empty.
///
/// # Panics
/// Where `labels` and `names` have different lengths.
pub fn split(labels: &[u8], names: &[&str], rule: &SplitRule) -> Result<Vec<Part>, SplitError> {
    assert_eq!(labels.len(), names.len(), "a label and a name for each image");
    if !(rule.fraction > 0.0 && rule.fraction < 1.0) {
        return Err(SplitError::Fraction(rule.fraction));
    }
    // Unstratified, all images are of one stratum.
    let strata: Vec<u8> = labels.iter().map(|&label| if rule.stratify { label } else { 0 }).collect();
    let quotas = quotas(&strata, rule.fraction);
    let mut stream = Stream::new("gridboard split v1", &[rule.seed]);
    let parts = match &rule.group_by {
        None => draw(&strata, &quotas, &mut stream),
        Some(pattern) => {
            let regex = Regex::new(pattern).map_err(|error| SplitError::Pattern(Box::new(error)))?;
            if !names.is_empty() && !names.iter().any(|name| regex.is_match(subject(name, &regex))) {
                return Err(SplitError::NoGroups { pattern: pattern.clone(), names: names.len() });
            }
            let pattern = regex;
            draw_groups(&strata, &quotas, groups(names, &pattern), &mut stream)
        }
    };
    check(labels, &parts, rule)?;
    Ok(parts)
}

/// Images of each stratum that validate.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of images are far below 2^53, and their parts are not negative"
)]
fn quotas(strata: &[u8], fraction: f64) -> Vec<usize> {
    let mut counts = vec![0_usize; strata.iter().max().map_or(0, |&last| usize::from(last) + 1)];
    strata.iter().for_each(|&stratum| counts[usize::from(stratum)] += 1);
    let total = (strata.len() as f64 * fraction).round() as usize;
    let exact: Vec<f64> = counts.iter().map(|&count| count as f64 * fraction).collect();
    let mut quotas: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..quotas.len()).collect();
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let missing = total.saturating_sub(quotas.iter().sum());
    by_remainder.into_iter().cycle().take(missing).for_each(|stratum| quotas[stratum] += 1);
    quotas
}

/// Shuffles each stratum and takes the last images of it.
fn draw(strata: &[u8], quotas: &[usize], stream: &mut Stream) -> Vec<Part> {
    let mut parts = vec![Part::Train; strata.len()];
    for (stratum, &quota) in quotas.iter().enumerate() {
        let mut members: Vec<usize> =
            (0..strata.len()).filter(|&image| usize::from(strata[image]) == stratum).collect();
        stream.shuffle(&mut members);
        members.iter().rev().take(quota).for_each(|&image| parts[image] = Part::Validation);
    }
    parts
}

/// What a pattern is matched against: the file's name, or the whole path where the pattern has a `/`.
fn subject<'path>(path: &'path str, pattern: &Regex) -> &'path str {
    if pattern.as_str().contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) }
}

/// The images of each group, groups in the order of their first image.
fn groups(names: &[&str], pattern: &Regex) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for (image, &path) in names.iter().enumerate() {
        let group =
            pattern.captures(subject(path, pattern)).and_then(|captures| captures.get(1).or(captures.get(0)));
        match group {
            Some(group) => {
                let place = *by_name.entry(group.as_str()).or_insert(groups.len());
                if place == groups.len() {
                    groups.push(Vec::new());
                }
                groups[place].push(image);
            }
            None => groups.push(vec![image]),
        }
    }
    groups
}

/// Gives whole groups to the validation side, see [`split`].
fn draw_groups(
    strata: &[u8],
    quotas: &[usize],
    mut groups: Vec<Vec<usize>>,
    stream: &mut Stream,
) -> Vec<Part> {
    stream.shuffle(&mut groups);
    let mut parts = vec![Part::Train; strata.len()];
    let mut missing: Vec<i64> =
        quotas.iter().map(|&quota| i64::try_from(quota).expect("a quota is a number of images")).collect();
    // The total counts beside the classes: else one class could make up for another in the wrong direction.
    let distance = |missing: &[i64]| {
        missing.iter().map(|count| count.abs()).sum::<i64>() + missing.iter().sum::<i64>().abs()
    };
    loop {
        let before = distance(&missing);
        for group in &groups {
            let (other, change) = match parts[group[0]] {
                Part::Train => (Part::Validation, -1),
                Part::Validation => (Part::Train, 1),
            };
            let mut after = missing.clone();
            group.iter().for_each(|&image| after[usize::from(strata[image])] += change);
            if distance(&after) < distance(&missing) {
                group.iter().for_each(|&image| parts[image] = other);
                missing = after;
            }
        }
        if distance(&missing) == before {
            return parts;
        }
    }
}

fn check(labels: &[u8], parts: &[Part], rule: &SplitRule) -> Result<(), SplitError> {
    let fraction = rule.fraction;
    let count = |part, label: Option<u8>| {
        let counts =
            |&(&image, &side): &(&u8, &Part)| side == part && label.is_none_or(|label| label == image);
        labels.iter().zip(parts).filter(counts).count()
    };
    let (train, validation) = (count(Part::Train, None), count(Part::Validation, None));
    if train == 0 || validation == 0 {
        return Err(SplitError::EmptySide { fraction, train, validation });
    }
    let last = if rule.stratify { labels.iter().copied().max() } else { None };
    for label in 0..=last.unwrap_or_default() {
        let (train, validation) = (count(Part::Train, Some(label)), count(Part::Validation, Some(label)));
        if last.is_some() && train + validation > 0 && (train == 0 || validation == 0) {
            return Err(SplitError::EmptyClass { fraction, label, train, validation });
        }
    }
    Ok(())
}

/// Writes `split.npy` (u8, `[n]`: 0 trains, 1 validates), atomically.
///
/// # Errors
/// [`NpyError::File`].
pub fn write_split(path: &Path, parts: &[Part]) -> Result<(), NpyError> {
    let bytes: Vec<u8> = parts.iter().map(|&part| u8::from(part == Part::Validation)).collect();
    npy::write(path, &[bytes.len() as u64], &bytes)
}

/// Reads a `split.npy`.
///
/// # Errors
/// [`NpyError`] where the file is no list of zeros and ones.
pub fn read_split(path: &Path) -> Result<Vec<Part>, NpyError> {
    let (shape, bytes) = npy::read(path)?;
    if shape.len() != 1 {
        return Err(npy::format_error(path, format!("shape {shape:?} is not [n]")));
    }
    let part = |&byte: &u8| match byte {
        0 => Ok(Part::Train),
        1 => Ok(Part::Validation),
        other => Err(npy::format_error(path, format!("{other} is neither 0 (train) nor 1 (validation)"))),
    };
    bytes.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(fraction: f64, stratify: bool, group_by: Option<&str>) -> SplitRule {
        SplitRule { fraction, stratify, seed: 0, group_by: group_by.map(str::to_owned) }
    }

    fn validation(labels: &[u8], parts: &[Part], label: u8) -> usize {
        labels.iter().zip(parts).filter(|&(&l, &part)| l == label && part == Part::Validation).count()
    }

    fn anonymous(labels: &[u8], rule: &SplitRule) -> Result<Vec<Part>, SplitError> {
        split(labels, &vec![""; labels.len()], rule)
    }

    #[test]
    fn the_papers_corpus_gives_the_papers_counts() {
        let labels = [vec![0; 1575], vec![1; 559]].concat();
        let parts = anonymous(&labels, &rule(0.3, true, None)).unwrap();
        assert_eq!((validation(&labels, &parts, 0), validation(&labels, &parts, 1)), (472, 168));
        let parts = anonymous(&labels, &rule(0.3, false, None)).unwrap();
        assert_eq!(validation(&labels, &parts, 0) + validation(&labels, &parts, 1), 640);
    }

    /// A changed digit here is a changed split of everybody's experiments.
    #[test]
    fn splits_never_change() {
        let digits = |parts: Vec<Part>| -> String {
            parts.iter().map(|part| if *part == Part::Train { '0' } else { '1' }).collect()
        };
        let labels = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let names = ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2", "e1", "e2", "f1", "f2"];
        let of =
            |stratify, group_by| digits(split(&labels, &names, &rule(0.34, stratify, group_by)).unwrap());
        assert_eq!(of(true, None), "000011000101");
        assert_eq!(of(false, None), "000001001101");
        assert_eq!(of(true, Some("^(.)")), "110000000011");
    }

    #[test]
    fn groups_are_named_by_file_name_or_path() {
        let names =
            ["covid/p1/a.png", "covid/p1/b.png", "normal/p1_c.png", "normal/p1_d.png", "normal/x.png"];
        let of = |pattern| groups(&names, &Regex::new(pattern).unwrap());
        assert_eq!(of(r"^(p\d+)_"), [vec![0], vec![1], vec![2, 3], vec![4]]);
        assert_eq!(of(r"p\d+"), [vec![0], vec![1], vec![2, 3], vec![4]]);
        assert_eq!(of(r"/(p\d+)"), [vec![0, 1, 2, 3], vec![4]]);
        assert_eq!(of(r"^\w+/p\d+"), [vec![0, 1], vec![2, 3], vec![4]]);
    }

    #[test]
    fn impossible_splits_are_refused() {
        let message = |labels: &[u8], rule: &SplitRule| anonymous(labels, rule).unwrap_err().to_string();
        assert!(message(&[0; 4], &rule(1.0, false, None)).contains("between 0 and 1"));
        assert!(message(&[0; 4], &rule(f64::NAN, false, None)).contains("between 0 and 1"));
        assert!(message(&[0; 4], &rule(0.1, false, None)).contains("4 of 4"));
        assert!(message(&[0, 0, 0, 0, 0, 1], &rule(0.3, true, None)).contains("class 1"));
        assert!(message(&[0; 4], &rule(0.3, false, Some("("))).contains("group_by"));
        let none = split(&[0; 4], &["a.png"; 4], &rule(0.5, false, Some("^p"))).unwrap_err();
        assert!(none.to_string().contains("matches none of 4"), "{none}");
        assert!(message(&[], &rule(0.3, true, None)).contains("0 of 0"));
        let one_group = split(&[0, 0, 1, 1], &["g"; 4], &rule(0.5, true, Some("g"))).unwrap_err();
        assert!(one_group.hint().is_some(), "{one_group}");
    }

    #[test]
    fn the_file_holds_zeros_and_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exp/split.npy");
        let parts = [Part::Train, Part::Validation, Part::Train];
        write_split(&path, &parts).unwrap();
        assert_eq!(read_split(&path).unwrap(), parts);
        assert!(std::fs::read(&path).unwrap().ends_with(&[b'\n', 0, 1, 0]));
        npy::write(&path, &[2], &[1, 2]).unwrap();
        assert!(read_split(&path).unwrap_err().to_string().contains('2'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sizes_are_exact_and_shares_right(
            labels in proptest::collection::vec(0_u8..4, 20..300), fraction in 0.1..0.9, stratify: bool, seed: u64,
        ) {
            let rule = SplitRule { seed, ..rule(fraction, stratify, None) };
            let Ok(parts) = anonymous(&labels, &rule) else { return Ok(()) };
            let total = (labels.len() as f64 * fraction).round() as usize;
            prop_assert_eq!(parts.iter().filter(|&&part| part == Part::Validation).count(), total);
            prop_assert_eq!(&anonymous(&labels, &rule).unwrap(), &parts);
            for label in 0..4 {
                let images = labels.iter().filter(|&&l| l == label).count();
                let share = images as f64 * fraction;
                if stratify {
                    prop_assert!((validation(&labels, &parts, label) as f64 - share).abs() < 1.0);
                }
            }
        }

        #[test]
        fn groups_stay_whole_and_come_near_their_shares(
            images in proptest::collection::vec((0_u8..2, 0_u8..60), 150..400), stratify: bool, seed: u64,
        ) {
            let labels: Vec<u8> = images.iter().map(|image| image.0).collect();
            let names: Vec<String> = images.iter().map(|image| format!("c/p{}_x.png", image.1)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let rule = SplitRule { seed, ..rule(0.3, stratify, Some(r"^p(\d+)_")) };
            let parts = split(&labels, &names, &rule).unwrap();
            let mut sides = BTreeMap::new();
            for (name, part) in names.iter().zip(&parts) {
                prop_assert_eq!(*sides.entry(name).or_insert(*part), *part);
            }
            let largest = names.iter().map(|name| names.iter().filter(|other| *other == name).count()).max();
            let total = parts.iter().filter(|&&part| part == Part::Validation).count() as f64;
            let missed = (total - images.len() as f64 * 0.3).abs();
            prop_assert!(missed <= largest.unwrap() as f64, "{total} of {}", images.len());
        }

        #[test]
        fn seeds_differ(seed: u64) {
            let labels = [vec![0; 40], vec![1; 40]].concat();
            let of = |seed| anonymous(&labels, &SplitRule { seed, ..rule(0.3, true, None) }).unwrap();
            prop_assert_ne!(of(seed), of(seed ^ 1));
        }
    }
}
