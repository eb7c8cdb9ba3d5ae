//! What a report knows of an experiment besides its leaderboard: its spec, its images, and the facts of its runs.
//!
//! Filled by `publish` from the database and the run directories, read by the pages.

use std::collections::BTreeMap;

use crate::{
    corpus::{LoadingTable, audit::Audit},
    model::Layer,
    run::{RunIndex, RunKey},
    spec::Experiment,
};

/// An experiment without its results.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct About {
    /// The spec it was last run with.
    pub spec: Experiment,
    /// What was loaded; none without images.
    pub loading: Option<LoadingTable>,
    /// What was found when the images were checked; none where they were not.
    pub audit: Option<Audit>,
    /// Content id of the images and their split.
    pub fingerprint: Option<String>,
    /// Facts of the runs, by their place in the grid; of a very large experiment those of its best runs alone.
    pub runs: Vec<RunFacts>,
    /// The layers of the best run's network; empty where they are not known.
    pub layers: Vec<Layer>,
}

/// What is known of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RunFacts {
    /// Which run it is.
    pub key: RunKey,
    /// Place in the grid.
    pub index: RunIndex,
    /// Its trainer, as `model.family` names it.
    pub family: String,
    /// Trainable numbers of its network, where known.
    pub parameters: Option<u64>,
    /// Of the forward pass of one image, where known.
    pub flops_per_image: Option<u64>,
    /// Start of its last attempt, seconds since 1970.
    pub started: Option<f64>,
    /// End of its last attempt, seconds since 1970.
    pub finished: Option<f64>,
    /// Duration of its last attempt.
    pub seconds: Option<f64>,
    /// Peak resident memory, bytes.
    pub peak_memory: Option<u64>,
    /// Version and commit of the program that trained it.
    pub version: Option<String>,
    /// Commit of the repository that it was started in, and whether files differed from it.
    pub commit: Option<String>,
    /// The compiler of the program.
    pub compiler: Option<String>,
    /// Version of libtorch.
    pub libtorch: Option<String>,
    /// The processor's model.
    pub processor: Option<String>,
    /// The instruction set that the kernels take.
    pub instructions: Option<String>,
    /// Id of the device.
    pub device: Option<String>,
    /// Threads that it could use.
    pub threads: Option<u64>,
    /// The machine's name.
    pub host: Option<String>,
    /// The last value of each of its curves, by tag.
    pub last: BTreeMap<String, f64>,
}

impl RunFacts {
    /// The last value of a curve.
    #[must_use]
    pub(crate) fn metric(&self, tag: &str) -> Option<f64> {
        self.last.get(tag).copied().filter(|value| value.is_finite())
    }
}

impl About {
    /// The facts of a run.
    #[must_use]
    pub(crate) fn facts(&self, run: RunKey) -> Option<&RunFacts> {
        self.runs.iter().find(|facts| facts.key == run)
    }

    /// Whether both trained on the same images and split.
    #[must_use]
    pub(crate) fn same_corpus(&self, other: &Self) -> bool {
        self.fingerprint.is_some() && self.fingerprint == other.fingerprint
    }

    /// Images that validate.
    #[must_use]
    pub(crate) fn validation_images(&self) -> Option<u64> {
        self.loading.as_ref().map(|loading| loading.validation).filter(|images| *images > 0)
    }

    /// Validation accuracy of the answer that always names the class with the most validation images.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of images")]
    pub(crate) fn constant_accuracy(&self) -> Option<f64> {
        let images = self.validation_images()?;
        let largest = self.loading.as_ref()?.classes.iter().map(|class| class.validation).max()?;
        Some(largest as f64 / images as f64)
    }

    /// Standard error of a validation accuracy, that of a share of so many images: `sqrt(p (1 - p) / n)`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of images")]
    pub(crate) fn standard_error(&self, accuracy: f64) -> Option<f64> {
        Some((accuracy * (1.0 - accuracy) / self.validation_images()? as f64).sqrt())
    }

    /// Seconds from the first start to the last end of the runs' last attempts.
    #[must_use]
    pub(crate) fn elapsed(&self) -> Option<f64> {
        let first = self.runs.iter().filter_map(|facts| facts.started).reduce(f64::min)?;
        let last = self.runs.iter().filter_map(|facts| facts.finished).reduce(f64::max)?;
        Some(last - first).filter(|seconds| *seconds >= 0.0)
    }
}
