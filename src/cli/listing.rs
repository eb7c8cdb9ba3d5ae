//! What the listing commands share.

use clap::ValueEnum;

use crate::report::Format;

/// Output formats of the top ten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum TopFormat {
    /// For the eye
    Table,
    /// Comma-separated values, full precision
    Csv,
    /// An array of objects, full precision
    Json,
    /// A Markdown table
    Markdown,
    /// A LaTeX tabular, for booktabs
    Latex,
}

impl From<TopFormat> for Format {
    fn from(format: TopFormat) -> Self {
        match format {
            TopFormat::Table => Self::Table,
            TopFormat::Csv => Self::Csv,
            TopFormat::Json => Self::Json,
            TopFormat::Markdown => Self::Markdown,
            TopFormat::Latex => Self::Latex,
        }
    }
}

/// `1 run`, `27 runs`.
pub(super) fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// So many runs that do not rank are listed below the best ones; `gridboard runs` has them all.
pub(super) const UNRANKED_SHOWN: u32 = 50;

/// [`UNRANKED_SHOWN`], or no limit where the user asked for everything.
pub(super) fn most_unranked(all: bool) -> Option<usize> {
    (!all).then_some(UNRANKED_SHOWN as usize)
}

/// The first `most` words, and how many more there are.
pub(super) fn shortened(words: &[&str], most: usize) -> String {
    let shown = words.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if words.len() > most { format!("{shown} and {} more", words.len() - most) } else { shown }
}
