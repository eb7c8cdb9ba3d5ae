//! A table in one of its five forms.
//!
//! Called by everything that prints or writes a table. Machine formats (CSV, JSON) keep column names and full precision,
//! formats for people use headings and round. The layout for the terminal is `terminal`'s, the escapes are `text`'s.

use std::fmt::Write as _;

use super::{
    columns::{fitting, for_machines},
    latex,
    table::{Align, Table},
    terminal,
    text::{csv_cell, csv_field, json_cell, markdown, shown_rows, unique_names},
};
use crate::base::text::json_for_terminal;

/// The forms of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For the eye
    Table,
    /// Comma-separated values, full precision
    ///
    /// Quoted as RFC 4180 says but with bare line feeds, which shell tools expect; a header line; unknown is empty. A text
    /// that a spreadsheet would take for a formula is kept from it with an apostrophe.
    Csv,
    /// An array of objects, full precision
    ///
    /// Unknown is `null`; JSON has no infinities, so those are the words `"Infinity"` and `"-Infinity"`. Of two columns of one
    /// name the second has `_2` after it.
    Json,
    /// A Markdown table
    Markdown,
    /// A LaTeX table, no wider than a column of text; wants the package graphicx
    Latex,
}

impl Table {
    /// The table in one of its forms, ending with a line break. `width` is that of the terminal, in columns; without
    /// it, lines are as long as they need to be.
    #[must_use]
    pub(crate) fn render(&self, format: Format, width: Option<usize>) -> String {
        match format {
            Format::Table => terminal::render(&fitting(&self.for_people(), width), width),
            Format::Csv => for_machines(self).to_csv(),
            Format::Json => for_machines(self).to_json(),
            Format::Markdown => self.for_people().to_markdown(),
            Format::Latex => latex::render(&self.for_people()),
        }
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
        let keys = unique_names(self.columns.iter().map(|column| column.name.as_str()));
        let rows: Vec<serde_json::Value> = self
            .rows
            .iter()
            .map(|row| {
                let pairs =
                    keys.iter().zip(self.cells(row)).map(|(key, (_, cell))| (key.clone(), json_cell(cell)));
                serde_json::Value::Object(pairs.collect())
            })
            .collect();
        // The alternate form of a JSON value's Display is the indented one, and it cannot fail.
        json_for_terminal(&format!("{:#}\n", serde_json::Value::Array(rows)))
    }

    pub(super) fn to_markdown(&self) -> String {
        let mut text = String::new();
        if let Some(title) = &self.title {
            let _ = write!(text, "{}\n\n", markdown(title));
        }
        let mut line = |fields: Vec<String>| {
            let _ = writeln!(text, "| {} |", fields.join(" | "));
        };
        if !self.columns.is_empty() {
            line(self.columns.iter().map(|column| markdown(column.shown_name())).collect());
            line(
                self.columns
                    .iter()
                    .map(|column| if column.align == Align::Right { "---:" } else { ":---" }.to_owned())
                    .collect(),
            );
            for row in shown_rows(self, markdown) {
                line(row);
            }
        }
        for note in &self.notes {
            let _ = write!(text, "\n{}\n", markdown(note));
        }
        text
    }
}

#[cfg(test)]
mod tests;
