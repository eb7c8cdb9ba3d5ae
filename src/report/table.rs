//! The one row model of every table.
//!
//! Every listing of the program and every table of a report is a [`Table`]. What it looks like is `render`'s.

/// A table: columns, rows of as many cells, a title above and notes below.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
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
pub(crate) struct Column {
    /// For machines: the CSV header, the JSON key.
    pub name: String,
    /// For people; the name where there is none.
    pub heading: Option<String>,
    /// Where the cells stand.
    pub align: Align,
    /// How floats are shown to people.
    pub digits: Digits,
    /// Who reads it.
    pub readers: Readers,
    /// A terminal that is too narrow leaves the columns of the highest number out first; 0 always stays.
    pub expendable: u8,
}

/// The digits of a float that people see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Digits {
    /// As many as the value needs.
    #[default]
    All,
    /// So many behind the point.
    Behind(usize),
    /// All of a value that somebody has written, four of one that a search has drawn.
    Chosen,
}

/// Who a column is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Readers {
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
pub(crate) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
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

impl Column {
    /// A left-aligned column.
    #[must_use]
    pub(crate) fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            heading: None,
            align: Align::Left,
            digits: Digits::All,
            readers: Readers::All,
            expendable: 0,
        }
    }

    /// A right-aligned column.
    #[must_use]
    pub(crate) fn number(name: impl Into<String>) -> Self {
        Self { align: Align::Right, ..Self::text(name) }
    }

    /// The same column with so many digits behind the point, for people.
    #[must_use]
    pub(crate) fn decimals(self, decimals: usize) -> Self {
        Self { digits: Digits::Behind(decimals), ..self }
    }

    /// The same column of values that somebody or a search has chosen.
    #[must_use]
    pub(crate) fn chosen(self) -> Self {
        Self { digits: Digits::Chosen, ..self }
    }

    /// The same column with a heading for people.
    #[must_use]
    pub(crate) fn heading(self, heading: impl Into<String>) -> Self {
        Self { heading: Some(heading.into()), ..self }
    }

    /// The same column for some readers only.
    #[must_use]
    pub(crate) fn only(self, readers: Readers) -> Self {
        Self { readers, ..self }
    }

    /// The same column, left out where a terminal has no room: the highest number first.
    #[must_use]
    pub(crate) fn expendable(self, order: u8) -> Self {
        Self { expendable: order, ..self }
    }

    /// What a column without a heading is called where it must have a name: `against best`.
    pub(super) fn unheaded(&self) -> String {
        let name = self.name.as_str();
        name.strip_suffix("_sign").or_else(|| name.strip_suffix("_mark")).unwrap_or(name).replace('_', " ")
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
            Value::Null | Value::List(_) => Self::Text(value.to_string()),
        }
    }
}

impl Table {
    /// The cells of a row, one per column.
    pub(super) fn cells<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
        self.columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column, row.get(index).unwrap_or(&Cell::Empty)))
    }
}
