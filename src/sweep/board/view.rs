//! A log directory for TensorBoard that is made of links: several experiments in one table, or the best runs alone.
//!
//! Called by `gridboard tensorboard`, again and again while TensorBoard runs, so that it follows sweeps that go on. The curves
//! are the runs' own files, by links; the records of HParams are the view's, since each experiment has columns and rows of its
//! own that TensorBoard would mix up.

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{BoardError, margins::point_name};
use crate::{
    base::clock::wall_now,
    rank::Leaderboard,
    report::{Format, top_table},
    run::{ExperimentDir, RunState},
    spec::{Axis, Value},
    store::{ExperimentRecord, Reader, RunRecord},
    sweep::sinks::hparams,
    tags,
    tfevents::{
        EventWriter, WriteError,
        hparams::{
            HParamInfo, MetricInfo, Status, append_to_session, write_experiment_record, write_session,
        },
    },
};

/// The column that tells experiments apart.
const EXPERIMENT: &str = "experiment";

/// A log directory of links.
pub(crate) struct View {
    dir: PathBuf,
    records: Vec<ExperimentRecord>,
    /// So many runs of each experiment, the best first; all of them without.
    top: Option<usize>,
    writer: Option<EventWriter>,
    /// The tables that were last written, by experiment.
    tables: Vec<String>,
    /// Ranks that were written, by folder.
    ranked: HashSet<(PathBuf, u32)>,
}

impl View {
    /// A view in `dir`, an empty folder.
    #[must_use]
    pub(crate) fn new(dir: &Path, records: Vec<ExperimentRecord>, top: Option<usize>) -> Self {
        let tables = vec![String::new(); records.len()];
        Self { dir: dir.to_owned(), records, top, writer: None, tables, ranked: HashSet::new() }
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
            for run in
                runs.iter().filter(|run| shown.as_ref().is_none_or(|names| names.contains(&run.spec.name)))
            {
                let folder = self.dir.join(if several { &record.name } else { "" }).join(&run.spec.name);
                if link_run(dir.run(&run.spec.name).path(), &folder)? {
                    self.write_session(&folder, record, run, &axes, leaderboard)?;
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

    fn write_session(
        &mut self,
        folder: &Path,
        record: &ExperimentRecord,
        run: &RunRecord,
        axes: &[Axis],
        leaderboard: &Leaderboard,
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
        // A part of the seeds has no mean: the best runs are rows of their own.
        let group = match (record.spec.seeds.len() > 1 && self.top.is_none(), several) {
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
        let rank = leaderboard.rows.iter().find(|row| row.key == run.key).and_then(|row| row.rank);
        if let Some(rank) = rank.filter(|rank| self.ranked.insert((folder.to_owned(), *rank))) {
            #[expect(clippy::cast_precision_loss, reason = "a rank")]
            append_to_session(folder, started, (0, wall_now()), &[(tags::RANK, rank as f32)])?;
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
            let table = top_table(leaderboard, Some(top)).render(Format::Markdown, None);
            if table == self.tables[place] {
                continue;
            }
            let writer = match &mut self.writer {
                Some(writer) => writer,
                none => none.insert(EventWriter::create_as(&self.dir, ExperimentDir::BOARD)?),
            };
            let ranked = leaderboard.rows.iter().filter(|row| row.rank.is_some()).count();
            let step = i64::try_from(ranked).unwrap_or(i64::MAX);
            writer.text(&format!("top_ten/{}", names[place]), step, wall_now(), &table)?;
            writer.flush()?;
            self.tables[place] = table;
        }
        Ok(())
    }

    /// Removes the folders of runs that are no longer among the best. They hold links and a session, nothing else.
    fn remove_others(&self, wanted: &HashSet<PathBuf>) -> Result<(), WriteError> {
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
            }
        }
        Ok(())
    }
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

/// Makes a folder with a link to all that lies in a run's, but for Gridboard's own event file. Answers whether the run has a
/// folder.
fn link_run(run: &Path, folder: &Path) -> Result<bool, WriteError> {
    let Ok(entries) = fs::read_dir(run) else { return Ok(false) };
    fs::create_dir_all(folder).map_err(|source| WriteError::Create { path: folder.to_owned(), source })?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_curve = name.to_string_lossy().contains("tfevents")
            && !crate::tfevents::hparams::is_session(&entry.path());
        if !is_dir && !is_curve {
            continue;
        }
        let link = folder.join(&name);
        match symlink(entry.path(), &link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(WriteError::Create { path: link, source: error });
            }
            _ => {}
        }
    }
    Ok(true)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
