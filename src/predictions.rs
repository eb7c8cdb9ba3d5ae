//! `predictions.csv`: what a run's network says of every validation image.
//!
//! Written by the trainer after its last epoch, read by the report and by users. The columns are
//! `image,label,predicted,probability_0,…,probability_{K-1}` for K classes: the image's file name as `index.csv` has
//! it, the true and the predicted class index, and each class' probability as the shortest decimal that reads back to
//! the same `f32`. Quoting and line ends are those of RFC 4180, with bare line feeds between records.

use std::{fmt::Write as _, fs, io, path::Path, path::PathBuf};

use crate::{
    base::files::{Durability, FileError, write_whole},
    metrics::ConfusionMatrix,
};

mod comparison;
mod hits;
pub mod protocol;

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
    /// `[K]`, each in 0..=1.
    pub probabilities: Vec<f32>,
}

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
        line: usize,
        /// What is wrong there.
        problem: String,
    },
}

/// Counts the predictions.
///
/// # Panics
/// If a prediction names a class that is not below `classes`; [`parse`] and the trainer never make such a one.
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
    let mut text = header(classes);
    text.push('\n');
    for Prediction { image, label, predicted, probabilities } in predictions {
        if image.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&image.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(image);
        }
        // Writing to a string cannot fail. `{:?}` gives the shortest digits, with an exponent where that is shorter.
        let _ = write!(text, ",{label},{predicted}");
        for probability in probabilities {
            let _ = write!(text, ",{probability:?}");
        }
        text.push('\n');
    }
    text
}

/// Writes `predictions.csv` at `path`, whole and synced to the disk.
///
/// # Errors
/// [`PredictionsError::Io`] naming the path.
pub fn write(path: &Path, predictions: &[Prediction], classes: usize) -> Result<(), PredictionsError> {
    write_whole(path, &[to_csv(predictions, classes).as_bytes()], Durability::Synced)
        .map_err(|FileError { path, source, .. }| PredictionsError::Io { path, source })
}

/// Reads the `predictions.csv` at `path`; its header says how many classes there are.
///
/// # Errors
/// [`PredictionsError::Io`] where the file cannot be read or is not UTF-8, [`PredictionsError::Syntax`] with the line
/// where it is not a table of predictions.
pub fn read(path: &Path) -> Result<Vec<Prediction>, PredictionsError> {
    let text =
        fs::read_to_string(path).map_err(|source| PredictionsError::Io { path: path.to_owned(), source })?;
    parse(&text).map_err(|(line, problem)| PredictionsError::Syntax { path: path.to_owned(), line, problem })
}

/// Reads the text of a `predictions.csv`.
///
/// # Errors
/// The line, from 1, and what is wrong there.
pub fn parse(text: &str) -> Result<Vec<Prediction>, (usize, String)> {
    let mut records = Records { rest: text, line: 1 };
    let Some((_, columns)) = records.next_record()? else {
        return Err((1, "the file is empty".to_owned()));
    };
    let classes = columns.len().saturating_sub(3);
    if classes < 2 || columns.join(",") != header(classes) {
        return Err((
            1,
            format!("the header is `{}`, expected `{}`", columns.join(","), header(classes.max(2))),
        ));
    }
    let mut predictions = Vec::new();
    while let Some((line, fields)) = records.next_record()? {
        predictions.push(prediction(fields, classes).map_err(|problem| (line, problem))?);
    }
    Ok(predictions)
}

fn header(classes: usize) -> String {
    let mut header = "image,label,predicted".to_owned();
    for class in 0..classes {
        let _ = write!(header, ",probability_{class}");
    }
    header
}

fn prediction(fields: Vec<String>, classes: usize) -> Result<Prediction, String> {
    let n_fields = fields.len();
    if n_fields != classes + 3 {
        return Err(format!("{n_fields} fields, expected {}", classes + 3));
    }
    let mut fields = fields.into_iter();
    let mut field = || fields.next().expect("the fields were counted above");
    let class = |name: &str, text: String| match text.parse::<usize>() {
        Ok(class) if class < classes => Ok(class),
        Ok(_) | Err(_) => Err(format!("{name} `{text}` is not a class index below {classes}")),
    };
    let image = field();
    let label = class("label", field())?;
    let predicted = class("predicted", field())?;
    let probabilities = (0..classes)
        .map(|class| {
            let text = field();
            match text.parse::<f32>() {
                Ok(probability) if (0.0..=1.0).contains(&probability) => Ok(probability),
                Ok(_) | Err(_) => Err(format!("probability_{class} `{text}` is not a number from 0 to 1")),
            }
        })
        .collect::<Result<_, _>>()?;
    Ok(Prediction { image, label, predicted, probabilities })
}

/// Fields of a record and the line that it starts on, from 1.
type Record = (usize, Vec<String>);

/// The records of a CSV text.
struct Records<'text> {
    rest: &'text str,
    /// Of the next record, from 1.
    line: usize,
}

impl Records<'_> {
    /// The next record; `None` at the end.
    fn next_record(&mut self) -> Result<Option<Record>, (usize, String)> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let start = self.line;
        let mut fields = Vec::new();
        loop {
            fields.push(self.field().map_err(|problem| (start, problem))?);
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            let rest =
                self.rest.strip_prefix('\r').filter(|rest| rest.starts_with('\n')).unwrap_or(self.rest);
            self.rest = rest.strip_prefix('\n').unwrap_or(rest);
            self.line += 1;
            return Ok(Some((start, fields)));
        }
    }

    /// The field at the start of the rest, up to a comma, a line end or the end of the text.
    fn field(&mut self) -> Result<String, String> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
            let (field, rest) = self.rest.split_at(end);
            let field =
                if rest.starts_with('\n') { field.strip_suffix('\r').unwrap_or(field) } else { field };
            if field.contains(['"', '\r']) {
                return Err(format!("`{}` needs quotes", field.escape_debug()));
            }
            self.rest = rest;
            return Ok(field.to_owned());
        };
        let mut field = String::new();
        loop {
            let Some((before, after)) = rest.split_once('"') else {
                return Err("a quoted field has no end".to_owned());
            };
            field.push_str(before);
            self.line += before.matches('\n').count();
            if let Some(quoted) = after.strip_prefix('"') {
                field.push('"');
                rest = quoted;
                continue;
            }
            if !(after.is_empty() || after.starts_with([',', '\n']) || after.starts_with("\r\n")) {
                return Err("text follows a closing quote".to_owned());
            }
            self.rest = after;
            return Ok(field);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(text: &str, line: usize, problem: &str) {
        assert_eq!(parse(text).unwrap_err(), (line, problem.to_owned()));
    }

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
        assert_eq!(parse(&text).unwrap(), predictions);
        let matrix = confusion(&predictions, 2);
        assert_eq!([matrix.count(0, 1), matrix.count(1, 1), matrix.total()], [1, 1, 2]);
    }

    #[test]
    fn windows_line_ends_and_a_missing_last_one_are_read() {
        let text = "image,label,predicted,probability_0,probability_1\r\n\"a\",1,0,0.75,0.25";
        assert_eq!(parse(text).unwrap()[0].probabilities, [0.75, 0.25]);
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let head = "image,label,predicted,probability_0,probability_1\n";
        refused("", 1, "the file is empty");
        refused(
            "image,label\n",
            1,
            "the header is `image,label`, expected `image,label,predicted,probability_0,probability_1`",
        );
        refused(&format!("{head}a,1,1,0.5\n"), 2, "4 fields, expected 5");
        refused(&format!("{head}\"a\nb\",0,0,1,0\n\nc"), 4, "1 fields, expected 5");
        refused(&format!("{head}a,2,1,0.5,0.5\n"), 2, "label `2` is not a class index below 2");
        refused(&format!("{head}a,1,-1,0.5,0.5\n"), 2, "predicted `-1` is not a class index below 2");
        refused(&format!("{head}a,1,1,0.5,NaN\n"), 2, "probability_1 `NaN` is not a number from 0 to 1");
        refused(&format!("{head}a,1,1,1.5,0\n"), 2, "probability_0 `1.5` is not a number from 0 to 1");
        refused(&format!("{head}\"a,1,1,0.5,0.5\n"), 2, "a quoted field has no end");
        refused(&format!("{head}\"a\"b,1,1,0.5,0.5\n"), 2, "text follows a closing quote");
        refused(&format!("{head}a\"b,1,1,0.5,0.5\n"), 2, "`a\\\"b` needs quotes");
    }

    #[test]
    fn a_file_is_written_whole_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        let predictions =
            [Prediction { image: "é.png".into(), label: 0, predicted: 0, probabilities: vec![1.0, 0.0] }];
        write(&path, &predictions, 2).unwrap();
        assert_eq!(read(&path).unwrap(), predictions);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");

        fs::write(&path, "image,label,predicted,probability_0,probability_1\n\n").unwrap();
        let message = read(&path).unwrap_err().to_string();
        assert!(message.ends_with("predictions.csv`, line 2: 1 fields, expected 5"), "{message}");
        let below = write(&path.join("x.csv"), &predictions, 2).unwrap_err();
        assert!(below.to_string().ends_with("predictions.csv`"), "a file is no folder: {below}");
    }

    fn table() -> impl Strategy<Value = (usize, Vec<Prediction>)> {
        (2usize..5).prop_flat_map(|classes| {
            // Any f32 in 0..=1, subnormals included: the bit patterns from 0.0 to 1.0.
            let probability = (0u32..=1.0f32.to_bits()).prop_map(f32::from_bits);
            let image = prop_oneof!["[a-z/.,\"\r\n]{0,12}", any::<String>()];
            let row = (image, 0..classes, 0..classes, prop::collection::vec(probability, classes)).prop_map(
                |(image, label, predicted, probabilities)| Prediction {
                    image,
                    label,
                    predicted,
                    probabilities,
                },
            );
            (Just(classes), prop::collection::vec(row, 0..12))
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read((classes, predictions) in table()) {
            prop_assert_eq!(parse(&to_csv(&predictions, classes)).unwrap(), predictions);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(image,label,predicted,probability_0,probability_1\n)?[a1.,\"\r\n]{0,40}") {
            let _ = parse(&text);
        }
    }
}
