//! A prepared corpus in memory: `images.npy` mapped, so that all workers of a machine share one copy of its pages.
//!
//! Called by the worker. Leaves making the files to `prepare`.

use std::{fs::File, path::Path};

use memmap2::Mmap;

use super::{
    manifest,
    npy::{self, NpyError, format_error},
};
use crate::base::files::FileError;

/// The pixels, in a folder of the cache.
pub(super) const IMAGES: &str = "images.npy";

/// The class of each image, in a folder of the cache.
pub(super) const LABELS: &str = "labels.npy";

/// The images and labels of a prepared corpus.
#[derive(Debug)]
pub struct MappedCorpus {
    map: Mmap,
    offset: usize,
    images: usize,
    height: usize,
    width: usize,
    labels: Vec<u8>,
}

impl MappedCorpus {
    /// Opens the corpus in a cache folder: `images.npy` (u8, `[n, h, w]`) and `labels.npy` (u8, `[n]`).
    ///
    /// # Errors
    /// [`NpyError`] where a file is missing, is no array of bytes, or where the two do not belong together, and where the
    /// pixels are not those that were prepared.
    pub fn open(folder: &Path) -> Result<Self, NpyError> {
        let path = folder.join(IMAGES);
        let file = File::open(&path).map_err(FileError::at("open", &path))?;
        let layout = npy::read_layout(&path)?;
        #[expect(unsafe_code, reason = "mapping a file is unsafe: someone could shorten or change it")]
        // SAFETY: files of the cache are written under another name and only then renamed into place, so nobody writes
        // to a file of this name; a replaced or removed one stays whole until the map is dropped.
        let map = unsafe { Mmap::map(&file) }.map_err(FileError::at("map", &path))?;
        let axes = layout.shape.iter().map(|&axis| usize::try_from(axis)).collect::<Result<Vec<_>, _>>();
        let (Ok(axes), Some(len)) = (axes, layout.file_len()) else {
            return Err(format_error(&path, format!("shape {:?} does not fit in memory", layout.shape)));
        };
        let [images, height, width] = axes[..] else {
            return Err(format_error(&path, format!("shape {:?} is not [n, h, w]", layout.shape)));
        };
        if map.len() as u64 != len {
            return Err(format_error(&path, "the file changed while it was opened".to_owned()));
        }
        manifest::check_pixels(folder, || blake3::hash(&map).to_hex()[..32].to_owned())
            .map_err(|problem| format_error(&path, problem))?;
        let labels_path = folder.join(LABELS);
        let (shape, labels) = npy::read(&labels_path)?;
        if shape != [layout.shape[0]] {
            let reason = format!("labels of shape {shape:?} do not belong to {images} images");
            return Err(format_error(&labels_path, reason));
        }
        Ok(Self { map, offset: layout.offset, images, height, width, labels })
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.images
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.images == 0
    }

    /// `[n, h, w]`.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        [self.images, self.height, self.width]
    }

    /// Pixels of one image, `[h, w]`, 0 black to 255 white.
    ///
    /// # Panics
    /// Where `index` is not under [`MappedCorpus::len`].
    #[must_use]
    pub fn image(&self, index: usize) -> &[u8] {
        assert!(index < self.images, "image {index} of {}", self.images);
        let size = self.height * self.width;
        let start = self.offset + index * size;
        &self.map[start..start + size]
    }

    /// Pixels of all images, `[n, h, w]`.
    #[must_use]
    pub fn images(&self) -> &[u8] {
        &self.map[self.offset..]
    }

    /// Class index of one image.
    ///
    /// # Panics
    /// Where `index` is not under [`MappedCorpus::len`].
    #[must_use]
    pub fn label(&self, index: usize) -> u8 {
        self.labels[index]
    }

    /// Class index of every image, `[n]`.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(images: &[u64], labels: &[u64]) -> (tempfile::TempDir, Result<MappedCorpus, NpyError>) {
        let folder = tempfile::tempdir().unwrap();
        let bytes = |shape: &[u64]| (0..=u8::MAX).cycle().take(shape.iter().product::<u64>() as usize);
        for (name, shape) in [("images.npy", images), ("labels.npy", labels)] {
            npy::write(&folder.path().join(name), shape, &bytes(shape).collect::<Vec<_>>()).unwrap();
        }
        let opened = MappedCorpus::open(folder.path());
        (folder, opened)
    }

    #[test]
    fn images_and_labels_lie_where_they_should() {
        let (_folder, opened) = corpus(&[3, 2, 4], &[3]);
        let opened = opened.unwrap();
        assert_eq!((opened.len(), opened.shape()), (3, [3, 2, 4]));
        assert_eq!(opened.image(2), [16, 17, 18, 19, 20, 21, 22, 23]);
        assert_eq!((opened.label(1), opened.images().len()), (1, 24));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let error = |images: &[u64], labels: &[u64]| corpus(images, labels).1.unwrap_err().to_string();
        assert!(error(&[3, 2, 4], &[2]).contains("labels.npy"));
        assert!(error(&[3, 8], &[3]).contains("[n, h, w]"));
        let folder = tempfile::tempdir().unwrap();
        assert!(MappedCorpus::open(folder.path()).unwrap_err().to_string().contains("images.npy"));
    }
}
