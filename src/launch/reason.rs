//! The line of a log that says why a program failed, and reasons as tables show them: one short, readable line.
//!
//! Pure. Used by `end` alone; the log's tail is kept beside the reason, so that a line that may be none is left out here.

/// The length of a reason, characters.
const LENGTH: usize = 160;

/// The length of a trainer's own reason, characters.
const OWN_LENGTH: usize = 500;

/// What stands for bytes that are no text; a log that was read as UTF-8 has one for each.
const REPLACEMENT: char = '\u{fffd}';

/// The text as one line: line breaks and tabs become spaces, runs of what cannot be read
/// become one replacement character. `None` where nothing is left, or a quarter of it cannot be read.
pub(super) fn readable(text: &str) -> Option<String> {
    let text = text.trim();
    let shown = || text.chars().filter(|c| !c.is_whitespace());
    let (all, unreadable) = (shown().count(), shown().filter(|c| is_unreadable(*c)).count());
    if unreadable * 4 >= all {
        return None;
    }
    let mut line = String::new();
    for c in text.chars() {
        match c {
            c if c.is_whitespace() => line.push(' '),
            c if !is_unreadable(c) => line.push(c),
            _ if line.ends_with(REPLACEMENT) => {}
            _ => line.push(REPLACEMENT),
        }
    }
    Some(line)
}

/// The line, cut to the length of a reason that was found in a log.
pub(super) fn shortened(line: String) -> String {
    cut(line, LENGTH)
}

/// The line, cut to the length of a reason that a trainer gives in its own words: names and shapes of tensors need more
/// room than a line of a log deserves.
pub(super) fn own(line: String) -> String {
    cut(line, OWN_LENGTH)
}

fn cut(mut line: String, length: usize) -> String {
    if line.chars().count() > length
        && let Some((at, _)) = line.char_indices().nth(length - 1)
    {
        line.truncate(at);
        line.push('…');
    }
    line
}

fn is_unreadable(c: char) -> bool {
    c == REPLACEMENT || c.is_control()
}

/// The last line that names an error as programs do: `ValueError: ...` (Python), `error: ...`, the message of a Rust panic,
/// `what():  ...` (C++); else the last line that speaks of one. `None` where no line does.
pub(super) fn error_line(log_tail: &str) -> Option<String> {
    let lines: Vec<&str> =
        log_tail.lines().filter(|line| readable(line).is_some()).map(str::trim_end).collect();
    let names = |at: &usize| names_error(lines[*at].trim()) || ends_traceback(&lines, *at);
    let speaks = |at: &usize| speaks_of_error(lines[*at]);
    let at = (0..lines.len()).rev().find(names).or_else(|| (0..lines.len()).rev().find(speaks))?;
    // The message of a panic is on the line after its place.
    let message = lines.get(at + 1).filter(|_| is_panic(lines[at].trim()));
    readable(message.unwrap_or(&lines[at])).map(shortened)
}

fn names_error(line: &str) -> bool {
    let (head, message) = line.split_once(':').unwrap_or((line, ""));
    let name = head.rsplit('.').next().unwrap_or(head);
    let exception = ["Error", "Exception", "Interrupt", "Exit"].iter().any(|end| name.ends_with(end));
    let path = head.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
    // `MeanSquaredError: 0.25` is a metric.
    (exception && path && message.trim().parse::<f64>().is_err())
        || ["error", "fatal", "fatal error"].contains(&head.to_lowercase().as_str())
        || line.starts_with("what():")
        || is_panic(line)
}

/// Where a Rust panic says its place: `thread 'main' (7) panicked at src/main.rs:1:2:`.
fn is_panic(line: &str) -> bool {
    line.starts_with("thread '") && line.contains(" panicked at ")
}

/// Whether the line is the first behind a Python traceback that is not indented: the exception, whatever its name.
fn ends_traceback(lines: &[&str], at: usize) -> bool {
    let indented = |line: &str| line.starts_with([' ', '\t']);
    if indented(lines[at]) {
        return false;
    }
    let before = lines[..at].iter().rev().find(|line| !indented(line));
    before.is_some_and(|line| line.starts_with("Traceback (most recent call last)"))
}

/// What interpreters and shells say of what they cannot find, without the word.
const PHRASES: [&str; 5] =
    ["No module named ", "can't open file ", "No such file or directory", "Permission denied", ": not found"];

/// Whether a word of the line is `error` or its like: `[ERROR] no data`, `an IndexError was raised`, `rank 0 panicked`. Not a
/// value of that name (`mean_error=0.25`), nor its absence (`no error`).
fn speaks_of_error(line: &str) -> bool {
    if PHRASES.iter().any(|phrase| line.contains(phrase)) {
        return true;
    }
    let words: Vec<&str> =
        line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    (0..words.len()).any(|at| {
        let named = words[at].ends_with("Error")
            || ["error", "exception", "fatal", "panic", "panicked"]
                .iter()
                .any(|name| words[at].eq_ignore_ascii_case(name));
        let absent = at > 0 && ["no", "without"].iter().any(|name| words[at - 1].eq_ignore_ascii_case(name));
        let is_value = words.get(at + 1).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        named && !absent && !is_value
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_that_name_an_error_come_first() {
        let check = |log: &str, expected: Option<&str>| {
            assert_eq!(error_line(log).as_deref(), expected, "{log}");
        };
        check("", None);
        check("epoch 1\nno data", None);
        check("env {\"GRIDBOARD_SEED\": \"0\", \"PATH\": \"/bin\"}", None);
        check(
            "Traceback (most recent call last):\n  File \"t.py\", line 1\nValueError: bad axis\ncleaning up",
            Some("ValueError: bad axis"),
        );
        check(
            "Traceback (most recent call last):\n  File \"t.py\", line 1\n    go()\nsubprocess.TimeoutExpired: too slow\nbye",
            Some("subprocess.TimeoutExpired: too slow"),
        );
        check(
            "thread 'main' (7) panicked at src/main.rs:1:2:\nno such thing\nnote: run with `RUST_BACKTRACE=1`",
            Some("no such thing"),
        );
        check("thread 'main' panicked at a.rs:1:2", Some("thread 'main' panicked at a.rs:1:2"));
        check("error: no `x`\nusage: t", Some("error: no `x`"));
        check("fatal: no git\nthis error is spoken of", Some("fatal: no git"));
        check("terminate called\n  what():  bad shape", Some("what():  bad shape"));
    }

    #[test]
    fn lines_that_speak_of_an_error_come_next() {
        for line in [
            "2024-01-01 [ERROR] no data",
            "caught an IndexError at step 3",
            "rank 0 panicked",
            "t.py:3: error: bad type",
            "/usr/bin/python3: No module named train",
            "python3: can't open file '/x/train.py': [Errno 2] No such file or directory",
            "sh: 1: trian: not found",
            "CUDA error: invalid device function",
        ] {
            assert_eq!(error_line(&format!("epoch 1\n{line}\nbye")).as_deref(), Some(line));
        }
        for line in
            ["mean_error=0.25", "MeanSquaredError: 0.25", "done, no error", "0 errors", "night of terror"]
        {
            assert_eq!(error_line(line), None, "{line}");
        }
    }

    #[test]
    fn garbage_is_no_reason() {
        let garbage = "\u{fffd}".repeat(300);
        assert_eq!(error_line(&garbage), None);
        assert_eq!(error_line(&format!("error: {garbage}")), None);
        assert_eq!(
            error_line(&format!("error: no data\nerror: {garbage}\n")).as_deref(),
            Some("error: no data")
        );
        assert_eq!(
            readable("cannot read \u{fffd}\u{fffd}\u{1}\u{fffd} as a name").as_deref(),
            Some("cannot read \u{fffd} as a name")
        );
        assert_eq!(readable(" one\r\n\ttwo ").as_deref(), Some("one   two"));
        assert_eq!(readable(" \n "), None);
    }

    #[test]
    fn long_lines_are_cut() {
        assert_eq!(shortened("é".repeat(160)), "é".repeat(160));
        assert_eq!(shortened("é".repeat(161)), format!("{}…", "é".repeat(159)));
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_short_readable_line_or_none(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let text = String::from_utf8_lossy(&bytes);
            let noise = format!("error: {text}");
            for line in [readable(&text), readable(&noise), error_line(&noise)].into_iter().flatten() {
                let line = shortened(line);
                prop_assert!(line.chars().count() <= LENGTH);
                prop_assert!(!line.contains(char::is_control));
                let repeated = [REPLACEMENT; 2].iter().collect::<String>();
                prop_assert!(!line.contains(&repeated));
                prop_assert!(!line.trim().is_empty());
            }
        }
    }
}
