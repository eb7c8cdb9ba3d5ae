//! The tree of a suite file to what it says. Whether the members are good specs is told by reading them.

use std::path::Path;

use super::{
    section::{Section, must_be, path, text},
    text_name,
};
use crate::spec::{
    problem::Problems,
    suite::{MAX_EXPERIMENTS, SuiteFile},
    yaml::{Content, Node},
};

/// Reads the whole file. `None` where something is missing; then there is a problem that says so.
pub(in crate::spec) fn suite(root: &Node, file: &Path, problems: &mut Problems) -> Option<SuiteFile> {
    let top = Section::open(root, "", &root.place, problems)?;
    top.only(&["suite", "experiments", "set"], problems);
    let name = text_name(&top, "suite", "the name of the suite", problems);
    let members = members(&top, file, problems);
    let set = match top.given("set") {
        None => Some(Vec::new()),
        Some(_) => top.list("set", "text `KEY.PATH=VALUE`", problems, |node| {
            text(node).filter(|text| text.contains('=')).map(str::to_owned)
        }),
    };
    Some(SuiteFile { name: name?, members: members?, set: set? })
}

fn members(
    top: &Section<'_>,
    file: &Path,
    problems: &mut Problems,
) -> Option<Vec<(std::path::PathBuf, crate::spec::Place)>> {
    let Some(entry) = top.given("experiments") else {
        top.missing("experiments", "the list of the experiments' specs", problems);
        return None;
    };
    let Content::Sequence(items) = &entry.value.content else {
        must_be("`experiments`", "a list", &entry.value, problems);
        return None;
    };
    if items.is_empty() || items.len() > MAX_EXPERIMENTS {
        let expected = format!("a list of 1 to {MAX_EXPERIMENTS} specs");
        problems.add(&entry.value.place, format!("`experiments` must be {expected}, not of {}", items.len()));
        return None;
    }
    let mut members: Vec<(std::path::PathBuf, crate::spec::Place)> = Vec::new();
    for item in items {
        let Some(path) = path(item, file) else {
            must_be("each of `experiments`", "the path of a spec", item, problems);
            continue;
        };
        if members.iter().any(|(other, _)| *other == path) {
            let message = format!("`experiments` repeats `{}`", text(item).unwrap_or_default());
            problems.add(&item.place, message);
        }
        members.push((path, item.place.clone()));
    }
    Some(members)
}
