//! The training loop on noise that can be learned.

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

    fn fit(&self, train: &Train, seed: u64, stop: &Stop) -> (Result<Evaluation, TrainError>, Memory, Engine) {
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
        for tag in [tags::TRAIN_LOSS, tags::TRAIN_ACCURACY, tags::LEARNING_RATE, tags::IMAGES_PER_SECOND] {
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
