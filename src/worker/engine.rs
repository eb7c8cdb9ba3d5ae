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
    model::{Architecture, GridCnn},
    run::RunFile,
    spec::{Kernels, Precision, Train},
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::{
    adam::Adam,
    baseline::{Baseline, Mode, Role},
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
    network: Tensors,
    adam: Adam,
    learning_rate: f64,
}

/// The network of a run as tensors.
#[derive(Debug)]
enum Tensors {
    GridCnn(Network),
    Baseline(Box<Baseline>),
}

/// One tensor of what is stored of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// As PyTorch's `state_dict` has it.
    pub(crate) name: String,
    /// As PyTorch's `state_dict` has it; empty for a single number.
    pub(crate) shape: Vec<usize>,
    /// Whether it holds i64 and not f32: the batches that a batch norm has seen.
    pub(crate) is_count: bool,
    /// Whether it is of a baseline's last layer, which transferred weights may have for other classes.
    pub(crate) is_head: bool,
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
    pub(crate) model: &'a Architecture,
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
    /// The network of a `run.json` with the initial weights of its seed, its optimizer at rest. Training and prediction both
    /// begin here and load weights from files afterwards.
    ///
    /// # Errors
    /// [`TrainError::Incomplete`] where the run has no dataset or is a `command`, [`TrainError::Parameter`], and as
    /// [`Self::new`].
    pub(crate) fn from_run(run: &RunFile, device: Device) -> Result<Self, TrainError> {
        let architecture = Architecture::of(run.family, &run.parameters)?
            .ok_or(TrainError::Incomplete("a `command` run is not trained here"))?;
        let train = Train::from_parameters(&run.parameters)?;
        let dataset = run.dataset.as_ref().ok_or(TrainError::Incomplete("`dataset` is missing"))?;
        Self::new(&Plan {
            model: &architecture,
            image_size: dataset.image_size,
            classes: u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX),
            seed: run.seed,
            device,
            threads: run.threads,
            train: &train,
        })
    }

    /// A network with the initial weights of the plan's seed, its optimizer at rest. The weights of a grid CNN are Keras'
    /// (Glorot uniform kernels and zero biases), those of a baseline torchvision's (see `baseline`).
    ///
    /// # Errors
    /// [`TrainError::Model`] where the image is too small; [`TrainError::NoFusedKernels`] where fused kernels are asked for
    /// on CUDA or for a baseline; [`TrainError::NoBf16`] and [`TrainError::NoTf32`] where the device lacks the precision;
    /// [`TrainError::Torch`] where memory is short.
    pub(crate) fn new(plan: &Plan<'_>) -> Result<Self, TrainError> {
        let Plan { model, image_size, classes, seed, device, train, .. } = *plan;
        if train.precision == Precision::Tf32 && !device.is_cuda() {
            return Err(TrainError::NoTf32);
        }
        let network = match (model, train.kernels, device) {
            (Architecture::GridCnn(model), Kernels::Auto | Kernels::Fused, Device::Cpu) => {
                return Ok(Self::Fused(Box::new(Fused::new(plan, model)?)));
            }
            (_, Kernels::Fused, _) => return Err(TrainError::NoFusedKernels),
            (Architecture::GridCnn(model), Kernels::Auto | Kernels::Plain, _) => {
                let mut network = Network::new(model, image_size, classes, seed, device)?;
                if device.is_cuda() {
                    machine::tune_cudnn();
                    network = network.channels_last()?;
                }
                if train.precision == Precision::Bf16 {
                    network = network.in_bf16();
                }
                Tensors::GridCnn(network)
            }
            (Architecture::Vgg(_) | Architecture::Resnet(_), Kernels::Auto | Kernels::Plain, _) => {
                if train.precision == Precision::Bf16 {
                    return Err(TrainError::NoBf16Baseline);
                }
                if device.is_cuda() {
                    machine::tune_cudnn();
                }
                let mut baseline = Baseline::new(model, image_size, classes, train.freeze, device)?;
                baseline.initialise(seed)?;
                Tensors::Baseline(Box::new(baseline))
            }
        };
        let learning_rate = train.learning_rate;
        let rates = match &network {
            Tensors::GridCnn(network) => vec![learning_rate; network.parameters().len()],
            Tensors::Baseline(baseline) => {
                let backbone = train.backbone_learning_rate.unwrap_or(learning_rate);
                let rate = |role| if role == Role::Head { learning_rate } else { backbone };
                baseline.trained().map(|stored| rate(stored.role)).collect()
            }
        };
        Ok(Self::Plain(Plain { network, adam: Adam::new(rates), learning_rate }))
    }

    /// Every tensor that is stored of the network, in the order of PyTorch's `state_dict`.
    pub(crate) fn state(&self) -> Vec<Info> {
        let info = |name: &String, shape, role| Info {
            name: name.clone(),
            shape,
            is_count: role == Role::Count,
            is_head: role == Role::Head,
        };
        let shape = |tensor: &Tensor| tensor.size().into_iter().map(|side| side as usize).collect();
        match self {
            Self::Plain(Plain { network: Tensors::GridCnn(network), .. }) => {
                let parameters = network.parameters().iter();
                parameters.map(|p| info(&p.name, shape(&p.tensor), Role::Backbone)).collect()
            }
            Self::Plain(Plain { network: Tensors::Baseline(baseline), .. }) => {
                let stored = baseline.stored().iter();
                stored.map(|stored| info(&stored.name, shape(&stored.tensor), stored.role)).collect()
            }
            Self::Fused(fused) => {
                let parameters = fused.network.parameters();
                parameters.map(|p| info(&p.name, p.shape.clone(), Role::Backbone)).collect()
            }
        }
    }

    /// Sets a tensor, by its place in [`Self::state`], from little-endian numbers of its shape and type.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn set(&mut self, place: usize, bytes: &[u8]) -> Result<(), TchError> {
        match self {
            Self::Plain(plain) => {
                let tensor = plain.network.tensor(place);
                let values = Tensor::f_from_data_size(bytes, &tensor.size(), tensor.kind())?;
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

    /// Writes a tensor, by its place in [`Self::state`], as little-endian numbers in PyTorch's layout. Some rows at a time:
    /// the largest of the paper's have 800 MB.
    ///
    /// # Errors
    /// Where `to` cannot be written.
    pub(crate) fn write(&self, place: usize, to: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Plain(plain) => {
                let tensor = plain.network.tensor(place);
                if tensor.kind() == Kind::Int64 {
                    let count = i64::try_from(tensor).map_err(io::Error::other)?;
                    return to.write_all(&count.to_le_bytes());
                }
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

    /// Step size of Adam; of the head, where the backbone has another.
    pub(crate) fn learning_rate(&self) -> f64 {
        match self {
            Self::Plain(plain) => plain.learning_rate,
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
            Self::Plain(Plain { network, adam, .. }) => {
                let (x, y) = images.batch(rows)?;
                let logits = network.forward(&x, Mode::Training)?;
                let loss = loss::mean(&logits, &y)?;
                let parameters = network.trained();
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
                (ACTIVATION_BYTES / plain.network.largest_output(side).max(1)).clamp(1, LARGEST_BATCH)
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
                let logits = plain.network.forward(&x, Mode::Evaluation)?;
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

impl Tensors {
    /// Logits, see [`Network::forward`] and [`Baseline::forward`].
    fn forward(&mut self, images: &Tensor, mode: Mode) -> Result<Tensor, TrainError> {
        match self {
            Self::GridCnn(network) => network.forward(images),
            Self::Baseline(baseline) => baseline.forward(images, mode),
        }
    }

    /// What takes a gradient, in the order of the optimizer.
    fn trained(&self) -> Vec<&Tensor> {
        match self {
            Self::GridCnn(network) => network.parameters().iter().map(|p| &p.tensor).collect(),
            Self::Baseline(baseline) => baseline.trained().map(|stored| &stored.tensor).collect(),
        }
    }

    /// By its place in [`Engine::state`].
    fn tensor(&self, place: usize) -> &Tensor {
        match self {
            Self::GridCnn(network) => &network.parameters()[place].tensor,
            Self::Baseline(baseline) => &baseline.stored()[place].tensor,
        }
    }

    fn device(&self) -> Device {
        match self {
            Self::GridCnn(network) => network.device(),
            Self::Baseline(baseline) => baseline.device(),
        }
    }

    /// Bytes of the largest output of a layer, of one image of `side` x `side` pixels.
    fn largest_output(&self, side: usize) -> usize {
        match self {
            // The first convolution's output is the largest activation by far; a network without one keeps little.
            Self::GridCnn(network) => {
                network.parameters()[0].tensor.size()[0] as usize * side * side * size_of::<f32>()
            }
            Self::Baseline(baseline) => baseline.largest_output(side),
        }
    }
}

impl Fused {
    fn new(plan: &Plan<'_>, model: &GridCnn) -> Result<Self, TrainError> {
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
    use gridboard::spec::{Freeze, Value};

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
            freeze: Freeze::None,
            backbone_learning_rate: None,
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
        let plan =
            Plan { model: &model.into(), image_size, classes, seed, device, threads: 2, train: &train };
        Engine::new(&plan).unwrap()
    }

    /// All parameters, one behind the other.
    pub(crate) fn values(engine: &Engine) -> Vec<f32> {
        let mut values = Vec::new();
        for (place, info) in engine.state().iter().enumerate() {
            if info.is_count {
                continue;
            }
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
        assert_eq!(fused.state(), plain.state());
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
        let plan = Plan {
            model: &model.into(),
            image_size: 9,
            classes: 2,
            seed: 0,
            device,
            threads: 1,
            train: &train,
        };
        assert!(matches!(Engine::new(&plan), Err(TrainError::NoFusedKernels)));
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
