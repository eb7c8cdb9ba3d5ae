//! `predictions.csv`: what a run's network says of every validation image.
//!
//! Written by the trainer after its last epoch, read by the report and by users. The columns are
//! `image,label,predicted,probability_0,…,probability_{K-1}` for K classes: the image's file name as `index.csv` has
//! it, the true and the predicted class index, and each class' probability as the shortest decimal that reads back to
//! the same `f32`. Quoting and line ends are those of RFC 4180, with bare line feeds between records.

use std::{io, path::Path, path::PathBuf};

use crate::{
    base::{
        csv,
        files::{Durability, FileError, read_regular, write_whole},
    },
    metrics::ConfusionMatrix,
};

mod comparison;
mod hits;
pub mod protocol;
mod reader;

pub use comparison::{Answer, Comparison, Disagreement, Incomparable};
pub use hits::Hits;

/// What the network says of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// File name of the image, relative to the corpus.
    pub image: String,
    /// True class, below K.
    pub label: usize,
    /// Predicted class, below K.
    pub predicted: usize,
    /// `[K]`, each in 0..=1; empty where they are not known, which is so for all images of a file or for none.
    pub probabilities: Vec<f32>,
}

/// What a `predictions.csv` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// One an image, in the order of the file.
    pub rows: Vec<Prediction>,
    /// Class names in index order; numbers where nobody names them.
    pub classes: Vec<String>,
    /// What was left out: the line, from 1, and why.
    pub warnings: Vec<(u64, String)>,
}

/// No file of predictions is larger, bytes: two million images of two classes have half of it.
const MOST_BYTES: u64 = 256 << 20;

/// What every file begins with.
const COLUMNS: [&str; 3] = ["image", "label", "predicted"];

/// Why predictions could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PredictionsError {
    /// The file could not be read or written.
    #[error("`{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not a table of predictions.
    #[error("`{}`, line {line}: {problem}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// What is wrong there.
        problem: String,
    },
}

/// Counts the predictions.
///
/// # Panics
/// If a prediction names a class that is not below `classes`; [`read`] and the trainer never make such a one.
#[must_use]
pub fn confusion(predictions: &[Prediction], classes: usize) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(classes);
    for prediction in predictions {
        matrix.add(prediction.label, prediction.predicted);
    }
    matrix
}

/// The text of `predictions.csv`. Every prediction holds `classes` probabilities.
#[must_use]
pub fn to_csv(predictions: &[Prediction], classes: usize) -> String {
    let record = |Prediction { image, label, predicted, probabilities }: &Prediction| {
        let mut record = vec![image.clone(), label.to_string(), predicted.to_string()];
        // `{:?}` gives the shortest digits, with an exponent where that is shorter.
        record.extend(probabilities.iter().map(|probability| format!("{probability:?}")));
        record
    };
    csv::write(std::iter::once(columns(classes)).chain(predictions.iter().map(record)))
}

/// Writes `predictions.csv` at `path`, whole and synced to the disk.
///
/// # Errors
/// [`PredictionsError::Io`] naming the path.
pub fn write(path: &Path, predictions: &[Prediction], classes: usize) -> Result<(), PredictionsError> {
    write_whole(path, &[to_csv(predictions, classes).as_bytes()], Durability::Synced)
        .map_err(|FileError { path, source, .. }| PredictionsError::Io { path, source })
}

/// Reads the `predictions.csv` at `path`, as this program or another wrote it. `classes` are the names in index order, as
/// far as they are known: without them the file says what classes there are.
///
/// # Errors
/// [`PredictionsError::Io`] where the file cannot be read, [`PredictionsError::Syntax`] with the line where its meaning is
/// not clear.
pub fn read(path: &Path, classes: &[String]) -> Result<Predictions, PredictionsError> {
    let bytes = read_regular(path, MOST_BYTES)
        .map_err(|FileError { path, source, .. }| PredictionsError::Io { path, source })?;
    let syntax = |(line, problem)| PredictionsError::Syntax { path: path.to_owned(), line, problem };
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count() as u64;
        syntax((line, "the text is not UTF-8".to_owned()))
    })?;
    reader::parse(&text, classes).map_err(syntax)
}

fn columns(classes: usize) -> Vec<String> {
    let fixed = COLUMNS.map(str::to_owned).into_iter();
    fixed.chain((0..classes).map(|class| format!("probability_{class}"))).collect()
}

fn header(classes: usize) -> String {
    columns(classes).join(",")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_file_reads_as_users_expect_it() {
        let predictions = [
            Prediction { image: "covid/a.png".into(), label: 1, predicted: 1, probabilities: vec![0.1, 0.9] },
            Prediction {
                image: "a, \"b\".jpg".into(),
                label: 0,
                predicted: 1,
                probabilities: vec![1e-9, 1.0],
            },
        ];
        let text = to_csv(&predictions, 2);
        assert_eq!(
            text,
            "image,label,predicted,probability_0,probability_1\n\
             covid/a.png,1,1,0.1,0.9\n\
             \"a, \"\"b\"\".jpg\",0,1,1e-9,1.0\n"
        );
        assert_eq!(reader::parse(&text, &[]).unwrap().rows, predictions);
        let matrix = confusion(&predictions, 2);
        assert_eq!([matrix.count(0, 1), matrix.count(1, 1), matrix.total()], [1, 1, 2]);
    }

    #[test]
    fn a_file_is_written_whole_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        let predictions =
            [Prediction { image: "é.png".into(), label: 0, predicted: 0, probabilities: vec![1.0, 0.0] }];
        write(&path, &predictions, 2).unwrap();
        assert_eq!(read(&path, &[]).unwrap().rows, predictions);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");

        fs::write(&path, "image,label,predicted,probability_0,probability_1\n\na\n").unwrap();
        let message = read(&path, &[]).unwrap_err().to_string();
        assert!(message.ends_with("predictions.csv`, line 3: 1 fields, expected 5"), "{message}");
        fs::write(&path, b"image,label,predicted\na,0,0\n\xff,0,0\n").unwrap();
        let message = read(&path, &[]).unwrap_err().to_string();
        assert!(message.ends_with("predictions.csv`, line 3: the text is not UTF-8"), "{message}");
        let below = write(&path.join("x.csv"), &predictions, 2).unwrap_err();
        assert!(below.to_string().ends_with("predictions.csv`"), "a file is no folder: {below}");
    }
}
