//! Cells as text: rounding for people, escapes of CSV, JSON, Markdown and LaTeX.
//!
//! Used by `render`, `columns`, `terminal` and `html`. Names and reasons in a table come from specs, file names and logs, so none of them is trusted
//! to be free of separators, markup or terminal escapes.

use unicode_width::UnicodeWidthStr as _;

use super::table::{Cell, Column, Digits, Table};
use crate::base::{
    csv::without_formula,
    text::{harmless, one_line},
};

/// All cells of a table as people read them.
pub(super) fn shown_rows(table: &Table, escape: impl Fn(&str) -> String) -> Vec<Vec<String>> {
    let shown = |(column, cell): (&Column, &Cell)| escape(&shown(cell, column.digits));
    table.rows.iter().map(|row| table.cells(row).map(shown).collect()).collect()
}

/// Columns of a terminal that a text takes.
pub(crate) fn display_width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// A cell for people.
pub(super) fn shown(cell: &Cell, digits: Digits) -> String {
    match cell {
        Cell::Empty => "-".to_owned(),
        Cell::Text(text) => text.clone(),
        Cell::Int(number) => number.to_string(),
        Cell::Float(number) => shown_float(*number, digits),
        Cell::Bool(value) => value.to_string(),
        Cell::Json(value) => value.to_string(),
    }
}

/// Longer numbers are none that somebody has written.
const MOST_WRITTEN: usize = 9;

/// A float for people; what would round to zero or be very long is written with an exponent.
fn shown_float(number: f64, digits: Digits) -> String {
    let size = number.abs();
    match digits {
        _ if !number.is_finite() => number.to_string(),
        Digits::Chosen if number.to_string().len() > MOST_WRITTEN => {
            let rounded = format!("{number:.3e}").parse().unwrap_or(number);
            shown_float(rounded, Digits::All)
        }
        Digits::Behind(decimals) if size != 0.0 && size < 0.5 * 10f64.powi(-(decimals as i32)) => {
            format!("{number:.1e}")
        }
        Digits::Behind(_) if size >= 1e9 => format!("{number:.3e}"),
        Digits::Behind(decimals) => format!("{number:.decimals$}"),
        Digits::All | Digits::Chosen if size != 0.0 && !(1e-4..1e9).contains(&size) => format!("{number:e}"),
        Digits::All | Digits::Chosen => number.to_string(),
    }
}

/// The text, broken at spaces into lines no longer than `room` or its longest word.
pub(crate) fn break_words(text: &str, room: usize) -> String {
    let length = display_width;
    let room = text.split(' ').map(length).max().unwrap_or(0).max(room);
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

/// The text in lines of at most `room` columns: broken at spaces, words that are longer also after signs, else anywhere.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    let mut push = |part: &str, width: usize, space: usize| {
        if used > 0 && used + space + width > room {
            lines.push(String::new());
            used = 0;
        }
        let line = lines.last_mut().expect("there is one from the start");
        if used > 0 {
            line.extend(std::iter::repeat_n(' ', space));
            used += space;
        }
        line.push_str(part);
        used += width;
    };
    for word in text.split(' ') {
        let width = display_width(word);
        if width <= room {
            push(word, width, 1);
            continue;
        }
        for (place, piece) in pieces(word).enumerate() {
            let space = usize::from(place == 0);
            let width = display_width(piece);
            if width <= room {
                push(piece, width, space);
                continue;
            }
            for (place, letter) in piece.char_indices() {
                let mut bytes = [0; 4];
                let letter = letter.encode_utf8(&mut bytes);
                push(letter, display_width(letter), if place == 0 { space } else { 0 });
            }
        }
    }
    lines
}

/// The parts of a text that are kept on one line where that is possible.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '-', '_', '/', ',', '=']).map(|piece| piece.trim_end_matches(' '))
}

/// A cell as a CSV field. Unknown is empty; an empty text is quoted, so that the two differ.
pub(super) fn csv_cell(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) if text.is_empty() => "\"\"".to_owned(),
        Cell::Text(text) => csv_field(&without_formula(text)),
        Cell::Int(number) => number.to_string(),
        // Debug is the shortest text that reads back as the same number, with a point or an exponent.
        Cell::Float(number) => format!("{number:?}"),
        Cell::Bool(value) => value.to_string(),
        Cell::Json(value) => csv_field(&value.to_string()),
    }
}

/// A text as a CSV field, quoted where RFC 4180 asks for it.
#[must_use]
pub(super) fn csv_field(text: &str) -> String {
    let text = harmless(text);
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// A cell as a JSON value. JSON has no infinities: those are words, as in `gridboard sql`. NaN is unknown.
pub(super) fn json_cell(cell: &Cell) -> serde_json::Value {
    match cell {
        Cell::Empty => serde_json::Value::Null,
        Cell::Text(text) => text.as_str().into(),
        Cell::Int(number) => (*number).into(),
        Cell::Float(number) if number.is_infinite() => {
            if *number > 0.0 { "Infinity" } else { "-Infinity" }.into()
        }
        Cell::Float(number) => (*number).into(),
        Cell::Bool(value) => (*value).into(),
        Cell::Json(value) => value.clone(),
    }
}

/// The names, each once: of equal ones the second becomes `name_2`, the third `name_3`, or what is free after that.
pub(super) fn unique_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<&str> = names.collect();
    let mut unique: Vec<String> = Vec::with_capacity(names.len());
    for (place, name) in names.iter().enumerate() {
        let mut number = 1 + names[..place].iter().filter(|earlier| *earlier == name).count();
        let mut new = (*name).to_owned();
        while number > 1 && (unique.contains(&new) || names.contains(&new.as_str())) {
            new = format!("{name}_{number}");
            number += 1;
        }
        unique.push(new);
    }
    unique
}

/// A text in a cell of a Markdown table. An underscore inside a word marks nothing up and stays as it is.
pub(super) fn markdown(text: &str) -> String {
    let text = one_line(text);
    let letters: Vec<char> = text.chars().collect();
    let word =
        |index: Option<usize>| index.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric());
    let mut out = String::with_capacity(text.len());
    for (index, &letter) in letters.iter().enumerate() {
        match letter {
            '_' if word(index.checked_sub(1)) && word(Some(index + 1)) => out.push('_'),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '~' => out.extend(['\\', letter]),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            _ => out.push(letter),
        }
    }
    out
}

/// A text in LaTeX.
pub(super) fn latex(text: &str) -> String {
    let text = one_line(text);
    if text == "-" {
        // The sign for unknown: an en dash.
        return "--".to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // Two hyphens would be a dash.
            '-' if out.ends_with('-') => out.push_str("{}-"),
            '`' => out.push_str("\\textasciigrave{}"),
            '_' | '%' | '&' | '#' | '$' | '{' | '}' => out.extend(['\\', letter]),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '\\' => out.push_str("\\textbackslash{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("\\symbol{34}"),
            _ => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A strict reader of RFC 4180: CRLF after every record, quotes only around whole fields.
    pub(in crate::report) fn parse_csv(text: &str) -> Result<Vec<Vec<String>>, String> {
        let mut records = Vec::new();
        let mut record = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut field = String::new();
            if let Some(quoted) = rest.strip_prefix('"') {
                rest = quoted;
                loop {
                    let end = rest.find('"').ok_or("a quote is not closed")?;
                    field.push_str(&rest[..end]);
                    rest = &rest[end + 1..];
                    match rest.strip_prefix('"') {
                        Some(more) => {
                            field.push('"');
                            rest = more;
                        }
                        None => break,
                    }
                }
            } else {
                let end = rest.find(['"', ',', '\r', '\n']).ok_or("a record is not ended")?;
                field.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            record.push(field);
            if let Some(next) = rest.strip_prefix(',') {
                rest = next;
            } else if let Some(next) = rest.strip_prefix('\n') {
                records.push(std::mem::take(&mut record));
                rest = next;
            } else {
                return Err(format!("neither a comma nor a line feed behind a field: {rest:?}"));
            }
        }
        if record.is_empty() { Ok(records) } else { Err("the last record is not ended".to_owned()) }
    }

    #[test]
    fn floats_for_people_keep_what_matters() {
        let cases = [
            (0.953125, Digits::Behind(4), "0.9531"),
            (0.0, Digits::Behind(4), "0.0000"),
            (0.00002, Digits::Behind(4), "2.0e-5"),
            (1.23e12, Digits::Behind(4), "1.230e12"),
            (f64::NAN, Digits::Behind(4), "NaN"),
            (f64::NEG_INFINITY, Digits::All, "-inf"),
            (0.001, Digits::All, "0.001"),
            (1e-7, Digits::All, "1e-7"),
            (0.017320508075688777, Digits::Chosen, "0.01732"),
            (2.04004692355049e-5, Digits::Chosen, "2.04e-5"),
            (0.00025, Digits::Chosen, "0.00025"),
            (32.0, Digits::All, "32"),
        ];
        for (number, digits, text) in cases {
            assert_eq!(shown_float(number, digits), text);
        }
    }

    #[test]
    fn latex_special_characters_are_escaped() {
        assert_eq!(
            latex("a_b 5% & #1 $x {y} ~ ^ \\ <|>"),
            "a\\_b 5\\% \\& \\#1 \\$x \\{y\\} \\textasciitilde{} \\textasciicircum{} \\textbackslash{} \
             \\textless{}\\textbar{}\\textgreater{}"
        );
        assert_eq!(latex("-"), "--");
        assert_eq!(latex("a--b---c `d'"), "a-{}-b-{}-{}-c \\textasciigrave{}d'");
    }

    #[test]
    fn markdown_keeps_words_and_escapes_markup() {
        assert_eq!(markdown("learning_rate"), "learning_rate");
        assert_eq!(
            markdown("_a_ | *b* `c` <d> \\ [e]\nf"),
            "\\_a\\_ \\| \\*b\\* \\`c\\` &lt;d> \\\\ \\[e\\] f"
        );
    }

    #[test]
    fn a_text_is_no_formula_in_csv_and_a_number_is_a_number() {
        assert_eq!(csv_cell(&Cell::from("=HYPERLINK(\"x\",1)")), "\"'=HYPERLINK(\"\"x\"\",1)\"");
        assert_eq!(csv_cell(&Cell::from("-1.5")), "-1.5");
        assert_eq!(csv_cell(&Cell::Float(-1.5)), "-1.5");
        assert_eq!(csv_field("a\u{0}b"), "a\u{fffd}b");
    }

    #[test]
    fn infinities_are_words_in_json() {
        let json = |number| json_cell(&Cell::Float(number)).to_string();
        assert_eq!([json(f64::INFINITY), json(f64::NEG_INFINITY)], ["\"Infinity\"", "\"-Infinity\""]);
        assert_eq!([json(f64::NAN), json(1.5)], ["null", "1.5"]);
    }

    #[test]
    fn equal_names_get_numbers() {
        let unique = |names: &[&str]| unique_names(names.iter().copied());
        assert_eq!(unique(&["a", "b", "a", "a"]), ["a", "b", "a_2", "a_3"]);
        assert_eq!(unique(&["a", "a", "a_2"]), ["a", "a_3", "a_2"]);
        assert_eq!(unique(&["a_2", "a", "a", "a"]), ["a_2", "a", "a_3", "a_4"]);
        assert!(unique(&[]).is_empty());
    }

    #[test]
    fn words_break_at_spaces_only_where_there_is_no_room() {
        assert_eq!(break_words("validation accuracy", 6), "validation\naccuracy");
        assert_eq!(break_words("validation accuracy", 19), "validation accuracy");
        assert_eq!(break_words("run", 2), "run");
    }
}
