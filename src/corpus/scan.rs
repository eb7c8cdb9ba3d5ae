//! Which files make the corpus: a folder per class, searched recursively, in an order that does not depend on the file
//! system.
//!
//! Called by `prepare`. Leaves the content of files to `decode`: here only what `stat` knows.

use std::{
    fs::{self, Metadata},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Component, Path, PathBuf},
};

use super::CorpusError;
use crate::base::files::FileError;

/// Names that operating systems and archivers leave behind; hidden files (a leading dot) are left out as well.
const LITTER: [&str; 8] =
    ["Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r", "__MACOSX", "@eaDir", "$RECYCLE.BIN", "lost+found"];

/// A file under a class folder.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// Path below the images folder: class folder first, `/` between; bytes that are no UTF-8 are replaced.
    pub(super) file: String,
    /// Class index.
    pub(super) label: u8,
    /// Length, times of the last change of content and of inode, which together notice a change.
    pub(super) stamp: Stamp,
    /// Why it cannot be an image, where `stat` knows.
    pub(super) problem: Option<String>,
}

/// What `stat` says about a file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) len: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: i128,
    /// Nanoseconds since 1970. Notices what keeps the modification time, such as `cp -p` over the file.
    pub(super) changed: i128,
}

impl Stamp {
    fn from_metadata(metadata: &Metadata) -> Self {
        let nanoseconds = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        Self {
            len: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Lists the files of every class: classes in their order, files by the bytes of their path.
pub(super) fn scan(images: &Path, classes: &[String]) -> Result<Vec<Found>, CorpusError> {
    check_folder(images)?;
    let mut all = Vec::new();
    for (label, class) in (0_u8..).zip(classes) {
        let folder = images.join(class);
        let inside = Path::new(class).components().all(|part| matches!(part, Component::Normal(_)));
        if class.is_empty() || !inside || !folder.is_dir() {
            let found = folders(images)?;
            let loose = loose_images(images);
            return Err(CorpusError::NoClass { path: folder, class: class.clone(), found, loose });
        }
        let mut walk = Walk { label, found: Vec::new(), ancestors: Vec::new() };
        walk.folder(&folder, class)?;
        if walk.found.is_empty() {
            return Err(CorpusError::EmptyClass { path: folder, class: class.clone() });
        }
        let below = |found: &Found| found.path.strip_prefix(images).map(Path::to_owned).unwrap_or_default();
        walk.found.sort_by_cached_key(|found| below(found).as_os_str().as_bytes().to_vec());
        all.append(&mut walk.found);
    }
    Ok(all)
}

/// How many images, by their names, lie directly in an images folder, where no class has them.
pub(super) fn loose_images(images: &Path) -> usize {
    let Ok(entries) = fs::read_dir(images) else { return 0 };
    let is_image = |path: &Path| {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        extension.is_some_and(|extension| ["jpg", "jpeg", "png", "webp"].contains(&extension.as_str()))
    };
    entries.flatten().filter(|entry| is_image(&entry.path()) && entry.path().is_file()).count()
}

/// A file below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Why it cannot be an image, where `stat` knows.
    pub problem: Option<String>,
}

/// Every file below a folder, whatever its class, by the bytes of its path; litter is left out.
///
/// # Errors
/// A folder that cannot be read.
pub fn files_below(folder: &Path) -> Result<Vec<FoundFile>, FileError> {
    let mut walk = Walk { label: 0, found: Vec::new(), ancestors: Vec::new() };
    walk.folder(folder, "")?;
    walk.found.sort_by_cached_key(|found| found.path.as_os_str().as_bytes().to_vec());
    Ok(walk.found.into_iter().map(|Found { path, problem, .. }| FoundFile { path, problem }).collect())
}

fn check_folder(images: &Path) -> Result<(), CorpusError> {
    match fs::metadata(images) {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(CorpusError::NotAFolder { path: images.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(CorpusError::NoImages { path: images.to_owned() })
        }
        Err(error) => Err(FileError::at("read folder", images)(error).into()),
    }
}

/// Names of the folders in an images folder, sorted: the classes that there could be.
pub(super) fn class_folders(images: &Path) -> Result<Vec<String>, CorpusError> {
    check_folder(images)?;
    Ok(folders(images)?)
}

/// Names of the folders in a folder.
fn folders(folder: &Path) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(FileError::at("read folder", folder))? {
        let entry = entry.map_err(FileError::at("read folder", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !is_litter(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_litter(name: &str) -> bool {
    name.starts_with('.') || LITTER.iter().any(|litter| litter.eq_ignore_ascii_case(name))
}

struct Walk {
    label: u8,
    found: Vec<Found>,
    /// Device and inode of the folders that are open, so that a link back to one of them is not followed.
    ancestors: Vec<(u64, u64)>,
}

impl Walk {
    fn folder(&mut self, folder: &Path, below: &str) -> Result<(), FileError> {
        let metadata = fs::metadata(folder).map_err(FileError::at("read folder", folder))?;
        let identity = (metadata.dev(), metadata.ino());
        if self.ancestors.contains(&identity) {
            return Ok(());
        }
        self.ancestors.push(identity);
        for entry in fs::read_dir(folder).map_err(FileError::at("read folder", folder))? {
            let entry = entry.map_err(FileError::at("read folder", folder))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !is_litter(&name) {
                self.entry(entry.path(), format!("{below}/{name}"))?;
            }
        }
        self.ancestors.pop();
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, file: String) -> Result<(), FileError> {
        // Follows links: a corpus of links to images is a common way to select.
        let (stamp, problem) = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => return self.folder(&path, &file),
            Ok(metadata) if metadata.is_file() => (Stamp::from_metadata(&metadata), None),
            // Opening a pipe would wait for ever.
            Ok(_) => (Stamp::default(), Some("not a regular file".to_owned())),
            Err(error) if path.is_symlink() => (Stamp::default(), Some(format!("a broken link: {error}"))),
            Err(error) => return Err(FileError::at("read", &path)(error)),
        };
        self.found.push(Found { path, file, label: self.label, stamp, problem });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        root
    }

    fn classes(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn names(root: &Path, names: &[&str]) -> Vec<String> {
        scan(root, &classes(names)).unwrap().into_iter().map(|found| found.file).collect()
    }

    #[test]
    fn classes_keep_their_order_and_files_are_sorted_by_bytes() {
        let root = tree(&["a/2.png", "a/10.png", "a/B.png", "a/deep/er/x", "z/1.jpg", "other/1.jpg"]);
        assert_eq!(
            names(root.path(), &["z", "a"]),
            ["z/1.jpg", "a/10.png", "a/2.png", "a/B.png", "a/deep/er/x"]
        );
        let labels: Vec<u8> =
            scan(root.path(), &classes(&["z", "a"])).unwrap().iter().map(|found| found.label).collect();
        assert_eq!(labels, [0, 1, 1, 1, 1]);
    }

    #[test]
    fn litter_is_left_out_and_other_files_are_not() {
        let root =
            tree(&["a/.DS_Store", "a/.git/x", "a/THUMBS.DB", "a/__MACOSX/1.jpg", "a/notes.txt", "a/1"]);
        assert_eq!(names(root.path(), &["a"]), ["a/1", "a/notes.txt"]);
    }

    #[test]
    fn links_are_followed_but_not_in_circles() {
        let root = tree(&["a/1.png", "elsewhere/2.png"]);
        symlink(root.path().join("a"), root.path().join("a/again")).unwrap();
        symlink(root.path().join("elsewhere"), root.path().join("a/more")).unwrap();
        symlink(root.path().join("elsewhere/2.png"), root.path().join("a/3.png")).unwrap();
        symlink("nowhere", root.path().join("a/4.png")).unwrap();
        let found = scan(root.path(), &classes(&["a"])).unwrap();
        let files: Vec<_> =
            found.iter().map(|found| (found.file.as_str(), found.problem.is_some())).collect();
        assert_eq!(
            files,
            [("a/1.png", false), ("a/3.png", false), ("a/4.png", true), ("a/more/2.png", false)]
        );
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there() {
        let root = tree(&["Covid/1.png", "normal/1.png", "empty/.hidden"]);
        let error = |images: &Path, names: &[&str]| {
            let error = scan(images, &classes(names)).unwrap_err();
            format!("{error}\nhint: {}", error.hint().unwrap_or_default())
        };
        let missing = error(root.path(), &["normal", "covid"]);
        assert!(missing.contains("/covid`") && missing.contains("`Covid`, `empty`, `normal`"), "{missing}");
        assert!(missing.contains("did you mean `Covid`"), "{missing}");
        assert!(error(root.path(), &["lung"]).contains("--images"));
        assert!(error(root.path(), &["empty"]).contains("/empty`"));
        assert!(error(root.path(), &["../x"]).contains("../x"));
        let nowhere = error(&root.path().join("nowhere"), &["normal"]);
        assert!(nowhere.contains("/nowhere`") && nowhere.contains("--images"), "{nowhere}");
        let file = error(&root.path().join("normal/1.png"), &["normal"]);
        assert!(file.contains("not a folder"), "{file}");
    }
}
