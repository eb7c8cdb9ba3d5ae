//! The project's own kernels, on the processor.

use std::{
    io::{self, Read, Write},
    ops::Range,
};

use gridboard::{
    kernels::{self, Execution, InstructionSet, Shape},
    model::GridCnn,
    spec::Precision,
};

use super::{
    Answers, BatchResult, Compute, Counters, EngineError, Info, Plan, Values, read_values, write_values,
};
use crate::{data::Batch, init::GlorotUniform, network};

/// Rows of a parameter that are written into the kernels' layout together: a cache line there.
const ROWS: usize = 16;

/// A network of our own kernels.
#[derive(Debug)]
pub(super) struct Fused {
    network: kernels::Network,
    batch_size: usize,
    learning_rate: f64,
    instructions: InstructionSet,
    /// Gradient of the loss by the logits.
    gradient: Vec<f32>,
}

impl Fused {
    /// The network of a plan, see [`super::Engine::new`].
    ///
    /// # Errors
    /// [`EngineError::Model`] where the image is too small, [`EngineError::NoBf16`].
    pub(super) fn new(plan: &Plan<'_>, model: &GridCnn) -> Result<Self, EngineError> {
        let Plan { image_size, classes, seed, threads, train, .. } = *plan;
        let shapes = network::shapes(model, image_size, classes)?;
        let shape = Shape {
            image_size: image_size as usize,
            conv_layers: model.conv_layers as usize,
            dense_layers: model.dense_layers as usize,
            layer_size: model.layer_size as usize,
            outputs: if classes == 2 { 1 } else { classes as usize },
        };
        let batch_size = train.batch_size as usize;
        let precision = match train.precision {
            Precision::Bf16 if !kernels::has_bf16() => return Err(EngineError::NoBf16),
            Precision::Bf16 => kernels::Precision::Bf16,
            Precision::Fp32 | Precision::Tf32 => kernels::Precision::Fp32,
        };
        let instructions = InstructionSet::best();
        let execution = Execution { batch_size, threads: threads.max(1) as usize, instructions, precision };
        let mut network =
            kernels::Network::new(shape, execution).expect("layers were counted: each has an output");
        for (place, (name, shape)) in shapes.iter().enumerate() {
            let ours = network.parameters().nth(place).map(|info| info.name.as_str());
            debug_assert_eq!(ours, Some(name.as_str()));
            // Biases begin with zero, as everything does.
            if shape.len() > 1 {
                set_initial(&mut network, place, shape, seed);
            }
        }
        let gradient = vec![0.0; batch_size * shape.outputs];
        Ok(Self { network, batch_size, learning_rate: train.learning_rate, instructions, gradient })
    }
}

impl Compute for Fused {
    fn state(&self) -> Vec<Info> {
        let info = |info: &kernels::ParameterInfo| Info {
            name: info.name.clone(),
            shape: info.shape.clone(),
            is_count: false,
            is_head: false,
            is_trained: true,
        };
        self.network.parameters().map(info).collect()
    }

    fn set(&mut self, place: usize, bytes: &[u8]) -> Result<(), EngineError> {
        for (rows, bytes) in row_groups(&self.network, place, bytes) {
            let values: Vec<f32> = bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
            self.network.set_rows(place, Values::Value, rows, &values);
        }
        Ok(())
    }

    fn write(&self, place: usize, part: Values, to: &mut dyn Write) -> io::Result<()> {
        let network = &self.network;
        let n_rows = network.rows(place);
        let n: usize = network.parameters().nth(place).map_or(0, |info| info.shape.iter().product());
        let mut values = Vec::new();
        for start in (0..n_rows).step_by(ROWS) {
            let rows = start..(start + ROWS).min(n_rows);
            values.resize(n / n_rows * rows.len(), 0.0);
            network.get_rows(place, part, rows, &mut values);
            write_values(&values, to)?;
        }
        Ok(())
    }

    fn read(&mut self, place: usize, part: Values, from: &mut dyn Read) -> io::Result<()> {
        let n_rows = self.network.rows(place);
        let n: usize = self.network.parameters().nth(place).map_or(0, |info| info.shape.iter().product());
        let mut values = Vec::new();
        for start in (0..n_rows).step_by(ROWS) {
            let rows = start..(start + ROWS).min(n_rows);
            values.resize(n / n_rows * rows.len(), 0.0);
            read_values(&mut values, from)?;
            self.network.set_rows(place, part, rows, &values);
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters { updates: self.network.steps(), masks: 0 }
    }

    fn set_counters(&mut self, counters: Counters) {
        self.network.set_steps(counters.updates);
    }

    fn kernels(&self) -> String {
        format!("fused, {}", self.instructions.as_str())
    }

    fn is_elastic(&self) -> bool {
        true
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn runs_ahead(&self) -> bool {
        false
    }

    fn train(&mut self, batch: Batch<'_>) -> Result<BatchResult, EngineError> {
        let labels = batch.labels();
        let logits = self.network.forward(&batch.pixels());
        let outputs = logits.len() / batch.len();
        let (mut loss, mut correct) = (0.0, 0);
        for (logits, &label) in logits.chunks_exact(outputs).zip(&labels) {
            loss += f64::from(kernels::loss::cross_entropy(logits, label));
            correct += usize::from(kernels::loss::predicted(logits) == label);
        }
        let gradient = &mut self.gradient[..logits.len()];
        kernels::loss::gradient(logits, &labels, gradient);
        self.network.backward(gradient, self.learning_rate);
        Ok(BatchResult::Ready((loss / batch.len() as f64) as f32, correct))
    }

    fn evaluation_batch(&self, _side: usize) -> usize {
        self.batch_size
    }

    fn answer(&mut self, batch: Batch<'_>) -> Result<Answers, EngineError> {
        let logits = self.network.forward(&batch.pixels());
        let mut answers = Answers::default();
        for (logits, label) in logits.chunks_exact(logits.len() / batch.len()).zip(batch.labels()) {
            answers.losses.push(kernels::loss::cross_entropy(logits, label));
            answers.predicted.push(kernels::loss::predicted(logits));
            answers.probabilities.extend(kernels::loss::probabilities(logits));
        }
        Ok(answers)
    }
}

/// Sets a weight to its initial values, some rows at a time.
fn set_initial(network: &mut kernels::Network, place: usize, shape: &[i64], seed: u64) {
    let mut random = GlorotUniform::new(shape, seed, network::stream(place));
    let (n_rows, row_len) = (network.rows(place), shape[1..].iter().product::<i64>() as usize);
    let mut values = Vec::new();
    for start in (0..n_rows).step_by(ROWS) {
        let rows = start..(start + ROWS).min(n_rows);
        values.resize(row_len * rows.len(), 0.0);
        random.fill(&mut values);
        network.set_rows(place, Values::Value, rows, &values);
    }
}

/// Cuts the little-endian f32 of a parameter into groups of rows.
fn row_groups<'a>(
    network: &kernels::Network,
    place: usize,
    bytes: &'a [u8],
) -> impl Iterator<Item = (Range<usize>, &'a [u8])> + use<'a> {
    let n_rows = network.rows(place);
    let row = bytes.len() / n_rows;
    (0..n_rows).step_by(ROWS).map(move |start| {
        let rows = start..(start + ROWS).min(n_rows);
        (rows.clone(), &bytes[rows.start * row..rows.end * row])
    })
}
