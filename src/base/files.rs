//! Files written whole or not at all, and IO errors that name the path.
//!
//! The only writer of whole files: run files, outcomes, predictions, checkpoints, reports, the cache. A reader sees the old
//! content or the new, never a part of it: the content goes into a temporary neighbour, which then takes the name. What
//! grows while it is read (event files, logs) is not written here.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Read as _, Write},
    os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// Begins the names of files and folders that are being made; whoever finds an old one may remove it.
pub const PARTIAL: &str = ".partial-";

/// What a written file survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The end of any process. For what can be made again at no cost: reports, and what an attempt is told when it starts.
    Written,
    /// A power cut: content and name are on the disk when the call returns. For results, and whatever they rest on.
    Synced,
}

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
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
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// Writes a file whole, from pieces. The folder is made if it is missing, the umask applies.
///
/// # Errors
/// The path and what failed; a file of that name is then what it was before, and no temporary one is left.
pub fn write_whole(path: &Path, pieces: &[&[u8]], durability: Durability) -> Result<(), FileError> {
    write_whole_with(path, durability, |file| pieces.iter().try_for_each(|piece| file.write_all(piece)))
}

/// Appends a line, without its end, to a file, which is made where it is not there. A line is written in one piece; where
/// somebody was cut off in the middle of one, a new one is begun after it.
///
/// # Errors
/// The file and what failed; a part of the line may be there then.
pub fn append_line(path: &Path, text: &[u8], durability: Durability) -> Result<(), FileError> {
    let append = || {
        let mut file = File::options().create(true).append(true).read(true).open(path)?;
        let length = file.metadata()?.len();
        let mut line = Vec::with_capacity(text.len() + 2);
        if length > 0 {
            let mut last = [0];
            file.read_exact_at(&mut last, length - 1)?;
            line.extend((last != *b"\n").then_some(b'\n'));
        }
        line.extend_from_slice(text);
        line.push(b'\n');
        file.write_all(&line)?;
        if durability == Durability::Synced { file.sync_data() } else { Ok(()) }
    };
    append().map_err(FileError::at("write", path))
}

/// Writes a file whole, with `write` for its content: for what is larger than one would hold in memory.
///
/// # Errors
/// As [`write_whole`], or what `write` answers.
pub fn write_whole_with(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), FileError> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(FileError::at("create folder", folder))?;
    // Removed when dropped, unless it has taken its name.
    let mut file = tempfile::Builder::new()
        .prefix(PARTIAL)
        // The umask takes from it, as for any other file; temporary files are private otherwise.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(FileError::at("create a file in", folder))?;
    write(file.as_file_mut()).map_err(FileError::at("write", path))?;
    if durability == Durability::Synced {
        file.as_file().sync_all().map_err(FileError::at("write", path))?;
    }
    file.persist(path).map_err(|error| FileError::at("write", path)(error.error))?;
    if durability == Durability::Synced { sync_folder(folder) } else { Ok(()) }
}

/// Reads a file that somebody else may have left: a regular one, or a link to one, of at most `most` bytes. A named pipe
/// would be waited for and a device read without end.
///
/// # Errors
/// The path and what failed or what it is; of the kind `NotFound` where there is nothing.
pub fn read_regular(path: &Path, most: u64) -> Result<Vec<u8>, FileError> {
    let read = || {
        regular(&fs::metadata(path)?)?;
        // It may have been replaced meanwhile: a pipe is not waited for.
        let file = File::options().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
        let metadata = file.metadata()?;
        regular(&metadata)?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(most)).unwrap_or(0));
        file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > most {
            let text = format!("it is larger than {}", super::human::bytes(most));
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(bytes)
    };
    read().map_err(FileError::at("read", path))
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// The folder and what failed.
pub fn sync_folder(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(FileError::at("sync", folder))
}

/// Syncs a file that was written whole without that; nothing where it is not there. The folder is left alone: the file systems
/// that matter here bring the name of a new file to the disk with it.
///
/// # Errors
/// The path and what failed.
pub fn sync_written(path: &Path) -> Result<(), FileError> {
    match File::open(path) {
        Ok(file) => file.sync_all().map_err(FileError::at("sync", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(FileError::at("sync", path)(error)),
    }
}

/// Removes a file that may not be there.
///
/// # Errors
/// The path and what failed.
pub fn remove_if_there(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// 32 hex digits of the BLAKE3 hash of a file's content.
///
/// # Errors
/// The path and what failed; what is no regular file (a FIFO would wait for ever) has no content.
pub fn content_hash(path: &Path) -> Result<String, FileError> {
    let file = File::open(path).map_err(FileError::at("read", path))?;
    let is_file = file.metadata().map_err(FileError::at("read", path))?.is_file();
    if !is_file {
        return Err(FileError::at("read", path)(io::Error::other("it is not a regular file")));
    }
    let mut hasher = blake3::Hasher::new();
    // In pieces that stay in the cache of a core.
    let mut reader = io::BufReader::with_capacity(256 << 10, file);
    io::copy(&mut reader, &mut hasher).map_err(FileError::at("read", path))?;
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_has_one_hash_and_what_is_no_file_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![7; 1 << 20]).unwrap();
        assert_eq!(content_hash(&path).unwrap(), blake3::hash(&vec![7; 1 << 20]).to_hex()[..32]);
        assert!(content_hash(folder.path()).is_err());
        assert!(content_hash(&folder.path().join("missing")).is_err());
    }

    #[test]
    fn content_replaces_the_old_and_leaves_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        write_whole(&path, &[b"old"], Durability::Synced).unwrap();
        write_whole(&path, &[b"new ", b"pieces"], Durability::Written).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new pieces");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_content_that_fails_half_way_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        let half = |file: &mut File| {
            file.write_all(b"half")?;
            Err(io::Error::other("no more"))
        };
        let error = write_whole_with(&path, Durability::Synced, half).unwrap_err();
        assert_eq!(
            crate::base::error::with_causes(&error),
            format!("cannot write `{}`: no more", path.display())
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_umask_decides_who_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        write_whole(&ours, &[b"x"], Durability::Written).unwrap();
        fs::write(&plain, "x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "four").unwrap();
        std::os::unix::fs::symlink(at("file"), at("link")).unwrap();
        assert_eq!(read_regular(&at("link"), 4).unwrap(), b"four");
        let told = |name: &str, most: u64| {
            let error = read_regular(&at(name), most).unwrap_err();
            crate::base::error::with_causes(&error)
                .replace(&format!("cannot read `{}`: ", at(name).display()), "")
        };
        assert_eq!(told("file", 3), "it is larger than 3 B");
        std::os::unix::fs::symlink("/dev/zero", at("zeros")).unwrap();
        assert_eq!(told("zeros", 4), "it is a device, not a regular file");
        fs::create_dir(at("folder")).unwrap();
        assert_eq!(told("folder", 4), "it is a folder, not a regular file");
        let made = std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap();
        assert!(made.success());
        assert_eq!(told("pipe", 4), "it is a named pipe, not a regular file");
        let missing = read_regular(&at("nothing"), 4).unwrap_err();
        assert_eq!(missing.source.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn errors_name_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write_whole(&file.join("below"), &[b""], Durability::Written).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
