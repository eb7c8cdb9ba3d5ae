//! What computes a run: libtorch, or the project's own kernels. The loop, the evaluation and the weights' files see only
//! [`Engine`].
//!
//! `plain` is libtorch, `fused` our own kernels; what neither can do is `error`. Both have the same initial weights, take
//! the same batches and agree to within rounding (the tests of the loop and the comparison with Keras run on both); only
//! libtorch knows CUDA.

mod error;
mod fused;
mod plain;
#[cfg(test)]
pub(crate) mod tests;

use std::{
    fmt::Debug,
    io::{self, Read, Write},
    ops::{Deref, DerefMut},
    path::Path,
};

use gridboard::{
    corpus::{self, Part},
    model::Architecture,
    run::RunFile,
    spec::{Kernels, Precision, Train},
};
use tch::{Device, TchError, Tensor};

use crate::data::Batch;
pub(crate) use error::EngineError;
use fused::Fused;
pub(crate) use gridboard::kernels::Part as Values;
use plain::Plain;

/// A network with its optimizer.
#[derive(Debug)]
pub(crate) struct Engine(Box<dyn Compute>);

/// What every engine can do.
pub(crate) trait Compute: Debug {
    /// Every tensor that is stored of the network, in the order of PyTorch's `state_dict`.
    fn state(&self) -> Vec<Info>;

    /// Sets a tensor, by its place in [`Self::state`], from little-endian numbers of its shape and type.
    ///
    /// # Errors
    /// Where memory is short.
    fn set(&mut self, place: usize, bytes: &[u8]) -> Result<(), EngineError>;

    /// Writes a tensor, by its place in [`Self::state`], or the moments of one that is trained, as little-endian numbers in
    /// PyTorch's layout. Some rows at a time: the largest of the paper's have 800 MB.
    ///
    /// # Errors
    /// Where `to` cannot be written.
    fn write(&self, place: usize, part: Values, to: &mut dyn Write) -> io::Result<()>;

    /// Takes what [`Self::write`] has written.
    ///
    /// # Errors
    /// Where `from` cannot be read.
    fn read(&mut self, place: usize, part: Values, from: &mut dyn Read) -> io::Result<()>;

    /// How far optimizer and random draws are.
    fn counters(&self) -> Counters;

    /// Takes what [`Self::counters`] has answered.
    fn set_counters(&mut self, counters: Counters);

    /// What computes, in words: only what was computed by the same has the same bits.
    fn kernels(&self) -> String;

    /// Whether results are the same bits with any number of threads.
    fn is_elastic(&self) -> bool;

    /// Step size of Adam; of the head, where the backbone has another.
    fn learning_rate(&self) -> f64;

    /// Whether results are worth waiting for later.
    fn runs_ahead(&self) -> bool;

    /// One step of training.
    ///
    /// # Errors
    /// Where memory is short.
    fn train(&mut self, batch: Batch<'_>) -> Result<BatchResult, EngineError>;

    /// Images that are evaluated at once. A function of shapes alone, so that results repeat.
    fn evaluation_batch(&self, side: usize) -> usize;

    /// What the network says of the images, at most [`Self::evaluation_batch`].
    ///
    /// # Errors
    /// Where memory is short.
    fn answer(&mut self, batch: Batch<'_>) -> Result<Answers, EngineError>;
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
    /// Whether it is trained, so that the optimizer has moments of it.
    pub(crate) is_trained: bool,
}

/// What an engine counts beside its tensors: how far the optimizer and the random draws are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Updates of the optimizer.
    pub(crate) updates: u32,
    /// Masks of dropout that were drawn.
    pub(crate) masks: u64,
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
    /// Mean loss and number of right answers of each batch. On CUDA this waits for the device: once for all of them, and
    /// not for each.
    ///
    /// # Errors
    /// Where the device failed meanwhile.
    pub(crate) fn wait(results: impl IntoIterator<Item = Self>) -> Result<Vec<(f32, f64)>, TchError> {
        let (mut all, mut losses, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for result in results {
            match result {
                Self::Ready(loss, correct) => all.push((loss, correct as f64)),
                Self::Pending(loss, correct) => {
                    losses.push(loss);
                    counts.push(correct);
                }
            }
        }
        // An engine's results are all of one kind, so that their order is kept.
        if !losses.is_empty() {
            let losses = Vec::<f32>::try_from(Tensor::f_stack(&losses, 0)?)?;
            let counts = Vec::<i64>::try_from(Tensor::f_stack(&counts, 0)?)?;
            all.extend(losses.into_iter().zip(counts).map(|(loss, correct)| (loss, correct as f64)));
        }
        Ok(all)
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

/// As many as a batch may hold where nobody says how many train: an answer needs few at a time.
const UNKNOWN_IMAGES: u64 = 256;

/// How many images train, where the split is there to say it; a network that only answers may be far from its images.
pub(crate) fn training_images(split: &Path) -> u64 {
    let parts = corpus::read_split(split).unwrap_or_default();
    match parts.iter().filter(|part| **part == Part::Train).count() {
        0 => UNKNOWN_IMAGES,
        images => images as u64,
    }
}

impl Engine {
    /// The network of a `run.json` with the initial weights of its seed, its optimizer at rest. Training and prediction both
    /// begin here and load weights from files afterwards.
    ///
    /// # Errors
    /// [`EngineError::Incomplete`] where the run has no dataset or is a `command`, [`EngineError::Parameter`], and as
    /// [`Self::new`].
    pub(crate) fn from_run(run: &RunFile, device: Device) -> Result<Self, EngineError> {
        let architecture = Architecture::from_parameters(run.family, &run.parameters)?
            .ok_or(EngineError::Incomplete("a `command` run is not trained here"))?;
        let dataset = run.dataset.as_ref().ok_or(EngineError::Incomplete("`dataset` is missing"))?;
        // Memory follows the images that there are, not those that a batch could hold.
        let train = Train::from_parameters(&run.parameters)?.fitting(training_images(&dataset.split));
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
    /// [`EngineError::Model`] where the image is too small; [`EngineError::NoFusedKernels`] where fused kernels are asked for
    /// on CUDA or for a baseline; [`EngineError::NoBf16`] and [`EngineError::NoTf32`] where the device lacks the precision;
    /// [`EngineError::Torch`] where memory is short.
    pub(crate) fn new(plan: &Plan<'_>) -> Result<Self, EngineError> {
        if plan.train.precision == Precision::Tf32 && !plan.device.is_cuda() {
            return Err(EngineError::NoTf32);
        }
        let engine: Box<dyn Compute> = match (plan.model, plan.train.kernels, plan.device) {
            (Architecture::GridCnn(model), Kernels::Auto | Kernels::Fused, Device::Cpu) => {
                Box::new(Fused::new(plan, model)?)
            }
            (_, Kernels::Fused, _) => return Err(EngineError::NoFusedKernels),
            (_, Kernels::Auto | Kernels::Plain, _) => Box::new(Plain::new(plan)?),
        };
        Ok(Self(engine))
    }
}

impl Deref for Engine {
    type Target = dyn Compute;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl DerefMut for Engine {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.0
    }
}

/// Bytes of numbers that are read at once.
const PIECE: usize = 1 << 16;

/// Takes what [`write_values`] has written.
fn read_values(values: &mut [f32], from: &mut dyn Read) -> io::Result<()> {
    let mut bytes = [0; PIECE];
    for values in values.chunks_mut(PIECE / size_of::<f32>()) {
        let bytes = &mut bytes[..size_of_val(values)];
        from.read_exact(bytes)?;
        for (four, value) in bytes.as_chunks().0.iter().zip(values) {
            *value = f32::from_le_bytes(*four);
        }
    }
    Ok(())
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
