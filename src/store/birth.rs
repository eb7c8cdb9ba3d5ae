//! How a database comes into being: whole, or not at all.
//!
//! It is made under a temporary name in the same directory, with schema and views and in WAL mode (on a disk of this machine), closed, synced, and only
//! then given its own name, which it never takes from another database. So whoever finds the name finds a whole database, and
//! a first start that is cut off at any instant can be made again. Of several first starts one makes the database and the
//! others take that: they wait for one another at a lock on the directory.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, SqliteConnection,
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use tempfile::{TempDir, TempPath};

use super::{
    connection::{BUSY_TIMEOUT, Lying, beside, connect, look, may_write_ahead, options},
    error::{StoreError, sqlite},
    schema::{self, Found},
};
use crate::base::files::{PARTIAL, remove_if_there, sync_folder};

/// Between two tries at the lock, which is held for some milliseconds.
const PATIENCE: Duration = Duration::from_millis(5);

/// What SQLite may leave beside a file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Sees to it that a file with content lies at `path`, whose directory has to be there; a new one is a whole database.
///
/// # Errors
/// Where a folder lies there, or no database can be made.
pub(super) async fn ensure(path: &Path) -> Result<(), StoreError> {
    match look(path)? {
        Lying::File(_) => Ok(()),
        Lying::Missing | Lying::Empty => make_under_lock(path).await,
    }
}

/// Makes the database anew that an older program has begun and never finished: it has no tables. Nobody may have it open in
/// this process.
///
/// # Errors
/// As [`ensure`].
pub(super) async fn replace_begun(path: &Path) -> Result<(), StoreError> {
    make_under_lock(path).await
}

async fn make_under_lock(path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let _lock = lock(directory).await.map_err(|source| fail(path)(source))?;
    // Another first start may have made it since.
    if is_whole(path).await? {
        return Ok(());
    }
    remove_litter(directory).map_err(fail(path))?;
    let made = make(directory, path).await?;
    let begun = look(path)? != Lying::Missing;
    // A log without its database would be taken for the new one's.
    for suffix in COMPANIONS {
        remove_if_there(&beside(path, suffix)).map_err(|error| fail(path)(error.source))?;
    }
    name(made, path, begun)
}

/// Gives a new database its name. Replaces what is there only where that was `begun` and never finished: under the lock nobody
/// of ours works with it. A program without this lock may have been quicker, and its database stays.
fn name(made: TempPath, path: &Path, begun: bool) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let named = if begun { made.persist(path) } else { made.persist_noclobber(path) };
    match named {
        Ok(()) => sync_folder(directory).map_err(|error| fail(path)(error.source)),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(fail(path)(error.error)),
    }
}

/// Gives a database that is open, and whose name was taken from it, a file of that name again: the same in all that is in it.
/// Where another one was quicker, that one stays.
///
/// # Errors
/// Where it cannot be written.
pub(super) async fn give_name(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    let _lock = lock(directory).await.map_err(|source| fail(path)(source))?;
    if look(path)? != Lying::Missing {
        return Ok(());
    }
    let file = temporary(directory, path)?;
    sqlx::query("VACUUM INTO ?1")
        .bind(file.to_string_lossy().into_owned())
        .execute(connection)
        .await
        .map_err(sqlite("write the runs database anew"))?;
    let mut copy = connect(&options(&file), path).await?;
    sqlx::query("INSERT OR REPLACE INTO _meta (name, value) VALUES ('written_anew', datetime('now'))")
        .execute(&mut copy)
        .await
        .map_err(sqlite("write the runs database anew"))?;
    write_ahead(&mut copy, path).await?;
    copy.close().await.map_err(sqlite("write the runs database anew"))?;
    File::open(&file).and_then(|file| file.sync_all()).map_err(fail(path))?;
    for suffix in COMPANIONS {
        remove_if_there(&beside(path, suffix)).map_err(|error| fail(path)(error.source))?;
    }
    name(file, path, false)
}

/// Puts the database of one directory, closed and whole, in the place of another one, which is kept beside it under
/// the name that is returned. Only for who knows that nobody writes there.
///
/// # Errors
/// Where a file cannot be renamed.
pub(super) async fn take_place(new: &Path, path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(new).and_then(|file| file.sync_all()).map_err(fail(new))?;
    let _lock = lock(directory).await.map_err(fail(path))?;
    let there = look(path)? != Lying::Missing;
    let kept = beside(path, KEPT);
    keep_companions(path, &kept)?;
    if there {
        // Linked first: at every instant there is a database under the name.
        remove_if_there(&kept).map_err(|error| fail(&kept)(error.source))?;
        if fs::hard_link(path, &kept).is_err() {
            fs::rename(path, &kept).map_err(fail(&kept))?;
        }
    }
    fs::rename(new, path).map_err(fail(path))?;
    sync_folder(directory).map_err(|error| fail(path)(error.source))?;
    Ok(there.then_some(kept))
}

/// Renames what SQLite has left beside a database, as the database will be: a log without its database would be taken for that
/// of another one.
fn keep_companions(path: &Path, kept: &Path) -> Result<(), StoreError> {
    for suffix in COMPANIONS {
        remove_if_there(&beside(kept, suffix)).map_err(|error| fail(kept)(error.source))?;
        match fs::rename(beside(path, suffix), beside(kept, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fail(kept)(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Renames a database whose place is another one's now, with what SQLite has left beside it. Only for who knows that nobody uses
/// it.
///
/// # Errors
/// Where a file cannot be renamed.
pub(super) async fn set_aside(path: &Path) -> Result<PathBuf, StoreError> {
    let _lock = lock(path.parent().unwrap_or_else(|| Path::new("."))).await.map_err(fail(path))?;
    let kept = beside(path, KEPT);
    keep_companions(path, &kept)?;
    fs::rename(path, &kept).map_err(fail(&kept))?;
    Ok(kept)
}

/// Follows the name of a database that another one has taken the place of.
const KEPT: &str = ".before";

/// A folder in which a database is made that is to take the place of `path`, beside it. What others have left there that were
/// killed meanwhile is removed.
///
/// # Errors
/// Where the folder cannot be made, or another one cannot be removed.
pub(super) fn room(path: &Path) -> Result<TempDir, StoreError> {
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    // Databases of several runs directories may lie in one folder.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{PARTIAL}index-{name}-");
    let make = || {
        fs::create_dir_all(directory)?;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            }
        }
        tempfile::Builder::new().prefix(&prefix).tempdir_in(directory)
    };
    make().map_err(fail(path))
}

fn fail(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::CreateDatabase { path: path.to_owned(), source }
}

/// Whether a database with tables lies there; false where there is none, or an older program was cut off while it made it.
async fn is_whole(path: &Path) -> Result<bool, StoreError> {
    if !matches!(look(path)?, Lying::File(_)) {
        return Ok(false);
    }
    let mut connection = connect(&options(path), path).await?;
    let found = schema::inspect(&mut connection, path).await?;
    connection.close().await.map_err(sqlite("close the runs database"))?;
    Ok(found != Found::Nothing)
}

/// Waits for the lock on the directory; goes on without it where the file system has none.
async fn lock(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    let begun = Instant::now();
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < BUSY_TIMEOUT => {
                tokio::time::sleep(PATIENCE).await;
            }
            // The name is never taken from another database all the same.
            _ => return Ok(file),
        }
    }
}

fn prefix() -> String {
    format!("{PARTIAL}{}-", super::FILE_NAME)
}

/// Removes what first starts have left that were cut off. Under the lock nobody is making one.
fn remove_litter(directory: &Path) -> io::Result<()> {
    let prefix = prefix();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            remove_if_there(&entry.path()).map_err(|error| error.source)?;
        }
    }
    Ok(())
}

/// An empty file that is closed, so that SQLite alone opens it, and removed where it is not given a name.
fn temporary(directory: &Path, path: &Path) -> Result<TempPath, StoreError> {
    let file = tempfile::Builder::new()
        .prefix(&prefix())
        // The umask takes from it, as for any other file.
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(fail(path))?;
    Ok(file.into_temp_path())
}

/// Makes a whole database under a temporary name.
async fn make(directory: &Path, path: &Path) -> Result<TempPath, StoreError> {
    let file = temporary(directory, path)?;
    let made = fill(&file).await;
    for suffix in COMPANIONS {
        // Only where it failed: a database that is closed has none.
        remove_if_there(&beside(&file, suffix)).map_err(|error| fail(path)(error.source))?;
    }
    made?;
    // Closed again before it has its name, so that no lock of SQLite's is given up with it.
    File::open(&file).and_then(|file| file.sync_all()).map_err(fail(path))?;
    Ok(file)
}

async fn fill(path: &Path) -> Result<(), StoreError> {
    // Nobody knows the file, and if it fails it is thrown away: it needs no journal, and is synced once, at the end.
    let options = options(path).journal_mode(SqliteJournalMode::Memory).synchronous(SqliteSynchronous::Off);
    let mut connection = connect(&options, path).await?;
    schema::migrate(&mut connection, path).await?;
    write_ahead(&mut connection, path).await?;
    connection.close().await.map_err(sqlite("make the runs database"))
}

/// Puts a database that nobody else knows into WAL mode, which it keeps, where its file system allows that.
async fn write_ahead(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    if !may_write_ahead(path) {
        return Ok(());
    }
    let action = "put the runs database into WAL mode";
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL")
        .fetch_one(connection)
        .await
        .map_err(sqlite(action))?;
    if mode == "wal" {
        return Ok(());
    }
    let message = format!("this file system keeps it in mode `{mode}`");
    Err(StoreError::Sqlite { action, message, code: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::FILE_NAME;

    /// The names in a directory, sorted.
    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_database_is_born_whole_and_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        // What a start left that was killed, and the log of a database that somebody deleted.
        fs::write(directory.path().join(format!("{}abc", prefix())), "half").unwrap();
        fs::write(directory.path().join(format!("{}abc-journal", prefix())), "half").unwrap();
        fs::write(beside(&path, "-wal"), "somebody else's").unwrap();
        ensure(&path).await.unwrap();
        assert_eq!(names(directory.path()), [FILE_NAME]);
        assert!(is_whole(&path).await.unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let plain = directory.path().join("plain");
        fs::write(&plain, "").unwrap();
        assert_eq!(mode(&path), mode(&plain), "the umask decides who may read it");
    }

    #[tokio::test]
    async fn a_new_database_does_not_take_the_name_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let made = make(folder.path(), &path).await.unwrap();
        fs::write(&path, "of a program that was quicker").unwrap();
        name(made, &path, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "of a program that was quicker");
        assert_eq!(names(folder.path()), [FILE_NAME]);
    }

    #[tokio::test]
    async fn a_database_keeps_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        ensure(&path).await.unwrap();
        let before = look(&path).unwrap();
        ensure(&path).await.unwrap();
        assert_eq!(look(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn what_an_older_program_began_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::write(&path, "").unwrap();
        ensure(&path).await.unwrap();
        assert!(is_whole(&path).await.unwrap());
        fs::remove_file(&path).unwrap();
        // In WAL mode, and without tables.
        let begun = options(&path).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
        connect(&begun, &path).await.unwrap().close().await.unwrap();
        assert!(fs::metadata(&path).unwrap().len() > 0);
        assert!(!is_whole(&path).await.unwrap());
        ensure(&path).await.unwrap();
        assert!(!is_whole(&path).await.unwrap(), "a file with content is looked into by who opens it");
        replace_begun(&path).await.unwrap();
        assert!(is_whole(&path).await.unwrap());
        let before = look(&path).unwrap();
        replace_begun(&path).await.unwrap();
        assert_eq!(look(&path).unwrap(), before, "a whole database is never replaced");
    }

    #[tokio::test]
    async fn a_folder_or_a_dead_link_of_the_name_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        fs::create_dir(&path).unwrap();
        let error = ensure(&path).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` is a folder, not a database", path.display()));
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        let error = ensure(&path).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{}` is a link to nothing, not a database", path.display()));
    }
}
