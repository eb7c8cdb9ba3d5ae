//! The one row model of every table, and its five forms.
//!
//! Every listing of the program and every table of a report is a [`Table`]; what differs is the [`Format`]. Machine
//! formats (CSV, JSON) keep column names and full precision, formats for people use headings and round.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    columns, terminal,
    text::{csv_cell, csv_field, json_cell, latex, markdown, shown},
};

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
    /// Who reads it.
    pub readers: Readers,
    /// A terminal that is too narrow leaves the columns of the highest number out first; 0 always stays.
    pub expendable: u8,
}

/// Who a column is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// Everybody.
    #[default]
    All,
    /// People: terminal, Markdown, LaTeX.
    People,
    /// Machines: CSV and JSON.
    Machines,
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
        Self {
            name: name.into(),
            heading: None,
            align: Align::Left,
            decimals: None,
            readers: Readers::All,
            expendable: 0,
        }
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

    /// The same column for some readers only.
    #[must_use]
    pub fn only(self, readers: Readers) -> Self {
        Self { readers, ..self }
    }

    /// The same column, left out where a terminal has no room: the highest number first.
    #[must_use]
    pub fn expendable(self, order: u8) -> Self {
        Self { expendable: order, ..self }
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
            Format::Table => terminal::render(&columns::fitting(&self.for_people(), width), width),
            Format::Csv => self.for_machines().to_csv(),
            Format::Json => self.for_machines().to_json(),
            Format::Markdown => self.for_people().to_markdown(),
            Format::Latex => self.for_people().to_latex(),
        }
    }

    /// The table without the columns that only machines read.
    #[must_use]
    pub fn for_people(&self) -> Cow<'_, Self> {
        columns::keeping(self, |column| column.readers != Readers::Machines)
    }

    /// The table without the columns that only people read.
    fn for_machines(&self) -> Cow<'_, Self> {
        columns::keeping(self, |column| column.readers != Readers::People)
    }

    /// The cells of a row, one per column.
    pub(super) fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        self.columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column, row.get(index).unwrap_or(&Cell::Empty)))
    }

    /// All cells as people read them.
    pub(super) fn shown_rows(&self, escape: impl Fn(&str) -> String) -> Vec<Vec<String>> {
        let shown = |(column, cell): (&Column, &Cell)| escape(&shown(cell, column.decimals));
        self.rows.iter().map(|row| self.cells(row).map(shown).collect()).collect()
    }

    fn to_csv(&self) -> String {
        let mut text = String::new();
        let mut record = |fields: &mut dyn Iterator<Item = String>| {
            for (place, field) in fields.enumerate() {
                text.push_str(if place == 0 { "" } else { "," });
                text.push_str(&field);
            }
            text.push('\n');
        };
        record(&mut self.columns.iter().map(|column| csv_field(&column.name)));
        for row in &self.rows {
            record(&mut self.cells(row).map(|(_, cell)| csv_cell(cell)));
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

#[cfg(test)]
mod tests;
