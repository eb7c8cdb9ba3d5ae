//! The one row model of every table, and its five forms.
//!
//! Every listing of the program and every table of a report is a [`Table`]; what differs is the [`Format`]. Machine
//! formats (CSV, JSON) keep column names and full precision, formats for people use headings and round.

use std::fmt::Write as _;

use comfy_table::{
    Cell as Shown, CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table as Terminal,
    TableStyle,
};

use super::text::{break_words, csv_cell, csv_field, json_cell, latex, markdown, one_line, shown};

/// A table: columns, rows of as many cells, a title above and notes below.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Above the table, where the format has a place for it.
    pub title: Option<String>,
    /// From left to right, names unique.
    pub columns: Vec<Column>,
    /// Each as long as `columns`: a shorter row is filled with [`Cell::Empty`], a longer one is cut.
    pub rows: Vec<Vec<Cell>>,
    /// Below the table, where the format has a place for it.
    pub notes: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// For machines: the CSV header, the JSON key.
    pub name: String,
    /// For people; the name where there is none.
    pub heading: Option<String>,
    /// Where the cells stand.
    pub align: Align,
    /// Digits behind the point of floats, for people; without, as many as the value needs.
    pub decimals: Option<usize>,
}

/// Where cells stand in their column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Unknown, or not applicable: `-` for people, nothing in CSV, `null` in JSON.
    Empty,
    /// Any text; control characters are replaced where they would do harm.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number; NaN and infinities are kept where the format can say them, else they are `null`.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A nested value: itself in JSON, compact JSON text elsewhere.
    Json(serde_json::Value),
}

/// The forms of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For the terminal.
    Table,
    /// Comma-separated, quoted as RFC 4180 says but with bare line feeds, which shell tools expect; a header line; floats
    /// in full; unknown is empty.
    Csv,
    /// An array of objects, floats in full; unknown is `null`.
    Json,
    /// A GitHub-flavoured Markdown table.
    Markdown,
    /// A LaTeX `table` with booktabs rules.
    Latex,
}

impl Column {
    /// A left-aligned column.
    #[must_use]
    pub fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), heading: None, align: Align::Left, decimals: None }
    }

    /// A right-aligned column.
    #[must_use]
    pub fn number(name: impl Into<String>) -> Self {
        Self { align: Align::Right, ..Self::text(name) }
    }

    /// The same column with so many digits behind the point, for people.
    #[must_use]
    pub fn decimals(self, decimals: usize) -> Self {
        Self { decimals: Some(decimals), ..self }
    }

    /// The same column with a heading for people.
    #[must_use]
    pub fn heading(self, heading: impl Into<String>) -> Self {
        Self { heading: Some(heading.into()), ..self }
    }

    /// What people read above the column.
    pub(super) fn shown_name(&self) -> &str {
        self.heading.as_deref().unwrap_or(&self.name)
    }
}

impl From<Option<f64>> for Cell {
    fn from(value: Option<f64>) -> Self {
        value.map_or(Self::Empty, Self::Float)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Counts, bytes and seeds; one beyond the signed range, which no table of ours has, keeps its size and loses digits.
impl From<u64> for Cell {
    #[expect(clippy::cast_precision_loss, reason = "only where a whole number has no room")]
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Self::Float(number as f64), Self::Int)
    }
}

impl From<&crate::spec::Value> for Cell {
    fn from(value: &crate::spec::Value) -> Self {
        use crate::spec::Value;
        match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Float(value) => Self::Float(*value),
            Value::Text(text) => Self::Text(text.clone()),
        }
    }
}

impl Table {
    /// The table in one of its forms, ending with a line break. `width` is that of the terminal, in columns; without
    /// it, lines are as long as they need to be.
    #[must_use]
    pub fn render(&self, format: Format, width: Option<usize>) -> String {
        match format {
            Format::Table => self.to_terminal(width),
            Format::Csv => self.to_csv(),
            Format::Json => self.to_json(),
            Format::Markdown => self.to_markdown(),
            Format::Latex => self.to_latex(),
        }
    }

    /// The cells of a row, one per column.
    pub(super) fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        self.columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column, row.get(index).unwrap_or(&Cell::Empty)))
    }

    /// All cells as people read them.
    fn shown_rows(&self, escape: impl Fn(&str) -> String) -> Vec<Vec<String>> {
        let shown = |(column, cell): (&Column, &Cell)| escape(&shown(cell, column.decimals));
        self.rows.iter().map(|row| self.cells(row).map(shown).collect()).collect()
    }

    fn to_terminal(&self, width: Option<usize>) -> String {
        let rows = self.shown_rows(one_line);
        // Headings are broken at spaces down to the width of their column's cells.
        let headings: Vec<String> = (0..self.columns.len())
            .map(|index| {
                let body = rows.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
                break_words(&one_line(self.columns[index].shown_name()), body)
            })
            .collect();
        let natural: usize = (0..self.columns.len())
            .map(|index| {
                let cells = rows.iter().map(|row| row[index].as_str()).chain(headings[index].lines());
                cells.map(|text| text.chars().count()).max().unwrap_or(0) + 2
            })
            .sum();
        let tight = width.is_some_and(|width| natural > width);

        let mut table = Terminal::new();
        table.force_no_tty().load_style(LIGHT);
        match width.and_then(|width| u16::try_from(width).ok()) {
            Some(width) if width > 0 => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width)
            }
            _ => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        let cell = |column: &Column, text: &str| {
            Shown::new(text).set_alignment(match column.align {
                Align::Left => CellAlignment::Left,
                Align::Right => CellAlignment::Right,
            })
        };
        let row = |texts: &[String]| -> Vec<Shown> {
            self.columns.iter().zip(texts).map(|(column, text)| cell(column, text)).collect()
        };
        table.set_header(row(&headings));
        for texts in &rows {
            table.add_row(row(texts));
        }
        for (shown, column) in table.column_iter_mut().zip(&self.columns) {
            shown.set_padding(if tight { (0, 1) } else { (1, 1) });
            if column.align == Align::Right {
                // A number is never broken; text gives way.
                shown.set_constraint(ColumnConstraint::ContentWidth);
            }
        }

        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        let rule = "─".repeat(lines.iter().map(|line| line.chars().count()).max().unwrap_or(0));
        let prose = |text: &String| break_words(&one_line(text), width.unwrap_or(usize::MAX));
        let parts = self.title.iter().map(prose).chain([rule.clone()]).chain(lines).chain([rule]);
        parts.chain(self.notes.iter().map(prose)).map(|line| line + "\n").collect()
    }

    fn to_csv(&self) -> String {
        let mut text = String::new();
        let mut record = |fields: Vec<String>| {
            text.push_str(&fields.join(","));
            text.push('\n');
        };
        record(self.columns.iter().map(|column| csv_field(&column.name)).collect());
        for row in &self.rows {
            record(self.cells(row).map(|(_, cell)| csv_cell(cell)).collect());
        }
        text
    }

    fn to_json(&self) -> String {
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|row| {
                let pairs = self.cells(row).map(|(column, cell)| (column.name.clone(), json_cell(cell)));
                serde_json::Value::Object(pairs.collect())
            })
            .collect();
        // The alternate form of a JSON value's Display is the indented one, and it cannot fail.
        format!("{:#}\n", serde_json::Value::Array(rows))
    }

    fn to_markdown(&self) -> String {
        let mut text = String::new();
        if let Some(title) = &self.title {
            let _ = write!(text, "{}\n\n", markdown(title));
        }
        let mut line = |fields: Vec<String>| {
            let _ = writeln!(text, "| {} |", fields.join(" | "));
        };
        line(self.columns.iter().map(|column| markdown(column.shown_name())).collect());
        line(
            self.columns
                .iter()
                .map(|column| if column.align == Align::Right { "---:" } else { ":---" }.to_owned())
                .collect(),
        );
        for row in self.shown_rows(markdown) {
            line(row);
        }
        for note in &self.notes {
            let _ = write!(text, "\n{}\n", markdown(note));
        }
        text
    }

    fn to_latex(&self) -> String {
        let spec: String =
            self.columns.iter().map(|column| if column.align == Align::Right { 'r' } else { 'l' }).collect();
        let row = |fields: Vec<String>| format!("    {} \\\\\n", fields.join(" & "));
        let mut text = String::from("% \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n");
        if let Some(title) = &self.title {
            let _ = writeln!(text, "  \\caption{{{}}}", latex(title));
        }
        let _ = writeln!(text, "  \\begin{{tabular}}{{{spec}}}\n    \\toprule");
        text.push_str(&row(self.columns.iter().map(|column| latex(column.shown_name())).collect()));
        text.push_str("    \\midrule\n");
        for cells in self.shown_rows(latex) {
            text.push_str(&row(cells));
        }
        text.push_str("    \\bottomrule\n  \\end{tabular}\n");
        for note in &self.notes {
            let _ = writeln!(text, "  \\par\\smallskip\\footnotesize {}", latex(note));
        }
        text.push_str("\\end{table}\n");
        text
    }
}

/// A line between header and body and none between columns; the lines above and below are drawn by hand, as
/// comfy-table gives borders without junctions another width than rows.
const LIGHT: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

#[cfg(test)]
mod tests;
