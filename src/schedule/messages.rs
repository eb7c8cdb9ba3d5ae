//! What goes into the scheduler and what comes out: the words between it and the sweep loop.

use super::retry::Again;

/// A run to be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Job {
    /// Place in the grid; unique.
    pub run: u64,
    /// Estimate of the work, FLOPs. Orders the runs; what is not a number, or negative, counts as 0.
    pub cost: f64,
    /// Estimate of the memory on the device, bytes; 0 if unknown.
    pub memory: u64,
    /// Number of the first attempt, from 1: one more than the run has made before this sweep.
    pub attempt: u32,
    /// Whether its results are the same with any number of threads, so that it may have more of them than its slot.
    pub elastic: bool,
    /// Whether the user does not want it: it does not start before it is requeued.
    pub cancelled: bool,
    /// Whether an attempt of it is alive already, so that it comes before all others.
    pub alive: bool,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Input {
    /// Start. Once, first.
    Begin,
    /// A live run has done this part of its work, 0 to 1. Ignored for a run that is not live.
    Progress {
        /// The run.
        run: u64,
        /// The part.
        fraction: f64,
    },
    /// A live run waits in a queue. Ignored for a run that is not live.
    Queued {
        /// The run.
        run: u64,
    },
    /// A live run has begun after its time in a queue. Ignored for a run that is not live.
    Began {
        /// The run.
        run: u64,
    },
    /// A live run goes on with what earlier attempts have done. Ignored for a run that is not live.
    GoesOn {
        /// The run.
        run: u64,
        /// The part of its work that is done, from 0, below 1.
        done: f64,
    },
    /// The attempt of a live run has ended. Ignored for a run that is not live.
    Ended {
        /// The run.
        run: u64,
        /// How.
        how: Ended,
    },
    /// Nothing is to start any more; the live runs go on to their end.
    Drain,
    /// Nothing is to start, and live runs are asked to make room; they wait again, and the attempt does not count.
    Pause,
    /// What was paused goes on.
    Resume,
    /// Time has passed: a run may be due that waits to be tried again.
    Wake,
    /// The user does not want a run. Ignored for one that has completed.
    CancelRun {
        /// The run.
        run: u64,
    },
    /// A run that failed or was cancelled is to be made after all, with all its attempts. Ignored for others, and where
    /// nothing is to start any more.
    Requeue {
        /// The run.
        run: u64,
    },
    /// Nothing is to start on a device any more; its live runs go on to their end.
    SetAside {
        /// Its place in the list of capacities.
        device: u32,
    },
    /// A run that is to be made as well. Ignored for one that is there.
    Add(Job),
    /// A run that is held back is to be made. Ignored for others, and where nothing is to start any more.
    Release {
        /// The run.
        run: u64,
    },
    /// A live run is asked to make room, and is held back then. Ignored for one that is not live.
    Park {
        /// The run.
        run: u64,
    },
    /// A run that is live or held back ends before its time, and is not made again. Ignored for others.
    StopRun {
        /// The run.
        run: u64,
    },
    /// No more runs are to come.
    Closed,
    /// The user wants the sweep to end: the first time gently, then at once.
    Cancel,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With results.
    Completed,
    /// Without; and whether that is worth another attempt.
    Failed(Again),
    /// It never ran: its process could not be started.
    NotStarted,
    /// It was stopped by Gridboard; its run is owed.
    Interrupted,
    /// It was decided and never begun, and does not count.
    Withdrawn,
}

/// What a run of the sweep is in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Standing {
    /// It waits for a slot.
    Waiting,
    /// It waits to be tried again.
    Delayed {
        /// Until this moment, on the clock that `step` is given.
        at: f64,
    },
    /// Its attempt was ended to make room; it waits until the sweep goes on.
    Paused,
    /// It is held back until it is released.
    Held,
    /// An attempt is alive.
    Live,
    /// Ended with results.
    Completed,
    /// The last attempt failed.
    Failed,
    /// The user does not want it.
    Cancelled,
    /// It was ended before its time, by intention.
    Stopped,
    /// Stopped before its end, and owed to another sweep.
    Left,
}

/// Something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start an attempt. If that is not possible, answer with `Ended::NotStarted`.
    Start {
        /// The run.
        run: u64,
        /// Number of the attempt.
        attempt: u32,
        /// Index of the slot.
        slot: u32,
        /// Threads that it may use: its slot's, or more where nobody else uses them.
        threads: u32,
    },
    /// Stop a live run; it stays live until its end is reported.
    Stop {
        /// The run.
        run: u64,
        /// Whether to kill it rather than to ask.
        kill: bool,
    },
    /// The sweep is over. Once, last.
    Finished(Counts),
}

/// Runs of the sweep by state. Their sum is the number of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Owed and not live: waiting, or stopped before the end.
    pub waiting: usize,
    /// An attempt is alive.
    pub live: usize,
    /// Ended with results.
    pub completed: usize,
    /// The last attempt failed.
    pub failed: usize,
    /// The user does not want them.
    pub cancelled: usize,
    /// Ended before their time, by intention.
    pub stopped: usize,
}

/// A run with a live attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LiveRun {
    /// The run.
    pub run: u64,
    /// Number of the attempt.
    pub attempt: u32,
    /// Index of the slot.
    pub slot: u32,
    /// When the attempt was started, on the clock that `step` is given.
    pub started: f64,
    /// The part of the work that it has last reported.
    pub fraction: f64,
}

/// Why a scheduler cannot be made. Every one is a mistake of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is nowhere to run.
    #[error("there are runs but no slots to run them on")]
    NoSlots,
    /// The slots are not numbered from 0 in order.
    #[error("slot {0} is not at its place in the list of slots")]
    MisplacedSlot(u32),
    /// A slot names a device without capacity.
    #[error("slot {slot} is on device {device}, which has no capacity given")]
    UnknownDevice {
        /// Index of the slot.
        slot: u32,
        /// The device it names.
        device: u32,
    },
    /// Two jobs are for the same run.
    #[error("run {0} is there twice")]
    RepeatedRun(u64),
}
