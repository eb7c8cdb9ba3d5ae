//! What a follower finds wrong with the files of a run, in words.
//!
//! Told on the terminal by whoever polls, and kept with the attempt, so that a curve that is not whole is seen in every
//! table.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::tfevents::Corruption;

/// Something under a run directory that could not be read, or that makes its curves other than they look. The rest of the
/// run is followed all the same.
#[derive(Debug, Error)]
pub enum FollowProblem {
    /// A file or directory is not readable; it is tried again at every poll.
    #[error("cannot read `{}`: {error}", path.display())]
    Unreadable {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file is not an event file from here on; it is left alone until it is replaced.
    #[error("event file `{}` is corrupt at byte {offset}: {corruption}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the bad record starts.
        offset: u64,
        /// What is wrong with it.
        corruption: Corruption,
    },
    /// Events have no time. Their points count; TensorBoard leaves the file at the first of them.
    #[error("event file `{}`: the wall time of an event is NaN, where TensorBoard stops reading the file", .0.display())]
    NoTime(PathBuf),
    /// A link leads to event files that are not the run's.
    #[error(
        "`{}` is a link out of the run's folder, to `{}`: event files there are not read; let the program write them below \
         GRIDBOARD_RUN_DIR",
        path.display(),
        target.display()
    )]
    Outside {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Two series share a tag, and erase each other, in TensorBoard too.
    #[error(
        "{} log the tag `{tag}`, and TensorBoard and Gridboard drop what comes before a step that goes back: give \
         each series a tag or a folder of its own",
        if *two_writers { "two event files at one time" } else { "steps that go back again and again" }
    )]
    TwoSeries {
        /// Sub-run and tag.
        tag: String,
        /// Whether two files hold it; else one does, with steps that go back many times.
        two_writers: bool,
    },
}

impl FollowProblem {
    /// Whether points are missing for it that were written.
    #[must_use]
    pub fn loses_points(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Corrupt { .. } | Self::Outside { .. })
    }
}
