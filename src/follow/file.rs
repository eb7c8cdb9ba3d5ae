//! One event file that may grow, be replaced, or vanish.
//!
//! Used by the follower, which keeps one for every file it knows. No file stays open between polls, so a machine with
//! thousands of runs needs no thousands of descriptors.

use std::{
    fs::{self, File, Metadata},
    io::{self, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{
    FollowProblem, Poll,
    tree::{is_gone, join},
};
use crate::{
    event::Scalar,
    tfevents::{EventReader, RecordError, ScalarTags},
};

/// Whether a file is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Present,
    Gone,
}

/// How far one event file has been read.
#[derive(Debug)]
pub(super) struct EventFile {
    directory: PathBuf,
    /// The sub-run.
    prefix: String,
    /// End of the last whole record that was read.
    offset: u64,
    /// What the file looked like when it was last read.
    seen: Option<Seen>,
    /// Whether reading is over until the file is replaced.
    corrupt: bool,
    /// Whether the last poll could not read it, which has been told.
    told: bool,
}

/// What tells a changed file from an unchanged one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    device: u64,
    inode: u64,
    /// Where the file system knows it: an inode's number is used again soon.
    created: Option<SystemTime>,
    size: u64,
    modified: Option<SystemTime>,
}

impl Seen {
    fn new(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            created: metadata.created().ok(),
            size: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }

    fn same_file(self, other: Self) -> bool {
        (self.device, self.inode, self.created) == (other.device, other.inode, other.created)
    }
}

impl EventFile {
    pub(super) fn new(directory: &Path, prefix: &str) -> Self {
        Self {
            directory: directory.to_owned(),
            prefix: prefix.to_owned(),
            offset: 0,
            seen: None,
            corrupt: false,
            told: false,
        }
    }

    /// The directory that the file lies in.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds what is new in the file to `poll`.
    pub(super) fn poll(&mut self, path: &Path, tags: &mut ScalarTags, poll: &mut Poll) -> State {
        match self.read(path, tags, &mut poll.scalars) {
            Ok(()) => self.told = false,
            Err(RecordError::Io(error)) if is_gone(&error) => return State::Gone,
            Err(RecordError::Io(error)) => {
                if !self.told {
                    poll.problems.push(FollowProblem::Unreadable { path: path.to_owned(), error });
                }
                self.told = true;
            }
            Err(RecordError::Corrupt { offset, corruption }) => {
                self.corrupt = true;
                poll.problems.push(FollowProblem::Corrupt { path: path.to_owned(), offset, corruption });
            }
        }
        State::Present
    }

    fn read(
        &mut self,
        path: &Path,
        tags: &mut ScalarTags,
        scalars: &mut Vec<Scalar>,
    ) -> Result<(), RecordError> {
        let metadata = fs::symlink_metadata(path).map_err(RecordError::Io)?;
        if !metadata.is_file() {
            return Err(RecordError::Io(io::ErrorKind::NotFound.into()));
        }
        let seen = Seen::new(&metadata);
        let before = self.seen.replace(seen);
        // A file that could not be read is tried again, changed or not.
        if before == Some(seen) && !self.told {
            return Ok(());
        }
        let replaced = before.is_some_and(|before| !before.same_file(seen) || seen.size < before.size);
        if replaced || seen.size < self.offset {
            (self.offset, self.corrupt) = (0, false);
        }
        if self.corrupt || seen.size == self.offset {
            return Ok(());
        }
        let mut file = File::open(path).map_err(RecordError::Io)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(RecordError::Io)?;
        let mut reader = EventReader::new(file, self.offset);
        let result = reader.read(tags, |point| {
            scalars.push(Scalar {
                tag: join(&self.prefix, point.tag),
                step: point.step,
                value: point.value,
                wall_time: point.wall_time,
            });
        });
        self.offset = reader.offset();
        result
    }
}
