//! The seal on a run's results: hashes of the files that an attempt left, kept in its `outcome.json`, and what has changed since.
//!
//! Made by whoever writes the outcome, looked at by whoever rests a claim on the files: `rerun`, `predict`, `doctor`, and the
//! trainer that starts from another run's weights.

use std::{collections::BTreeMap, path::Path};

use super::{
    folder::RunDir,
    outcome::{Outcome, OutcomeError},
};
use crate::base::files::{FileError, content_hash};

/// The files that are sealed.
const SEALED: [&str; 4] = [RunDir::RUN_FILE, RunDir::PREDICTIONS, RunDir::CHECKPOINT, RunDir::BEST];

/// What a look at a run's seal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// Files that are as the attempt left them.
    pub whole: Vec<String>,
    /// Files that are not: gone, or with other content.
    pub altered: Vec<String>,
}

impl RunDir {
    /// Name and hash of every file that a seal covers, as far as they are there.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn seal(&self) -> Result<BTreeMap<String, String>, FileError> {
        let present = SEALED.into_iter().filter(|name| self.path().join(name).is_file());
        present.map(|name| Ok((name.to_owned(), content_hash(&self.path().join(name))?))).collect()
    }

    /// Looks at the seal. Best weights that are gone break none: `train.keep` says how many runs have theirs. A run of version 0.1.0, one that did not complete and one whose trainer wrote its own
    /// `outcome.json` have none: then both lists are empty.
    ///
    /// # Errors
    /// `outcome.json` cannot be read.
    pub fn look_at_seal(&self) -> Result<Seal, OutcomeError> {
        let mut seal = Seal::default();
        let files = Outcome::read(self.path())?.map(|outcome| outcome.files).unwrap_or_default();
        for (name, hash) in files {
            // A name is a file's in the run's folder, whoever wrote it.
            if !SEALED.contains(&name.as_str()) {
                continue;
            }
            let path = self.path().join(&name);
            // Of a run that is not among the best the sweep itself has removed them.
            if name == RunDir::BEST && matches!(path.try_exists(), Ok(false)) {
                continue;
            }
            let now = content_hash(&path);
            let list = if now.is_ok_and(|now| now == hash) { &mut seal.whole } else { &mut seal.altered };
            list.push(name);
        }
        Ok(seal)
    }
}

/// Whether a file is, or may be, what the attempt of its folder left: false only where its seal says otherwise. `hash` is of its
/// content.
#[must_use]
pub fn is_sealed_or_free(path: &Path, hash: impl FnOnce() -> String) -> bool {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return true;
    };
    // Weights from anywhere need no run around them.
    let Ok(Some(outcome)) = Outcome::read(folder) else { return true };
    outcome.files.get(name).is_none_or(|sealed| *sealed == hash())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base::files::Durability;
    use crate::run::RunState;

    fn sealed() -> (tempfile::TempDir, RunDir) {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        fs::write(dir.run_file(), "{}").unwrap();
        fs::write(dir.checkpoint(), [0; 64]).unwrap();
        fs::write(dir.best(), [1; 64]).unwrap();
        let outcome = Outcome {
            attempt: 1,
            state: RunState::Completed,
            failure: None,
            finished: 1.0,
            peak_memory: None,
            peak_device_memory: None,
            phases: None,
            resumed_from: None,
            files: dir.seal().unwrap(),
        };
        outcome.write(folder.path(), Durability::Written).unwrap();
        (folder, dir)
    }

    #[test]
    fn what_changes_after_the_seal_is_named() {
        let (_folder, dir) = sealed();
        let look = || dir.look_at_seal().unwrap();
        assert_eq!(look().whole, [RunDir::BEST, RunDir::CHECKPOINT, RunDir::RUN_FILE]);
        let hash = || content_hash(&dir.checkpoint()).unwrap();
        assert!(is_sealed_or_free(&dir.checkpoint(), hash));
        let mut bytes = fs::read(dir.checkpoint()).unwrap();
        bytes[9] ^= 1;
        fs::write(dir.checkpoint(), bytes).unwrap();
        fs::remove_file(dir.run_file()).unwrap();
        fs::write(dir.best(), [2; 64]).unwrap();
        assert_eq!(look().altered, [RunDir::BEST, RunDir::CHECKPOINT, RunDir::RUN_FILE]);
        assert!(!is_sealed_or_free(&dir.checkpoint(), hash));
    }

    #[test]
    fn best_weights_that_the_sweep_has_removed_are_not_altered() {
        let (_folder, dir) = sealed();
        fs::remove_file(dir.best()).unwrap();
        let seal = dir.look_at_seal().unwrap();
        assert_eq!((seal.whole.len(), seal.altered), (2, Vec::new()));
    }

    #[test]
    fn without_a_seal_nothing_is_claimed() {
        let (_folder, dir) = sealed();
        fs::remove_file(dir.outcome()).unwrap();
        assert_eq!(dir.look_at_seal().unwrap(), Seal::default());
        assert!(is_sealed_or_free(&dir.checkpoint(), || "other".to_owned()));
        // Of version 0.1.0, and with a name that leads elsewhere.
        let old = r#"{"attempt":1,"state":"completed","failure":null,"finished":1.0,"peak_memory":null}"#;
        fs::write(dir.outcome(), old).unwrap();
        assert_eq!(dir.look_at_seal().unwrap(), Seal::default());
        let foreign = old.replace("\"attempt\"", "\"files\":{\"../../etc/passwd\":\"0\"},\"attempt\"");
        fs::write(dir.outcome(), foreign).unwrap();
        assert_eq!(dir.look_at_seal().unwrap(), Seal::default());
    }
}
