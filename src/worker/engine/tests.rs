//! Both engines beside each other, and what is refused.

use gridboard::{
    kernels,
    model::GridCnn,
    spec::{Freeze, Value},
};

use super::*;
use crate::data::Images;

fn train() -> Train {
    Train {
        epochs: 1,
        batch_size: 16,
        learning_rate: 0.01,
        shuffle: true,
        initial_weights: None,
        kernels: Kernels::Auto,
        precision: Precision::Fp32,
        freeze: Freeze::None,
        backbone_learning_rate: None,
    }
}

/// A new engine for tests, on the processor.
pub(crate) fn engine(model: GridCnn, image_size: u32, classes: u32, seed: u64, kernels: Kernels) -> Engine {
    let train = Train { kernels, ..train() };
    let device = Device::Cpu;
    let plan = Plan { model: &model.into(), image_size, classes, seed, device, threads: 2, train: &train };
    Engine::new(&plan).unwrap()
}

/// The type that computes.
fn kind(engine: &Engine) -> String {
    let shown = format!("{engine:?}");
    let name = shown.trim_start_matches("Engine(").split(' ').next();
    name.unwrap_or_default().to_owned()
}

/// All parameters, one behind the other.
pub(crate) fn values(engine: &Engine) -> Vec<f32> {
    let mut values = Vec::new();
    for (place, info) in engine.state().iter().enumerate() {
        if info.is_count {
            continue;
        }
        let mut bytes = Vec::new();
        engine.write(place, Values::Value, &mut bytes).unwrap();
        values.extend(bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes));
    }
    values
}

#[test]
fn both_begin_with_the_same_network() {
    let model = || GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 5 };
    let [fused, plain] = [Kernels::Fused, Kernels::Plain].map(|kernels| engine(model(), 14, 3, 7, kernels));
    assert_eq!((kind(&fused), kind(&plain)), ("Fused".to_owned(), "Plain".to_owned()));
    assert_eq!(fused.state(), plain.state());
    assert_eq!(values(&fused), values(&plain));
    assert_eq!(kind(&engine(model(), 14, 3, 7, Kernels::Auto)), "Fused");
}

/// The kernels against libtorch's own expression and gradient, over a few steps of training.
#[test]
fn both_take_the_same_steps() {
    for (conv_layers, dense_layers, classes) in [(0, 1, 2), (1, 0, 3), (2, 1, 2), (3, 2, 9)] {
        let side = 27;
        let pixels: Vec<u8> =
            (0..16 * side * side).map(|at| ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let labels: Vec<u8> = (0..16).map(|row| (row % classes) as u8).collect();
        let images = Images::new(&pixels, &labels, side, Device::Cpu).unwrap();
        let rows: Vec<usize> = (0..13).collect();
        let order = images.order(&rows).unwrap();
        let batch = order.batches(13).next().unwrap();
        let run = |kernels| {
            let model = GridCnn { conv_layers, dense_layers, layer_size: 18 };
            let mut engine = engine(model, side as u32, classes, 3, kernels);
            let steps: Vec<(f32, f64)> =
                BatchResult::wait((0..4).map(|_| engine.train(batch).unwrap())).unwrap();
            let answers = engine.answer(order.batches(5).next().unwrap()).unwrap();
            (steps, answers, values(&engine))
        };
        let (fused, plain) = (run(Kernels::Fused), run(Kernels::Plain));
        let near = |ours: f32, torch: f32, what: &str| {
            assert!((ours - torch).abs() <= 1e-4 * torch.abs().max(1e-2), "{what}: {ours}, libtorch {torch}");
        };
        for (ours, torch) in fused.0.iter().zip(&plain.0) {
            near(ours.0, torch.0, "loss");
            assert_eq!(ours.1, torch.1);
        }
        for (ours, torch) in fused.1.losses.iter().zip(&plain.1.losses) {
            near(*ours, *torch, "loss of an image");
        }
        assert_eq!(fused.1.predicted, plain.1.predicted);
        for (ours, torch) in fused.1.probabilities.iter().zip(&plain.1.probabilities) {
            near(*ours, *torch, "probability");
        }
        // Adam's first steps are of one size whatever the gradient: where that is next to nothing, rounding decides.
        let far = fused.2.iter().zip(&plain.2).filter(|(ours, torch)| (*ours - *torch).abs() > 1e-4).count();
        assert!(far * 1000 <= fused.2.len(), "{far} of {} weights", fused.2.len());
    }
}

#[test]
fn fused_kernels_are_refused_on_cuda() {
    let train = Train::from_parameters(
        &[("epochs", Value::Int(1)), ("kernels", Value::Text("fused".to_owned()))]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
    )
    .unwrap();
    let model = GridCnn { conv_layers: 1, dense_layers: 0, layer_size: 4 };
    let device = Device::Cuda(0);
    let plan =
        Plan { model: &model.into(), image_size: 9, classes: 2, seed: 0, device, threads: 1, train: &train };
    assert!(matches!(Engine::new(&plan), Err(EngineError::NoFusedKernels)));
}

#[test]
fn a_precision_that_the_device_lacks_is_refused() {
    let model = GridCnn { conv_layers: 1, dense_layers: 0, layer_size: 4 };
    let made = |kernels, precision| {
        let train = Train { kernels, precision, ..train() };
        let device = Device::Cpu;
        Engine::new(&Plan {
            model: &model.into(),
            image_size: 9,
            classes: 2,
            seed: 0,
            device,
            threads: 1,
            train: &train,
        })
    };
    for kernels in [Kernels::Auto, Kernels::Plain] {
        assert!(matches!(made(kernels, Precision::Tf32), Err(EngineError::NoTf32)), "{kernels:?}");
    }
    // libtorch rounds on any processor; our kernels only where that is fast.
    assert!(made(Kernels::Plain, Precision::Bf16).is_ok_and(|engine| kind(&engine) == "Plain"));
    match made(Kernels::Auto, Precision::Bf16) {
        Ok(engine) => assert!(kind(&engine) == "Fused" && kernels::has_bf16()),
        other => assert!(matches!(other, Err(EngineError::NoBf16)) && !kernels::has_bf16()),
    }
}
