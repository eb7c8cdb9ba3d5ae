//! The training loop: epochs of shuffled batches, validation behind each, curves as it goes.
//!
//! Knows the engine, the data and a recorder; of files, only that curves go somewhere. What is computed and under
//! which tag follows Keras' `fit` with its TensorBoard callback: training metrics are means over the epoch while the
//! weights move, each batch weighted by its images; the last smaller batch is kept.

use std::time::{Duration, Instant};

use gridboard::{
    event::tags,
    figure::confusion_matrix_png,
    spec::{Logging, Train},
    stats::{one_vs_rest, pr_counts},
};

use crate::{
    checkpoint::Keeper,
    data::Images,
    distributions,
    engine::{BatchResult, Engine},
    error::TrainError,
    evaluate::{Evaluation, evaluate},
    init,
    machine::Stopwatch,
    record::{Phase, Recorder, Start},
    stop::{Reason, Stop},
};

/// How often batch losses become visible to readers.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Batches that a CUDA device may be ahead of the reading of their losses, which waits for the device.
const AHEAD: usize = 32;

/// What is trained on, and in which role.
pub(crate) struct Sides<'a> {
    /// All images.
    pub(crate) images: &'a Images<'a>,
    /// Rows that train, in file order.
    pub(crate) training: &'a [usize],
    /// Rows that validate.
    pub(crate) validation: &'a [usize],
    /// Class names, for the figures.
    pub(crate) classes: &'a [String],
    /// The run's name, for the figures.
    pub(crate) run: &'a str,
    /// What is logged beside the metrics.
    pub(crate) logging: Logging,
}

/// Trains the engine's network and returns what it says of the validation images after the last epoch.
///
/// # Errors
/// [`TrainError::Diverged`] as soon as a loss is no number, [`TrainError::Stopped`] between batches, and what data,
/// libtorch and the recorder report.
pub(crate) fn fit(
    engine: &mut Engine,
    sides: &Sides<'_>,
    train: &Train,
    seed: u64,
    recorder: &mut dyn Recorder,
    keeper: &mut Keeper,
    stop: &Stop,
) -> Result<Evaluation, TrainError> {
    let mut last_flush = Instant::now();
    let start = keeper.start();
    let mut step = start.batch;
    let mut evaluation = None;
    // What an epoch takes behind its batches, once it is known.
    let mut rest = None;
    let validation = sides.images.order(sides.validation)?;
    for epoch in start.epoch..train.epochs {
        let mut order = sides.training.to_vec();
        if train.shuffle {
            init::shuffle(&mut order, seed, epoch);
        }
        let stopwatch = Stopwatch::start();
        let mut running = Running::new(epoch, step);
        let order = sides.images.order(&order)?;
        let n_batches = sides.training.len().div_ceil(train.batch_size as usize);
        let begun = Instant::now();
        for (done, batch) in order.batches(train.batch_size as usize).enumerate() {
            stop.check()?;
            if let (Some(waited), Some(grace)) = (stop.waited(), keeper.grace()) {
                let left = time_left(begun.elapsed(), (done, n_batches), rest, sides) + keeper.cost();
                // In vain: it would be killed before it has a state.
                if waited + left > grace {
                    return Err(stop.requested().map_or(TrainError::Stopped(Reason::Terminated), Into::into));
                }
            }
            running.ahead.push((engine.train(batch)?, batch.len()));
            step += 1;
            if !engine.runs_ahead() || running.ahead.len() >= AHEAD {
                running.catch_up(recorder)?;
            }
            if last_flush.elapsed() >= FLUSH_EVERY {
                recorder.flush()?;
                last_flush = Instant::now();
            }
        }
        running.catch_up(recorder)?;
        let spent = stopwatch.spent();
        recorder.spent(Phase::Training, spent);

        let at = i64::from(epoch);
        recorder.scalar(tags::TRAIN_LOSS, at, (running.loss / running.images) as f32)?;
        recorder.scalar(tags::TRAIN_ACCURACY, at, (running.correct / running.images) as f32)?;
        recorder.scalar(tags::LEARNING_RATE, at, engine.learning_rate() as f32)?;
        recorder.scalar(tags::IMAGES_PER_SECOND, at, (running.images / spent.seconds) as f32)?;
        let stopwatch = Stopwatch::start();
        let validation_begun = Instant::now();
        let result = evaluate(engine, &validation, sides.classes.len(), stop)?;
        recorder.spent(Phase::Validation, stopwatch.spent());
        let metrics = record_validation(&result, sides, at, recorder)?;
        rest = Some(validation_begun.elapsed());
        let logging = sides.logging;
        if epoch + 1 == train.epochs || Logging::is_due(logging.pr_curves, epoch, train.epochs) {
            record_pr_curves(&result, sides.classes, at, recorder)?;
        }
        if Logging::is_due(logging.histograms, epoch, train.epochs) {
            distributions::record(&**engine, at, recorder)?;
        }
        recorder.flush()?;
        last_flush = Instant::now();
        if !result.loss.is_finite() {
            return Err(TrainError::DivergedInValidation { loss: result.loss, epoch });
        }
        evaluation = Some(result);
        if epoch + 1 == train.epochs {
            keeper.training_ended(engine, epoch, &metrics)?;
            break;
        }
        let next = Start { epoch: epoch + 1, batch: step };
        let asked = stop.after(next.epoch);
        keeper.epoch_ended(engine, recorder, next, &metrics, asked.is_some())?;
        if let Some(reason) = asked {
            return Err(reason.into());
        }
    }
    Ok(evaluation.expect("the spec allows no run of 0 epochs"))
}

/// How long the epoch that runs still takes: its batches as those before, and the validation as the last time, or where there
/// was none a third of a training step an image.
fn time_left(
    elapsed: Duration,
    (done, all): (usize, usize),
    rest: Option<Duration>,
    sides: &Sides<'_>,
) -> Duration {
    let batch = elapsed.div_f64(done.max(1) as f64);
    let validation = || {
        let images = sides.validation.len() as f64 / sides.training.len().max(1) as f64;
        batch.mul_f64(all as f64 * images / 3.0)
    };
    batch.mul_f64((all - done) as f64) + rest.unwrap_or_else(validation)
}

/// The metrics of the epoch that runs.
struct Running {
    epoch: u32,
    /// Batches of the earlier epochs.
    first_step: i64,
    /// Batches read in this epoch.
    batches: usize,
    /// Sums over the images read.
    loss: f64,
    correct: f64,
    images: f64,
    /// Batches whose results are not read yet, and their numbers of images.
    ahead: Vec<(BatchResult, usize)>,
}

impl Running {
    fn new(epoch: u32, first_step: i64) -> Self {
        Self { epoch, first_step, batches: 0, loss: 0.0, correct: 0.0, images: 0.0, ahead: Vec::new() }
    }

    /// Reads the results that are outstanding. On CUDA this waits for the device.
    fn catch_up(&mut self, recorder: &mut dyn Recorder) -> Result<(), TrainError> {
        let (results, sizes): (Vec<_>, Vec<_>) = self.ahead.drain(..).unzip();
        for ((loss, correct), images) in BatchResult::wait(results)?.into_iter().zip(sizes) {
            let step = self.first_step + self.batches as i64;
            // The point where it happened belongs on the curve.
            recorder.scalar(tags::BATCH_LOSS, step, loss)?;
            if !loss.is_finite() {
                recorder.flush()?;
                return Err(TrainError::Diverged { loss, epoch: self.epoch, batch: self.batches });
            }
            self.batches += 1;
            self.loss += f64::from(loss) * images as f64;
            self.correct += correct;
            self.images += images as f64;
        }
        Ok(())
    }
}

/// Writes the curves and the picture of one validation. Answers with the metrics by their tags.
fn record_validation(
    result: &Evaluation,
    sides: &Sides<'_>,
    epoch: i64,
    recorder: &mut dyn Recorder,
) -> Result<Vec<(&'static str, f32)>, TrainError> {
    let classes = sides.classes.len();
    let matrix = result.confusion(classes);
    let headline = matrix.headline();
    let mut values = vec![
        (tags::VALIDATION_LOSS, result.loss as f32),
        (tags::VALIDATION_ACCURACY, matrix.accuracy() as f32),
    ];
    // A validation side without one of the classes has no ROC curve: no point is written then.
    let metrics = [
        Some(headline.precision),
        Some(headline.recall),
        Some(headline.specificity),
        Some(headline.f1),
        result.auc(classes),
    ];
    let metrics = tags::VALIDATION_METRICS.into_iter().zip(metrics);
    values.extend(metrics.filter_map(|(tag, value)| Some((tag, value? as f32))));
    for &(tag, value) in &values {
        recorder.scalar(tag, epoch, value)?;
    }
    let title = format!("{}, epoch {epoch}", sides.run);
    let (png, width, height) = confusion_matrix_png(&matrix, sides.classes, &title)?;
    recorder.image(tags::CONFUSION_MATRIX, epoch, &png, width, height)?;
    Ok(values)
}

/// Thresholds of a precision-recall curve, as many as TensorBoard's own summaries have.
const THRESHOLDS: usize = 201;

/// Writes the precision-recall curve of the positive (last) class for two classes, else of each against the rest.
fn record_pr_curves(
    result: &Evaluation,
    classes: &[String],
    epoch: i64,
    recorder: &mut dyn Recorder,
) -> Result<(), TrainError> {
    let first = if classes.len() == 2 { 1 } else { 0 };
    for (class, name) in classes.iter().enumerate().skip(first) {
        let (scores, positive) = one_vs_rest(&result.probabilities, &result.truths, classes.len(), class);
        let counts = pr_counts(&scores, &positive, THRESHOLDS);
        recorder.pr_curve(&format!("{}/{name}", tags::PR_CURVE), epoch, &counts)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
