//! Which images a run answers right, in a bit each: what the tests between runs need of `predictions.csv`.
//!
//! Made where predictions are taken into the database, kept there, and compared by `rank`; 640 images take 80 bytes, so
//! a leaderboard of thousands of runs is tested without opening a file.

use crate::stats::McNemar;

use super::Prediction;

/// The images that a run answers right. Two of them compare where they are of the same images with the same labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hits {
    /// BLAKE3 of the images' names and labels, by name.
    set: [u8; 32],
    images: usize,
    /// A bit for each image by name, the lowest of the first byte first; the bits after the last are 0.
    bits: Vec<u8>,
}

impl Hits {
    /// The hits of a run's predictions, which may come in any order; `None` where two images of one class have one name, so
    /// that nobody can tell which is which in another run.
    #[must_use]
    pub fn from_predictions(predictions: &[Prediction]) -> Option<Self> {
        let mut order: Vec<&Prediction> = predictions.iter().collect();
        // A program may name images without their folder: two of one name in two classes.
        order.sort_by(|a, b| (&a.image, a.label).cmp(&(&b.image, b.label)));
        if order.windows(2).any(|pair| (&pair[0].image, pair[0].label) == (&pair[1].image, pair[1].label)) {
            return None;
        }
        let mut set = blake3::Hasher::new();
        let mut bits = vec![0; predictions.len().div_ceil(8)];
        for (place, prediction) in order.into_iter().enumerate() {
            // With its length, so that no two lists of names run together.
            set.update(&(prediction.image.len() as u64).to_le_bytes());
            set.update(prediction.image.as_bytes());
            set.update(&(prediction.label as u64).to_le_bytes());
            bits[place / 8] |= u8::from(prediction.label == prediction.predicted) << (place % 8);
        }
        Some(Self { set: set.finalize().into(), images: predictions.len(), bits })
    }

    /// What [`Hits::set`], [`Hits::images`] and [`Hits::bits`] said; `None` where they do not belong together.
    #[must_use]
    pub fn from_parts(set: &[u8], images: u64, bits: Vec<u8>) -> Option<Self> {
        let images = usize::try_from(images).ok()?;
        let spare = bits.last().map_or(0, |last| last >> (images % 8));
        let fits = bits.len() == images.div_ceil(8) && (images.is_multiple_of(8) || spare == 0);
        Some(Self { set: set.try_into().ok()?, images, bits }).filter(|_| fits)
    }

    /// The id of the images and their labels.
    #[must_use]
    pub fn set(&self) -> &[u8] {
        &self.set
    }

    /// How many images.
    #[must_use]
    pub fn images(&self) -> u64 {
        self.images as u64
    }

    /// The bits, packed.
    #[must_use]
    pub fn bits(&self) -> &[u8] {
        &self.bits
    }

    /// How many images are answered right.
    #[must_use]
    pub fn correct(&self) -> u64 {
        self.bits.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// The two side by side; `None` where they are of other images or other labels.
    #[must_use]
    pub fn against(&self, other: &Self) -> Option<McNemar> {
        if (self.set, self.images) != (other.set, other.images) {
            return None;
        }
        let count = |which: fn(u8, u8) -> u8| -> u64 {
            self.bits.iter().zip(&other.bits).map(|(a, b)| u64::from(which(*a, *b).count_ones())).sum()
        };
        let (both, only_first, only_second) =
            (count(|a, b| a & b), count(|a, b| a & !b), count(|a, b| !a & b));
        let neither = self.images() - both - only_first - only_second;
        Some(McNemar { both, only_first, only_second, neither })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prediction(image: &str, label: usize, predicted: usize) -> Prediction {
        Prediction { image: image.to_owned(), label, predicted, probabilities: vec![0.5, 0.5] }
    }

    #[test]
    fn images_of_one_name_in_two_classes_are_two_in_any_order() {
        let mut rows: Vec<Prediction> = (0..9)
            .flat_map(|place| {
                [0, 1].map(|class| prediction(&format!("{place}.png"), class, usize::from(place % 3 == 0)))
            })
            .collect();
        let hits = Hits::from_predictions(&rows).unwrap();
        rows.reverse();
        assert_eq!(Hits::from_predictions(&rows).unwrap(), hits);
        assert_eq!(hits.against(&hits).unwrap().images(), 18);
        rows.push(rows[0].clone());
        assert_eq!(Hits::from_predictions(&rows), None, "one of them cannot be told from another");
    }

    #[test]
    fn other_images_or_labels_do_not_compare() {
        let hits_of = |rows: &[Prediction]| Hits::from_predictions(rows).unwrap();
        let hits = hits_of(&[prediction("a", 0, 0), prediction("b", 1, 0)]);
        assert_eq!(hits.against(&hits_of(&[prediction("a", 0, 0), prediction("c", 1, 0)])), None);
        assert_eq!(hits.against(&hits_of(&[prediction("a", 0, 0), prediction("b", 0, 0)])), None);
        assert_eq!(hits.against(&hits_of(&[prediction("a", 0, 0)])), None);
        let table = hits.against(&hits_of(&[prediction("b", 1, 1), prediction("a", 0, 0)])).unwrap();
        assert_eq!(table, McNemar { both: 1, only_second: 1, ..McNemar::default() });
    }

    #[test]
    fn parts_that_do_not_belong_together_are_refused() {
        let set = [0; 32];
        assert!(Hits::from_parts(&set, 9, vec![255, 1]).is_some());
        assert!(Hits::from_parts(&set, 8, vec![255]).is_some());
        assert!(Hits::from_parts(&set, 0, vec![]).is_some());
        assert!(Hits::from_parts(&set, 9, vec![255, 2]).is_none(), "a bit behind the last image");
        assert!(Hits::from_parts(&set, 9, vec![255]).is_none());
        assert!(Hits::from_parts(&set[1..], 8, vec![255]).is_none());
    }

    proptest! {
        #[test]
        fn bits_count_as_the_images_do(images in prop::collection::vec((0usize..3, 0usize..3, 0usize..3), 0..70)) {
            let of = |which: fn(&(usize, usize, usize)) -> usize| -> Vec<Prediction> {
                let name = |place| format!("image-{place}");
                images.iter().enumerate().map(|(place, row)| prediction(&name(place), row.0, which(row))).collect()
            };
            let (first, mut second) = (of(|row| row.1), of(|row| row.2));
            second.reverse();
            let (first, second) = (Hits::from_predictions(&first).unwrap(), Hits::from_predictions(&second).unwrap());
            let counted = McNemar::count(images.iter().map(|row| (row.0 == row.1, row.0 == row.2)));
            prop_assert_eq!(first.against(&second), Some(counted));
            prop_assert_eq!(first.correct(), counted.both + counted.only_first);
            let read = Hits::from_parts(first.set(), first.images(), first.bits().to_vec());
            prop_assert_eq!(read, Some(first));
        }
    }
}
