//! ARCHITECTURE.md's code map and its list of files are of what is there.

use std::collections::BTreeSet;

use super::homes;

/// The heading of a section, and the lines below it up to the next.
fn section<'a>(text: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let heading = format!("## {heading}");
    let lines = text.lines().skip_while(move |line| *line != heading).skip(1);
    lines.take_while(|line| !line.starts_with("## "))
}

/// What stands between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// What the code map lacks of the first level of `src/`, and paths that it has and that are not there.
///
/// `first_level` has folders with a `/` at their end; `exists` answers for a path from the root.
pub(super) fn misfits(
    text: &str,
    first_level: &BTreeSet<String>,
    exists: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut mapped = BTreeSet::new();
    for row in section(text, "Code map").filter(|line| line.starts_with("| `")) {
        let place = row.split('|').nth(1).unwrap_or_default();
        mapped.extend(quoted(place).map(str::to_owned));
    }
    for entry in first_level.iter().filter(|entry| entry.as_str() != "lib.rs") {
        if !mapped.contains(&format!("src/{entry}")) {
            found.push(format!("the code map has no `src/{entry}`"));
        }
    }
    // Anywhere in the text.
    let paths: BTreeSet<&str> =
        text.lines().flat_map(quoted).chain(mapped.iter().map(String::as_str)).collect();
    for path in paths {
        let rooted = ["src/", "tests/", "benches/", "scripts/"].iter().any(|folder| path.starts_with(folder));
        let below_src = path.contains('/') && (path.ends_with(".rs") || path.ends_with(".sql"));
        let plain = path.chars().all(|letter| letter.is_ascii_alphanumeric() || "_./-".contains(letter));
        if plain && (rooted && !exists(path) || !rooted && below_src && !exists(&format!("src/{path}"))) {
            found.push(format!("`{path}` is not there"));
        }
    }
    found
}

/// Names of files under "On disk" that no source has, and names of their `homes` that are not under it.
pub(super) fn on_disk<'a>(
    text: &str,
    literals: impl Iterator<Item = (&'a str, &'a str)>,
    homes: &[&'a str],
) -> Vec<String> {
    let words = |line: &str| -> Vec<String> {
        let place = line.trim_start().split("  ").next().unwrap_or_default();
        place.split(',').map(|word| word.trim().to_owned()).collect()
    };
    let listed: BTreeSet<String> =
        section(text, "On disk").filter(|line| line.starts_with("    ")).flat_map(words).collect();
    let mut known = BTreeSet::new();
    let mut owed = BTreeSet::new();
    for (file, literal) in literals {
        for name in homes::names(literal).filter(|name| !name.starts_with("GRIDBOARD_")) {
            known.insert(name);
            if homes.contains(&file) {
                owed.insert((name, file));
            }
        }
    }
    let missing = owed.into_iter().filter(|(name, _)| !listed.contains(*name));
    let mut found: Vec<String> =
        missing.map(|(name, home)| format!("{home} has `{name}`, which is not under \"On disk\"")).collect();
    for name in listed.iter().flat_map(|word| homes::names(word)).filter(|name| !known.contains(name)) {
        found.push(format!("\"On disk\" has `{name}`, which no source has"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
`report/paper.rs` and `train/` and `a/b.rs` and `src/{a,b}/`.

## Code map

| place | what |
|---|---|
| `src/main.rs`, `src/cli/` | the verbs; `src/gone/` was |
| `src/old/` | left |

## On disk

    runs/
      gridboard.db              SQLite
      split.npy, old.csv        two; not named.json
      events.out.tfevents.*     events

## Rest

    other.json
";

    #[test]
    fn what_is_not_there_and_what_is_not_mapped_is_found() {
        let first_level = ["cli/", "lib.rs", "main.rs", "new/"].map(str::to_owned).into();
        let exists = |path: &str| ["src/main.rs", "src/cli/", "src/report/paper.rs"].contains(&path);
        assert_eq!(
            misfits(TEXT, &first_level, exists),
            [
                "the code map has no `src/new/`",
                "`a/b.rs` is not there",
                "`src/gone/` is not there",
                "`src/old/` is not there",
            ]
        );
    }

    #[test]
    fn the_list_of_files_is_that_of_the_sources() {
        let home = "src/run/folder.rs";
        let literals = [
            (home, "split.npy"),
            (home, "run.json"),
            ("src/store/mod.rs", "gridboard.db"),
            ("src/a.rs", "b.csv"),
        ];
        assert_eq!(
            on_disk(TEXT, literals.into_iter(), &[home]),
            [
                "src/run/folder.rs has `run.json`, which is not under \"On disk\"",
                "\"On disk\" has `old.csv`, which no source has",
            ]
        );
    }
}
