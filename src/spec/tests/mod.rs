//! The spec as its users meet it: messages, overrides, bounds, the way back to YAML, the schema.

mod bounds;
mod families;
mod launcher;
mod messages;
mod notify;
mod overriding;
mod rank;
mod round_trip;
mod schema;
mod search;
mod secrets;
mod shipped;
mod stop;
mod suite;
mod together;

use std::path::Path;

use super::*;

/// The smallest whole spec of the built-in family, without its last line break.
const WHOLE: &str = "experiment: e
dataset: {phantom: {}}
model: {family: grid_cnn, conv_layers: 1, dense_layers: 0, layer_size: 8}
train: {epochs: 1}";

fn parse_text(text: &str) -> Result<Experiment, SpecError> {
    parse(text, Path::new("/specs/e.yaml"), &Overrides::default())
}

#[track_caller]
fn accept(text: &str) -> Experiment {
    parse_text(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The problems of a spec, a line each.
#[track_caller]
fn problems(text: &str) -> Vec<String> {
    problems_with(text, &Overrides::default())
}

#[track_caller]
fn problems_with(text: &str, overrides: &Overrides) -> Vec<String> {
    match parse(text, Path::new("/specs/e.yaml"), overrides) {
        Err(SpecError::Problems { problems, .. }) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?} for\n{text}"),
    }
}

/// [`WHOLE`] with one line more, which is line 5; its only problem without the place, or with it where it is elsewhere.
#[track_caller]
fn check(line: &str, expected: &str) {
    let found = problems(&format!("{WHOLE}\n{line}\n"));
    let found: Vec<&str> = found
        .iter()
        .map(|problem| match problem.strip_prefix("line 5, column ") {
            Some(rest) => rest,
            None => problem.as_str(),
        })
        .collect();
    assert_eq!(found, [expected], "{line}");
}
