//! `worker.log`: standard output and error of every attempt of a run, appended, with a line before each attempt.
//!
//! The launcher opens it for a child and reads its end when the child has failed. What is read goes to terminals,
//! tables and JSON, so escape sequences and control characters are taken out.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use anstream::adapter::strip_str;

use crate::run::RunDir;

/// At most so many lines are the tail of a log.
const TAIL_LINES: usize = 20;
/// At most so many bytes are the tail of a log.
const TAIL_BYTES: usize = 4096;
/// So many bytes are read for it: escape sequences and progress bars that redraw a line shrink to nothing.
const READ_BYTES: u64 = 64 * 1024;

/// Opens the log of a run, writes `header` as a line, and answers with the file and its length so far: what follows is
/// the attempt's.
pub(super) fn open(run_dir: &Path, header: &str) -> io::Result<(File, u64)> {
    let mut log = OpenOptions::new().read(true).append(true).create(true).open(RunDir::new(run_dir).log())?;
    let length = log.metadata()?.len();
    let mut line = String::with_capacity(header.len() + 2);
    if length > 0 {
        // The attempt before may have ended in the middle of a line.
        let mut last = [0];
        log.seek(SeekFrom::End(-1))?;
        log.read_exact(&mut last)?;
        if last != *b"\n" {
            line.push('\n');
        }
    }
    line.push_str(header);
    line.push('\n');
    log.write_all(line.as_bytes())?;
    Ok((log, length + line.len() as u64))
}

/// The last lines of the log from `start` on, for people.
pub(in crate::launch) fn tail(run_dir: &Path, start: u64) -> io::Result<String> {
    let mut log = File::open(RunDir::new(run_dir).log())?;
    let length = log.metadata()?.len();
    let from = start.max(length.saturating_sub(READ_BYTES));
    log.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    log.take(READ_BYTES).read_to_end(&mut bytes)?;
    if from > start {
        // The read began somewhere in a line.
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..line);
    }
    Ok(last_lines(&String::from_utf8_lossy(&bytes)))
}

/// The last lines of a text as a terminal would leave them, within the limits on lines and bytes.
fn last_lines(text: &str) -> String {
    // Line by line: a sequence that never ends does not take the following lines along.
    let plain = |line: &str| as_shown(&strip_str(line).to_string());
    let mut lines: Vec<String> = text.lines().map(plain).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.is_empty()).count();
    lines.drain(..blank);
    lines.drain(..lines.len().saturating_sub(TAIL_LINES));
    let mut bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    let mut skip = 0;
    while bytes > TAIL_BYTES && skip + 1 < lines.len() {
        bytes -= lines[skip].len() + 1;
        skip += 1;
    }
    let mut tail = lines[skip..].join("\n");
    if tail.len() > TAIL_BYTES {
        let mark = "…";
        let mut cut = tail.len() - TAIL_BYTES + mark.len();
        while !tail.is_char_boundary(cut) {
            cut += 1;
        }
        tail.replace_range(..cut, mark);
    }
    tail
}

/// A line after its carriage returns: each begins it anew. Control characters are taken out.
fn as_shown(line: &str) -> String {
    let last = line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default();
    last.chars().filter(|c| *c == '\t' || !c.is_control()).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_redrawn_lines_are_taken_out() {
        let check = |text, expected| assert_eq!(last_lines(text), expected, "{text:?}");
        check("", "");
        check("one\ntwo\n\n", "one\ntwo");
        check("\x1b[1;31merror\x1b[0m: no\r\n", "error: no");
        check("  5%\r 50%\r100%\ndone", "100%\ndone");
        check("\x1b]0;title\x07text \x1b]8;;http://x\x1b\\link", "text link");
        check("\x1b(Bplain\x1b7\u{7}\u{9b}", "plain");
        check("a\tb\0c", "a\tbc");
        check("\x1b]never ended\nnext", "next");
    }

    #[test]
    fn a_tail_has_twenty_lines_and_four_kibibytes() {
        let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
        assert_eq!(last_lines(&lines.join("\n")), lines[80..].join("\n"));
        let long: Vec<String> = (0..10).map(|number| format!("{number}{}", "x".repeat(1000))).collect();
        assert_eq!(last_lines(&long.join("\n")), long[6..].join("\n"));
        let endless = last_lines(&"é".repeat(9000));
        assert!(endless.len() <= TAIL_BYTES && endless.len() > TAIL_BYTES - 4 && endless.starts_with("…é"));
    }

    #[test]
    fn each_attempt_has_its_own_tail() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, start) = open(folder.path(), "--- attempt 1").unwrap();
        log.write_all(b"first, cut o").unwrap();
        assert_eq!(tail(folder.path(), start).unwrap(), "first, cut o");
        let (mut log, start) = open(folder.path(), "--- attempt 2").unwrap();
        assert_eq!(tail(folder.path(), start).unwrap(), "");
        log.write_all(&b"\xff second\n".repeat(20_000)).unwrap();
        assert_eq!(tail(folder.path(), start).unwrap(), ["\u{fffd} second"; 20].join("\n"));
        let all = std::fs::read(RunDir::new(folder.path()).log()).unwrap();
        assert!(all.starts_with(b"--- attempt 1\nfirst, cut o\n--- attempt 2\n\xff second\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_printable_tail(bytes in prop::collection::vec(any::<u8>(), 0..10_000)) {
            let tail = last_lines(&String::from_utf8_lossy(&bytes));
            prop_assert!(tail.len() <= TAIL_BYTES);
            prop_assert!(tail.lines().count() <= TAIL_LINES);
            prop_assert!(!tail.contains(|c: char| c.is_control() && c != '\t' && c != '\n'));
        }
    }
}
