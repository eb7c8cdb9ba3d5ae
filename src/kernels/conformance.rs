//! The kernels against Keras: from the same weights, over the same batches, every loss within 1e-4, on every instruction
//! set of this processor. The trainer's test does the same through the whole loop; this one needs no libtorch.
//!
//! `scripts/keras_fixture.py` made `tests/fixtures/keras` with a real Keras.

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde::Deserialize;

use super::{Execution, Network, Part, Precision, Shape, loss, simd::tests::available};
use crate::corpus::npy;

#[derive(Deserialize)]
struct Fixture {
    training: usize,
    validation: usize,
    epochs: usize,
    batch_size: usize,
    learning_rate: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    conv_layers: usize,
    layer_size: usize,
    dense_layers: usize,
    classes: usize,
    batch_losses: Vec<f32>,
    predictions: Vec<Vec<f32>>,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keras")
}

/// The f32 tensors of a safetensors file: the length of a JSON header in eight bytes, the header, the numbers.
fn tensors(name: &str) -> BTreeMap<String, Vec<f32>> {
    #[derive(Deserialize)]
    struct Entry {
        dtype: String,
        data_offsets: [usize; 2],
    }
    let bytes = fs::read(folder().join(name)).unwrap();
    let (length, rest) = bytes.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(header).unwrap();
    header.remove("__metadata__");
    let read = |(name, entry)| {
        let Entry { dtype, data_offsets: [start, end] } = serde_json::from_value(entry).unwrap();
        assert_eq!(dtype, "F32");
        let numbers = data[start..end].chunks_exact(4);
        (name, numbers.map(|number| f32::from_le_bytes(number.try_into().unwrap())).collect())
    };
    header.into_iter().map(read).collect()
}

#[test]
fn every_loss_prediction_and_weight_is_that_of_keras() {
    let fixture: Fixture =
        serde_json::from_str(&fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap();
    let (shape, pixels) = npy::read(&folder().join("images.npy")).unwrap();
    let (_, labels) = npy::read(&folder().join("labels.npy")).unwrap();
    let side = shape[1] as usize;
    let images: Vec<&[u8]> = pixels.chunks_exact(side * side).collect();
    assert_eq!(images.len(), fixture.training + fixture.validation);

    for (case, instructions) in
        fixture.cases.iter().flat_map(|case| available().into_iter().map(move |set| (case, set)))
    {
        let name = format!("{} ({})", case.name, instructions.as_str());
        let labels: Vec<usize> = labels.iter().map(|label| usize::from(*label) % case.classes).collect();
        let shape = Shape {
            image_size: side,
            conv_layers: case.conv_layers,
            dense_layers: case.dense_layers,
            layer_size: case.layer_size,
            outputs: if case.classes == 2 { 1 } else { case.classes },
        };
        let execution = Execution {
            batch_size: fixture.batch_size,
            threads: 2,
            instructions,
            precision: Precision::Fp32,
        };
        let mut network = Network::new(shape, execution).unwrap();
        let names: Vec<String> = network.parameters().map(|info| info.name.clone()).collect();
        let initial = tensors(&format!("{}.initial.safetensors", case.name));
        assert_eq!(initial.len(), names.len(), "{name}");
        for (place, parameter) in names.iter().enumerate() {
            network.set(place, Part::Value, &initial[parameter]);
        }

        let mut losses = case.batch_losses.iter();
        for _ in 0..fixture.epochs {
            let rows: Vec<usize> = (0..fixture.training).collect();
            for rows in rows.chunks(fixture.batch_size) {
                let batch: Vec<&[u8]> = rows.iter().map(|row| images[*row]).collect();
                let truths: Vec<usize> = rows.iter().map(|row| labels[*row]).collect();
                let logits = network.forward(&batch).to_vec();
                let each = logits.chunks_exact(shape.outputs).zip(&truths);
                let sum: f32 = each.map(|(logits, truth)| loss::cross_entropy(logits, *truth)).sum();
                let ours = sum / rows.len() as f32;
                let keras = losses.next().expect("a loss of Keras for each batch");
                assert!(
                    (ours - keras).abs() <= 1e-4 * keras.abs().max(1e-6),
                    "{name}: {ours}, Keras {keras}"
                );
                let mut gradient = vec![0.0; logits.len()];
                loss::gradient(&logits, &truths, &mut gradient);
                network.backward(&gradient, fixture.learning_rate);
            }
        }
        assert!(losses.next().is_none(), "{name}");

        for (rows, expected) in images[fixture.training..]
            .chunks(fixture.batch_size)
            .zip(case.predictions.chunks(fixture.batch_size))
        {
            let logits = network.forward(rows).to_vec();
            for (logits, expected) in logits.chunks_exact(shape.outputs).zip(expected) {
                // Keras gives one probability for two classes, that of the second.
                let ours = loss::probabilities(logits);
                let ours = if case.classes == 2 { &ours[1..] } else { &ours[..] };
                for (ours, keras) in ours.iter().zip(expected) {
                    assert!((ours - keras).abs() <= 1e-3 * keras.max(1e-6), "{name}: {ours}, Keras {keras}");
                }
            }
        }
        let last = tensors(&format!("{}.final.safetensors", case.name));
        for (place, parameter) in names.iter().enumerate() {
            for (ours, keras) in network.get(place, Part::Value).iter().zip(&last[parameter]) {
                assert!(
                    (ours - keras).abs() <= 2e-5 + 1e-4 * keras.abs(),
                    "{name}: {parameter}: {ours}, Keras {keras}"
                );
            }
        }
    }
}
