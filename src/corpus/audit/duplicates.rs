//! Images that are there more than once: the same file, the same pixels, or nearly the same picture.
//!
//! Called by the audit. `index` proposes near pairs, `look` confirms them; what is counted here is what they do to
//! results: a copy on the other side of the split is remembered rather than recognised, and a copy in another class has a
//! wrong label.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Subject, index, look::Hash};
use crate::corpus::Part;

/// Least correlation of detail of a near pair: between the most alike strangers (0.83) and the least alike copies (0.89)
/// of [`super::look::Look::detail`].
const MIN_DETAIL: f64 = 0.86;

/// Contrast under which an image is flat, gray levels: a hash of noise looks like any other.
const FLAT: f64 = 1.0;

/// How alike the images of a pair are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The files have the same bytes.
    SameFile,
    /// Different files of the same pixels, once prepared.
    SamePixels,
    /// Another size, compression, brightness or contrast of the same picture.
    Near,
}

impl Likeness {
    /// All of them, the closest first.
    pub const ALL: [Self; 3] = [Self::SameFile, Self::SamePixels, Self::Near];

    /// The word of the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameFile => "same file",
            Self::SamePixels => "same pixels",
            Self::Near => "near",
        }
    }
}

/// An image of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Path below the images folder; the whole path for an image of a test folder.
    pub file: String,
    /// Its class.
    pub class: String,
    /// Its part of the split, where there is one.
    pub part: Option<Part>,
}

/// Two images of one picture. A set of n images with the same pixels is told as n - 1 pairs, each image with the first of
/// its kind; a near pair is one of the first images of such sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// How alike they are.
    pub likeness: Likeness,
    /// The image that comes first in the corpus.
    pub first: Member,
    /// The other one.
    pub second: Member,
    /// Bits of the perceptual hash that differ, of 256.
    pub distance: u32,
    /// Correlation of their detail, up to 1.
    pub detail: f64,
}

impl Pair {
    /// Whether the two have different classes.
    #[must_use]
    pub fn is_across_classes(&self) -> bool {
        self.first.class != self.second.class
    }

    /// Whether the two are in different parts of the split.
    #[must_use]
    pub fn is_across_parts(&self) -> bool {
        self.first.part != self.second.part
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Every pair; those across the split first, then those across classes, then the closest.
    pub pairs: Vec<Pair>,
    /// Images beyond the first of each picture.
    pub surplus: u64,
    /// Images of pictures that are there in several classes.
    pub label_conflicts: u64,
    /// Validation images whose picture also trains.
    pub leaked_validation: u64,
    /// Test images whose picture also trains or validates.
    pub leaked_test: u64,
}

impl Duplicates {
    /// Pairs of a likeness: all, those across classes, those across the split.
    #[must_use]
    pub fn count(&self, likeness: Likeness) -> [u64; 3] {
        let of = |wanted: &dyn Fn(&Pair) -> bool| {
            self.pairs.iter().filter(|pair| pair.likeness == likeness && wanted(pair)).count() as u64
        };
        [of(&|_| true), of(&Pair::is_across_classes), of(&Pair::is_across_parts)]
    }
}

/// Finds the duplicates among `images`.
pub(super) fn find(images: &[Subject]) -> Duplicates {
    let (mut links, firsts) = exact(images);
    links.extend(near(images, &firsts));
    let pictures = Pictures::from_links(images.len(), &links);
    let mut duplicates = Duplicates { pairs: Vec::new(), ..pictures.count(images) };
    let member = |image: usize| {
        let Subject { file, class, part, .. } = &images[image];
        Member { file: file.clone(), class: class.clone(), part: *part }
    };
    let pair = |link: Link| Pair {
        likeness: link.likeness,
        first: member(link.first),
        second: member(link.second),
        distance: link.distance,
        detail: link.detail,
    };
    links.sort_by_key(|link| (link.likeness, link.first, link.second));
    duplicates.pairs = links.into_iter().map(pair).collect();
    duplicates.pairs.sort_by_key(|pair| (!pair.is_across_parts(), !pair.is_across_classes(), pair.likeness));
    duplicates
}

struct Link {
    likeness: Likeness,
    first: usize,
    second: usize,
    distance: u32,
    detail: f64,
}

/// Links each image to the first with its bytes, else to the first with its pixels; and the first images of all pixels.
fn exact(images: &[Subject]) -> (Vec<Link>, Vec<usize>) {
    let (mut by_bytes, mut by_pixels) = (HashMap::new(), HashMap::new());
    let (mut links, mut firsts) = (Vec::new(), Vec::new());
    for (image, subject) in images.iter().enumerate() {
        let same_file = *by_bytes.entry(subject.bytes_hash.as_str()).or_insert(image);
        let same_pixels = *by_pixels.entry(subject.look.pixels.as_str()).or_insert(image);
        let link = |likeness, first| Link { likeness, first, second: image, distance: 0, detail: 1.0 };
        if same_file != image {
            links.push(link(Likeness::SameFile, same_file));
        } else if same_pixels != image {
            links.push(link(Likeness::SamePixels, same_pixels));
        } else {
            firsts.push(image);
        }
    }
    (links, firsts)
}

fn near(images: &[Subject], firsts: &[usize]) -> Vec<Link> {
    let seen: Vec<usize> =
        firsts.iter().copied().filter(|&image| images[image].look.contrast >= FLAT).collect();
    let hashes: Vec<Hash> = seen.iter().map(|&image| images[image].look.hash).collect();
    let confirm = |(first, second, distance): index::HashPair| {
        let (first, second) = (seen[first], seen[second]);
        let detail = images[first].look.detail(&images[second].look)?;
        (detail >= MIN_DETAIL).then_some(Link { likeness: Likeness::Near, first, second, distance, detail })
    };
    index::pairs(&hashes).into_par_iter().filter_map(confirm).collect()
}

/// Which images show the same picture: those that links connect, directly or through others.
struct Pictures(Vec<usize>);

impl Pictures {
    fn from_links(images: usize, links: &[Link]) -> Self {
        let mut pictures = Self((0..images).collect());
        for link in links {
            let (a, b) = (pictures.root(link.first), pictures.root(link.second));
            pictures.0[a.max(b)] = a.min(b);
        }
        for image in 0..images {
            pictures.0[image] = pictures.root(image);
        }
        pictures
    }

    fn root(&mut self, image: usize) -> usize {
        let mut root = image;
        while self.0[root] != root {
            self.0[root] = self.0[self.0[root]];
            root = self.0[root];
        }
        root
    }

    fn count(&self, images: &[Subject]) -> Duplicates {
        #[derive(Default)]
        struct Picture {
            classes: Vec<u8>,
            images: u64,
            parts: [u64; 3],
        }
        let mut pictures: HashMap<usize, Picture> = HashMap::new();
        for (image, subject) in images.iter().enumerate() {
            let picture = pictures.entry(self.0[image]).or_default();
            picture.images += 1;
            if !picture.classes.contains(&subject.label) {
                picture.classes.push(subject.label);
            }
            if let Some(part) = subject.part {
                picture.parts[part as usize] += 1;
            }
        }
        let mut counted = Duplicates::default();
        for Picture { classes, images, parts: [train, validation, test] } in pictures.into_values() {
            counted.surplus += images - 1;
            counted.label_conflicts += if classes.len() > 1 { images } else { 0 };
            counted.leaked_validation += if train > 0 { validation } else { 0 };
            counted.leaked_test += if train + validation > 0 { test } else { 0 };
        }
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::{super::look::Look, *};

    /// An image of gray noise that depends on `picture`, brighter by `tone`.
    fn subject(file: &str, label: u8, part: Option<Part>, picture: u32, tone: u8) -> Subject {
        let noise =
            |at: u32| (at.wrapping_mul(2_654_435_761).wrapping_add(picture * 977) >> 7).wrapping_mul(40_503);
        let pixels: Vec<u8> = (0..64 * 64_u32)
            .map(|at| {
                let cell = (at / 64 / 4) * 16 + at % 64 / 4;
                (noise(cell + picture * 100_000) >> 9) as u8 / 2 + tone
            })
            .collect();
        Subject {
            file: file.to_owned(),
            class: ["normal", "covid"][usize::from(label)].to_owned(),
            label,
            part,
            bytes_hash: file.rsplit('/').next().unwrap().to_owned(),
            look: Look::at(&pixels, 64),
            ..Subject::default()
        }
    }

    #[test]
    fn copies_are_told_by_how_alike_they_are() {
        let (train, validation) = (Some(Part::Train), Some(Part::Validation));
        let images = [
            subject("a/one", 0, train, 1, 0),
            subject("b/one", 0, train, 1, 0),        // the same bytes
            subject("a/two", 1, validation, 1, 0),   // other bytes, the same pixels
            subject("a/three", 0, validation, 1, 9), // brighter
            subject("a/four", 1, train, 2, 0),       // a stranger
            subject("a/five", 1, Some(Part::Test), 2, 5),
        ];
        let found = find(&images);
        let told: Vec<_> = found
            .pairs
            .iter()
            .map(|pair| (pair.likeness, pair.first.file.as_str(), pair.second.file.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (Likeness::SamePixels, "a/one", "a/two"),
                (Likeness::Near, "a/one", "a/three"),
                (Likeness::Near, "a/four", "a/five"),
                (Likeness::SameFile, "a/one", "b/one"),
            ]
        );
        assert_eq!(found.count(Likeness::Near), [2, 0, 2]);
        assert_eq!(found.count(Likeness::SamePixels), [1, 1, 1]);
        assert_eq!((found.surplus, found.label_conflicts), (4, 4));
        assert_eq!((found.leaked_validation, found.leaked_test), (2, 1));
    }

    #[test]
    fn flat_images_are_alike_only_where_their_pixels_are() {
        let flat =
            |file: &str, gray| Subject { look: Look::at(&[gray; 64], 8), ..subject(file, 0, None, 1, 0) };
        let found = find(&[flat("a", 3), flat("b", 9), flat("c", 3)]);
        assert_eq!(found.pairs.len(), 1);
        assert_eq!(found.pairs[0].likeness, Likeness::SamePixels);
        assert!(!found.pairs[0].is_across_parts());
    }
}
