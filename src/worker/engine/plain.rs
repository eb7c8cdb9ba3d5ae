//! libtorch's operations, on any device.

use std::io::{self, Read, Write};

use gridboard::{
    model::Architecture,
    spec::{Precision, Train},
};
use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::{
    Answers, BatchResult, Compute, Counters, EngineError, Info, Plan, Values, read_values, write_values,
};
use crate::{
    adam::Adam,
    baseline::{Baseline, Mode, Role},
    data::Batch,
    loss, machine,
    network::Network,
};

/// Bytes that the largest activation of an evaluated batch may take.
const ACTIVATION_BYTES: usize = 64 << 20;
/// Larger batches gain nothing on any device.
const LARGEST_BATCH: usize = 256;
/// Numbers of a tensor that are on their way into a file together.
const WRITTEN_NUMBERS: usize = 1 << 20;

/// A network of tensors.
#[derive(Debug)]
pub(super) struct Plain {
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

impl Plain {
    /// The network of a plan, see [`super::Engine::new`].
    ///
    /// # Errors
    /// As there.
    pub(super) fn new(plan: &Plan<'_>) -> Result<Self, EngineError> {
        let Plan { train, device, .. } = *plan;
        if device.is_cuda() {
            machine::tune_cudnn();
        }
        let network = Tensors::new(plan)?;
        let rates = network.learning_rates(train);
        Ok(Self { network, adam: Adam::new(rates), learning_rate: train.learning_rate })
    }
}

impl Compute for Plain {
    fn state(&self) -> Vec<Info> {
        let info = |name: &String, tensor: &Tensor, role| Info {
            name: name.clone(),
            shape: tensor.size().into_iter().map(|side| side as usize).collect(),
            is_count: role == Role::Count,
            is_head: role == Role::Head,
            is_trained: tensor.requires_grad(),
        };
        match &self.network {
            Tensors::GridCnn(network) => {
                network.parameters().iter().map(|p| info(&p.name, &p.tensor, Role::Backbone)).collect()
            }
            Tensors::Baseline(baseline) => baseline
                .stored()
                .iter()
                .map(|stored| info(&stored.name, &stored.tensor, stored.role))
                .collect(),
        }
    }

    fn set(&mut self, place: usize, bytes: &[u8]) -> Result<(), EngineError> {
        let tensor = self.network.tensor(place);
        let values = Tensor::f_from_data_size(bytes, &tensor.size(), tensor.kind())?;
        no_grad(|| tensor.shallow_clone().f_copy_(&values))?;
        Ok(())
    }

    fn write(&self, place: usize, part: Values, to: &mut dyn Write) -> io::Result<()> {
        let tensor = self.values(place, part).map_err(io::Error::other)?;
        if tensor.kind() == Kind::Int64 {
            let count = i64::try_from(&tensor).map_err(io::Error::other)?;
            return to.write_all(&count.to_le_bytes());
        }
        let flat = tensor.f_flatten(0, -1).map_err(io::Error::other)?;
        for start in (0..flat.size()[0]).step_by(WRITTEN_NUMBERS) {
            let n = (flat.size()[0] - start).min(WRITTEN_NUMBERS as i64);
            let values = flat.f_narrow(0, start, n).and_then(Vec::<f32>::try_from);
            write_values(&values.map_err(io::Error::other)?, to)?;
        }
        Ok(())
    }

    fn read(&mut self, place: usize, part: Values, from: &mut dyn Read) -> io::Result<()> {
        if part != Values::Value {
            self.adam.prepare(&self.network.trained()).map_err(io::Error::other)?;
        }
        let mut tensor = self.values(place, part).map_err(io::Error::other)?;
        if tensor.kind() == Kind::Int64 {
            let mut count = [0; 8];
            from.read_exact(&mut count)?;
            return no_grad(|| tensor.f_fill_(i64::from_le_bytes(count))).map(drop).map_err(io::Error::other);
        }
        let n = tensor.numel();
        let mut values = vec![0.0; n.min(WRITTEN_NUMBERS)];
        if !tensor.is_contiguous() {
            // What lies in another order is small: the weights of a convolution.
            values.resize(n, 0.0);
            read_values(&mut values, from)?;
            let put = || tensor.f_copy_(&Tensor::f_from_slice(&values)?.f_view(&tensor.size()[..])?);
            return no_grad(put).map_err(io::Error::other);
        }
        let flat = tensor.f_view([-1]).map_err(io::Error::other)?;
        for start in (0..n).step_by(WRITTEN_NUMBERS) {
            values.truncate(n - start);
            read_values(&mut values, from)?;
            let put = || {
                let mut part = flat.f_narrow(0, start as i64, values.len() as i64)?;
                part.f_copy_(&Tensor::f_from_slice(&values)?)
            };
            no_grad(put).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        let masks = match &self.network {
            Tensors::GridCnn(_) => 0,
            Tensors::Baseline(baseline) => baseline.masks(),
        };
        Counters { updates: self.adam.updates(), masks }
    }

    fn set_counters(&mut self, counters: Counters) {
        self.adam.set_updates(counters.updates);
        if let Tensors::Baseline(baseline) = &mut self.network {
            baseline.set_masks(counters.masks);
        }
    }

    fn kernels(&self) -> String {
        format!("plain, {}", if self.network.device().is_cuda() { "CUDA" } else { "processor" })
    }

    fn is_elastic(&self) -> bool {
        false
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn runs_ahead(&self) -> bool {
        self.network.device().is_cuda()
    }

    fn train(&mut self, batch: Batch<'_>) -> Result<BatchResult, EngineError> {
        self.adam.prepare(&self.network.trained())?;
        let (x, y) = batch.tensors()?;
        let logits = self.network.forward(&x, Mode::Training)?;
        let loss = loss::mean(&logits, &y)?;
        let parameters = self.network.trained();
        let gradients = Tensor::f_run_backward(&[&loss], &parameters, false, false)?;
        self.adam.step(&parameters, gradients)?;
        let correct = no_grad(|| loss::correct(&logits, &y))?;
        Ok(BatchResult::Pending(loss.f_detach()?, correct))
    }

    fn evaluation_batch(&self, side: usize) -> usize {
        (ACTIVATION_BYTES / self.network.largest_output(side).max(1)).clamp(1, LARGEST_BATCH)
    }

    fn answer(&mut self, batch: Batch<'_>) -> Result<Answers, EngineError> {
        no_grad(|| {
            let (x, y) = batch.tensors()?;
            let logits = self.network.forward(&x, Mode::Evaluation)?;
            let predicted = Vec::<i64>::try_from(loss::predicted(&logits)?)?;
            Ok(Answers {
                losses: Vec::try_from(loss::per_image(&logits, &y)?)?,
                predicted: predicted.into_iter().map(|class| class as usize).collect(),
                probabilities: Vec::try_from(loss::probabilities(&logits)?.f_flatten(0, -1)?)?,
            })
        })
    }
}

impl Plain {
    /// A tensor of the state, or a moment of it as the optimizer has it: a view in its shape.
    fn values(&self, place: usize, part: Values) -> Result<Tensor, TchError> {
        let tensor = self.network.tensor(place);
        if part == Values::Value {
            return tensor.f_detach();
        }
        // The optimizer knows what is trained alone.
        let trained = (0..place).filter(|&before| self.network.tensor(before).requires_grad()).count();
        match self.adam.moment(trained, part == Values::SecondMoment, &tensor.size())? {
            Some(moment) => Ok(moment),
            None => tensor.f_detach()?.f_zeros_like(),
        }
    }
}

impl Tensors {
    fn new(plan: &Plan<'_>) -> Result<Self, EngineError> {
        let Plan { model, image_size, classes, seed, device, train, .. } = *plan;
        if let Architecture::GridCnn(model) = model {
            let mut network = Network::new(model, image_size, classes, seed, device)?;
            if device.is_cuda() {
                network = network.channels_last()?;
            }
            if train.precision == Precision::Bf16 {
                network = network.in_bf16();
            }
            return Ok(Self::GridCnn(network));
        }
        if train.precision == Precision::Bf16 {
            return Err(EngineError::NoBf16Baseline);
        }
        let mut baseline = Baseline::new(model, image_size, classes, train.freeze, device)?;
        baseline.initialise(seed)?;
        Ok(Self::Baseline(Box::new(baseline)))
    }

    /// Of each of [`Self::trained`].
    fn learning_rates(&self, train: &Train) -> Vec<f64> {
        match self {
            Self::GridCnn(network) => vec![train.learning_rate; network.parameters().len()],
            Self::Baseline(baseline) => {
                let backbone = train.backbone_learning_rate.unwrap_or(train.learning_rate);
                let rate = |role| if role == Role::Head { train.learning_rate } else { backbone };
                baseline.trained().map(|stored| rate(stored.role)).collect()
            }
        }
    }

    /// Logits, see [`Network::forward`] and [`Baseline::forward`].
    fn forward(&mut self, images: &Tensor, mode: Mode) -> Result<Tensor, EngineError> {
        match self {
            Self::GridCnn(network) => Ok(network.forward(images)?),
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

    /// By its place in [`Compute::state`].
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
