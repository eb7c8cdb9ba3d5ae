//! Writing to the terminal: data to stdout, the rest to stderr, a closed pipe ends quietly.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{
    ValueEnum,
    builder::{PossibleValuesParser, TypedValueParser},
};

use super::CliError;
use crate::base::{
    charset::for_locale,
    error::with_causes,
    text::{for_terminal, json_for_terminal},
};
use crate::figure::Figure;
use crate::report::{Cell, Column, Format, RowWriter, Table};

/// The formats of a listing.
pub(super) const LISTS: [Format; 3] = [Format::Table, Format::Csv, Format::Json];

/// What takes one of these formats from the command line.
pub(super) fn one_of(formats: &[Format]) -> impl TypedValueParser<Value = Format> {
    let words = formats.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(words).try_map(|word| Format::from_str(&word, false))
}

/// What takes one of these words from the command line, and completes them in a shell.
pub(super) fn words<T>(words: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err = String> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse())
}

/// Writes a text for people and a line end, unless it has one, to stdout. What it quotes cannot command the terminal.
///
/// # Errors
/// Where stdout cannot be written. A closed pipe (`| head`) is no error.
pub(super) fn data(text: &str) -> Result<(), CliError> {
    write(&for_locale(&for_terminal(text)))
}

/// Writes indented JSON and a line end to stdout.
///
/// # Errors
/// As [`data`].
pub(super) fn json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).expect("names and numbers are JSON");
    write(&json_for_terminal(&text))
}

fn write(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(stdout, "{text}{end}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Stdout(error)),
        _ => Ok(()),
    }
}

/// Writes an indented JSON array and a line end to stdout, element by element: a plan may have a hundred thousand.
///
/// # Errors
/// As [`data`].
pub(super) fn json_array(elements: impl Iterator<Item = serde_json::Value>) -> Result<(), CliError> {
    use serde::{Serializer as _, ser::SerializeSeq as _};

    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let write = |stdout: &mut io::BufWriter<io::StdoutLock<'_>>| -> Result<(), serde_json::Error> {
        let mut json = serde_json::Serializer::pretty(stdout);
        let mut array = json.serialize_seq(None)?;
        for element in elements {
            array.serialize_element(&element)?;
        }
        array.end()
    };
    let written = write(&mut stdout).map_err(io::Error::from);
    match written.and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(CliError::Stdout(error)),
        _ => Ok(()),
    }
}

/// Renders a table to stdout: as wide as the terminal allows, or unbounded into a pipe.
///
/// # Errors
/// Where stdout cannot be written.
pub(super) fn table(table: &Table, format: Format) -> Result<(), CliError> {
    let text = table.render(format, terminal_width());
    write(&if format == Format::Table { for_locale(&text) } else { Cow::Borrowed(text.as_str()) })
}

/// A table that goes to stdout row by row.
pub(super) struct Rows {
    writer: RowWriter<io::BufWriter<Plain>>,
}

/// stdout, with the signs of the locale where a table is for the eye.
struct Plain {
    out: io::Stdout,
    is_table: bool,
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A sign that a buffer's end has cut in two stays for the next call.
        let whole = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
        };
        if !self.is_table || whole.is_empty() {
            return self.out.write(bytes);
        }
        self.out.write_all(for_locale(whole).as_bytes())?;
        Ok(whole.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Rows {
    /// A table with these columns. `sample` has rows from all over it, where it may be long: they tell how wide the columns
    /// are.
    pub(super) fn new(
        title: Option<String>,
        columns: Vec<Column>,
        format: Format,
        sample: Vec<Vec<Cell>>,
    ) -> Self {
        let out = io::BufWriter::new(Plain { out: io::stdout(), is_table: format == Format::Table });
        Self { writer: RowWriter::new(out, title, columns, format, terminal_width()).with_sample(sample) }
    }

    /// Writes a row. False where nobody reads any more: a closed pipe (`| head`) is no error.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub(super) fn row(&mut self, cells: Vec<Cell>) -> Result<bool, CliError> {
        is_read(self.writer.row(cells))
    }

    /// Ends the table.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub(super) fn finish(self, notes: Vec<String>) -> Result<(), CliError> {
        is_read(self.writer.finish(notes)).map(|_| ())
    }
}

/// Whether somebody reads what was written.
fn is_read(written: io::Result<()>) -> Result<bool, CliError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CliError::Stdout(error)),
    }
}

/// Writes a line to stderr. What it quotes cannot command the terminal.
pub(super) fn note(text: &str) {
    // Nothing is left to tell where stderr itself is gone.
    let _ = writeln!(io::stderr().lock(), "{}", for_locale(&for_terminal(text)));
}

/// Writes an error with what caused it, and its hint, to stderr.
pub(super) fn error(error: &CliError) {
    note(&format!("error: {}", with_causes(error)));
    if let Some(hint) = error.hint() {
        note(&format!("\nhint: {hint}"));
    }
}

/// Columns of the terminal behind stdout; in a pipe those that `COLUMNS` asks for, else `None`.
pub(super) fn terminal_width() -> Option<usize> {
    let stdout = io::stdout();
    let terminal = terminal_size::terminal_size_of(&stdout).filter(|_| stdout.is_terminal());
    let asked = || env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0);
    terminal.map(|(width, _)| usize::from(width.0)).or_else(asked)
}

/// Columns of the terminal behind stderr; `None` in a pipe.
pub(super) fn note_width() -> Option<usize> {
    let stderr = io::stderr();
    let terminal = terminal_size::terminal_size_of(&stderr).filter(|_| stderr.is_terminal());
    terminal.map(|(width, _)| usize::from(width.0))
}

/// Writes a figure as SVG and as PNG, whatever extension the path has.
///
/// # Errors
/// Where a file cannot be written.
pub(super) fn write_figure(path: &Path, figure: &Figure) -> Result<(), CliError> {
    let known = path.extension().is_some_and(|extension| extension == "svg" || extension == "png");
    let stem = if known { path.with_extension("") } else { path.to_owned() };
    for (extension, bytes) in [("svg", figure.svg.as_bytes()), ("png", &figure.png)] {
        let mut name = stem.clone().into_os_string();
        name.push(format!(".{extension}"));
        let path = PathBuf::from(name);
        std::fs::write(&path, bytes).map_err(|source| CliError::Write { path: path.clone(), source })?;
        note(&format!("figure {}", path.display()));
    }
    Ok(())
}
