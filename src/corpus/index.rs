//! `index.csv`: which file became which row of `images.npy`.
//!
//! Comma-separated with a header line, quoted as in RFC 4180. Written and read by the cache; read by users.

use serde::{Deserialize, Serialize};

use crate::base::csv;

/// The file in a folder of the cache.
pub const FILE_NAME: &str = "index.csv";

/// One image of a prepared corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Path below the images folder, `/` between; `phantom/<class>/<n>.png` for a phantom, where no file exists.
    pub file: String,
    /// Class index.
    pub label: u8,
    /// Width of the upright original, pixels.
    pub width: u32,
    /// Height of the upright original, pixels.
    pub height: u32,
    /// Length of the file, bytes; 0 for a phantom.
    pub bytes: u64,
    /// What the content was: `jpeg`, `png`, `webp` or `phantom`.
    pub format: String,
    /// BLAKE3 of the file's bytes, 32 hex digits; of its pixels for a phantom.
    pub hash: String,
}

/// A file that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadFile {
    /// Path below the images folder.
    pub file: String,
    /// One line.
    pub reason: String,
}

const HEADER: [&str; 9] = ["index", "file", "class", "label", "width", "height", "bytes", "format", "blake3"];

/// The text of `index.csv`.
pub(super) fn to_csv(entries: &[IndexEntry], classes: &[String]) -> String {
    let record = |(index, entry): (usize, &IndexEntry)| {
        let IndexEntry { file, label, width, height, bytes, format, hash } = entry;
        let class = classes.get(usize::from(*label)).cloned().unwrap_or_default();
        let numbers = [index.to_string(), label.to_string(), width.to_string(), height.to_string()];
        let [index, label, width, height] = numbers;
        [index, file.clone(), class, label, width, height, bytes.to_string(), format.clone(), hash.clone()]
    };
    csv::write([HEADER.map(str::to_owned)].into_iter().chain(entries.iter().enumerate().map(record)))
}

/// The entries of an `index.csv`.
///
/// # Errors
/// Says which record is not what `to_csv` writes.
pub fn from_csv(text: &str) -> Result<Vec<IndexEntry>, String> {
    if !text.ends_with('\n') {
        return Err("the last record is cut off".to_owned());
    }
    let records = csv::read(text, b',').map_err(|(line, problem)| format!("line {line}: {problem}"))?;
    let mut records = records.into_iter().map(|(_, record)| record);
    if records.next().is_none_or(|header| header != HEADER) {
        return Err("the header line is not that of an index".to_owned());
    }
    records
        .enumerate()
        .map(|(place, record)| entry(place, record).ok_or_else(|| format!("record {place} is malformed")))
        .collect()
}

fn entry(place: usize, record: Vec<String>) -> Option<IndexEntry> {
    let [index, file, _, label, width, height, bytes, format, hash] = <[String; 9]>::try_from(record).ok()?;
    if index.parse() != Ok(place) {
        return None;
    }
    Some(IndexEntry {
        file,
        label: label.parse().ok()?,
        width: width.parse().ok()?,
        height: height.parse().ok()?,
        bytes: bytes.parse().ok()?,
        format,
        hash,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(file: &str) -> IndexEntry {
        IndexEntry {
            file: file.to_owned(),
            label: 1,
            width: 299,
            height: 224,
            bytes: 12_345,
            format: "jpeg".to_owned(),
            hash: "0f".repeat(16),
        }
    }

    #[test]
    fn the_text_is_stable() {
        let classes = ["normal".to_owned(), "covid".to_owned()];
        let text = to_csv(&[sample("covid/a, \"b\".jpg")], &classes);
        let row =
            "0,\"covid/a, \"\"b\"\".jpg\",covid,1,299,224,12345,jpeg,0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f\n";
        assert_eq!(text, format!("{}\n{row}", HEADER.join(",")));
    }

    #[test]
    fn damage_is_noticed() {
        let classes = ["normal".to_owned(), "covid".to_owned()];
        let text = to_csv(&[sample("a"), sample("b")], &classes);
        assert_eq!(from_csv(&text).unwrap().len(), 2);
        assert!(from_csv(&text[..text.len() - 1]).is_err());
        assert!(from_csv(&text.replace("\n1,", "\n7,")).is_err());
        assert!(from_csv(&text.replace("index,", "")).is_err());
        assert!(from_csv(&text.replace(",299,", ",wide,")).is_err());
    }

    proptest! {
        #[test]
        fn any_name_survives(files in proptest::collection::vec(".*|[\",\n\r]{0,5}", 0..5)) {
            let entries: Vec<_> = files.iter().map(|file| sample(file)).collect();
            let classes = ["a".to_owned(), "b,\"\nc".to_owned()];
            prop_assert_eq!(from_csv(&to_csv(&entries, &classes)), Ok(entries));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = from_csv(&text);
            let _ = from_csv(&format!("{}\n{text}\n", HEADER.join(",")));
        }
    }
}
