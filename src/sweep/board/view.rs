//! A log directory for TensorBoard that is made of links: several experiments in one table, or the best runs alone.
//!
//! Called by `gridboard tensorboard`, again and again while TensorBoard runs, so that it follows sweeps that go on. The curves
//! are the runs' own files, by links; the records of HParams are the view's, since each experiment has columns and rows of its
//! own that TensorBoard would mix up.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use super::{BoardError, layout, links::Links, margins, margins::point_name, ranks};
use crate::{
    base::clock::wall_now,
    rank::Leaderboard,
    run::{ExperimentDir, RunState},
    spec::{Axis, Value},
    store::{ExperimentRecord, Reader, RunRecord},
    sweep::sinks::hparams,
    tags,
    tfevents::{
        EventWriter, WriteError,
        hparams::{
            HParamInfo, MetricInfo, Status, append_to_session, copy_session, is_session,
            write_experiment_record, write_session,
        },
    },
};

/// With more series than these, TensorBoard ticks none by itself on its older pages.
pub(crate) const MOST_TICKED: usize = 40;
/// The column that tells experiments apart.
const EXPERIMENT: &str = "experiment";

/// A log directory of links.
pub(crate) struct View {
    dir: PathBuf,
    records: Vec<ExperimentRecord>,
    /// So many runs of each experiment, the best first; all of them without.
    top: Option<usize>,
    writer: Option<EventWriter>,
    /// Whether its charts are written: TensorBoard takes the first that it sees.
    has_layout: bool,
    /// The tables that were last written, by experiment.
    tables: Vec<String>,
    /// Ranks that were written, by folder.
    ranked: HashMap<PathBuf, u32>,
    /// Up to where the runs' own sessions have been copied, with the start of their attempts, by folder.
    copied: HashMap<PathBuf, (f64, u64)>,
    links: Links,
}

impl View {
    /// A view in `dir`, an empty folder.
    #[must_use]
    pub(crate) fn new(dir: &Path, records: Vec<ExperimentRecord>, top: Option<usize>) -> Self {
        let tables = vec![String::new(); records.len()];
        Self {
            dir: dir.to_owned(),
            records,
            top,
            writer: None,
            has_layout: false,
            tables,
            ranked: HashMap::new(),
            copied: HashMap::new(),
            links: Links::default(),
        }
    }

    /// Brings the folder up to date with the runs database and the runs' folders. Returns the number of runs in it.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub(crate) async fn refresh(
        &mut self,
        reader: &mut Reader,
        runs_dir: &Path,
    ) -> Result<usize, BoardError> {
        let (mut axes, mut columns): (Vec<Axis>, Vec<MetricInfo>) = (Vec::new(), Vec::new());
        let mut boards = Vec::new();
        let mut wanted = HashSet::new();
        let several = self.records.len() > 1;
        if several {
            let names = self.records.iter().map(|record| Value::Text(record.name.clone())).collect();
            axes.push(Axis { name: EXPERIMENT.to_owned(), values: names, range: None });
        }
        for place in 0..self.records.len() {
            let record = self.records[place].clone();
            let dir = ExperimentDir::at(&absolute(&runs_dir.join(&record.name)));
            let leaderboard = reader.leaderboard(record.key).await?;
            let written = reader.written_tags(record.key).await?;
            for axis in hparams::axes(&record.spec) {
                merge(&mut axes, axis);
            }
            for column in hparams::columns(&dir, &record.spec, &leaderboard, &written).unwrap_or_default() {
                if !columns.contains(&column) {
                    columns.push(column);
                }
            }
            let shown = self.shown(&leaderboard);
            let runs = reader.runs(Some(record.key)).await?;
            boards.push((dir, record, leaderboard, runs, shown));
        }
        for (dir, record, leaderboard, runs, shown) in &boards {
            let ranks = ranks(leaderboard, self.has_rows_of_points(record));
            for run in
                runs.iter().filter(|run| shown.as_ref().is_none_or(|names| names.contains(&run.spec.name)))
            {
                let folder = self.dir.join(if several { &record.name } else { "" }).join(&run.spec.name);
                let original = dir.run(&run.spec.name);
                let mut links = std::mem::take(&mut self.links);
                let is_left_out = |path: &Path| self.is_left_out(record, path);
                let brought = links.bring(original.path(), &folder, &is_left_out);
                self.links = links;
                if brought? {
                    self.write_session(&folder, record, run, &axes, ranks.get(&run.key).copied())?;
                    self.copy_session(original.path(), &folder, run)?;
                    wanted.insert(folder);
                }
            }
        }
        self.remove_others(&wanted)?;
        self.write_root(&axes, &columns, &boards.iter().map(|board| &board.2).collect::<Vec<_>>())?;
        Ok(wanted.len())
    }

    /// The runs that are shown, where not all are.
    fn shown(&self, leaderboard: &Leaderboard) -> Option<HashSet<String>> {
        let best = leaderboard.rows.iter().filter(|row| row.rank.is_some());
        self.top.map(|top| best.take(top).map(|row| row.run.clone()).collect())
    }

    /// Whether the seeds of a grid point are one row. A part of them has no mean: the best runs are rows of their own.
    fn has_rows_of_points(&self, record: &ExperimentRecord) -> bool {
        record.spec.seeds.len() > 1 && self.top.is_none()
    }

    /// Whether a file or folder of a run is not linked: its own session, which the view has another of; and among the best, batches
    /// are what makes them more than TensorBoard ticks.
    fn is_left_out(&self, record: &ExperimentRecord, path: &Path) -> bool {
        let series = |top: usize| 1 + top * self.records.len() * (1 + tags::SUB_RUNS.len());
        let is_batch = path.file_name().is_some_and(|name| name == tags::BATCH_FOLDER.trim_end_matches('/'))
            && !record.spec.is_command()
            && self.top.is_some_and(|top| series(top) > MOST_TICKED);
        is_batch || is_session(path)
    }

    /// Brings over what the run's own session has beside its row.
    fn copy_session(&mut self, original: &Path, folder: &Path, run: &RunRecord) -> Result<(), WriteError> {
        let Some(started) = run.started else { return Ok(()) };
        let (of, offset) = self.copied.get(folder).copied().unwrap_or((started, 0));
        let offset = if of.to_bits() == started.to_bits() { offset } else { 0 };
        let offset = copy_session(original, folder, started, offset)?;
        self.copied.insert(folder.to_owned(), (started, offset));
        Ok(())
    }

    fn write_session(
        &mut self,
        folder: &Path,
        record: &ExperimentRecord,
        run: &RunRecord,
        axes: &[Axis],
        rank: Option<u32>,
    ) -> Result<(), WriteError> {
        let Some(started) = run.started else { return Ok(()) };
        let several = self.records.len() > 1;
        let mut values = run.spec.axes.clone();
        if several {
            values.insert(0, (EXPERIMENT.to_owned(), Value::Text(record.name.clone())));
        }
        let values: Vec<(String, Value)> = values
            .iter()
            .map(|(name, value)| (name.clone(), hparams::stable_in(axes, name, value)))
            .collect();
        let group = match (self.has_rows_of_points(record), several) {
            (false, _) => String::new(),
            (true, false) => point_name(&run.spec).to_owned(),
            (true, true) => format!("{}/{}", record.name, point_name(&run.spec)),
        };
        let end = match (run.state, run.finished) {
            (RunState::Completed, Some(finished)) => Some((Status::Success, finished)),
            (RunState::Failed, Some(finished)) => Some((Status::Failure, finished)),
            _ => None,
        };
        write_session(folder, &values, &group, started, end)?;
        if let Some(rank) = rank.filter(|rank| self.ranked.get(folder) != Some(rank)) {
            #[expect(clippy::cast_precision_loss, reason = "a rank")]
            append_to_session(folder, started, (0, wall_now()), &[(tags::RANK, rank as f32)])?;
            self.ranked.insert(folder.to_owned(), rank);
        }
        Ok(())
    }

    /// The columns of HParams, and the leaderboards as texts.
    fn write_root(
        &mut self,
        axes: &[Axis],
        columns: &[MetricInfo],
        leaderboards: &[&Leaderboard],
    ) -> Result<(), WriteError> {
        let infos: Vec<HParamInfo> = axes
            .iter()
            .map(|axis| {
                let values: Vec<Value> =
                    axis.values.iter().map(|value| hparams::stable_in(axes, &axis.name, value)).collect();
                HParamInfo::new(&axis.name, &values)
            })
            .collect();
        // Of one time, so that it is written again only where it has changed.
        let created = self.records.iter().map(|record| record.created).fold(f64::INFINITY, f64::min);
        let names: Vec<&str> = self.records.iter().map(|record| record.name.as_str()).collect();
        write_experiment_record(&self.dir, &infos, columns, &names.join(", "), "", created)?;
        for (place, leaderboard) in leaderboards.iter().enumerate() {
            let top = self.records[place].spec.rank.top;
            let table = super::table(leaderboard, top);
            if table == self.tables[place] {
                continue;
            }
            let writer = opened(&mut self.writer, &self.dir)?;
            let ranked = leaderboard.rows.iter().filter(|row| row.rank.is_some()).count();
            let step = i64::try_from(ranked).unwrap_or(i64::MAX);
            writer.text(&format!("{}/{}", tags::LEADERBOARD, names[place]), step, wall_now(), &table)?;
            writer.flush()?;
            self.tables[place] = table;
        }
        if !self.has_layout && !columns.is_empty() {
            let mut banded: Vec<String> = Vec::new();
            for (record, leaderboard) in self.records.iter().zip(leaderboards) {
                // Of the best runs, most are not the first seed, which has the band.
                let seeds = if self.has_rows_of_points(record) { record.spec.seeds.len() } else { continue };
                let points = leaderboard.rows.len() / seeds;
                for metric in margins::metrics(&record.spec, points) {
                    if !banded.contains(&metric) {
                        banded.push(metric);
                    }
                }
            }
            let writer = opened(&mut self.writer, &self.dir)?;
            writer.layout(wall_now(), &layout(columns, &banded))?;
            writer.flush()?;
            self.has_layout = true;
        }
        Ok(())
    }

    /// Removes the folders of runs that are no longer among the best. They hold links and a session, nothing else.
    fn remove_others(&mut self, wanted: &HashSet<PathBuf>) -> Result<(), WriteError> {
        if self.top.is_none() {
            return Ok(());
        }
        let parents: Vec<PathBuf> = match self.records.as_slice() {
            [_] => vec![self.dir.clone()],
            records => records.iter().map(|record| self.dir.join(&record.name)).collect(),
        };
        for entry in parents.iter().flat_map(fs::read_dir).flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !wanted.contains(&entry.path()) {
                fs::remove_dir_all(entry.path())
                    .map_err(|source| WriteError::Write { path: entry.path(), source })?;
                self.copied.remove(&entry.path());
                self.links.forget(&entry.path());
                self.ranked.remove(&entry.path());
            }
        }
        Ok(())
    }
}

/// The view's own file, made where it is not there yet.
fn opened<'a>(writer: &'a mut Option<EventWriter>, dir: &Path) -> Result<&'a mut EventWriter, WriteError> {
    Ok(match writer {
        Some(writer) => writer,
        none => none.insert(EventWriter::create_as(dir, ExperimentDir::BOARD)?),
    })
}

/// An axis among others: the values of one name are taken together.
fn merge(axes: &mut Vec<Axis>, axis: Axis) {
    match axes.iter_mut().find(|known| known.name == axis.name) {
        None => axes.push(axis),
        Some(known) => {
            let new: Vec<Value> =
                axis.values.into_iter().filter(|value| !known.values.contains(value)).collect();
            known.values.extend(new);
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
