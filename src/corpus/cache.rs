//! The cache of prepared corpora: folders named by content, complete or absent.
//!
//! ```text
//! <root>/corpus/<fingerprint>/   images.npy  labels.npy  index.csv  corpus.json
//! <root>/scan/<key>              the fingerprint that a listing of files (paths, sizes, times) led to
//! ```
//!
//! The fingerprint hashes settings and file contents and is the truth; the scan entries are a short cut past reading
//! the contents. A folder is built under a temporary name and renamed, so several preparers can work on one corpus:
//! the first one publishes, the others find its work. Called by `prepare`.

use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{FileExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::{
    BadFile, CorpusError, IndexEntry, index,
    manifest::{self, Manifest},
    mapped::{IMAGES, LABELS},
    npy,
};
use crate::base::files::{Durability, FileError, PARTIAL, content_hash, sync_folder, write_whole};

/// Version of the folder's layout and of everything that makes its pixels: decoding, resizing, blur, phantoms. A change
/// of any of them takes the next number.
pub(super) const VERSION: u64 = 1;

/// A preparation that was killed leaves its folder; after this long it is taken for abandoned.
const ABANDONED: Duration = Duration::from_hours(7 * 24);

/// Where prepared corpora are kept: `$GRIDBOARD_CACHE`, else `$XDG_CACHE_HOME/gridboard`, else `$HOME/.cache/gridboard`.
///
/// # Errors
/// [`CorpusError::NoCacheRoot`] where there is no home folder either.
pub fn cache_root() -> Result<PathBuf, CorpusError> {
    root_by(|name| std::env::var_os(name), std::env::home_dir()).ok_or(CorpusError::NoCacheRoot)
}

/// Where the user wants prepared images to be kept.
const VARIABLE: &str = "GRIDBOARD_CACHE";

/// Whether the user has said where prepared images are kept.
#[must_use]
pub fn is_cache_told() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|folder| !folder.is_empty())
}

fn root_by(variable: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path(VARIABLE)
        // The XDG base directory specification has relative paths ignored.
        .or_else(|| {
            path("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("gridboard"))
        })
        .or_else(|| home.filter(|home| home.is_absolute()).map(|home| home.join(".cache/gridboard")))
}

/// A cache folder.
pub(super) struct Cache {
    root: PathBuf,
}

/// What a prepared corpus is, beside its pixels.
pub(super) struct Loaded {
    pub(super) folder: PathBuf,
    pub(super) counts: Vec<u64>,
    pub(super) files: Vec<IndexEntry>,
    pub(super) skipped: Vec<BadFile>,
    pub(super) notes: Vec<String>,
}

impl Cache {
    pub(super) fn open(root: &Path) -> Result<Self, FileError> {
        let root = std::path::absolute(root).map_err(FileError::at("resolve", root))?;
        Ok(Self { root })
    }

    fn folder(&self, fingerprint: &str) -> PathBuf {
        self.root.join("corpus").join(fingerprint)
    }

    /// The corpus of a fingerprint, where it lies in the cache whole.
    ///
    /// # Errors
    /// Says what is missing or damaged; the answer is always to build it again.
    pub(super) fn load(&self, fingerprint: &str) -> Result<Loaded, String> {
        let folder = self.folder(fingerprint);
        let read = |name: &str| fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"));
        let manifest = Manifest::read(&folder)?;
        if manifest.version != VERSION || manifest.fingerprint != fingerprint {
            return Err("corpus.json: belongs to another corpus".to_owned());
        }
        let layout = |name: &str| npy::read_layout(&folder.join(name)).map_err(|error| error.to_string());
        let (images, size) = (manifest.images as u64, u64::from(manifest.image_size));
        if layout(IMAGES)?.shape != [images, size, size] || layout(LABELS)?.shape != [images] {
            return Err("the arrays have other shapes than corpus.json says".to_owned());
        }
        let index = read(index::FILE_NAME)?;
        if hash(&index) != manifest.index_hash || hash(&read(LABELS)?) != manifest.labels_hash {
            return Err("index.csv or labels.npy has changed".to_owned());
        }
        let files = index::from_csv(&String::from_utf8_lossy(&index))?;
        if files.len() != manifest.images {
            return Err("index.csv: has another number of files than corpus.json says".to_owned());
        }
        let (counts, skipped) = (manifest.counts.clone(), manifest.skipped.clone());
        let notes = manifest.notes.clone();
        let pixels = manifest::hash_of(&folder.join(IMAGES))?;
        manifest.check_pixels(&folder, &pixels).map_err(|problem| format!("{IMAGES}: {problem}"))?;
        Ok(Loaded { folder, counts, files, skipped, notes })
    }

    /// Whether there is a folder of a fingerprint, whole or not.
    pub(super) fn has(&self, fingerprint: &str) -> bool {
        self.folder(fingerprint).exists()
    }

    /// The fingerprint that a listing of files led to before.
    pub(super) fn recall(&self, key: &str) -> Option<String> {
        let fingerprint = fs::read_to_string(self.root.join("scan").join(key)).ok()?;
        let plain = fingerprint.len() == 32 && fingerprint.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then_some(fingerprint)
    }

    /// Keeps the fingerprint of a listing of files.
    pub(super) fn remember(&self, key: &str, fingerprint: &str) -> Result<(), FileError> {
        write_whole(&self.root.join("scan").join(key), &[fingerprint.as_bytes()], Durability::Synced)
    }

    /// Starts a corpus.
    pub(super) fn build(&self, image_size: u32) -> Result<Builder, FileError> {
        let parent = self.root.join("corpus");
        fs::create_dir_all(&parent).map_err(FileError::at("create folder", &parent))?;
        remove_abandoned(&parent);
        let folder = tempfile::Builder::new()
            .prefix(PARTIAL)
            .permissions(Permissions::from_mode(0o777))
            .tempdir_in(&parent)
            .map_err(FileError::at("create a folder in", &parent))?;
        let path = folder.path().join(IMAGES);
        let images = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(FileError::at("create", &path))?;
        Ok(Builder { folder, images, path, image_size })
    }

    /// Renames a built folder into place. Where another preparer was first, its folder stays; a damaged one is replaced.
    fn publish(&self, built: TempDir, fingerprint: &str) -> Result<(), FileError> {
        let target = self.folder(fingerprint);
        let parent = self.root.join("corpus");
        let mut attempts = 0;
        loop {
            attempts += 1;
            match fs::rename(built.path(), &target) {
                Ok(()) => {
                    // The folder is no longer temporary: nothing is left to remove at its old name.
                    let _moved = built.keep();
                    return sync_folder(&parent);
                }
                Err(error) if attempts <= 3 && is_taken(&error) => {
                    if self.load(fingerprint).is_ok() {
                        return Ok(());
                    }
                    // Readers that have the damaged files open keep them; the name becomes free.
                    let aside = tempfile::Builder::new()
                        .prefix(PARTIAL)
                        .tempdir_in(&parent)
                        .map_err(FileError::at("create a folder in", &parent))?;
                    match fs::rename(&target, aside.path().join("damaged")) {
                        Err(error) if error.kind() != ErrorKind::NotFound => {
                            return Err(FileError::at("replace", &target)(error));
                        }
                        _ => {}
                    }
                }
                Err(error) => return Err(FileError::at("create", &target)(error)),
            }
        }
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotADirectory)
}

/// The fingerprint of the prepared corpus in a cache folder, where it lies there whole.
///
/// # Errors
/// One line that says what is missing or damaged.
pub fn cached_fingerprint(folder: &Path) -> Result<String, String> {
    let fail = |problem: &str| format!("`{}`: {problem}", folder.display());
    if !folder.is_dir() {
        return Err(fail("the prepared images are not there any more"));
    }
    let root = folder.parent().and_then(Path::parent);
    let (Some(root), Some(name)) = (root, folder.file_name().and_then(|name| name.to_str())) else {
        return Err(fail("not a folder of the cache"));
    };
    let cache = Cache { root: root.to_owned() };
    if cache.folder(name) != folder {
        return Err(fail("not a folder of the cache"));
    }
    cache.load(name).map_err(|problem| fail(&problem))?;
    Ok(name.to_owned())
}

/// A corpus being built: rows arrive in any order, from any thread.
pub(super) struct Builder {
    folder: TempDir,
    images: File,
    path: PathBuf,
    image_size: u32,
}

impl Builder {
    fn offset(&self, row: usize) -> u64 {
        let size = u64::from(self.image_size);
        npy::HEADER_LEN as u64 + row as u64 * size * size
    }

    /// Writes the pixels of one image.
    pub(super) fn write_row(&self, row: usize, pixels: &[u8]) -> Result<(), FileError> {
        self.images.write_all_at(pixels, self.offset(row)).map_err(FileError::at("write", &self.path))
    }

    /// Closes the gaps of rows that were left out, writes the other files and publishes the folder.
    ///
    /// `rows[i]` describes row i, or is `None` where it is left out.
    #[expect(clippy::too_many_arguments, reason = "what a manifest holds")]
    pub(super) fn finish(
        self,
        cache: &Cache,
        fingerprint: &str,
        rows: Vec<Option<IndexEntry>>,
        classes: &[String],
        skipped: &[BadFile],
        settings: serde_json::Value,
        notes: Vec<String>,
    ) -> Result<Loaded, CorpusError> {
        let io = |error| FileError::at("write", &self.path)(error);
        let mut files = Vec::with_capacity(rows.len());
        let size = self.image_size as usize;
        let mut pixels = vec![0; size * size];
        for (row, entry) in rows.into_iter().enumerate() {
            let Some(entry) = entry else { continue };
            if files.len() != row {
                self.images.read_exact_at(&mut pixels, self.offset(row)).map_err(io)?;
                self.write_row(files.len(), &pixels)?;
            }
            files.push(entry);
        }
        let shape = [files.len() as u64, u64::from(self.image_size), u64::from(self.image_size)];
        self.images.write_all_at(&npy::header(&shape), 0).map_err(io)?;
        self.images.set_len(self.offset(files.len())).map_err(io)?;
        self.images.sync_all().map_err(io)?;
        let pixels = content_hash(&self.path)?;

        let labels: Vec<u8> = files.iter().map(|file| file.label).collect();
        let labels_npy = [npy::header(&[labels.len() as u64]), labels.clone()].concat();
        let index = index::to_csv(&files, classes);
        let mut counts = vec![0; classes.len()];
        for &label in &labels {
            counts[usize::from(label)] += 1;
        }
        let manifest = Manifest {
            version: VERSION,
            fingerprint: fingerprint.to_owned(),
            images: files.len(),
            image_size: self.image_size,
            classes: classes.to_vec(),
            counts: counts.clone(),
            settings,
            images_hash: Some(pixels),
            labels_hash: hash(&labels_npy),
            index_hash: hash(index.as_bytes()),
            skipped: skipped.to_vec(),
            notes: notes.clone(),
        };
        let manifest = serde_json::to_vec_pretty(&manifest).expect("names and numbers always make JSON");
        let folder = self.folder.path();
        write_whole(&folder.join(LABELS), &[&labels_npy], Durability::Synced)?;
        write_whole(&folder.join(index::FILE_NAME), &[index.as_bytes()], Durability::Synced)?;
        write_whole(&folder.join(manifest::FILE_NAME), &[&manifest], Durability::Synced)?;
        cache.publish(self.folder, fingerprint)?;
        let skipped = skipped.to_vec();
        Ok(Loaded { folder: cache.folder(fingerprint), counts, files, skipped, notes })
    }
}

/// 32 hex digits of BLAKE3.
pub(super) fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..32].to_owned()
}

/// Removes what killed preparations left. It is only tidying: what cannot be removed stays, to be tried another time.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|metadata| metadata.modified());
        let old = age.is_ok_and(|modified| {
            SystemTime::now().duration_since(modified).is_ok_and(|age| age > ABANDONED)
        });
        if old && entry.file_name().to_string_lossy().starts_with(PARTIAL) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_chooses_the_place() {
        let root = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
            root_by(value, Some("/home/ada".into())).unwrap()
        };
        let all = [("GRIDBOARD_CACHE", "here"), ("XDG_CACHE_HOME", "/xdg")];
        assert_eq!(root(&all), Path::new("here"));
        assert_eq!(root(&all[1..]), Path::new("/xdg/gridboard"));
        assert_eq!(root(&[("GRIDBOARD_CACHE", "")]), Path::new("/home/ada/.cache/gridboard"));
        assert_eq!(root(&[("XDG_CACHE_HOME", "relative")]), Path::new("/home/ada/.cache/gridboard"));
        assert_eq!(root_by(|_| None, None), None);
    }

    #[test]
    fn only_abandoned_folders_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - ABANDONED - Duration::from_secs(60);
        for (name, is_old) in [(".partial-old", true), (".partial-new", false), ("0123", true)] {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            if is_old {
                File::open(&path).unwrap().set_modified(old).unwrap();
            }
        }
        remove_abandoned(folder.path());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".partial-new", "0123"]);
    }
}
