//! Reads a `predictions.csv`, ours or another program's: what its meaning is clear of is taken, everything else is told.
//!
//! Programs write it by pandas, Excel or R: with a byte order mark, an index column, columns of their own, spaces, empty
//! lines, `;` or tabs between fields, classes by name or as `0.0`. Probabilities that are none (logits, NaN) are left out
//! as a whole: what a row answers is clear without them. A file that cannot be read is no reason to doubt a training;
//! callers warn and go on.

use std::collections::BTreeSet;

use super::{COLUMNS, Prediction, Predictions, header};
use crate::base::csv;

/// A problem and the line it is on, from 1.
pub(super) type Problem = (u64, String);

/// What the columns are called. The first word of each is the one that is written.
const IMAGE: [&str; 4] = [COLUMNS[0], "file", "filename", "path"];
const LABEL: [&str; 5] = [COLUMNS[1], "true_label", "truth", "target", "y_true"];
const PREDICTED: [&str; 5] = [COLUMNS[2], "prediction", "pred", "predicted_label", "y_pred"];
const PROBABILITY: [&str; 2] = ["probability_", "prob_"];

/// Reads the text of a `predictions.csv`. `classes` are the names in index order, empty where they are not known.
///
/// # Errors
/// The line, from 1, and what is wrong there.
pub(super) fn parse(text: &str, classes: &[String]) -> Result<Predictions, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = csv::read(text, delimiter(text))?;
    records.retain(|(_, fields)| fields.iter().any(|field| !field.trim().is_empty()));
    let mut records = records.into_iter();
    let Some((line, names)) = records.next() else { return Err((1, "the file is empty".to_owned())) };
    let columns = Columns::find(&names).map_err(|problem| (line, problem))?;
    let rows: Vec<csv::Record> = records.collect();
    for (line, fields) in &rows {
        // A comma after the last field is one field more with nothing in it.
        let extra = fields.iter().skip(names.len()).any(|field| !field.trim().is_empty());
        if fields.len() < names.len() || extra {
            return Err((*line, format!("{} fields, expected {}", fields.len(), names.len())));
        }
    }
    let words = Words::from_rows(&rows, &columns, classes)?;
    let (probabilities, warning) = columns.probabilities(&rows, &words.classes);
    let mut predictions = Vec::with_capacity(rows.len());
    for (place, (line, fields)) in rows.iter().enumerate() {
        let at = |problem: String| (*line, problem);
        let probabilities = probabilities.get(place).cloned().unwrap_or_default();
        let image = &fields[columns.image];
        let predicted = match columns.predicted {
            Some(column) => words.index("predicted", &fields[column]).map_err(at)?,
            None => highest(&probabilities)
                .ok_or_else(|| at("neither a predicted class nor a probability of each".to_owned()))?,
        };
        predictions.push(Prediction {
            image: if columns.padded { image.trim().to_owned() } else { image.clone() },
            label: words.index("label", &fields[columns.label]).map_err(at)?,
            predicted,
            probabilities,
        });
    }
    Ok(Predictions { rows: predictions, classes: words.classes, warnings: warning.into_iter().collect() })
}

/// The sign between fields: a comma, unless the header has none and has another one.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    match header {
        header if header.contains(',') => b',',
        header if header.contains(';') => b';',
        header if header.contains('\t') => b'\t',
        _ => b',',
    }
}

/// Where a table has what.
struct Columns {
    image: usize,
    label: usize,
    predicted: Option<usize>,
    /// What follows `probability_` in the name, and the column.
    probabilities: Vec<(String, usize)>,
    /// Whether fields have spaces around them that are not meant.
    padded: bool,
}

impl Columns {
    fn find(names: &[String]) -> Result<Self, String> {
        let plain: Vec<String> = names.iter().map(|name| name.trim().to_lowercase()).collect();
        let place = |known: &[&str]| known.iter().find_map(|word| plain.iter().position(|name| name == word));
        let probabilities: Vec<(String, usize)> = plain
            .iter()
            .enumerate()
            .filter_map(|(column, name)| {
                let class = PROBABILITY.iter().find_map(|prefix| name.strip_prefix(prefix))?;
                Some((class.to_owned(), column))
            })
            .collect();
        let missing = |what: &str| {
            let shown: Vec<&str> = names.iter().map(|name| name.trim()).collect();
            format!("no column `{what}`: the header is `{}`, expected `{}`", shown.join(","), header(2))
        };
        let predicted = place(&PREDICTED);
        if predicted.is_none() && probabilities.is_empty() {
            return Err(missing(PREDICTED[0]));
        }
        Ok(Self {
            image: place(&IMAGE).ok_or_else(|| missing(IMAGE[0]))?,
            label: place(&LABEL).ok_or_else(|| missing(LABEL[0]))?,
            predicted,
            probabilities,
            padded: names.iter().any(|name| name.trim() != name),
        })
    }

    /// The probabilities of each row, and why there are none where there are columns of them.
    fn probabilities(&self, rows: &[csv::Record], classes: &[String]) -> (Vec<Vec<f32>>, Option<Problem>) {
        if self.probabilities.is_empty() {
            return (Vec::new(), None);
        }
        let none =
            |line: u64, why: String| (Vec::new(), Some((line, format!("{why}; no probability is used"))));
        let of_class = |index: usize| {
            let name = classes[index].to_lowercase();
            let number = index.to_string();
            let found = |wanted: &str| {
                self.probabilities.iter().find(|(class, _)| class == wanted).map(|(_, column)| *column)
            };
            found(&number).or_else(|| found(&name))
        };
        let columns: Vec<Option<usize>> = (0..classes.len()).map(of_class).collect();
        // Of two classes one probability tells both.
        let one_of_two = classes.len() == 2 && columns.iter().flatten().count() == 1;
        if columns.iter().flatten().count() != self.probabilities.len()
            || (columns.contains(&None) && !one_of_two)
        {
            let (columns, classes) = (self.probabilities.len(), classes.len());
            return none(1, format!("there are probabilities of {columns} classes, and there are {classes}"));
        }
        let mut all = Vec::with_capacity(rows.len());
        for (line, fields) in rows {
            let mut probabilities = Vec::with_capacity(columns.len());
            for (class, column) in columns.iter().enumerate() {
                let Some(column) = column else {
                    probabilities.push(f32::NAN);
                    continue;
                };
                let text = fields[*column].trim();
                match text.replace(',', ".").parse::<f32>() {
                    Ok(probability) if (0.0..=1.0).contains(&probability) => probabilities.push(probability),
                    Ok(_) | Err(_) => {
                        return none(
                            *line,
                            format!("probability_{class} `{text}` is not a number from 0 to 1"),
                        );
                    }
                }
            }
            if let Some(unknown) = probabilities.iter().position(|probability| probability.is_nan()) {
                probabilities[unknown] = 1.0 - probabilities[1 - unknown];
            }
            all.push(probabilities);
        }
        (all, None)
    }
}

/// The class of the highest probability; of equal ones the first.
fn highest(probabilities: &[f32]) -> Option<usize> {
    let best = probabilities.iter().copied().reduce(f32::max)?;
    probabilities.iter().position(|probability| *probability == best)
}

/// What the words for classes mean.
struct Words {
    /// Names in index order.
    classes: Vec<String>,
    numbered: bool,
}

impl Words {
    /// Classes are numbers where every word is one, else names.
    fn from_rows(rows: &[csv::Record], columns: &Columns, known: &[String]) -> Result<Self, Problem> {
        let places = [Some(columns.label), columns.predicted];
        let words = || {
            rows.iter().flat_map(|(line, fields)| {
                places.iter().flatten().map(|place| (*line, fields[*place].trim()))
            })
        };
        if let Some((line, _)) = words().find(|(_, word)| word.is_empty()) {
            return Err((line, "a class is missing".to_owned()));
        }
        let numbered = words().all(|(_, word)| number(word).is_some());
        if !known.is_empty() {
            return Ok(Self { classes: known.to_vec(), numbered });
        }
        let classes = if numbered {
            let most = words().filter_map(|(_, word)| number(word)).max().map_or(0, |index| index + 1);
            // A number beyond every program's classes is something else, and would take the memory of its square.
            if most > MOST_CLASSES {
                return Err((1, format!("class {} is beyond the first {MOST_CLASSES}", most - 1)));
            }
            let classes = most.max(columns.probabilities.len()).max(2);
            (0..classes).map(|class| class.to_string()).collect()
        } else {
            let names: BTreeSet<&str> = words().map(|(_, word)| word).collect();
            if names.len() > MOST_CLASSES {
                return Err((
                    1,
                    format!("there are {} different classes, which are no classes", names.len()),
                ));
            }
            names.into_iter().map(str::to_owned).collect()
        };
        Ok(Self { classes, numbered })
    }

    fn index(&self, column: &str, word: &str) -> Result<usize, String> {
        let (word, k) = (word.trim(), self.classes.len());
        if self.numbered {
            return number(word)
                .filter(|index| *index < k)
                .ok_or_else(|| format!("{column} `{word}` is not a class index below {k}"));
        }
        let exact = self.classes.iter().position(|class| class == word);
        exact
            .or_else(|| self.classes.iter().position(|class| class.to_lowercase() == word.to_lowercase()))
            .ok_or_else(|| format!("{column} `{word}` is none of the classes {}", self.classes.join(", ")))
    }
}

/// A thousand classes are ImageNet's; the confusion matrix takes the square of them.
const MOST_CLASSES: usize = 1_000;

/// The class index that a word is: `1`, `1.0`.
fn number(word: &str) -> Option<usize> {
    let whole = word.strip_suffix('.').unwrap_or_else(|| {
        word.split_once('.')
            .filter(|(_, rest)| rest.bytes().all(|b| b == b'0'))
            .map_or(word, |(whole, _)| whole)
    });
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::predictions::to_csv;

    const HEAD: &str = "image,label,predicted,probability_0,probability_1\n";

    /// Image, label and answer of each row.
    fn answers(text: &str) -> Vec<(String, usize, usize)> {
        let read = parse(text, &[]).unwrap();
        read.rows.into_iter().map(|row| (row.image, row.label, row.predicted)).collect()
    }

    #[track_caller]
    fn refused(text: &str, line: u64, problem: &str) {
        assert_eq!(parse(text, &[]).unwrap_err(), (line, problem.to_owned()));
    }

    #[test]
    fn what_other_programs_write_is_read() {
        let expected = [("a".to_owned(), 0, 0), ("b".to_owned(), 1, 0)];
        for text in [
            "image,label,predicted,probability_0,probability_1\na,0,0,1,0\nb,1,0,.5,.5\n",
            // A byte order mark, Windows' line ends, empty lines, a comma too many.
            "\u{feff}image,label,predicted\r\n\r\na,0,0\r\n\r\nb,1,0,\r\n,,\r\n\r\n",
            // pandas' index, floats, a column of the program's own, another order of columns.
            ",epoch,predicted,label,image\n0,3,0.0,0.0,a\n1,3,0.,1.0,b\n",
            // Spaces.
            "image, label, predicted\na, 0, 0\n b , 1, 0\n",
            // Excel where the comma is the decimal sign.
            "image;label;predicted;probability_0;probability_1\na;0;0;1,0;0,0\nb;1;0;0,5;0,5\n",
            "Image\tLabel\tPredicted\na\t0\t0\nb\t1\t0\n",
            "filename,y_true,y_pred\na,0,0\nb,1,0\n",
            // No answer but its probabilities.
            "image,label,probability_0,probability_1\na,0,0.9,0.1\nb,1,0.5,0.5\n",
        ] {
            assert_eq!(answers(text), expected, "{text}");
        }
    }

    #[test]
    fn classes_may_have_names() {
        let text = "image,label,predicted,probability_covid,probability_normal\na,normal,covid,0.75,0.25\n";
        let read = parse(text, &[]).unwrap();
        assert_eq!(read.classes, ["covid", "normal"]);
        assert_eq!((read.rows[0].label, read.rows[0].predicted), (1, 0));
        assert_eq!(read.rows[0].probabilities, [0.75, 0.25]);
        let known = ["normal".to_owned(), "covid".to_owned()];
        let read = parse(text, &known).unwrap();
        assert_eq!((read.rows[0].label, read.rows[0].probabilities.clone()), (0, vec![0.25, 0.75]));
        let read = parse("image,label,predicted\na,Normal,COVID\n", &known).unwrap();
        assert_eq!((read.rows[0].label, read.rows[0].predicted), (0, 1));
        assert_eq!(
            parse("image,label,predicted\na,normal,flu\n", &known).unwrap_err(),
            (2, "predicted `flu` is none of the classes normal, covid".to_owned())
        );
    }

    #[test]
    fn what_is_no_probability_is_left_out_and_told() {
        for (row, why) in [
            ("a,1,1,0.5,NaN", "probability_1 `NaN` is not a number from 0 to 1"),
            ("a,1,1,-2.5,3.5", "probability_0 `-2.5` is not a number from 0 to 1"),
            ("a,1,1,,", "probability_0 `` is not a number from 0 to 1"),
        ] {
            let read = parse(&format!("{HEAD}{row}\n"), &[]).unwrap();
            assert_eq!((read.rows[0].predicted, read.rows[0].probabilities.len()), (1, 0));
            assert_eq!(read.warnings, [(2, format!("{why}; no probability is used"))]);
        }
        let read = parse(&format!("{HEAD}a,2,1,0.5,0.5\n"), &[]).unwrap();
        assert_eq!((read.classes.len(), read.rows[0].probabilities.len(), read.warnings.len()), (3, 0, 1));
        let read = parse("image,label,predicted,probability_1\na,1,1,0.75\n", &[]).unwrap();
        assert_eq!((read.rows[0].probabilities.clone(), read.warnings.len()), (vec![0.25, 0.75], 0));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        refused("", 1, "the file is empty");
        refused(
            "id,finding\np1,normal\n",
            1,
            "no column `predicted`: the header is `id,finding`, expected \
             `image,label,predicted,probability_0,probability_1`",
        );
        refused(&format!("{HEAD}a,1,1,0.5\n"), 2, "4 fields, expected 5");
        refused(&format!("{HEAD}a,1,1,0.5,0.5,7\n"), 2, "6 fields, expected 5");
        refused(&format!("{HEAD}\"a\nb\",0,0,1,0\n\nc"), 5, "1 fields, expected 5");
        refused(&format!("{HEAD}a,,1,0.5,0.5\n"), 2, "a class is missing");
        refused(&format!("{HEAD}a,99999999999,1,0.5,0.5\n"), 1, "class 99999999999 is beyond the first 1000");
        let known = ["x".to_owned(), "y".to_owned()];
        assert_eq!(
            parse(&format!("{HEAD}a,2,1,0.5,0.5\n"), &known).unwrap_err(),
            (2, "label `2` is not a class index below 2".to_owned())
        );
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
            let read = parse(&to_csv(&predictions, classes), &[]).unwrap();
            prop_assert_eq!((read.rows, read.classes.len(), read.warnings.len()), (predictions, classes, 0));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "(\u{feff}?image,label,predicted(,probability_0)?\r?\n)?[a1.,;\"\r\n\t -]{0,40}") {
            let _ = parse(&text, &[]);
        }
    }
}
