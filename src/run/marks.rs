//! `marks.json`: what users say of a run, in its folder, so that the database can be made anew from it.
//!
//! Written by `gridboard tag`, `note`, `archive`, and by whoever cancels or requeues a run. A run of which nothing is said has none.

use std::{collections::BTreeSet, fs::File, io, path::Path};

use serde::{Deserialize, Serialize};

use super::{folder::RunDir, state::RunState};
use crate::base::files::{Durability, FileError, read_regular, remove_if_there, write_whole};

/// No marks are larger, bytes.
const MOST_BYTES: u64 = 1 << 20;

/// What users say of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Marks {
    /// Words that it is found by.
    pub tags: BTreeSet<String>,
    /// A text about it.
    pub note: Option<String>,
    /// Whether listings leave it out.
    pub archived: bool,
    /// Whether it is not to be trained.
    pub cancelled: bool,
    /// The attempt after which it was put back into the queue, whatever became of that attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requeued_after: Option<u32>,
}

impl Marks {
    /// The marks of the run in this directory; none where there is no file.
    ///
    /// # Errors
    /// The file, and why it cannot be read or understood.
    pub fn read(dir: &RunDir) -> Result<Self, FileError> {
        let path = dir.marks();
        let bytes = match read_regular(&path, MOST_BYTES) {
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            bytes => bytes?,
        };
        serde_json::from_slice(&bytes).map_err(|error| FileError::at("read", &path)(error.into()))
    }

    /// Changes the marks of the run in this directory, which is made where it is missing; nobody else changes them meanwhile.
    /// Returns what they are from then on.
    ///
    /// # Errors
    /// The file, and why it cannot be read or written.
    pub fn change(dir: &RunDir, change: impl FnOnce(&mut Self)) -> Result<Self, FileError> {
        Self::change_with(dir, Durability::Synced, change)
    }

    /// Notes that a run is cancelled, as [`Marks::change`] does. Not synced to the disk, since thousands may be cancelled at
    /// once: the database is.
    ///
    /// # Errors
    /// The file, and why it cannot be read or written.
    pub fn cancel(dir: &RunDir) -> Result<(), FileError> {
        Self::be(dir, true, None)
    }

    /// Notes that a run is to be trained after all, whatever became of its attempts so far; as [`Marks::cancel`].
    ///
    /// # Errors
    /// The file, and why it cannot be read or written.
    pub fn requeue(dir: &RunDir, attempts: u32) -> Result<(), FileError> {
        Self::be(dir, false, (attempts > 0).then_some(attempts))
    }

    fn be(dir: &RunDir, cancelled: bool, requeued_after: Option<u32>) -> Result<(), FileError> {
        let before = Self::read(dir)?;
        if (before.cancelled, before.requeued_after) == (cancelled, requeued_after) {
            return Ok(());
        }
        let change = |marks: &mut Self| (marks.cancelled, marks.requeued_after) = (cancelled, requeued_after);
        Self::change_with(dir, Durability::Written, change).map(|_| ())
    }

    /// What a run is whose attempts, the last one of them `attempt`, have left it in a state.
    #[must_use]
    pub fn state_after(&self, attempt: u32, state: RunState) -> RunState {
        match state {
            state if state.has_results() => state,
            _ if self.cancelled => RunState::Cancelled,
            RunState::Failed | RunState::Cancelled | RunState::Stopped
                if self.requeued_after.is_some_and(|after| attempt <= after) =>
            {
                RunState::Pending
            }
            state => state,
        }
    }

    fn change_with(
        dir: &RunDir,
        durability: Durability,
        change: impl FnOnce(&mut Self),
    ) -> Result<Self, FileError> {
        let path = dir.path();
        std::fs::create_dir_all(path).map_err(FileError::at("create folder", path))?;
        // Where the file system has no locks on folders, two who change the same run at once may lose one change.
        let folder = File::open(path).map_err(FileError::at("open", path))?;
        let _lock = folder.lock();
        let before = Self::read(dir)?;
        let mut marks = before.clone();
        change(&mut marks);
        if marks != before {
            marks.write(&dir.marks(), durability)?;
        }
        Ok(marks)
    }

    fn write(&self, path: &Path, durability: Durability) -> Result<(), FileError> {
        if *self == Self::default() {
            return remove_if_there(path);
        }
        let mut text = serde_json::to_vec_pretty(self).expect("texts and flags are JSON");
        text.push(b'\n');
        write_whole(path, &[&text], durability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_in_a_file_and_none_need_none() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(&folder.path().join("run"));
        assert_eq!(Marks::read(&dir).unwrap(), Marks::default());
        let marks = Marks::change(&dir, |marks| {
            marks.tags.insert("paper".to_owned());
            marks.note = Some("lr 0.1\nis too much".to_owned());
        });
        assert_eq!(Marks::read(&dir).unwrap(), marks.unwrap());
        for _ in 0..2 {
            Marks::cancel(&dir).unwrap();
        }
        let text = std::fs::read_to_string(dir.marks()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        let whole = serde_json::json!(
            {"tags": ["paper"], "note": "lr 0.1\nis too much", "archived": false, "cancelled": true}
        );
        assert_eq!(json, whole);
        Marks::change(&dir, |marks| *marks = Marks::default()).unwrap();
        assert!(!dir.marks().exists());
    }

    #[test]
    fn marks_say_what_a_run_is_after_its_attempts() {
        use RunState::{Cancelled, Completed, Failed, Pending};
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        let after = |attempt, state| Marks::read(&dir).unwrap().state_after(attempt, state);
        assert_eq!((after(1, Failed), after(0, Pending)), (Failed, Pending));
        Marks::cancel(&dir).unwrap();
        assert_eq!(
            (after(1, Failed), after(0, Pending), after(1, Completed)),
            (Cancelled, Cancelled, Completed)
        );
        Marks::requeue(&dir, 2).unwrap();
        assert_eq!((after(2, Failed), after(2, Cancelled), after(3, Failed)), (Pending, Pending, Failed));
        Marks::requeue(&dir, 0).unwrap();
        assert!(!dir.marks().exists());
    }

    #[test]
    fn what_is_no_mark_is_said_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        for text in ["{", "{\"tags\": 3}", "[3]", "{\"of a newer version\": 1}"] {
            std::fs::write(dir.marks(), text).unwrap();
            let error = Marks::change(&dir, |marks| marks.archived = true).unwrap_err();
            assert!(error.to_string().contains("marks.json"), "{error}");
            assert_eq!(std::fs::read_to_string(dir.marks()).unwrap(), text);
        }
    }

    #[test]
    fn nobody_loses_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let dir = &dir;
                scope.spawn(move || {
                    for place in 0..10 {
                        Marks::change(dir, |marks| marks.tags.extend([format!("{thread}-{place}")])).unwrap();
                    }
                });
            }
        });
        assert_eq!(Marks::read(&dir).unwrap().tags.len(), 40);
    }
}
