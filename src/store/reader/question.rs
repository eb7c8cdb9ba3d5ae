//! Which statements of a user are questions. Pure.
//!
//! Two locks keep them from writing: the statement must begin with a word that reads, and the connection of a reader is
//! read-only, which also covers `WITH ... DELETE`. Pragmas that set or do something are refused at sight: some of them change
//! the connection, and on a read-only one others fail as if the disk were broken.

use crate::store::error::StoreError;

/// Refuses at sight what is no single statement that reads.
pub(super) fn check(sql: &str) -> Result<(), StoreError> {
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
}
