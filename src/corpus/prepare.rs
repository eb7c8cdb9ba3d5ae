//! From a dataset of the spec to a prepared corpus: out of the cache, or by decoding every file.
//!
//! Called by the sweep before the first run and by `plan`. Parallel over files; memory holds one image per thread, since
//! rows go straight to the file.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::SystemTime,
};

use rayon::prelude::*;
use serde_json::json;

use super::{
    BadFile, CorpusError, IndexEntry,
    cache::{self, Builder, Cache, Loaded, VERSION},
    decode::read_image,
    depth,
    phantom::Generator,
    preprocess::Preprocess,
    progress::PreparationProgress,
    scan::{Found, loose_images, scan},
};
use crate::spec::{Dataset, OnError, Phantom, Source};

/// A file that changed this shortly before it was listed may change again and look the same: file systems keep time in
/// steps of up to two seconds.
const SETTLED: i128 = 2_000_000_000;

/// A corpus in the cache.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Folder with `images.npy`, `labels.npy`, `index.csv` and `corpus.json`; absolute.
    pub folder: PathBuf,
    /// Content id: 32 hex digits of the hash of settings and file contents.
    pub fingerprint: String,
    /// Class names in index order.
    pub classes: Vec<String>,
    /// Images of each class.
    pub counts: Vec<u64>,
    /// Side of the images, pixels.
    pub image_size: u32,
    /// What each row of `images.npy` is.
    pub files: Vec<IndexEntry>,
    /// Files left out by `on_error: skip`.
    pub skipped: Vec<BadFile>,
    /// Whether nothing had to be decoded.
    pub cached: bool,
    /// What is odd about the files, a sentence each.
    pub notes: Vec<String>,
    /// What was wrong with a folder in the cache that these images have replaced.
    pub damage: Option<String>,
}

impl Prepared {
    /// Class index of every image.
    #[must_use]
    pub fn labels(&self) -> Vec<u8> {
        self.files.iter().map(|file| file.label).collect()
    }

    /// File of every image, for the split's groups.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.files.iter().map(|file| file.file.as_str()).collect()
    }

    fn new(dataset: &Dataset, fingerprint: String, loaded: Loaded, cached: bool) -> Self {
        let Loaded { folder, counts, files, skipped, notes } = loaded;
        let (classes, image_size) = (dataset.classes.clone(), dataset.image_size);
        Self { folder, fingerprint, classes, counts, image_size, files, skipped, cached, notes, damage: None }
    }
}

/// Prepares the images of a dataset, or finds them in the cache.
///
/// # Errors
/// [`CorpusError`]: missing folders, bad files (all of them), a full disk, or `cancelled` having become true.
pub fn prepare(
    dataset: &Dataset,
    cache_root: &Path,
    progress: &dyn PreparationProgress,
    cancelled: Option<&AtomicBool>,
) -> Result<Prepared, CorpusError> {
    prepare_at(dataset, cache_root, progress, cancelled, SystemTime::now())
}

/// [`prepare`] with the clock given.
fn prepare_at(
    dataset: &Dataset,
    cache_root: &Path,
    progress: &dyn PreparationProgress,
    cancelled: Option<&AtomicBool>,
    now: SystemTime,
) -> Result<Prepared, CorpusError> {
    let settings = |reason: String| CorpusError::Settings(reason);
    if dataset.classes.is_empty() || dataset.classes.len() > 256 {
        return Err(settings(format!("{} classes: a corpus has 1 to 256", dataset.classes.len())));
    }
    if dataset.image_size == 0 {
        return Err(settings("an image size of 0 leaves nothing".to_owned()));
    }
    let preprocess = Preprocess::new(dataset)
        .ok_or_else(|| settings("the blur needs an odd kernel up to 1023 and a sigma from 0".to_owned()))?;
    let work = Work { dataset, cache: Cache::open(cache_root)?, preprocess, progress, cancelled };
    match &dataset.source {
        Source::Images(images) => work.images(images, now),
        Source::Phantom(phantom) => work.phantoms(phantom),
    }
}

struct Work<'a> {
    dataset: &'a Dataset,
    cache: Cache,
    preprocess: Preprocess,
    progress: &'a dyn PreparationProgress,
    cancelled: Option<&'a AtomicBool>,
}

impl Work<'_> {
    fn images(&self, images: &Path, now: SystemTime) -> Result<Prepared, CorpusError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let found = scan(images, &self.dataset.classes)?;
        // Seen anew each time: the prepared images do not depend on it.
        let with_loose = |mut prepared: Prepared| {
            if let loose @ 1.. = loose_images(images) {
                let images = images.display();
                prepared
                    .notes
                    .push(format!("{loose} image(s) directly in `{images}` are of no class and not used"));
            }
            prepared
        };
        let key = self.listing_key(images, &found);
        let mut damage = None;
        if let Some(fingerprint) = self.cache.recall(&key) {
            match self.cache.load(&fingerprint) {
                Ok(loaded) => {
                    return Ok(with_loose(Prepared::new(self.dataset, fingerprint, loaded, true)));
                }
                Err(problem) => damage = self.cache.has(&fingerprint).then_some(problem),
            }
        }
        let builder = self.cache.build(self.dataset.image_size)?;
        let rows = self.each(&found, |row, found| Ok(self.file(&builder, row, found)?))?;
        let (mut entries, mut bad) = (Vec::with_capacity(rows.len()), Vec::new());
        let mut wide = Vec::new();
        for row in rows {
            entries.push(row.map_err(|file| bad.push(file)).ok().map(|(entry, largest)| {
                wide.extend(largest);
                entry
            }));
        }
        self.check_bad(images, &found, &entries, &bad)?;
        let fingerprint = self.fingerprint(&entries, &bad);
        let notes = depth::warning(wide).into_iter().collect();
        let loaded = self.finish(builder, &fingerprint, entries, &bad, notes)?;
        let settled = |time: i128| time + SETTLED < i128::try_from(now.as_nanos()).unwrap_or(i128::MAX);
        if found.iter().all(|file| settled(file.stamp.modified) && settled(file.stamp.changed)) {
            self.cache.remember(&key, &fingerprint)?;
        }
        Ok(with_loose(Prepared { damage, ..Prepared::new(self.dataset, fingerprint, loaded, false) }))
    }

    fn phantoms(&self, phantom: &Phantom) -> Result<Prepared, CorpusError> {
        let generator = Generator::new(phantom, self.dataset).map_err(CorpusError::Settings)?;
        let mut key = self.key("gridboard phantom corpus");
        key.number(phantom.seed).number(phantom.difficulty.to_bits());
        phantom.images.iter().for_each(|&images| {
            key.number(u64::from(images));
        });
        let fingerprint = key.finish();
        let damage = match self.cache.load(&fingerprint) {
            Ok(loaded) => return Ok(Prepared::new(self.dataset, fingerprint, loaded, true)),
            Err(problem) => self.cache.has(&fingerprint).then_some(problem),
        };
        let builder = self.cache.build(self.dataset.image_size)?;
        let wanted = generator.places();
        let rows = self.each(&wanted, |row, place| {
            let pixels = self.preprocess.apply(&generator.image(place));
            builder.write_row(row, &pixels)?;
            Ok(IndexEntry {
                file: generator.name(place),
                label: place.label,
                width: self.dataset.image_size,
                height: self.dataset.image_size,
                bytes: 0,
                format: "phantom".to_owned(),
                hash: cache::hash(&pixels),
            })
        })?;
        let entries = rows.into_iter().map(Some).collect();
        let loaded = self.finish(builder, &fingerprint, entries, &[], Vec::new())?;
        Ok(Prepared { damage, ..Prepared::new(self.dataset, fingerprint, loaded, false) })
    }

    /// Does `work` for every item in parallel; stops at the first error and when cancelled.
    fn each<Item: Sync, Row: Send>(
        &self,
        items: &[Item],
        work: impl Fn(usize, &Item) -> Result<Row, CorpusError> + Sync,
    ) -> Result<Vec<Row>, CorpusError> {
        self.progress.start(items.len());
        let rows = items.par_iter().enumerate().map(|(row, item)| {
            if self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
                return Err(CorpusError::Cancelled);
            }
            let done = work(row, item)?;
            self.progress.advance();
            Ok(done)
        });
        let rows = rows.collect();
        self.progress.finish();
        rows
    }

    /// Makes one file a row, or says why it is none; with the largest value of a file of 16 bits a sample.
    fn file(
        &self,
        builder: &Builder,
        row: usize,
        found: &Found,
    ) -> Result<Result<(IndexEntry, Option<u16>), BadFile>, super::FileError> {
        let bad = |reason: String| Ok(Err(BadFile { file: found.file.clone(), reason }));
        if let Some(problem) = &found.problem {
            return bad(problem.clone());
        }
        let (bytes, decoded) = match read_image(&found.path) {
            Ok(read) => read,
            Err(reason) => return bad(reason),
        };
        builder.write_row(row, &self.preprocess.apply(&decoded.image))?;
        let entry = IndexEntry {
            file: found.file.clone(),
            label: found.label,
            width: decoded.image.width(),
            height: decoded.image.height(),
            bytes: bytes.len() as u64,
            format: decoded.format.as_str().to_owned(),
            hash: cache::hash(&bytes),
        };
        Ok(Ok((entry, decoded.wide)))
    }

    fn check_bad(
        &self,
        images: &Path,
        found: &[Found],
        entries: &[Option<IndexEntry>],
        bad: &[BadFile],
    ) -> Result<(), CorpusError> {
        if self.dataset.on_error == OnError::Fail && !bad.is_empty() {
            let (images, total) = (images.to_owned(), found.len());
            return Err(CorpusError::BadFiles { images, total, bad: bad.to_vec() });
        }
        for (label, class) in (0_u8..=u8::MAX).zip(&self.dataset.classes) {
            if !entries.iter().flatten().any(|entry| entry.label == label) {
                let folder = format!("{class}/");
                let bad = bad.iter().filter(|bad| bad.file.starts_with(&folder)).cloned().collect();
                return Err(CorpusError::NothingLeft { class: class.clone(), bad });
            }
        }
        Ok(())
    }

    fn finish(
        &self,
        builder: Builder,
        fingerprint: &str,
        entries: Vec<Option<IndexEntry>>,
        bad: &[BadFile],
        notes: Vec<String>,
    ) -> Result<Loaded, CorpusError> {
        let Dataset { source, image_size, blur, .. } = self.dataset;
        let phantom = match source {
            Source::Images(_) => None,
            Source::Phantom(phantom) => Some(phantom),
        };
        let settings = json!({
            "phantom": phantom,
            "image_size": image_size,
            "gray": "BT.601 luma, 8 bits, alpha on black",
            "resize": "area average where an axis shrinks, linear where it grows; aspect ratio not kept",
            "blur": blur,
        });
        builder.finish(&self.cache, fingerprint, entries, &self.dataset.classes, bad, settings, notes)
    }

    /// A hash of everything that makes the pixels of a file, to be continued.
    fn key(&self, domain: &str) -> Key {
        let mut key = Key(blake3::Hasher::new_derive_key(domain));
        key.number(VERSION).number(u64::from(self.dataset.image_size));
        match self.dataset.blur {
            Some(blur) => key.number(u64::from(blur.kernel)).number(blur.sigma.to_bits()),
            None => key.number(0),
        };
        key.number(self.dataset.classes.len() as u64);
        self.dataset.classes.iter().for_each(|class| {
            key.text(class.as_bytes());
        });
        key
    }

    /// The content id: settings, then every file's name, label and content, then what was left out.
    fn fingerprint(&self, entries: &[Option<IndexEntry>], bad: &[BadFile]) -> String {
        let mut key = self.key("gridboard corpus");
        for entry in entries.iter().flatten() {
            key.text(entry.file.as_bytes()).number(u64::from(entry.label)).text(entry.hash.as_bytes());
        }
        for BadFile { file, reason } in bad {
            key.text(file.as_bytes()).text(reason.as_bytes());
        }
        key.finish()
    }

    /// The id of a listing: what the fingerprint is a function of, as far as `stat` can tell.
    fn listing_key(&self, images: &Path, found: &[Found]) -> String {
        let mut key = self.key("gridboard listing");
        let images = std::fs::canonicalize(images).unwrap_or_else(|_| images.to_owned());
        key.text(images.as_os_str().as_encoded_bytes());
        key.number(u64::from(self.dataset.on_error == OnError::Skip));
        for file in found {
            key.text(file.file.as_bytes()).number(u64::from(file.label));
            key.number(file.stamp.len);
            key.text(&file.stamp.modified.to_le_bytes()).text(&file.stamp.changed.to_le_bytes());
        }
        key.finish()
    }
}

/// A hash over fields, each with its length, so that no two lists of fields run together.
struct Key(blake3::Hasher);

impl Key {
    fn text(&mut self, text: &[u8]) -> &mut Self {
        self.0.update(&(text.len() as u64).to_le_bytes()).update(text);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.text(&number.to_le_bytes())
    }

    fn finish(self) -> String {
        self.0.finalize().to_hex()[..32].to_owned()
    }
}

#[cfg(test)]
mod tests;
