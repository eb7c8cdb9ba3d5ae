//! The corpus as the training loop sees it: batches of tensors from rows of `images.npy`.
//!
//! On the host each batch is copied out of the mapped file, so that all workers of a machine share one copy of the
//! corpus; on a CUDA device the corpus lies there whole, as bytes, and a batch never crosses the bus.

use std::{fs, io, path::PathBuf};

use gridboard::{
    corpus::{self, MappedCorpus, Part, npy::NpyError},
    run::RunDataset,
};
use tch::{Device, Kind, TchError, Tensor};

/// Why a corpus cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// `images.npy`, `labels.npy` or `split.npy` cannot be used.
    #[error(transparent)]
    Array(#[from] NpyError),
    /// `index.csv` cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The files do not belong together, or not to the run.
    #[error("`{}`: {problem}", path.display())]
    Mismatch {
        /// The file or folder.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
}

/// A prepared corpus and its split.
#[derive(Debug)]
pub(crate) struct Corpus {
    /// Pixels and labels.
    pub(crate) mapped: MappedCorpus,
    /// File name of each image, as `index.csv` has it.
    pub(crate) names: Vec<String>,
    /// Rows that train, in file order.
    pub(crate) training: Vec<usize>,
    /// Rows that validate, in file order.
    pub(crate) validation: Vec<usize>,
}

impl Corpus {
    /// Opens what `run.json` names.
    ///
    /// # Errors
    /// [`DataError`] where a file is missing or damaged, the files differ in their number of images, the images are not of
    /// the size that the run wants, a label is no class, or a side of the split is empty.
    pub(crate) fn open(dataset: &RunDataset) -> Result<Self, DataError> {
        let mismatch = |path: &PathBuf, problem| DataError::Mismatch { path: path.clone(), problem };
        let mapped = MappedCorpus::open(&dataset.cache)?;
        let [n, height, width] = mapped.shape();
        let side = dataset.image_size as usize;
        if [height, width] != [side, side] {
            let problem = format!("the images are {height} x {width}, the run wants {side} x {side}");
            return Err(mismatch(&dataset.cache, problem));
        }
        if let Some(row) =
            mapped.labels().iter().position(|&label| usize::from(label) >= dataset.classes.len())
        {
            let (label, classes) = (mapped.label(row), dataset.classes.len());
            let problem = format!("image {row} has label {label}, but there are {classes} classes");
            return Err(mismatch(&dataset.cache, problem));
        }
        let parts = corpus::read_split(&dataset.split)?;
        if parts.len() != n {
            let problem = format!("the split is of {} images, the corpus has {n}", parts.len());
            return Err(mismatch(&dataset.split, problem));
        }
        let rows = |side| (0..n).filter(|&row| parts[row] == side).collect::<Vec<_>>();
        let (training, validation) = (rows(Part::Train), rows(Part::Validation));
        for (side, rows) in [("train", &training), ("validate", &validation)] {
            if rows.is_empty() {
                return Err(mismatch(&dataset.split, format!("no image is left to {side}")));
            }
        }
        let path = dataset.cache.join(corpus::INDEX_FILE);
        let text =
            fs::read_to_string(&path).map_err(|source| DataError::Read { path: path.clone(), source })?;
        let index = corpus::parse_index(&text).map_err(|problem| mismatch(&path, problem))?;
        if index.len() != n {
            return Err(mismatch(&path, format!("{} files, but the corpus has {n} images", index.len())));
        }
        let names = index.into_iter().map(|entry| entry.file).collect();
        Ok(Self { mapped, names, training, validation })
    }
}

/// Images and labels to take batches from.
#[derive(Debug)]
pub(crate) struct Images<'a> {
    /// `[n, side, side]`, 0 black to 255 white.
    pixels: &'a [u8],
    /// `[n]`, below the number of classes.
    labels: &'a [u8],
    side: usize,
    device: Device,
    /// On a CUDA device: all pixels there, u8 `[n, 1, side, side]`.
    resident: Option<Tensor>,
}

impl<'a> Images<'a> {
    /// Images of `side` x `side` pixels for training on `device`.
    ///
    /// # Errors
    /// Where the device has no room for the corpus.
    pub(crate) fn new(
        pixels: &'a [u8],
        labels: &'a [u8],
        side: usize,
        device: Device,
    ) -> Result<Self, TchError> {
        let mut images = Self { pixels, labels, side, device, resident: None };
        if device.is_cuda() {
            let all = Tensor::f_from_data_size(pixels, &images.shape(labels.len()), Kind::Uint8)?;
            images.resident = Some(all.f_to_device(device)?);
        }
        Ok(images)
    }

    fn shape(&self, n: usize) -> [i64; 4] {
        [n as i64, 1, self.side as i64, self.side as i64]
    }

    /// The pixels of an image, `[side, side]`.
    fn pixels(&self, row: usize) -> &[u8] {
        let size = self.side * self.side;
        &self.pixels[row * size..(row + 1) * size]
    }

    /// True class of an image.
    fn label(&self, row: usize) -> usize {
        usize::from(self.labels[row])
    }

    /// These images in this order, to be taken a batch at a time. What a device needs to know of the order goes there once.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn order<'o>(&'o self, rows: &'o [usize]) -> Result<Order<'o>, TchError> {
        let labels: Vec<i64> = rows.iter().map(|&row| i64::from(self.labels[row])).collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(self.device)?;
        let places = match &self.resident {
            Some(_) => {
                let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
                Some(Tensor::f_from_slice(&places)?.f_to_device(self.device)?)
            }
            None => None,
        };
        Ok(Order { images: self, rows, labels, places })
    }

    /// Pixels of `rows`, u8 `[b, 1, side, side]`, from the mapped file.
    fn copied(&self, rows: &[usize]) -> Result<Tensor, TchError> {
        let size = self.side * self.side;
        let mut bytes = Vec::with_capacity(rows.len() * size);
        for row in rows {
            bytes.extend_from_slice(&self.pixels[row * size..(row + 1) * size]);
        }
        Tensor::f_from_data_size(&bytes, &self.shape(rows.len()), Kind::Uint8)
    }
}

/// Images in the order in which they are taken.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    images: &'a Images<'a>,
    rows: &'a [usize],
    /// i64 `[n]`, on the device.
    labels: Tensor,
    /// On a CUDA device: the rows, i64 `[n]`, there.
    places: Option<Tensor>,
}

/// Some images that stand one behind the other in an [`Order`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    order: &'a Order<'a>,
    first: usize,
    n: usize,
}

impl Order<'_> {
    /// All images, `size` at a time; the last batch may be smaller.
    pub(crate) fn batches(&self, size: usize) -> impl Iterator<Item = Batch<'_>> {
        let all = self.rows.len();
        (0..all).step_by(size).map(move |first| Batch { order: self, first, n: size.min(all - first) })
    }

    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Width and height, pixels.
    pub(crate) fn side(&self) -> usize {
        self.images.side
    }

    /// True class of each image.
    pub(crate) fn labels(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(|&row| self.images.label(row))
    }
}

impl<'a> Batch<'a> {
    /// Number of images.
    pub(crate) fn len(&self) -> usize {
        self.n
    }

    fn rows(&self) -> &'a [usize] {
        &self.order.rows[self.first..self.first + self.n]
    }

    /// The pixels of each image, `[side, side]`.
    pub(crate) fn pixels(&self) -> Vec<&'a [u8]> {
        self.rows().iter().map(|&row| self.order.images.pixels(row)).collect()
    }

    /// True class of each image.
    pub(crate) fn labels(&self) -> Vec<usize> {
        self.rows().iter().map(|&row| self.order.images.label(row)).collect()
    }

    /// The images, f32 `[n, 1, h, w]` in 0..=1 (pixel / 255), and their labels, i64 `[n]`. On CUDA nothing crosses the bus
    /// and nothing is waited for.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn tensors(&self) -> Result<(Tensor, Tensor), TchError> {
        let Order { images, labels, places, .. } = self.order;
        let (first, n) = (self.first as i64, self.n as i64);
        let pixels = match (&images.resident, places) {
            (Some(all), Some(places)) => all.f_index_select(0, &places.f_narrow(0, first, n)?)?,
            _ => images.copied(self.rows())?,
        };
        let pixels = pixels.f_to_kind(Kind::Float)?.f_div_scalar_(255.0)?;
        Ok((pixels, labels.f_narrow(0, first, n)?))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use gridboard::corpus::{npy, write_split};

    use super::*;

    /// Writes a corpus of `labels.len()` images of `side` x `side` under `folder`, every third of them validating: each
    /// class has its own brightness.
    pub(crate) fn write_corpus(folder: &Path, side: usize, labels: &[u8], classes: usize) -> RunDataset {
        let n = labels.len();
        let pixels: Vec<u8> = (0..n * side * side)
            .map(|at| {
                let noise = (at as u32).wrapping_mul(2_654_435_761) >> 26;
                labels[at / (side * side)] * 60 + noise as u8
            })
            .collect();
        npy::write(&folder.join("images.npy"), &[n as u64, side as u64, side as u64], &pixels).unwrap();
        npy::write(&folder.join("labels.npy"), &[n as u64], labels).unwrap();
        let mut index = "index,file,class,label,width,height,bytes,format,blake3\n".to_owned();
        for (row, label) in labels.iter().enumerate() {
            index += &format!("{row},\"a, {row}.png\",class {label},{label},9,9,9,png,00\n");
        }
        fs::write(folder.join("index.csv"), index).unwrap();
        let parts: Vec<Part> =
            (0..n).map(|row| if row % 3 == 2 { Part::Validation } else { Part::Train }).collect();
        write_split(&folder.join("split.npy"), &parts).unwrap();
        RunDataset {
            cache: folder.to_owned(),
            split: folder.join("split.npy"),
            test: None,
            fingerprint: "f".to_owned(),
            classes: (0..classes).map(|class| format!("class {class}")).collect(),
            image_size: side as u32,
        }
    }

    #[test]
    fn batches_hold_the_rows_that_were_asked_for() {
        let pixels: Vec<u8> = (0..=11).map(|value| value * 20).collect();
        let mut images = Images::new(&pixels, &[2, 0, 1], 2, Device::Cpu).unwrap();
        let expected: [&[u8]; 2] = [&[160, 180, 200, 220, 0, 20, 40, 60], &[80, 100, 120, 140]];
        // From the file, and from a corpus that lies on a device.
        for resident in [None, Some(Tensor::from_data_size(&pixels, &[3, 1, 2, 2], Kind::Uint8))] {
            images.resident = resident;
            let order = images.order(&[2, 0, 1]).unwrap();
            assert_eq!((order.len(), order.labels().collect::<Vec<_>>()), (3, vec![1, 2, 0]));
            let batches: Vec<Batch> = order.batches(2).collect();
            assert_eq!(batches.len(), 2);
            for ((batch, bytes), labels) in batches.iter().zip(expected).zip([&[1, 2][..], &[0]]) {
                assert_eq!((batch.len(), batch.pixels().concat()), (labels.len(), bytes.to_vec()));
                let (x, y) = batch.tensors().unwrap();
                assert_eq!((x.size(), x.kind()), (vec![labels.len() as i64, 1, 2, 2], Kind::Float));
                let expected: Vec<f32> = bytes.iter().map(|&pixel| f32::from(pixel) / 255.0).collect();
                assert_eq!(Vec::<f32>::try_from(x.flatten(0, -1)).unwrap(), expected);
                assert_eq!(Vec::<i64>::try_from(y).unwrap(), labels);
                assert!(batch.labels().into_iter().map(|label| label as i64).eq(labels.iter().copied()));
            }
        }
    }

    #[test]
    fn a_corpus_opens_with_its_split_and_names() {
        let folder = tempfile::tempdir().unwrap();
        let corpus = Corpus::open(&write_corpus(folder.path(), 4, &[0, 1, 0, 1], 2)).unwrap();
        assert_eq!((&corpus.training[..], &corpus.validation[..]), (&[0, 1, 3][..], &[2][..]));
        assert_eq!(corpus.names[3], "a, 3.png");
    }

    #[test]
    fn held_out_images_neither_train_nor_validate() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = write_corpus(folder.path(), 4, &[0, 1, 0, 1, 1], 2);
        let parts = [Part::Test, Part::Train, Part::Validation, Part::Test, Part::Train];
        write_split(&dataset.split, &parts).unwrap();
        let corpus = Corpus::open(&dataset).unwrap();
        assert_eq!((&corpus.training[..], &corpus.validation[..]), (&[1, 4][..], &[2][..]));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let whole = write_corpus(folder.path(), 4, &[0, 1, 2, 1], 3);
        let error = |dataset: &RunDataset| Corpus::open(dataset).unwrap_err().to_string();
        let other = RunDataset { image_size: 5, ..whole.clone() };
        assert!(error(&other).ends_with("the images are 4 x 4, the run wants 5 x 5"));
        let other = RunDataset { classes: whole.classes[..2].to_vec(), ..whole.clone() };
        assert!(error(&other).ends_with("image 2 has label 2, but there are 2 classes"));
        write_split(&whole.split, &[Part::Train; 3]).unwrap();
        assert!(error(&whole).ends_with("the split is of 3 images, the corpus has 4"));
        write_split(&whole.split, &[Part::Train; 4]).unwrap();
        assert!(error(&whole).ends_with("no image is left to validate"));
        fs::remove_file(folder.path().join("images.npy")).unwrap();
        assert!(error(&whole).contains("images.npy"));
    }
}
