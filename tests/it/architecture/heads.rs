//! Every file says what it is for, and is short enough for one thing.

use super::sources::Source;

/// Lines that a file has at most, its unit tests included.
pub(super) const LONGEST: usize = 450;

/// The fewest words that say what a file is for.
const FEWEST_WORDS: usize = 4;

/// Files without a head of at least a sentence.
pub(super) fn silent(sources: &[Source]) -> Vec<String> {
    let says = |source: &&Source| {
        let head = source.text.lines().map_while(|line| line.strip_prefix("//!"));
        let head = head.collect::<Vec<_>>().join(" ");
        head.split_whitespace().count() >= FEWEST_WORDS && head.contains(['.', ':'])
    };
    let silent = sources.iter().filter(|source| !says(source));
    silent.map(|source| format!("{} does not say at its top what it is for", source.path)).collect()
}

/// Files that are too long and not `excused`, and excuses that are not needed any more.
pub(super) fn long(sources: &[Source], excused: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let lines = source.text.lines().count();
        match (lines > LONGEST, excused.contains(&source.path.as_str())) {
            (true, false) => found.push(format!("{} has {lines} lines, more than {LONGEST}", source.path)),
            (false, true) => found.push(format!("{} has {lines} lines and needs no excuse", source.path)),
            _ => {}
        }
    }
    for path in excused.iter().filter(|path| !sources.iter().any(|source| source.path == **path)) {
        found.push(format!("{path} is excused and is not there"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::sources::made_up;
    use super::*;

    #[test]
    fn a_silent_file_is_found() {
        for text in [
            "",
            "use std::fs;\n//! Says nothing of use.",
            "// Not a head of the file.",
            "//! The scan.",
            "//!\n//! One two three four",
        ] {
            let found = silent(&made_up(&[("src/a.rs", text)]));
            assert_eq!(found, ["src/a.rs does not say at its top what it is for"], "{text}");
        }
        assert_eq!(silent(&made_up(&[("src/a.rs", "//! Reads the spec of an\n//! experiment.\n")])), [""; 0]);
    }

    #[test]
    fn a_long_file_and_an_old_excuse_are_found() {
        let (short, long_text) = ("\n".repeat(LONGEST), "\n".repeat(LONGEST + 1));
        let sources = made_up(&[
            ("src/long.rs", &long_text),
            ("src/short.rs", &short),
            ("src/known.rs", &long_text),
            ("src/tests.rs", &long_text),
            ("src/a/tests/cases.rs", &long_text),
        ]);
        assert_eq!(
            long(&sources, &["src/short.rs", "src/known.rs", "src/gone.rs"]),
            [
                "src/long.rs has 451 lines, more than 450",
                "src/short.rs has 450 lines and needs no excuse",
                "src/gone.rs is excused and is not there",
            ]
        );
    }
}
