//! Starting, signalling and reaping attempts: one process each, on this machine.
//!
//! The sweep makes a [`LaunchPlan`] for every start that the scheduler asks for, gives it to the [`LocalLauncher`], and
//! awaits the ends. The launcher sees to the child's environment (devices, threads, `GRIDBOARD_*`), its log and its
//! process group, and says how an attempt ended and why. It reads no metrics and writes no ledger, and what the trainer
//! does is not its business. The sweep knows it as a [`Launcher`]; cluster engines get their place beside
//! [`LocalLauncher`].
//!
//! # No orphans
//!
//! Every attempt leads a process group of its own, so that a Ctrl-C in the terminal reaches Gridboard alone and a stop
//! reaches all that the attempt has started. When the leader has exited, what is left of its group is killed, before
//! the leader is reaped: until then its process id, and so that of the group, cannot be given to anybody else. The same
//! holds for every signal that is sent.
//!
//! If Gridboard itself dies, the built-in worker notices: its standard input is a pipe that nobody writes to, and its
//! end of file means that the parent is gone. A command is promised nothing on its standard input, which is empty, and
//! runs on. Linux could signal it (`PR_SET_PDEATHSIG`), but only from code between fork and exec, which is unsafe and
//! gives up the quick `posix_spawn`; that price is not paid for every run to cover the case that Gridboard is killed.

mod calibrate;
mod end;
mod launcher;
mod local;
mod log;
mod plan;
mod probe;
mod reap;
mod reason;
mod worker;

#[cfg(test)]
mod tests;

pub use calibrate::{CalibrateError, throughput};
pub use end::{AttemptEnd, Ending};
pub use launcher::{LaunchError, Launcher};
pub use local::LocalLauncher;
#[cfg(test)]
pub(crate) use plan::tests::run_file as test_run_file;
pub use plan::{LaunchPlan, PlanError, Stdin};
pub use probe::{Probe, ProbeError, ask_worker, probe};
pub use worker::{FindWorkerError, VARIABLE as WORKER_VARIABLE, find_worker};
