//! The lock of an experiment: held by the process that sweeps it, freed by the operating system however that ends.
//!
//! Who holds it is the one sign of life of a sweep: whatever the database calls running without it was cut off.

use std::{
    fs::{File, TryLockError},
    io,
    time::Duration,
};

use super::experiment_folder::ExperimentDir;

/// A look at the lock holds it for an instant, which must not refuse a sweep that starts in it.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

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
        let file = File::options().create(true).truncate(false).write(true).open(self.lock())?;
        for attempt in 1..=TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Some(ExperimentLock { _file: file })),
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
        let looks = std::thread::scope(|scope| {
            let looker = scope.spawn(|| (0..2000).filter(|_| dir.is_locked()).count());
            for _ in 0..200 {
                assert!(dir.take_lock().unwrap().is_some());
            }
            looker.join().unwrap()
        });
        assert!(looks < 2000, "the lock is free at times");
    }

    #[test]
    fn without_a_folder_nobody_sweeps_and_nothing_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::new(folder.path(), "never");
        assert!(!dir.is_locked());
        assert!(dir.take_lock().is_err());
    }
}
