//! `notify`: who is told what of a sweep. An address that is a secret stands in the environment, and its name here.

use super::section::{Section, must_be, text};
use crate::{
    base::secret,
    spec::{
        Notify, NotifyBy, NotifyOn,
        command::variable,
        problem::Problems,
        yaml::{Content, Node},
    },
};

/// The key of the program.
pub(in crate::spec) const COMMAND: &str = "command";
/// The key of what is told.
pub(in crate::spec) const ON: &str = "on";

/// Reads the section.
pub(super) fn read(top: &Section<'_>, problems: &mut Problems) -> Option<Notify> {
    let mut notify = Notify::default();
    let Some(entry) = top.given("notify") else { return Some(notify) };
    let section = Section::open(&entry.value, "notify", &entry.place, problems)?;
    let keys: Vec<&str> = NotifyBy::ALL.iter().map(|by| by.as_str()).chain([COMMAND, ON]).collect();
    section.only(&keys, problems);
    for by in NotifyBy::ALL {
        let Some(entry) = section.given(by.as_str()) else { continue };
        let path = format!("`notify.{}`", by.as_str());
        match text(&entry.value) {
            Some(address) if variable(address).is_some() => notify.targets.push((by, address.to_owned())),
            Some(_) if by.is_secret() => {
                let message = format!(
                    "{path}: whoever has the address may write there: put it into the environment of `gridboard` and \
                     give its name here, `{}: $NAME`",
                    by.as_str()
                );
                problems.add(&entry.value.place, message);
            }
            Some(address) if !is_address(address) => {
                let message =
                    format!("{path} must be `$NAME` or an address that begins with https:// or http://");
                problems.add(&entry.value.place, message);
            }
            Some(address) if secret::in_text(address).is_some() || address.contains('@') => {
                let message = format!(
                    "{path}: the address looks like a secret: put it into the environment of `gridboard` and give its \
                     name here, `{}: $NAME`",
                    by.as_str()
                );
                problems.add(&entry.value.place, message);
            }
            Some(address) => notify.targets.push((by, address.to_owned())),
            None => must_be(&path, "`$NAME` or an address", &entry.value, problems),
        }
    }
    if section.given(COMMAND).is_some() {
        let words = section.list(COMMAND, "a text", problems, |node: &Node| text(node).map(str::to_owned));
        notify.command = words.unwrap_or_default();
        let words: Vec<&str> = notify.command.iter().map(String::as_str).collect();
        if let Some((_, kind)) = secret::in_arguments(&words)
            && let Some(entry) = section.entry(COMMAND)
        {
            problems.add(
                &entry.value.place,
                format!("`notify.command` looks like it holds {kind}: the program has the environment of `gridboard`"),
            );
        }
    }
    notify.on = NotifyOn::DEFAULT.to_vec();
    if let Some(entry) = section.given(ON) {
        let word = |node: &Node| NotifyOn::ALL.into_iter().find(|on| text(node) == Some(on.as_str()));
        let expected = "a list of `finished`, `failed`, `best`, `stalled`";
        match &entry.value.content {
            // A single word does as well.
            Content::Scalar(..) => match word(&entry.value) {
                Some(word) => notify.on = vec![word],
                None => must_be("`notify.on`", expected, &entry.value, problems),
            },
            Content::Sequence(items) if items.is_empty() => {
                must_be("`notify.on`", expected, &entry.value, problems);
            }
            _ => {
                let words = section.list(ON, "`finished`, `failed`, `best` or `stalled`", problems, word);
                notify.on = words.unwrap_or_default();
            }
        }
    }
    if notify.is_default() {
        // What is told without anybody to tell it to is as if it were not there.
        notify.on = Vec::new();
    }
    Some(notify)
}

fn is_address(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}
