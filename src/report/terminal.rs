//! Tables for the terminal.
//!
//! Used by `table` alone. A table that fits is laid out here, in one pass over its cells, so that a plan of a hundred
//! thousand runs is a matter of milliseconds; one that must be made narrower is laid out by comfy-table, which breaks texts.

use comfy_table::{
    Cell as Shown, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table as Terminal,
    TableStyle,
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    table::{Align, Table},
    text::{break_words, one_line},
};

/// A longer table is not made narrower: the terminal breaks its lines. Nobody reads that many rows, and columns that change
/// with the width of the terminal are of no use to `grep`.
const MOST_FITTED: usize = 2_000;

/// Space before and behind a cell.
const PADDING: usize = 1;

/// A line between header and body and none between columns; the lines above and below are drawn by hand, as
/// comfy-table gives borders without junctions another width than rows.
const LIGHT: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The table between its title and its notes, no wider than `width` columns where that is known and can be had.
pub(super) fn render(table: &Table, width: Option<usize>) -> String {
    let rows = table.shown_rows(one_line);
    let mut widths: Vec<usize> = (0..table.columns.len())
        .map(|index| rows.iter().map(|row| columns_of(&row[index])).max().unwrap_or(0))
        .collect();
    // Headings are broken at spaces down to the width of their column's cells.
    let headings: Vec<String> = table
        .columns
        .iter()
        .zip(&widths)
        .map(|(column, body)| break_words(&one_line(column.shown_name()), *body))
        .collect();
    for (width, heading) in widths.iter_mut().zip(&headings) {
        *width = heading.lines().map(columns_of).fold(*width, usize::max);
    }
    let natural: usize = widths.iter().map(|width| width + 2 * PADDING).sum();
    let narrower = width.filter(|width| natural > *width && rows.len() <= MOST_FITTED);
    let (lines, rule) = match narrower {
        Some(width) => fitted(table, &headings, &rows, width),
        None => (laid_out(table, &headings, &rows, &widths), natural),
    };
    let rule = "─".repeat(rule);
    let prose = |text: &String| break_words(&one_line(text), width.unwrap_or(usize::MAX)) + "\n";
    let mut text = String::with_capacity(lines.len() + 8 * rule.len());
    text.extend(table.title.iter().map(prose));
    for part in [&rule, "\n", &lines, &rule, "\n"] {
        text.push_str(part);
    }
    text.extend(table.notes.iter().map(prose));
    text
}

/// Columns of a terminal that a text takes.
fn columns_of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The lines of a table whose columns are as wide as `widths`.
fn laid_out(table: &Table, headings: &[String], rows: &[Vec<String>], widths: &[usize]) -> String {
    let line_width: usize = widths.iter().map(|width| width + 2 * PADDING).sum();
    let mut text = String::with_capacity((rows.len() + 4) * (line_width + 1));
    let shape: Vec<(Align, usize)> =
        table.columns.iter().map(|column| column.align).zip(widths.iter().copied()).collect();
    let heading_lines = headings.iter().map(|heading| heading.lines().count()).max().unwrap_or(0);
    for place in 0..heading_lines {
        let cells = headings.iter().map(|heading| heading.lines().nth(place).unwrap_or_default());
        push_line(&mut text, &shape, cells);
    }
    text.push_str(&"─".repeat(line_width));
    text.push('\n');
    for row in rows {
        push_line(&mut text, &shape, row.iter().map(String::as_str));
    }
    text
}

/// One line, without spaces at its end.
fn push_line<'a>(text: &mut String, shape: &[(Align, usize)], cells: impl Iterator<Item = &'a str>) {
    // Space that is written only when more text follows.
    let mut gap = 0;
    for (cell, (align, width)) in cells.zip(shape) {
        let room = width.saturating_sub(columns_of(cell));
        let (before, behind) = match align {
            Align::Left => (0, room),
            Align::Right => (room, 0),
        };
        gap += PADDING + before;
        if !cell.is_empty() {
            text.extend(std::iter::repeat_n(' ', gap));
            text.push_str(cell);
            gap = 0;
        }
        gap += behind + PADDING;
    }
    text.push('\n');
}

/// The lines of a table that gives way to be no wider than `width`, and the width that came out.
fn fitted(table: &Table, headings: &[String], rows: &[Vec<String>], width: usize) -> (String, usize) {
    let mut terminal = Terminal::new();
    terminal.force_no_tty().load_style(LIGHT);
    match u16::try_from(width) {
        Ok(width) if width > 0 => {
            terminal.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
        }
        _ => terminal.set_content_arrangement(ContentArrangement::Disabled),
    };
    let shown = |texts: &[String]| -> Vec<Shown> {
        let align = |align| match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        };
        let columns = table.columns.iter().map(|column| align(column.align));
        columns.zip(texts).map(|(align, text)| Shown::new(text).set_alignment(align)).collect()
    };
    terminal.set_header(shown(headings));
    for texts in rows {
        terminal.add_row(shown(texts));
    }
    for (shown, column) in terminal.column_iter_mut().zip(&table.columns) {
        // Every column counts here.
        shown.set_padding((0, 1));
        if column.align == Align::Right {
            // A number is never broken; text gives way.
            shown.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    let lines: Vec<String> = terminal.lines().map(|line| line.trim_end().to_owned()).collect();
    let widest = lines.iter().map(|line| columns_of(line)).max().unwrap_or(0);
    (lines.into_iter().map(|line| line + "\n").collect(), widest)
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn wide_letters_take_two_columns() {
        let text = sample(2).render(Format::Table, None);
        let rule = "─".repeat(14);
        assert_eq!(text, format!("{rule}\n n  a b     c\n{rule}\n 0  胸部 x\n 1  胸部 x\n{rule}\n"));
    }

    /// Where there is room, both ways of laying a table out draw the same lines.
    #[test]
    fn the_layout_is_that_of_the_library() {
        let table = sample(3);
        let rows = table.shown_rows(one_line);
        let headings: Vec<String> = ["n", "a b", "c"].map(str::to_owned).to_vec();
        let widths = [1, 6, 1];
        let (fitted, _) = fitted(&table, &headings, &rows, 200);
        // The library is given less padding, so that more columns fit.
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace('─', "");
        assert_eq!(squeezed(&fitted), squeezed(&laid_out(&table, &headings, &rows, &widths)));
    }

    #[test]
    fn a_long_table_keeps_its_columns_whatever_the_terminal() {
        let mut table = sample(MOST_FITTED + 1);
        table.rows[0][1] = Cell::from("w".repeat(60));
        let free = table.render(Format::Table, None);
        assert_eq!(table.render(Format::Table, Some(20)), free);
        table.rows.truncate(MOST_FITTED);
        assert!(table.render(Format::Table, Some(20)).lines().all(|line| columns_of(line) <= 20));
    }
}
