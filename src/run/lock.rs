//! The lock of an experiment: held by the process that sweeps it, freed by the operating system however that ends.
//!
//! That somebody holds it is the one sign of life of a sweep: whatever the database calls running without it was cut off. Who
//! that is stands in the file, for people, and to tell a copy of the folder from the folder.

use std::{
    fs::{File, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::experiment_folder::ExperimentDir;
use crate::base::{process, program::host};

/// A look at the lock holds it for an instant, which must not refuse a sweep that starts in it.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// More than the file of a lock has, bytes.
const MOST_BYTES: u64 = 4096;

/// Who holds the lock of an experiment, or held it last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its start, in clock ticks since the boot.
    pub pid_start: Option<u64>,
    /// The boot of its machine.
    pub boot_id: Option<String>,
    /// Its machine.
    pub host: String,
    /// The file that is locked: a copy of it has another number.
    pub inode: u64,
}

impl Holder {
    fn this_process(file: &File) -> io::Result<Self> {
        let pid = std::process::id();
        Ok(Self {
            pid,
            pid_start: process::start_of(pid),
            boot_id: process::boot_id().map(str::to_owned),
            host: host().to_owned(),
            inode: file.metadata()?.ino(),
        })
    }
}

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct ExperimentLock {
    _file: File,
}

impl ExperimentDir {
    /// Takes the experiment's lock; `None` where another process holds it. The folder has to be there.
    ///
    /// # Errors
    /// Where the file of the lock cannot be opened or locked.
    pub fn take_lock(&self) -> io::Result<Option<ExperimentLock>> {
        let mut file = File::options().create(true).truncate(false).write(true).open(self.lock())?;
        for attempt in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => {
                    // A full disk keeps nobody from sweeping.
                    let _ = Holder::this_process(&file).and_then(|holder| note(&mut file, &holder));
                    return Ok(Some(ExperimentLock { _file: file }));
                }
                Err(TryLockError::WouldBlock) if attempt < TRIES => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(source),
            }
        }
        Ok(None)
    }

    /// Whether a process sweeps this experiment now.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let Ok(file) = File::open(self.lock()) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Who holds the lock, or held it last; `None` where that was not noted.
    #[must_use]
    pub fn lock_holder(&self) -> Option<Holder> {
        let mut text = Vec::new();
        File::open(self.lock()).ok()?.take(MOST_BYTES).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Whether the folder is a copy of the one in which its last sweep was.
    #[must_use]
    pub fn is_copied(&self) -> bool {
        let (Some(holder), Ok(file)) = (self.lock_holder(), self.lock().metadata()) else { return false };
        holder.inode != file.ino()
    }
}

fn note(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_lock_and_others_see_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        assert!(!dir.is_locked());
        let lock = dir.take_lock().unwrap().expect("nobody holds it");
        assert!(dir.is_locked());
        assert!(dir.take_lock().unwrap().is_none());
        drop(lock);
        assert!(!dir.is_locked());
        assert!(dir.take_lock().unwrap().is_some());
    }

    #[test]
    fn a_look_at_the_lock_refuses_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        drop(dir.take_lock().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| (0..2000).filter(|_| dir.is_locked()).count());
            for _ in 0..200 {
                assert!(dir.take_lock().unwrap().is_some());
            }
        });
        assert!(!dir.is_locked(), "nobody holds it any more");
    }

    #[test]
    fn the_lock_says_who_holds_it_and_a_copy_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, copy) = (ExperimentDir::at(folder.path()), ExperimentDir::at(&folder.path().join("copy")));
        assert_eq!((dir.lock_holder(), dir.is_copied()), (None, false));
        std::fs::write(dir.lock(), "of an earlier version, and longer than what stands there now".repeat(9))
            .unwrap();
        assert_eq!((dir.lock_holder(), dir.is_copied()), (None, false));
        let _lock = dir.take_lock().unwrap().unwrap();
        let holder = dir.lock_holder().unwrap();
        assert_eq!((holder.pid, holder.host.as_str()), (std::process::id(), host()));
        assert_eq!(holder.pid_start, process::start_of(holder.pid));
        assert!(!dir.is_copied());
        std::fs::create_dir(copy.path()).unwrap();
        std::fs::copy(dir.lock(), copy.lock()).unwrap();
        assert!(copy.is_copied() && !copy.is_locked());
    }

    #[test]
    fn without_a_folder_nobody_sweeps_and_nothing_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::new(folder.path(), "never");
        assert!(!dir.is_locked());
        assert!(dir.take_lock().is_err());
    }
}
