//! What happens in a sweep, as one ordered stream: made by the sweep loop, consumed by the sinks (ledger, run folders,
//! terminal).
//!
//! Every change of state is one [`Event`], and says all that a sink needs to show or to keep it: the run by name, the
//! attempt with its place and its handle, and the counts of the whole sweep as they are from then on, so that no sink
//! counts for itself. Times are given by the loop.

use std::sync::Arc;

use crate::{
    grid::Suggested,
    run::{Decided, Failure, Handle, RunSpec, RunState, Used},
};

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

/// The end of a curve that no longer counts: its trainer started again from an earlier step, or wrote its file anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// As [`Scalar::tag`].
    pub tag: String,
    /// Points at this step and after it are void.
    pub from: i64,
}

/// Something that happened in a sweep, and how the sweep stands after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Seconds since 1970.
    pub time: f64,
    /// Runs by state, from now on.
    pub totals: Totals,
    /// What happened.
    pub change: Change,
}

/// Runs of an experiment by state. The others add up to the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All runs of the grid.
    pub total: u64,
    /// Completed, by earlier sweeps too.
    pub completed: u64,
    /// Failed in this sweep, and not tried again in it.
    pub failed: u64,
    /// Still owed: waiting, paused, to be tried again, or cut off by an interrupt.
    pub pending: u64,
    /// Not wanted by the user, or ended by a stopping rule.
    pub cancelled: u64,
    /// With a live attempt.
    pub live: u64,
}

/// One attempt of a run. Every event of it shares one.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Index of the run in the grid.
    pub run: u64,
    /// The run's name.
    pub name: String,
    /// From 1.
    pub number: u32,
    /// Label of the slot: `cpu/0`, `cuda:0/1`.
    pub slot: String,
    /// Id of the device: `cpu` or a UUID.
    pub device: String,
    /// Threads that it may use.
    pub threads: u32,
    /// How the launcher knows it; `None` where it could not be started.
    pub handle: Option<Handle>,
    /// When its process was started, in clock ticks since the boot, where that is known.
    pub pid_start: Option<u64>,
    /// Start, seconds since 1970, as in its run file.
    pub started: f64,
    /// Where it goes on with an earlier attempt; `None` where it begins anew, or its trainer alone knows.
    pub resumed: Option<Resumed>,
}

/// The attempt that a run has next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextTry {
    /// Its number in this sweep.
    pub number: u32,
    /// How many attempts a run has in a sweep at most.
    pub of: u32,
    /// Whether it is alone on its device.
    pub alone: bool,
}

/// Where an attempt goes on with an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The first epoch, from 0.
    pub epoch: u32,
    /// The step of its first batch.
    pub batch: i64,
}

impl Resumed {
    /// The first step of a curve that is not an earlier attempt's.
    #[must_use]
    pub fn first_step(self, tag: &str) -> i64 {
        // What was measured of the machine was of the earlier attempt.
        if tag.starts_with(tags::SYSTEM_FOLDER) {
            return i64::MIN;
        }
        if tag.starts_with(tags::BATCH_FOLDER) { self.batch } else { self.epoch.into() }
    }
}

/// What can happen.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The first event.
    SweepBegun {
        /// The experiment's name.
        experiment: String,
        /// Slots.
        slots: u32,
    },
    /// An attempt's process is alive.
    AttemptStarted(Arc<Attempt>),
    /// An attempt that was in the queue of a cluster has begun.
    AttemptBegan {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// The machine's name.
        host: String,
        /// What the cluster calls it.
        job: String,
        /// When, seconds since 1970 on the clock there.
        time: f64,
    },
    /// An attempt could not be started: it begins and ends with this event.
    AttemptNotStarted {
        /// The attempt, without a handle.
        attempt: Arc<Attempt>,
        /// The run's new state: failed, or pending where it is tried again.
        state: RunState,
        /// Why.
        failure: Failure,
        /// The attempt that follows, where it is tried again.
        next: Option<NextTry>,
    },
    /// Points of an attempt that were told before no longer count.
    Cut {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// The ends of curves.
        cuts: Arc<Vec<Cut>>,
    },
    /// It turned out where an attempt goes on with an earlier one.
    Resumed {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// The epoch or step; `None` where it began anew after all.
        from: Option<i64>,
    },
    /// Something is wrong with what an attempt has left, its event files or predictions: its results may not be whole.
    Problem {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// What was found now, in words.
        found: Vec<String>,
        /// Everything that was found so far, in one text.
        all: String,
    },
    /// New points of an attempt, in file order.
    Scalars {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// The points.
        points: Arc<Vec<Scalar>>,
    },
    /// What the machine has done for an attempt. No point of its own, and no sign of life.
    Measured {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// The readings; steps are seconds since the attempt began.
        points: Arc<Vec<Scalar>>,
    },
    /// An attempt ended.
    AttemptEnded {
        /// The attempt.
        attempt: Arc<Attempt>,
        /// The run's new state: completed, failed, or pending, after an interrupt or to be tried again; paused or cancelled where
        /// the user has ended it.
        state: RunState,
        /// Why the attempt failed, where it did.
        failure: Option<Failure>,
        /// The attempt that follows, where it is tried again.
        next: Option<NextTry>,
        /// How long it was alive, seconds.
        seconds: f64,
        /// What it has used of the machine.
        used: Used,
    },
    /// A stopping rule has decided something of a run.
    Decided {
        /// Index of the run.
        run: u64,
        /// The run's name.
        name: String,
        /// Number of its last attempt.
        attempt: u32,
        /// What.
        decided: Decided,
    },
    /// A run that was held back is not made again, by a stopping rule.
    Stopped {
        /// Index of the run.
        run: u64,
        /// The run's name.
        name: String,
        /// Number of its last attempt.
        attempt: u32,
    },
    /// A search has suggested a point: its runs are to be made.
    Suggested {
        /// The point.
        point: Arc<Suggested>,
        /// Its runs, one for each seed.
        runs: Arc<Vec<RunSpec>>,
    },
    /// A run without a live attempt is in another state.
    Moved {
        /// Index of the run in the grid.
        run: u64,
        /// The run's name.
        name: String,
        /// Its new state: pending, paused or cancelled.
        state: RunState,
    },
    /// The user wants the sweep to end: nothing starts any more.
    Cancelled {
        /// Seconds until live attempts are killed; 0 kills them now.
        grace: f64,
    },
    /// Something worth a word.
    Note(String),
    /// Something that is not as it should be, and stops nothing.
    Warning(String),
    /// The last event.
    SweepEnded {
        /// Whether the user ended it.
        interrupted: bool,
    },
}
