//! What can go wrong in the store.
//!
//! sqlx prints the cause of an error in its message and names it as `source` as well. Here SQLite's message is taken
//! out once and put into the text, so that nothing is printed twice.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::run::RunState;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is nothing to read yet.
    #[error("no runs database in `{}`", std::path::absolute(.directory).unwrap_or_else(|_| .directory.clone()).display())]
    NoDatabase {
        /// The runs directory.
        directory: PathBuf,
    },
    /// These runs have a database elsewhere, and none here.
    #[error(
        "the runs database of `{}` lies on {}, and there is none here{}",
        .directory.display(),
        .places.join(" and on "),
        .file.as_ref().map(|file| format!(" as `{}`", file.display())).unwrap_or_default()
    )]
    Elsewhere {
        /// The runs directory.
        directory: PathBuf,
        /// The file that was asked for.
        file: Option<PathBuf>,
        /// Machine and file, of each that there is.
        places: Vec<String>,
    },
    /// The database is not where this machine has noted it.
    #[error("the runs database of `{}` is not where it was: `{}`", .directory.display(), .file.display())]
    Gone {
        /// The runs directory.
        directory: PathBuf,
        /// The file.
        file: PathBuf,
    },
    /// Another machine's database has what is newer of an experiment.
    #[error(
        "`{experiment}` has gone on with {}, and the database here is behind",
        .host.as_ref().map_or_else(|| "another database".to_owned(), |host| format!("the database of {host}"))
    )]
    Behind {
        /// The experiment.
        experiment: String,
        /// The machine, where it is known.
        host: Option<String>,
    },
    /// It cannot be noted where the database lies.
    #[error("cannot write `{}`", .path.display())]
    Note {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The runs directory could not be made.
    #[error("cannot create the runs directory `{}`", .directory.display())]
    CreateDirectory {
        /// The runs directory.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database could not be made.
    #[error("cannot make the runs database `{}`", .path.display())]
    CreateDatabase {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be told what lies under the name of the database.
    #[error("cannot look at `{}`", .path.display())]
    Look {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The outcome of an attempt cannot be brought to the disk.
    #[error("cannot sync `{}`", .path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Under the name of the database lies something that is no file.
    #[error("`{}` is {what}, not a database", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is: `a folder`.
        what: &'static str,
    },
    /// The file that was opened is not the one under its name any more.
    #[error("`{}` was {how} while it was in use{}", .path.display(), if *.rescued { ", and was written anew" } else { "" })]
    Lost {
        /// The file.
        path: PathBuf,
        /// What became of it: `deleted`.
        how: &'static str,
        /// Whether all that was in it has been written anew.
        rescued: bool,
    },
    /// The file does not hold together.
    #[error("`{}` is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        what: String,
    },
    /// Another kind of file, or a database of another program.
    #[error("`{}` is not a Gridboard database", .path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Written by a newer Gridboard.
    #[error("`{}` has schema version {found}, this Gridboard reads up to {known}", .path.display())]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The last version known here.
        known: u32,
    },
    /// Written by an older Gridboard, and opened for reading only.
    #[error("`{}` has schema version {found}, and has to be brought to {known} first", .path.display())]
    OlderSchema {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
        /// The version needed.
        known: u32,
    },
    /// The name is taken.
    #[error("experiment `{name}` is in the runs database already")]
    ExperimentExists {
        /// The name.
        name: String,
    },
    /// The name differs from another one by case alone.
    #[error("experiment `{name}` differs from experiment `{other}` only by upper and lower case")]
    NameCollision {
        /// The name.
        name: String,
        /// The name in the database.
        other: String,
    },
    /// The name would hide a view that belongs to every runs database.
    #[error("experiment name `{name}` is reserved")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// No experiment has this key.
    #[error("there is no experiment number {key} in the runs database")]
    NoSuchExperiment {
        /// The key.
        key: i64,
    },
    /// No run has this key.
    #[error("there is no run number {key} in the runs database")]
    NoSuchRun {
        /// The key.
        key: i64,
    },
    /// A name or a content id would be in the ledger twice.
    #[error("run `{run}` ({id}) of experiment `{experiment}` clashes with run `{other}` ({other_id})")]
    DuplicateRun {
        /// The experiment's name.
        experiment: String,
        /// Name of the run that was to be added.
        run: String,
        /// Its content id.
        id: String,
        /// Name of the run that is there.
        other: String,
        /// Its content id.
        other_id: String,
    },
    /// SQLite's whole numbers have 63 bits and a sign.
    #[error("{what} {value} is over the largest whole number of the database, {}", i64::MAX)]
    TooLarge {
        /// What the number is: `seed`.
        what: &'static str,
        /// The number.
        value: u64,
    },
    /// An attempt was to be started for a run that is not owed one.
    #[error("attempt {attempt} of run `{run}` cannot start: the run is {state} after {attempts} attempts")]
    NotStartable {
        /// The run's name.
        run: String,
        /// The attempt that was to be started.
        attempt: u32,
        /// The run's state.
        state: RunState,
        /// Number of the run's last attempt.
        attempts: u32,
    },
    /// An attempt was to be ended that is not the living one.
    #[error("attempt {attempt} of run `{run}` cannot end: the run is {state} after {attempts} attempts")]
    NotRunning {
        /// The run's name.
        run: String,
        /// The attempt that was to be ended.
        attempt: u32,
        /// The run's state.
        state: RunState,
        /// Number of the run's last attempt.
        attempts: u32,
    },
    /// The end of an attempt contradicts itself: a failed one without a failure, another one with, or still running.
    #[error("attempt {attempt} cannot end as {state} {} a failure", if *.failure { "with" } else { "without" })]
    ContradictoryEnd {
        /// The attempt.
        attempt: u32,
        /// The state given.
        state: RunState,
        /// Whether a failure was given.
        failure: bool,
    },
    /// Class names and confusion matrix disagree.
    #[error("a confusion matrix of {matrix} classes came with {names} class names")]
    ClassCount {
        /// Classes of the matrix.
        matrix: usize,
        /// Names given.
        names: usize,
    },
    /// A query that is no question.
    #[error("only queries that read are answered, not `{word}`")]
    NotAQuestion {
        /// First word of the query, or the pragma that it sets.
        word: String,
    },
    /// An empty query.
    #[error("the query is empty")]
    EmptyQuery,
    /// Several statements in one query.
    #[error("the query holds more than one statement")]
    SeveralStatements,
    /// JSON in the database, or on the way there, does not fit the program's types.
    #[error("cannot {action}")]
    Json {
        /// What was tried.
        action: String,
        /// Why not.
        source: serde_json::Error,
    },
    /// The database holds a value that its schema rules out: somebody else wrote to it.
    #[error("the runs database holds {0}")]
    Corrupt(String),
    /// SQLite refused.
    #[error("cannot {action}: {message}")]
    Sqlite {
        /// What was tried.
        action: &'static str,
        /// SQLite's message.
        message: String,
        /// SQLite's extended result code, where there is one: <https://www.sqlite.org/rescode.html>.
        code: Option<u32>,
    },
}

impl StoreError {
    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoDatabase { .. } => Some(
                "run `gridboard run SPEC` first, or name the directory of your runs with `--runs-dir DIR` or GRIDBOARD_RUNS; \
                 where their folders are there, `gridboard index --rebuild` makes it anew",
            ),
            Self::Elsewhere { file: None, .. } => Some(
                "give the command there, or `gridboard index --rebuild` makes one here from the runs' folders (with `--database FILE` \
                 on a disk of this machine)",
            ),
            Self::Elsewhere { file: Some(_), .. } => Some(
                "move it there while nobody uses it, or `gridboard index --rebuild` with this `--database` makes one there from the \
                 runs' folders",
            ),
            Self::Gone { .. } => Some(
                "`gridboard index --rebuild` makes it anew there from the runs' folders; `--database FILE` says where else it lies",
            ),
            Self::Behind { .. } => Some(
                "`gridboard index --rebuild` brings it up to date from the runs' folders; or give the command there",
            ),
            Self::NotAFile { .. } => Some("name another directory with `--runs-dir DIR`"),
            Self::NotADatabase { .. } => Some(
                "name another directory with `--runs-dir DIR`; where it was the database of these runs and is damaged, \
                 `gridboard index --rebuild` makes it anew from their folders",
            ),
            Self::NewerSchema { .. } => Some("use the Gridboard that wrote it, or a newer one"),
            Self::OlderSchema { .. } => {
                Some("any command brings it up to date where the runs directory may be written")
            }
            Self::Lost { rescued: true, .. } => {
                Some("nothing is missing in it, but somebody wanted it to be gone")
            }
            Self::Lost { .. } | Self::Damaged { .. } => Some(
                "the runs' folders are untouched: `gridboard index --rebuild` makes the database anew from them; \
                 gridboard doctor looks at it",
            ),
            Self::NameCollision { .. } | Self::ReservedName { .. } => {
                Some("choose another `experiment:` name in the spec")
            }
            Self::NotAQuestion { .. } => Some(
                "`gridboard sql` takes SELECT, VALUES, WITH, EXPLAIN and PRAGMA; the database is opened read-only",
            ),
            Self::Sqlite { code: Some(code), .. } => match code & 0xff {
                // SQLITE_BUSY
                5 => Some("another program keeps a write transaction open on the runs database"),
                // SQLITE_CORRUPT, SQLITE_NOTADB
                11 | 26 => Some("`gridboard index --rebuild` makes the database anew from the runs' folders"),
                // SQLITE_FULL
                13 => Some("make room on the disk that holds the runs directory"),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the database is not what it was: lost or damaged, so that the results of a sweep may not be in it.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        // SQLITE_CORRUPT, SQLITE_NOTADB
        matches!(self, Self::Lost { .. } | Self::Damaged { .. }) || self.is_sqlite(11) || self.is_sqlite(26)
    }

    /// The same error, naming the file where SQLite says that it is no database.
    pub(super) fn at(self, path: &Path) -> Self {
        // SQLITE_NOTADB
        if self.is_sqlite(26) { Self::NotADatabase { path: path.to_owned() } } else { self }
    }

    /// Whether SQLite's primary result code is `code`.
    pub(super) fn is_sqlite(&self, code: u32) -> bool {
        matches!(self, Self::Sqlite { code: Some(found), .. } if found & 0xff == code)
    }
}

/// Turns an error of sqlx into one of the store; `action` reads after "cannot".
pub(super) fn sqlite(action: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |error| {
        let (message, code) = match &error {
            sqlx::Error::Database(database) => {
                (database.message().to_owned(), database.code().and_then(|code| code.parse().ok()))
            }
            other => (other.to_string(), None),
        };
        StoreError::Sqlite { action, message, code }
    }
}
