//! `train.checkpoint` and `train.keep`: what a run keeps while it trains.
//!
//! Only the built-in families have them; a `command` may have parameters of these names.

use super::{
    MAX_TOP,
    section::{Section, int, text},
};
use crate::spec::{Checkpoint, Keep, problem::Problems, yaml::Entry};

/// The key of how often.
pub(in crate::spec) const CHECKPOINT: &str = "checkpoint";
/// The key of whose best weights.
pub(in crate::spec) const KEEP: &str = "keep";
/// In the mapping of [`KEEP`]: the number of runs.
pub(in crate::spec) const BEST: &str = "best";

/// Whether an entry of `train` is one of these keys.
pub(super) fn is_given(entry: &Entry) -> bool {
    [CHECKPOINT, KEEP].contains(&entry.key.as_str())
}

/// Reads the keys of `train`.
pub(super) fn read(train: &Section<'_>, problems: &mut Problems) -> Keep {
    let mut keep = Keep::default();
    if train.given(CHECKPOINT).is_some() {
        let expected = "`auto`, `never` or a duration such as `30s`, `10m` or `2h`";
        let checkpoint: Option<Checkpoint> =
            train.take(CHECKPOINT, expected, problems, |node| text(node)?.parse().ok());
        keep.checkpoint = checkpoint.unwrap_or_default();
    }
    if let Some(entry) = train.given(KEEP)
        && let Some(section) = Section::open(&entry.value, &train.path(KEEP), &entry.place, problems)
    {
        section.only(&[BEST], problems);
        let expected = format!("`all` or a whole number from 0 to {MAX_TOP}");
        let best = section.take(BEST, &expected, problems, |node| match text(node) {
            Some("all") => Some(None),
            _ => int(node, 0, MAX_TOP.into()).and_then(|runs| u32::try_from(runs).ok()).map(Some),
        });
        keep.best = best.flatten();
    }
    keep
}
