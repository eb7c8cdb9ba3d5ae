//! The images of a sweep: prepared, split, and written down for its workers and for people.
//!
//! Called before anything is trained; `prepare` writes the split, once the experiment's folder is this process'.

use std::{path::Path, sync::atomic::AtomicBool};

use super::SweepError;
use crate::{
    base::{
        csv,
        error::with_causes,
        files::{Durability, write_whole},
        text::harmless,
    },
    corpus::{self, CorpusError, LoadingTable, Part, Prepared, SplitRule},
    run::{ExperimentDir, RunDataset},
    spec::{Dataset, Experiment},
};

/// Images that are prepared and split.
pub(crate) struct Corpus {
    pub(super) prepared: Prepared,
    /// The test set, where it is a folder of its own.
    pub(super) test: Option<Prepared>,
    /// Test images whose bytes are those of an image that trains or validates.
    test_copies: Vec<String>,
    pub(super) parts: Vec<Part>,
    /// Tab. 1.
    pub loading: LoadingTable,
    pub(super) fingerprint: String,
}

impl Corpus {
    /// Content id of images, settings and split.
    #[must_use]
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What makes results on these images other than they look: classes that a part of the split lacks, and what is odd about
    /// the files. A sentence each.
    #[must_use]
    pub(crate) fn warnings(&self) -> Vec<String> {
        let labels = self.prepared.labels();
        let mut warnings: Vec<String> = self.prepared.notes.clone();
        warnings.extend(
            self.test.iter().flat_map(|test| test.notes.iter().map(|note| format!("test set: {note}"))),
        );
        for (part, name, why) in [
            (Part::Train, "training", "no network can learn it"),
            (Part::Validation, "validation", "no number says how well it is told"),
        ] {
            for (class, name_of_class) in self.prepared.classes.iter().enumerate() {
                let is_there = |(label, of): (&u8, &Part)| usize::from(*label) == class && *of == part;
                if !labels.iter().zip(&self.parts).any(is_there) {
                    warnings.push(format!("class `{name_of_class}` has no {name} images: {why}"));
                }
            }
        }
        warnings
    }

    /// What was wrong with folders of the cache, which were prepared again.
    pub(crate) fn damages(&self) -> impl Iterator<Item = &str> {
        [Some(&self.prepared), self.test.as_ref()].into_iter().flatten().filter_map(|of| of.damage.as_deref())
    }

    /// The files that were left out as unreadable, with the reason; those of the test folder last.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = &corpus::BadFile> {
        self.prepared.skipped.iter().chain(self.test.iter().flat_map(|test| &test.skipped))
    }

    /// Files of the test folder whose bytes are those of an image that trains or validates.
    #[must_use]
    pub(crate) fn test_copies(&self) -> &[String] {
        &self.test_copies
    }
}

/// Prepares and splits the images of a spec, until `cancelled` becomes true.
///
/// # Errors
/// As `corpus::prepare` and `corpus::split`.
pub(crate) fn prepare_corpus(
    dataset: &Dataset,
    cache: &Path,
    progress: &dyn corpus::PreparationProgress,
    cancelled: &AtomicBool,
) -> Result<Corpus, SweepError> {
    let prepared = corpus::prepare(dataset, cache, progress, Some(cancelled))?;
    let parts = corpus::split(&prepared.labels(), &prepared.names(), &SplitRule::from_dataset(dataset))
        .map_err(CorpusError::from)?;
    let test = corpus::prepare_test_folder(dataset, cache, progress, Some(cancelled))?;
    let mut loading = LoadingTable::new(&prepared, &parts);
    let mut test_copies = Vec::new();
    if let Some(test) = &test {
        test_copies = test.copies_of(&prepared).into_iter().map(str::to_owned).collect();
        let skipped = test.skipped.len() as u64;
        loading = loading.with_test_folder(&test.labels(), Some(test_copies.len() as u64), skipped);
    }
    let fingerprint =
        fingerprint(&prepared.fingerprint, &parts, test.as_ref().map(|test| test.fingerprint.as_str()));
    Ok(Corpus { prepared, test, test_copies, parts, loading, fingerprint })
}

/// Content id of images, settings and split; a test folder counts where there is one.
fn fingerprint(prepared: &str, parts: &[Part], test: Option<&str>) -> String {
    let split: Vec<u8> = parts.iter().map(|part| *part as u8).collect();
    let mut hash = blake3::Hasher::new();
    hash.update(prepared.as_bytes());
    hash.update(&split);
    if let Some(test) = test {
        hash.update(test.as_bytes());
    }
    hash.finalize().to_hex()[..16].to_owned()
}

/// Looks whether the prepared corpus of a run is still in the cache, and its split beside the run, as they were.
///
/// # Errors
/// One line that says what is gone or has changed.
pub(crate) fn check_dataset(dataset: &RunDataset) -> Result<(), String> {
    let prepared = corpus::cached_fingerprint(&dataset.cache)?;
    let parts = corpus::read_split(&dataset.split).map_err(|error| with_causes(&error))?;
    let test = dataset.test.as_deref().map(corpus::cached_fingerprint).transpose()?;
    let now = fingerprint(&prepared, &parts, test.as_deref());
    if now == dataset.fingerprint {
        return Ok(());
    }
    let (then, split) = (&dataset.fingerprint, dataset.split.display());
    Err(format!("`{split}` is not the run's split any more: content id {then}, now {now}"))
}

/// Writes which image trains, validates or is held out: `split.npy` for the workers, `corpus.csv` for people.
///
/// # Errors
/// Where a file cannot be written.
pub(crate) fn write_split(
    dir: &ExperimentDir,
    experiment: &Experiment,
    corpus: &Corpus,
) -> Result<RunDataset, SweepError> {
    let split = dir.split();
    corpus::write_split(&split, &corpus.parts).map_err(|error| SweepError::Io {
        what: "write",
        path: split.clone(),
        source: std::io::Error::other(error),
    })?;
    let loading = serde_json::to_vec_pretty(&corpus.loading).expect("plain counts are JSON");
    write_whole(&dir.loading_table(), &[&loading], Durability::Synced)?;
    let header = ["index", "file", "class", "label", "part"].map(str::to_owned);
    let record = |(index, (file, part)): (usize, (&corpus::IndexEntry, &corpus::Part))| {
        let class = &corpus.prepared.classes[usize::from(file.label)];
        let text = |text: &str| csv::without_formula(&harmless(text)).into_owned();
        [index.to_string(), text(&file.file), text(class), file.label.to_string(), part.as_str().to_owned()]
    };
    let images = corpus.prepared.files.iter().zip(&corpus.parts).enumerate().map(record);
    let table = csv::write([header].into_iter().chain(images));
    write_whole(&dir.split_table(), &[table.as_bytes()], Durability::Synced)?;
    Ok(RunDataset {
        cache: corpus.prepared.folder.clone(),
        split,
        test: corpus.test.as_ref().map(|test| test.folder.clone()),
        fingerprint: corpus.fingerprint.clone(),
        classes: corpus.prepared.classes.clone(),
        image_size: experiment.dataset.as_ref().map_or(0, |dataset| dataset.image_size),
    })
}
