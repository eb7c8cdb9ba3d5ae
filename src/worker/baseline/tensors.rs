//! The tensors of a network by their names in torchvision's `state_dict`, and the layers that hold them.
//!
//! A layer and the list share their tensors: what a file or the optimizer writes into one is in the other.

use gridboard::spec::Freeze;
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::{engine::EngineError, init};

/// torchvision's batch norms: weight of the newest batch in the running statistics, and what is added to the variance.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// One tensor as it is stored.
#[derive(Debug)]
pub(crate) struct Stored {
    /// `layer1.0.bn1.running_mean`.
    pub(crate) name: String,
    /// f32, but i64 for [`Role::Count`].
    pub(crate) tensor: Tensor,
    /// What it is to training.
    pub(crate) role: Role,
    start: Start,
}

/// What a tensor is to training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A weight or bias of any layer but the last.
    Backbone,
    /// A weight or bias of the last layer.
    Head,
    /// A running mean or variance.
    Statistic,
    /// The batches that a batch norm has seen.
    Count,
}

/// What a tensor begins as.
#[derive(Clone, Copy, Debug)]
enum Start {
    Constant(f64),
    /// Normal around 0.
    Normal {
        deviation: f64,
    },
    /// Uniform around 0, up to this.
    Uniform {
        limit: f64,
    },
}

/// How torchvision begins a dense layer.
#[derive(Clone, Copy, Debug)]
pub(super) enum LinearStart {
    /// VGG: normal with deviation 0.01, bias 0.
    Vgg,
    /// PyTorch's default: weight and bias uniform in ±1/sqrt(inputs).
    Default,
}

/// All tensors, in the order of the `state_dict`.
#[derive(Debug)]
pub(super) struct Tensors {
    all: Vec<Stored>,
    /// i64 `[norms]`: what the tensors of [`Role::Count`] are views of, so that all of them count in one operation.
    counts: Tensor,
    device: Device,
    freeze: Freeze,
}

/// A convolution.
#[derive(Debug)]
pub(super) struct Convolution {
    /// `[out, in, kernel, kernel]`.
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

/// Batch norm over `[n, channels, h, w]`.
#[derive(Debug)]
pub(super) struct BatchNorm {
    name: String,
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

/// A dense layer.
#[derive(Debug)]
pub(super) struct Linear {
    /// `[out, in]`.
    weight: Tensor,
    bias: Tensor,
}

impl Tensors {
    pub(super) fn new(device: Device, freeze: Freeze) -> Self {
        Self { all: Vec::new(), counts: Tensor::new(), device, freeze }
    }

    pub(super) fn all(&self) -> &[Stored] {
        &self.all
    }

    /// Lays the counts of batches into one tensor, once all layers are made.
    ///
    /// # Errors
    /// Where memory is short.
    pub(super) fn join_counts(&mut self) -> Result<(), TchError> {
        let counts: Vec<&Tensor> = self
            .all
            .iter()
            .filter(|stored| stored.role == Role::Count)
            .map(|stored| &stored.tensor)
            .collect();
        self.counts = Tensor::f_zeros([counts.len() as i64], (Kind::Int64, self.device))?;
        for (place, count) in (0..).zip(counts) {
            count.shallow_clone().f_set_data(&self.counts.f_select(0, place)?)?;
        }
        Ok(())
    }

    /// Every batch norm has seen one more batch.
    ///
    /// # Errors
    /// Where the device fails.
    pub(super) fn count_batch(&self) -> Result<(), TchError> {
        no_grad(|| self.counts.shallow_clone().f_add_scalar_(1).map(drop))
    }

    /// See [`super::Baseline::initialise`].
    pub(super) fn initialise(&self, seed: u64) -> Result<(), TchError> {
        no_grad(|| {
            for (stream, Stored { tensor, start, .. }) in (0..).zip(&self.all) {
                let mut tensor = tensor.shallow_clone();
                let n = tensor.numel();
                let values = match *start {
                    Start::Constant(value) => {
                        let _ = tensor.f_fill_(value)?;
                        continue;
                    }
                    Start::Normal { deviation } => init::normal(n, deviation, seed, stream),
                    Start::Uniform { limit } => init::uniform(n, limit, seed, stream),
                };
                let values = Tensor::f_from_slice(&values)?.f_reshape(tensor.size())?;
                tensor.f_copy_(&values)?;
            }
            Ok(())
        })
    }

    fn add(&mut self, name: String, shape: &[i64], role: Role, start: Start) -> Result<Tensor, TchError> {
        let kind = if role == Role::Count { Kind::Int64 } else { Kind::Float };
        let trains = match role {
            Role::Head => true,
            Role::Backbone => self.freeze == Freeze::None,
            Role::Statistic | Role::Count => false,
        };
        let tensor = Tensor::f_zeros(shape, (kind, self.device))?.f_set_requires_grad(trains)?;
        let shared = tensor.shallow_clone();
        self.all.push(Stored { name, tensor, role, start });
        Ok(shared)
    }

    /// A square convolution: Kaiming's normal distribution over the outputs, bias 0.
    pub(super) fn convolution(
        &mut self,
        name: &str,
        [outputs, inputs, kernel]: [u32; 3],
        stride: u32,
        bias: bool,
    ) -> Result<Convolution, TchError> {
        let [outputs, inputs, kernel] = [outputs, inputs, kernel].map(i64::from);
        // `kaiming_normal_(mode="fan_out", nonlinearity="relu")`: the gain of a ReLU is the root of 2.
        let deviation = (2.0 / (outputs * kernel * kernel) as f64).sqrt();
        let shape = [outputs, inputs, kernel, kernel];
        let weight =
            self.add(format!("{name}.weight"), &shape, Role::Backbone, Start::Normal { deviation })?;
        let bias = match bias {
            true => {
                Some(self.add(format!("{name}.bias"), &[outputs], Role::Backbone, Start::Constant(0.0))?)
            }
            false => None,
        };
        Ok(Convolution { weight, bias, stride: stride.into(), padding: kernel / 2 })
    }

    /// A batch norm: scale 1, shift 0, running mean 0 and variance 1.
    pub(super) fn batch_norm(&mut self, name: &str, channels: u32) -> Result<BatchNorm, TchError> {
        let shape = [i64::from(channels)];
        let mut add =
            |part: &str, shape: &[i64], role, start| self.add(format!("{name}.{part}"), shape, role, start);
        let norm = BatchNorm {
            name: name.to_owned(),
            weight: add("weight", &shape, Role::Backbone, Start::Constant(1.0))?,
            bias: add("bias", &shape, Role::Backbone, Start::Constant(0.0))?,
            mean: add("running_mean", &shape, Role::Statistic, Start::Constant(0.0))?,
            variance: add("running_var", &shape, Role::Statistic, Start::Constant(1.0))?,
        };
        // The layer counts through the list.
        add("num_batches_tracked", &[], Role::Count, Start::Constant(0.0)).map(drop)?;
        Ok(norm)
    }

    /// A dense layer.
    pub(super) fn linear(
        &mut self,
        name: &str,
        [outputs, inputs]: [i64; 2],
        role: Role,
        start: LinearStart,
    ) -> Result<Linear, TchError> {
        let (weight_start, bias_start) = match start {
            LinearStart::Vgg => (Start::Normal { deviation: 0.01 }, Start::Constant(0.0)),
            LinearStart::Default => {
                // Kaiming's uniform distribution with a = sqrt(5), which is sqrt(6 / (6 inputs)).
                let start = Start::Uniform { limit: 1.0 / (inputs as f64).sqrt() };
                (start, start)
            }
        };
        Ok(Linear {
            weight: self.add(format!("{name}.weight"), &[outputs, inputs], role, weight_start)?,
            bias: self.add(format!("{name}.bias"), &[outputs], role, bias_start)?,
        })
    }
}

impl Convolution {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        x.f_conv2d(&self.weight, self.bias.as_ref(), stride, padding, [1, 1], 1)
    }
}

impl BatchNorm {
    /// `by_batch`: normalise by the batch and move the running statistics, else normalise by those.
    pub(super) fn forward(&self, x: &Tensor, by_batch: bool) -> Result<Tensor, EngineError> {
        if by_batch {
            let size = x.size();
            // The variance of one value is nothing to divide by, and its unbiased estimate no number at all.
            if size[0] * size[2] * size[3] == 1 {
                return Err(EngineError::BatchNorm { layer: self.name.clone() });
            }
        }
        let (mean, variance) = (Some(&self.mean), Some(&self.variance));
        let (weight, bias) = (Some(&self.weight), Some(&self.bias));
        Ok(x.f_batch_norm(weight, bias, mean, variance, by_batch, MOMENTUM, EPSILON, true)?)
    }
}

impl Linear {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_linear(&self.weight, Some(&self.bias))
    }
}
