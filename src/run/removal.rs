//! How folders of runs and experiments are removed: so that a removal which is cut off can be gone on with.
//!
//! The database comes first: what it does not know is shown nowhere. The names of the runs whose folders are to go are noted
//! before, and the note is removed last; whoever takes the experiment's lock next finishes what it finds noted.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use super::experiment_folder::ExperimentDir;
use crate::base::files::{Durability, FileError, read_regular, remove_if_there, write_whole};

/// No note is longer, bytes: a million names.
const LONGEST_NOTE: u64 = 128 << 20;

impl ExperimentDir {
    /// Notes the runs whose folders are about to be removed. Only for whoever holds the lock.
    ///
    /// # Errors
    /// Where the note cannot be read or written.
    pub fn note_removal(&self, names: &[&str]) -> Result<(), FileError> {
        let mut all = self.noted_removal()?;
        all.extend(names.iter().map(|name| (*name).to_owned()));
        write_whole(&self.removal(), &[all.join("\n").as_bytes()], Durability::Synced)
    }

    /// The runs whose folders are noted.
    ///
    /// # Errors
    /// Where the note cannot be read.
    pub fn noted_removal(&self) -> Result<Vec<String>, FileError> {
        match read_regular(&self.removal(), LONGEST_NOTE) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Removes the folders that are noted, where the run `is_gone`, and the note.
    ///
    /// # Errors
    /// The folder that cannot be removed; the note stays then.
    pub fn finish_removal(&self, is_gone: impl Fn(&str) -> bool) -> Result<(), FileError> {
        for name in self.noted_removal()? {
            let is_name = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
            if is_name && is_gone(&name) {
                remove_folder(self.run(&name).path())?;
            }
        }
        remove_if_there(&self.removal())
    }

    /// Removes the experiment's folder. The lock goes last: nobody else starts here before all is gone.
    ///
    /// # Errors
    /// What cannot be removed.
    pub fn remove(&self) -> Result<(), FileError> {
        let entries = match fs::read_dir(self.path()) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(FileError::at("delete", self.path())(error)),
        };
        for entry in entries {
            let path = entry.map_err(FileError::at("delete", self.path()))?.path();
            if path != self.lock() {
                remove_folder(&path)?;
            }
        }
        remove_if_there(&self.lock())?;
        fs::remove_dir(self.path()).map_err(FileError::at("delete", self.path()))
    }
}

/// Removes a folder with all that is in it, a file, or a link, not what the link leads to. What is not there is removed.
fn remove_folder(path: &Path) -> Result<(), FileError> {
    let removed = match path.symlink_metadata() {
        Ok(data) if data.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Bytes that a folder takes on the disk with all that is in it; links count as themselves. What cannot be read counts nothing.
#[must_use]
pub fn bytes_on_disk(path: &Path) -> u64 {
    let Ok(data) = path.symlink_metadata() else { return 0 };
    // A file of several names is freed with its last one.
    let own = if data.is_dir() || data.nlink() == 1 { data.blocks() * 512 } else { 0 };
    if !data.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    own + entries.map(|entry| bytes_on_disk(&entry.path())).sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_goes_and_a_link_leads_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(&folder.path().join("x"));
        let outside = folder.path().join("outside");
        for path in [dir.run("a").path(), dir.run("b").path(), &outside] {
            fs::create_dir_all(path.join("train")).unwrap();
            fs::write(path.join("train/file"), "x").unwrap();
        }
        std::os::unix::fs::symlink(&outside, dir.run("link").path()).unwrap();
        assert!(bytes_on_disk(dir.path()) > 0);
        dir.note_removal(&["a", "b"]).unwrap();
        dir.note_removal(&["link", "../outside", "never"]).unwrap();
        dir.finish_removal(|name| name != "b").unwrap();
        let is_there = |name: &str| dir.run(name).path().symlink_metadata().is_ok();
        assert_eq!((is_there("a"), is_there("b"), is_there("link")), (false, true, false));
        assert_eq!(dir.noted_removal().unwrap(), [""; 0]);
        let lock = dir.take_lock().unwrap();
        dir.remove().unwrap();
        drop(lock);
        assert!(!dir.path().exists() && outside.join("train/file").exists());
        dir.remove().unwrap();
    }
}
