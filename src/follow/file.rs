//! One event file that may grow, be replaced, be written anew, or vanish.
//!
//! Used by the follower, which keeps one for every file it knows. No file stays open between polls, so a machine with
//! thousands of runs needs no thousands of descriptors.

use std::{
    fs::{self, File, Metadata},
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    time::SystemTime,
};

use super::{
    FollowProblem,
    curves::{Curves, Source},
    is_own,
    tree::{is_gone, join},
};
use crate::{
    event::Scalar,
    tags::SYSTEM_FOLDER,
    tfevents::{EventReader, RecordError, ScalarTags, Told},
};

/// How much of the front of a file, and of what was read last, is compared to see whether it is still the same: the times
/// of two events are in it, which no two writings share.
const MARK: u64 = 128;

/// What a look at a file finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing to read.
    Unchanged,
    /// There is more, or it cannot be told.
    Grown,
    /// It is another file, or the same one written anew: what was read of it is void.
    Anew,
    /// It is not there.
    Gone,
}

/// How far one event file has been read.
#[derive(Debug)]
pub(super) struct EventFile {
    /// Whether it is Gridboard's own file of the run.
    is_own: bool,
    /// The sub-run.
    prefix: String,
    source: Source,
    /// Whether the path is a link, which is followed.
    linked: bool,
    /// End of the last whole record that was read.
    offset: u64,
    /// What the file looked like when it was last read.
    seen: Option<Seen>,
    /// The front of the file, and the end of what was read of it.
    marks: [Vec<u8>; 2],
    /// Whether reading is over until the file is replaced.
    corrupt: bool,
    /// Whether the last poll could not read it, which has been told.
    unreadable: bool,
    /// Whether it has been told that an event has no time.
    timeless: bool,
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
    pub(super) fn new(prefix: &str, source: Source, path: &Path) -> Self {
        Self {
            is_own: is_own(path),
            prefix: prefix.to_owned(),
            source,
            linked: fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink()),
            offset: 0,
            seen: None,
            marks: [Vec::new(), Vec::new()],
            corrupt: false,
            unreadable: false,
            timeless: false,
        }
    }

    /// Number of the directory that the file lies in.
    pub(super) fn directory(&self) -> usize {
        self.source.directory
    }

    /// Whether something was read of it.
    pub(super) fn is_begun(&self) -> bool {
        self.offset > 0
    }

    /// Reads it from its start at the next [`EventFile::read`].
    pub(super) fn rewind(&mut self) {
        (self.offset, self.corrupt) = (0, false);
        self.marks = [Vec::new(), Vec::new()];
    }

    /// Whether there is something to read.
    pub(super) fn look(&mut self, path: &Path, problems: &mut Vec<FollowProblem>) -> Look {
        let seen = match self.stat(path) {
            Ok(seen) => seen,
            Err(error) if is_gone(&error) => return Look::Gone,
            Err(error) => {
                self.tell(path, error, problems);
                return Look::Unchanged;
            }
        };
        let before = self.seen.replace(seen);
        // A file that could not be read is tried again, changed or not.
        if before == Some(seen) && !self.unreadable {
            return Look::Unchanged;
        }
        let replaced = before.is_some_and(|before| !before.same_file(seen) || seen.size < before.size);
        if replaced || seen.size < self.offset || (self.is_begun() && !self.is_marked(path)) {
            return Look::Anew;
        }
        if self.corrupt || seen.size == self.offset { Look::Unchanged } else { Look::Grown }
    }

    /// Hands what is new in the file to `curves`, up to the end of the last whole record.
    pub(super) fn read(
        &mut self,
        path: &Path,
        tags: &mut ScalarTags,
        curves: &mut Curves,
        problems: &mut Vec<FollowProblem>,
    ) {
        match self.records(path, tags, curves, problems) {
            Ok(()) => self.unreadable = false,
            Err(RecordError::Io(error)) if is_gone(&error) => {}
            Err(RecordError::Io(error)) => self.tell(path, error, problems),
            // Cut back and written anew between the look and now: the next poll sees that.
            Err(RecordError::Corrupt { .. }) if self.is_begun() && !self.is_marked(path) => self.seen = None,
            Err(RecordError::Corrupt { offset, corruption }) => {
                self.corrupt = true;
                problems.push(FollowProblem::Corrupt { path: path.to_owned(), offset, corruption });
            }
        }
    }

    fn stat(&self, path: &Path) -> io::Result<Seen> {
        let metadata = if self.linked { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Seen::new(&metadata))
    }

    fn tell(&mut self, path: &Path, error: io::Error, problems: &mut Vec<FollowProblem>) {
        if !self.unreadable {
            problems.push(FollowProblem::Unreadable { path: path.to_owned(), error });
        }
        self.unreadable = true;
    }

    fn records(
        &mut self,
        path: &Path,
        tags: &mut ScalarTags,
        curves: &mut Curves,
        problems: &mut Vec<FollowProblem>,
    ) -> Result<(), RecordError> {
        let mut file = File::open(path).map_err(RecordError::Io)?;
        file.seek(SeekFrom::Start(self.offset)).map_err(RecordError::Io)?;
        let mut reader = EventReader::new(&file, self.offset);
        let (prefix, source, is_own, mut timeless) = (&self.prefix, self.source, self.is_own, false);
        let result = reader.read(tags, |told| match told {
            // The rank beside it is of the leaderboard, not of the run.
            Told::Point(point) if is_own && !point.tag.starts_with(SYSTEM_FOLDER) => {}
            Told::Point(point) => {
                timeless |= point.wall_time.is_nan();
                let tag = join(prefix, point.tag);
                let (step, value, wall_time) = (point.step, point.value, point.wall_time);
                curves.point(source, Scalar { tag, step, value, wall_time }, problems);
            }
            Told::Start(step) => curves.start(source.directory, step),
        });
        self.offset = reader.offset();
        if timeless && !self.timeless {
            self.timeless = true;
            problems.push(FollowProblem::NoTime(path.to_owned()));
        }
        self.marks = marks(&file, self.offset).map_err(RecordError::Io)?;
        result
    }

    /// Whether the file still has the bytes that were read at its front and last.
    fn is_marked(&self, path: &Path) -> bool {
        // Where it cannot be read, reading it says why.
        File::open(path).and_then(|file| marks(&file, self.offset)).map_or(true, |marks| marks == self.marks)
    }
}

/// The front of a file and what lies before `offset`, a piece of each.
fn marks(file: &File, offset: u64) -> io::Result<[Vec<u8>; 2]> {
    let piece = |start: u64, end: u64| {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        match file.read_exact_at(&mut bytes, start) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Vec::new()),
            read => read.map(|()| bytes),
        }
    };
    Ok([piece(0, offset.min(MARK))?, piece(offset.saturating_sub(MARK), offset)?])
}
