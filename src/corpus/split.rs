//! Which images train, which validate and which are held out: seeded, the same for all runs of an experiment.
//!
//! The validation part has `round(n * fraction)` images, as the paper counts (2,134 images, 0.3: 640). Its draw is
//! [`Stream`]'s shuffle, spelled out there, so that a seed means the same images for ever. Pure but for the reading and
//! writing of `split.npy`; called by the sweep (split, write) and the worker (read).

use std::{collections::BTreeMap, path::Path};

use regex::Regex;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    npy::{self, NpyError},
    random::Stream,
};
use crate::spec::{Dataset, TestSet};

/// The part of the split that an image is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Trains: 0 in `split.npy`.
    Train,
    /// Validates: 1 in `split.npy`.
    Validation,
    /// Held out for one last evaluation: 2 in `split.npy`.
    Test,
}

impl Part {
    /// The word of `corpus.csv` and of the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// How to split.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitRule {
    /// Part of the images that is held out before the rest is split, over 0 and under 1; none where it is absent.
    pub test: Option<f64>,
    /// Part of the images that validates, over 0 and under 1; of those that are not held out.
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
    pub fn from_dataset(dataset: &Dataset) -> Self {
        Self {
            test: match dataset.test {
                Some(TestSet::Share(share)) => Some(share),
                Some(TestSet::Folder(_)) | None => None,
            },
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
    /// The test share is no part of a whole.
    #[error("a test share of {0} is not between 0 and 1")]
    TestFraction(f64),
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
    /// The test set, or stratified a class of it, has no images.
    #[error(
        "a test share of {share} holds out none of {images} images{}",
        label.map(|label| format!(" of class {label}")).unwrap_or_default()
    )]
    EmptyTest {
        /// The share.
        share: f64,
        /// Images there are, of the class where there is one.
        images: usize,
        /// The class index, where it is a class that is left out.
        label: Option<u8>,
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
            Self::Fraction(_) | Self::TestFraction(_) | Self::Pattern(_) => None,
            Self::NoGroups { .. } => Some(
                "it is matched against file names, or with a `/` in it against the path below the images folder",
            ),
            Self::EmptySide { .. } | Self::EmptyClass { .. } => {
                Some("more images, smaller groups or another `validation_split` help")
            }
            Self::EmptyTest { .. } => Some("more images, smaller groups or a larger `test` share help"),
        }
    }
}

/// Splits a corpus: `labels` and `names` (paths below the images folder) of the same images, one [`Part`] for each.
///
/// A test share is drawn first, then the validation part from the images that are left, both from one stream; without a
/// test share the stream is that of the validation part alone. Stratified, each class gives its share, `n_class *
/// fraction` rounded so that the shares sum to the total (largest remainder, ties to the lower class). With groups the
/// shares are approached, not met: groups are visited in random order and change sides where that brings the drawn part
/// nearer to its shares, until none does.
///
/// # Errors
/// [`SplitError`]; in particular where a part, or stratified a class of a part, would be empty.
///
/// # Panics
/// Where `labels` and `names` have different lengths.
pub fn split(labels: &[u8], names: &[&str], rule: &SplitRule) -> Result<Vec<Part>, SplitError> {
    assert_eq!(labels.len(), names.len(), "a label and a name for each image");
    let is_share = |fraction: f64| fraction > 0.0 && fraction < 1.0;
    if !is_share(rule.fraction) {
        return Err(SplitError::Fraction(rule.fraction));
    }
    if let Some(test) = rule.test.filter(|test| !is_share(*test)) {
        return Err(SplitError::TestFraction(test));
    }
    // Unstratified, all images are of one stratum.
    let strata: Vec<u8> = labels.iter().map(|&label| if rule.stratify { label } else { 0 }).collect();
    let mut groups = match &rule.group_by {
        None => None,
        Some(pattern) => {
            let regex = Regex::new(pattern).map_err(|error| SplitError::Pattern(Box::new(error)))?;
            if !names.is_empty() && !names.iter().any(|name| regex.is_match(subject(name, &regex))) {
                return Err(SplitError::NoGroups { pattern: pattern.clone(), names: names.len() });
            }
            Some(groups(names, &regex))
        }
    };
    let mut parts = vec![Part::Train; labels.len()];
    let mut stream = Stream::new("gridboard split v1", &[rule.seed]);
    let draws =
        rule.test.map(|test| (Part::Test, test)).into_iter().chain([(Part::Validation, rule.fraction)]);
    for (part, fraction) in draws {
        let left: Vec<usize> = (0..labels.len()).filter(|&image| parts[image] == Part::Train).collect();
        let quotas = quotas(left.iter().map(|&image| strata[image]), fraction);
        let drawn = match &mut groups {
            None => draw(&strata, &left, &quotas, &mut stream),
            Some(groups) => {
                groups.retain(|group| parts[group[0]] == Part::Train);
                draw_groups(&strata, &quotas, groups.clone(), &mut stream)
            }
        };
        drawn.into_iter().for_each(|image| parts[image] = part);
    }
    check(labels, &parts, rule)?;
    Ok(parts)
}

/// Images of each stratum that are drawn; `strata` has that of every image there is to draw from.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of images are far below 2^53, and their parts are not negative"
)]
fn quotas(strata: impl Iterator<Item = u8>, fraction: f64) -> Vec<usize> {
    let mut counts: Vec<usize> = Vec::new();
    for stratum in strata.map(usize::from) {
        if counts.len() <= stratum {
            counts.resize(stratum + 1, 0);
        }
        counts[stratum] += 1;
    }
    let total = (counts.iter().sum::<usize>() as f64 * fraction).round() as usize;
    let exact: Vec<f64> = counts.iter().map(|&count| count as f64 * fraction).collect();
    let mut quotas: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut by_remainder: Vec<usize> = (0..quotas.len()).collect();
    by_remainder.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let missing = total.saturating_sub(quotas.iter().sum());
    by_remainder.into_iter().cycle().take(missing).for_each(|stratum| quotas[stratum] += 1);
    quotas
}

/// Shuffles each stratum of the images that are left and takes the last of it.
fn draw(strata: &[u8], left: &[usize], quotas: &[usize], stream: &mut Stream) -> Vec<usize> {
    let mut drawn = Vec::new();
    for (stratum, &quota) in quotas.iter().enumerate() {
        let of_stratum = |image: &usize| usize::from(strata[*image]) == stratum;
        let mut members: Vec<usize> = left.iter().copied().filter(of_stratum).collect();
        stream.shuffle(&mut members);
        drawn.extend(members.iter().rev().take(quota));
    }
    drawn
}

/// What a pattern is matched against: the file's name, or the whole path where the pattern has a `/`.
fn subject<'path>(path: &'path str, pattern: &Regex) -> &'path str {
    if pattern.as_str().contains('/') { path } else { path.rsplit('/').next().unwrap_or(path) }
}

/// The group that a pattern names for a file, where it matches: its first group, or the whole match.
pub(super) fn group_of<'path>(path: &'path str, pattern: &Regex) -> Option<&'path str> {
    let captures = pattern.captures(subject(path, pattern))?;
    captures.get(1).or(captures.get(0)).map(|group| group.as_str())
}

/// The images of each group, groups in the order of their first image.
fn groups(names: &[&str], pattern: &Regex) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for (image, &path) in names.iter().enumerate() {
        match group_of(path, pattern) {
            Some(group) => {
                let place = *by_name.entry(group).or_insert(groups.len());
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

/// Takes whole groups, see [`split`].
fn draw_groups(
    strata: &[u8],
    quotas: &[usize],
    mut groups: Vec<Vec<usize>>,
    stream: &mut Stream,
) -> Vec<usize> {
    stream.shuffle(&mut groups);
    let mut is_drawn = vec![false; groups.len()];
    let mut missing: Vec<i64> =
        quotas.iter().map(|&quota| i64::try_from(quota).expect("a quota is a number of images")).collect();
    // The total counts beside the classes: else one class could make up for another in the wrong direction.
    let distance = |missing: &[i64]| {
        missing.iter().map(|count| count.abs()).sum::<i64>() + missing.iter().sum::<i64>().abs()
    };
    loop {
        let before = distance(&missing);
        for (group, is_drawn) in groups.iter().zip(&mut is_drawn) {
            let change = if *is_drawn { 1 } else { -1 };
            let mut after = missing.clone();
            group.iter().for_each(|&image| after[usize::from(strata[image])] += change);
            if distance(&after) < distance(&missing) {
                *is_drawn = !*is_drawn;
                missing = after;
            }
        }
        if distance(&missing) == before {
            let drawn = groups.into_iter().zip(is_drawn).filter(|(_, is_drawn)| *is_drawn);
            return drawn.flat_map(|(group, _)| group).collect();
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
    if let Some(share) = rule.test
        && count(Part::Test, None) == 0
    {
        return Err(SplitError::EmptyTest { share, images: labels.len(), label: None });
    }
    if train == 0 || validation == 0 {
        return Err(SplitError::EmptySide { fraction, train, validation });
    }
    let last = if rule.stratify { labels.iter().copied().max() } else { None };
    for label in 0..=last.unwrap_or_default() {
        let [train, validation, test] =
            [Part::Train, Part::Validation, Part::Test].map(|part| count(part, Some(label)));
        let images = train + validation + test;
        if last.is_none() || images == 0 {
            continue;
        }
        if let Some(share) = rule.test.filter(|_| test == 0) {
            return Err(SplitError::EmptyTest { share, images, label: Some(label) });
        }
        if train == 0 || validation == 0 {
            return Err(SplitError::EmptyClass { fraction, label, train, validation });
        }
    }
    Ok(())
}

/// Writes `split.npy` (u8, `[n]`: 0 trains, 1 validates, 2 is held out for the test), atomically.
///
/// # Errors
/// [`NpyError::File`].
pub fn write_split(path: &Path, parts: &[Part]) -> Result<(), NpyError> {
    let bytes: Vec<u8> = parts.iter().map(|&part| part as u8).collect();
    npy::write(path, &[bytes.len() as u64], &bytes)
}

/// Reads a `split.npy`.
///
/// # Errors
/// [`NpyError`] where the file is no list of zeros, ones and twos.
pub fn read_split(path: &Path) -> Result<Vec<Part>, NpyError> {
    let (shape, bytes) = npy::read(path)?;
    if shape.len() != 1 {
        return Err(npy::format_error(path, format!("shape {shape:?} is not [n]")));
    }
    let part = |&byte: &u8| match byte {
        0 => Ok(Part::Train),
        1 => Ok(Part::Validation),
        2 => Ok(Part::Test),
        other => {
            let reason = format!("{other} is none of 0 (train), 1 (validation) and 2 (test)");
            Err(npy::format_error(path, reason))
        }
    };
    bytes.iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rule(fraction: f64, stratify: bool, group_by: Option<&str>) -> SplitRule {
        SplitRule { test: None, fraction, stratify, seed: 0, group_by: group_by.map(str::to_owned) }
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
            parts.iter().map(|&part| char::from(b'0' + part as u8)).collect()
        };
        let labels = [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1];
        let names = ["a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2", "e1", "e2", "f1", "f2"];
        let of =
            |stratify, group_by| digits(split(&labels, &names, &rule(0.34, stratify, group_by)).unwrap());
        assert_eq!(of(true, None), "000011000101");
        assert_eq!(of(false, None), "000001001101");
        assert_eq!(of(true, Some("^(.)")), "110000000011");
        let with_test = SplitRule { test: Some(0.2), ..rule(0.34, true, None) };
        let of = digits(split(&labels, &names, &with_test).unwrap());
        assert_eq!(of, "110002000210");
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
        let with_test = |share| SplitRule { test: Some(share), ..rule(0.3, true, None) };
        assert!(message(&[0; 4], &with_test(1.0)).contains("test share of 1 is not between"));
        assert!(message(&[0; 8], &with_test(0.01)).contains("holds out none of 8 images"));
        let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
        assert!(message(&labels, &with_test(0.2)).contains("none of 2 images of class 1"));
        let one_group = split(&[0, 0, 1, 1], &["g"; 4], &rule(0.5, true, Some("g"))).unwrap_err();
        assert!(one_group.hint().is_some(), "{one_group}");
    }

    #[test]
    fn the_file_holds_a_byte_for_each_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exp/split.npy");
        let parts = [Part::Train, Part::Validation, Part::Test, Part::Train];
        write_split(&path, &parts).unwrap();
        assert_eq!(read_split(&path).unwrap(), parts);
        assert!(std::fs::read(&path).unwrap().ends_with(&[b'\n', 0, 1, 2, 0]));
        npy::write(&path, &[2], &[1, 3]).unwrap();
        assert!(read_split(&path).unwrap_err().to_string().contains("3 is none of"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sizes_are_exact_and_shares_right(
            labels in proptest::collection::vec(0_u8..4, 20..300), fraction in 0.1..0.9, stratify: bool, seed: u64,
        ) {
            let rule = SplitRule { seed, ..rule(fraction, stratify, None) };
            let parts = anonymous(&labels, &rule);
            // Few images of a class may leave it out of a part. Were every split refused, the property would fail.
            prop_assume!(parts.is_ok());
            let parts = parts.unwrap();
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

        /// The three parts of a split with a test share: their sizes, shares and stability.
        #[test]
        fn a_test_share_comes_off_first(
            labels in proptest::collection::vec(0_u8..3, 40..300), share in 0.1..0.5, fraction in 0.1..0.9,
            stratify: bool, seed: u64,
        ) {
            let rule = SplitRule { test: Some(share), seed, ..rule(fraction, stratify, None) };
            let parts = anonymous(&labels, &rule);
            // Few images of a class may leave it out of a part. Were every split refused, the property would fail.
            prop_assume!(parts.is_ok());
            let parts = parts.unwrap();
            let count = |wanted| parts.iter().filter(|&&part| part == wanted).count();
            let test = (labels.len() as f64 * share).round() as usize;
            let rest = labels.len() - test;
            prop_assert_eq!(count(Part::Test), test);
            prop_assert_eq!(count(Part::Validation), (rest as f64 * fraction).round() as usize);
            prop_assert_eq!(&anonymous(&labels, &rule).unwrap(), &parts);
            for label in 0..3 {
                let of = |part| labels.iter().zip(&parts).filter(|&(&l, &p)| l == label && p == part).count() as f64;
                let (held, images) = (of(Part::Test), labels.iter().filter(|&&l| l == label).count() as f64);
                if stratify {
                    prop_assert!((held - images * share).abs() < 1.0);
                    prop_assert!((of(Part::Validation) - (images - held) * fraction).abs() < 1.0);
                }
            }
        }

        #[test]
        fn no_group_spans_two_of_three_parts(
            images in proptest::collection::vec((0_u8..2, 0_u8..60), 150..400), stratify: bool, seed: u64,
        ) {
            let labels: Vec<u8> = images.iter().map(|image| image.0).collect();
            let names: Vec<String> = images.iter().map(|image| format!("c/p{}_x.png", image.1)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let rule = SplitRule { test: Some(0.2), seed, ..rule(0.3, stratify, Some(r"^p(\d+)_")) };
            let parts = split(&labels, &names, &rule).unwrap();
            let mut of_group = BTreeMap::new();
            for (name, part) in names.iter().zip(&parts) {
                prop_assert_eq!(*of_group.entry(name).or_insert(*part), *part);
            }
            let largest = names.iter().map(|name| names.iter().filter(|other| *other == name).count()).max();
            let test = parts.iter().filter(|&&part| part == Part::Test).count() as f64;
            prop_assert!((test - images.len() as f64 * 0.2).abs() <= largest.unwrap() as f64);
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
