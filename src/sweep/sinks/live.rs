//! The live view: a few lines at the end of the terminal that are drawn anew again and again, and notes above them.
//!
//! Pure: a frame is a text. The cursor always rests at the start of the first live line. So nothing ever has to know how many
//! rows the last frame takes by now: a terminal that is made narrower or wider keeps the cursor at its text, whether it breaks
//! lines anew or cuts them, and the next frame writes over what is below. (Libraries that keep the cursor at the end count rows
//! to go up; after a change of the width they go up too few or too many, and leave bars behind or wipe lines out.)

use crate::report::{break_words, display_width};

/// Columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// Lines are cut at the terminal's edge and not broken, so that so many lines are so many rows.
const CUT: &str = "\x1b[?7l";
/// Long lines are broken again.
const BREAK: &str = "\x1b[?7h";
/// Clears from the cursor to the end of the screen.
const CLEAR_BELOW: &str = "\x1b[J";
/// Clears from the cursor to the end of the line.
const CLEAR_LINE: &str = "\x1b[K";

/// What draws `lines` in place of the last frame, below a note where there is one.
pub(super) fn frame(note: Option<&str>, lines: &[String], size: Size) -> String {
    let mut text = String::from("\r");
    if let Some(note) = note {
        text += CLEAR_BELOW;
        text += &break_words(note, size.columns.saturating_sub(1));
        text.push('\n');
    }
    text += CUT;
    // A frame that is higher than the screen would scroll at every turn.
    let shown = lines.len().min(size.rows.saturating_sub(1).max(1));
    for (place, line) in lines[..shown].iter().enumerate() {
        text += if place > 0 { "\r\n" } else { "" };
        text += line;
        text += CLEAR_LINE;
    }
    text += CLEAR_BELOW;
    if shown > 1 {
        text += &format!("\x1b[{}A", shown - 1);
    }
    text + "\r" + BREAK
}

/// What takes the last frame away.
pub(super) fn cleared() -> String {
    format!("\r{CLEAR_BELOW}")
}

/// A part of a line, and how much it is wanted: the highest number is left out first, 0 never.
pub(super) type Part = (String, u8);

/// The parts side by side, as many as `columns` have room for.
pub(super) fn line(mut parts: Vec<Part>, columns: usize) -> String {
    parts.retain(|(text, _)| !text.is_empty());
    let width = |parts: &[Part]| parts.iter().map(|(text, _)| display_width(text) + 2).sum::<usize>();
    // One column stays free: some terminals break a line that is full.
    while width(&parts) > columns + 1
        && let Some(least) = parts.iter().map(|(_, order)| *order).max().filter(|order| *order > 0)
    {
        let place = parts.iter().rposition(|(_, order)| *order == least).unwrap_or_default();
        parts.remove(place);
    }
    parts.into_iter().map(|(text, _)| text).collect::<Vec<_>>().join("  ")
}

/// A name in at most `columns`, without its middle where it is longer.
pub(super) fn shortened(name: &str, columns: usize) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= columns || columns < 3 {
        return letters.into_iter().take(columns).collect();
    }
    let tail = (columns - 1) / 2;
    let head = columns - 1 - tail;
    letters[..head].iter().chain(&['…']).chain(&letters[letters.len() - tail..]).collect()
}

/// `[=====>    ]`
pub(super) fn bar(part: f64, columns: usize) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a fraction of a few columns"
    )]
    let done = ((part.clamp(0.0, 1.0) * columns as f64) as usize).min(columns);
    let head = if done > 0 && done < columns { ">" } else { "" };
    format!("[{:columns$}]", "=".repeat(done.saturating_sub(head.len())) + head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Size = Size { columns: 40, rows: 4 };

    #[test]
    fn the_cursor_rests_at_the_first_live_line() {
        let lines = ["one", "two", "three"].map(str::to_owned);
        let drawn = frame(None, &lines, SMALL);
        assert_eq!(drawn, "\r\x1b[?7lone\x1b[K\r\ntwo\x1b[K\r\nthree\x1b[K\x1b[J\x1b[2A\r\x1b[?7h");
        // No frame is higher than the screen.
        let many = vec!["x".to_owned(); 20];
        assert_eq!(frame(None, &many, SMALL).matches('x').count(), 3);
        assert!(frame(None, &many, SMALL).contains("\x1b[2A"));
        assert!(!frame(None, &lines[..1], SMALL).contains('A'));
    }

    #[test]
    fn notes_stand_above_and_are_broken_between_words() {
        let note = "a note that is longer than forty columns and goes on";
        let drawn = frame(Some(note), &["live".to_owned()], SMALL);
        let above = drawn.split(CUT).next().unwrap();
        assert_eq!(above, "\r\x1b[Ja note that is longer than forty\ncolumns and goes on\n");
    }

    #[test]
    fn what_is_wanted_least_is_left_out_first() {
        let parts = || vec![("name".to_owned(), 0), ("rate".to_owned(), 3), ("metric".to_owned(), 1)];
        assert_eq!(line(parts(), 80), "name  rate  metric");
        assert_eq!(line(parts(), 19), "name  rate  metric");
        assert_eq!(line(parts(), 18), "name  metric");
        assert_eq!(line(parts(), 11), "name");
        assert_eq!(line(parts(), 1), "name");
    }

    #[test]
    fn long_names_lose_their_middle() {
        assert_eq!(shortened("2-conv-64-nodes", 15), "2-conv-64-nodes");
        assert_eq!(shortened("2-conv-64-nodes", 9), "2-co…odes");
        assert_eq!(bar(0.5, 4), "[=>  ]");
        assert_eq!((bar(0.0, 4), bar(1.0, 4)), ("[    ]".to_owned(), "[====]".to_owned()));
    }
}
