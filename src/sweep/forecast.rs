//! What is known of a run before it starts: its cost for the scheduler, its steps for the progress.

use super::status::RunForecast;
use crate::{
    corpus::LoadingTable,
    model::{self, Architecture},
    run::RunSpec,
    schedule::{Job, Slot},
    spec::{Dataset, Experiment, Family, Kernels, Train},
};

/// A training step is a forward pass and about twice that backward: 3 forward passes an image.
const TRAINING_PASSES: f64 = 3.0;

/// Number of classes.
fn class_count(dataset: &Dataset) -> u32 {
    u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX)
}

/// Tells cost and steps of the runs of one experiment.
pub(crate) struct Forecaster {
    /// Image side and number of classes.
    image: Option<(u32, u32)>,
    /// Training and validation images.
    images: Option<(u64, u64)>,
    /// Threads of a run, where every slot is of the processor.
    threads: Option<u32>,
    /// Tag of the metric that ranks.
    rank_by: String,
}

impl Forecaster {
    pub(crate) fn new(experiment: &Experiment, loading: Option<&LoadingTable>, slots: &[Slot]) -> Self {
        Self {
            rank_by: experiment.rank.by.tag.clone(),
            threads: Slot::processor_threads(slots),
            image: experiment.dataset.as_ref().map(|dataset| (dataset.image_size, class_count(dataset))),
            images: loading.map(|loading| (loading.train, loading.validation)),
        }
    }

    /// FLOPs of the whole training and bytes of memory; 0 where they are not known.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    pub(crate) fn cost_and_memory(&self, run: &RunSpec) -> (f64, u64) {
        let (Some((size, classes)), Some((train, validation))) = (self.image, self.images) else {
            return (0.0, 0);
        };
        let (Ok(Some(network)), Ok(settings)) = (
            Architecture::from_parameters(run.family, &run.parameters),
            Train::from_parameters(&run.parameters),
        ) else {
            return (0.0, 0);
        };
        let settings = settings.fitting(train);
        let Ok(summary) = model::summary(&network, size, classes, &settings) else {
            return (0.0, 0);
        };
        let images = TRAINING_PASSES * train as f64 + validation as f64;
        // A device of the other kind needs what libtorch needs.
        let on_processor = self
            .threads
            .and_then(|threads| model::memory_on_processor(&network, size, classes, &settings, threads).ok());
        let memory = on_processor.unwrap_or(summary.memory_bytes);
        (summary.flops_per_image as f64 * images * f64::from(settings.epochs), memory)
    }

    /// The run as the scheduler takes it, with the number of its next attempt.
    pub(super) fn job(&self, run: &RunSpec, attempt: u32, cancelled: bool) -> Job {
        let (cost, memory) = self.cost_and_memory(run);
        Job {
            run: run.index.get(),
            cost,
            memory,
            attempt,
            elastic: self.is_elastic(run),
            cancelled,
            alive: false,
        }
    }

    /// Whether the results are the same bits with any number of threads: those of our own kernels are; libtorch's and a
    /// command's may not be. On CUDA threads are of no use.
    pub(super) fn is_elastic(&self, run: &RunSpec) -> bool {
        run.family == Family::GridCnn
            && self.threads.is_some()
            && Train::from_parameters(&run.parameters).is_ok_and(|train| train.kernels != Kernels::Plain)
    }

    /// Epochs, steps and batch size, as far as the parameters say.
    pub(super) fn forecast(&self, run: &RunSpec) -> RunForecast {
        let number = |name: &str| run.parameters.get(name).and_then(crate::spec::Value::as_u64);
        let batch_size = number("batch_size").filter(|size| *size > 0);
        RunForecast {
            name: run.name.clone(),
            epochs: number("epochs"),
            steps_per_epoch: self.images.zip(batch_size).map(|((train, _), batch)| train.div_ceil(batch)),
            batch_size,
            rank_by: self.rank_by.clone(),
        }
    }
}
