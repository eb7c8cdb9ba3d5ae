//! Queries of users: `gridboard sql`.
//!
//! Two locks keep them from writing: the statement must begin with a word that reads, and the connection of
//! [`Store::open_existing`] is read-only, which also covers `WITH ... DELETE`. Pragmas that set or do something are refused
//! at sight: some of them change the connection, and on a read-only one others fail as if the disk were broken.

use std::fmt;

use serde::{Serialize, Serializer};
use sqlx::{
    AssertSqlSafe, Column, Executor, Row, SqlSafeStr, Statement, TypeInfo, ValueRef, sqlite::SqliteRow,
};

use super::{
    Store,
    error::{StoreError, sqlite},
};

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

impl Store {
    /// Answers one statement that reads: SELECT, VALUES, WITH, EXPLAIN or PRAGMA.
    ///
    /// # Errors
    /// [`StoreError::NotAQuestion`] and its neighbours for what is refused at sight; else SQLite's message.
    pub async fn query(&mut self, sql: &str) -> Result<QueryResult, StoreError> {
        check(sql)?;
        let action = "answer the query";
        // Not kept prepared: the columns of a view may be others the next time.
        // Safe: it is the user's own database, and this is the user's own query.
        let statement = (&mut self.connection)
            .prepare(AssertSqlSafe(sql).into_sql_str())
            .await
            .map_err(sqlite(action))?;
        let columns: Vec<String> =
            statement.columns().iter().map(|column| column.name().to_owned()).collect();
        let rows = sqlx::query(AssertSqlSafe(sql))
            .persistent(false)
            .fetch_all(&mut self.connection)
            .await
            .map_err(sqlite(action))?;
        let rows = rows.iter().map(values).collect::<Result<_, _>>()?;
        Ok(QueryResult { columns, rows })
    }
}

fn values(row: &SqliteRow) -> Result<Vec<SqlValue>, StoreError> {
    (0..row.len()).map(|column| value(row, column).map_err(sqlite("answer the query"))).collect()
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
        _ => row.try_get_unchecked(column).map(SqlValue::Text),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses at sight what is no single statement that reads.
fn check(sql: &str) -> Result<(), StoreError> {
    let statements = statements(sql);
    let first = statements.first().ok_or(StoreError::EmptyQuery)?;
    let word: String =
        first.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    if !["select", "values", "with", "explain", "pragma"].contains(&word.to_lowercase().as_str()) {
        let word = if word.is_empty() { first.chars().take(12).collect() } else { word };
        return Err(StoreError::NotAQuestion { word });
    }
    if let Some(word) = change_by_pragma(first) {
        return Err(StoreError::NotAQuestion { word });
    }
    if statements.len() > 1 { Err(StoreError::SeveralStatements) } else { Ok(()) }
}

/// The pragmas whose argument is what they are asked about: <https://www.sqlite.org/pragma.html>. With any other, an
/// argument in parentheses is a value to be set.
const ASKED_ABOUT: [&str; 10] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// The pragmas that do something without an argument.
const DEEDS: [&str; 4] = ["incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint"];

/// How a statement that is a pragma and no question is called in a message; `None` for every other statement.
fn change_by_pragma(statement: &str) -> Option<String> {
    let (mut rest, mut word) = first_word(statement);
    // Some pragmas are obeyed while they are explained.
    while ["explain", "query", "plan"].contains(&word.as_str()) {
        (rest, word) = first_word(rest);
    }
    if word != "pragma" {
        return None;
    }
    let end = rest.find(['=', '(']).unwrap_or(rest.len());
    let (name, argument) = rest.split_at(end);
    let name = name.rsplit('.').next().unwrap_or(name).trim();
    let name = name.trim_matches(['"', '\'', '`', '[', ']']).to_lowercase();
    if argument.starts_with('=') || (!argument.is_empty() && !ASKED_ABOUT.contains(&name.as_str())) {
        Some(format!("pragma {name} = ..."))
    } else {
        DEEDS.contains(&name.as_str()).then(|| format!("pragma {name}"))
    }
}

/// What follows the first word, and the word in lower case.
fn first_word(text: &str) -> (&str, String) {
    let text = text.trim_start();
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    (&text[end..], text[..end].to_lowercase())
}

/// The statements of a text, without comments: cut at every `;` outside quotes. What SQLite would refuse anyway, an open
/// quote say, may come out in any way.
fn statements(sql: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        let statement = statements.last_mut().expect("there is a first one, and none is removed");
        match letter {
            ';' => statements.push(String::new()),
            '-' if letters.peek() == Some(&'-') => {
                letters.by_ref().find(|&letter| letter == '\n');
                statement.push(' ');
            }
            '/' if letters.peek() == Some(&'*') => {
                letters.next();
                let mut previous = ' ';
                for letter in letters.by_ref() {
                    if previous == '*' && letter == '/' {
                        break;
                    }
                    previous = letter;
                }
                statement.push(' ');
            }
            // A doubled quote inside quotes closes and opens them, which comes to the same.
            '\'' | '"' | '`' | '[' => {
                let close = if letter == '[' { ']' } else { letter };
                statement.push(letter);
                for letter in letters.by_ref() {
                    statement.push(letter);
                    if letter == close {
                        break;
                    }
                }
            }
            letter => statement.push(letter),
        }
    }
    statements
        .into_iter()
        .map(|statement| statement.trim().to_owned())
        .filter(|statement| !statement.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_cut_outside_quotes_and_comments() {
        assert_eq!(
            statements("select ';', \"a;b\", [c;d], `e;f`; -- x; y\n /* ; */ values (1);"),
            ["select ';', \"a;b\", [c;d], `e;f`", "values (1)"]
        );
        assert_eq!(statements("select 'it''s; so'"), ["select 'it''s; so'"]);
        assert_eq!(statements(" ; -- nothing\n;"), Vec::<String>::new());
        assert_eq!(statements("select 1 /* open"), ["select 1"]);
        assert_eq!(statements("select 'open"), ["select 'open"]);
    }

    #[test]
    fn only_questions_pass() {
        for good in [
            "select 1",
            "  SELECT 1;",
            "with a as (select 1) select * from a",
            "-- c\nvalues (1)",
            "explain query plan select 1",
            "pragma table_info(runs)",
            "PRAGMA main . table_xinfo ( 'a=b' )",
            "pragma journal_mode",
            "explain pragma user_version",
            "select name from pragma_table_info('runs') where name = 'x'",
            "/* a */ select 1 -- b",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        let word = |sql| match check(sql) {
            Err(StoreError::NotAQuestion { word }) => word,
            other => panic!("{sql}: {other:?}"),
        };
        assert_eq!(word("DELETE from _run"), "DELETE");
        assert_eq!(word("/* select */ drop view runs"), "drop");
        assert_eq!(word("vacuum into 'x.db'"), "vacuum");
        assert_eq!(word("attach 'x.db' as x"), "attach");
        assert_eq!(word("(select 1)"), "(select 1)");
        for (sql, name) in [
            ("pragma journal_mode=delete", "pragma journal_mode = ..."),
            ("PRAGMA /* now */ main.Journal_Mode\n= delete", "pragma journal_mode = ..."),
            ("pragma journal_mode(delete)", "pragma journal_mode = ..."),
            ("pragma table_info=runs", "pragma table_info = ..."),
            ("pragma \"query_only\"=off", "pragma query_only = ..."),
            ("explain query plan pragma query_only=0", "pragma query_only = ..."),
            ("pragma wal_checkpoint", "pragma wal_checkpoint"),
            ("pragma optimize;", "pragma optimize"),
        ] {
            assert_eq!(word(sql), name, "{sql}");
        }
        assert!(matches!(check(" -- \n"), Err(StoreError::EmptyQuery)));
        assert!(matches!(check("select 1; select 2"), Err(StoreError::SeveralStatements)));
    }

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
