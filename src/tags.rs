//! The tags that every built-in trainer writes and that the leaderboard's four standard columns read: sub-run,
//! slash, tag, as Keras' TensorBoard callback names them.

/// Accuracy over the training images while the epoch ran.
pub const TRAIN_ACCURACY: &str = "train/epoch_accuracy";
/// Loss over the training images while the epoch ran.
pub const TRAIN_LOSS: &str = "train/epoch_loss";
/// Learning rate at the end of the epoch.
pub const LEARNING_RATE: &str = "train/epoch_learning_rate";
/// Loss of one batch; the step counts batches from 0 over all epochs.
pub const BATCH_LOSS: &str = "batch/loss";
/// The same in runs of version 0.1.0.
pub const EARLIER_BATCH_LOSS: &str = "train/batch_loss";
/// The folders of a run that its built-in trainer writes curves to.
pub const SUB_RUNS: [&str; 3] = ["train", "batch", "validation"];
/// Begins the tags whose steps are batches: apart from those of epochs, since TensorBoard takes the step at which a
/// trainer goes on for that of every curve of a folder.
pub const BATCH_FOLDER: &str = "batch/";
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

/// The leaderboard as a text of the sweep's own run. TensorBoard's page Text has its tags in alphabetical order: it comes
/// before the spec.
pub const LEADERBOARD: &str = "leaderboard";
/// A run's place on the leaderboard, which Gridboard writes beside its HParams records for TensorBoard alone.
pub const RANK: &str = "rank";
/// Images that a run has wrong, beside its HParams records.
pub const MISCLASSIFIED: &str = "misclassified";
/// Begins the tags of the band of a grid point over its seeds, beside the HParams records of the run of its first seed.
pub const SEEDS_FOLDER: &str = "seeds/";
/// Begins the tags of what Gridboard itself measures of the machine while a run trains.
pub const SYSTEM_FOLDER: &str = "system/";

/// Cores that a run and all that it has started keep busy.
pub const SYSTEM_CORES: &str = "system/processor_cores";
/// Their resident memory, MiB.
pub const SYSTEM_MEMORY: &str = "system/memory_mib";
/// What they have written to disks since the attempt began, MiB.
pub const SYSTEM_WRITTEN: &str = "system/disk_written_mib";
/// Part of the time in which the run's device was busy, for whomever, percent.
pub const SYSTEM_GPU: &str = "system/gpu_utilization_percent";
/// Allocated memory of the device, MiB.
pub const SYSTEM_GPU_MEMORY: &str = "system/gpu_memory_mib";
/// Power of the device, watts.
pub const SYSTEM_GPU_POWER: &str = "system/gpu_power_watts";
/// Temperature of the device, degrees Celsius.
pub const SYSTEM_GPU_TEMPERATURE: &str = "system/gpu_temperature_celsius";
/// The run's share of the energy of its device since the attempt began, joules: what several runs share is divided.
pub const SYSTEM_ENERGY: &str = "system/gpu_energy_joules";

/// A tag in few letters, for people: `val. acc.`, `train loss`, `val. auc`; one of another trainer as it is.
#[must_use]
pub fn short(tag: &str) -> String {
    match tag {
        TRAIN_ACCURACY => "train acc.".to_owned(),
        TRAIN_LOSS => "train loss".to_owned(),
        VALIDATION_ACCURACY => "val. acc.".to_owned(),
        VALIDATION_LOSS => "val. loss".to_owned(),
        _ => tag.replacen("validation/", "val. ", 1),
    }
}
