//! What computes a run: libtorch, or the project's own kernels. The loop, the evaluation and the weights' files see only
//! this.
//!
//! Both have the same initial weights, take the same batches and agree to within rounding (the tests of the loop and the
//! comparison with Keras run on both); only libtorch knows CUDA.

use std::{
    io::{self, Write},
    ops::Range,
};

use gridboard::{
    kernels::{self, Execution, InstructionSet, Part, Shape},
    model::GridCnn,
    spec::{Kernels, Precision, Train},
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::{
    adam::Adam,
    data::Images,
    error::TrainError,
    init::GlorotUniform,
    loss, machine,
    network::{self, Network},
};

/// Bytes that the largest activation of an evaluated batch may take.
const ACTIVATION_BYTES: usize = 64 << 20;
/// Larger batches gain nothing on any device.
const LARGEST_BATCH: usize = 256;

/// A network with its optimizer.
#[derive(Debug)]
pub(crate) enum Engine {
    /// libtorch's operations, on any device.
    Plain(Plain),
    /// Our own kernels, on the processor.
    Fused(Box<Fused>),
}

/// What libtorch computes.
#[derive(Debug)]
pub(crate) struct Plain {
    network: Network,
    adam: Adam,
}

/// What our own kernels compute.
#[derive(Debug)]
pub(crate) struct Fused {
    network: Box<kernels::Network>,
    batch_size: usize,
    learning_rate: f64,
    /// Gradient of the loss by the logits.
    gradient: Vec<f32>,
}

/// What is trained, on what, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    /// The network.
    pub(crate) model: &'a GridCnn,
    /// Width and height of the images, pixels.
    pub(crate) image_size: u32,
    /// Number of classes, K.
    pub(crate) classes: u32,
    /// Of the initial weights.
    pub(crate) seed: u64,
    /// Where it is trained.
    pub(crate) device: Device,
    /// Threads of the processor.
    pub(crate) threads: u32,
    /// The parameters of training.
    pub(crate) train: &'a Train,
}

/// Loss and number of right answers of a batch.
#[derive(Debug)]
pub(crate) enum BatchResult {
    /// Mean loss and number of right answers.
    Ready(f32, usize),
    /// The same as scalars that a device may still be computing.
    Pending(Tensor, Tensor),
}

impl BatchResult {
    /// Mean loss and number of right answers. On CUDA this waits for the device.
    ///
    /// # Errors
    /// Where the device failed meanwhile.
    pub(crate) fn wait(self) -> Result<(f32, f64), TchError> {
        Ok(match self {
            Self::Ready(loss, correct) => (loss, correct as f64),
            Self::Pending(loss, correct) => (f32::try_from(loss)?, i64::try_from(correct)? as f64),
        })
    }
}

/// What the network says of some images.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Cross-entropy of each image, `[n]`.
    pub(crate) losses: Vec<f32>,
    /// Predicted classes, `[n]`.
    pub(crate) predicted: Vec<usize>,
    /// `[n, K]`, row-major.
    pub(crate) probabilities: Vec<f32>,
}

impl Engine {
    /// A network with the initial weights of the plan's seed (Glorot uniform kernels and zero biases, as Keras'), its
    /// optimizer at rest.
    ///
    /// # Errors
    /// [`TrainError::Model`] where the image is too small; [`TrainError::NoFusedKernels`] where fused kernels are asked for
    /// on CUDA; [`TrainError::NoBf16`] and [`TrainError::NoTf32`] where the device lacks the precision;
    /// [`TrainError::Torch`] where memory is short.
    pub(crate) fn new(plan: &Plan<'_>) -> Result<Self, TrainError> {
        let Plan { model, image_size, classes, seed, device, train, .. } = *plan;
        if train.precision == Precision::Tf32 && !device.is_cuda() {
            return Err(TrainError::NoTf32);
        }
        match (train.kernels, device) {
            (Kernels::Auto | Kernels::Fused, Device::Cpu) => Ok(Self::Fused(Box::new(Fused::new(plan)?))),
            (Kernels::Fused, _) => Err(TrainError::NoFusedKernels),
            (Kernels::Auto | Kernels::Plain, _) => {
                let mut network = Network::new(model, image_size, classes, seed, device)?;
                if device.is_cuda() {
                    machine::tune_cudnn();
                    network = network.channels_last()?;
                }
                if train.precision == Precision::Bf16 {
                    network = network.in_bf16();
                }
                let tensors: Vec<&Tensor> = network.parameters().iter().map(|p| &p.tensor).collect();
                let adam = Adam::new(&tensors, train.learning_rate)?;
                Ok(Self::Plain(Plain { network, adam }))
            }
        }
    }

    /// Name and shape of each parameter, as PyTorch's `state_dict` has them.
    pub(crate) fn shapes(&self) -> Vec<(String, Vec<usize>)> {
        match self {
            Self::Plain(plain) => {
                let shape = |tensor: &Tensor| tensor.size().into_iter().map(|side| side as usize).collect();
                plain.network.parameters().iter().map(|p| (p.name.clone(), shape(&p.tensor))).collect()
            }
            Self::Fused(fused) => {
                fused.network.parameters().map(|info| (info.name.clone(), info.shape.clone())).collect()
            }
        }
    }

    /// Sets a parameter, by its place in [`Self::shapes`], from little-endian f32 of its shape.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn set(&mut self, place: usize, bytes: &[u8]) -> Result<(), TchError> {
        match self {
            Self::Plain(plain) => {
                let tensor = &plain.network.parameters()[place].tensor;
                let values = Tensor::f_from_data_size(bytes, &tensor.size(), Kind::Float)?;
                no_grad(|| tensor.shallow_clone().f_copy_(&values))?;
            }
            Self::Fused(fused) => {
                for (rows, bytes) in row_groups(&fused.network, place, bytes) {
                    let values: Vec<f32> =
                        bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes).collect();
                    fused.network.set_rows(place, Part::Value, rows, &values);
                }
            }
        }
        Ok(())
    }

    /// Writes a parameter, by its place in [`Self::shapes`], as little-endian f32 in PyTorch's layout. Some rows at a time:
    /// the largest of the paper's have 800 MB.
    ///
    /// # Errors
    /// Where `to` cannot be written.
    pub(crate) fn write(&self, place: usize, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Plain(plain) => {
                let tensor = &plain.network.parameters()[place].tensor;
                let flat =
                    tensor.f_detach().and_then(|tensor| tensor.f_flatten(0, -1)).map_err(io::Error::other)?;
                for start in (0..flat.size()[0]).step_by(WRITTEN_NUMBERS) {
                    let n = (flat.size()[0] - start).min(WRITTEN_NUMBERS as i64);
                    let values = flat.f_narrow(0, start, n).and_then(Vec::<f32>::try_from);
                    write_values(&values.map_err(io::Error::other)?, to)?;
                }
            }
            Self::Fused(fused) => {
                let network = &fused.network;
                let n_rows = network.rows(place);
                let n: usize = network.parameters().nth(place).map_or(0, |info| info.shape.iter().product());
                let mut values = Vec::new();
                for start in (0..n_rows).step_by(ROWS) {
                    let rows = start..(start + ROWS).min(n_rows);
                    values.resize(n / n_rows * rows.len(), 0.0);
                    network.get_rows(place, Part::Value, rows, &mut values);
                    write_values(&values, to)?;
                }
            }
        }
        Ok(())
    }

    /// Step size of Adam.
    pub(crate) fn learning_rate(&self) -> f64 {
        match self {
            Self::Plain(plain) => plain.adam.learning_rate(),
            Self::Fused(fused) => fused.learning_rate,
        }
    }

    /// Whether results are worth waiting for later.
    pub(crate) fn runs_ahead(&self) -> bool {
        match self {
            Self::Plain(plain) => plain.network.device().is_cuda(),
            Self::Fused(_) => false,
        }
    }

    /// One step of training.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn train(&mut self, images: &Images<'_>, rows: &[usize]) -> Result<BatchResult, TrainError> {
        match self {
            Self::Plain(Plain { network, adam }) => {
                let parameters: Vec<&Tensor> = network.parameters().iter().map(|p| &p.tensor).collect();
                let (x, y) = images.batch(rows)?;
                let logits = network.forward(&x)?;
                let loss = loss::mean(&logits, &y)?;
                let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
                adam.step(&parameters, gradients)?;
                let correct = no_grad(|| loss::correct(&logits, &y))?;
                Ok(BatchResult::Pending(loss.f_detach()?, correct))
            }
            Self::Fused(fused) => Ok(fused.train(images, rows)),
        }
    }

    /// Images that are evaluated at once. A function of shapes alone, so that results repeat.
    pub(crate) fn evaluation_batch(&self, side: usize) -> usize {
        match self {
            Self::Plain(plain) => {
                // The first convolution's output is the largest activation by far; a network without one keeps little.
                let channels = plain.network.parameters()[0].tensor.size()[0] as usize;
                let image = channels * side * side * size_of::<f32>();
                (ACTIVATION_BYTES / image.max(1)).clamp(1, LARGEST_BATCH)
            }
            Self::Fused(fused) => fused.batch_size,
        }
    }

    /// What the network says of the images, at most [`Self::evaluation_batch`].
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn answer(&mut self, images: &Images<'_>, rows: &[usize]) -> Result<Answers, TrainError> {
        match self {
            Self::Plain(plain) => no_grad(|| {
                let (x, y) = images.batch(rows)?;
                let logits = plain.network.forward(&x)?;
                let predicted = Vec::<i64>::try_from(loss::predicted(&logits)?)?;
                Ok(Answers {
                    losses: Vec::try_from(loss::per_image(&logits, &y)?)?,
                    predicted: predicted.into_iter().map(|class| class as usize).collect(),
                    probabilities: Vec::try_from(loss::probabilities(&logits)?.f_flatten(0, -1)?)?,
                })
            }),
            Self::Fused(fused) => Ok(fused.answer(images, rows)),
        }
    }
}

impl Fused {
    fn new(plan: &Plan<'_>) -> Result<Self, TrainError> {
        let Plan { model, image_size, classes, seed, threads, train, .. } = *plan;
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
            Precision::Bf16 if !kernels::has_bf16() => return Err(TrainError::NoBf16),
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
        Ok(Self { network: Box::new(network), batch_size, learning_rate: train.learning_rate, gradient })
    }

    fn train(&mut self, images: &Images<'_>, rows: &[usize]) -> BatchResult {
        let pixels: Vec<&[u8]> = rows.iter().map(|&row| images.pixels(row)).collect();
        let labels: Vec<usize> = rows.iter().map(|&row| images.label(row)).collect();
        let logits = self.network.forward(&pixels);
        let outputs = logits.len() / rows.len();
        let (mut loss, mut correct) = (0.0, 0);
        for (logits, &label) in logits.chunks_exact(outputs).zip(&labels) {
            loss += f64::from(kernels::loss::cross_entropy(logits, label));
            correct += usize::from(kernels::loss::predicted(logits) == label);
        }
        let gradient = &mut self.gradient[..logits.len()];
        kernels::loss::gradient(logits, &labels, gradient);
        self.network.backward(gradient, self.learning_rate);
        BatchResult::Ready((loss / rows.len() as f64) as f32, correct)
    }

    fn answer(&mut self, images: &Images<'_>, rows: &[usize]) -> Answers {
        let pixels: Vec<&[u8]> = rows.iter().map(|&row| images.pixels(row)).collect();
        let logits = self.network.forward(&pixels);
        let mut answers = Answers::default();
        for (logits, &row) in logits.chunks_exact(logits.len() / rows.len().max(1)).zip(rows) {
            answers.losses.push(kernels::loss::cross_entropy(logits, images.label(row)));
            answers.predicted.push(kernels::loss::predicted(logits));
            answers.probabilities.extend(kernels::loss::probabilities(logits));
        }
        answers
    }
}

/// Rows of a parameter that are written into the kernels' layout together: a cache line there.
const ROWS: usize = 16;
/// Numbers of a tensor that are on their way into a file together.
const WRITTEN_NUMBERS: usize = 1 << 20;

/// Sets a weight to its initial values, some rows at a time.
fn set_initial(network: &mut kernels::Network, place: usize, shape: &[i64], seed: u64) {
    let mut random = GlorotUniform::new(shape, seed, network::stream(place));
    let (n_rows, row_len) = (network.rows(place), shape[1..].iter().product::<i64>() as usize);
    let mut values = Vec::new();
    for start in (0..n_rows).step_by(ROWS) {
        let rows = start..(start + ROWS).min(n_rows);
        values.resize(row_len * rows.len(), 0.0);
        random.fill(&mut values);
        network.set_rows(place, Part::Value, rows, &values);
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

/// Little-endian f32.
fn write_values(values: &[f32], to: &mut dyn Write) -> io::Result<()> {
    let mut bytes = [0; 4096];
    for values in values.chunks(bytes.len() / size_of::<f32>()) {
        for (four, value) in bytes.as_chunks_mut().0.iter_mut().zip(values) {
            *four = value.to_le_bytes();
        }
        to.write_all(&bytes[..size_of_val(values)])?;
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use gridboard::spec::Value;

    use super::*;

    fn train() -> Train {
        Train {
            epochs: 1,
            batch_size: 16,
            learning_rate: 0.01,
            shuffle: true,
            initial_weights: None,
            kernels: Kernels::Auto,
            precision: Precision::Fp32,
        }
    }

    /// A new engine for tests, on the processor.
    pub(crate) fn engine(
        model: GridCnn,
        image_size: u32,
        classes: u32,
        seed: u64,
        kernels: Kernels,
    ) -> Engine {
        let train = Train { kernels, ..train() };
        let device = Device::Cpu;
        let plan = Plan { model: &model, image_size, classes, seed, device, threads: 2, train: &train };
        Engine::new(&plan).unwrap()
    }

    /// All parameters, one behind the other.
    pub(crate) fn values(engine: &Engine) -> Vec<f32> {
        let mut values = Vec::new();
        for place in 0..engine.shapes().len() {
            let mut bytes = Vec::new();
            engine.write(place, &mut bytes).unwrap();
            values.extend(bytes.as_chunks().0.iter().copied().map(f32::from_le_bytes));
        }
        values
    }

    #[test]
    fn both_begin_with_the_same_network() {
        let model = || GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 5 };
        let [fused, plain] =
            [Kernels::Fused, Kernels::Plain].map(|kernels| engine(model(), 14, 3, 7, kernels));
        assert!(matches!((&fused, &plain), (Engine::Fused(_), Engine::Plain(_))));
        assert_eq!(fused.shapes(), plain.shapes());
        assert_eq!(values(&fused), values(&plain));
        assert!(matches!(engine(model(), 14, 3, 7, Kernels::Auto), Engine::Fused(_)));
    }

    /// The kernels against libtorch's own expression and gradient, over a few steps of training.
    #[test]
    fn both_take_the_same_steps() {
        for (conv_layers, dense_layers, classes) in [(0, 1, 2), (1, 0, 3), (2, 1, 2), (3, 2, 9)] {
            let side = 27;
            let pixels: Vec<u8> = (0..16 * side * side)
                .map(|at| ((at as u32).wrapping_mul(2_654_435_761) >> 24) as u8)
                .collect();
            let labels: Vec<u8> = (0..16).map(|row| (row % classes) as u8).collect();
            let images = Images::new(&pixels, &labels, side, Device::Cpu).unwrap();
            let rows: Vec<usize> = (0..13).collect();
            let run = |kernels| {
                let model = GridCnn { conv_layers, dense_layers, layer_size: 18 };
                let mut engine = engine(model, side as u32, classes, 3, kernels);
                let steps: Vec<(f32, f64)> =
                    (0..4).map(|_| engine.train(&images, &rows).unwrap().wait().unwrap()).collect();
                let answers = engine.answer(&images, &rows[..5]).unwrap();
                (steps, answers, values(&engine))
            };
            let (fused, plain) = (run(Kernels::Fused), run(Kernels::Plain));
            let near = |ours: f32, torch: f32, what: &str| {
                assert!(
                    (ours - torch).abs() <= 1e-4 * torch.abs().max(1e-2),
                    "{what}: {ours}, libtorch {torch}"
                );
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
            let far =
                fused.2.iter().zip(&plain.2).filter(|(ours, torch)| (*ours - *torch).abs() > 1e-4).count();
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
            Plan { model: &model, image_size: 9, classes: 2, seed: 0, device, threads: 1, train: &train };
        assert!(matches!(Engine::new(&plan), Err(TrainError::NoFusedKernels)));
    }

    #[test]
    fn a_precision_that_the_device_lacks_is_refused() {
        let model = GridCnn { conv_layers: 1, dense_layers: 0, layer_size: 4 };
        let made = |kernels, precision| {
            let train = Train { kernels, precision, ..train() };
            let device = Device::Cpu;
            Engine::new(&Plan {
                model: &model,
                image_size: 9,
                classes: 2,
                seed: 0,
                device,
                threads: 1,
                train: &train,
            })
        };
        for kernels in [Kernels::Auto, Kernels::Plain] {
            assert!(matches!(made(kernels, Precision::Tf32), Err(TrainError::NoTf32)), "{kernels:?}");
        }
        // libtorch rounds on any processor; our kernels only where that is fast.
        assert!(matches!(made(Kernels::Plain, Precision::Bf16), Ok(Engine::Plain(_))));
        match made(Kernels::Auto, Precision::Bf16) {
            Ok(Engine::Fused(_)) => assert!(kernels::has_bf16()),
            other => assert!(matches!(other, Err(TrainError::NoBf16)) && !kernels::has_bf16()),
        }
    }
}
