//! `train.checkpoint`, `train.keep` and what a run logs beside its metrics: what it keeps while it trains.
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

/// The key of the distributions of weights and gradients.
pub(in crate::spec) const HISTOGRAMS: &str = "histograms";
/// The key of the precision-recall curves.
pub(in crate::spec) const PR_CURVES: &str = "pr_curves";
/// The key of the losses of the batches.
pub(in crate::spec) const BATCH_CURVES: &str = "batch_curves";
/// All keys.
pub(in crate::spec) const KEYS: [&str; 5] = [CHECKPOINT, KEEP, HISTOGRAMS, PR_CURVES, BATCH_CURVES];
/// No spec has more epochs.
pub(in crate::spec) const MOST_EPOCHS: u32 = 1_000_000;

/// Whether an entry of `train` is one of these keys.
pub(super) fn is_given(entry: &Entry) -> bool {
    KEYS.contains(&entry.key.as_str())
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
    let expected = format!("`none` or a number of epochs from 1 to {MOST_EPOCHS}");
    let mut epochs = |key: &str, of: &mut Option<u32>| {
        if train.given(key).is_some() {
            let every = train.take(key, &expected, problems, |node| match text(node) {
                Some("none") => Some(None),
                _ => int(node, 1, MOST_EPOCHS.into()).and_then(|epochs| u32::try_from(epochs).ok()).map(Some),
            });
            *of = every.flatten();
        }
    };
    epochs(HISTOGRAMS, &mut keep.logging.histograms);
    epochs(PR_CURVES, &mut keep.logging.pr_curves);
    if train.given(BATCH_CURVES).is_some() {
        keep.logging.batch_curves = train.bool(BATCH_CURVES, problems).unwrap_or(true);
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
