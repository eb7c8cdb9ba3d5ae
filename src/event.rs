//! What happens in a sweep, as one ordered stream: made by the sweep loop, consumed by the sinks (store, terminal).

use crate::run::{Failure, RunState};

pub use crate::tags;

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
