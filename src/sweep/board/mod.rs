//! The sweep's own run in TensorBoard, `.`: the leaderboard as text, the spec, where it all came from, charts that hold the
//! whole grid, bands over the seeds, and the columns of HParams.
//!
//! Kept by the ledger's task, which alone knows when ranks have been written; it reads the runs database and writes one event
//! file in the experiment's folder, made anew by each sweep. One file, because TensorBoard's loader in Python reads on only
//! in the newest of a folder. Nothing depends on it: what goes wrong is told once and tried again.

mod links;
mod margins;
mod pages;
mod view;

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

pub(crate) use links::Mirror;
use margins::SeededPoint;
pub(in crate::sweep) use margins::point_name;
use pages::Pages;
pub(crate) use view::{MOST_TICKED, View};

use super::{Preparation, sinks::hparams};
use crate::{
    base::clock::wall_now,
    predict::misclassified_xrays,
    rank::{Leaderboard, Row},
    report::top_table,
    run::{ExperimentDir, RunDataset, RunSpec, RunState},
    spec::Experiment,
    store::{ExperimentKey, RunKey, RunRecord, Store, StoreError},
    tags,
    tfevents::{
        Category, Chart, EventWriter, WriteError,
        hparams::{
            MetricInfo, StepOfCurves, append_image_to_session, append_to_session, remove_experiment_records,
            session_has, set_in_session,
        },
    },
};

/// Between two updates, at least.
const PAUSE: Duration = Duration::from_secs(4);
/// An update that takes long is followed by a pause of so many times that.
const REST: u32 = 30;
/// X-rays in a picture of wrong answers, at most.
const MOST_XRAYS: usize = 12;
/// So many letters are a line of the page Text in a window of 1,400 pixels.
const LETTERS: usize = 110;
/// In larger experiments, ranks are written at the end alone.
const MANY_RUNS: usize = 2000;

/// Why the sweep's own run is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The database cannot be read.
    #[error("the sweep's own page in TensorBoard is not up to date: {0}")]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error("the sweep's own page in TensorBoard is not up to date: {0}")]
    Write(#[from] WriteError),
}

/// Writes the sweep's own run.
pub(in crate::sweep) struct Board {
    experiment: Experiment,
    key: ExperimentKey,
    dir: ExperimentDir,
    dataset: Option<RunDataset>,
    created: f64,
    pages: Pages,
    points: Vec<SeededPoint>,
    /// The metrics that have bands.
    banded: Vec<String>,
    /// The file, once it is there.
    writer: Option<EventWriter>,
    /// Whether the columns of HParams are in it.
    has_columns: Option<Vec<MetricInfo>>,
    shown: Shown,
    /// When the next update may be.
    due: Instant,
}

/// What is in the file, and in those of the runs.
#[derive(Default)]
struct Shown {
    table: String,
    points: HashSet<usize>,
    ranks: HashMap<RunKey, u32>,
}

impl Board {
    /// The page of a sweep that is ready.
    pub(in crate::sweep) fn new(ready: &Preparation) -> Self {
        let points = margins::points(&ready.experiment, ready.runs.iter(), &ready.keys);
        Self {
            banded: margins::metrics(&ready.experiment, points.len()),
            experiment: ready.experiment.clone(),
            key: ready.key,
            dir: ready.dir.clone(),
            dataset: ready.dataset.clone(),
            created: ready.created,
            pages: Pages::new(ready),
            points,
            writer: None,
            has_columns: None,
            shown: Shown::default(),
            due: Instant::now(),
        }
    }

    /// Takes runs of a new point, with their keys.
    pub(in crate::sweep) fn add(&mut self, runs: &[RunSpec], keys: &[RunKey]) {
        self.points.extend(margins::points(&self.experiment, runs, keys));
        self.pages.add(runs.len());
    }

    /// When the next update may be.
    pub(in crate::sweep) fn due(&self) -> Instant {
        self.due
    }

    /// Whether the columns of HParams wait for what a program logs.
    pub(in crate::sweep) fn waits_for_points(&self) -> bool {
        self.has_columns.is_none()
    }

    /// Brings the page up to date with the database. At the `last` time everything is written, however long it takes.
    ///
    /// # Errors
    /// [`BoardError`]; the next update tries again.
    pub(in crate::sweep) async fn update(&mut self, store: &mut Store, last: bool) -> Result<(), BoardError> {
        let begun = Instant::now();
        let updated = self.try_update(store, last).await;
        if matches!(updated, Err(BoardError::Write(_))) {
            // What the file holds is not known any more: it is made anew.
            (self.writer, self.has_columns, self.shown) = (None, None, Shown::default());
        }
        self.due = Instant::now() + PAUSE.max(begun.elapsed() * REST);
        updated
    }

    async fn try_update(&mut self, store: &mut Store, last: bool) -> Result<(), BoardError> {
        let written =
            if self.experiment.is_command() { store.written_tags(self.key).await? } else { Vec::new() };
        let n_runs = self.pages.n_runs();
        let is_whole = last || self.experiment.seeds.len() > 1 || n_runs <= MANY_RUNS;
        let leaderboard = if is_whole {
            store.leaderboard(self.key).await?
        } else {
            store.leaderboard_head(self.key, self.experiment.rank.top, 0).await?
        };
        let columns = hparams::columns(&self.dir, &self.experiment, &leaderboard, &written);
        // TensorBoard keeps the first columns that it sees: those of a program are not known before it has logged.
        if self.has_columns.is_some() && self.has_columns != columns && last {
            (self.writer, self.has_columns, self.shown) = (None, None, Shown::default());
        }
        self.open()?;
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let now = wall_now();
        if self.has_columns.is_none()
            && let Some(metrics) = columns
        {
            writer.raw(0, now, hparams::experiment_record(&self.experiment, &metrics, self.created))?;
            writer.layout(now, &layout(&metrics, &self.banded))?;
            self.has_columns = Some(metrics);
        }
        let ranked = leaderboard.rows.iter().filter(|row| row.rank.is_some()).count();
        let step = i64::try_from(ranked + leaderboard.omitted.ranked).unwrap_or(i64::MAX);
        let table = table(&leaderboard, self.experiment.rank.top);
        if table != self.shown.table {
            writer.text(tags::LEADERBOARD, step, now, &table)?;
            self.shown.table = table;
        }
        self.write_bands(store, &leaderboard).await?;
        if is_whole {
            self.write_ranks(store, &leaderboard, step).await?;
        }
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
        }
        if last {
            self.write_misclassified(store, &leaderboard, step).await?;
        }
        Ok(())
    }

    /// Makes the file with what does not change, and removes that of the sweep before.
    fn open(&mut self) -> Result<(), WriteError> {
        if self.writer.is_some() {
            return Ok(());
        }
        let mut writer = EventWriter::create_as(self.dir.path(), ExperimentDir::BOARD)?;
        let now = wall_now();
        writer.start_at(0, now)?;
        for (tag, text) in self.pages.texts() {
            writer.text(tag, 0, now, text)?;
        }
        writer.flush()?;
        self.dir
            .remove_boards_but(writer.path())
            .map_err(|error| WriteError::Write { path: error.path, source: error.source })?;
        remove_experiment_records(self.dir.path())?;
        self.writer = Some(writer);
        Ok(())
    }

    /// Writes the bands of grid points whose seeds have all completed since, each into the run of its first seed.
    async fn write_bands(&mut self, store: &mut Store, leaderboard: &Leaderboard) -> Result<(), BoardError> {
        let completed: HashSet<RunKey> = leaderboard
            .rows
            .iter()
            .filter(|row| row.state == RunState::Completed)
            .map(|row| row.key)
            .collect();
        let is_new = |(place, point): &(usize, &SeededPoint)| {
            !self.shown.points.contains(place) && point.runs.iter().all(|run| completed.contains(run))
        };
        let new: Vec<usize> = self.points.iter().enumerate().filter(is_new).map(|(place, _)| place).collect();
        if new.is_empty() {
            return Ok(());
        }
        let records = store.runs(Some(self.key)).await?;
        let records: HashMap<RunKey, &RunRecord> =
            records.iter().map(|record| (record.key, record)).collect();
        for place in new {
            let point = &self.points[place];
            let mut steps: Vec<StepOfCurves> = Vec::new();
            for metric in &self.banded {
                let mut seeds = Vec::with_capacity(point.runs.len());
                for run in &point.runs {
                    seeds.extend(store.history(*run, &[metric]).await?);
                }
                if seeds.len() == point.runs.len() {
                    steps.extend(margins::steps(metric, &seeds));
                }
            }
            let first = point.runs.first().and_then(|run| records.get(run));
            if let Some((record, started)) = first.and_then(|record| Some((record, record.started?))) {
                let dir = self.dir.run(&record.spec.name);
                set_in_session(dir.path(), started, tags::SEEDS_FOLDER, &steps)?;
            }
            self.shown.points.insert(place);
        }
        Ok(())
    }

    /// Adds X-rays that they have wrong to the files of the best runs, which are told apart by them.
    async fn write_misclassified(
        &mut self,
        store: &mut Store,
        leaderboard: &Leaderboard,
        step: i64,
    ) -> Result<(), BoardError> {
        let Some(dataset) = self.dataset.clone().filter(|_| !self.experiment.is_command()) else {
            return Ok(());
        };
        let top = usize::try_from(self.experiment.rank.top).unwrap_or(usize::MAX);
        let best: HashSet<RunKey> =
            leaderboard.rows.iter().filter(|row| row.rank.is_some()).take(top).map(|row| row.key).collect();
        for run in store.runs(Some(self.key)).await? {
            let Some(started) = run.started.filter(|_| best.contains(&run.key)) else { continue };
            let dir = self.dir.run(&run.spec.name);
            if session_has(dir.path(), started, tags::MISCLASSIFIED) {
                continue;
            }
            let (predictions, dataset) = (dir.predictions(), dataset.clone());
            let title = format!("{}: wrong answers", run.spec.name);
            // Drawing takes some tens of milliseconds.
            let figure = tokio::task::spawn_blocking(move || {
                misclassified_xrays(&title, &predictions, &dataset, MOST_XRAYS).ok()
            });
            // Without a wrong answer there is nothing to draw, and of predictions that are damaged the report tells.
            let Ok(Some(figure)) = figure.await else { continue };
            let size = (2 * figure.width, 2 * figure.height);
            let image = (figure.png, size.0, size.1);
            append_image_to_session(dir.path(), started, (step, wall_now()), tags::MISCLASSIFIED, image)?;
        }
        Ok(())
    }

    /// Adds the ranks that have moved to the runs' own files.
    async fn write_ranks(
        &mut self,
        store: &mut Store,
        leaderboard: &Leaderboard,
        step: i64,
    ) -> Result<(), BoardError> {
        let mut moved = ranks(leaderboard, self.experiment.seeds.len() > 1);
        moved.retain(|run, rank| self.shown.ranks.get(run) != Some(rank));
        if moved.is_empty() {
            return Ok(());
        }
        let now = wall_now();
        for run in store.runs(Some(self.key)).await? {
            let (Some(&rank), Some(started)) = (moved.get(&run.key), run.started) else { continue };
            #[expect(clippy::cast_precision_loss, reason = "a rank")]
            let value = rank as f32;
            let dir = self.dir.run(&run.spec.name);
            append_to_session(dir.path(), started, (step, now), &[(tags::RANK, value)])?;
            self.shown.ranks.insert(run.key, rank);
        }
        Ok(())
    }
}

/// The ranks of HParams' rows, by run: those of the grid points where the seeds of one are a row (`by_point`).
fn ranks(leaderboard: &Leaderboard, by_point: bool) -> HashMap<RunKey, u32> {
    let seeds = leaderboard.seeds.len();
    let mut of_points: HashMap<u64, u32> = HashMap::new();
    if by_point {
        let ranked = leaderboard.grid_points().into_iter();
        of_points.extend(ranked.filter_map(|point| Some((point.index.point(seeds), point.rank?))));
    }
    let rank = |row: &Row| {
        let own = row.rank?;
        Some((row.key, if by_point { *of_points.get(&row.index.point(seeds))? } else { own }))
    };
    leaderboard.rows.iter().filter_map(rank).collect()
}

/// The head of the leaderboard for the page Text, which breaks numbers where a table is too wide.
fn table(leaderboard: &Leaderboard, top: u32) -> String {
    top_table(leaderboard, Some(top)).markdown_within(LETTERS, "gridboard top --format csv")
}

/// What Custom Scalars shows: a chart for each metric with the whole grid in it, then the bands.
fn layout(metrics: &[MetricInfo], banded: &[String]) -> Vec<Category> {
    let mut tags: Vec<&str> = Vec::new();
    for metric in metrics.iter().filter(|metric| metric.tag != tags::RANK) {
        if !tags.contains(&metric.tag.as_str()) {
            tags.push(&metric.tag);
        }
    }
    let chart =
        |tag: &&str| Chart::Tag { title: format!("{tag} of every ticked run"), tag: (*tag).to_owned() };
    let grid = Category {
        title: "the whole grid".to_owned(),
        charts: tags.iter().map(chart).collect(),
        closed: false,
    };
    let mut categories = margins::categories(banded);
    categories.push(grid);
    categories
}
