//! Which directories of a log directory are one run. Pure.
//!
//! TensorBoard calls every directory a run; programs put one training into several. `train` and `validation` are parts of the
//! run that they lie in (Keras, clu). What `add_hparams` puts into a folder named by the time belongs to the run around it
//! (PyTorch, tensorboardX), and so does what `add_scalars` puts into folders named by a tag. Everything else is a run.

use std::collections::{BTreeMap, HashMap};

use super::scan::LogDir;

/// Folders of these names are a part of the run that they lie in.
const PARTS: [&str; 13] = [
    "train",
    "training",
    "validation",
    "valid",
    "val",
    "eval",
    "evaluation",
    "test",
    "testing",
    "dev",
    "batch",
    "holdout",
    "predict",
];

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Its path below the log directory; empty for the log directory itself.
    pub(super) path: String,
    /// Its directories: index, and the sub-run that it is, empty for the run's own.
    pub(super) members: Vec<(usize, String)>,
}

/// The runs of a log directory, by path.
pub(super) fn group(dirs: &[LogDir]) -> Vec<Group> {
    let told: HashMap<&str, &LogDir> =
        dirs.iter().filter(|dir| tells(dir)).map(|dir| (dir.path.as_str(), dir)).collect();
    let mut groups: BTreeMap<String, Vec<(usize, String)>> = BTreeMap::new();
    for (index, dir) in dirs.iter().enumerate().filter(|(_, dir)| tells(dir)) {
        let (root, below) = place(dir, &told);
        groups.entry(root).or_default().push((index, below));
    }
    groups.into_iter().map(|(path, members)| Group { path, members }).collect()
}

/// Whether there is something of a run in a directory.
fn tells(dir: &LogDir) -> bool {
    !dir.tags.is_empty() || dir.hparams.is_some()
}

/// The run that a directory is of, and the sub-run that it is.
fn place(dir: &LogDir, told: &HashMap<&str, &LogDir>) -> (String, String) {
    let own = || (dir.path.clone(), String::new());
    let Some((parent, leaf)) = split(&dir.path) else { return own() };
    let around = |path: &str| match told.get(path) {
        Some(parent) => place(parent, told),
        None => (path.to_owned(), String::new()),
    };
    let join = |below: String, name: &str| {
        if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") }
    };
    if is_part(leaf) && holds_parts(parent, told) {
        let (root, below) = around(parent);
        return (root, join(below, leaf));
    }
    let Some(ancestor) =
        ancestors(&dir.path).find_map(|path| told.get(path)).filter(|of| !of.tags.is_empty())
    else {
        return own();
    };
    let rest = dir.path[ancestor.path.len()..].trim_start_matches('/');
    if dir.hparams.is_some() && ancestor.hparams.is_none() && sessions_below(&ancestor.path, told) == 1 {
        // Named by the time: in the run's own folder its tags are the same in every run.
        return around(&ancestor.path);
    }
    if dir.hparams.is_none() && dir.tags.iter().all(|tag| is_of_tag(rest, tag)) {
        let (root, below) = around(&ancestor.path);
        return (root, join(below, rest));
    }
    own()
}

fn is_part(leaf: &str) -> bool {
    PARTS.contains(&leaf.to_ascii_lowercase().as_str())
}

/// Whether parts of a run lie in a folder, rather than runs of which one is called `test`.
fn holds_parts(parent: &str, told: &HashMap<&str, &LogDir>) -> bool {
    if told.contains_key(parent) {
        return true;
    }
    let children = told.keys().filter_map(|path| split(path)).filter(|(of, _)| *of == parent);
    let (parts, all) =
        children.fold((0, 0), |(parts, all), (_, leaf)| (parts + u32::from(is_part(leaf)), all + 1));
    parts == all || parts >= 2
}

/// How many HParams sessions lie below a folder, those of parts of a run left out.
fn sessions_below(path: &str, told: &HashMap<&str, &LogDir>) -> usize {
    let is_below = |other: &str| path.is_empty() && !other.is_empty() || is_in(other, path);
    let sessions = told.values().filter(|dir| dir.hparams.is_some() && is_below(&dir.path));
    sessions.filter(|dir| split(&dir.path).is_some_and(|(_, leaf)| !is_part(leaf))).count()
}

fn is_in(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a path is what `add_scalars` makes of a tag and a key: `loss_train`, `loss/train`.
fn is_of_tag(path: &str, tag: &str) -> bool {
    [tag.to_owned(), tag.replace('/', "_")].iter().any(|tag| {
        path.strip_prefix(tag.as_str()).is_some_and(|rest| rest.starts_with(['_', '/']) && rest.len() > 1)
    })
}

/// A path without its last name, and that; `None` for the log directory itself.
fn split(path: &str) -> Option<(&str, &str)> {
    (!path.is_empty()).then(|| path.rsplit_once('/').unwrap_or(("", path)))
}

/// The folders that a path lies in, the nearest one first.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(split(path).map(|(parent, _)| parent), |path| split(path).map(|(parent, _)| parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories with these tags; `!` is a session.
    fn groups(dirs: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let dirs: Vec<LogDir> = dirs
            .iter()
            .map(|(path, tags)| LogDir {
                path: (*path).to_owned(),
                tags: tags.iter().filter(|tag| **tag != "!").map(|tag| (*tag).to_owned()).collect(),
                hparams: tags.contains(&"!").then(Vec::new),
                ..LogDir::default()
            })
            .collect();
        let members = |group: &Group| group.members.iter().map(|(_, below)| below.clone()).collect();
        group(&dirs).iter().map(|group| (group.path.clone(), members(group))).collect()
    }

    fn expect(dirs: &[(&str, &[&str])], expected: &[(&str, &[&str])]) {
        let expected: Vec<(String, Vec<String>)> = expected
            .iter()
            .map(|(path, below)| ((*path).to_owned(), below.iter().map(|name| (*name).to_owned()).collect()))
            .collect();
        assert_eq!(groups(dirs), expected, "{dirs:?}");
    }

    #[test]
    fn parts_are_of_the_run_that_they_lie_in() {
        let loss: &[&str] = &["loss"];
        // Keras: the record of the columns in the root, which is no run; sessions in the runs' folders.
        expect(
            &[("", &[]), ("a", &["!"]), ("a/train", loss), ("a/validation", loss), ("b/train", loss)],
            &[("a", &["", "train", "validation"]), ("b", &["train"])],
        );
        expect(&[("train", loss), ("validation", loss)], &[("", &["train", "validation"])]);
        // clu: the session lies in a part.
        expect(&[("a/eval", loss), ("a/train", &["!", "loss"])], &[("a", &["eval", "train"])]);
        // A run that is called so.
        expect(
            &[("exp1", loss), ("exp2", loss), ("test", loss)],
            &[("exp1", &[""]), ("exp2", &[""]), ("test", &[""])],
        );
    }

    #[test]
    fn sessions_of_add_hparams_are_of_the_run_around_them() {
        let loss: &[&str] = &["loss"];
        expect(
            &[
                ("a", loss),
                ("a/1700.5", &["!", "hparam/acc"]),
                ("b", loss),
                ("b/1701.2", &["!", "hparam/acc"]),
            ],
            &[("a", &["", ""]), ("b", &["", ""])],
        );
        // One writer, many sessions: each is a run.
        expect(
            &[("", loss), ("t1", &["!", "acc"]), ("t2", &["!", "acc"])],
            &[("", &[""]), ("t1", &[""]), ("t2", &[""])],
        );
    }

    #[test]
    fn folders_of_add_scalars_are_sub_runs() {
        expect(
            &[("a", &["loss"]), ("a/both/x", &["both"]), ("a/l_s_y", &["l/s"]), ("a/other", &["acc"])],
            &[("a", &["", "both/x", "l_s_y"]), ("a/other", &[""])],
        );
    }
}
