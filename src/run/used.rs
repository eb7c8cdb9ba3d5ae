//! What an attempt has used of the machine, and where its time went.

use serde::{Deserialize, Serialize};

/// Where the time of an attempt went. What neither phase has is start-up, pictures, predictions and weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Phases {
    /// Training steps: batch, forward, backward, optimizer.
    pub training: Spent,
    /// The network on the validation images.
    pub validation: Spent,
}

/// Time by the clock and by the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spent {
    /// By the clock.
    pub seconds: f64,
    /// User and system time of all threads.
    pub core_seconds: f64,
}

/// What an attempt has used of the machine, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Used {
    /// Peak resident memory, bytes: the trainer's word, or the kernel's where that can be told from Gridboard's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Peak memory of its device, bytes, by the trainer's word; `None` on the processor and where it does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_device_memory: Option<u64>,
    /// User and system time of its process and of the children that this has waited for, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_seconds: Option<f64>,
    /// Where the time went, by the trainer's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
}
