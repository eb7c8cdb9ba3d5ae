//! Everything before the first attempt: the spec against what was run before, the corpus, the ledger.
//!
//! Nothing is written before the spec, the devices and the images are known to be good.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    Surroundings, SweepError, change, earlier,
    images::{Corpus, write_split},
    past,
    purse::Spent,
    reuse,
    runs::Runs,
    sinks::hparams,
    stopping::Past,
    told::Told,
};
use crate::{
    base::{
        clock::wall_now,
        files::{Durability, write_whole},
    },
    corpus::LoadingTable,
    grid::{self, Suggested},
    index::{self, keep_record},
    launch::{Children, Left},
    run::{ExperimentDir, ExperimentLock, Quiet, RunDataset, RunSpec, RunState},
    spec::{self, Experiment},
    store::{ExperimentKey, ExperimentRecord, RunKey, RunRecord, Store},
};

/// How long a database that somebody else keeps locked is waited for.
const PATIENCE: Duration = Duration::from_secs(600);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// A sweep that is ready to start.
pub(crate) struct Preparation {
    /// The spec.
    pub experiment: Experiment,
    /// Where its runs are.
    pub dir: ExperimentDir,
    /// The runs directory.
    pub runs_dir: PathBuf,
    /// The runs database.
    pub store: Store,
    /// The experiment in it.
    pub key: ExperimentKey,
    /// When the experiment was first run, seconds since 1970.
    pub created: f64,
    /// The runs, by index: every one of the grid, or of the points that were suggested.
    pub runs: Runs,
    /// The points that the search has suggested.
    pub points: Vec<Suggested>,
    /// The runs in the database, by index.
    pub keys: Vec<RunKey>,
    /// What they are before the sweep, by index.
    pub states: Vec<RunState>,
    /// What the search knows of runs that have ended.
    pub(super) told: BTreeMap<u64, Told>,
    /// What earlier sweeps have left for the stopping rule.
    pub(super) past: Vec<Past>,
    /// What earlier sweeps have used of the budget.
    pub(super) spent: Spent,
    /// Runs of earlier sweeps that have completed in one attempt in the cluster, by index, and how long each took, seconds.
    pub(super) whole: Vec<(u64, f64)>,
    /// What is left to do, by index: the number of the next attempt.
    pub owed: Vec<Owed>,
    /// Runs that were completed before.
    pub completed: u64,
    /// Runs that a dead orchestrator left running.
    pub taken_back: Vec<String>,
    /// Completed runs whose folders are gone, which are owed again.
    pub gone: Vec<String>,
    /// Runs of an earlier spec that were removed.
    pub replaced: usize,
    /// Runs that have the results of other experiments' now, and whose.
    pub reused: Vec<(String, String)>,
    /// Processes of theirs that were still alive, and were ended.
    pub killed: usize,
    /// The corpus as workers find it.
    pub dataset: Option<RunDataset>,
    /// Tab. 1.
    pub loading: Option<LoadingTable>,
    /// What the results may depend on beside the parameters.
    pub surroundings: Surroundings,
    /// The mark of its processes.
    pub children: Children,
    /// Attempts that an earlier sweep has left in a cluster.
    pub left: Left,
    /// Held while the sweep lasts: the operating system frees it however the process ends.
    pub(super) lock: ExperimentLock,
}

/// A run that is to be trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owed {
    /// Index in the grid.
    pub run: u64,
    /// Number of the next attempt.
    pub attempt: u32,
    /// Whether the user does not want it, so that it waits until it is requeued.
    pub cancelled: bool,
    /// Whether the attempt is alive in a cluster, where an earlier sweep has left it.
    pub alive: bool,
}

/// What the user has said of earlier runs, and of who else has the experiment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Completed runs of an earlier spec may be removed.
    pub replace: bool,
    /// Results of other experiments are left alone.
    pub fresh: bool,
    /// The experiment is taken from an orchestrator on another machine.
    pub take_over: bool,
}

/// Opens the ledger for a sweep: takes the experiment's lock, compares spec and images with those of its earlier runs, removes
/// runs that the spec has not any more (completed ones only where `manner` says so), adds the runs that are missing, takes the results of other experiments, takes back what a dead orchestrator left, and writes the experiment's files. `say` is
/// told what it waits for.
///
/// # Errors
/// [`SweepError::Locked`], [`SweepError::Changed`], [`SweepError::OtherImages`], or what failed to be read or written.
pub(crate) async fn prepare(
    runs_dir: &Path,
    experiment: Experiment,
    corpus: Option<Corpus>,
    manner: Manner,
    say: impl Fn(&str),
) -> Result<Preparation, SweepError> {
    let dir = experiment_dir(runs_dir, &experiment.name)?;
    let lock = lock(&dir, &experiment.name, manner.take_over, &say).await?;
    // A sweep that was killed may have left it: nobody listens yet.
    dir.stop_listening()?;
    let children = Children::in_experiment(&dir).map_err(|source| SweepError::Io {
        what: "write",
        path: dir.children(),
        source,
    })?;
    // First of all: what is alive of an earlier sweep writes to the folders, and may be at the database.
    let killed = children.end_orphans();
    let fingerprint = corpus.as_ref().map(|corpus| corpus.fingerprint.as_str());
    let asked = Asked { runs_dir, experiment: &experiment, fingerprint, dir: &dir, manner };
    let Entered {
        mut store,
        key,
        created,
        records,
        taken_back,
        gone,
        replaced,
        reused,
        is_regrouped,
        points,
        left,
    } = enter_patiently(&asked, say).await?;

    write_whole(&dir.spec(), &[spec::to_yaml(&experiment).as_bytes()], Durability::Synced)?;
    let dataset = corpus.as_ref().map(|corpus| write_split(&dir, &experiment, corpus)).transpose()?;

    if is_regrouped {
        hparams::regroup_sessions(&dir, &experiment, &records)?;
    }
    let completed = records.iter().filter(|record| record.state.has_results()).count() as u64;
    let owed = records
        .iter()
        .filter(|record| record.state.is_owed() || record.state == RunState::Cancelled)
        .map(|record| Owed {
            run: record.spec.index.get(),
            attempt: record.attempts + 1,
            cancelled: record.state == RunState::Cancelled,
            alive: left.has(&record.spec.name, record.attempts + 1),
        })
        .collect();
    // A run keeps the name that its folder has, whatever this grid would call it.
    let named = |(run, record): (RunSpec, &RunRecord)| RunSpec { name: record.spec.name.clone(), ..run };
    let told = if experiment.suggests() {
        past::told(&mut store, &records, &experiment.rank.by.tag).await?
    } else {
        BTreeMap::new()
    };
    let past = match experiment.stop {
        Some(_) => past::past(&mut store, key, &records, &experiment.rank.by.tag).await?,
        None => Vec::new(),
    };
    let spent = match experiment.budget.is_default() {
        true => Spent::default(),
        false => past::spent(&mut store, key, &records).await?,
    };
    let whole = match &experiment.launcher {
        Some(plan) => past::whole_runs(&mut store, key, &records, plan).await?,
        None => Vec::new(),
    };
    let whole = whole.into_iter().map(|(run, seconds)| (run.spec.index.get(), seconds)).collect();
    // Of a search that learns the others come while the sweep lasts.
    let room = usize::try_from(grid::count(&experiment)).unwrap_or(usize::MAX);
    let runs = Runs::new(grid::runs_with(&experiment, &points).zip(&records).map(named), room);
    Ok(Preparation {
        runs,
        points,
        told,
        past,
        spent,
        whole,
        keys: records.iter().map(|record| record.key).collect(),
        states: records.iter().map(|record| record.state).collect(),
        experiment,
        dir,
        runs_dir: runs_dir.to_owned(),
        store,
        key,
        created,
        owed,
        completed,
        gone,
        replaced,
        reused,
        taken_back,
        killed,
        children,
        left,
        dataset,
        loading: corpus.map(|corpus| corpus.loading),
        surroundings: Surroundings::gather(Path::new(".")).await,
        lock,
    })
}

/// The experiment's folder, absolute: made if it is not there.
fn experiment_dir(runs_dir: &Path, experiment: &str) -> Result<ExperimentDir, SweepError> {
    let dir = ExperimentDir::new(runs_dir, experiment).path().to_owned();
    let fail = |what| {
        let path = dir.clone();
        move |source| SweepError::Io { what, path, source }
    };
    fs::create_dir_all(&dir).map_err(fail("create"))?;
    Ok(ExperimentDir::at(&fs::canonicalize(&dir).map_err(fail("find"))?))
}

/// What is to be entered in the ledger.
struct Asked<'a> {
    runs_dir: &'a Path,
    experiment: &'a Experiment,
    /// Content id of the images.
    fingerprint: Option<&'a str>,
    dir: &'a ExperimentDir,
    manner: Manner,
}

/// What the ledger knows of a sweep before it begins.
struct Entered {
    store: Store,
    key: ExperimentKey,
    /// When the experiment was first run, seconds since 1970.
    created: f64,
    /// Every run, in the order of the grid.
    records: Vec<RunRecord>,
    /// Runs that a dead orchestrator left running.
    taken_back: Vec<String>,
    /// Completed runs whose folders are gone.
    gone: Vec<String>,
    /// Runs of an earlier spec that were removed.
    replaced: usize,
    /// Runs that have the results of other experiments' now, and whose.
    reused: Vec<(String, String)>,
    /// The points that the search has suggested.
    points: Vec<Suggested>,
    /// Attempts that an earlier sweep has left in a cluster.
    left: Left,
    /// Whether the earlier spec had one seed and this one has several, or the other way round.
    is_regrouped: bool,
}

/// Enters a sweep in the ledger. Whoever keeps it locked, and a disk that is full, are waited for.
async fn enter_patiently(asked: &Asked<'_>, say: impl Fn(&str)) -> Result<Entered, SweepError> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        match enter(asked).await {
            Err(SweepError::Store(error)) if error.passes() && begun.elapsed() < PATIENCE => {
                if !told {
                    say(&format!("warning: {error}; it is tried again"));
                }
                told = true;
                tokio::time::sleep(PAUSE).await;
            }
            entered => return entered,
        }
    }
}

/// Enters a sweep in the ledger. Where it is cut off, doing it again does the rest.
async fn enter(asked: &Asked<'_>) -> Result<Entered, SweepError> {
    let Asked { experiment, fingerprint, dir, .. } = *asked;
    let mut store = Store::open(asked.runs_dir).await?;
    store.must_be_newest(dir)?;
    let (mut replaced, mut is_regrouped) = (0, false);
    let (key, created) = match store.experiment(&experiment.name).await? {
        None => {
            let now = wall_now();
            // Of an experiment that is not there nothing was learned.
            index::write_points(dir, &[])?;
            (store.create_experiment(experiment, fingerprint, now).await?, now)
        }
        Some(record) => {
            finish_removal(&mut store, record.key, dir).await?;
            replaced = take_spec(&mut store, &record, asked).await?;
            is_regrouped = (record.spec.seeds.len() > 1) != (experiment.seeds.len() > 1);
            (record.key, record.created)
        }
    };
    let before = index::read_points(dir)?;
    let points = grid::still_suggested(experiment, before.clone());
    if points != before {
        index::write_points(dir, &points)?;
    }
    if points != store.points(key).await? {
        store.set_points(key, &points).await?;
    }
    store.insert_runs(key, grid::runs_with(experiment, &points)).await?;
    keep_record(&mut store, key, dir).await?;
    store.be_newest(dir)?;
    let mut orphans = store.reset_orphans(key).await?;
    let mut left = earlier::left_in_cluster(dir, experiment)?;
    earlier::keep_alive(&mut store, &mut orphans, &left).await?;
    earlier::note_lost(dir, &orphans)?;
    let gone = earlier::take_back_gone(&mut store, key, dir).await?;
    let mut reused = Vec::new();
    if !asked.manner.fresh {
        reused = reuse::take(&mut store, key, experiment, fingerprint, dir).await?;
    }
    if experiment.stop.is_some() {
        past::keep_stopped(&mut store, key, dir).await?;
    }
    let mut records = store.runs(Some(key)).await?;
    earlier::cancel_unwanted(&mut store, key, dir, &mut records).await?;
    earlier::end_unwanted(&mut left, &records)?;
    let taken_back = orphans.into_iter().map(|orphan| orphan.name).collect();
    Ok(Entered {
        store,
        key,
        created,
        records,
        taken_back,
        gone,
        replaced,
        reused,
        is_regrouped,
        points,
        left,
    })
}

/// Puts a new spec in place of the one that the experiment was run with, and removes the runs that it has not. Returns how many
/// those were.
async fn take_spec(
    store: &mut Store,
    record: &ExperimentRecord,
    asked: &Asked<'_>,
) -> Result<usize, SweepError> {
    let Asked { experiment, fingerprint, dir, manner, .. } = *asked;
    let change = change::between(store, record, experiment, fingerprint, dir).await?;
    if let Some(change) = change.as_ref().filter(|_| !manner.replace) {
        change.refuse_loss()?;
    }
    if record.spec == *experiment && record.fingerprint.as_deref() == fingerprint {
        return Ok(0);
    }
    let none_stays = change.as_ref().is_some_and(|change| change.none_stays);
    let gone = change.map(|change| change.gone).unwrap_or_default();
    if none_stays {
        // What was learned is of other images.
        index::write_points(dir, &[])?;
    }
    let names: Vec<&str> = gone.iter().map(|run| run.name.as_str()).collect();
    let keys: Vec<RunKey> = gone.iter().map(|run| run.key).collect();
    if !names.is_empty() {
        dir.note_removal(&names)?;
    }
    store.update_experiment(record.key, experiment, fingerprint, &keys).await?;
    // Before runs of the same names come into the ledger.
    finish_removal(store, record.key, dir).await?;
    Ok(gone.len())
}

/// Removes the folders of runs that were taken out of the ledger.
async fn finish_removal(
    store: &mut Store,
    key: ExperimentKey,
    dir: &ExperimentDir,
) -> Result<(), SweepError> {
    let noted = dir.noted_removal()?;
    if noted.is_empty() {
        return Ok(());
    }
    let runs = store.runs(Some(key)).await?;
    let names: HashSet<&str> = runs.iter().map(|run| run.spec.name.as_str()).collect();
    // What is in the ledger was noted and not taken out.
    dir.finish_removal(|name| !names.contains(name))?;
    Ok(())
}

async fn lock(
    dir: &ExperimentDir,
    experiment: &str,
    take_over: bool,
    say: &impl Fn(&str),
) -> Result<ExperimentLock, SweepError> {
    let tell = |quiet: &Quiet| say(&format!("`{experiment}` is held by {quiet}"));
    match dir.take_lock_in_time(take_over, tell, tokio::time::sleep).await {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(SweepError::Locked { by: dir.busy(experiment), path: dir.lock() }),
        Err(source) => Err(SweepError::Io { what: "lock", path: dir.lock(), source }),
    }
}
