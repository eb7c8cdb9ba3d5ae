//! Fig. 11: which X-rays are shown, and the figure of them.
//!
//! Called by `gridboard predict --figure` for a user's files and by the report for a run's own validation images, whose
//! answers are in `predictions.csv` and whose pixels are in the corpus: no network is asked for those.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use image::GrayImage;

use crate::{
    base::human::grouped,
    corpus::{self, MappedCorpus, npy::NpyError},
    figure::{Figure, FigureError, GalleryEntry, gallery},
    predictions::{self, PredictionsError},
    run::RunDataset,
};

/// An image that has an answer, as far as the choice goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    /// Its place among the images.
    pub place: usize,
    /// Predicted class.
    pub predicted: usize,
    /// The probability of the predicted class.
    pub probability: f32,
    /// True class, where it is known.
    pub truth: Option<usize>,
}

impl Shown {
    fn is_wrong(&self) -> bool {
        self.truth.is_some_and(|truth| truth != self.predicted)
    }
}

/// Why the X-rays of a run cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XraysError {
    /// The predictions cannot be read.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// The corpus cannot be opened.
    #[error(transparent)]
    Corpus(#[from] NpyError),
    /// The corpus' index cannot be used.
    #[error("`{}`: {problem}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The figure cannot be drawn.
    #[error(transparent)]
    Figure(#[from] FigureError),
}

/// At most `most` of `all`, in their order: of wrong answers up to half, and where either kind has fewer than its half the
/// other has the rest. Within a kind evenly along the order, so that no class and no end of a folder is left out. The
/// sentence says what was left out: the shares in such a figure are not those of the answers.
#[must_use]
pub(crate) fn choose(all: &[Shown], most: usize) -> (Vec<&Shown>, String) {
    let (wrong, right): (Vec<&Shown>, Vec<&Shown>) = all.iter().partition(|shown| shown.is_wrong());
    if all.len() <= most {
        return (all.iter().collect(), String::new());
    }
    let of_wrong = wrong.len().min((most / 2).max(most.saturating_sub(right.len())));
    let of_right = most - of_wrong;
    let mut chosen = spread(&wrong, of_wrong);
    chosen.extend(spread(&right, of_right));
    chosen.sort_by_key(|shown| shown.place);
    let images = grouped(all.len() as u64);
    let note = if all.iter().any(|shown| shown.truth.is_some()) {
        let counts = [of_wrong, wrong.len(), of_right, right.len()].map(|count| grouped(count as u64));
        let [of_wrong, wrong, of_right, right] = counts;
        let others = if all.iter().all(|shown| shown.truth.is_some()) { "right" } else { "other" };
        format!(
            "Of {images} images, {of_wrong} of {wrong} wrong and {of_right} of {right} {others} answers are shown, evenly chosen."
        )
    } else {
        format!("Of {images} images, {most} are shown, evenly chosen.")
    };
    (chosen, note)
}

/// `count` elements, evenly along the slice: the middles of as many equal stretches.
fn spread<'a>(all: &[&'a Shown], count: usize) -> Vec<&'a Shown> {
    (0..count).map(|part| all[(2 * part + 1) * all.len() / (2 * count)]).collect()
}

/// The figure of `chosen`: `pixels` gives the image of a place, `[side, side]`.
///
/// # Errors
/// [`FigureError`]; also where the pixels of an image are not a square of `side`.
pub(crate) fn xrays(
    title: &str,
    note: &str,
    chosen: &[&Shown],
    classes: &[String],
    side: u32,
    pixels: impl Fn(usize) -> Vec<u8>,
) -> Result<Figure, FigureError> {
    let name = |class: usize| classes.get(class).cloned().unwrap_or_else(|| class.to_string());
    let entry = |shown: &&Shown| {
        Some(GalleryEntry {
            image: GrayImage::from_raw(side, side, pixels(shown.place))?,
            predicted: name(shown.predicted),
            probability: shown.probability,
            truth: shown.truth.map(name),
        })
    };
    let entries: Option<Vec<GalleryEntry>> = chosen.iter().map(entry).collect();
    gallery(title, &entries.ok_or(FigureError::Empty("an image is not of the size of the corpus"))?, note)
}

/// Fig. 11 of a run's own validation images, at most `most`: answers from `predictions` (the run's `predictions.csv`),
/// pixels from the prepared corpus, as the network saw them.
///
/// # Errors
/// [`XraysError`]: the predictions or the corpus are gone, or do not belong together.
pub(crate) fn validation_xrays(
    title: &str,
    predictions: &Path,
    dataset: &RunDataset,
    most: usize,
) -> Result<Figure, XraysError> {
    answered(title, predictions, dataset, most, |_| true)
}

/// As [`validation_xrays`], of wrong answers alone.
///
/// # Errors
/// As [`validation_xrays`]; [`FigureError::Empty`] where no answer is wrong.
pub(crate) fn misclassified_xrays(
    title: &str,
    predictions: &Path,
    dataset: &RunDataset,
    most: usize,
) -> Result<Figure, XraysError> {
    answered(title, predictions, dataset, most, Shown::is_wrong)
}

fn answered(
    title: &str,
    predictions: &Path,
    dataset: &RunDataset,
    most: usize,
    is_wanted: impl Fn(&Shown) -> bool,
) -> Result<Figure, XraysError> {
    let rows = predictions::read(predictions, &dataset.classes)?.rows;
    let all: Vec<Shown> = rows
        .iter()
        .enumerate()
        .map(|(place, row)| Shown {
            place,
            predicted: row.predicted,
            probability: row.probabilities.get(row.predicted).copied().unwrap_or(f32::NAN),
            truth: Some(row.label),
        })
        .filter(is_wanted)
        .collect();
    let mapped = MappedCorpus::open(&dataset.cache)?;
    let places = corpus_rows(&dataset.cache)?;
    let (chosen, note) = choose(&all, most);
    let pixels = |place: usize| {
        let row = places.get(&rows[place].image).filter(|row| **row < mapped.len());
        row.map(|row| mapped.image(*row).to_vec()).unwrap_or_default()
    };
    Ok(xrays(title, &note, &chosen, &dataset.classes, dataset.image_size, pixels)?)
}

/// The row of each file of a prepared corpus.
fn corpus_rows(cache: &Path) -> Result<HashMap<String, usize>, XraysError> {
    let path = cache.join(corpus::INDEX_FILE);
    let fail = |problem: String| XraysError::Index { path: path.clone(), problem };
    let text = fs::read_to_string(&path).map_err(|error: io::Error| fail(error.to_string()))?;
    let index = corpus::parse_index(&text).map_err(fail)?;
    Ok(index.into_iter().enumerate().map(|(row, entry)| (entry.file, row)).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(answers: &[(usize, Option<usize>)]) -> Vec<Shown> {
        let of = |(place, &(predicted, truth)): (usize, &(usize, Option<usize>))| Shown {
            place,
            predicted,
            probability: 0.9,
            truth,
        };
        answers.iter().enumerate().map(of).collect()
    }

    #[test]
    fn errors_have_their_half_and_what_is_left_out_is_said() {
        let mut answers = vec![(0, Some(0)); 100];
        (0..10).for_each(|error| answers[error * 10].0 = 1);
        let all = shown(&answers);
        let (chosen, note) = choose(&all, 12);
        assert_eq!(chosen.iter().filter(|shown| shown.is_wrong()).count(), 6);
        assert_eq!(note, "Of 100 images, 6 of 10 wrong and 6 of 90 right answers are shown, evenly chosen.");
        assert!(chosen.is_sorted_by_key(|shown| shown.place));
        assert!(chosen[0].place < 15 && chosen[11].place > 85, "{chosen:?}");
        let (chosen, note) = choose(&all, 30);
        assert_eq!((chosen.iter().filter(|shown| shown.is_wrong()).count(), chosen.len()), (10, 30));
        assert!(note.contains("10 of 10 wrong and 20 of 90 right"), "{note}");
        assert_eq!(choose(&shown(&vec![(1, None); 9]), 4).1, "Of 9 images, 4 are shown, evenly chosen.");
    }

    proptest! {
        #[test]
        fn a_choice_is_as_long_as_it_can_be_and_repeats_nothing(
            answers in proptest::collection::vec((0_usize..2, proptest::option::of(0_usize..2)), 0..80),
            most in 1_usize..40,
        ) {
            let all = shown(&answers);
            let (chosen, note) = choose(&all, most);
            prop_assert_eq!(chosen.len(), most.min(all.len()));
            prop_assert!(chosen.windows(2).all(|pair| pair[0].place < pair[1].place));
            prop_assert_eq!(note.is_empty(), all.len() <= most);
        }
    }
}
