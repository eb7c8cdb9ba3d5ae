//! Everything before the first attempt: the spec against what was run before, the corpus, the ledger.
//!
//! Nothing is written before the spec, the devices and the images are known to be good.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::{Facts, SweepError, experiment_dir, hparams, orphans, wall_now, write_atomically};
use crate::{
    corpus::{self, CorpusError, LoadingTable, Part, Prepared, SplitRule},
    grid,
    report::csv_field,
    run::{RunDataset, RunSpec, RunState},
    spec::{self, Dataset, Experiment},
    store::{ExperimentKey, ExperimentRecord, RunKey, Store},
};

/// Tab. 1 in the experiment's directory, for a report that is made anew.
pub(super) const LOADING: &str = "corpus.json";

/// Held by the process that sweeps an experiment.
const LOCK: &str = ".lock";

/// A sweep that is ready to start.
pub struct Preparation {
    /// The spec.
    pub experiment: Experiment,
    /// Where its runs are.
    pub dir: PathBuf,
    /// The runs database.
    pub store: Store,
    /// The experiment in it.
    pub key: ExperimentKey,
    /// Every run of the grid, by index.
    pub runs: Vec<RunSpec>,
    /// The runs in the database, by index.
    pub keys: Vec<RunKey>,
    /// What is left to do, by index: the number of the next attempt.
    pub owed: Vec<Owed>,
    /// Runs that were completed before.
    pub completed: u64,
    /// Runs that a dead orchestrator left running.
    pub taken_back: Vec<String>,
    /// Processes of theirs that were still alive, and were ended.
    pub killed: usize,
    /// The corpus as workers find it.
    pub dataset: Option<RunDataset>,
    /// Tab. 1.
    pub loading: Option<LoadingTable>,
    /// What the results may depend on beside the parameters.
    pub facts: Facts,
    /// Held while the sweep lasts: the operating system frees it however the process ends.
    _lock: File,
}

/// A run that is to be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Index in the grid.
    pub run: u64,
    /// Number of the next attempt.
    pub attempt: u32,
}

/// Images that are prepared and split.
pub struct Corpus {
    prepared: Prepared,
    parts: Vec<Part>,
    /// Tab. 1.
    pub loading: LoadingTable,
    fingerprint: String,
}

impl Corpus {
    /// The files that were left out as unreadable, with the reason.
    #[must_use]
    pub fn skipped(&self) -> &[corpus::BadFile] {
        &self.prepared.skipped
    }
}

/// Whether a process sweeps this experiment now: its lock is held.
#[must_use]
pub fn is_being_run(runs_dir: &Path, experiment: &str) -> bool {
    let path = experiment_dir(runs_dir, experiment).join(LOCK);
    let Ok(file) = File::open(path) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Prepares and splits the images of a spec, until `cancelled` becomes true.
///
/// # Errors
/// As `corpus::prepare` and `corpus::split`.
pub fn prepare_corpus(
    dataset: &Dataset,
    cache: &Path,
    progress: &dyn corpus::Progress,
    cancelled: &AtomicBool,
) -> Result<Corpus, SweepError> {
    let prepared = corpus::prepare(dataset, cache, progress, Some(cancelled))?;
    let parts = corpus::split(&prepared.labels(), &prepared.names(), &SplitRule::of(dataset))
        .map_err(CorpusError::from)?;
    let loading = LoadingTable::new(&prepared, &parts);
    let split: Vec<u8> = parts.iter().map(|part| *part as u8).collect();
    let fingerprint = {
        let mut hash = blake3::Hasher::new();
        hash.update(prepared.fingerprint.as_bytes());
        hash.update(&split);
        hash.finalize().to_hex()[..16].to_owned()
    };
    Ok(Corpus { prepared, parts, loading, fingerprint })
}

/// Refuses a spec that contradicts what was run under its name before. Reads only, and only if there is a database: what
/// a user should hear before the images are decoded.
///
/// # Errors
/// [`SweepError::Changed`], or where the database cannot be read.
pub async fn check_unchanged(runs_dir: &Path, experiment: &Experiment) -> Result<(), SweepError> {
    if !runs_dir.join(crate::store::FILE_NAME).exists() {
        return Ok(());
    }
    let mut store = Store::open_existing(runs_dir).await?;
    let record = store.experiment(&experiment.name).await?;
    store.close().await?;
    record.map_or(Ok(()), |record| unchanged(&record, experiment))
}

fn unchanged(record: &ExperimentRecord, experiment: &Experiment) -> Result<(), SweepError> {
    let differences = spec::difference(&record.spec, experiment);
    if differences.is_empty() {
        return Ok(());
    }
    Err(SweepError::Changed { experiment: experiment.name.clone(), differences })
}

/// Opens the ledger for a sweep: takes the experiment's lock, checks that spec and images are those of its earlier runs,
/// adds the runs that are missing, takes back what a dead orchestrator left, and writes the experiment's files.
///
/// # Errors
/// [`SweepError::Locked`], [`SweepError::Changed`], [`SweepError::OtherImages`], or what failed to be read or written.
pub async fn prepare(
    runs_dir: &Path,
    experiment: Experiment,
    corpus: Option<Corpus>,
) -> Result<Preparation, SweepError> {
    let dir = experiment_dir(runs_dir, &experiment.name);
    fs::create_dir_all(&dir).map_err(|source| SweepError::Io {
        what: "create",
        path: dir.clone(),
        source,
    })?;
    let dir = fs::canonicalize(&dir).map_err(|source| SweepError::Io { what: "find", path: dir, source })?;
    let lock = lock(&dir, &experiment.name)?;

    let mut store = Store::open(runs_dir).await?;
    let fingerprint = corpus.as_ref().map(|corpus| corpus.fingerprint.clone());
    let (key, created) = match store.experiment(&experiment.name).await? {
        None => {
            let now = wall_now();
            (store.create_experiment(&experiment, fingerprint.as_deref(), now).await?, now)
        }
        Some(record) => {
            unchanged(&record, &experiment)?;
            if let (Some(old), Some(new)) = (&record.fingerprint, &fingerprint)
                && old != new
            {
                let (experiment, old, new) = (experiment.name, old.clone(), new.clone());
                return Err(SweepError::OtherImages { experiment, old, new });
            }
            if record.spec != experiment {
                store.update_experiment(record.key, &experiment).await?;
            }
            (record.key, record.created)
        }
    };
    store.insert_runs(key, grid::runs(&experiment)).await?;
    let orphans = store.reset_orphans(key).await?;
    let killed = orphans::end(&dir);

    write_atomically(&dir.join("experiment.yaml"), spec::to_yaml(&experiment).as_bytes())?;
    hparams::write_experiment(&dir, &experiment, created)?;
    let dataset = corpus.as_ref().map(|corpus| write_split(&dir, &experiment, corpus)).transpose()?;

    let runs: Vec<RunSpec> = grid::runs(&experiment).collect();
    let records = store.runs(Some(key)).await?;
    let completed = records.iter().filter(|record| record.state == RunState::Completed).count() as u64;
    let owed = records
        .iter()
        .filter(|record| record.state != RunState::Completed)
        .map(|record| Owed { run: record.spec.index, attempt: record.attempts + 1 })
        .collect();
    let keys = records.iter().map(|record| record.key).collect();
    Ok(Preparation {
        experiment,
        dir,
        store,
        key,
        runs,
        keys,
        owed,
        completed,
        taken_back: orphans.into_iter().map(|orphan| orphan.name).collect(),
        killed,
        dataset,
        loading: corpus.map(|corpus| corpus.loading),
        facts: Facts::gather(Path::new(".")).await,
        _lock: lock,
    })
}

fn lock(dir: &Path, experiment: &str) -> Result<File, SweepError> {
    let path = dir.join(LOCK);
    let fail = |source| SweepError::Io { what: "open", path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SweepError::Locked { experiment: experiment.to_owned(), path }),
        Err(TryLockError::Error(source)) => Err(SweepError::Io { what: "lock", path, source }),
    }
}

/// Writes which image trains and which validates: `split.npy` for the workers, `corpus.csv` for people.
fn write_split(dir: &Path, experiment: &Experiment, corpus: &Corpus) -> Result<RunDataset, SweepError> {
    let split = dir.join("split.npy");
    corpus::write_split(&split, &corpus.parts).map_err(|error| SweepError::Io {
        what: "write",
        path: split.clone(),
        source: std::io::Error::other(error),
    })?;
    let loading = serde_json::to_vec_pretty(&corpus.loading).expect("plain counts are JSON");
    write_atomically(&dir.join(LOADING), &loading)?;
    let mut csv = "index,file,class,label,part\n".to_owned();
    for (index, (file, part)) in corpus.prepared.files.iter().zip(&corpus.parts).enumerate() {
        let class = &corpus.prepared.classes[usize::from(file.label)];
        let part = match part {
            Part::Train => "train",
            Part::Validation => "validation",
        };
        csv += &format!("{index},{},{},{},{part}\n", csv_field(&file.file), csv_field(class), file.label);
    }
    write_atomically(&dir.join("corpus.csv"), csv.as_bytes())?;
    Ok(RunDataset {
        cache: corpus.prepared.folder.clone(),
        split,
        fingerprint: corpus.fingerprint.clone(),
        classes: corpus.prepared.classes.clone(),
        image_size: experiment.dataset.as_ref().map_or(0, |dataset| dataset.image_size),
    })
}
