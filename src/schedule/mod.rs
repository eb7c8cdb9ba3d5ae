//! The scheduler: which run starts on which slot, and when the sweep is over.
//!
//! A value with one method: [`Scheduler::step`] takes the time and what happened, and answers what to do. The sweep
//! loop feeds it and carries the answers out through the launcher. Nothing in this folder reads a clock, opens a file,
//! starts a process, draws a random number or awaits anything, so that a test can simulate thousands of devices; a
//! test scans the source for it.
//!
//! # Order and admission
//!
//! - **Longest first.** Waiting runs are ordered by their cost estimate, ties by their place in the grid. A device that
//!   has a free slot takes the first waiting run that is admissible on it.
//! - **Memory.** A run is admissible on a device if the estimates of the runs there and its own fit the device's
//!   capacity together. A run larger than every device is admissible alone, on the largest device; a run that fits some
//!   device never starts on one that is too small for it.
//! - **No starvation.** The first waiting run, when memory keeps it from starting, is owed a device: the one of
//!   sufficient capacity with the most free memory. Runs that overtake it on that device share what is left beside it:
//!   capacity less its estimate in bytes, and all slots but one. So it starts at the latest when the runs that were live
//!   on that device when it was owed have ended, and meanwhile its device is not kept idle. One run is owed a device at
//!   a time.
//! - **Work conserving.** After a step, no free slot coexists with a waiting run that is admissible under these rules.
//! - **Threads.** A run has the threads of its slot. Where slots stay free (nothing waits, or memory keeps the others out),
//!   or their last runs are about to end, the runs that start then share those threads too, if their results do not
//!   depend on the number of threads.
//! - **Pause.** Live runs are asked to make room, and nothing starts until the sweep goes on; an attempt that was ended for
//!   it does not count. A single run that is cancelled starts no more, until it is requeued.
//! - **Devices.** On one that is set aside nothing starts any more. Without any the scheduler drains.
//! - **Drain.** After it nothing starts, and the sweep is over when the live runs have ended.
//! - **More.** Runs may come while the sweep lasts, where a slot is free that no waiting run is to have; others are held back until
//!   they are released. Such a sweep is over when the loop has said that no more come.
//! - **Stop.** A run that is stopped is asked to end and not made again; one that is parked is held back.
//! - **Budget.** Where only so many runs may begin, those that never did are left.
//! - **Cancel.** After the first cancel nothing starts and every live run is asked to stop; each further one kills.
//! - **Alike.** Where the first runs all fail alike, the rest would too: the loop drains ([`Alike`]).
//! - **Failure.** A run whose attempt failed is tried again where its failure is worth it ([`Again`]) and it has made fewer
//!   attempts in this sweep than the limit; where whatever ended it may still be there, after a pause that grows. Where memory ran out, it needs a whole device from then on. The sweep's end is
//!   announced exactly once, last.

mod again;
mod alike;
mod control;
mod cost;
mod delays;
mod division;
mod eta;
mod live;
mod messages;
mod pool;
mod queue;
mod retry;
mod scheduler;
mod slot;
mod supply;
mod task;
mod threads;

#[cfg(test)]
mod tests;

pub use alike::{Alike, without_particulars};
pub use cost::CostModel;
pub use division::{Division, best, divisions};
pub use messages::{Counts, Effect, Ended, Input, Job, LiveRun, SetupError, Standing};
pub use retry::Again;
pub use scheduler::Scheduler;
pub use slot::{DeviceKind, Slot};
