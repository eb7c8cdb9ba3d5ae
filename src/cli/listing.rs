//! What the listing commands share.

use std::path::Path;

use crate::{
    report::{Cell, Table},
    spec::suggest,
};

/// So many runs that do not rank are listed below the best ones; `gridboard runs` has them all.
pub(super) const UNRANKED_SHOWN: u32 = 50;

/// [`UNRANKED_SHOWN`], or no limit where the user asked for everything.
pub(super) fn most_unranked(all: bool) -> Option<usize> {
    (!all).then_some(UNRANKED_SHOWN as usize)
}

/// The table of runs that do not rank, with one row for several that follow each other with the same state and reason: a
/// sweep that has stopped at once has hundreds.
pub(super) fn alike_together(mut table: Table) -> Table {
    /// So many are listed one by one.
    const FEW: usize = 3;
    let mut rows = Vec::new();
    for alike in table.rows.chunk_by(|one, next| one[1..] == next[1..]) {
        match alike[0].first() {
            Some(Cell::Text(run)) if alike.len() > FEW => {
                let mut row = alike[0].clone();
                row[0] = Cell::from(format!("{run} and {} more", alike.len() - 1));
                rows.push(row);
            }
            _ => rows.extend_from_slice(alike),
        }
    }
    table.rows = rows;
    table
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_runs_of_one_reason_are_one_row() {
        let row = |run: &str, reason: &str| vec![Cell::from(run), Cell::from("pending"), Cell::from(reason)];
        let rows =
            vec![row("a", "x"), row("b", "y"), row("c", "y"), row("d", "y"), row("e", "y"), row("f", "x")];
        let few = alike_together(Table { rows: rows[..4].to_vec(), ..Table::default() });
        assert_eq!(few.rows, rows[..4], "three are listed");
        let many = alike_together(Table { rows, ..Table::default() });
        assert_eq!(many.rows, [row("a", "x"), row("b and 3 more", "y"), row("f", "x")]);
    }
}
