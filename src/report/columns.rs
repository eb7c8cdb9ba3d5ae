//! Which columns of a table its reader gets: those that are meant for them, and of those what a terminal has room for.
//!
//! Used before a table is rendered.

use std::borrow::Cow;

use super::{
    table::{Column, Readers, Table},
    text::{break_words, display_width, shown_rows},
};
use crate::base::text::one_line;

impl Table {
    /// The table without the columns that only machines read.
    #[must_use]
    pub(crate) fn for_people(&self) -> Cow<'_, Self> {
        keeping(self, |column| column.readers != Readers::Machines)
    }

    /// Markdown for a page that has room for `width` letters and would break numbers: without the expendable columns that are too
    /// much, and with a note that names them and where they are.
    #[must_use]
    pub(crate) fn markdown_within(&self, width: usize, elsewhere: &str) -> String {
        within(&self.for_people(), width, CELL, elsewhere).to_markdown()
    }
}

/// Letters that the frame of a cell takes on a page.
const CELL: usize = 3;

/// The table without the columns that only people read.
pub(super) fn for_machines(table: &Table) -> Cow<'_, Table> {
    keeping(table, |column| column.readers != Readers::People)
}

/// The table with the columns that `keep` lets pass.
fn keeping(table: &Table, keep: impl Fn(&Column) -> bool) -> Cow<'_, Table> {
    let kept: Vec<usize> = (0..table.columns.len()).filter(|&place| keep(&table.columns[place])).collect();
    if kept.len() == table.columns.len() {
        return Cow::Borrowed(table);
    }
    let cells = |row: &Vec<_>| kept.iter().filter_map(|&place| row.get(place).cloned()).collect();
    Cow::Owned(Table {
        title: table.title.clone(),
        columns: kept.iter().map(|&place| table.columns[place].clone()).collect(),
        rows: table.rows.iter().map(cells).collect(),
        notes: table.notes.clone(),
    })
}

/// The table without the expendable columns that `width` has no room for, and with a note that names them.
pub(super) fn fitting(table: &Table, width: Option<usize>) -> Cow<'_, Table> {
    match width {
        Some(width) => within(table, width, 1, "--format csv"),
        None => Cow::Borrowed(table),
    }
}

/// The table within `width`, where each column takes `frame` beside its text; the note says that what is left out is `elsewhere`.
fn within<'a>(table: &'a Table, width: usize, frame: usize, elsewhere: &str) -> Cow<'a, Table> {
    let widths = tight_widths(table, frame);
    let mut natural: usize = widths.iter().sum();
    let mut order: Vec<usize> =
        (0..table.columns.len()).filter(|&place| table.columns[place].expendable > 0).collect();
    // Of equal ones the last goes first.
    order.sort_by_key(|&place| (table.columns[place].expendable, place));
    let mut left_out = Vec::new();
    while natural > width
        && let Some(place) = order.pop()
    {
        natural -= widths[place];
        left_out.push(place);
    }
    if left_out.is_empty() {
        return Cow::Borrowed(table);
    }
    left_out.sort_unstable();
    let left_out: Vec<&Column> = left_out.iter().map(|&place| &table.columns[place]).collect();
    // Those that only people read have other names in CSV, or are several columns there.
    let name = |column: &&Column| match column.readers {
        Readers::People => column.shown_name().to_owned(),
        Readers::All | Readers::Machines => column.name.clone(),
    };
    let names: Vec<String> = left_out.iter().map(name).collect();
    let note = format!("no room for {}: {elsewhere} has what they tell", names.join(", "));
    let mut fitting = keeping(table, |column| !left_out.contains(&column)).into_owned();
    fitting.notes.push(note);
    Cow::Owned(fitting)
}

/// No sentence needs more columns of a terminal than this beside other columns: it is broken into lines.
const SENTENCE: usize = 24;

/// Columns of a terminal that each column takes at least, with its frame. Words are not broken.
fn tight_widths(table: &Table, frame: usize) -> Vec<usize> {
    let rows = shown_rows(table, one_line);
    let least = |cell: &str| {
        let word = cell.split(' ').map(display_width).max().unwrap_or(0);
        display_width(cell).min(SENTENCE.max(word))
    };
    (0..table.columns.len())
        .map(|index| {
            let body = rows.iter().map(|row| least(&row[index])).max().unwrap_or(0);
            let heading = break_words(&one_line(table.columns[index].shown_name()), body);
            // An empty column has one all the same.
            heading.lines().map(display_width).fold(body, usize::max).max(1) + frame
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Cell, Format};

    fn table() -> Table {
        Table {
            title: None,
            columns: vec![
                Column::text("run"),
                Column::number("first").expendable(1),
                Column::number("second").expendable(2),
                Column::text("sign").only(Readers::People),
                Column::number("value").only(Readers::Machines),
            ],
            rows: vec![vec![
                Cell::from("name-of-a-run"),
                Cell::Int(1),
                Cell::Int(2),
                Cell::from("="),
                Cell::Int(3),
            ]],
            notes: Vec::new(),
        }
    }

    #[test]
    fn readers_get_their_columns() {
        assert_eq!(table().render(Format::Csv, None), "run,first,second,value\nname-of-a-run,1,2,3\n");
        assert!(table().render(Format::Json, None).contains("\"value\": 3"));
        let markdown = table().render(Format::Markdown, None);
        assert_eq!(markdown.lines().next(), Some("| run | first | second | sign |"));
        assert!(!table().render(Format::Latex, None).contains("value"));
    }

    #[test]
    fn a_narrow_terminal_loses_the_expendable_columns_one_by_one() {
        let names = |width: usize| {
            let text = table().render(Format::Table, Some(width));
            let rule = text.lines().next().unwrap().chars().count();
            (text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>().join(" "), rule <= width)
        };
        assert_eq!(names(80), ("run first second sign".to_owned(), true));
        assert_eq!(names(32), ("run first second sign".to_owned(), true));
        assert_eq!(names(31), ("run first sign".to_owned(), true));
        assert_eq!(names(24), ("run sign".to_owned(), true));
        let text = table().render(Format::Table, Some(24));
        assert!(
            text.replace('\n', " ").contains("no room for first, second: --format csv has what they tell")
        );
        // Without a terminal nothing is left out.
        assert!(table().render(Format::Table, None).contains("second"));
    }

    #[test]
    fn a_page_has_frames_around_its_cells() {
        let head = |width| table().markdown_within(width, "top").lines().next().map(str::to_owned);
        assert_eq!(head(40).as_deref(), Some("| run | first | second | sign |"));
        assert_eq!(head(39).as_deref(), Some("| run | first | sign |"));
        assert!(table().markdown_within(39, "top").contains("no room for second: top has what they tell"));
    }
}
