//! Files written whole or not at all, and IO errors that name the path.
//!
//! Called by everything in `corpus` that writes.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// A file operation that failed.
#[derive(Debug, Error)]
#[error("failed to {action} `{}`", path.display())]
pub struct FileError {
    /// What was tried: `read`, `write`, `create`.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl FileError {
    /// For `map_err`: names the action and the path.
    pub(super) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// Writes a file so that a reader sees the old content or the new, never a part: a temporary neighbour, fsync, rename.
pub(super) fn write_atomically(path: &Path, content: &[&[u8]]) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(FileError::at("create folder", folder))?;
    let mut file = tempfile::Builder::new()
        .prefix(".partial-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(FileError::at("create a file in", folder))?;
    for part in content {
        file.write_all(part).map_err(FileError::at("write", path))?;
    }
    file.as_file().sync_all().map_err(FileError::at("write", path))?;
    file.persist(path).map_err(|error| FileError::at("write", path)(error.error))?;
    sync_folder(folder)
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(FileError::at("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_replaces_the_old_and_leaves_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        write_atomically(&path, &[b"old"]).unwrap();
        write_atomically(&path, &[b"new ", b"parts"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new parts");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn errors_name_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_atomically(&file.join("below"), &[b""]).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
