//! Where the runs database lies: in the runs directory, or where the user has said, as on a local disk beside runs on a file
//! system of a network.
//!
//! Each machine has a note of its own in the runs directory, `.database/HOST.json`, so that a later command finds its database
//! without being told, and one on another machine knows that there is one, and where. A database is never made empty where
//! another one is known: its runs would look as if they had never been.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf, absolute},
    sync::OnceLock,
};

use serde::{Deserialize, Serialize};

use super::{
    connection::{FILE_NAME, Lying, look},
    error::StoreError,
};
use crate::{
    base::{
        files::{Durability, read_regular, write_whole},
        program::host,
    },
    run::ExperimentDir,
};

/// The folder of the notes.
const NOTES: &str = ".database";
/// No note is longer, bytes.
const MOST_BYTES: u64 = 1 << 16;

/// What a machine notes of its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The machine.
    pub(super) host: String,
    /// The file: absolute, or relative to the runs directory where it lies in that.
    pub(super) path: PathBuf,
    /// What tells this database from others.
    pub(super) id: String,
    /// The runs directory that it is of, by the number of its file: a copy of it has another one.
    pub(super) runs_inode: u64,
}

impl Note {
    fn file(&self, runs_dir: &Path) -> PathBuf {
        runs_dir.join(&self.path)
    }

    /// Whether it is what this machine has noted of this runs directory.
    fn is_of(&self, host: &str, runs_dir: &Path) -> bool {
        self.host == host && self.runs_inode == inode(runs_dir)
    }

    /// Whether the database lies in the runs directory, where every machine finds it.
    fn is_inside(&self) -> bool {
        self.path.is_relative()
    }
}

/// How it is known where the database lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// Nobody has said anything else.
    Default,
    /// By a note.
    Noted,
    /// The user has said it for this command.
    Chosen,
}

/// Where the database of a runs directory lies for this machine.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) file: PathBuf,
    how: How,
    notes: Vec<Note>,
}

/// The choice of the user's: a runs directory and the file for it.
static CHOSEN: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();

/// Says where the database of a runs directory lies, for this process; to be called once, before any is opened.
pub(crate) fn choose_database(runs_dir: &Path, file: &Path) {
    let whole = |path: &Path| absolute(path).unwrap_or_else(|_| path.to_owned());
    // A second choice does not come: there is one command line.
    let _ = CHOSEN.set((whole(runs_dir), whole(file)));
}

fn chosen(runs_dir: &Path) -> Option<PathBuf> {
    let (of, file) = CHOSEN.get()?;
    let is_same = absolute(runs_dir).is_ok_and(|runs_dir| runs_dir == *of)
        || matches!((fs::canonicalize(runs_dir), fs::canonicalize(of)), (Ok(one), Ok(other)) if one == other);
    is_same.then(|| file.clone())
}

/// The notes of all machines, by name.
fn notes(runs_dir: &Path) -> Vec<Note> {
    let entries = fs::read_dir(runs_dir.join(NOTES)).into_iter().flatten().flatten();
    let read = |path: PathBuf| serde_json::from_slice(&read_regular(&path, MOST_BYTES).ok()?).ok();
    let mut notes: Vec<Note> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|last| last == "json"))
        .filter_map(read)
        .collect();
    notes.sort_by(|one, other| one.host.cmp(&other.host));
    notes
}

/// Finds the place.
///
/// # Errors
/// [`StoreError::Elsewhere`] where other machines have a database of these runs and this one has none.
pub(super) fn find(runs_dir: &Path) -> Result<Place, StoreError> {
    find_as(runs_dir, host(), chosen(runs_dir))
}

fn find_as(runs_dir: &Path, host: &str, chosen: Option<PathBuf>) -> Result<Place, StoreError> {
    let notes = notes(runs_dir);
    if let Some(file) = chosen {
        return Ok(Place { file, how: How::Chosen, notes });
    }
    let ours =
        notes.iter().find(|note| note.is_of(host, runs_dir)).or(notes.iter().find(|note| note.is_inside()));
    match ours {
        Some(note) => Ok(Place { file: note.file(runs_dir), how: How::Noted, notes }),
        None if notes.is_empty() => Ok(Place { file: runs_dir.join(FILE_NAME), how: How::Default, notes }),
        None => {
            Err(StoreError::Elsewhere { directory: runs_dir.to_owned(), file: None, places: places(&notes) })
        }
    }
}

/// `login1 as /local/me/gridboard.db`, of each.
fn places(notes: &[Note]) -> Vec<String> {
    notes.iter().map(|note| format!("{} as {}", note.host, note.path.display())).collect()
}

/// Where a database made anew is to lie.
///
/// # Errors
/// What is wrong with the place.
pub(super) fn find_for_new(runs_dir: &Path) -> Result<Place, StoreError> {
    match find(runs_dir) {
        // A machine that has none yet gets it in the runs directory.
        Err(StoreError::Elsewhere { .. }) => {
            Ok(Place { file: runs_dir.join(FILE_NAME), how: How::Chosen, notes: notes(runs_dir) })
        }
        place => place,
    }
}

/// What is to be said of a database on a file system of a network.
#[must_use]
pub(crate) fn on_network(file: &Path, kind: &str) -> String {
    format!(
        "the runs database `{}` lies on a file system of a network ({kind}): it is slow there, and for one machine at a time; \
         --database FILE, or GRIDBOARD_DATABASE, puts it onto a disk of this machine",
        file.display()
    )
}

impl Place {
    /// A database that is known, and nothing else.
    pub(super) fn known(file: &Path) -> Self {
        Self { file: file.to_owned(), how: How::Default, notes: Vec::new() }
    }

    /// Whether an empty database may be made here, where there is none.
    ///
    /// # Errors
    /// [`StoreError::Elsewhere`] or [`StoreError::Gone`] where these runs have a database already.
    pub(super) fn must_be_free(&self, runs_dir: &Path) -> Result<(), StoreError> {
        if !has_experiments(runs_dir) {
            return Ok(());
        }
        let default = runs_dir.join(FILE_NAME);
        match self.how {
            How::Default => Ok(()),
            How::Noted => Err(StoreError::Gone { directory: runs_dir.to_owned(), file: self.file.clone() }),
            How::Chosen => {
                let mut known = places(&self.notes);
                if known.is_empty() && is_elsewhere(&default, &self.file) && is_there(&default) {
                    known.push(format!("{} as {}", host(), default.display()));
                }
                if known.is_empty() {
                    return Ok(());
                }
                let file = Some(self.file.clone());
                Err(StoreError::Elsewhere { directory: runs_dir.to_owned(), file, places: known })
            }
        }
    }

    /// What is said where there is no database to read here.
    pub(super) fn nothing(&self, runs_dir: &Path) -> StoreError {
        match self.must_be_free(runs_dir) {
            Err(error) => error,
            Ok(()) => StoreError::NoDatabase { directory: runs_dir.to_owned() },
        }
    }

    /// Notes the place for later commands on this machine, where it is not what they would take anyway.
    ///
    /// # Errors
    /// Where the note cannot be written.
    pub(super) fn keep(&self, runs_dir: &Path, id: &str) -> Result<(), StoreError> {
        self.keep_as(runs_dir, host(), id)
    }

    fn keep_as(&self, runs_dir: &Path, host: &str, id: &str) -> Result<(), StoreError> {
        if !self.is_noted(runs_dir) {
            return Ok(());
        }
        let note = Note {
            host: host.to_owned(),
            path: self.noted_path(runs_dir),
            id: id.to_owned(),
            runs_inode: inode(runs_dir),
        };
        let says_it = |other: &Note| {
            *other == note || other.is_inside() && (&other.path, &other.id) == (&note.path, &note.id)
        };
        if self.notes.iter().any(says_it) {
            return Ok(());
        }
        let name: String = host
            .chars()
            .map(|letter| if letter == '/' || letter.is_control() { '_' } else { letter })
            .collect();
        let path = runs_dir.join(NOTES).join(format!("{name}.json"));
        let text = serde_json::to_vec_pretty(&note).expect("words are JSON");
        write_whole(&path, &[&text, b"\n"], Durability::Synced)
            .map_err(|error| StoreError::Note { path: error.path, source: error.source })
    }

    /// As a note has it.
    fn noted_path(&self, runs_dir: &Path) -> PathBuf {
        let whole = |path: &Path| {
            fs::canonicalize(path).or_else(|_| absolute(path)).unwrap_or_else(|_| path.to_owned())
        };
        // The file may be a link on purpose; its folder is what counts.
        let folder = whole(self.file.parent().unwrap_or(Path::new(".")));
        let name = self.file.file_name().unwrap_or_default();
        match folder.strip_prefix(whole(runs_dir)) {
            Ok(below) => below.join(name),
            Err(_) => folder.join(name),
        }
    }

    /// Whether it lies elsewhere than by itself, or others do.
    pub(super) fn is_noted(&self, runs_dir: &Path) -> bool {
        !self.notes.is_empty() || is_elsewhere(&self.file, &runs_dir.join(FILE_NAME))
    }

    /// On which machine the database with this id lies, as far as it is noted.
    pub(super) fn host_of(&self, id: &str) -> Option<&str> {
        self.notes.iter().find(|note| note.id == id).map(|note| note.host.as_str())
    }

    /// The id of the database that lies here, as it is noted.
    pub(super) fn noted_id(&self, runs_dir: &Path) -> Option<&str> {
        let is_here = |note: &&Note| !is_elsewhere(&note.file(runs_dir), &self.file);
        let ours = |note: &&Note| is_here(note) && (note.is_of(host(), runs_dir) || note.is_inside());
        self.notes.iter().find(ours).map(|note| note.id.as_str())
    }

    /// The database in the runs directory that this one takes the place of.
    pub(super) fn left_behind(&self, runs_dir: &Path) -> Option<PathBuf> {
        let default = runs_dir.join(FILE_NAME);
        let is_left = is_elsewhere(&default, &self.file)
            && is_there(&default)
            && !self.notes.iter().any(|note| note.is_inside() && note.host != host());
        is_left.then_some(default)
    }
}

/// The number of a folder's file; 0 where it is not there.
fn inode(folder: &Path) -> u64 {
    fs::metadata(folder).map_or(0, |data| data.ino())
}

fn is_there(path: &Path) -> bool {
    matches!(look(path), Ok(Lying::File(_)))
}

/// Whether two paths are of two files.
fn is_elsewhere(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::canonicalize(folder)
            .or_else(|_| absolute(folder))
            .map(|folder| folder.join(path.file_name().unwrap_or_default()))
    };
    !matches!((whole(one), whole(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether experiments lie in a runs directory.
fn has_experiments(runs_dir: &Path) -> bool {
    let entries = fs::read_dir(runs_dir).into_iter().flatten().flatten();
    entries.map(|entry| ExperimentDir::at(&entry.path())).any(|dir| dir.ledger().is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A runs directory with an experiment, and a disk beside it.
    fn folders() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (runs, disk) = (folder.path().join("runs"), folder.path().join("disk"));
        fs::create_dir_all(runs.join("tab3")).unwrap();
        fs::create_dir_all(&disk).unwrap();
        fs::write(ExperimentDir::new(&runs, "tab3").ledger(), "{}").unwrap();
        (folder, runs, disk.join("mine.db"))
    }

    #[test]
    fn each_machine_finds_its_own_and_is_told_of_the_others() {
        let (_folder, runs, file) = folders();
        let default = find_as(&runs, "login1", None).unwrap();
        assert_eq!((default.file.clone(), default.is_noted(&runs)), (runs.join(FILE_NAME), false));
        default.must_be_free(&runs).unwrap();
        default.keep_as(&runs, "login1", "1").unwrap();
        assert!(!runs.join(NOTES).exists(), "where it lies by itself needs no note");

        let chosen = find_as(&runs, "login1", Some(file.clone())).unwrap();
        chosen.must_be_free(&runs).unwrap();
        chosen.keep_as(&runs, "login1", "1").unwrap();
        let found = find_as(&runs, "login1", None).unwrap();
        assert_eq!(found.file, file);
        let gone = found.must_be_free(&runs).unwrap_err().to_string();
        assert_eq!(
            gone,
            format!("the runs database of `{}` is not where it was: `{}`", runs.display(), file.display())
        );
        let there = format!("login1 as {}", file.display());
        let elsewhere = find_as(&runs, "login2", None).unwrap_err();
        assert_eq!(
            elsewhere.to_string(),
            format!("the runs database of `{}` lies on {there}, and there is none here", runs.display())
        );
        let other = find_as(&runs, "login2", Some(runs.join("../disk/2.db"))).unwrap();
        assert!(other.must_be_free(&runs).unwrap_err().to_string().contains(&there));
        // Made from the folders.
        other.keep_as(&runs, "login2", "2").unwrap();
        let both = find_as(&runs, "login2", None).unwrap();
        assert_eq!(
            (both.host_of("1"), both.host_of("2"), both.host_of("3")),
            (Some("login1"), Some("login2"), None)
        );
        assert_eq!(both.file, file.with_file_name("2.db"));
        assert_eq!(find_as(&runs, "login1", None).unwrap().file, file);
        // A copy of the runs has not the database of the original.
        let copy = runs.with_file_name("copy");
        fs::create_dir_all(copy.join(NOTES)).unwrap();
        fs::copy(runs.join(NOTES).join("login1.json"), copy.join(NOTES).join("login1.json")).unwrap();
        assert!(matches!(find_as(&copy, "login1", None), Err(StoreError::Elsewhere { .. })));
    }

    #[test]
    fn what_lies_in_the_runs_directory_is_everybodys() {
        let (_folder, runs, file) = folders();
        fs::write(runs.join(FILE_NAME), "a database").unwrap();
        let chosen = find_as(&runs, "login1", Some(file.clone())).unwrap();
        let refused = chosen.must_be_free(&runs).unwrap_err().to_string();
        assert!(refused.contains(&runs.join(FILE_NAME).display().to_string()), "{refused}");
        assert_eq!(chosen.left_behind(&runs), Some(runs.join(FILE_NAME)));
        chosen.keep_as(&runs, "login1", "1").unwrap();
        let inside = find_as(&runs, "login2", Some(runs.join(FILE_NAME))).unwrap();
        inside.keep_as(&runs, "login2", "2").unwrap();
        let third = find_as(&runs, "login3", None).unwrap();
        assert_eq!(third.file, runs.join(FILE_NAME));
        third.keep_as(&runs, "login3", "2").unwrap();
        assert_eq!(notes(&runs).len(), 2, "it has nothing of its own to say");
        assert_eq!(find_as(&runs, "login1", None).unwrap().left_behind(&runs), None, "others use it");
    }

    #[test]
    fn without_experiments_nothing_is_lost() {
        let (_folder, runs, file) = folders();
        fs::remove_dir_all(runs.join("tab3")).unwrap();
        find_as(&runs, "a", Some(file.clone())).unwrap().keep_as(&runs, "a", "1").unwrap();
        let found = find_as(&runs, "a", None).unwrap();
        found.must_be_free(&runs).unwrap();
        assert!(matches!(found.nothing(&runs), StoreError::NoDatabase { .. }));
    }
}
