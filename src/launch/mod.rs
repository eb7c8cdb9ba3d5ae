//! Starting, signalling and reaping attempts: one process each, on this machine.
//!
//! The sweep makes a [`LaunchPlan`] for every start that the scheduler asks for, gives it to the
//! [`LocalLauncher`], and awaits the ends. The launcher sees to the child's environment (devices, threads,
//! `GRIDBOARD_*`), its log and all that it starts, and says how an attempt ended and why. It reads no metrics
//! and writes no ledger, and what the trainer does is not its business. The sweep knows it as a [`Launcher`];
//! beside it there is [`SlurmLauncher`], whose attempts are jobs of a cluster, each carried out on its node by a
//! [`LocalLauncher`].
//!
//! # No orphans
//!
//! Nothing that an attempt has started outlives the attempt or Gridboard, whatever it has forked, put into a
//! session of its own or cleaned from its environment; and nobody else is ever signalled:
//!
//! - Every attempt has a supervisor, a small process of the same program that is a subreaper
//!   (`PR_SET_CHILD_SUBREAPER`): the kernel hands it whatever loses its parent below it. It kills its own
//!   children alone, which it has not reaped, so their ids are nobody else's. An attempt's end is told when
//!   there are none left.
//! - It holds one end of a socket. When Gridboard dies, however it does, the socket ends, and the supervisor
//!   ends its attempt.
//! - Where a supervisor is killed, its attempt's process goes with it (`PR_SET_PDEATHSIG`), and the keeper,
//!   the supervisors' parent and a subreaper too, ends the rest.
//! - Where all of them are killed at once, what is left is found by its token, a mark that is inherited like
//!   an environment but that no program changes, when the experiment is next run.
//!
//! An attempt's process leads a session of its own, without a terminal: a Ctrl-C reaches Gridboard alone, a
//! stop (SIGTERM) reaches the group of the attempt's process, and a program that asks for a password is
//! answered at once that there is nobody. What it asks of others to start (a service manager, a container
//! engine, another machine) is not below it, and not ended.
//!
//! The built-in worker's standard input is a pipe from its supervisor, whose end it takes as the end of its
//! work.

mod calibrate;
mod end;
mod launcher;
mod local;
mod plan;
mod probe;
mod program;
mod reason;
mod slurm;
mod worker;

pub use calibrate::{CalibrateError, throughput};
pub use end::{Alive, AttemptEnd, Ending};
pub use launcher::{LaunchError, Launcher, LeftAttempt, News};
pub use local::{Children, LocalLauncher, keep_if_asked};
#[cfg(test)]
pub(crate) use plan::tests::run_file as test_run_file;
pub use plan::{LaunchPlan, PlanError, Stdin};
pub use probe::{Probe, ProbeError, ask_worker, probe};
pub use program::{ProgramError, check_programs};
pub use slurm::{
    Left, Needs, NodeCheck, NodeNeeds, Shape, Site, SlurmError, SlurmLauncher, SlurmSetup, Source, Submitted,
    attend_if_asked, check_node, check_node_if_asked, reached_limits,
};
pub use worker::{
    FindWorkerError, VARIABLE as WORKER_VARIABLE, beside, find_worker, packaged, set_up_in, user_folder,
};
