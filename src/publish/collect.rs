//! From the runs database to the report: the leaderboard and the files below `report/`.
//!
//! Called at the end of a sweep and by `gridboard report`: both write the same bytes.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use super::{
    PublishError,
    audit::{kept, kept_audit},
    hardware,
    predictions::{checked_predictions, take_predictions},
    run_details, test_set,
};
use crate::{
    base::signals::Signals,
    corpus::PreparationProgress,
    metrics::ConfusionMatrix,
    rank::{Leaderboard, folder_of, importances, series_named, standard_metrics},
    report::{self, About, ReportInput, RunCurves, Table},
    run::{ExperimentDir, RunDir},
    spec::{Experiment, Suite},
    store::{ExperimentRecord, Reader, RunKey, RunRecord, Store, Untaken},
    tags,
};

/// Facts of so many runs are collected, the best first: each takes a query and a file.
const MOST_FACTS: usize = 500;

/// What a report holds and where it is.
pub(crate) struct Finished {
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
pub(crate) async fn report(
    store: &mut Store,
    runs_dir: &Path,
    record: &ExperimentRecord,
    progress: &dyn PreparationProgress,
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
pub(crate) async fn report_suite(
    store: &mut Store,
    runs_dir: &Path,
    suite: &Suite,
    progress: &dyn PreparationProgress,
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
pub(crate) fn suite_dir(runs_dir: &Path, suite: &str) -> PathBuf {
    runs_dir.join(format!("{suite}.report"))
}

/// Everything that a report is made of, and what could not be read.
async fn collect(
    store: &mut Store,
    runs_dir: &Path,
    record: &ExperimentRecord,
    progress: &dyn PreparationProgress,
    signals: &Signals,
) -> Result<(ReportInput, Vec<String>), PublishError> {
    // What is read must be what others will read.
    store.be_in_place().await?;
    let mut warnings = take_untaken_predictions(store, runs_dir, record).await?;
    let mut leaderboard = store.leaderboard(record.key).await?;
    let mattered = importances(&record.spec, &leaderboard);
    store.keep_statistics(record.key, &leaderboard, mattered.as_ref()).await?;
    let mut confusion: Vec<(String, ConfusionMatrix)> = Vec::new();
    let mut curves = Vec::new();
    let mut best_predictions = Vec::new();
    let others = further_metrics(&leaderboard);
    let runs = store.runs(Some(record.key)).await?;
    let by_key: HashMap<RunKey, &RunRecord> = runs.iter().map(|run| (run.key, run)).collect();
    let dir = ExperimentDir::new(runs_dir, &record.name);
    let mut facts = Vec::new();
    for row in &leaderboard.rows {
        if signals.heard() {
            return Err(PublishError::Interrupted);
        }
        let Some(&run) = by_key.get(&row.key) else { continue };
        if let Some(rank) = row.rank {
            let matrix = store.confusion(run.key).await?;
            if let Some(file) = run.predictions.as_ref().filter(|_| rank <= MOST_CURVES) {
                let path = runs_dir.join(file);
                let (read, problems) = checked_predictions(&path, &record.classes, matrix.as_ref());
                warnings.extend(
                    problems.into_iter().map(|problem| format!("{}/{}: {problem}", record.name, row.run)),
                );
                // A curve is of probabilities.
                let rows = read.map(|read| read.rows).unwrap_or_default();
                if rows.first().is_some_and(|row| !row.probabilities.is_empty()) {
                    best_predictions.push((row.run.clone(), rows));
                }
            }
            confusion.extend(matrix.map(|matrix| (row.run.clone(), matrix)));
            curves.push(run_curves(store, run.key, &row.run, &leaderboard.rule.by.tag, &others).await?);
        }
        if facts.len() < MOST_FACTS {
            facts.push(run_details::of_run(store, &record.spec, &dir, run).await?);
        }
    }
    facts.sort_by_key(|facts| facts.index);
    let best =
        leaderboard.rows.iter().find(|row| row.rank == Some(1)).and_then(|row| by_key.get(&row.key).copied());
    let about = About {
        spec: record.spec.clone(),
        loading: known(kept(&dir.loading_table()), &mut warnings),
        audit: known(kept_audit(&dir, record.fingerprint.as_deref()), &mut warnings),
        fingerprint: record.fingerprint.clone(),
        runs: facts,
        layers: best.map(|run| run_details::layers(&record.spec, run)).unwrap_or_default(),
    };
    let xrays = match best.map(|run| run_details::xrays(runs_dir, &dir, run)) {
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
    // A file may be read for several reasons.
    let mut seen = HashSet::new();
    warnings.retain(|warning| seen.insert(warning.clone()));
    // An import was trained elsewhere: its slots are not known.
    let attempts = hardware::attempts(store, &runs, false).await?;
    let slots = report::lanes(&attempts).into_iter().filter(|lane| !lane.slot.is_empty()).collect();
    let input = ReportInput {
        leaderboard,
        confusion,
        curves,
        about,
        predictions: best_predictions,
        test,
        xrays,
        slots,
    };
    Ok((input, warnings))
}

/// The best runs whose ROC and PR curves are drawn: ten colours can be told apart.
const MOST_CURVES: u32 = 10;

/// Takes the predictions that are not in the database yet: those that an older Gridboard counted without keeping which
/// images they have right, and those that could not be read when their run ended. What still cannot be read comes back as
/// a warning, every time: the run then has no confusion matrix, or no tests.
async fn take_untaken_predictions(
    store: &mut Store,
    runs_dir: &Path,
    record: &ExperimentRecord,
) -> Result<Vec<String>, PublishError> {
    let experiment = ExperimentDir::new(runs_dir, &record.name);
    let mut untaken: Vec<(RunKey, String, String)> = Vec::new();
    for Untaken { run, name, predictions } in store.untaken_predictions(record.key).await? {
        untaken.push((run, name, predictions));
    }
    for run in store.runs(Some(record.key)).await? {
        let is_owed = run.state.has_results() && run.predictions.is_none();
        if is_owed && experiment.run(&run.spec.name).predictions().symlink_metadata().is_ok() {
            let relative = format!("{}/{}/{}", record.name, run.spec.name, RunDir::PREDICTIONS);
            untaken.push((run.key, run.spec.name, relative));
        }
    }
    let mut warnings = Vec::new();
    for (run, name, relative) in untaken {
        let told = take_predictions(store, run, &experiment.run(&name), &relative, &record.classes).await?;
        warnings.extend(told.into_iter().map(|problem| format!("{}/{name}: {problem}", record.name)));
    }
    Ok(warnings)
}

/// What could be read; a section of the report is left out where it could not, with a warning.
fn known<T>(read: Result<Option<T>, String>, warnings: &mut Vec<String>) -> Option<T> {
    read.unwrap_or_else(|problem| {
        warnings.push(format!("left out of the report: {problem}"));
        None
    })
}

/// The metrics beside the four standard ones whose curves are drawn, the one that ranks first.
fn further_metrics(leaderboard: &Leaderboard) -> Vec<String> {
    let rule = &leaderboard.rule;
    let standard = standard_metrics(rule).map(|(_, tag)| tag);
    let ranks = Some(&rule.by.tag).filter(|tag| !standard.contains(&tag.as_str()));
    ranks.into_iter().chain(&leaderboard.metrics).cloned().collect()
}

async fn run_curves(
    store: &mut Reader,
    run: RunKey,
    name: &str,
    by: &str,
    others: &[String],
) -> Result<RunCurves, PublishError> {
    let instead = store.series(run).await?;
    let known = store.last_points(run).await?;
    let folder = instead.get(by).and_then(|series| folder_of(by, series));
    let written = |tag: &str| instead.get(tag).map_or(tag, String::as_str).to_owned();
    let standard = [tags::TRAIN_ACCURACY, tags::TRAIN_LOSS, tags::VALIDATION_ACCURACY, tags::VALIDATION_LOSS]
        .map(written);
    let further = |name: &str| {
        let known = known.iter().map(|(tag, _)| tag.as_str());
        // The metric that ranks has its own.
        let series = if instead.contains_key(name) { None } else { series_named(name, folder, known) };
        series.map_or_else(|| written(name), str::to_owned)
    };
    let others: Vec<(&String, String)> = others.iter().map(|tag| (tag, further(tag))).collect();
    let mut wanted: Vec<&str> = standard.iter().map(String::as_str).collect();
    wanted.extend(others.iter().map(|(_, written)| written.as_str()));
    let curves = store.history(run, &wanted).await?;
    let take = |tag: &str| -> Vec<(i64, f64)> {
        let curve = curves.iter().find(|curve| curve.tag == tag);
        curve
            .map(|curve| curve.points.iter().map(|point| (point.step, point.value)).collect())
            .unwrap_or_default()
    };
    let [train_accuracy, train_loss, validation_accuracy, validation_loss] =
        standard.each_ref().map(|tag| take(tag));
    Ok(RunCurves {
        run: name.to_owned(),
        train_accuracy,
        train_loss,
        validation_accuracy,
        validation_loss,
        others: others.iter().map(|(tag, written)| ((*tag).clone(), take(written))).collect(),
    })
}
