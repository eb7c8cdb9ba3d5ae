//! A table that is written row by row, for more rows than one would hold in memory: queries, and plans of a million runs.
//!
//! CSV and JSON are those of a whole table, byte for byte. So is the table for the eye, as long as it is short; of a longer one
//! the first rows, or a sample that was given, decide how wide the columns are, and a wider cell pushes the rest of its row.

use std::io::{self, Write};

use super::{
    render::Format,
    table::{Align, Cell, Column, Table},
    terminal::{MOST_FITTED, Running},
    text::{csv_cell, csv_field, json_cell, unique_names},
};

/// Writes the rows of one table in one of the forms of a listing.
pub(crate) struct RowWriter<W: Write> {
    out: W,
    format: Format,
    width: Option<usize>,
    /// What is known of the table, with the rows that are held back: none in CSV and JSON.
    table: Table,
    /// Rows that only tell how wide the columns are.
    sample: Vec<Vec<Cell>>,
    /// Keys of the JSON objects.
    keys: Vec<String>,
    /// Rows that were written.
    written: u64,
    /// Set once the rows were too many to be held back.
    running: Option<Running>,
}

impl<W: Write> RowWriter<W> {
    /// A writer of a table with these columns. `width` is that of the terminal, as for [`Table::render`].
    pub(crate) fn new(
        out: W,
        title: Option<String>,
        columns: Vec<Column>,
        format: Format,
        width: Option<usize>,
    ) -> Self {
        let keys = unique_names(columns.iter().map(|column| column.name.as_str()));
        let table = Table { title, columns, rows: Vec::new(), notes: Vec::new() };
        Self { out, format, width, table, sample: Vec::new(), keys, written: 0, running: None }
    }

    /// Rows from all over the table, which decide how wide the columns of a long one are. They are not written.
    #[must_use]
    pub(crate) fn with_sample(self, sample: Vec<Vec<Cell>>) -> Self {
        Self { sample, ..self }
    }

    /// Writes a row, or holds it back until the columns are known.
    ///
    /// # Errors
    /// Where the output cannot be written.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        match self.format {
            Format::Csv => {
                if self.written == 0 {
                    self.csv_header()?;
                }
                line(&mut self.out, cells.iter().map(csv_cell))?;
            }
            Format::Json => {
                self.out.write_all(if self.written == 0 { b"[\n  {" } else { b",\n  {" })?;
                for (place, (key, cell)) in self.keys.iter().zip(&cells).enumerate() {
                    self.out.write_all(if place == 0 { b"\n    " } else { b",\n    " })?;
                    serde_json::to_writer(&mut self.out, key)?;
                    self.out.write_all(b": ")?;
                    // Nested values are indented as deep as they are.
                    let value = format!("{:#}", json_cell(cell)).replace('\n', "\n    ");
                    self.out.write_all(value.as_bytes())?;
                }
                self.out.write_all(b"\n  }")?;
            }
            Format::Table | Format::Markdown | Format::Latex => self.held_back(cells)?,
        }
        self.written += 1;
        Ok(())
    }

    /// Ends the table, with notes below it where the form has a place for them.
    ///
    /// # Errors
    /// Where the output cannot be written.
    pub(crate) fn finish(mut self, notes: Vec<String>) -> io::Result<()> {
        match (self.format, &self.running) {
            (Format::Csv, _) if self.written == 0 => self.csv_header()?,
            (Format::Csv, _) => {}
            (Format::Json, _) => self.out.write_all(if self.written == 0 { b"[]\n" } else { b"\n]\n" })?,
            (_, Some(running)) => self.out.write_all(running.end(&notes, self.width).as_bytes())?,
            (format, None) => {
                self.align();
                self.table.notes = notes;
                self.out.write_all(self.table.render(format, self.width).as_bytes())?;
            }
        }
        self.out.flush()
    }

    fn csv_header(&mut self) -> io::Result<()> {
        line(&mut self.out, self.table.columns.iter().map(|column| csv_field(&column.name)))
    }

    fn held_back(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        if let Some(running) = &self.running {
            return self.out.write_all(running.line(&self.table.columns, &cells).as_bytes());
        }
        self.table.rows.push(cells);
        // The forms with markup are not read by the million.
        if self.format != Format::Table || self.table.rows.len() <= MOST_FITTED {
            return Ok(());
        }
        self.align();
        let (running, text) = Running::begin(&self.table, &self.sample);
        self.table.rows = Vec::new();
        self.running = Some(running);
        self.out.write_all(text.as_bytes())
    }

    /// Columns with numbers in them stand at the right.
    fn align(&mut self) {
        for (place, column) in self.table.columns.iter_mut().enumerate() {
            let number = |row: &Vec<Cell>| matches!(row.get(place), Some(Cell::Int(_) | Cell::Float(_)));
            if self.table.rows.iter().any(number) {
                column.align = Align::Right;
            }
        }
    }
}

/// A line of CSV.
fn line(out: &mut impl Write, fields: impl Iterator<Item = String>) -> io::Result<()> {
    for (place, field) in fields.enumerate() {
        out.write_all(if place == 0 { b"" } else { b"," })?;
        out.write_all(field.as_bytes())?;
    }
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Vec<Column> {
        ["run", "value", "value"].map(Column::text).to_vec()
    }

    fn row(place: usize) -> Vec<Cell> {
        vec![Cell::from(format!("run, {place}")), Cell::Int(place as i64), Cell::Float(f64::INFINITY)]
    }

    fn streamed(format: Format, rows: usize) -> String {
        let mut out = Vec::new();
        let mut writer = RowWriter::new(&mut out, Some("title".into()), columns(), format, None);
        for place in 0..rows {
            writer.row(row(place)).unwrap();
        }
        writer.finish(vec!["a note".into()]).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn whole(format: Format, rows: usize) -> String {
        let mut columns = columns();
        if rows > 0 {
            columns[1].align = Align::Right;
            columns[2].align = Align::Right;
        }
        let rows = (0..rows).map(row).collect();
        Table { title: Some("title".into()), columns, rows, notes: vec!["a note".into()] }
            .render(format, None)
    }

    #[test]
    fn rows_one_by_one_are_the_whole_table() {
        for format in [Format::Csv, Format::Json, Format::Table] {
            for rows in [0, 1, 3, MOST_FITTED] {
                assert_eq!(streamed(format, rows), whole(format, rows), "{format:?} of {rows}");
            }
        }
        for format in [Format::Csv, Format::Json] {
            assert_eq!(streamed(format, 3000), whole(format, 3000), "{format:?}");
        }
    }

    #[test]
    fn equal_names_are_told_apart_in_json() {
        let json: serde_json::Value = serde_json::from_str(&streamed(Format::Json, 1)).unwrap();
        assert_eq!(json[0], serde_json::json!({"run": "run, 0", "value": 0, "value_2": "Infinity"}));
    }

    #[test]
    fn a_long_table_keeps_the_columns_of_its_beginning() {
        let text = streamed(Format::Table, 20_000);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 20_000 + 6);
        assert!(lines[0] == "title" && lines[20_005] == "a note");
        assert_eq!((lines[1], lines[3], lines[20_004]), (lines[3], lines[1], lines[1]));
        let value = |line: &str| line.find("inf").unwrap();
        assert_eq!(value(lines[4]), value(lines[2003]));
        assert!(value(lines[20_003]) > value(lines[4]), "a wider cell pushes the rest");
    }

    #[test]
    fn a_sample_tells_the_width() {
        let mut out = Vec::new();
        let writer = RowWriter::new(&mut out, None, columns(), Format::Table, None);
        let mut writer = writer.with_sample(vec![row(0), row(19_999)]);
        for place in 0..20_000 {
            writer.row(row(place)).unwrap();
        }
        writer.finish(Vec::new()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let ends: std::collections::BTreeSet<_> = text.lines().filter_map(|line| line.find("inf")).collect();
        assert_eq!(ends.len(), 1, "{ends:?}");
    }
}
