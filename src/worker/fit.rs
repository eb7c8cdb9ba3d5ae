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
        let asked = stop.requested();
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
mod tests {
    use gridboard::{
        model::GridCnn,
        spec::{Freeze, Kernels, Precision},
    };
    use tch::Device;

    use super::*;
    use crate::{
        engine::{Plan, tests::values},
        record::tests::Memory,
    };

    const SIDE: usize = 10;

    /// Noise over two or three levels of brightness: `n` images, the last third validating.
    struct Toy {
        pixels: Vec<u8>,
        labels: Vec<u8>,
        training: Vec<usize>,
        validation: Vec<usize>,
        classes: Vec<String>,
    }

    impl Toy {
        fn new(n: usize, classes: usize) -> Self {
            let labels: Vec<u8> = (0..n).map(|row| (row % classes) as u8).collect();
            let pixels = (0..n * SIDE * SIDE)
                .map(|at| {
                    let noise = ((at as u32).wrapping_mul(2_654_435_761) >> 26) as u8;
                    labels[at / (SIDE * SIDE)] * 70 + noise
                })
                .collect();
            let first = n * 2 / 3;
            let classes = (0..classes).map(|class| format!("class {class}")).collect();
            Self { pixels, labels, training: (0..first).collect(), validation: (first..n).collect(), classes }
        }

        fn fit(
            &self,
            train: &Train,
            seed: u64,
            stop: &Stop,
        ) -> (Result<Evaluation, TrainError>, Memory, Engine) {
            let images = Images::new(&self.pixels, &self.labels, SIDE, Device::Cpu).unwrap();
            let mut engine = Engine::new(&Plan {
                model: &GridCnn { conv_layers: 1, dense_layers: 1, layer_size: 8 }.into(),
                image_size: SIDE as u32,
                classes: self.classes.len() as u32,
                seed,
                device: Device::Cpu,
                threads: 2,
                train,
            })
            .unwrap();
            let sides = Sides {
                images: &images,
                training: &self.training,
                validation: &self.validation,
                classes: &self.classes,
                run: "toy",
                logging: Logging { histograms: Some(5), pr_curves: None, batch_curves: true },
            };
            let mut memory = Memory::default();
            let result = fit(&mut engine, &sides, train, seed, &mut memory, &mut Keeper::of_nothing(), stop);
            (result, memory, engine)
        }
    }

    const BOTH: [Kernels; 2] = [Kernels::Fused, Kernels::Plain];

    fn train(epochs: u32, learning_rate: f64, kernels: Kernels) -> Train {
        Train {
            epochs,
            batch_size: 8,
            learning_rate,
            shuffle: true,
            initial_weights: None,
            kernels,
            precision: Precision::Fp32,
            freeze: Freeze::None,
            backbone_learning_rate: None,
        }
    }

    #[test]
    fn a_learnable_task_is_learned_and_every_curve_is_written() {
        for (classes, kernels) in [(2, BOTH[0]), (3, BOTH[0]), (2, BOTH[1]), (3, BOTH[1])] {
            let toy = Toy::new(63, classes);
            let (result, memory, _) = toy.fit(&train(12, 0.01, kernels), 1, &Stop::default());
            let result = result.unwrap();
            assert_eq!(result.predicted, result.truths, "{classes} classes, {kernels:?}");
            // 42 images in batches of 8: six a step, the last of two.
            assert_eq!(memory.curve(tags::BATCH_LOSS).len(), 12 * 6);
            for tag in [tags::TRAIN_LOSS, tags::TRAIN_ACCURACY, tags::LEARNING_RATE, tags::IMAGES_PER_SECOND]
            {
                assert_eq!(memory.curve(tag).len(), 12, "{tag}");
            }
            let last = |tag: &str| *memory.curve(tag).last().unwrap();
            assert_eq!(last(tags::VALIDATION_ACCURACY), 1.0);
            assert_eq!(last(tags::VALIDATION_LOSS), result.loss as f32);
            for tag in tags::VALIDATION_METRICS {
                assert_eq!(last(tag), 1.0, "{tag}");
            }
            assert_eq!(memory.images.len(), 12);
            let phases: Vec<Phase> = memory.spent.iter().map(|(phase, _)| *phase).collect();
            assert_eq!(phases, [Phase::Training, Phase::Validation].repeat(12));
            assert!(memory.spent.iter().all(|(_, time)| time.seconds > 0.0 && time.core_seconds >= 0.0));
            assert!(memory.spent.iter().any(|(_, time)| time.core_seconds > 0.0));
            assert_eq!(memory.images[11].0, tags::CONFUSION_MATRIX);
            // Of the positive class, or of all three, at the last epoch alone; every image passes threshold 0.
            let curves: Vec<_> = memory.pr_curves.iter().map(|curve| (curve.0.as_str(), curve.1)).collect();
            let names =
                ["validation/pr_curve/class 0", "validation/pr_curve/class 1", "validation/pr_curve/class 2"];
            let wanted: &[&str] = if classes == 2 { &names[1..2] } else { &names };
            assert_eq!(curves, wanted.iter().map(|name| (*name, 11)).collect::<Vec<_>>());
            for (_, _, counts) in &memory.pr_curves {
                assert_eq!(
                    (counts.len(), counts[0][0] + counts[0][1], counts[0][2..].iter().sum()),
                    (201, 21, 0)
                );
            }
            // Of all weights and their gradients, in the rhythm that is asked for and at the end.
            let named = |tag: &str| memory.histograms.iter().filter(|(of, ..)| of.starts_with(tag)).count();
            assert_eq!((named("train/weights/"), named("train/gradients/")), (3 * 6, 3 * 6), "{kernels:?}");
            let steps: Vec<i64> = memory.histograms.iter().map(|(_, step, _)| *step).collect();
            assert!(steps.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).eq([
                (4, 12),
                (9, 12),
                (11, 12)
            ]));
            assert!(memory.flushes.contains(&memory.scalars.len()), "the end of an epoch is visible");
        }
    }

    #[test]
    fn the_training_loss_of_an_epoch_weighs_batches_by_their_images() {
        let toy = Toy::new(15, 2);
        let (_, memory, _) = toy.fit(&train(1, 0.001, Kernels::Auto), 4, &Stop::default());
        let batches = memory.curve(tags::BATCH_LOSS);
        assert_eq!(batches.len(), 2, "10 images: 8 and 2");
        let mean = (f64::from(batches[0]) * 8.0 + f64::from(batches[1]) * 2.0) / 10.0;
        assert_eq!(memory.curve(tags::TRAIN_LOSS), [mean as f32]);
    }

    #[test]
    fn the_same_seed_gives_the_same_bits() {
        let toy = Toy::new(60, 3);
        for kernels in BOTH {
            let run = |seed| {
                let (result, memory, engine) = toy.fit(&train(3, 0.01, kernels), seed, &Stop::default());
                let curve: Vec<u32> = memory.curve(tags::BATCH_LOSS).into_iter().map(f32::to_bits).collect();
                (curve, values(&engine).into_iter().map(f32::to_bits).collect::<Vec<_>>(), result.unwrap())
            };
            let first = run(9);
            assert!(first == run(9), "two runs of one seed differ");
            assert!(first.0 != run(10).0, "another seed is another run");
        }
    }

    /// From the same seed, over hundreds of steps: rounding apart, the same curve.
    #[test]
    fn both_kernels_draw_the_same_curve() {
        for classes in [2, 3] {
            let toy = Toy::new(60, classes);
            let run = |kernels| {
                let (result, memory, _) = toy.fit(&train(20, 0.003, kernels), 5, &Stop::default());
                (memory.curve(tags::BATCH_LOSS), result.unwrap())
            };
            let [(fused, fused_last), (plain, plain_last)] = BOTH.map(run);
            assert_eq!(fused.len(), 100);
            for (step, (fused, plain)) in fused.iter().zip(&plain).enumerate() {
                assert!((fused - plain).abs() < 1e-4 * plain.max(1e-2), "step {step}: {fused} {plain}");
            }
            assert!((fused_last.loss - plain_last.loss).abs() < 1e-4 * plain_last.loss.max(1e-2));
            assert_eq!(fused_last.predicted, plain_last.predicted);
        }
    }

    #[test]
    fn shuffling_can_be_switched_off() {
        let toy = Toy::new(60, 2);
        let run = |shuffle| {
            let train = Train { shuffle, ..train(1, 0.01, Kernels::Auto) };
            toy.fit(&train, 9, &Stop::default()).1.curve(tags::BATCH_LOSS)
        };
        // File order takes rows 0 to 7 first; the shuffled run, from the same weights, others.
        assert_ne!(run(true)[0], run(false)[0]);
    }

    #[test]
    fn a_loss_that_is_no_number_ends_the_run_and_says_where() {
        let toy = Toy::new(60, 2);
        for kernels in BOTH {
            let (result, memory, _) = toy.fit(&train(3, 1e30, kernels), 2, &Stop::default());
            let Err(TrainError::Diverged { epoch, batch, loss }) = result else { panic!("{result:?}") };
            assert!(!loss.is_finite());
            let curve = memory.curve(tags::BATCH_LOSS);
            assert_eq!(curve.len(), epoch as usize * 5 + batch + 1);
            assert!(!curve.last().unwrap().is_finite() && curve[0].is_finite());
            assert_eq!(memory.flushes.last(), Some(&memory.scalars.len()));
        }
    }

    #[test]
    fn an_attempt_stops_between_batches() {
        let stop = Stop::default();
        stop.request(Reason::Terminated);
        let (result, memory, _) = Toy::new(60, 2).fit(&train(3, 0.01, Kernels::Auto), 2, &stop);
        assert!(matches!(result, Err(TrainError::Stopped(Reason::Terminated))));
        assert!(memory.scalars.is_empty());
    }
}
