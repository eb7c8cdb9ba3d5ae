//! What was loaded, as the paper's Tab. 1 shows it: classes, shape, split. Data only; rendering is the report's.

use serde::{Deserialize, Serialize};

use super::{Part, Prepared};
use crate::base::human::grouped;

/// One class of the corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassRow {
    /// The class.
    pub name: String,
    /// Its index.
    pub index: usize,
    /// All its images, those of a test folder included.
    pub images: u64,
    /// Those that train.
    pub train: u64,
    /// Those that validate.
    pub validation: u64,
    /// Those that are held out for the test.
    #[serde(default)]
    pub test: u64,
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
    /// Images that are held out for the test.
    #[serde(default)]
    pub test: u64,
    /// The test set that is a folder of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_folder: Option<TestFolder>,
    /// Files left out as unreadable.
    pub skipped: u64,
}

/// What is special about a test set with a folder of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestFolder {
    /// Shape of its array, `[n, h, w]`.
    pub shape: [u64; 3],
    /// Test images of which a byte-identical file trains or validates; unknown before the files are read.
    pub copies: Option<u64>,
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
            let [train, validation, test] = [Part::Train, Part::Validation, Part::Test].map(count);
            ClassRow { name: name.clone(), index, images: train + validation + test, train, validation, test }
        };
        let classes: Vec<ClassRow> = classes.iter().enumerate().map(row).collect();
        Self {
            shape: shape(labels, image_size),
            train: classes.iter().map(|class| class.train).sum(),
            validation: classes.iter().map(|class| class.validation).sum(),
            test: classes.iter().map(|class| class.test).sum(),
            test_folder: None,
            skipped,
            classes,
        }
    }

    /// Counts the images of a test folder: their labels, and how many are copies, where that is known.
    #[must_use]
    pub fn with_test_folder(mut self, labels: &[u8], copies: Option<u64>, skipped: u64) -> Self {
        for class in &mut self.classes {
            let test = labels.iter().filter(|&&label| usize::from(label) == class.index).count() as u64;
            (class.test, class.images) = (class.test + test, class.images + test);
        }
        let side = self.shape[1];
        self.test += labels.len() as u64;
        self.test_folder = Some(TestFolder { shape: [labels.len() as u64, side, side], copies });
        self.skipped += skipped;
        self
    }

    /// The table as pairs of what and how much, for people.
    #[must_use]
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows = Vec::new();
        let split = |train: u64, validation: u64, test: u64| {
            let held_out = if self.test > 0 { format!(" + {} test", grouped(test)) } else { String::new() };
            format!("{} train + {} validation{held_out}", grouped(train), grouped(validation))
        };
        for ClassRow { name, index, images, train, validation, test } in &self.classes {
            let value = format!("{} images ({})", grouped(*images), split(*train, *validation, *test));
            rows.push((format!("class {index}: {name}"), value));
        }
        let array = |[images, height, width]: [u64; 3]| {
            format!("({}, {height}, {width}), 8-bit gray", grouped(images))
        };
        rows.push(("array".to_owned(), array(self.shape)));
        if let Some(folder) = &self.test_folder {
            rows.push(("test array".to_owned(), array(folder.shape)));
        }
        rows.push(("split".to_owned(), split(self.train, self.validation, self.test)));
        if let Some(copies) = self.test_folder.as_ref().and_then(|folder| folder.copies).filter(|&n| n > 0) {
            let value =
                format!("{} test images are byte for byte images that train or validate", grouped(copies));
            rows.push(("copies".to_owned(), value));
        }
        if self.skipped > 0 {
            rows.push(("left out".to_owned(), format!("{} unreadable files", grouped(self.skipped))));
        }
        rows
    }
}

fn shape(labels: &[u8], image_size: u32) -> [u64; 3] {
    [labels.len() as u64, u64::from(image_size), u64::from(image_size)]
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
            notes: Vec::new(),
            damage: None,
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

    #[test]
    fn held_out_images_are_counted() {
        let classes = ["normal".to_owned(), "covid".to_owned()];
        let parts = [Part::Train, Part::Validation, Part::Test, Part::Train, Part::Test];
        let share = LoadingTable::count(&classes, &[0, 0, 0, 1, 1], 8, &parts, 0);
        assert_eq!((share.train, share.validation, share.test), (2, 1, 2));
        assert_eq!(share.rows()[0].1, "3 images (1 train + 1 validation + 1 test)");
        assert_eq!(share.rows()[3].1, "2 train + 1 validation + 2 test");

        let parts = [Part::Train, Part::Validation, Part::Train];
        let folder = LoadingTable::count(&classes, &[0, 1, 1], 8, &parts, 1).with_test_folder(
            &[0, 0, 1, 1],
            Some(2),
            1,
        );
        let rows: Vec<_> =
            folder.rows().into_iter().map(|(what, value)| format!("{what} | {value}")).collect();
        assert_eq!(
            rows,
            [
                "class 0: normal | 3 images (1 train + 0 validation + 2 test)",
                "class 1: covid | 4 images (1 train + 1 validation + 2 test)",
                "array | (3, 8, 8), 8-bit gray",
                "test array | (4, 8, 8), 8-bit gray",
                "split | 2 train + 1 validation + 4 test",
                "copies | 2 test images are byte for byte images that train or validate",
                "left out | 2 unreadable files",
            ]
        );
    }

    /// What an experiment kept before there were test sets.
    #[test]
    fn tables_of_older_experiments_are_read() {
        let old = r#"{"classes":[{"name":"a","index":0,"images":3,"train":2,"validation":1}],"shape":[3,8,8],"train":2,"validation":1,"skipped":0}"#;
        let table: LoadingTable = serde_json::from_str(old).unwrap();
        assert_eq!((table.test, table.test_folder, table.classes[0].test), (0, None, 0));
    }
}
