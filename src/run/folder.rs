//! The folder of a run: what each file in it is called, and what an attempt clears away. The experiment's is in
//! `experiment_folder`.
//!
//! The one home of these names. Whoever reads or writes such a file asks here where it is; what stands in it
//! is the business of the file's own module.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    base::files::{FileError, PARTIAL, remove_if_there},
    tags::SUB_RUNS,
};

/// The directory of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// What an attempt is told.
    pub const RUN_FILE: &'static str = "run.json";
    /// The weights: a PyTorch `state_dict` as safetensors.
    pub const CHECKPOINT: &'static str = "checkpoint.safetensors";
    /// The weights of the best epoch, as the checkpoint has those of the last.
    pub const BEST: &'static str = "best.safetensors";
    /// What a built-in trainer is resumed from.
    pub const STATE: &'static str = "state.safetensors";
    /// What a `command` is resumed from: a folder of its own.
    pub const STATE_DIR: &'static str = "state";
    /// Answers on the validation images.
    pub const PREDICTIONS: &'static str = "predictions.csv";
    /// Answers on the held-out images.
    pub const TEST_PREDICTIONS: &'static str = "test_predictions.csv";
    /// What users say of the run.
    const MARKS: &'static str = "marks.json";
    /// Ends the name of the event file that is Gridboard's own: the HParams session, and what it measures of the machine.
    pub const SESSION: &'static str = "session";
    /// How an attempt ended.
    const OUTCOME: &'static str = "outcome.json";
    /// Standard output and error of every attempt.
    const LOG: &'static str = "worker.log";
    /// Which run of another experiment the results are of.
    const REUSED: &'static str = "reused.json";
    /// What happened to every attempt.
    const ATTEMPTS: &'static str = "attempts.jsonl";

    /// The run's directory at this path.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What an attempt is told.
    #[must_use]
    pub fn run_file(&self) -> PathBuf {
        self.0.join(Self::RUN_FILE)
    }

    /// What users say of the run.
    #[must_use]
    pub fn marks(&self) -> PathBuf {
        self.0.join(Self::MARKS)
    }

    /// How an attempt ended.
    #[must_use]
    pub fn outcome(&self) -> PathBuf {
        self.0.join(Self::OUTCOME)
    }

    /// Which run of another experiment the results are of.
    #[must_use]
    pub fn reused(&self) -> PathBuf {
        self.0.join(Self::REUSED)
    }

    /// What happened to every attempt, a line at a time.
    #[must_use]
    pub fn attempts(&self) -> PathBuf {
        self.0.join(Self::ATTEMPTS)
    }

    /// Standard output and error of every attempt.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join(Self::LOG)
    }

    /// The weights.
    #[must_use]
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join(Self::CHECKPOINT)
    }

    /// The weights of the best epoch.
    #[must_use]
    pub fn best(&self) -> PathBuf {
        self.0.join(Self::BEST)
    }

    /// What a built-in trainer is resumed from.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join(Self::STATE)
    }

    /// What a `command` is resumed from.
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.0.join(Self::STATE_DIR)
    }

    /// Answers on the validation images.
    #[must_use]
    pub fn predictions(&self) -> PathBuf {
        self.0.join(Self::PREDICTIONS)
    }

    /// Answers on the held-out images.
    #[must_use]
    pub fn test_predictions(&self) -> PathBuf {
        self.0.join(Self::TEST_PREDICTIONS)
    }

    /// Where the pictures of the confusion matrix lie, without `.svg` or `.png`.
    #[must_use]
    pub fn confusion_matrix(&self) -> PathBuf {
        self.0.join("confusion_matrix")
    }

    /// Removes what an earlier attempt left that would be mistaken for the next one's: event files,
    /// predictions, outcome, the training state. Its log stays, and what a `command` has kept for the next
    /// attempt. A directory that is not there is clear.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn clear(&self) -> Result<(), FileError> {
        self.clear_but(&BTreeMap::new())?;
        remove_if_there(&self.best())?;
        remove_if_there(&self.state())
    }

    /// As [`RunDir::clear`], for an attempt that goes on with an earlier one: of the event files in `kept`, by
    /// path below the directory, the first so many bytes stay, and nothing of the others. The training state stays, and the best weights.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn clear_but(&self, kept: &BTreeMap<String, u64>) -> Result<(), FileError> {
        self.clear_in(&self.0, kept)
    }

    /// As [`RunDir::clear_but`], of the curves of a built-in trainer alone.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn clear_curves_but(&self, kept: &BTreeMap<String, u64>) -> Result<(), FileError> {
        SUB_RUNS.iter().try_for_each(|sub_run| self.clear_in(&self.0.join(sub_run), kept))
    }

    fn clear_in(&self, folder: &Path, kept: &BTreeMap<String, u64>) -> Result<(), FileError> {
        each_file(folder, &self.state_dir(), &|path, name| {
            let event_file = name.contains(EVENTS) || name.contains(ASIDE);
            let below = path.strip_prefix(&self.0).ok().and_then(Path::to_str);
            match below.and_then(|below| kept.get(below)) {
                Some(&bytes) => cut(path, bytes),
                // Emptied and not removed: TensorBoard's loader in Python, which may be at it, never gets over the end of a
                // file that is gone.
                None if event_file && !kept.is_empty() && is_curve(below) => cut(path, 0),
                // A writer that was killed has left the file that it was making.
                None if event_file || LEFT_OVER.contains(&name) || name.starts_with(PARTIAL) => {
                    remove_if_there(path)
                }
                None => Ok(()),
            }
        })
    }

    /// Makes the folder in which a `command` keeps what it resumes from. Answers whether there is something in it.
    ///
    /// # Errors
    /// The folder and what failed.
    pub fn make_state_dir(&self) -> Result<bool, FileError> {
        let dir = self.state_dir();
        fs::create_dir_all(&dir).map_err(FileError::at("create folder", &dir))?;
        let mut entries = fs::read_dir(&dir).map_err(FileError::at("read", &dir))?;
        Ok(entries.next().is_some())
    }

    /// Puts copies in the place of the files that attempts append to: whoever still has one of them open writes where nobody
    /// looks.
    ///
    /// # Errors
    /// The file and what failed.
    pub fn part_with(&self) -> Result<(), FileError> {
        self.each_file(&|path, name| {
            if !name.contains(EVENTS) && !name.contains(ASIDE) && name != Self::LOG {
                return Ok(());
            }
            let copy = path.with_file_name(format!("{PARTIAL}{name}"));
            fs::copy(path, &copy).map_err(FileError::at("copy", path))?;
            fs::rename(&copy, path).map_err(FileError::at("rename", &copy))
        })
    }

    /// Removes the results of an earlier attempt of a `command` that goes on with it: its curves stay.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn clear_answers(&self) -> Result<(), FileError> {
        LEFT_OVER.iter().try_for_each(|name| remove_if_there(&self.0.join(name)))
    }

    /// Removes what an attempt keeps for the next one, since there will be none.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn remove_state(&self) -> Result<(), FileError> {
        remove_if_there(&self.state())?;
        match fs::remove_dir_all(self.state_dir()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::at("remove", &self.state_dir())(error))
            }
            _ => Ok(()),
        }
    }

    /// As [`RunDir::clear`], but event files are set aside under names that no reader takes for event files: the attempt may
    /// turn out to go on with them.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn set_aside(&self) -> Result<(), FileError> {
        self.each_file(&|path, name| {
            // Gridboard's own is of the earlier attempt alone, whatever the next one goes on with.
            if LEFT_OVER.contains(&name) || is_session(name) {
                return remove_if_there(path);
            }
            rename(path, name, EVENTS, ASIDE)
        })
    }

    /// Gives the event files that were set aside their names back.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn restore(&self) -> Result<(), FileError> {
        self.each_file(&|path, name| rename(path, name, ASIDE, EVENTS))
    }

    /// Removes the event files that were set aside.
    ///
    /// # Errors
    /// The file or folder and what failed.
    pub fn discard(&self) -> Result<(), FileError> {
        self.each_file(&|path, name| if name.contains(ASIDE) { remove_if_there(path) } else { Ok(()) })
    }

    /// Hands path and name of every file of the run to `act`, all but those that a `command` keeps.
    fn each_file(&self, act: &impl Fn(&Path, &str) -> Result<(), FileError>) -> Result<(), FileError> {
        each_file(&self.0, &self.state_dir(), act)
    }
}

/// What an attempt leaves beside its event files, and what was made of it.
const LEFT_OVER: [&str; 4] = [RunDir::PREDICTIONS, RunDir::TEST_PREDICTIONS, RunDir::OUTCOME, RunDir::REUSED];
/// What makes a file an event file by its name.
pub(super) const EVENTS: &str = "tfevents";
/// What stands in the name of one that was set aside.
const ASIDE: &str = "tf-earlier";

/// Whether a file of this name is Gridboard's own event file of a run.
fn is_session(name: &str) -> bool {
    name.contains(EVENTS) && name.rsplit_once('.').is_some_and(|(_, last)| last == RunDir::SESSION)
}

/// Whether a path below a run's folder is one of a built-in trainer's curves.
fn is_curve(below: Option<&str>) -> bool {
    below.and_then(|below| below.split_once('/')).is_some_and(|(folder, _)| SUB_RUNS.contains(&folder))
}

/// Cuts a file off behind so many bytes, on the disk: what is written anew behind them must not meet the old.
fn cut(path: &Path, bytes: u64) -> Result<(), FileError> {
    let cut = || {
        let file = fs::File::options().write(true).open(path)?;
        if file.metadata()?.len() > bytes {
            file.set_len(bytes)?;
            file.sync_all()?;
        }
        Ok(())
    };
    cut().map_err(FileError::at("cut", path))
}

/// Renames a file whose name contains `from`, unless there is one of the new name.
fn rename(path: &Path, name: &str, from: &str, to: &str) -> Result<(), FileError> {
    let target = path.with_file_name(name.replace(from, to));
    if !name.contains(from) || target.exists() {
        return Ok(());
    }
    fs::rename(path, &target).map_err(FileError::at("rename", path))
}

/// Hands path and name of every file in a directory and below it to `act`, but for what lies in `left_out`.
fn each_file(
    dir: &Path,
    left_out: &Path,
    act: &impl Fn(&Path, &str) -> Result<(), FileError>,
) -> Result<(), FileError> {
    if dir == left_out {
        return Ok(());
    }
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(FileError::at("clear", dir)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(FileError::at("clear", dir))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // Not through links: what they lead to belongs to somebody else.
        if entry.file_type().map_err(FileError::at("clear", &path))?.is_dir() {
            each_file(&path, left_out, act)?;
        } else {
            act(&path, &name)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
