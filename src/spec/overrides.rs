//! What the command line changes in a spec: `--set`, `--images`, `--devices` and `--launcher`, put into the tree before it is
//! validated, so that they meet the same checks as the file.

use std::{collections::BTreeMap, path::PathBuf};

use super::{
    Goal,
    problem::{Place, Problems, suggest},
    yaml::{self, Content, Entry, Node},
};
use crate::base::human::counted;

/// What is better of `rank.by` where neither the spec nor the tag tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Untold {
    /// That is a problem of the spec.
    #[default]
    Asked,
    /// What an experiment that has run was ranked by; else it is a problem.
    Kept(BTreeMap<String, Kept>),
    /// Higher is better: of a spec that has run and is read for something else.
    Higher,
}

/// What is known of an experiment that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The tag that it was ranked by.
    pub by: String,
    /// What was better of it.
    pub goal: Goal,
    /// The tags that its runs have written.
    pub written: Vec<String>,
}

impl Untold {
    /// The goal of a tag in an experiment, where it is known from before.
    pub(super) fn goal(&self, experiment: &str, tag: &str) -> Option<Goal> {
        match self {
            Self::Asked => None,
            Self::Kept(kept) => kept.get(experiment).filter(|kept| kept.by == tag).map(|kept| kept.goal),
            Self::Higher => Some(Goal::Maximize),
        }
    }

    /// The tag that was probably meant: one that the runs of the experiment have written, unlike this one.
    pub(super) fn meant(&self, experiment: &str, tag: &str) -> Option<&str> {
        let Self::Kept(kept) = self else { return None };
        let written: Vec<&str> = kept.get(experiment)?.written.iter().map(String::as_str).collect();
        suggest(tag, &written).filter(|meant| *meant != tag)
    }
}

/// What changes a spec: the flags, and what is known of it from before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `key.path=value` as `--set` takes it, the value in YAML: `grid.layer_size=[16, 32]`. `null` takes a parameter
    /// or an axis out. In a list of grids the path names one by its index: `grid.0.layer_size`.
    pub set: Vec<String>,
    /// `--images`: the folder of images, relative to the working directory; replaces `images` and `phantom`.
    pub images: Option<PathBuf>,
    /// `--devices`: replaces `schedule.devices`.
    pub devices: Option<String>,
    /// `--launcher`: `local` or `slurm`, over what the spec says.
    pub launcher: Option<String>,
    /// The user's own defaults: name and text of the file.
    pub config: Option<(String, String)>,
    /// The goal of a metric that is told nowhere.
    pub untold: Untold,
}

/// Puts the overrides into the tree, in the order `--set`, `--images`, `--devices`, `--launcher`.
pub(super) fn apply(overrides: &Overrides, root: &mut Node, problems: &mut Problems) {
    for assignment in &overrides.set {
        set(assignment, root, problems);
    }
    if let Some(images) = &overrides.images {
        let place = Place::Flag(format!("--images {}", images.display()));
        match images.to_str() {
            Some(path) => {
                remove(root, &["dataset", "phantom"]);
                let value = Node::text(place.clone(), path);
                insert(root, &["dataset", "images"], value, &place, problems);
            }
            None => problems.add(&place, "the path is not UTF-8"),
        }
    }
    if let Some(devices) = &overrides.devices {
        let place = Place::Flag(format!("--devices {devices}"));
        insert(root, &["schedule", "devices"], Node::text(place.clone(), devices), &place, problems);
    }
    if let Some(launcher) = &overrides.launcher {
        let place = Place::Flag(format!("--launcher {launcher}"));
        // What the spec says of a cluster stands where one is asked for.
        let is_described = launcher == "slurm" && find(root, &["launcher", "slurm"]).is_some();
        if !is_described {
            insert(root, &["launcher"], Node::text(place.clone(), launcher), &place, problems);
        }
    }
    if let Some((name, text)) = &overrides.config {
        fill_launcher(root, (name, text), problems);
    }
}

/// The node at `path`, where it is.
fn find<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, key| match &node.content {
        Content::Mapping(entries) => entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.value),
        Content::Scalar(..) | Content::Sequence(_) => None,
    })
}

/// Fills in what the user's own file says of the cluster, where the spec asks for one and does not say it.
fn fill_launcher(root: &mut Node, (name, text): (&str, &str), problems: &mut Problems) {
    let is_slurm = match find(root, &["launcher"]) {
        Some(Node { content: Content::Scalar(_, word), .. }) => word == "slurm",
        Some(node) => find(node, &["slurm"]).is_some(),
        None => false,
    };
    if !is_slurm {
        return;
    }
    let place = Place::Flag(name.to_owned());
    let mut defaults = match yaml::parse(text) {
        Ok(defaults) => defaults,
        Err(problem) => {
            problems.add(&place, format!("is no YAML: {}", problem.message));
            return;
        }
    };
    defaults.relocate(&place);
    let Some(Node { content: Content::Mapping(defaults), .. }) = find(&defaults, &["launcher", "slurm"])
    else {
        return;
    };
    if matches!(find(root, &["launcher"]), Some(Node { content: Content::Scalar(..), .. })) {
        let empty = Node { place: place.clone(), content: Content::Mapping(Vec::new()) };
        insert(root, &["launcher"], empty, &place, problems);
    }
    for Entry { key, value, .. } in defaults {
        let path = ["launcher", "slurm", key];
        match (find(root, &path).map(|node| &node.content), &value.content) {
            (None, _) => insert(root, &path, value.clone(), &place, problems),
            // Options are told one by one.
            (Some(Content::Mapping(_)), Content::Mapping(options)) => {
                for Entry { key: option, value, .. } in options {
                    let path = ["launcher", "slurm", key, option];
                    if find(root, &path).is_none() {
                        insert(root, &path, value.clone(), &place, problems);
                    }
                }
            }
            (Some(_), _) => {}
        }
    }
}

fn set(assignment: &str, root: &mut Node, problems: &mut Problems) {
    let place = Place::Flag(format!("--set {assignment}"));
    let Some((path, value)) = assignment.split_once('=') else {
        return problems.add(&place, "must be `KEY.PATH=VALUE`, such as `train.epochs=3`");
    };
    let path: Vec<&str> = path.trim().split('.').collect();
    if path.iter().any(|key| key.is_empty()) {
        return problems.add(&place, "must be `KEY.PATH=VALUE` without empty keys");
    }
    let value = if value.trim().is_empty() { "null" } else { value };
    match yaml::parse(value) {
        Err(problem) => problems.add(&place, format!("the value is not YAML: {}", problem.message)),
        Ok(mut value) => {
            value.relocate(&place);
            let parameter = path.len() > 1 && ["grid", "model", "train"].contains(&path[0]);
            if value.is_null() && parameter {
                remove(root, &path);
            } else {
                insert(root, &path, value, &place, problems);
            }
        }
    }
}

/// The node below `node` at one key or index, made where it is missing.
fn child<'a>(node: &'a mut Node, key: &str, place: &Place) -> Result<&'a mut Node, String> {
    if node.is_null() {
        node.content = Content::Mapping(Vec::new());
    }
    match &mut node.content {
        Content::Mapping(entries) => {
            let at = match entries.iter().position(|entry| entry.key == key) {
                Some(at) => at,
                None => {
                    let value = Node { place: place.clone(), content: Content::Mapping(Vec::new()) };
                    entries.push(Entry { key: key.to_owned(), place: place.clone(), value });
                    entries.len() - 1
                }
            };
            Ok(&mut entries[at].value)
        }
        Content::Sequence(items) => {
            let n_items = items.len();
            key.parse::<usize>().ok().and_then(|index| items.get_mut(index)).ok_or_else(|| {
                let items = counted(n_items, "item");
                format!("`{key}` is no index into a list of {items}; write a number from 0")
            })
        }
        Content::Scalar(..) => Err(format!("there is no `{key}` below a single value")),
    }
}

/// Puts `value` at `path`, over what is there.
fn insert(root: &mut Node, path: &[&str], value: Node, place: &Place, problems: &mut Problems) {
    let mut node = root;
    for key in path {
        node = match child(node, key, place) {
            Ok(child) => child,
            Err(message) => return problems.add(place, message),
        };
    }
    *node = value;
}

/// Takes the key at `path` out, if it is there.
fn remove(root: &mut Node, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut node = root;
    for key in parents {
        let next = match &mut node.content {
            Content::Mapping(entries) => {
                entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.value)
            }
            Content::Sequence(items) => key.parse::<usize>().ok().and_then(|index| items.get_mut(index)),
            Content::Scalar(..) => None,
        };
        let Some(next) = next else { return };
        node = next;
    }
    if let Content::Mapping(entries) = &mut node.content {
        entries.retain(|entry| entry.key != *last);
    }
}
