//! The corpus: image files (or built-in phantoms) in, equal-sized gray arrays in a cache out, and the split.
//!
//! The orchestrator calls [`prepare()`] once per experiment, then [`split()`]; every worker maps the result with
//! [`MappedCorpus`]. In reading order: `scan` lists files, `decode` makes them gray, `preprocess` resizes and blurs,
//! `cache` keeps the arrays by content, `split` divides them, `table` says what was loaded. Nothing here knows of runs
//! or of libtorch.

pub mod audit;
mod blur;
mod cache;
mod decode;
mod decode_error;
mod depth;
mod gray;
mod index;
mod jpeg;
mod manifest;
mod mapped;
pub mod npy;
mod phantom;
mod prepare;
mod preprocess;
mod progress;
mod random;
mod resize;
mod scan;
mod sniff;
mod split;
mod survey;
mod table;
mod test_folder;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::base::files::FileError;

pub use cache::{cache_root, cached_fingerprint, is_cache_told};
pub use decode::{Decoded, decode, read_image};
pub use decode_error::{DecodeError, MAX_PIXELS};
pub use index::{BadFile, FILE_NAME as INDEX_FILE, IndexEntry, from_csv as parse_index};
pub use mapped::MappedCorpus;
pub use prepare::{Prepared, prepare};
pub use preprocess::Preprocess;
pub use progress::{NoProgress, PreparationProgress};
pub use scan::{FoundFile, files_below};
pub use sniff::Format;
pub use split::{Part, SplitError, SplitRule, read_split, split, write_split};
pub use survey::survey;
pub use table::{ClassRow, LoadingTable, TestFolder};
pub use test_folder::prepare_test_folder;

/// Most bad files that one message lists.
const LISTED: usize = 20;

/// Why a corpus cannot be prepared.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// The images folder does not exist.
    #[error("images folder `{}` does not exist", path.display())]
    NoImages {
        /// The folder of the spec.
        path: PathBuf,
    },
    /// The images folder is something else.
    #[error("`{}` is not a folder", path.display())]
    NotAFolder {
        /// The path of the spec.
        path: PathBuf,
    },
    /// A class has no folder of its name directly below the images folder.
    #[error(
        "class `{class}` has no folder `{}`; the folders there are: {}{}",
        path.display(),
        list(found),
        loose_files(*loose)
    )]
    NoClass {
        /// The folder that was looked for.
        path: PathBuf,
        /// The class.
        class: String,
        /// The folders that exist instead.
        found: Vec<String>,
        /// Images that lie directly in the images folder.
        loose: usize,
    },
    /// A class folder holds no file.
    #[error("class `{class}` has no images: `{}` holds no files", path.display())]
    EmptyClass {
        /// The class folder.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Files are not images, or damaged; all of them are held, the message lists the first ones.
    #[error("{} of {total} files in `{}` cannot be used{}", bad.len(), images.display(), lines(bad))]
    BadFiles {
        /// The images folder.
        images: PathBuf,
        /// Number of files that were looked at.
        total: usize,
        /// Every bad file, in index order.
        bad: Vec<BadFile>,
    },
    /// `on_error: skip` left nothing of a class.
    #[error("no file of class `{class}` can be used{}", lines(bad))]
    NothingLeft {
        /// The class.
        class: String,
        /// Its files.
        bad: Vec<BadFile>,
    },
    /// The images cannot be split into training and validation.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The dataset's settings make no corpus: what is wrong.
    #[error("{0}")]
    Settings(String),
    /// No place for the cache: the machine knows no home folder.
    #[error("no folder for the cache: neither `GRIDBOARD_CACHE` nor `XDG_CACHE_HOME` nor `HOME` is set")]
    NoCacheRoot,
    /// A file of the cache, or a folder of images, cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The test set that is a folder of its own cannot be prepared.
    #[error("`dataset.test`: {0}")]
    TestFolder(Box<Self>),
    /// A prepared array cannot be read.
    #[error(transparent)]
    Array(#[from] npy::NpyError),
    /// The user asked to stop.
    #[error("the preparation of the corpus was interrupted")]
    Cancelled,
}

impl CorpusError {
    /// The same error, said of the test folder.
    fn in_test_folder(self) -> Self {
        match self {
            // A stop and a full disk are not the folder's.
            Self::Cancelled | Self::NoCacheRoot | Self::File(_) => self,
            error => Self::TestFolder(Box::new(error)),
        }
    }

    /// Whether the spec names images, classes or settings that are not to be had, rather than the machine being at fault.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        if let Self::TestFolder(error) = self {
            return error.is_usage();
        }
        matches!(
            self,
            Self::NoImages { .. }
                | Self::NotAFolder { .. }
                | Self::NoClass { .. }
                | Self::EmptyClass { .. }
                | Self::Settings(_)
                | Self::Split(_)
        )
    }

    /// What the user can do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoImages { path } if is_unexpanded(path) => {
                Some("`~` and `$HOME` in a path are not expanded: write the folder out".to_owned())
            }
            Self::NoImages { .. } | Self::NotAFolder { .. } => Some(
                "give the folder that holds a folder per class with `--images DIR`, or in `dataset.images`"
                    .to_owned(),
            ),
            Self::NoClass { found, loose: 1.., .. } if found.is_empty() => {
                Some("put the images of each class into a folder of its name: `IMAGES/CLASS/...`".to_owned())
            }
            Self::NoClass { class, found, .. } => {
                let similar = found.iter().find(|name| name.eq_ignore_ascii_case(class));
                Some(similar.map_or_else(
                    || {
                        "`dataset.classes` names the folders in `dataset.images`; `--images DIR` takes another"
                            .to_owned()
                    },
                    |name| format!("did you mean `{name}` in `dataset.classes`? names are case-sensitive"),
                ))
            }
            Self::EmptyClass { .. } => Some("`--images DIR` takes another images folder".to_owned()),
            Self::BadFiles { .. } => Some(
                "remove or repair them, or set `dataset.on_error: skip` to leave such files out".to_owned(),
            ),
            Self::Split(error) => error.hint().map(str::to_owned),
            Self::NoCacheRoot => Some("set `GRIDBOARD_CACHE` to a folder".to_owned()),
            Self::TestFolder(error) => match **error {
                Self::NoImages { ref path } if is_unexpanded(path) => error.hint(),
                Self::NoImages { .. } | Self::NotAFolder { .. } | Self::EmptyClass { .. } => {
                    Some("`dataset.test` is a number, or a folder that holds a folder per class".to_owned())
                }
                _ => error.hint(),
            },
            Self::NothingLeft { .. }
            | Self::Settings(_)
            | Self::File(_)
            | Self::Array(_)
            | Self::Cancelled => None,
        }
    }
}

/// Whether a path has what a shell would have expanded.
fn is_unexpanded(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str().as_encoded_bytes();
        part.starts_with(b"~") || part.starts_with(b"$")
    })
}

fn loose_files(files: usize) -> String {
    match files {
        0 => String::new(),
        1 => "; 1 image lies directly in the images folder".to_owned(),
        files => format!("; {files} images lie directly in the images folder"),
    }
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown: Vec<_> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = names.len() - shown.len();
    shown.join(", ") + &if more == 0 { String::new() } else { format!(" and {more} more") }
}

fn lines(bad: &[BadFile]) -> String {
    let mut text: String =
        bad.iter().take(LISTED).map(|BadFile { file, reason }| format!("\n  `{file}`: {reason}")).collect();
    if bad.len() > LISTED {
        text += &format!("\n  and {} more", bad.len() - LISTED);
    }
    text
}
