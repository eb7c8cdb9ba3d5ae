//! What is found, in sentences: what to worry about, and how often it is there.
//!
//! Called by the audit, last. Decides nothing: what is a duplicate or a shortcut is decided where it is found.

use serde::{Deserialize, Serialize};

use super::Audit;
use crate::base::human::{grouped, plural};

/// A reason not to believe results on a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about, for machines.
    pub kind: WarningKind,
    /// How many images, files, groups or properties it is about.
    pub count: u64,
    /// A sentence for people.
    pub message: String,
}

/// Kinds of warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// Validation images whose picture also trains.
    LeakedValidation,
    /// Test images whose picture also trains or validates.
    LeakedTest,
    /// Pictures that are there in several classes.
    LabelConflict,
    /// Pictures that are there more than once.
    Duplicate,
    /// Groups in several parts of the split.
    SplitGroup,
    /// Properties that tell the class without a look at the lungs.
    Shortcut,
    /// Files that are no images, or damaged.
    Unreadable,
}

/// `1 image is`, `3 images are`.
fn are(count: u64, what: &str) -> String {
    format!("{} {} {}", grouped(count), plural(count, what), if count == 1 { "is" } else { "are" })
}

pub(super) fn warnings(audit: &Audit) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |kind, count: u64, message: String| {
        if count > 0 {
            warnings.push(Warning { kind, count, message });
        }
    };
    let found = &audit.duplicates;
    let leaked = found.leaked_validation;
    let message = format!(
        "{} a picture that also trains: it is remembered, not recognised",
        are(leaked, "validation image")
    );
    warn(WarningKind::LeakedValidation, leaked, message);
    let leaked = found.leaked_test;
    let message = format!("{} a picture that also trains or validates", are(leaked, "test image"));
    warn(WarningKind::LeakedTest, leaked, message);
    let conflicts = found.label_conflicts;
    let message = format!(
        "{} a picture that is there in several classes: some label is wrong",
        are(conflicts, "image")
    );
    warn(WarningKind::LabelConflict, conflicts, message);
    let message = format!("{} a copy of another", are(found.surplus, "image"));
    warn(WarningKind::Duplicate, found.surplus, message);
    if let Some(groups) = &audit.groups {
        let count = groups.across_parts.len() as u64;
        let message = format!("{} in several parts of the split (`{}`)", are(count, "group"), groups.pattern);
        warn(WarningKind::SplitGroup, count, message);
    }
    let high: Vec<String> = audit
        .shortcuts
        .iter()
        .filter(|shortcut| shortcut.is_high)
        .filter_map(|shortcut| shortcut.auc.map(|auc| format!("{} {auc:.2}", shortcut.feature)))
        .collect();
    let message = format!("file properties predict the class (AUC, 0.5 is chance): {}", high.join(", "));
    warn(WarningKind::Shortcut, high.len() as u64, message);
    let unreadable = audit.unreadable.len() as u64;
    warn(WarningKind::Unreadable, unreadable, format!("{} left out as unreadable", are(unreadable, "file")));
    warnings
}
