//! What the listing commands share.

use std::path::Path;

use crate::spec::suggest;

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

/// A path from the root on: a message that says `runs` does not say which.
pub(super) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// What a user may have meant by a word that is not known, for a hint: the nearest of those that are, and all of them.
pub(super) fn meant(word: &str, known: &[&str]) -> Option<String> {
    if known.is_empty() {
        return None;
    }
    let there = format!("there are: {}", shortened(known, 20));
    Some(match suggest(word, known) {
        Some(best) => format!("did you mean `{best}`? {there}"),
        None => there,
    })
}
