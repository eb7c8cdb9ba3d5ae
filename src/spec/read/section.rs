//! One mapping of the spec under reading: its keys checked against the known ones, its values taken by type, every
//! mistake added to the problems.

use std::path::{Path, PathBuf};

use crate::spec::{
    Value,
    problem::{Place, Problems, hint, suggest},
    scalar::Scalar,
    yaml::{Content, Entry, Node},
};

/// A mapping of the spec.
pub(super) struct Section<'a> {
    /// Keys down to here with a dot behind them: `dataset.blur.`; empty at the top.
    prefix: String,
    /// Where the section was opened: the place of its missing keys.
    pub(super) place: Place,
    /// The entries, repeated keys left out.
    pub(super) entries: Vec<&'a Entry>,
}

impl<'a> Section<'a> {
    /// Opens `node` as a mapping; `path` is its dotted path, `place` that of its key. Repeated keys are reported.
    pub(super) fn open(node: &'a Node, path: &str, place: &Place, problems: &mut Problems) -> Option<Self> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let empty = || Section { prefix: prefix.clone(), place: place.clone(), entries: Vec::new() };
        match &node.content {
            Content::Scalar(Scalar::Null, _) => Some(empty()),
            Content::Mapping(entries) => {
                let mut section = empty();
                let mut seen = std::collections::HashMap::new();
                for entry in entries {
                    match seen.insert(entry.key.as_str(), &entry.place) {
                        None => section.entries.push(entry),
                        Some(first) => problems.add(
                            &entry.place,
                            format!("key `{}` is given twice; the first is at {first}", entry.key),
                        ),
                    }
                }
                Some(section)
            }
            _ => {
                let name = if path.is_empty() { "the spec".to_owned() } else { format!("`{path}`") };
                problems.add(&node.place, format!("{name} must be a mapping, not {}", node.describe()));
                None
            }
        }
    }

    /// A section that the spec leaves out; `place` is that of the mapping around it.
    pub(super) fn absent(path: &str, place: &Place) -> Self {
        Self { prefix: format!("{path}."), place: place.clone(), entries: Vec::new() }
    }

    /// Reports every key that is none of `known`.
    pub(super) fn only(&self, known: &[&str], problems: &mut Problems) {
        for entry in self.entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = hint(&entry.key, known);
            problems.add(&entry.place, format!("unknown key `{}{}`{hint}", self.prefix, entry.key));
        }
    }

    /// The entry of a key.
    pub(super) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().copied().find(|entry| entry.key == key)
    }

    /// The entry of a key, where it is given and not null.
    pub(super) fn given(&self, key: &str) -> Option<&'a Entry> {
        self.entry(key).filter(|entry| !entry.value.is_null())
    }

    /// The dotted path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Reports a key that has to be there and is not.
    pub(super) fn missing(&self, key: &str, expected: &str, problems: &mut Problems) {
        let place = self.entry(key).map_or(&self.place, |entry| &entry.place);
        problems.add(place, format!("`{}` is missing; it is {expected}", self.path(key)));
    }

    /// The value of a key as `read` takes it; `None` where it is not given. A wrong value is reported, and is `None` too.
    pub(super) fn take<T>(
        &self,
        key: &str,
        expected: &str,
        problems: &mut Problems,
        read: impl FnOnce(&'a Node) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(key)?;
        let value = read(&entry.value);
        if value.is_none() {
            must_be(&format!("`{}`", self.path(key)), expected, &entry.value, problems);
        }
        value
    }

    /// A whole number within bounds.
    pub(super) fn int(&self, key: &str, min: i64, max: i64, problems: &mut Problems) -> Option<i64> {
        self.take(key, &format!("a whole number from {min} to {max}"), problems, |node| int(node, min, max))
    }

    /// A whole number within bounds that fit 32 bits.
    pub(super) fn u32(&self, key: &str, min: u32, max: u32, problems: &mut Problems) -> Option<u32> {
        self.int(key, min.into(), max.into(), problems).and_then(|value| u32::try_from(value).ok())
    }

    /// A seed: what 63 bits hold, because SQL integers are signed.
    pub(super) fn seed(&self, key: &str, problems: &mut Problems) -> Option<u64> {
        self.int(key, 0, i64::MAX, problems).and_then(|value| u64::try_from(value).ok())
    }

    /// A finite number that `fits`.
    pub(super) fn float(
        &self,
        key: &str,
        expected: &str,
        problems: &mut Problems,
        fits: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        self.take(key, expected, problems, |node| {
            scalar(node)?.as_f64().filter(|value| value.is_finite() && fits(*value))
        })
    }

    /// One of some words; a near miss is told which it probably is.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let expected: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        let node = &self.entry(key)?.value;
        let given = text(node);
        let value = words.iter().find(|(word, _)| Some(*word) == given).map(|(_, value)| *value);
        if value.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let suggestion = given.and_then(|given| suggest(given, &known));
            let suggestion = suggestion.map(|best| format!("; did you mean `{best}`?")).unwrap_or_default();
            let expected = match expected.as_slice() {
                [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
                words => words.join(" or "),
            };
            let (path, found) = (self.path(key), node.describe());
            problems.add(&node.place, format!("`{path}` must be {expected}, not {found}{suggestion}"));
        }
        value
    }

    /// `true` or `false`.
    pub(super) fn bool(&self, key: &str, problems: &mut Problems) -> Option<bool> {
        self.take(key, "`true` or `false`", problems, |node| match node.content {
            Content::Scalar(Scalar::Bool(value), _) => Some(value),
            _ => None,
        })
    }

    /// A list, its items read by `read`; wrong items are reported and left out.
    pub(super) fn list<T>(
        &self,
        key: &str,
        expected: &str,
        problems: &mut Problems,
        read: impl Fn(&'a Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.take(key, "a list", problems, |node| match &node.content {
            Content::Sequence(items) => Some(items),
            _ => None,
        })?;
        let what = format!("each of `{}`", self.path(key));
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match read(item) {
                Some(value) => values.push(value),
                None => must_be(&what, &format!("a {expected}"), item, problems),
            }
        }
        Some(values)
    }
}

/// `{what} must be {expected}, not {found}`.
pub(super) fn must_be(what: &str, expected: &str, found: &Node, problems: &mut Problems) {
    problems.add(&found.place, format!("{what} must be {expected}, not {}", found.describe()));
}

/// The scalar as a parameter value, where it is one: not null, finite, inside 64 bits.
pub(super) fn scalar(node: &Node) -> Option<Value> {
    match &node.content {
        Content::Scalar(Scalar::Bool(value), _) => Some(Value::Bool(*value)),
        Content::Scalar(Scalar::Int(value), _) => Some(Value::Int(*value)),
        Content::Scalar(Scalar::Float(value), _) if value.is_finite() => Some(Value::Float(*value)),
        Content::Scalar(Scalar::Text, text) => Some(Value::Text(text.clone())),
        _ => None,
    }
}

/// A whole number within bounds.
pub(super) fn int(node: &Node, min: i64, max: i64) -> Option<i64> {
    match node.content {
        Content::Scalar(Scalar::Int(value), _) if (min..=max).contains(&value) => Some(value),
        _ => None,
    }
}

/// A text scalar.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Scalar(Scalar::Text, text) => Some(text),
        _ => None,
    }
}

/// A path as the spec gives it: relative to the spec file, or to the working directory where it came from the command
/// line. Made absolute, so that the experiment means the same from any directory; links and `..` are followed where
/// the path exists. `None` where it is empty, holds a NUL or is not UTF-8.
pub(super) fn path(node: &Node, spec_file: &Path) -> Option<PathBuf> {
    let given = text(node).filter(|text| !text.is_empty() && !text.contains('\0'))?;
    let from = match node.place {
        Place::File { .. } => spec_file.parent().unwrap_or(Path::new("")),
        Place::Flag(_) => Path::new(""),
    };
    let joined = from.join(given);
    let resolved = joined.canonicalize().or_else(|_| std::path::absolute(&joined)).unwrap_or(joined);
    resolved.to_str().is_some().then_some(resolved)
}
