//! `model.env`: variables in the environment of a `command` trainer, and how a secret gets to it.

use std::collections::BTreeMap;

use super::section::{Section, must_be};
use crate::{
    base::secret,
    spec::{
        command::{is_variable_name, variable},
        problem::Problems,
        scalar::Scalar,
        yaml::{Content, Entry},
    },
};

/// Begins the variables that Gridboard itself sets.
const OWN: &str = "GRIDBOARD_";

/// Whether a key of `model` is this one. A single value under the name is a parameter: an environment of another kind.
pub(super) fn is_given(entry: &Entry) -> bool {
    entry.key == "env" && matches!(entry.value.content, Content::Mapping(_))
}

/// Reads the variables; what is no variable or looks like a secret is reported.
pub(super) fn read(model: &Section<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let Some(entry) = model.given("env").filter(|entry| is_given(entry)) else { return variables };
    let Content::Mapping(entries) = &entry.value.content else { return variables };
    for Entry { key, value, place } in entries {
        if !is_variable_name(key) {
            let message = format!("`model.env.{key}` is no name of a variable: letters, digits and `_`");
            problems.add(place, message);
        } else if key.starts_with(OWN) {
            problems.add(place, format!("`model.env.{key}`: Gridboard sets the variables `{OWN}...` itself"));
        }
        match &value.content {
            Content::Scalar(scalar, text) if *scalar != Scalar::Null && !text.contains('\0') => {
                if variable(text).is_none()
                    && let Some(kind) = secret::in_value(key, text)
                {
                    problems.add(&value.place, format!("`model.env.{key}` {}", refusal(kind)));
                }
                if text.starts_with('$') && !text.starts_with("$$") && variable(text).is_none() {
                    problems.add(&value.place, format!("`model.env.{key}`: `{text}` names no variable"));
                }
                variables.insert(key.clone(), text.clone());
            }
            _ => must_be(&format!("`model.env.{key}`"), "a text or `$NAME`", value, problems),
        }
    }
    variables
}

/// What is said of a secret in a spec, behind where it is. Never the secret.
pub(super) fn refusal(kind: &str) -> String {
    format!(
        "looks like {kind}, and would be readable in run.json, logs, database and report: put it into the environment of \
         `gridboard` and give the program `model.env: {{NAME: $NAME}}`"
    )
}
