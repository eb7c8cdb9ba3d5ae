//! Attempts as processes on this machine.
//!
//! Owned by the sweep loop, which starts and stops by run and awaits the next end. On a current-thread runtime; waiting
//! costs nothing until the kernel says that a child has ended.

use std::{
    collections::BTreeMap,
    io,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    end::{AttemptEnd, Evidence, was_asked_to_end},
    launcher::{LaunchError, Launcher},
    log,
    plan::{LaunchPlan, Stdin},
    reap,
};
use crate::{
    base::usage,
    device::kernel::OomCounter,
    run::{Handle, Outcome, RunDir, Used},
};

/// Starts, signals and reaps attempts on this machine. Dropping it kills those that are live.
#[derive(Debug)]
pub struct LocalLauncher {
    /// By run.
    live: BTreeMap<u64, Live>,
    /// Wakes when a child has ended.
    child_ended: tokio::signal::unix::Signal,
    oom: Option<OomCounter>,
    /// Kills by the kernel that are older than this launcher, or that explain an end.
    oom_explained: u64,
}

#[derive(Debug)]
struct Live {
    /// Its standard input, if it has one, is held open until the attempt has ended. Never waited for: that is done by
    /// process id, with the peak memory.
    _child: Child,
    /// Also the process group's.
    pid: Pid,
    attempt: u32,
    run_dir: PathBuf,
    /// Where the attempt's own part of the log begins, bytes.
    log_start: u64,
    /// Whether it has been sent a signal.
    stopped: bool,
}

/// The kernel counts a child's peak memory from its start as a copy of this process, and counts roughly: only a peak
/// that is higher than our own by this many bytes is certainly the child's.
const PEAK_MARGIN: u64 = 16 << 20;

impl LocalLauncher {
    /// A launcher without attempts.
    ///
    /// # Errors
    /// If the operating system does not let us hear of children that end.
    ///
    /// # Panics
    /// Outside a tokio runtime, or in one without IO.
    pub fn new() -> io::Result<Self> {
        let oom = OomCounter::find();
        let oom_explained = oom.as_ref().and_then(OomCounter::kills).unwrap_or(0);
        Ok(Self { live: BTreeMap::new(), child_ended: signal(SignalKind::child())?, oom, oom_explained })
    }

    /// Number of live attempts.
    #[must_use]
    pub fn n_live(&self) -> usize {
        self.live.len()
    }

    /// Drops every attempt as the death of this process would: no signal, but the lifelines end.
    #[cfg(test)]
    pub(super) fn forget_live(&mut self) {
        self.live.clear();
    }

    fn take_ended(&mut self) -> Option<AttemptEnd> {
        let run = self.live.iter().find(|(_, live)| reap::has_ended(live.pid)).map(|(run, _)| *run)?;
        let live = self.live.remove(&run)?;
        // Before the leader is reaped, see the folder's head. What cannot be killed is not ours.
        let _ = killpg(live.pid, Signal::SIGKILL);
        let reaped = reap::reap(live.pid).ok();
        let status = reaped.map(|reaped| reaped.status);
        // One of an earlier attempt says nothing of this one.
        let outcome = Outcome::read(&live.run_dir)
            .map(|outcome| outcome.filter(|outcome| outcome.attempt == live.attempt));
        let own_word = outcome.as_ref().ok().and_then(Option::as_ref);
        let has_outcome = own_word.is_some();
        let peak_memory = own_word.and_then(|outcome| outcome.peak_memory).or_else(|| {
            let own = usage::own_peak_memory()?;
            let peak = reaped.map(|reaped| reaped.peak_memory);
            peak.filter(|peak| *peak > own.saturating_add(PEAK_MARGIN))
        });
        let used = Used {
            peak_memory,
            peak_device_memory: own_word.and_then(|outcome| outcome.peak_device_memory),
            core_seconds: reaped.map(|reaped| reaped.core_seconds),
            phases: own_word.and_then(|outcome| outcome.phases),
        };
        let killed = status.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status))
            == Some(Signal::SIGKILL as i32);
        let evidence = Evidence {
            status,
            outcome,
            stopped: live.stopped,
            oom_kill: killed && !live.stopped && self.explained_by_oom(),
            tail: || {
                log::tail(&live.run_dir, live.log_start)
                    .unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
            },
        };
        let ending = evidence.ending();
        let asked_to_end = status.is_some_and(was_asked_to_end);
        Some(AttemptEnd { run, attempt: live.attempt, ending, used, has_outcome, asked_to_end })
    }

    /// Whether the kernel has killed a process for memory that explains no other end yet; then it explains this one.
    fn explained_by_oom(&mut self) -> bool {
        let kills = self.oom.as_ref().and_then(OomCounter::kills).unwrap_or(0);
        let explains = kills > self.oom_explained;
        self.oom_explained += u64::from(explains);
        explains
    }
}

impl Launcher for LocalLauncher {
    fn start(&mut self, plan: &LaunchPlan) -> Result<Handle, LaunchError> {
        if self.live.contains_key(&plan.run) {
            return Err(LaunchError::Live(plan.run));
        }
        let log_error = |error| LaunchError::Log { path: RunDir::new(&plan.run_dir).log(), error };
        let (out, log_start) = log::open(&plan.run_dir, &plan.title()).map_err(log_error)?;
        let err = out.try_clone().map_err(log_error)?;
        let child = Command::new(&plan.program)
            .args(&plan.args)
            .envs(plan.env.iter().map(|(name, value)| (name, value)))
            .stdin(match plan.stdin {
                Stdin::Lifeline => Stdio::piped(),
                Stdin::Null => Stdio::null(),
            })
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|error| start_error(plan, error))?;
        let id = child.id();
        let pid = Pid::from_raw(i32::try_from(id).expect("a process id is a positive i32"));
        let (attempt, run_dir) = (plan.attempt, plan.run_dir.clone());
        self.live.insert(plan.run, Live { _child: child, pid, attempt, run_dir, log_start, stopped: false });
        Ok(Handle::Process(id))
    }

    fn stop(&mut self, run: u64, kill: bool) -> Result<(), LaunchError> {
        let Some(live) = self.live.get_mut(&run) else { return Ok(()) };
        live.stopped = true;
        let signal = if kill { Signal::SIGKILL } else { Signal::SIGTERM };
        live.signal(signal).map_err(|errno| LaunchError::Signal {
            run,
            pid: live.pid.as_raw().unsigned_abs(),
            signal,
            error: errno.into(),
        })
    }

    async fn next(&mut self) -> AttemptEnd {
        loop {
            if let Some(end) = self.take_ended() {
                return end;
            }
            // Ends only with the runtime.
            if self.child_ended.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Live {
    /// Signals the process group. The leader is ours and not reaped, so its id is nobody else's.
    fn signal(&self, signal: Signal) -> nix::Result<()> {
        match killpg(self.pid, signal) {
            // The leader has joined another group, and nobody is left in its own.
            Err(Errno::ESRCH) => kill(self.pid, signal),
            answer => answer,
        }
    }
}

impl Drop for LocalLauncher {
    fn drop(&mut self) {
        for live in self.live.values() {
            // The kernel reaps them when this process ends; nobody is left to tell an error to.
            let _ = live.signal(Signal::SIGKILL);
        }
    }
}

fn start_error(plan: &LaunchPlan, error: io::Error) -> LaunchError {
    let path = std::path::Path::new(&plan.program);
    let detail = match error.kind() {
        io::ErrorKind::NotFound if path.components().count() == 1 && !path.is_absolute() => " on PATH",
        io::ErrorKind::NotFound if path.exists() => {
            "; the file is there, but the interpreter it names is not"
        }
        _ => "",
    };
    LaunchError::Start { program: plan.program.to_string_lossy().into_owned(), error, detail }
}
