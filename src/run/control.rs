//! How another terminal speaks to a live sweep: by files in the experiment's folder.
//!
//! A sweep that listens has made `.control`. Who wants something of it puts a request there and waits for the answer beside it;
//! the sweep looks there with every tick. Files appear whole under their names, and a request is whosever removes it: so nothing
//! is done twice, and one that is withdrawn is not done at all. Unlike a socket this works for any path, and wherever the
//! folder is shared.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{experiment_folder::ExperimentDir, state::RunState};
use crate::base::files::{Durability, FileError, read_regular, remove_if_there, write_whole};

const REQUEST: &str = "request";
const ANSWER: &str = "answer";
const STATUS: &str = "status";

/// No request and no answer is larger, bytes: a hundred thousand runs may be named in one.
const MOST_BYTES: u64 = 64 << 20;

/// What is wanted of a live sweep. Runs are given by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
pub enum Request {
    /// These runs are not wanted.
    Cancel {
        /// By name.
        runs: Vec<String>,
    },
    /// No run that is not over is wanted.
    CancelAll,
    /// These runs, which failed or were cancelled, are to be trained after all.
    Requeue {
        /// By name.
        runs: Vec<String>,
    },
    /// All runs that have failed are to be tried again.
    RequeueFailed,
    /// Live runs write their state and make room; nothing starts.
    Pause,
    /// What was paused goes on.
    Resume,
    /// Live runs go on to their end; nothing starts, and the sweep ends.
    Drain,
    /// Why is this run in the state it is in?
    Why {
        /// By name.
        run: String,
    },
}

/// What a sweep says to a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The runs whose state has changed, or is about to.
    pub changed: Vec<Changed>,
    /// What was not done, and why.
    pub refused: Vec<Refused>,
    /// What else is to be said.
    pub text: Option<String>,
}

/// A run whose state has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name.
    pub run: String,
    /// What it is, or is about to be.
    pub state: RunState,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Something that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The run, where it is about one.
    pub run: Option<String>,
    /// Why.
    pub reason: String,
}

impl Answer {
    /// The answer to something that makes no sense.
    #[must_use]
    pub fn refusal(reason: impl Into<String>) -> Self {
        Self { refused: vec![Refused { run: None, reason: reason.into() }], ..Self::default() }
    }

    /// An answer of a sentence.
    #[must_use]
    pub fn said(text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::default() }
    }
}

/// What a live sweep says of itself, for whoever looks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepStatus {
    /// The time that is left, seconds, as the terminal shows it; `None` where it is not known.
    pub eta: Option<f64>,
    /// Slots that attempts run on.
    pub slots: u64,
    /// Slots that are busy.
    pub busy: u64,
}

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Ticket {
    folder: PathBuf,
    id: String,
}

impl Ticket {
    /// The answer, once it is there.
    ///
    /// # Errors
    /// The file, and why it cannot be read or understood.
    pub fn answer(&self) -> Result<Option<Answer>, FileError> {
        let path = named(&self.folder, &self.id, ANSWER);
        let answer = read(&path)?;
        if answer.is_some() {
            remove_if_there(&path)?;
        }
        Ok(answer)
    }

    /// Takes the request back. False where the sweep has taken it, so that its answer is on the way.
    ///
    /// # Errors
    /// The file, and why it cannot be removed.
    pub fn withdraw(&self) -> Result<bool, FileError> {
        take(&named(&self.folder, &self.id, REQUEST))
    }
}

impl ExperimentDir {
    /// Begins to listen: what an earlier sweep has left unanswered is nobody's any more. To be called under the lock.
    ///
    /// # Errors
    /// The folder and what failed.
    pub fn listen(&self) -> Result<(), FileError> {
        self.stop_listening()?;
        let folder = self.control();
        fs::create_dir(&folder).map_err(FileError::at("create folder", &folder))
    }

    /// Listens no more. To be called under the lock.
    ///
    /// # Errors
    /// The folder and what failed.
    pub fn stop_listening(&self) -> Result<(), FileError> {
        let folder = self.control();
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(FileError::at("remove", &folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether an answer waits for whoever has asked.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        let is_answer = |path: PathBuf| path.extension().is_some_and(|last| last == ANSWER);
        fs::read_dir(self.control())
            .is_ok_and(|entries| entries.flatten().any(|entry| is_answer(entry.path())))
    }

    /// Whether a sweep listens, as far as the folder tells; one that was killed may have left it.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.control().is_dir()
    }

    /// Says how the sweep stands, where it listens.
    ///
    /// # Errors
    /// The file and what failed.
    pub fn tell_status(&self, status: &SweepStatus) -> Result<(), FileError> {
        write(&self.control().join(STATUS), status)
    }

    /// How the sweep that listens stands, as it has last said.
    #[must_use]
    pub fn sweep_status(&self) -> Option<SweepStatus> {
        read(&self.control().join(STATUS)).ok().flatten()
    }

    /// Asks the sweep that listens. `id` is to be of this request alone, and later ones are to sort behind it.
    ///
    /// # Errors
    /// The file and what failed; [`io::ErrorKind::NotFound`] where nobody listens any more.
    pub fn ask(&self, id: String, request: &Request) -> Result<Ticket, FileError> {
        let folder = self.control();
        if !folder.is_dir() {
            return Err(FileError::at("find", &folder)(io::ErrorKind::NotFound.into()));
        }
        write(&named(&folder, &id, REQUEST), request)?;
        Ok(Ticket { folder, id })
    }

    /// Takes the requests that wait, the first one first, with their ids; `Err` has what is none.
    ///
    /// # Errors
    /// The folder, and why it cannot be read; nothing where nobody listens.
    #[expect(clippy::type_complexity, reason = "a list of requests, each of which may be broken")]
    pub fn requests(&self) -> Result<Vec<(String, Result<Request, FileError>)>, FileError> {
        let folder = self.control();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(FileError::at("read", &folder))?,
        };
        let mut ids: Vec<String> = entries
            .filter_map(|entry| {
                Some(entry.ok()?.file_name().to_str()?.strip_suffix(REQUEST)?.strip_suffix('.')?.to_owned())
            })
            .filter(|id| !id.starts_with('.'))
            .collect();
        ids.sort_unstable();
        let mut requests = Vec::new();
        for id in ids {
            let path = named(&folder, &id, REQUEST);
            let request = read(&path);
            // Withdrawn meanwhile, or taken.
            if take(&path)? {
                match request {
                    Ok(Some(request)) => requests.push((id, Ok(request))),
                    Ok(None) => {}
                    Err(error) => requests.push((id, Err(error))),
                }
            }
        }
        Ok(requests)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// The file and what failed.
    pub fn answer(&self, id: &str, answer: &Answer) -> Result<(), FileError> {
        let folder = self.control();
        if !folder.is_dir() {
            return Ok(());
        }
        write(&named(&folder, id, ANSWER), answer)
    }
}

fn named(folder: &Path, id: &str, kind: &str) -> PathBuf {
    folder.join(format!("{id}.{kind}"))
}

fn write(path: &Path, what: &impl Serialize) -> Result<(), FileError> {
    let text = serde_json::to_vec(what).expect("names and words are JSON");
    write_whole(path, &[&text], Durability::Written)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    match read_regular(path, MOST_BYTES) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        bytes => serde_json::from_slice(&bytes?)
            .map(Some)
            .map_err(|error| FileError::at("read", path)(error.into())),
    }
}

/// Removes a file; whether it was there.
fn take(path: &Path) -> Result<bool, FileError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::at("remove", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_and_answered() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        let nobody = dir.ask("0".to_owned(), &Request::Pause).unwrap_err();
        assert_eq!(nobody.source.kind(), io::ErrorKind::NotFound);
        assert!(dir.requests().unwrap().is_empty() && !dir.listens());
        dir.listen().unwrap();
        let cancel = Request::Cancel { runs: vec!["b".to_owned(), "a".to_owned()] };
        let second = dir.ask("2".to_owned(), &Request::Drain).unwrap();
        let first = dir.ask("1".to_owned(), &cancel).unwrap();
        let third = dir.ask("3".to_owned(), &Request::Pause).unwrap();
        assert!(third.withdraw().unwrap() && !third.withdraw().unwrap());
        fs::write(dir.control().join("4.request"), "{\"verb\": \"dance\"}").unwrap();
        let taken = dir.requests().unwrap();
        let ids: Vec<&str> = taken.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["1", "2", "4"]);
        assert_eq!((taken[0].1.as_ref().unwrap(), taken[1].1.as_ref().unwrap()), (&cancel, &Request::Drain));
        assert!(taken[2].1.is_err());
        assert!(dir.requests().unwrap().is_empty() && !first.withdraw().unwrap());
        assert_eq!(first.answer().unwrap(), None);
        dir.answer("1", &Answer::said("done")).unwrap();
        assert_eq!(first.answer().unwrap(), Some(Answer::said("done")));
        assert_eq!((first.answer().unwrap(), second.answer().unwrap()), (None, None));
        // The next sweep does not do what was asked of this one.
        dir.ask("5".to_owned(), &Request::Pause).unwrap();
        dir.listen().unwrap();
        assert!(dir.requests().unwrap().is_empty());
        dir.stop_listening().unwrap();
        dir.answer("2", &Answer::default()).unwrap();
        assert!(!dir.listens());
    }
}
