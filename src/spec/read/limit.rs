//! `limit`: the most that a network may have or need.

use super::section::{Section, must_be, scalar, text};
use crate::spec::{Limit, limit::parse_count, problem::Problems, size, yaml::Node};

/// Reads `limit`. Of what a `command` trains nothing is known before it is trained.
pub(super) fn read(top: &Section<'_>, is_command: bool, problems: &mut Problems) -> Limit {
    let mut limit = Limit::default();
    let Some(entry) = top.given("limit") else { return limit };
    let Some(section) = Section::open(&entry.value, "limit", &entry.place, problems) else { return limit };
    section.only(&["parameters", "flops", "memory"], problems);
    if section.entries.is_empty() {
        must_be("`limit`", "a mapping such as {parameters: 5M, memory: 2GiB}", &entry.value, problems);
    }
    if is_command {
        problems.add(
            &entry.place,
            "`limit`: how many parameters, FLOPs and how much memory the program of a `command` takes is not known before it \
             runs; leave points out with `exclude`",
        );
        return limit;
    }
    let count = |key: &str, problems: &mut Problems| {
        section.given(key)?;
        section.take(key, "a number from 1 on, as `5000000` or `5M`", problems, whole)
    };
    limit.parameters = count("parameters", problems);
    limit.flops = count("flops", problems);
    if section.given("memory").is_some() {
        let expected = "a size such as `512MiB` or `2GiB`";
        let bytes = |node: &Node| text(node).and_then(size::parse).filter(|bytes| *bytes > 0);
        limit.memory = section.take("memory", expected, problems, bytes);
    }
    limit
}

/// A whole number above 0, with a unit or without.
fn whole(node: &Node) -> Option<u64> {
    let number = match text(node) {
        Some(text) => parse_count(text)?,
        None => {
            let number = scalar(node)?.as_f64()?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number in 53 bits"
            )]
            let whole = (number.fract() == 0.0 && (1.0..9e15).contains(&number)).then_some(number as u64)?;
            whole
        }
    };
    (number > 0).then_some(number)
}
