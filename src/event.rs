//! What happens in a sweep, as one ordered stream: made by the sweep loop, consumed by the sinks (store, terminal).

use crate::run::{Failure, RunState};

/// The tags that every built-in trainer writes and that the leaderboard's four standard columns read: sub-run, slash,
/// tag, as Keras' TensorBoard callback names them.
pub mod tags {
    /// Accuracy over the training images while the epoch ran.
    pub const TRAIN_ACCURACY: &str = "train/epoch_accuracy";
    /// Loss over the training images while the epoch ran.
    pub const TRAIN_LOSS: &str = "train/epoch_loss";
    /// Learning rate at the end of the epoch.
    pub const LEARNING_RATE: &str = "train/epoch_learning_rate";
    /// Loss of one batch; the step counts batches from 0 over all epochs.
    pub const BATCH_LOSS: &str = "train/batch_loss";
    /// Training throughput of the epoch, images/s.
    pub const IMAGES_PER_SECOND: &str = "train/images_per_second";
    /// Accuracy over the validation images.
    pub const VALIDATION_ACCURACY: &str = "validation/epoch_accuracy";
    /// Loss over the validation images.
    pub const VALIDATION_LOSS: &str = "validation/epoch_loss";
    /// Precision, recall, specificity, F1 and ROC AUC over the validation images: of the positive class for two
    /// classes, the unweighted mean over the classes for more.
    pub const VALIDATION_METRICS: [&str; 5] = [
        "validation/precision",
        "validation/recall",
        "validation/specificity",
        "validation/f1",
        "validation/auc",
    ];
    /// The confusion matrix image.
    pub const CONFUSION_MATRIX: &str = "validation/confusion_matrix";
    /// Before a slash and the name of a class: its precision-recall curve against the rest, at the last epoch.
    pub const PR_CURVE: &str = "validation/pr_curve";
}

/// One point of a curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// Sub-run (directory below the run's) and tag, joined by a slash: `validation/epoch_accuracy`.
    pub tag: String,
    /// Epoch or batch, from 0.
    pub step: i64,
    /// The value; NaN and infinities are kept.
    pub value: f32,
    /// Seconds since 1970.
    pub wall_time: f64,
}

/// Something that happened in a sweep.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An attempt was started.
    AttemptStarted {
        /// Index of the run in the grid.
        run: u64,
        /// From 1.
        attempt: u32,
        /// Process id.
        pid: u32,
        /// Label of the slot: `cpu/0`, `cuda:0/1`.
        slot: String,
        /// Id of the device: `cpu` or a UUID.
        device: String,
        /// Seconds since 1970.
        time: f64,
    },
    /// New points of a live attempt, in file order.
    Scalars {
        /// Index of the run in the grid.
        run: u64,
        /// The points.
        points: Vec<Scalar>,
    },
    /// An attempt ended and its run is in a new state: completed, failed, or pending after an interrupt.
    AttemptEnded {
        /// Index of the run in the grid.
        run: u64,
        /// From 1.
        attempt: u32,
        /// The run's new state.
        state: RunState,
        /// Why, where it failed.
        failure: Option<Failure>,
        /// Seconds since 1970.
        time: f64,
    },
}
