//! What was loaded, as the paper's Tab. 1 shows it: classes, shape, split. Data only; rendering is the report's.

use serde::{Deserialize, Serialize};

use super::{Part, Prepared};
use crate::human::grouped;

/// One class of the corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The class.
    pub name: String,
    /// Its index.
    pub index: usize,
    /// All its images.
    pub images: u64,
    /// Those that train.
    pub train: u64,
    /// Those that validate.
    pub validation: u64,
}

/// The result of loading a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadingTable {
    /// In index order.
    pub classes: Vec<ClassRow>,
    /// Shape of the array, `[n, h, w]`.
    pub shape: [u64; 3],
    /// Images that train.
    pub train: u64,
    /// Images that validate.
    pub validation: u64,
    /// Files left out as unreadable.
    pub skipped: u64,
}

impl LoadingTable {
    /// The table of a prepared corpus and its split.
    ///
    /// # Panics
    /// Where `parts` is the split of another corpus.
    #[must_use]
    pub fn new(prepared: &Prepared, parts: &[Part]) -> Self {
        let skipped = prepared.skipped.len() as u64;
        Self::count(&prepared.classes, &prepared.labels(), prepared.image_size, parts, skipped)
    }

    /// The table of images of these labels, before or after they are prepared.
    pub(super) fn count(
        classes: &[String],
        labels: &[u8],
        image_size: u32,
        parts: &[Part],
        skipped: u64,
    ) -> Self {
        assert_eq!(labels.len(), parts.len(), "a part for each image");
        let row = |(index, name): (usize, &String)| {
            let count = |wanted| {
                let counts = labels
                    .iter()
                    .zip(parts)
                    .filter(|(label, part)| usize::from(**label) == index && **part == wanted);
                counts.count() as u64
            };
            let (train, validation) = (count(Part::Train), count(Part::Validation));
            ClassRow { name: name.clone(), index, images: train + validation, train, validation }
        };
        let classes: Vec<ClassRow> = classes.iter().enumerate().map(row).collect();
        let side = u64::from(image_size);
        Self {
            shape: [labels.len() as u64, side, side],
            train: classes.iter().map(|class| class.train).sum(),
            validation: classes.iter().map(|class| class.validation).sum(),
            skipped,
            classes,
        }
    }

    /// The table as pairs of what and how much, for people.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        for ClassRow { name, index, images, train, validation } in &self.classes {
            let counts = [images, train, validation].map(|&count| grouped(count));
            let [images, train, validation] = counts;
            let value = format!("{images} images ({train} train + {validation} validation)");
            rows.push((format!("class {index}: {name}"), value));
        }
        let [images, height, width] = self.shape;
        let images = grouped(images);
        rows.push(("array".to_owned(), format!("({images}, {height}, {width}), 8-bit gray")));
        rows.push((
            "split".to_owned(),
            format!("{} train + {} validation", grouped(self.train), grouped(self.validation)),
        ));
        if self.skipped > 0 {
            rows.push(("left out".to_owned(), format!("{} unreadable files", grouped(self.skipped))));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{BadFile, IndexEntry};

    #[test]
    fn the_papers_table() {
        let labels = [vec![0_u8; 1575], vec![1; 559]].concat();
        let file = |&label: &u8| IndexEntry {
            file: String::new(),
            label,
            width: 1,
            height: 1,
            bytes: 1,
            format: "png".to_owned(),
            hash: String::new(),
        };
        let prepared = Prepared {
            folder: "/".into(),
            fingerprint: String::new(),
            classes: vec!["normal".to_owned(), "covid".to_owned()],
            counts: vec![1575, 559],
            image_size: 224,
            files: labels.iter().map(file).collect(),
            skipped: vec![BadFile { file: String::new(), reason: String::new() }],
            cached: false,
        };
        let mut parts = vec![Part::Train; 2134];
        parts[..472].fill(Part::Validation);
        parts[1575..1575 + 168].fill(Part::Validation);
        let table = LoadingTable::new(&prepared, &parts);
        let rows: Vec<_> =
            table.rows().into_iter().map(|(what, value)| format!("{what} | {value}")).collect();
        assert_eq!(
            rows,
            [
                "class 0: normal | 1,575 images (1,103 train + 472 validation)",
                "class 1: covid | 559 images (391 train + 168 validation)",
                "array | (2,134, 224, 224), 8-bit gray",
                "split | 1,494 train + 640 validation",
                "left out | 1 unreadable files",
            ]
        );
    }
}
