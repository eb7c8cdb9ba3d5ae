//! Paths of the command line to image files: a file is itself, a folder everything below it.
//!
//! Called by `gridboard predict`. Whether a file is an image is `corpus::decode`'s to say, by content: here only what
//! the file system knows. Folders are walked as a corpus is: in the order of their bytes, litter of operating systems
//! left out, links followed but not in circles.

use std::path::{Path, PathBuf};

use crate::{
    base::files::FileError,
    corpus::{self, FoundFile},
};

/// A file that may be an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageFile {
    /// Where it lies, beginning as the argument did.
    pub path: PathBuf,
    /// Index of the class that its folder is named after, where it is one.
    pub label: Option<usize>,
    /// Why it cannot be an image, where `stat` knows.
    pub problem: Option<String>,
}

/// Why the arguments name no images.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// An argument leads nowhere.
    #[error("`{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// A folder without files.
    #[error("folder `{}` holds no files", .0.display())]
    Empty(PathBuf),
    /// A folder cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
}

/// The files of `arguments`, in their order; those of a folder sorted.
///
/// # Errors
/// [`SourceError`], for the first argument that gives no file. A file that cannot be read gives none: it is named with its
/// reason when it is read.
pub(crate) fn image_files(arguments: &[PathBuf], classes: &[String]) -> Result<Vec<ImageFile>, SourceError> {
    let mut files = Vec::new();
    for argument in arguments {
        let before = files.len();
        if argument.is_dir() {
            files.extend(corpus::files_below(argument)?.into_iter().map(|found| image_file(found, classes)));
        } else if argument.exists() || argument.is_symlink() {
            let problem = (!argument.is_file())
                .then(|| if argument.exists() { "not a regular file" } else { "a broken link" }.to_owned());
            files.push(image_file(FoundFile { path: argument.clone(), problem }, classes));
        } else {
            return Err(SourceError::Missing(argument.clone()));
        }
        if files.len() == before {
            return Err(SourceError::Empty(argument.clone()));
        }
    }
    Ok(files)
}

fn image_file(FoundFile { path, problem }: FoundFile, classes: &[String]) -> ImageFile {
    let label = label(&path, classes);
    ImageFile { path, label, problem }
}

/// The class that the nearest folder of a class' name says. Only names of the path itself count, so that the answer does
/// not depend on where the images are kept beyond it.
fn label(path: &Path, classes: &[String]) -> Option<usize> {
    path.parent()?.components().rev().find_map(|part| {
        let name = part.as_os_str().to_str()?;
        classes.iter().position(|class| class == name)
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn classes() -> Vec<String> {
        ["normal", "covid"].map(str::to_owned).to_vec()
    }

    #[test]
    fn folders_are_walked_in_order_and_name_the_class() {
        let root = tempfile::tempdir().unwrap();
        for file in ["x/covid/b.png", "x/covid/a.png", "x/normal/deep/c.png", "x/d.png", "x/.hidden", "e.jpg"]
        {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let arguments = [root.path().join("e.jpg"), root.path().join("x")];
        let files = image_files(&arguments, &classes()).unwrap();
        let seen: Vec<_> = files
            .iter()
            .map(|file| (file.path.strip_prefix(root.path()).unwrap().to_str().unwrap(), file.label))
            .collect();
        assert_eq!(
            seen,
            [
                ("e.jpg", None),
                ("x/covid/a.png", Some(1)),
                ("x/covid/b.png", Some(1)),
                ("x/d.png", None),
                ("x/normal/deep/c.png", Some(0))
            ]
        );
    }

    #[test]
    fn what_gives_no_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let message =
            |name: &str| image_files(&[root.path().join(name)], &classes()).unwrap_err().to_string();
        assert!(message("absent").ends_with("absent` does not exist"));
        fs::create_dir(root.path().join("empty")).unwrap();
        assert!(message("empty").ends_with("empty` holds no files"));
        symlink("nowhere", root.path().join("link")).unwrap();
        let files = image_files(&[root.path().join("link")], &classes()).unwrap();
        assert_eq!(files[0].problem.as_deref(), Some("a broken link"));
    }
}
