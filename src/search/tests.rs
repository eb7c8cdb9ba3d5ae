//! The search against the packages that it follows, through `tests/fixtures/optuna`, which `scripts/optuna_fixture.py` writes.

mod importances;
mod optuna;
mod rules;
mod sequence;
mod suggestions;

use std::fs;

use serde_json::Value;

/// The records of a fixture.
fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/optuna/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).expect("JSON")
}
