//! The supervisor of one attempt: starts its process, waits for its end, and leaves nothing of it behind.
//!
//! Forked by the keeper, with one thread and a few hundred kilobytes of its own. It is a subreaper: whatever
//! the attempt starts stays below it, however it is started, since the kernel gives it every descendant that
//! loses its parent. When the attempt's process has ended, or Gridboard wants it killed, or is gone, all of
//! that is killed, and only then the end is told.

use std::{
    fs, io,
    os::unix::{net::UnixStream, process::CommandExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        prctl,
        signal::{SigSet, SigmaskHow, Signal, kill, killpg, sigprocmask},
    },
    unistd::{Pid, getpid, getppid, setsid},
};

use super::{
    log,
    log_limit::LogLimit,
    reap::{Ends, Reaped, end_children, reap_all},
    token::Token,
    wire::{Order, Report, Request, Step, Wire},
};
use crate::{base::usage, run::RunDir};

/// A child counts as a copy of its supervisor at first, and is counted roughly: only a peak that is higher
/// than the supervisor's by this many bytes is certainly its own.
const PEAK_MARGIN: u64 = 16 << 20;

/// Carries an order out to the end.
///
/// # Errors
/// If this process cannot hear of its children, or the keeper is gone before the start.
pub(super) fn supervise(order: &Order, keeper: UnixStream) -> io::Result<()> {
    let run = order.run;
    let mut wire = Wire::new(keeper)?;
    // Only names for people.
    let _ = prctl::set_name(c"gb-supervisor");
    prctl::set_child_subreaper(true)?;
    let ends = Ends::hear()?;
    let run_dir = RunDir::new(Path::new(&order.run_dir));
    let (log, log_start) = match log::open(run_dir.path(), &order.title) {
        Ok(opened) => opened,
        Err(error) => return wire.send(&Report::NotStarted { run, step: Step::Log, errno: errno(&error) }),
    };
    let trainer = match start(order, &log) {
        Ok(trainer) => trainer,
        Err(error) => {
            return wire.send(&Report::NotStarted { run, step: Step::Program, errno: errno(&error) });
        }
    };
    let mut watch = Watch {
        trainer: Pid::from_raw(trainer.id().cast_signed()),
        status: None,
        peak_memory: 0,
        core_seconds: 0.0,
    };
    // If Gridboard is gone, so is the keeper's interest in this socket, which ends below.
    let _ = wire.send(&Report::Started { run, pid: watch.trainer.as_raw(), log_start });
    let mut limit = LogLimit::new(order.log_limit, log_start);
    watch.wait(&mut wire, &ends, || limit.look(&log));
    let left = end_children(&ends, |_| false, |child| watch.note(child));
    // Its standard input, where it has one, is held until here.
    drop(trainer);
    if !left.is_empty() {
        let _ = io::Write::write_fmt(
            &mut &log,
            format_args!("\n--- gridboard: these processes of the attempt cannot be ended: {left:?}\n"),
        );
    }
    limit.look(&log);
    restore(&run_dir, &log);
    let own = usage::own_peak_memory().unwrap_or(u64::MAX);
    let certain = watch.peak_memory > own.saturating_add(PEAK_MARGIN);
    wire.send(&Report::Ended {
        run,
        status: watch.status.unwrap_or(Signal::SIGKILL as i32),
        peak_memory: certain.then_some(watch.peak_memory),
        core_seconds: watch.core_seconds,
        log_cut: limit.shift(),
    })
}

/// Starts the attempt's process: in a session of its own, so without a terminal that it could ask at, killed
/// when this process is, and with the token of the attempt.
fn start(order: &Order, log: &fs::File) -> io::Result<Child> {
    let token = Token::new(order.token);
    let supervisor = getpid();
    let mut command = Command::new(&order.program);
    command
        .args(&order.args)
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .stdin(if order.lifeline { Stdio::piped() } else { Stdio::null() })
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?);
    if let Some(folder) = &order.folder {
        command.current_dir(folder);
    }
    let prepare = move || {
        setsid()?;
        // This process has all blocked, and a mask is inherited.
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        // Without it, a child is not found once all who know of it are killed; that is no reason not to
        // train.
        let _ = token.map(Token::wear);
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // It may have been too late to ask for that.
        if getppid() == supervisor { Ok(()) } else { Err(Errno::ESRCH.into()) }
    };
    // SAFETY: system calls only, which allocate nothing and take no lock.
    #[expect(unsafe_code, reason = "std has no safe way to start a session")]
    unsafe {
        command.pre_exec(prepare);
    }
    command.spawn()
}

/// What is known of the attempt.
struct Watch {
    trainer: Pid,
    /// Once it has ended.
    status: Option<i32>,
    peak_memory: u64,
    core_seconds: f64,
}

impl Watch {
    /// Waits until the attempt's process has ended, or is to be ended with all that it has started.
    fn wait(&mut self, wire: &mut Wire, ends: &Ends, mut look: impl FnMut() -> std::time::Duration) {
        let mut next_look = Instant::now() + look();
        loop {
            ends.clear();
            reap_all(|child| self.note(child));
            if self.status.is_some() {
                return;
            }
            let Ok(requests) = wire.receive() else { return };
            for request in requests {
                match request {
                    Request::Stop { kill: false, .. } => self.ask_to_end(),
                    Request::Stop { kill: true, .. } | Request::Start(_) => return,
                }
            }
            if wire.has_ended() {
                return;
            }
            if next_look <= Instant::now() {
                next_look = Instant::now() + look();
            }
            let timeout = next_look.saturating_duration_since(Instant::now());
            // A millisecond is added, as it is rounded down.
            let timeout = i32::try_from(timeout.as_millis() + 1).unwrap_or(i32::MAX);
            let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
            let socket = PollFd::new(std::os::fd::AsFd::as_fd(wire), PollFlags::POLLIN);
            // Whatever wakes us, everything is looked at again.
            let _ = poll(&mut [socket, ends.poll_fd()], timeout);
        }
    }

    /// SIGTERM to the group that the attempt's process leads. It is not reaped, so its id is nobody else's.
    fn ask_to_end(&self) {
        if killpg(self.trainer, Signal::SIGTERM) == Err(Errno::ESRCH) {
            // It has not got to a group of its own yet, or has joined another one. If it has ended, that is
            // told anyway.
            let _ = kill(self.trainer, Signal::SIGTERM);
        }
    }

    /// Everything that the attempt has started counts, with what outlived its parent.
    fn note(&mut self, child: Reaped) {
        if child.pid == self.trainer {
            self.status = Some(child.status);
        }
        self.peak_memory = self.peak_memory.max(child.peak_memory);
        self.core_seconds += child.core_seconds;
    }
}

/// Writes the log again where the trainer has emptied its folder: the log is open, so what was written is
/// still there.
fn restore(run_dir: &RunDir, log: &fs::File) {
    let path = run_dir.log();
    if !run_dir.path().is_dir() || path.symlink_metadata().is_ok() {
        return;
    }
    let copy = || -> io::Result<()> {
        let mut source = log;
        io::Seek::rewind(&mut source)?;
        let mut copy = fs::File::create_new(&path)?;
        io::copy(&mut source, &mut copy).map(drop)
    };
    // A folder that cannot be written to any more has no log; the sweep finds that out when it writes there.
    let _ = copy();
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EINVAL)
}
