//! From the runs database to the report: the leaderboard and the files below `report/`.
//!
//! Called at the end of a sweep and by `gridboard report`: both write the same bytes.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    PublishError,
    audit::kept_audit,
    facts,
    predictions::{TakeError, take_predictions},
    test_set,
};
use crate::{
    base::{error::with_causes, files::FileError, signals::Signals},
    corpus::{LoadingTable, Progress},
    event::tags,
    metrics::ConfusionMatrix,
    predictions,
    rank::Leaderboard,
    report::{self, About, ReportInput, RunCurves, Table},
    run::ExperimentDir,
    spec::{Experiment, Suite},
    store::{ExperimentRecord, Reader, RunKey, RunRecord, Store, Untaken},
};

/// Facts of so many runs are collected, the best first: each takes a query and a file.
const MOST_FACTS: usize = 500;

/// What a report holds and where it is.
pub struct Finished {
    /// All runs of the experiment.
    pub leaderboard: Leaderboard,
    /// The best runs on the held-out test images; absent without a test set.
    pub test: Option<Table>,
    /// The files that were written.
    pub paths: Vec<PathBuf>,
    /// Predictions that could not be read, so that intervals, tests or curves lack them.
    pub warnings: Vec<String>,
}

/// Ranks an experiment, keeps its statistics in the database, evaluates its best runs on its test images where that is still
/// to be done, and writes its report. `progress` is told of the test images.
///
/// # Errors
/// Where the database cannot be read or written, or a file cannot be written; [`PublishError::Interrupted`] at the first
/// signal, with what was evaluated until then kept.
pub async fn report(
    store: &mut Store,
    runs_dir: &Path,
    record: &ExperimentRecord,
    progress: &dyn Progress,
    signals: &Signals,
) -> Result<Finished, PublishError> {
    let (input, warnings) = collect(store, runs_dir, record, progress, signals).await?;
    let dir = ExperimentDir::new(runs_dir, &record.name).report();
    let paths = report::files::write(&dir, &input)?;
    let test = report::test_table(&input.test);
    Ok(Finished { leaderboard: input.leaderboard, test, paths, warnings })
}

/// Writes the report of a suite over those of its experiments that were run. Returns the files written, `report.html` first,
/// and what could not be read.
///
/// # Errors
/// As [`report()`].
pub async fn report_suite(
    store: &mut Store,
    runs_dir: &Path,
    suite: &Suite,
    progress: &dyn Progress,
    signals: &Signals,
) -> Result<(Vec<PathBuf>, Vec<String>), PublishError> {
    let (mut inputs, mut missing, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
    for Experiment { name, .. } in &suite.experiments {
        let Some(record) = store.experiment(name).await? else {
            missing.push(name.clone());
            continue;
        };
        let (input, problems) = collect(store, runs_dir, &record, progress, signals).await?;
        inputs.push(input);
        warnings.extend(problems);
    }
    let dir = suite_dir(runs_dir, &suite.name);
    let paths = report::files::write_suite(&dir, &suite.name, &inputs, &missing)?;
    Ok((paths, warnings))
}

/// The folder of a suite's report: the point keeps it apart from every experiment, whose names have none.
#[must_use]
pub fn suite_dir(runs_dir: &Path, suite: &str) -> PathBuf {
    runs_dir.join(format!("{suite}.report"))
}

/// Everything that a report is made of, and what could not be read.
async fn collect(
    store: &mut Store,
    runs_dir: &Path,
    record: &ExperimentRecord,
    progress: &dyn Progress,
    signals: &Signals,
) -> Result<(ReportInput, Vec<String>), PublishError> {
    // What is read must be what others will read.
    store.be_in_place().await?;
    let mut warnings = take_older_predictions(store, runs_dir, record).await?;
    let mut leaderboard = store.leaderboard(record.key).await?;
    store.keep_statistics(record.key, &leaderboard).await?;
    let mut confusion: Vec<(String, ConfusionMatrix)> = Vec::new();
    let mut curves = Vec::new();
    let mut best_predictions = Vec::new();
    let runs: HashMap<RunKey, RunRecord> =
        store.runs(Some(record.key)).await?.into_iter().map(|run| (run.key, run)).collect();
    let dir = ExperimentDir::new(runs_dir, &record.name);
    let mut facts = Vec::new();
    for row in &leaderboard.rows {
        if signals.heard() {
            return Err(PublishError::Interrupted);
        }
        let Some(run) = runs.get(&row.key) else { continue };
        if let Some(rank) = row.rank {
            if let Some(file) = run.predictions.as_ref().filter(|_| rank <= MOST_CURVES) {
                match predictions::read(&runs_dir.join(file)) {
                    Ok(list) => best_predictions.push((row.run.clone(), list)),
                    Err(error) => warnings.push(with_causes(&error)),
                }
            }
            if let Some(matrix) = store.confusion(run.key).await? {
                confusion.push((row.run.clone(), matrix));
            }
            curves.push(run_curves(store, run.key, &row.run).await?);
        }
        if facts.len() < MOST_FACTS {
            facts.push(facts::of_run(store, &record.spec, &dir, run).await?);
        }
    }
    facts.sort_by_key(|facts| facts.index);
    let best = leaderboard.rows.iter().find(|row| row.rank == Some(1)).and_then(|row| runs.get(&row.key));
    let about = About {
        spec: record.spec.clone(),
        loading: loading(&dir)?,
        audit: kept_audit(&dir, record.fingerprint.as_deref())?,
        fingerprint: record.fingerprint.clone(),
        runs: facts,
        layers: best.map(|run| facts::layers(&record.spec, run)).unwrap_or_default(),
    };
    let xrays = match best.map(|run| facts::xrays(runs_dir, &dir, run)) {
        Some(Err(problem)) => {
            warnings.push(problem);
            None
        }
        Some(Ok(figure)) => figure,
        None => None,
    };
    if leaderboard.classes.is_empty() {
        let k = confusion.iter().map(|(_, matrix)| matrix.classes()).max().unwrap_or(0);
        leaderboard.classes = (0..k).map(|class| class.to_string()).collect();
        confusion.retain(|(_, matrix)| matrix.classes() == k);
    }
    let (test, untested) = test_set::results(&dir, &record.spec, &leaderboard, progress, signals);
    if signals.heard() {
        return Err(PublishError::Interrupted);
    }
    warnings.extend(untested);
    let input =
        ReportInput { leaderboard, confusion, curves, about, predictions: best_predictions, test, xrays };
    Ok((input, warnings))
}

/// The best runs whose ROC and PR curves are drawn: ten colours can be told apart.
const MOST_CURVES: u32 = 10;

/// Takes the predictions that an older Gridboard counted without keeping which images they have right. What cannot be read
/// comes back as a warning: the run then has no tests.
async fn take_older_predictions(
    store: &mut Store,
    runs_dir: &Path,
    record: &ExperimentRecord,
) -> Result<Vec<String>, PublishError> {
    let mut warnings = Vec::new();
    for Untaken { run, name, predictions } in store.untaken_predictions(record.key).await? {
        let dir = ExperimentDir::new(runs_dir, &record.name).run(&name);
        match take_predictions(store, run, &dir, &predictions, &record.classes).await {
            Ok(()) => {}
            Err(TakeError::File(problem)) => warnings.push(problem),
            Err(TakeError::Store(error)) => return Err(error.into()),
        }
    }
    Ok(warnings)
}

/// Tab. 1 as the preparation kept it; none for an experiment without images.
fn loading(dir: &ExperimentDir) -> Result<Option<LoadingTable>, PublishError> {
    let path = dir.loading_table();
    let fail = FileError::at("read", &path);
    match fs::read(&path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).map(Some).map_err(|error| fail(error.into()))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(fail(error).into()),
    }
}

async fn run_curves(store: &mut Reader, run: RunKey, name: &str) -> Result<RunCurves, PublishError> {
    let wanted = [tags::TRAIN_ACCURACY, tags::TRAIN_LOSS, tags::VALIDATION_ACCURACY, tags::VALIDATION_LOSS];
    let mut curves = store.history(run, &wanted).await?;
    let mut take = |tag: &str| {
        curves
            .iter_mut()
            .find(|curve| curve.tag == tag)
            .map(|curve| curve.points.drain(..).map(|point| (point.step, point.value)).collect())
            .unwrap_or_default()
    };
    Ok(RunCurves {
        run: name.to_owned(),
        train_accuracy: take(tags::TRAIN_ACCURACY),
        train_loss: take(tags::TRAIN_LOSS),
        validation_accuracy: take(tags::VALIDATION_ACCURACY),
        validation_loss: take(tags::VALIDATION_LOSS),
    })
}
