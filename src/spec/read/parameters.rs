//! The `model` and `train` sections: the family, the command, and the parameters that are fixed.

use std::path::Path;

use super::section::{Section, must_be, path, scalar, text};
use crate::spec::{
    Family, Value,
    names::{fold, parameter_name_fault},
    parameter::{self, Kind, Parameter, parameter, parameters},
    problem::{Place, Problems, hint, suggest},
    scalar::Scalar,
    yaml::{Content, Entry, Node},
};

/// What `model` and `train` say.
pub(super) struct Trainer {
    pub(super) family: Family,
    /// False where the spec does not say the family, not even nearly: `family` is a guess then, and only what both
    /// families would refuse, or wrong values of parameters by the guessed family's names, are mistakes.
    pub(super) is_sure: bool,
    /// Program and arguments with their places; empty for the built-in families.
    pub(super) command: Vec<(String, Place)>,
    /// The parameters that the spec fixes, in its order; defaults are not in it.
    pub(super) fixed: Vec<Fixed>,
}

/// A fixed parameter.
pub(super) struct Fixed {
    pub(super) name: String,
    /// `None` for a value that was reported.
    pub(super) value: Option<Value>,
    pub(super) section: parameter::Section,
    pub(super) place: Place,
}

/// The families by their word in the spec.
const FAMILIES: [(&str, Family); 2] = [("grid_cnn", Family::GridCnn), ("command", Family::Command)];

/// Reads `model` and `train`. Where the family is wrong or missing, that is reported, and the rest is read for the family
/// that is probably meant.
pub(super) fn trainer(top: &Section<'_>, spec_file: &Path, problems: &mut Problems) -> Trainer {
    let absent = || Section::absent("model", &top.place);
    let (model, said) = match top.given("model") {
        None => {
            top.missing("model", "a mapping with `family`, such as {family: grid_cnn}", problems);
            (absent(), None)
        }
        Some(entry) => match Section::open(&entry.value, "model", &entry.place, problems) {
            None => (absent(), None),
            Some(model) => {
                let said = said_family(&model, problems);
                (model, said)
            }
        },
    };
    let is_sure = said.is_some();
    // Only commands have a `run`, and have to.
    let guess = if model.given("run").is_some() { Family::Command } else { Family::GridCnn };
    let family = said.unwrap_or(guess);
    let command = match family {
        Family::Command => command(&model, problems),
        Family::GridCnn => Vec::new(),
    };
    let mut fixed = Vec::new();
    let mut sections = vec![(parameter::Section::Model, model)];
    if let Some(entry) = top.given("train")
        && let Some(train) = Section::open(&entry.value, "train", &entry.place, problems)
    {
        sections.push((parameter::Section::Train, train));
    }
    for (kind, section) in &sections {
        for entry in &section.entries {
            let is_model = *kind == parameter::Section::Model;
            let has_run = family == Family::Command || !is_sure;
            if is_model && (entry.key == "family" || entry.key == "run" && has_run) {
                continue;
            }
            fixed.extend(fix(entry, *kind, (family, is_sure), spec_file, problems));
        }
    }
    let mut taken: Vec<&Fixed> = Vec::new();
    for parameter in &fixed {
        if let Some(first) = taken.iter().find(|first| fold(&first.name) == fold(&parameter.name)) {
            let message = format!(
                "parameter `{}` is fixed already at {}, as `{}.{}`",
                parameter.name,
                first.place,
                first.section.as_str(),
                first.name
            );
            problems.add(&parameter.place, message);
        }
        taken.push(parameter);
    }
    Trainer { family, is_sure, command, fixed }
}

/// The family by its word, or by the word that it was probably meant to be, which is reported.
fn said_family(model: &Section<'_>, problems: &mut Problems) -> Option<Family> {
    let Some(entry) = model.entry("family") else {
        model.missing("family", "`grid_cnn` or `command`", problems);
        return None;
    };
    model.word("family", &FAMILIES, problems).or_else(|| {
        let best = suggest(text(&entry.value)?, &FAMILIES.map(|(word, _)| word))?;
        FAMILIES.iter().find(|(word, _)| *word == best).map(|(_, family)| *family)
    })
}

/// One key of `model` or `train` that is a parameter.
fn fix(
    entry: &Entry,
    section: parameter::Section,
    (family, is_sure): (Family, bool),
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Fixed> {
    let fixed = |value| Fixed { name: entry.key.clone(), value, section, place: entry.place.clone() };
    let what = format!("`{}.{}`", section.as_str(), entry.key);
    if family == Family::Command {
        if let Some(fault) = parameter_name_fault(&entry.key) {
            problems.add(&entry.place, format!("{what} {fault}"));
            return None;
        }
    } else if is_sure {
        let Some(row) = parameter(family, &entry.key) else {
            unknown_key(entry, section, family, problems);
            return None;
        };
        if row.section != section {
            let right = row.section.as_str();
            problems.add(&entry.place, format!("{what} belongs under `{right}`: `{right}.{}`", entry.key));
            return None;
        }
    }
    let may_be_absent =
        parameter(family, &entry.key).is_some_and(|row| row.default == parameter::Default::Absent);
    if entry.value.is_null() && may_be_absent {
        return None;
    }
    Some(fixed(value(&entry.value, family, &entry.key, &what, spec_file, problems)))
}

fn unknown_key(entry: &Entry, section: parameter::Section, family: Family, problems: &mut Problems) {
    let mut known = if section == parameter::Section::Model { vec!["family"] } else { Vec::new() };
    known.extend(parameters(family).iter().filter(|row| row.section == section).map(|row| row.name));
    let hint = hint(&entry.key, &known);
    problems.add(&entry.place, format!("unknown key `{}.{}`{hint}", section.as_str(), entry.key));
}

/// Reads one value of the parameter `name`; a wrong one is reported as `{what} must be ..`.
pub(super) fn value(
    node: &Node,
    family: Family,
    name: &str,
    what: &str,
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Value> {
    let (value, expected) = match parameter(family, name) {
        Some(Parameter { kind: kind @ Kind::Path, .. }) => {
            let path = path(node, spec_file).and_then(|path| path.to_str().map(str::to_owned));
            (path.map(Value::Text), kind.expected())
        }
        Some(Parameter { kind, .. }) => (scalar(node).and_then(|value| kind.accept(&value)), kind.expected()),
        None => {
            // Values become environment variables, which hold no NUL.
            let value =
                scalar(node).filter(|value| !matches!(value, Value::Text(text) if text.contains('\0')));
            (value, "a finite number, `true`, `false` or text".to_owned())
        }
    };
    if value.is_none() {
        must_be(what, &expected, node, problems);
    }
    value
}

/// The argument list of a `command` trainer; numbers and switches are taken as they are written.
fn command(model: &Section<'_>, problems: &mut Problems) -> Vec<(String, Place)> {
    let expected = "program and its arguments as a list, such as [python, train.py, --lr, \"{lr}\"]";
    let Some(entry) = model.given("run") else {
        model.missing("run", expected, problems);
        return Vec::new();
    };
    let Content::Sequence(items) = &entry.value.content else {
        must_be("`model.run`", &format!("the {expected}"), &entry.value, problems);
        return Vec::new();
    };
    let mut arguments = Vec::with_capacity(items.len());
    for item in items {
        match &item.content {
            Content::Scalar(scalar, text) if *scalar != Scalar::Null && !text.contains('\0') => {
                arguments.push((text.clone(), item.place.clone()));
            }
            _ => must_be("each of `model.run`", "text or a number", item, problems),
        }
    }
    if items.first().is_none_or(|program| text(program).is_some_and(str::is_empty)) {
        problems.add(&entry.value.place, "`model.run` names no program");
    }
    arguments
}
