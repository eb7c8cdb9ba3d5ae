//! Tables for the terminal.
//!
//! Used by `render` alone. A table that fits is laid out in one pass over its cells, so that a plan of a hundred thousand
//! runs is a matter of milliseconds. One that does not fit is set closer, then its texts are broken into lines at spaces;
//! numbers and names never are, unless the lines of a name stay long. Where that does not help, each row becomes a record of
//! `name: value` lines, as psql's `\\x` has them.

use super::{
    table::{Align, Cell, Column, Table},
    text::{break_words, display_width, pieces, shown, shown_rows, wrap},
};
use crate::base::text::one_line;

/// A longer table is not made narrower: the terminal breaks its lines. Nobody reads that many rows, and columns that change
/// with the width of the terminal are of no use to `grep`.
pub(super) const MOST_FITTED: usize = 2_000;

/// No text is broken into lines shorter than this.
const NARROWEST: usize = 12;
/// Nor is a word, as a name or a path is one, broken into pieces shorter than this.
const SHORTEST_PIECE: usize = 24;

/// Space before and after each cell.
#[derive(Clone, Copy)]
struct Padding {
    before: usize,
    after: usize,
}

const WIDE: Padding = Padding { before: 1, after: 1 };
const CLOSE: Padding = Padding { before: 0, after: 1 };

/// The table between its title and its notes, no wider than `width` columns where that is known and can be had. Of one
/// without columns, title and notes alone.
pub(super) fn render(table: &Table, width: Option<usize>) -> String {
    let rows = shown_rows(table, one_line);
    let bodies: Vec<usize> = (0..table.columns.len())
        .map(|index| rows.iter().map(|row| display_width(&row[index])).max().unwrap_or(0))
        .collect();
    let names: Vec<String> = table.columns.iter().map(|column| one_line(column.shown_name())).collect();
    let body = match width.filter(|_| rows.len() <= MOST_FITTED) {
        Some(width) => fitted(table, &names, &rows, &bodies, width),
        None => natural(table, &names, &rows, &bodies).1,
    };
    let rule = "─".repeat(body.lines().map(display_width).max().unwrap_or(0));
    let prose = |text: &String| break_words(&one_line(text), width.unwrap_or(usize::MAX)) + "\n";
    let mut text = String::with_capacity(body.len() + 8 * rule.len());
    text.extend(table.title.iter().map(prose));
    if !table.columns.is_empty() {
        for part in [&rule, "\n", &body, &rule, "\n"] {
            text.push_str(part);
        }
    }
    text.extend(table.notes.iter().map(prose));
    text
}

/// A table of very many rows, laid out by its first ones: the natural layout, whose rows come one after the other.
pub(super) struct Running {
    shape: Vec<(Align, usize)>,
    rule: String,
}

impl Running {
    /// The table down to the rows that it has, and what lays out the others. `sample` has rows that only tell widths.
    pub(super) fn begin(table: &Table, sample: &[Vec<Cell>]) -> (Self, String) {
        let measured = Table { rows: sample.to_vec(), ..table.clone() };
        let rows = shown_rows(table, one_line);
        let sample = shown_rows(&measured, one_line);
        let bodies: Vec<usize> = (0..table.columns.len())
            .map(|index| rows.iter().chain(&sample).map(|row| display_width(&row[index])).max().unwrap_or(0))
            .collect();
        let names: Vec<String> = table.columns.iter().map(|column| one_line(column.shown_name())).collect();
        let headings: Vec<String> =
            names.iter().zip(&bodies).map(|(name, body)| break_words(name, *body)).collect();
        let widths: Vec<usize> =
            headings.iter().zip(&bodies).map(|(heading, body)| block(heading, *body)).collect();
        let body = laid_out(table, &headings, &rows, &widths, WIDE);
        let shape = table.columns.iter().map(|column| column.align).zip(widths.iter().copied()).collect();
        let rule = "─".repeat(total(&widths, WIDE));
        let title = table.title.iter().map(|title| one_line(title) + "\n").collect::<String>();
        let text = format!("{title}{rule}\n{body}");
        (Self { shape, rule }, text)
    }

    /// One more row.
    pub(super) fn line(&self, columns: &[Column], row: &[Cell]) -> String {
        let cells: Vec<String> =
            columns.iter().zip(row).map(|(column, cell)| one_line(&shown(cell, column.digits))).collect();
        let mut text = String::new();
        push_line(&mut text, &self.shape, WIDE, cells.iter().map(String::as_str));
        text
    }

    /// What stands below the rows.
    pub(super) fn end(&self, notes: &[String], width: Option<usize>) -> String {
        let prose = |text: &String| break_words(&one_line(text), width.unwrap_or(usize::MAX)) + "\n";
        format!("{}\n", self.rule) + &notes.iter().map(prose).collect::<String>()
    }
}

/// The layout with room around every cell, and its width. Headings are broken at spaces down to the width of their cells.
fn natural(table: &Table, names: &[String], rows: &[Vec<String>], bodies: &[usize]) -> (usize, String) {
    let headings: Vec<String> =
        names.iter().zip(bodies).map(|(name, body)| break_words(name, *body)).collect();
    let widths: Vec<usize> =
        headings.iter().zip(bodies).map(|(heading, body)| block(heading, *body)).collect();
    (total(&widths, WIDE), laid_out(table, &headings, rows, &widths, WIDE))
}

/// The first layout that is no wider than `width`: the natural one, the close one, broken texts, blocks.
fn fitted(table: &Table, names: &[String], rows: &[Vec<String>], bodies: &[usize], width: usize) -> String {
    let (natural_width, text) = natural(table, names, rows, bodies);
    if natural_width <= width {
        return text;
    }
    let headings: Vec<String> =
        names.iter().zip(bodies).map(|(name, body)| break_words(name, *body)).collect();
    let widths: Vec<usize> =
        headings.iter().zip(bodies).map(|(heading, body)| block(heading, *body).max(1)).collect();
    if total(&widths, CLOSE) <= width {
        return laid_out(table, &headings, rows, &widths, CLOSE);
    }
    let words = longest_words(table, rows);
    let nothing = vec![0; words.len()];
    let widths = narrowed(table, names, bodies, (&words, NARROWEST), width)
        .or_else(|| narrowed(table, names, bodies, (&nothing, SHORTEST_PIECE), width));
    let Some(widths) = widths else { return records(table, names, rows, width) };
    let headings: Vec<String> =
        names.iter().zip(&widths).map(|(name, width)| wrap(name, *width).join("\n")).collect();
    laid_out(table, &headings, rows, &widths, CLOSE)
}

/// Width of a text of several lines, or of the cells below it.
fn block(heading: &str, body: usize) -> usize {
    heading.lines().map(display_width).fold(body, usize::max)
}

fn total(widths: &[usize], padding: Padding) -> usize {
    widths.iter().map(|width| width + padding.before + padding.after).sum()
}

/// The width of the longest word of each column's cells.
fn longest_words(table: &Table, rows: &[Vec<String>]) -> Vec<usize> {
    let longest = |cell: &String| cell.split(' ').map(display_width).max().unwrap_or(0);
    (0..table.columns.len())
        .map(|place| rows.iter().map(|row| longest(&row[place])).max().unwrap_or(0))
        .collect()
}

/// The widths of columns that together have room in `width`, or none. Numbers keep theirs; the widest texts give way, and
/// none becomes narrower than its `words` or than `narrowest`.
fn narrowed(
    table: &Table,
    names: &[String],
    bodies: &[usize],
    (words, narrowest): (&[usize], usize),
    width: usize,
) -> Option<Vec<usize>> {
    let fixed = |place: usize| table.columns[place].align == Align::Right;
    let wanted: Vec<usize> =
        bodies.iter().zip(names).map(|(body, name)| (*body).max(heading_width(name)).max(1)).collect();
    let cut = |most: usize| -> Vec<usize> {
        let column = |(place, wanted): (usize, &usize)| match fixed(place) {
            true => *wanted,
            false => (*wanted).min(most.max(words[place])),
        };
        wanted.iter().enumerate().map(column).collect()
    };
    let most = (narrowest..=width).rev().find(|most| total(&cut(*most), CLOSE) <= width)?;
    let mut widths = cut(most);
    // What is left over, from the left.
    for place in 0..widths.len() {
        if total(&widths, CLOSE) < width && widths[place] < wanted[place] {
            widths[place] += 1;
        }
    }
    Some(widths)
}

/// The least width of a heading: that of its longest word, where a long one may be broken at signs, as in
/// `validation_accuracy`.
fn heading_width(name: &str) -> usize {
    let least = |word: &str| {
        let longest = pieces(word).map(display_width).max().unwrap_or(0);
        display_width(word).min(longest.max(NARROWEST))
    };
    name.split(' ').map(least).max().unwrap_or(0)
}

/// The lines of a table whose columns are as wide as `widths`; wider texts are broken.
fn laid_out(
    table: &Table,
    headings: &[String],
    rows: &[Vec<String>],
    widths: &[usize],
    padding: Padding,
) -> String {
    let line_width = total(widths, padding);
    let mut text = String::with_capacity((rows.len() + 4) * (line_width + 1));
    let shape: Vec<(Align, usize)> =
        table.columns.iter().map(|column| column.align).zip(widths.iter().copied()).collect();
    let heading_lines = headings.iter().map(|heading| heading.lines().count()).max().unwrap_or(0);
    for place in 0..heading_lines {
        let cells = headings.iter().map(|heading| heading.lines().nth(place).unwrap_or_default());
        push_line(&mut text, &shape, padding, cells);
    }
    text.push_str(&"─".repeat(line_width));
    text.push('\n');
    for row in rows {
        if row.iter().zip(widths).all(|(cell, width)| display_width(cell) <= *width) {
            push_line(&mut text, &shape, padding, row.iter().map(String::as_str));
            continue;
        }
        let cells: Vec<Vec<String>> =
            row.iter().zip(widths).map(|(cell, width)| wrap(cell, *width)).collect();
        for place in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let line = cells.iter().map(|lines| lines.get(place).map_or("", String::as_str));
            push_line(&mut text, &shape, padding, line);
        }
    }
    text
}

/// One line, without spaces at its end.
fn push_line<'a>(
    text: &mut String,
    shape: &[(Align, usize)],
    padding: Padding,
    cells: impl Iterator<Item = &'a str>,
) {
    // Space that is written only when more text follows.
    let mut gap = 0;
    for (cell, (align, width)) in cells.zip(shape) {
        let room = width.saturating_sub(display_width(cell));
        let (before, after) = match align {
            Align::Left => (0, room),
            Align::Right => (room, 0),
        };
        gap += padding.before + before;
        if !cell.is_empty() {
            text.extend(std::iter::repeat_n(' ', gap));
            text.push_str(cell);
            gap = 0;
        }
        gap += after + padding.after;
    }
    text.push('\n');
}

/// Each row as lines of `name: value`, with an empty line between rows. Values stand below each other.
fn records(table: &Table, names: &[String], rows: &[Vec<String>], width: usize) -> String {
    if rows.is_empty() {
        return wrap(&names.join(", "), width).join("\n") + "\n";
    }
    let named = |(name, column): (&String, &Column)| {
        format!("{}:", if name.is_empty() { one_line(&column.unheaded()) } else { name.clone() })
    };
    let names: Vec<String> = names.iter().zip(&table.columns).map(named).collect();
    let longest = |texts: &mut dyn Iterator<Item = &String>| texts.map(|text| display_width(text)).max();
    let widest_value = longest(&mut rows.iter().flatten()).unwrap_or(0);
    // Values have half the line, or what they need.
    let room = width.saturating_sub(2 + widest_value.min(width / 2));
    let name_width = longest(&mut names.iter()).unwrap_or(0).min(room).max(1);
    let value_width = width.saturating_sub(name_width + 2).max(1);
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        for ((name, value), column) in names.iter().zip(row).zip(&table.columns) {
            // A sign that is not there says nothing.
            if value.is_empty() && column.shown_name().is_empty() {
                continue;
            }
            let word = value.split(' ').map(display_width).max().unwrap_or(0);
            if word > value_width && name_width > 2 {
                // A name or path that has no room beside its key has more below it.
                text += &format!("{}\n", wrap(name, width).join("\n"));
                text.extend(
                    wrap(value, width.saturating_sub(2).max(1)).iter().map(|line| format!("  {line}\n")),
                );
                continue;
            }
            let (name, value) = (wrap(name, name_width), wrap(value, value_width));
            let shape = [(Align::Left, name_width + 1), (Align::Left, value_width)];
            for line in 0..name.len().max(value.len()) {
                let part = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
                let (name, value) = (part(&name), part(&value));
                push_line(&mut text, &shape, CLOSE, [name.as_str(), value.as_str()].into_iter());
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::report::{Cell, Column, Format};

    fn sample(rows: usize) -> Table {
        let row = |place: usize| vec![Cell::from(place as u64), Cell::from("胸部 x"), Cell::from("")];
        Table {
            title: None,
            columns: vec![Column::number("n"), Column::text("a b"), Column::text("c")],
            rows: (0..rows).map(row).collect(),
            notes: Vec::new(),
        }
    }

    fn runs() -> Table {
        let row = |run: &str, accuracy: f64, reason: &str| {
            vec![Cell::Int(1), Cell::from(run), Cell::Float(accuracy), Cell::from(reason)]
        };
        Table {
            title: Some("two runs".to_owned()),
            columns: vec![
                Column::number("rank"),
                Column::text("run"),
                Column::number("validation_accuracy").decimals(4),
                Column::text("reason"),
            ],
            rows: vec![
                row("1-conv-32-nodes-0-dense", 0.9531, "out of memory in the first step of it"),
                row("2-conv-64-nodes-2-dense", 0.75, ""),
            ],
            notes: Vec::new(),
        }
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let text = sample(2).render(Format::Table, None);
        let rule = "─".repeat(14);
        assert_eq!(text, format!("{rule}\n n  a b     c\n{rule}\n 0  胸部 x\n 1  胸部 x\n{rule}\n"));
    }

    #[test]
    fn a_table_that_fits_is_as_wide_as_it_needs_to_be() {
        let free = runs().render(Format::Table, None);
        assert_eq!(runs().render(Format::Table, Some(92)), free);
        insta::assert_snapshot!(free, @r"
        two runs
        ───────────────────────────────────────────────────────────────────────────────────────────
         rank  run                      validation_accuracy  reason
        ───────────────────────────────────────────────────────────────────────────────────────────
            1  1-conv-32-nodes-0-dense               0.9531  out of memory in the first step of it
            1  2-conv-64-nodes-2-dense               0.7500
        ───────────────────────────────────────────────────────────────────────────────────────────
        ");
    }

    #[test]
    fn cells_move_together_before_any_text_is_broken() {
        insta::assert_snapshot!(runs().render(Format::Table, Some(88)), @r"
        two runs
        ───────────────────────────────────────────────────────────────────────────────────────
        rank run                     validation_accuracy reason
        ───────────────────────────────────────────────────────────────────────────────────────
           1 1-conv-32-nodes-0-dense              0.9531 out of memory in the first step of it
           1 2-conv-64-nodes-2-dense              0.7500
        ───────────────────────────────────────────────────────────────────────────────────────
        ");
    }

    #[test]
    fn texts_give_way_and_numbers_do_not() {
        insta::assert_snapshot!(runs().render(Format::Table, Some(60)), @r"
        two runs
        ────────────────────────────────────────────────────────────
        rank run                      validation_ reason
                                         accuracy
        ────────────────────────────────────────────────────────────
           1 1-conv-32-nodes-0-dense       0.9531 out of memory in
                                                  the first step of
                                                  it
           1 2-conv-64-nodes-2-dense       0.7500
        ────────────────────────────────────────────────────────────
        ");
    }

    #[test]
    fn a_row_becomes_a_record_before_a_name_is_broken() {
        insta::assert_snapshot!(runs().render(Format::Table, Some(40)), @r"
        two runs
        ────────────────────────────────────────
        rank:               1
        run:
          1-conv-32-nodes-0-dense
        validation_         0.9531
        accuracy:
        reason:             out of memory in the
                            first step of it

        rank:               1
        run:
          2-conv-64-nodes-2-dense
        validation_         0.7500
        accuracy:
        reason:
        ────────────────────────────────────────
        ");
    }

    #[test]
    fn a_long_table_keeps_its_columns_whatever_the_terminal() {
        let mut table = sample(MOST_FITTED + 1);
        table.rows[0][1] = Cell::from("w".repeat(60));
        let free = table.render(Format::Table, None);
        assert_eq!(table.render(Format::Table, Some(20)), free);
        table.rows.truncate(MOST_FITTED);
        assert!(table.render(Format::Table, Some(20)).lines().all(|line| display_width(line) <= 20));
    }

    proptest! {
        /// Nothing is cut off and nothing sticks out, whatever the width.
        #[test]
        fn every_letter_is_shown_within_the_width(
            cells in prop::collection::vec("[a-z胸é,/ -]{0,40}", 1..6),
            number in 0..10_000_i64,
            width in 24..100_usize,
        ) {
            let mut columns = vec![Column::number("n")];
            columns.extend((0..cells.len()).map(|place| Column::text(format!("column {place}"))));
            let mut row = vec![Cell::Int(number)];
            row.extend(cells.iter().map(Cell::from));
            let table = Table { columns, rows: vec![row], ..Table::default() };
            let text = table.render(Format::Table, Some(width));
            prop_assert!(text.lines().all(|line| display_width(line) <= width), "{}", text);
            let letters = |text: &str| {
                let mut letters: Vec<char> = text.chars().filter(|c| !" ─:\n".contains(*c)).collect();
                letters.sort_unstable();
                letters
            };
            let names: String = (0..cells.len()).map(|place| format!("column{place}")).collect();
            prop_assert_eq!(letters(&text), letters(&format!("n{names}{number}{}", cells.concat())), "{}", text);
        }
    }
}
