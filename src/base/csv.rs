//! Comma-separated text as every file of ours has it: quoted as RFC 4180 says, with bare line feeds between records.
//!
//! Used for the index of a corpus, its split, and predictions. Tables have a writer of their own (`report::text`), which
//! tells an empty text from an unknown one.

use std::borrow::Cow;

use csv::{QuoteStyle, ReaderBuilder, Terminator, WriterBuilder};

/// The text of these records.
#[must_use]
pub fn write<R, F>(records: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = F>,
    F: AsRef<[u8]>,
{
    let mut writer = WriterBuilder::new()
        .has_headers(false)
        .flexible(true)
        .quote_style(QuoteStyle::Necessary)
        .terminator(Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    for record in records {
        writer.write_record(record).expect("memory takes every record of any length");
    }
    let bytes = writer.into_inner().expect("memory needs no flush");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A text as people may open it in a spreadsheet, which takes what begins like a formula for one and computes it: an
/// apostrophe keeps it a text. Numbers and mere signs stay as they are.
#[must_use]
pub fn without_formula(text: &str) -> Cow<'_, str> {
    let begins = text.len() > 1 && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if begins && text.parse::<f64>().is_err() { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// A record and the line that it starts on, from 1.
pub type Record = (u64, Vec<String>);

/// The records of a text, as long as each is; lines without anything on them are none.
///
/// # Errors
/// The line, from 1, and what is wrong there.
pub fn read(text: &str, delimiter: u8) -> Result<Vec<Record>, (u64, String)> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    for record in reader.records() {
        let record =
            record.map_err(|error| (error.position().map_or(1, csv::Position::line), error.to_string()))?;
        // The position is that of the end of the record before: lines without anything come after it.
        let line = record.position().map_or(1, |position| {
            let start = usize::try_from(position.byte()).unwrap_or(0);
            let blank = text.as_bytes()[start..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
            position.line() + blank.filter(|byte| **byte == b'\n').count() as u64
        });
        records.push((line, record.iter().map(str::to_owned).collect()));
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_stand_where_they_are_needed() {
        let text = write([["a", "b c"], ["d,e", "f \"g\"\nh"]]);
        assert_eq!(text, "a,b c\n\"d,e\",\"f \"\"g\"\"\nh\"\n");
        let lines: Vec<u64> = read(&text, b',').unwrap().into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [1, 2]);
        let lines: Vec<u64> =
            read("\n\r\na,b\r\n\n\nc,d\n\n", b',').unwrap().into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [3, 6]);
    }

    #[test]
    fn a_spreadsheet_computes_nothing_of_a_text_and_still_reads_numbers() {
        for formula in
            ["=1+1", "@SUM(1)", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "=HYPERLINK(\"x\",1)"]
        {
            assert_eq!(without_formula(formula), format!("'{formula}"));
        }
        for text in ["-1.5", "+3e-4", "-inf", "-", "+", "a=b", "", "'=1"] {
            assert_eq!(without_formula(text), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(records in prop::collection::vec(prop::collection::vec(any::<String>(), 2..5), 0..6)) {
            let read: Vec<Vec<String>> =
                read(&write(&records), b',').unwrap().into_iter().map(|(_, fields)| fields).collect();
            prop_assert_eq!(read, records);
        }
    }
}
