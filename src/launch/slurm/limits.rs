//! Time limits by estimate that were too short: `.slurm/limits.json` of an experiment, so that a later sweep knows them, too.
//!
//! Kept by the launcher. What a run is given next is `request`'s to say.

use std::{collections::BTreeMap, path::PathBuf};

use crate::{
    base::files::{Durability, read_regular, write_whole},
    run::ExperimentDir,
};

/// The time limits by estimate that runs of an experiment have reached, minutes, by the run's name.
#[must_use]
pub fn reached_limits(dir: &ExperimentDir) -> BTreeMap<String, u64> {
    Limits::of(dir).reached
}

/// By run: the longest limit by estimate that it has reached, minutes.
#[derive(Debug)]
pub(super) struct Limits {
    path: PathBuf,
    reached: BTreeMap<String, u64>,
}

impl Limits {
    /// Those of an experiment. What cannot be read is forgotten: then the estimate is tried once more.
    pub(super) fn of(dir: &ExperimentDir) -> Self {
        let path = dir.slurm().join("limits.json");
        let text = read_regular(&path, 64 << 20).ok();
        let reached = text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path, reached }
    }

    pub(super) fn reached(&self, run: &str) -> Option<u64> {
        self.reached.get(run).copied()
    }

    /// A run has reached a limit of so many minutes.
    pub(super) fn note(&mut self, run: &str, minutes: u64) {
        let longest = self.reached.entry(run.to_owned()).or_insert(minutes);
        *longest = minutes.max(*longest);
        if let Ok(json) = serde_json::to_vec_pretty(&self.reached) {
            // Where it cannot be kept, a later sweep tries the estimate once more.
            let _ = write_whole(&self.path, &[&json, b"\n"], Durability::Written);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_too_short_is_known_to_the_next_sweep() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        let mut limits = Limits::of(&dir);
        assert_eq!(limits.reached("a"), None);
        limits.note("a", 10);
        limits.note("a", 20);
        limits.note("a", 15);
        limits.note("b", 30);
        let later = Limits::of(&dir);
        assert_eq!((later.reached("a"), later.reached("b"), later.reached("c")), (Some(20), Some(30), None));
    }
}
