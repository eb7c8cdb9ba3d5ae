//! The `dataset` section: where the images are and what is done to them before training.

use std::path::Path;

use super::section::{Section, int, must_be, path, scalar, text};
use crate::base::human::counted;
use crate::spec::{
    Blur, Dataset, OnError, Phantom, Source, TestSet, Value,
    names::is_class_name,
    problem::Problems,
    yaml::{Content, Entry, Node},
};

/// The keys of the section.
const KEYS: [&str; 11] = [
    "images",
    "phantom",
    "classes",
    "image_size",
    "blur",
    "test",
    "validation_split",
    "stratify",
    "split_seed",
    "group_by",
    "on_error",
];

/// Largest side of an image, pixels.
pub(crate) const MAX_IMAGE_SIZE: u32 = 4096;
/// Most classes: labels are bytes.
pub(crate) const MAX_CLASSES: usize = 256;
/// Largest side of a blur kernel, pixels.
pub(crate) const MAX_KERNEL: u32 = 255;
/// Most phantoms of one class.
pub(crate) const MAX_PHANTOMS: u32 = 1_000_000;

/// The paper's side of an image, pixels.
pub(crate) const DEFAULT_IMAGE_SIZE: u32 = 224;
/// The paper's part of the images that validates.
pub(crate) const DEFAULT_SPLIT: f64 = 0.3;
/// The classes of the phantoms.
const DEFAULT_CLASSES: [&str; 2] = ["normal", "covid"];
/// Phantoms of each class.
pub(crate) const DEFAULT_PHANTOMS: u32 = 300;
/// Difficulty of the phantoms.
pub(crate) const DEFAULT_DIFFICULTY: f64 = 0.5;

/// Reads the section: every key on its own, so that a mistake in one hides none in another.
pub(super) fn read(entry: &Entry, spec_file: &Path, problems: &mut Problems) -> Option<Dataset> {
    let before = problems.len();
    let section = Section::open(&entry.value, "dataset", &entry.place, problems)?;
    section.only(&KEYS, problems);
    let classes = classes(&section, problems);
    let source = source(&section, spec_file, problems);
    let image_size = section.u32("image_size", 1, MAX_IMAGE_SIZE, problems);
    let blur = section.given("blur").and_then(|entry| blur(entry, problems));
    let test = test(&section, spec_file, problems);
    let validation_split =
        section.float("validation_split", "a number over 0 and under 1", problems, |part| {
            part > 0.0 && part < 1.0
        });
    let stratify = section.bool("stratify", problems);
    let split_seed = section.seed("split_seed", problems);
    let group_by = group_by(&section, problems);
    let on_error = section.word("on_error", &[("fail", OnError::Fail), ("skip", OnError::Skip)], problems);
    if problems.len() > before {
        return None;
    }
    Some(Dataset {
        source: source?,
        classes: classes?,
        image_size: image_size.unwrap_or(DEFAULT_IMAGE_SIZE),
        blur,
        test,
        validation_split: validation_split.unwrap_or(DEFAULT_SPLIT),
        stratify: stratify.unwrap_or(true),
        split_seed: split_seed.unwrap_or(0),
        group_by,
        on_error: on_error.unwrap_or(OnError::Fail),
    })
}

/// The class names; only the phantoms have their own.
fn classes(section: &Section<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let Some(entry) = section.given("classes") else {
        if section.given("phantom").is_some() {
            return Some(DEFAULT_CLASSES.map(str::to_owned).to_vec());
        }
        section.missing(
            "classes",
            "the list of class names in index order, such as [normal, covid]",
            problems,
        );
        return None;
    };
    let before = problems.len();
    // A folder called 0 or no: YAML takes its name for something else.
    let is_other = |node: &Node| matches!(node.content, Content::Scalar(_, _)) && text(node).is_none();
    let expected = match &entry.value.content {
        Content::Sequence(items) if items.iter().any(is_other) => {
            "class name (the name of a folder, in quotes where it is a number or a word of YAML's: \"0\")"
        }
        _ => "class name (the name of a folder)",
    };
    let names = section.list("classes", expected, problems, |node| {
        text(node).filter(|name| is_class_name(name)).map(|name| (name, &node.place))
    })?;
    let mut taken = std::collections::HashSet::new();
    for (name, place) in &names {
        if !taken.insert(*name) {
            problems.add(place, format!("`dataset.classes` repeats the class `{name}`"));
        }
    }
    let n_classes = items(entry);
    if !(2..=MAX_CLASSES).contains(&n_classes) {
        let message = format!("`dataset.classes` must name 2 to {MAX_CLASSES} classes, not {n_classes}");
        problems.add(&entry.place, message);
    }
    (problems.len() == before).then(|| names.into_iter().map(|(name, _)| name.to_owned()).collect())
}

/// Entries of a list, wrong ones included; 0 for what is no list.
fn items(entry: &Entry) -> usize {
    if let Content::Sequence(items) = &entry.value.content { items.len() } else { 0 }
}

/// How many classes there are meant to be, however wrong some of them are; `None` where that cannot be told.
fn meant_classes(section: &Section<'_>) -> Option<usize> {
    match section.given("classes") {
        None => Some(DEFAULT_CLASSES.len()),
        Some(entry) => Some(items(entry)).filter(|n_classes| *n_classes >= 2),
    }
}

fn source(section: &Section<'_>, spec_file: &Path, problems: &mut Problems) -> Option<Source> {
    let images = section
        .given("images")
        .and_then(|_| section.take("images", "the path of a folder", problems, |node| path(node, spec_file)));
    let phantom = section.given("phantom").and_then(|entry| phantom(entry, meant_classes(section), problems));
    match (section.given("images"), section.given("phantom")) {
        (None, None) => {
            section.missing(
                "images",
                "the folder with a folder per class; or give `dataset.phantom`",
                problems,
            );
            None
        }
        (Some(_), Some(entry)) => {
            problems.add(&entry.place, "`dataset.phantom` and `dataset.images` exclude each other");
            None
        }
        (Some(_), None) => images.map(Source::Images),
        (None, Some(_)) => phantom.map(Source::Phantom),
    }
}

fn phantom(entry: &Entry, n_classes: Option<usize>, problems: &mut Problems) -> Option<Phantom> {
    let section = Section::open(&entry.value, "dataset.phantom", &entry.place, problems)?;
    section.only(&["images", "difficulty", "seed"], problems);
    let expected = format!("whole number from 1 to {MAX_PHANTOMS}");
    let images = section.list("images", &expected, problems, |node| {
        int(node, 1, MAX_PHANTOMS.into()).and_then(|count| u32::try_from(count).ok())
    });
    if let (Some(_), Some(entry), Some(n_classes)) = (&images, section.entry("images"), n_classes)
        && items(entry) != n_classes
    {
        let message = format!(
            "`dataset.phantom.images` has {} for {n_classes} classes",
            counted(items(entry), "count")
        );
        problems.add(&entry.place, message);
    }
    let difficulty =
        section.float("difficulty", "a number from 0 (easy) to 1 (hopeless)", problems, |value| {
            (0.0..=1.0).contains(&value)
        });
    let seed = section.seed("seed", problems);
    Some(Phantom {
        images: images.unwrap_or_else(|| vec![DEFAULT_PHANTOMS; n_classes.unwrap_or_default()]),
        difficulty: difficulty.unwrap_or(DEFAULT_DIFFICULTY),
        seed: seed.unwrap_or(0),
    })
}

fn blur(entry: &Entry, problems: &mut Problems) -> Option<Blur> {
    let section = Section::open(&entry.value, "dataset.blur", &entry.place, problems)?;
    section.only(&["kernel", "sigma"], problems);
    let expected = format!("an odd whole number from 1 to {MAX_KERNEL}");
    let kernel = match section.given("kernel") {
        Some(_) => section.take("kernel", &expected, problems, |node| {
            let kernel = int(node, 1, MAX_KERNEL.into()).filter(|kernel| kernel % 2 == 1)?;
            u32::try_from(kernel).ok()
        }),
        None => {
            section.missing("kernel", &expected, problems);
            None
        }
    };
    let expected = "a number over 0, at most 1000";
    let sigma = match section.given("sigma") {
        Some(_) => section.float("sigma", expected, problems, |sigma| sigma > 0.0 && sigma <= 1000.0),
        None => {
            section.missing("sigma", expected, problems);
            None
        }
    };
    Some(Blur { kernel: kernel?, sigma: sigma? })
}

/// A number is a share, text is a folder.
fn test(section: &Section<'_>, spec_file: &Path, problems: &mut Problems) -> Option<TestSet> {
    let entry = section.given("test")?;
    let expected = "a number over 0 and under 1 or the path of a folder";
    let test = section.take("test", expected, problems, |node| match scalar(node)? {
        Value::Text(_) => path(node, spec_file).map(TestSet::Folder),
        number => number.as_f64().filter(|share| *share > 0.0 && *share < 1.0).map(TestSet::Share),
    })?;
    if matches!(test, TestSet::Folder(_)) && section.given("phantom").is_some() {
        problems.add(&entry.value.place, "`dataset.test` must be a number where the images are phantoms");
    }
    Some(test)
}

fn group_by(section: &Section<'_>, problems: &mut Problems) -> Option<String> {
    let entry = section.given("group_by")?;
    let Some(pattern) = text(&entry.value).filter(|pattern| !pattern.is_empty()) else {
        must_be("`dataset.group_by`", "a regular expression", &entry.value, problems);
        return None;
    };
    if let Err(error) = regex::Regex::new(pattern) {
        // The crate draws the pattern with carets on several lines; its last line says what is wrong.
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        let message = format!("`dataset.group_by`: `{pattern}` is not a regular expression: {reason}");
        problems.add(&entry.value.place, message);
    }
    Some(pattern.to_owned())
}
