//! What is wrong with a spec: places, messages, and the error that reports all of them together.
//!
//! The readers of this module add to one [`Problems`] and go on, so that a user repairs a spec in one round. Which
//! messages there are is up to the readers.

use std::{fmt, io, path::PathBuf};

use crate::base::{error::with_causes, human::counted};

/// Where a piece of the spec was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In the file, both counted from 1; columns count characters.
    File {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// On the command line: the flag as the user gave it, `--set train.epochs=3`.
    Flag(String),
}

/// As a message begins: `line 7, column 3` or `--set train.epochs=x`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "line {line}, column {column}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What, in one line.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Why there is no experiment.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The file could not be read.
    #[error("cannot read spec `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The spec says something that cannot be run; every problem is listed, in the order of the file, those of the
    /// command line last.
    #[error("{}", report(path, problems))]
    Problems {
        /// The file.
        path: PathBuf,
        /// At least one.
        problems: Vec<Problem>,
    },
    /// Several members of a suite cannot be run.
    #[error("{}", report_members(.0))]
    Members(
        /// At least two.
        Vec<SpecError>,
    ),
}

/// More problems than this are counted, not listed: the rest are mostly echoes of one slip.
const MAX_LISTED: usize = 50;

fn report(path: &std::path::Path, problems: &[Problem]) -> String {
    let n_problems = counted(problems.len(), "problem");
    let mut text = format!("spec `{}` has {n_problems}", path.display());
    for problem in problems.iter().take(MAX_LISTED) {
        text.push_str(&format!("\n  {problem}"));
    }
    if problems.len() > MAX_LISTED {
        text.push_str(&format!("\n  and {} more", problems.len() - MAX_LISTED));
    }
    text
}

/// The errors of a suite's members, one below the other.
fn report_members(errors: &[SpecError]) -> String {
    errors.iter().map(|error| with_causes(error)).collect::<Vec<_>>().join("\n")
}

/// Collects problems.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one; line breaks and control characters in the message, which come from the user's text, become escapes.
    pub(super) fn add(&mut self, place: &Place, message: impl AsRef<str>) {
        let mut line = String::new();
        for letter in message.as_ref().chars() {
            if letter.is_control() { line.extend(letter.escape_default()) } else { line.push(letter) }
        }
        self.0.push(Problem { place: place.clone(), message: line });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order of the file, those of the command line last.
    pub(super) fn into_sorted(self) -> Vec<Problem> {
        let mut problems = self.0;
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        problems.dedup();
        problems
    }
}

/// `; did you mean ..? known: ...` for a word that is none of `known`.
pub(super) fn hint(word: &str, known: &[&str]) -> String {
    let suggestion = suggest(word, known).map(|best| format!("; did you mean `{best}`?")).unwrap_or_default();
    let separator = if suggestion.is_empty() { ";" } else { "" };
    format!("{suggestion}{separator} known: {}", known.join(", "))
}

/// The word of `known` that `word` was probably meant to be: at most a third of its letters wrong.
#[must_use]
pub fn suggest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // A pasted page is no typo, and the distance costs the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let word = word.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::osa_distance(&word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        let known = ["epochs", "batch_size", "learning_rate"];
        assert_eq!(suggest("epoch", &known), Some("epochs"));
        assert_eq!(suggest("Epochs", &known), Some("epochs"));
        assert_eq!(suggest("bacth_size", &known), Some("batch_size"));
        assert_eq!(suggest("learnig_rat", &known), Some("learning_rate"));
        assert_eq!(suggest("momentum", &known), None);
        assert_eq!(suggest("", &known), None);
        assert_eq!(
            hint("epoch", &known),
            "; did you mean `epochs`? known: epochs, batch_size, learning_rate"
        );
        assert_eq!(hint("zzz", &known), "; known: epochs, batch_size, learning_rate");
    }

    #[test]
    fn problems_are_ordered_with_flags_last() {
        let mut problems = Problems::default();
        problems.add(&Place::Flag("--set a=b".to_owned()), "flag");
        problems.add(&Place::File { line: 12, column: 1 }, "later");
        problems.add(&Place::File { line: 3, column: 9 }, "a\nb");
        let error = SpecError::Problems { path: "x.yaml".into(), problems: problems.into_sorted() };
        assert_eq!(
            error.to_string(),
            "spec `x.yaml` has 3 problems\n  line 3, column 9: a\\nb\n  line 12, column 1: later\n  --set a=b: flag"
        );
    }
}
