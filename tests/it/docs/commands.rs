//! `docs/commands.md` is what the program says of itself. `GRIDBOARD_RENEW_DOCS=1` writes it anew.

use std::fs;

use super::{root, text};
use crate::support::Project;

const PAGE: &str = "docs/commands.md";

const HEAD: &str = "\
# Commands

Listings take `--format table`, `csv` or `json`, some also `markdown` and `latex`. Data goes to standard output, everything else
to standard error. A table is as wide as the terminal: columns that it has no room for are named below it, and where names would be
broken each row becomes a record of `name: value` lines. Into a pipe it is as wide as it needs to be, or as `COLUMNS` says. Where the
locale has no Unicode (`LC_ALL=C`), rules are plain. What the exit codes mean: [failure and resume](failure-and-resume.md#exit-codes).

<!-- Made from the program's own words: GRIDBOARD_RENEW_DOCS=1 cargo test --test it docs::commands -->
";

#[test]
fn the_page_is_what_the_program_says() {
    let said = page();
    if std::env::var_os("GRIDBOARD_RENEW_DOCS").is_some() {
        fs::write(root().join(PAGE), &said).expect("write the page");
    }
    for (line, (said, written)) in said.lines().zip(text(PAGE).lines()).enumerate() {
        assert_eq!(written, said, "{PAGE}:{}: GRIDBOARD_RENEW_DOCS=1 writes it anew", line + 1);
    }
    assert_eq!(text(PAGE), said, "{PAGE}: GRIDBOARD_RENEW_DOCS=1 writes it anew");
}

fn page() -> String {
    let overview = help(&[]);
    let commands = overview.lines().skip_while(|line| *line != "Commands:").skip(1);
    // A name is two columns from the edge; what a long description goes on with is farther.
    let names: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.strip_prefix("  ")?
                .split_whitespace()
                .next()
                .filter(|name| line.starts_with(&format!("  {name}")))
        })
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() > 10, "{names:?}");
    let mut page = format!("{HEAD}\n```text\n{overview}```\n");
    for name in names {
        page += &format!("\n## {name}\n\n```text\n{}```\n", help(&[name]));
    }
    page
}

/// The long help, at the width that it has where it is no terminal's.
fn help(arguments: &[&str]) -> String {
    let output = Project::new()
        .command(&[arguments, &["--help"]].concat())
        .env_remove("COLUMNS")
        .output()
        .expect("start gridboard");
    assert!(output.status.success(), "{arguments:?} --help");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // An empty line of an indented paragraph has its spaces.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
