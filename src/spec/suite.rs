//! A suite: several experiments in order, as one spec. `gridboard run` carries them out in turn and writes one report.
//!
//! The members are experiment specs of their own, each in its file, so that each can be run alone too. Everything is read
//! and validated before anything runs: a mistake in the last member is told before the first one trains.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::{
    Experiment, Overrides, Place, Problem, SpecError, parse, problem::Problems, read, read_text, yaml,
};

/// Most experiments of a suite.
pub(super) const MAX_EXPERIMENTS: usize = 100;

/// What a suite's file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SuiteFile {
    pub(super) name: String,
    /// The specs of the members, absolute, and where each is named.
    pub(super) members: Vec<(PathBuf, Place)>,
    /// As `--set` takes them.
    pub(super) set: Vec<String>,
}

/// A suite, its members validated.
#[derive(Clone, Debug, PartialEq)]
pub struct Suite {
    /// Names its report: letters, digits, `_` and `-`, starting with a letter.
    pub name: String,
    /// In the order they are run; at least one, names unique.
    pub experiments: Vec<Experiment>,
}

/// What a spec file is.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// One experiment.
    Experiment(Box<Experiment>),
    /// Several.
    Suite(Suite),
}

/// Reads and validates a spec of either kind: a suite is a mapping with the key `suite`. The overrides reach every member,
/// after those of the suite itself.
///
/// # Errors
/// As [`super::load`]; [`SpecError::Members`] with what is wrong in each of a suite's members.
pub fn load_any(path: &Path, overrides: &Overrides) -> Result<Spec, SpecError> {
    let text = read_text(path)?;
    if !is_suite(&text) {
        return parse(&text, path, overrides).map(|experiment| Spec::Experiment(Box::new(experiment)));
    }
    let file = parse_file(&text, path)?;
    let overrides = Overrides { set: [file.set, overrides.set.clone()].concat(), ..overrides.clone() };
    let mut errors = Vec::new();
    let mut experiments: Vec<Experiment> = Vec::new();
    let mut problems = Problems::default();
    for (member, place) in &file.members {
        match super::load(member, &overrides) {
            Ok(experiment) => {
                if let Some(first) = experiments.iter().position(|other| other.name == experiment.name) {
                    let message = format!(
                        "`{}` is an experiment named `{}`, and so is number {} of the list",
                        member.display(),
                        experiment.name,
                        first + 1
                    );
                    problems.add(place, message);
                }
                experiments.push(experiment);
            }
            Err(error) => errors.push(error),
        }
    }
    if problems.len() > 0 {
        errors.push(SpecError::Problems { path: path.to_owned(), problems: problems.into_sorted() });
    }
    match errors.len() {
        0 => Ok(Spec::Suite(Suite { name: file.name, experiments })),
        1 => Err(errors.remove(0)),
        _ => Err(SpecError::Members(errors)),
    }
}

/// Whether the text is that of a suite: only then its keys are a suite's.
fn is_suite(text: &str) -> bool {
    let Ok(yaml::Node { content: yaml::Content::Mapping(entries), .. }) = yaml::parse(text) else {
        return false;
    };
    let has = |key: &str| entries.iter().any(|entry| entry.key == key);
    has("suite") || (has("experiments") && !has("experiment"))
}

fn parse_file(text: &str, path: &Path) -> Result<SuiteFile, SpecError> {
    let mut problems = Problems::default();
    let file = match yaml::parse(text) {
        Ok(root) => read::suite(&root, path, &mut problems),
        Err(Problem { place, message }) => {
            problems.add(&place, message);
            None
        }
    };
    match file {
        Some(file) if problems.len() == 0 => Ok(file),
        _ => Err(SpecError::Problems { path: path.to_owned(), problems: problems.into_sorted() }),
    }
}

/// The JSON Schema of a suite file (draft 2020-12), for editors.
#[must_use]
pub fn suite_schema() -> Json {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Gridboard suite",
        "description": "Several experiments, run in turn, with one report.",
        "type": "object",
        "required": ["suite", "experiments"],
        "additionalProperties": false,
        "properties": {
            "suite": {
                "description": "Name of the suite: its report is runs/NAME.report/report.html.",
                "type": "string",
                "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$"
            },
            "experiments": {
                "description": "The specs of the experiments, in the order they are run; relative to this file.",
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "minItems": 1,
                "maxItems": MAX_EXPERIMENTS,
                "uniqueItems": true
            },
            "set": {
                "description": "Overrides of every experiment, as --set takes them: dataset.image_size=64.",
                "type": ["array", "null"],
                "items": {"type": "string", "pattern": "^[^=]+="}
            }
        }
    })
}
