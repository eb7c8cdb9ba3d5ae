//! Queries of users: `gridboard sql`. What passes as one is `question`'s to say.

use std::{fmt, future::poll_fn, pin::Pin};

use futures_core::Stream;
use serde::{Serialize, Serializer};
use sqlx::{
    AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef, sqlite::SqliteRow,
};

use super::question::check;
use crate::store::{
    Reader,
    error::{StoreError, sqlite},
};

const ACTION: &str = "answer the query";

/// The answer to a query.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    /// Names of the columns, also where there are no rows.
    pub columns: Vec<String>,
    /// A value per column.
    pub rows: Vec<Vec<SqlValue>>,
}

/// A value as SQLite holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// Nothing, or NaN.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number; may be infinite, never NaN.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// As the `sqlite3` shell prints it, but bytes in hex digits, and numbers with as many digits as tell them apart.
impl fmt::Display for SqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Integer(value) => value.fmt(f),
            // `Debug` writes 1.0 and 1e-7 where `Display` writes 1 and 0.0000001.
            Self::Real(value) => write!(f, "{value:?}"),
            Self::Text(value) => f.pad(value),
            Self::Blob(bytes) => f.pad(&hex(bytes)),
        }
    }
}

/// JSON: numbers and text as themselves; infinities and bytes, which JSON lacks, as text.
impl Serialize for SqlValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Integer(value) => serializer.serialize_i64(*value),
            Self::Real(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::Real(value) => {
                serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Self::Text(value) => serializer.serialize_str(value),
            Self::Blob(bytes) => serializer.serialize_str(&hex(bytes)),
        }
    }
}

/// The answer to a query as it comes, row by row: as many rows as there are never lie in memory together.
pub struct Answer<'a> {
    columns: Vec<String>,
    rows: Pin<Box<dyn Stream<Item = Result<SqliteRow, sqlx::Error>> + Send + 'a>>,
}

impl Answer<'_> {
    /// Names of the columns, also where there are no rows.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The next row, a value per column; `None` after the last one.
    ///
    /// # Errors
    /// SQLite's message.
    pub async fn next(&mut self) -> Result<Option<Vec<SqlValue>>, StoreError> {
        match poll_fn(|context| self.rows.as_mut().poll_next(context)).await {
            None => Ok(None),
            Some(row) => values(&row.map_err(sqlite(ACTION))?).map(Some),
        }
    }
}

impl Reader {
    /// Answers one statement that reads: SELECT, VALUES, WITH, EXPLAIN or PRAGMA.
    ///
    /// # Errors
    /// [`StoreError::NotAQuestion`] and its neighbours for what is refused at sight; else SQLite's message.
    pub async fn ask<'a>(&'a mut self, sql: &'a str) -> Result<Answer<'a>, StoreError> {
        check(sql)?;
        // Not kept prepared: the columns of a view may be others the next time.
        // Safe: it is the user's own database, and this is the user's own query.
        let statement = (&mut self.connection)
            .prepare(AssertSqlSafe(sql).into_sql_str())
            .await
            .map_err(sqlite(ACTION))?;
        let columns = statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch(&mut self.connection);
        Ok(Answer { columns, rows })
    }

    /// The whole answer of [`Self::ask`], for few rows.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn query(&mut self, sql: &str) -> Result<QueryResult, StoreError> {
        let mut answer = self.ask(sql).await?;
        let mut rows = Vec::new();
        while let Some(row) = answer.next().await? {
            rows.push(row);
        }
        Ok(QueryResult { columns: answer.columns, rows })
    }
}

fn values(row: &SqliteRow) -> Result<Vec<SqlValue>, StoreError> {
    (0..row.len()).map(|column| value(row, column).map_err(sqlite(ACTION))).collect()
}

fn value(row: &SqliteRow, column: usize) -> Result<SqlValue, sqlx::Error> {
    let raw = row.try_get_raw(column)?;
    if raw.is_null() {
        return Ok(SqlValue::Null);
    }
    // The type of the value, not of the column: SQLite's columns hold values of any type.
    let kind = raw.type_info().into_owned();
    match kind.name() {
        "INTEGER" => row.try_get_unchecked(column).map(SqlValue::Integer),
        "REAL" => row.try_get_unchecked(column).map(SqlValue::Real),
        "BLOB" => row.try_get_unchecked(column).map(SqlValue::Blob),
        // Whatever bytes another program has put there as text.
        _ => row
            .try_get_unchecked(column)
            .map(|bytes: Vec<u8>| SqlValue::Text(String::from_utf8_lossy(&bytes).into_owned())),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_and_serialise() {
        let print = |value: SqlValue| value.to_string();
        assert_eq!(print(SqlValue::Null), "");
        assert_eq!(print(SqlValue::Integer(-3)), "-3");
        assert_eq!(print(SqlValue::Real(f64::from(0.1_f32))), "0.10000000149011612");
        assert_eq!(print(SqlValue::Real(2.0)), "2.0");
        assert_eq!(print(SqlValue::Real(f64::INFINITY)), "inf");
        assert_eq!(print(SqlValue::Blob(vec![0, 255])), "00ff");
        let row = [SqlValue::Null, SqlValue::Real(f64::NEG_INFINITY), SqlValue::Text("a\"b".to_owned())];
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"[null,"-Infinity","a\"b"]"#);
    }
}
