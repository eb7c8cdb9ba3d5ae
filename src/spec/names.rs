//! Which names an experiment, a class and a parameter may have: they become directories, SQL names and variables.

use super::command::{BUILT_IN_PLACES, is_parameter_name};

/// SQL names that an experiment must not have: the views that every runs database has, and words kept for later ones.
/// Compared without case, as SQLite does. Names that start with `sqlite_` are SQLite's.
pub const RESERVED_EXPERIMENTS: [&str; 18] = [
    "artifacts",
    "attempts",
    "class_metrics",
    "confusion",
    "decisions",
    "devices",
    "events",
    "experiments",
    "grid_points",
    "history",
    "importance",
    "leaderboard",
    "metrics",
    "predictions",
    "runs",
    "scalars",
    "suggestions",
    "tags",
];

/// Columns that stand beside a column per axis, and the keys of `model` itself: no parameter may have these names.
pub const RESERVED_PARAMETERS: [&str; 12] = [
    "rank",
    "run",
    "run_dir",
    "seed",
    "state",
    "reason",
    "experiment",
    "family",
    "train_accuracy",
    "train_loss",
    "validation_accuracy",
    "validation_loss",
];

/// Why a name is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not the characters of a name.
    #[error(
        "the name `{name}` must start with a letter and hold letters, digits, `_` and `-`, at most 64 of them"
    )]
    Characters {
        /// The name.
        name: String,
    },
    /// Taken by the database.
    #[error("the name `{name}` is reserved by the database; reserved: {}, sqlite_*", RESERVED_EXPERIMENTS.join(", "))]
    Reserved {
        /// The name.
        name: String,
    },
}

/// Whether an experiment may be called `name`: it becomes a directory and a view.
///
/// # Errors
/// It holds characters that a directory or a view should not have, or the database uses it.
pub fn check_experiment_name(name: &str) -> Result<(), NameError> {
    if !is_parameter_name(name) || name.starts_with('_') {
        return Err(NameError::Characters { name: name.to_owned() });
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("sqlite_") || RESERVED_EXPERIMENTS.contains(&lower.as_str()) {
        return Err(NameError::Reserved { name: name.to_owned() });
    }
    Ok(())
}

/// What is wrong with a parameter name of a `command` trainer, to follow the name; `None` where nothing is.
pub(super) fn parameter_name_fault(name: &str) -> Option<String> {
    if !is_parameter_name(name) {
        return Some(
            "must start with a letter or `_` and hold letters, digits, `_` and `-`, at most 64".to_owned(),
        );
    }
    let lower = fold(name);
    let reserved = RESERVED_PARAMETERS.iter().chain(&BUILT_IN_PLACES).any(|word| *word == lower);
    reserved.then(|| "is a name that every run has already".to_owned())
}

/// Names that become the same column or environment variable fold to the same text.
pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// Whether `name` can be a class: a folder of its own below the images.
pub(super) fn is_class_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 100
        && name != "."
        && name != ".."
        && name.trim() == name
        && !name.chars().any(|letter| letter.is_control() || letter == '/' || letter == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiment_names() {
        for good in ["tab3", "fig8_layer-sizes", "A"] {
            assert_eq!(check_experiment_name(good), Ok(()), "{good}");
        }
        for bad in ["", "3tab", "_x", "a b", "a/b", "a.b", "é", &"x".repeat(65)] {
            assert!(matches!(check_experiment_name(bad), Err(NameError::Characters { .. })), "{bad}");
        }
        for reserved in ["runs", "RUNS", "Leaderboard", "sqlite_master", "SQLITE_x"] {
            assert!(matches!(check_experiment_name(reserved), Err(NameError::Reserved { .. })), "{reserved}");
        }
    }

    #[test]
    fn class_names() {
        assert!(is_class_name("normal") && is_class_name("COVID-19 positive"));
        for bad in ["", ".", "..", "a/b", " a", "a\n"] {
            assert!(!is_class_name(bad), "{bad}");
        }
    }
}
