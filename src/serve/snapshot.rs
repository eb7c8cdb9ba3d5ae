//! What a page knows of an experiment at a moment, and what is new of it at the next. Pure but for the reading.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::{
    rank::axis_columns,
    run::{ExperimentDir, RunKey, SweepStatus},
    store::{ExperimentRecord, MetricColumn, OverviewRun, Reader, StoreError},
};

/// So many of the best runs are tested against the best one.
const TESTED: u32 = 20;

/// An experiment at a moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) record: ExperimentRecord,
    pub(super) metrics: Vec<MetricColumn>,
    pub(super) runs: Vec<OverviewRun>,
    /// How far the curves of live runs are.
    growth: HashMap<i64, f64>,
    /// The best run and its ties, for the strip.
    best: Json,
    pub(super) strip: Json,
}

/// What a page begins with.
#[derive(Serialize)]
struct Whole<'a> {
    id: &'a str,
    experiment: &'a str,
    created: f64,
    axes: &'a [String],
    axis_columns: Vec<String>,
    metrics: &'a [MetricColumn],
    goal: Json,
    classes: &'a [String],
    seeds: Json,
    fields: [&'static str; OverviewRun::FIELDS.len()],
    runs: &'a [OverviewRun],
    strip: &'a Json,
}

/// What is new.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Runs whose rows are others.
    pub(super) runs: Vec<Json>,
    /// Runs whose curve of the ranking metric has other points: key, and the step after which; `None` for all.
    pub(super) points: Vec<(i64, Option<i64>)>,
    /// Runs of which any curve has grown.
    pub(super) grown: Vec<i64>,
    /// Whether the strip is another.
    pub(super) strip: bool,
    /// Whether everything has to be read anew: runs have come or gone, columns are others.
    pub(super) reset: bool,
}

impl News {
    pub(super) fn is_nothing(&self) -> bool {
        self.runs.is_empty() && self.points.is_empty() && self.grown.is_empty() && !self.strip && !self.reset
    }
}

impl Snapshot {
    /// Reads an experiment. `before` spares what has not changed.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub(super) async fn read(
        reader: &mut Reader,
        record: ExperimentRecord,
        dir: &ExperimentDir,
        before: Option<&Self>,
    ) -> Result<Self, StoreError> {
        let metrics = reader.metric_columns(record.key, &record.spec.rank).await?;
        let runs = reader.overview(record.key, &record.spec.rank, &metrics).await?;
        let growth = reader.growth(record.key).await?;
        let ranks = |runs: &[OverviewRun]| -> Vec<(i64, Option<i64>)> {
            runs.iter().filter(|run| run.rank.is_some()).map(|run| (run.id, run.rank)).collect()
        };
        let best = match before.filter(|before| ranks(&before.runs) == ranks(&runs)) {
            Some(before) => before.best.clone(),
            None => best(reader, &record, &runs).await?,
        };
        let mut snapshot = Self { record, metrics, runs, growth, best, strip: Json::Null };
        snapshot.strip = snapshot.strip(dir);
        Ok(snapshot)
    }

    /// The strip: counts, what the sweep says of itself, and the best run.
    pub(super) fn strip(&self, dir: &ExperimentDir) -> Json {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for run in &self.runs {
            *counts.entry(run.state.as_str()).or_default() += 1;
        }
        let live = dir.is_locked();
        let status: Option<SweepStatus> = if live { dir.sweep_status() } else { None };
        json!({
            "runs": self.runs.len(), "counts": counts, "live": live, "status": status, "best": self.best,
        })
    }

    /// The same with another strip.
    pub(super) fn with_strip(&self, strip: Json) -> Self {
        Self { strip, ..self.clone() }
    }

    /// Everything as JSON, for a page that begins. Written in one go: of thousands of runs, a tree would take longer than SQL.
    pub(super) fn whole(&self, id: &str) -> String {
        let ExperimentRecord { name, axes, spec, classes, created, .. } = &self.record;
        let whole = Whole {
            id,
            experiment: name,
            created: *created,
            axes,
            axis_columns: axis_columns(axes, &spec.rank),
            metrics: &self.metrics,
            goal: json!(spec.rank.by.goal),
            classes,
            seeds: json!(spec.seeds),
            fields: OverviewRun::FIELDS,
            runs: &self.runs,
            strip: &self.strip,
        };
        serde_json::to_string(&whole).expect("rows and names are JSON")
    }

    /// What is new since `before`.
    pub(super) fn since(&self, before: &Self) -> News {
        let mut news = News { strip: self.strip != before.strip, ..News::default() };
        let same = self.metrics == before.metrics
            && self.record.axes == before.record.axes
            // A search adds runs behind those that are there.
            && self.runs.len() >= before.runs.len()
            && self.runs.iter().zip(&before.runs).all(|(run, known)| run.id == known.id);
        if !same {
            return News { reset: true, ..news };
        }
        for (run, known) in self.runs.iter().zip(&before.runs) {
            if run != known {
                news.runs.push(json!(run));
            }
            let anew = run.attempts != known.attempts || run.step < known.step;
            let value = |run: &OverviewRun| run.metrics.first().copied().flatten().map(f64::to_bits);
            if anew {
                news.points.push((run.id, None));
            } else if run.step > known.step {
                news.points.push((run.id, known.step));
            } else if value(run) != value(known) {
                news.points.push((run.id, known.step.map(|step| step - 1)));
            }
        }
        for run in &self.runs[before.runs.len()..] {
            news.runs.push(json!(run));
            if run.step.is_some() {
                news.points.push((run.id, None));
            }
        }
        let grown = self.growth.iter().filter(|(run, growth)| before.growth.get(run) != Some(growth));
        news.grown = grown.map(|(run, _)| *run).collect();
        news
    }

    /// The name of a run.
    pub(super) fn name_of(&self, key: i64) -> Option<&str> {
        self.runs.iter().find(|run| run.id == key).map(|run| run.name.as_str())
    }

    /// The key of the run of this name.
    pub(super) fn key_of(&self, name: &str) -> Option<RunKey> {
        self.runs.iter().find(|run| run.name == name).map(|run| RunKey::new(run.id))
    }
}

/// The best run with its interval, and which of the next ones the test cannot tell from it.
async fn best(
    reader: &mut Reader,
    record: &ExperimentRecord,
    runs: &[OverviewRun],
) -> Result<Json, StoreError> {
    if runs.iter().all(|run| run.rank.is_none()) {
        return Ok(Json::Null);
    }
    let head = reader.leaderboard_head(record.key, TESTED + 1, 0).await?;
    // It may be the whole board.
    let ranked = head.rows.iter().filter(|row| row.rank.is_some()).count();
    let rows = &head.rows[..ranked.min(TESTED as usize + 1)];
    let Some(first) = rows.first() else { return Ok(Json::Null) };
    let interval = first.tally.and_then(|tally| tally.interval());
    let ties: Vec<&str> =
        rows.iter().filter(|row| row.standing.ties() == Some(true)).map(|row| row.run.as_str()).collect();
    Ok(json!({
        "run": first.run, "key": first.key.get(), "value": first.by, "low": interval.map(|interval| interval.low),
        "high": interval.map(|interval| interval.high), "images": first.tally.map(|tally| tally.images),
        "ties": ties, "tested": rows.len() - 1,
    }))
}
