//! The trainer against Keras: from the same weights, over the same batches, every loss within 1e-4.
//!
//! `scripts/keras_fixture.py` made `tests/fixtures/keras` with a real Keras; run it again to make another.

use std::{fs, path::PathBuf};

use gridboard::{
    corpus::npy,
    event::tags,
    model::GridCnn,
    spec::{Freeze, Kernels, Logging, Precision, Train},
};
use serde::Deserialize;
use tch::Device;

use crate::{
    checkpoint::Keeper,
    data::Images,
    engine::{Engine, Plan, tests::values},
    fit::{Sides, fit},
    record::tests::Memory,
    stop::Stop,
    weights,
};

#[derive(Deserialize)]
struct Fixture {
    training: usize,
    validation: usize,
    epochs: u32,
    batch_size: u32,
    learning_rate: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    conv_layers: u32,
    layer_size: u32,
    dense_layers: u32,
    classes: u32,
    parameters: u64,
    batch_losses: Vec<f32>,
    history: History,
    predictions: Vec<Vec<f32>>,
}

#[derive(Deserialize)]
struct History {
    accuracy: Vec<f32>,
    loss: Vec<f32>,
    val_accuracy: Vec<f32>,
    val_loss: Vec<f32>,
}

/// Relative to Keras' number, but for numbers below a millionth to a millionth.
#[track_caller]
fn agree(what: &str, ours: &[f32], keras: &[f32], relative: f32) {
    assert_eq!(ours.len(), keras.len(), "{what}");
    for (place, (ours, keras)) in ours.iter().zip(keras).enumerate() {
        let allowed = relative * keras.abs().max(1e-6);
        assert!((ours - keras).abs() <= allowed, "{what}, {place}: {ours}, Keras has {keras}");
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras")
}

#[test]
fn every_loss_metric_prediction_and_weight_is_that_of_keras() {
    let fixture: Fixture =
        serde_json::from_str(&fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap();
    let (shape, pixels) = npy::read(&folder().join("images.npy")).unwrap();
    let (_, labels) = npy::read(&folder().join("labels.npy")).unwrap();
    let side = shape[1] as u32;
    let n = fixture.training + fixture.validation;
    assert!(
        !fixture.training.is_multiple_of(fixture.batch_size as usize),
        "the last batch should be smaller"
    );
    assert!(
        fixture.cases.iter().any(|case| case.classes > 2)
            && fixture.cases.iter().any(|case| case.classes == 2)
    );

    let both = [Kernels::Fused, Kernels::Plain];
    for (case, kernels) in fixture.cases.iter().flat_map(|case| both.map(|kernels| (case, kernels))) {
        let Case { conv_layers, layer_size, dense_layers, .. } = case;
        let name = &format!("{} ({kernels:?})", case.name);
        let weights_of = |which: &str| folder().join(format!("{}.{which}.safetensors", case.name));
        let labels: Vec<u8> = labels.iter().map(|label| label % case.classes as u8).collect();
        let images = Images::new(&pixels, &labels, side as usize, Device::Cpu).unwrap();
        let model =
            GridCnn { conv_layers: *conv_layers, dense_layers: *dense_layers, layer_size: *layer_size };
        let train = Train {
            epochs: fixture.epochs,
            batch_size: fixture.batch_size,
            learning_rate: fixture.learning_rate,
            shuffle: false,
            initial_weights: None,
            kernels,
            precision: Precision::Fp32,
            freeze: Freeze::None,
            backbone_learning_rate: None,
        };
        let plan = Plan {
            model: &model.into(),
            image_size: side,
            classes: case.classes,
            seed: 0,
            device: Device::Cpu,
            threads: 2,
            train: &train,
        };
        let mut engine = Engine::new(&plan).unwrap();
        weights::load(&weights_of("initial"), &mut engine).unwrap();
        assert_eq!(values(&engine).len() as u64, case.parameters, "{name}");

        let sides = Sides {
            images: &images,
            training: &(0..fixture.training).collect::<Vec<_>>(),
            validation: &(fixture.training..n).collect::<Vec<_>>(),
            classes: &(0..case.classes).map(|class| class.to_string()).collect::<Vec<_>>(),
            run: name,
            logging: Logging::default(),
        };
        let mut memory = Memory::default();
        let last =
            fit(&mut engine, &sides, &train, 0, &mut memory, &mut Keeper::of_nothing(), &Stop::default())
                .unwrap();

        assert!(case.batch_losses.len() >= 12);
        agree(&format!("{name}: batch losses"), &memory.curve(tags::BATCH_LOSS), &case.batch_losses, 1e-4);
        for (tag, keras) in [
            (tags::TRAIN_LOSS, &case.history.loss),
            (tags::TRAIN_ACCURACY, &case.history.accuracy),
            (tags::VALIDATION_LOSS, &case.history.val_loss),
            (tags::VALIDATION_ACCURACY, &case.history.val_accuracy),
        ] {
            agree(&format!("{name}: {tag}"), &memory.curve(tag), keras, 1e-4);
        }
        // Keras gives one probability for two classes, that of the second.
        let ours: Vec<f32> = if case.classes == 2 {
            last.probabilities.iter().skip(1).step_by(2).copied().collect()
        } else {
            last.probabilities
        };
        agree(&format!("{name}: predictions"), &ours, &case.predictions.concat(), 1e-3);

        let mut last = Engine::new(&plan).unwrap();
        weights::load(&weights_of("final"), &mut last).unwrap();
        for (place, (ours, keras)) in values(&engine).iter().zip(values(&last)).enumerate() {
            assert!(
                (ours - keras).abs() <= 2e-5 + 1e-4 * keras.abs(),
                "{name}: weight {place}: {ours}, Keras {keras}"
            );
        }
    }
}
