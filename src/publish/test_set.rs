//! The held-out test set of a report: evaluates the runs that it names, each once, and reads what was evaluated before.
//!
//! Called when a report is made. A run that cannot be evaluated is a warning: the report goes on without it.

use std::path::PathBuf;

use crate::{
    base::{error::with_causes, signals::Signals},
    corpus::{NoProgress, PreparationProgress},
    launch,
    predict::{TestImages, TrainedRun, predict_test_set},
    predictions::{self, Prediction},
    rank::{Leaderboard, Row},
    report::TestResult,
    run::{ExperimentDir, RunDir, RunState},
    spec::Experiment,
};

/// The results of the head of a leaderboard, by rank, and what could not be evaluated; after a signal that is the rest.
pub(super) fn results(
    dir: &ExperimentDir,
    spec: &Experiment,
    leaderboard: &Leaderboard,
    progress: &dyn PreparationProgress,
    signals: &Signals,
) -> (Vec<TestResult>, Vec<String>) {
    let has_test_set = spec.dataset.as_ref().is_some_and(|dataset| dataset.test.is_some());
    // Before the last run has ended the head may change, and the test images are not for runs that fall out of it.
    let is_over = |row: &Row| !row.state.is_owed() || row.state == RunState::Failed;
    if !has_test_set || spec.is_command() || !leaderboard.rows.iter().all(is_over) {
        return (Vec::new(), Vec::new());
    }
    let top = leaderboard.rule.top;
    let mut head: Vec<(u32, &Row)> = leaderboard
        .rows
        .iter()
        .filter_map(|row| Some((row.rank.filter(|rank| *rank <= top)?, row)))
        .collect();
    head.sort_by_key(|(rank, _)| *rank);
    let owed = head.iter().filter(|(_, row)| !dir.run(&row.run).test_predictions().exists()).count();
    let mut evaluation = Evaluation { worker: None, images: None, owed, progress, signals };
    let (mut results, mut warnings) = (Vec::new(), Vec::new());
    for (rank, row) in head {
        if signals.heard() {
            break;
        }
        match evaluation.test_predictions(&dir.run(&row.run)) {
            Ok(rows) if rows.is_empty() => {}
            Ok(rows) => {
                let classes = rows[0].probabilities.len();
                results.push(TestResult::new(rank, &row.run, row.validation_accuracy, &rows, classes));
            }
            Err(problem) => {
                warnings.push(format!("{}: not evaluated on the test images: {problem}", row.run))
            }
        }
    }
    if evaluation.images.is_some() {
        progress.finish();
    }
    (results, warnings)
}

/// What the evaluations of one report share.
struct Evaluation<'a> {
    worker: Option<PathBuf>,
    /// Opened with the first run: they are the same for all.
    images: Option<TestImages>,
    /// Runs that are not evaluated yet.
    owed: usize,
    progress: &'a dyn PreparationProgress,
    signals: &'a Signals,
}

/// One bar for all runs: it is started and finished once.
struct Forward<'a>(&'a dyn PreparationProgress);

impl PreparationProgress for Forward<'_> {
    fn start(&self, total: usize) {
        NoProgress.start(total);
    }

    fn advance(&self) {
        self.0.advance();
    }

    fn finish(&self) {
        NoProgress.finish();
    }
}

impl Evaluation<'_> {
    /// The test predictions of the run in `dir`: as they were written before, or made and written now.
    fn test_predictions(&mut self, dir: &RunDir) -> Result<Vec<Prediction>, String> {
        let path = dir.test_predictions();
        if path.exists() {
            return predictions::read(&path, &[]).map(|read| read.rows).map_err(|error| with_causes(&error));
        }
        let run = TrainedRun::open(dir.path()).map_err(|error| with_causes(&error))?;
        if self.worker.is_none() {
            self.worker = Some(launch::find_worker().map_err(|error| with_causes(&error))?);
        }
        if self.images.is_none() {
            let images = TestImages::open(&run.dataset).map_err(|error| with_causes(&error))?;
            let images = images.ok_or("the corpus holds no test image")?;
            self.progress.start(images.len() * self.owed);
            self.images = Some(images);
        }
        let (Some(worker), Some(images)) = (&self.worker, &self.images) else { return Ok(Vec::new()) };
        predict_test_set(worker, &run, images, &Forward(self.progress), self.signals)
            .map_err(|error| with_causes(&error))
    }
}
