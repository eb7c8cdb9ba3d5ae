//! The `model` and `train` sections: the family, the command, and the parameters that are fixed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    env, keep,
    section::{Section, must_be, path, scalar, text},
};
use crate::base::secret;
use crate::spec::{
    FAMILY_AXIS, Family, Keep, Value,
    names::{fold, parameter_name_fault},
    parameter::{self, Kind, Parameter, family_axis, parameter_of_any, parameters_of_any},
    problem::{Place, Problems, hint, suggest},
    scalar::Scalar,
    yaml::{Content, Entry, Node},
};

/// What `model` and `train` say.
pub(super) struct Trainer {
    /// What `model.family` says, with its place.
    pub(super) said: Option<(Family, Place)>,
    /// The families of all runs, at least one: what `model.family` says, and what grids sweep.
    pub(super) families: Vec<Family>,
    /// False where the spec does not say the family, not even nearly: `families` is a guess then, and only what all
    /// families would refuse, or wrong values of parameters by the guessed family's names, are mistakes.
    pub(super) is_sure: bool,
    /// Program and arguments with their places; empty for the built-in families.
    pub(super) command: Vec<(String, Place)>,
    /// The variables of a `command` trainer's environment.
    pub(super) env: BTreeMap<String, String>,
    /// Where a `command` trainer is started.
    pub(super) cwd: Option<PathBuf>,
    /// The parameters that the spec fixes, in its order; defaults are not in it.
    pub(super) fixed: Vec<Fixed>,
    /// What the runs of built-in families keep.
    pub(super) keep: Keep,
}

/// The key of `model` that says where a `command` trainer is started.
const CWD: &str = "cwd";

/// A fixed parameter.
pub(super) struct Fixed {
    pub(super) name: String,
    /// `None` for a value that was reported.
    pub(super) value: Option<Value>,
    pub(super) section: parameter::Section,
    pub(super) place: Place,
}

impl Trainer {
    /// Whether runs are a program of the user's.
    pub(super) fn is_command(&self) -> bool {
        self.families == [Family::Command]
    }
}

/// The families by their word in the spec.
fn words() -> Vec<(&'static str, Family)> {
    Family::BUILT_IN.into_iter().chain([Family::Command]).map(|family| (family.as_str(), family)).collect()
}

/// Reads `model` and `train`. Where the family is wrong or missing, that is reported, and the rest is read for the family
/// that is probably meant.
pub(super) fn trainer(top: &Section<'_>, spec_file: &Path, problems: &mut Problems) -> Trainer {
    let absent = || Section::absent("model", &top.place);
    let swept = swept_families(top);
    let (model, said) = match top.given("model") {
        None => {
            if swept.is_none() {
                top.missing("model", "a mapping with `family`, such as {family: grid_cnn}", problems);
            }
            (absent(), None)
        }
        Some(entry) => match Section::open(&entry.value, "model", &entry.place, problems) {
            None => (absent(), None),
            Some(model) => {
                // Only commands have a `run`, and they sweep no family.
                let may_be_absent = swept.is_some() && model.given("run").is_none();
                let said = said_family(&model, may_be_absent, problems);
                (model, said)
            }
        },
    };
    let mut families: Vec<Family> = said.iter().map(|(family, _)| *family).collect();
    if families != [Family::Command] {
        for family in swept.into_iter().flatten() {
            if !families.contains(&family) {
                families.push(family);
            }
        }
    }
    // A word that is no family, not even nearly, leaves open whose parameters the rest is.
    let is_garbled = said.is_none() && model.given("family").is_some();
    let is_sure = !families.is_empty() && !is_garbled;
    if !is_sure {
        // Only commands have a `run`, and have to.
        let guess = if model.given("run").is_some() { Family::Command } else { Family::GridCnn };
        families = vec![guess];
    }
    let command = if families == [Family::Command] { command(&model, problems) } else { Vec::new() };
    let is_command = families == [Family::Command];
    let env = if is_command { env::read(&model, problems) } else { BTreeMap::new() };
    let cwd = match model.given(CWD).filter(|_| is_command) {
        Some(_) => model.take(CWD, "a folder, relative to the spec", problems, |node| path(node, spec_file)),
        None => None,
    };
    let (mut fixed, mut kept) = (Vec::new(), Keep::default());
    let mut sections = vec![(parameter::Section::Model, model)];
    if let Some(entry) = top.given("train")
        && let Some(train) = Section::open(&entry.value, "train", &entry.place, problems)
    {
        if !is_command {
            kept = keep::read(&train, problems);
        }
        sections.push((parameter::Section::Train, train));
    }
    for (kind, section) in &sections {
        for entry in &section.entries {
            let is_model = *kind == parameter::Section::Model;
            let has_run = families == [Family::Command] || !is_sure;
            let is_env = is_model && is_command && (env::is_given(entry) || entry.key == CWD);
            let is_kept = !is_model && !is_command && keep::is_given(entry);
            if is_model && (entry.key == FAMILY_AXIS || entry.key == "run" && has_run) || is_env || is_kept {
                continue;
            }
            fixed.extend(fix(entry, *kind, (&families, is_sure), spec_file, problems));
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
    Trainer { said, families, is_sure, command, env, cwd, fixed, keep: kept }
}

/// The family by its word, or by the word that it was probably meant to be, which is reported.
fn said_family(model: &Section<'_>, may_be_absent: bool, problems: &mut Problems) -> Option<(Family, Place)> {
    let Some(entry) = model.entry(FAMILY_AXIS) else {
        if !may_be_absent {
            let built_in = Family::BUILT_IN.map(|family| format!("`{family}`")).join(", ");
            model.missing(FAMILY_AXIS, &format!("{built_in} or `command`"), problems);
        }
        return None;
    };
    let words = words();
    let family = model.word(FAMILY_AXIS, &words, problems).or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let best = suggest(text(&entry.value)?, &known)?;
        words.iter().find(|(word, _)| *word == best).map(|(_, family)| *family)
    })?;
    Some((family, entry.place.clone()))
}

/// The built-in families that any grid lists as its axis `family`, without a look at what is wrong with that axis, which
/// is told when it is read; `None` where no grid has one.
fn swept_families(top: &Section<'_>) -> Option<Vec<Family>> {
    let grids = match &top.given("grid")?.value.content {
        Content::Sequence(items) => items.iter().collect(),
        _ => vec![&top.given("grid")?.value],
    };
    let mut families = None;
    for grid in grids {
        let Content::Mapping(entries) = &grid.content else { continue };
        for entry in entries.iter().filter(|entry| entry.key == FAMILY_AXIS) {
            let families = families.get_or_insert_with(Vec::new);
            let Content::Sequence(items) = &entry.value.content else { continue };
            families.extend(items.iter().filter_map(text).filter_map(Family::built_in));
        }
    }
    families
}

/// One key of `model` or `train` that is a parameter.
fn fix(
    entry: &Entry,
    section: parameter::Section,
    (families, is_sure): (&[Family], bool),
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Fixed> {
    let fixed = |value| Fixed { name: entry.key.clone(), value, section, place: entry.place.clone() };
    let what = format!("`{}.{}`", section.as_str(), entry.key);
    if families == [Family::Command] {
        if let Some(fault) = parameter_name_fault(&entry.key) {
            problems.add(&entry.place, format!("{what} {fault}"));
            return None;
        }
    } else if is_sure {
        let Some(row) = parameter_of_any(families, &entry.key) else {
            unknown_key(entry, section, families, problems);
            return None;
        };
        if row.section != section {
            let right = row.section.as_str();
            problems.add(&entry.place, format!("{what} belongs under `{right}`: `{right}.{}`", entry.key));
            return None;
        }
    }
    let may_be_absent =
        parameter_of_any(families, &entry.key).is_some_and(|row| row.default == parameter::Default::Absent);
    if entry.value.is_null() && may_be_absent {
        return None;
    }
    Some(fixed(value(&entry.value, families, &entry.key, &what, spec_file, problems)))
}

fn unknown_key(entry: &Entry, section: parameter::Section, families: &[Family], problems: &mut Problems) {
    let mut known = if section == parameter::Section::Model { vec![FAMILY_AXIS] } else { Vec::new() };
    known.extend(parameters_of_any(families).iter().filter(|row| row.section == section).map(|row| row.name));
    if section == parameter::Section::Train {
        known.extend(keep::KEYS);
    }
    let hint = hint(&entry.key, &known);
    problems.add(&entry.place, format!("unknown key `{}.{}`{hint}", section.as_str(), entry.key));
}

/// Reads one value of the parameter `name`; a wrong one is reported as `{what} must be ..`.
pub(super) fn value(
    node: &Node,
    families: &[Family],
    name: &str,
    what: &str,
    spec_file: &Path,
    problems: &mut Problems,
) -> Option<Value> {
    let row = if name == FAMILY_AXIS { Some(family_axis()) } else { parameter_of_any(families, name) };
    let (value, expected) = match row {
        Some(Parameter { kind: kind @ Kind::Path, .. }) => {
            let path = path(node, spec_file).and_then(|path| path.to_str().map(str::to_owned));
            (path.map(Value::Text), kind.expected())
        }
        Some(Parameter { kind, .. }) => (scalar(node).and_then(|value| kind.accept(&value)), kind.expected()),
        None if families == [Family::Command] => {
            (of_command(node), "a finite number, `true`, `false`, `null`, text, or a list of them".to_owned())
        }
        None => (scalar(node), "a finite number, `true`, `false` or text".to_owned()),
    };
    match &value {
        None => must_be(what, &expected, node, problems),
        Some(value) => {
            let values = if let Value::List(items) = value { items } else { std::slice::from_ref(value) };
            for text in values {
                let Value::Text(text) = text else { continue };
                if let Some(kind) = secret::in_value(name, text) {
                    problems.add(&node.place, format!("{what} {}", env::refusal(kind)));
                }
            }
        }
    }
    value
}

/// A value of a program of the user's: a scalar, `null`, or a list of them. Values become environment variables, which hold no
/// NUL.
fn of_command(node: &Node) -> Option<Value> {
    let single = |node: &Node| match node.is_null() {
        true => Some(Value::Null),
        false => scalar(node).filter(|value| !matches!(value, Value::Text(text) if text.contains('\0'))),
    };
    match &node.content {
        Content::Sequence(items) => items.iter().map(single).collect::<Option<_>>().map(Value::List),
        _ => single(node),
    }
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
    let words: Vec<&str> = arguments.iter().map(|(word, _)| word.as_str()).collect();
    if let Some((place, kind)) = secret::in_arguments(&words) {
        problems.add(&arguments[place].1, format!("an argument of `model.run` {}", env::refusal(kind)));
    }
    if items.first().is_none_or(|program| text(program).is_some_and(str::is_empty)) {
        problems.add(&entry.value.place, "`model.run` names no program");
    }
    arguments
}
