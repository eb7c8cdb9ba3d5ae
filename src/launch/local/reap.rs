//! Ending and reaping the children of this process, in supervisors and in the keeper, with what the kernel
//! says of them.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::AsFd as _,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::Pid,
};

use super::processes;

/// A child that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reaped {
    pub(super) pid: Pid,
    /// As `wait` has it.
    pub(super) status: i32,
    /// Peak resident memory, bytes.
    pub(super) peak_memory: u64,
    /// User and system time, of the children that it has waited for too, seconds.
    pub(super) core_seconds: f64,
}

/// Tells when children end.
#[derive(Debug)]
pub(super) struct Ends(SignalFd);

impl Ends {
    /// Blocks every signal for good, so that none ends this process or cuts a call short, and hears of
    /// children.
    pub(super) fn hear() -> io::Result<Self> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&SigSet::from(Signal::SIGCHLD), flags)?))
    }

    /// For `poll`.
    pub(super) fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(self.0.as_fd(), PollFlags::POLLIN)
    }

    /// Forgets what was told. Before children are reaped, so that no end is missed.
    pub(super) fn clear(&self) {
        while let Ok(Some(_)) = self.0.read_signal() {}
    }

    fn wait(&self, longest: Duration) {
        let timeout = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        // Whatever wakes us, the caller looks again.
        let _ = poll(&mut [self.poll_fd()], timeout);
        self.clear();
    }
}

/// Takes the status of every child that has ended, and answers whether there are others.
pub(super) fn reap_all(mut reaped: impl FnMut(Reaped)) -> bool {
    loop {
        match reap() {
            Ok(Some(child)) => reaped(child),
            Ok(None) => return true,
            // ECHILD: there is none.
            Err(_) => return false,
        }
    }
}

/// Takes the status of a child that has ended; `None` while all live.
fn reap() -> Result<Option<Reaped>, Errno> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    let pid = loop {
        // SAFETY: both pointers are to local variables of the types that wait4 writes.
        #[expect(unsafe_code, reason = "neither std nor nix has a wait that tells a child's peak memory")]
        let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WNOHANG, usage.as_mut_ptr()) };
        match pid {
            0 => return Ok(None),
            1.. => break pid,
            _ if Errno::last() == Errno::EINTR => {}
            _ => return Err(Errno::last()),
        }
    };
    // SAFETY: wait4 has returned a child, and so has written its usage.
    #[expect(unsafe_code, reason = "the other half of the call above")]
    let usage = unsafe { usage.assume_init() };
    // Kibibytes on Linux.
    let peak_memory = u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024);
    #[expect(clippy::cast_precision_loss, reason = "a time of years would lose microseconds")]
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let core_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok(Some(Reaped { pid: Pid::from_raw(pid), status, peak_memory, core_seconds }))
}

/// How long processes that were killed have to be gone: one in a call of a driver ends with that call.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often children are looked for that were handed to us: nothing tells of them.
const LOOK: Duration = Duration::from_millis(2);

/// Kills every child but those to `spare`, and whatever comes to light when they are gone: this process is a
/// subreaper, so the children of a killed child become its own, whatever session or group they are in. A
/// child that is not reaped keeps its id, so nobody else is ever hit. Answers with those that would not go:
/// other users' (a `sudo` in a trainer), and those in an endless call of a driver.
pub(super) fn end_children(
    ends: &Ends,
    spare: impl Fn(i32) -> bool,
    mut reaped: impl FnMut(Reaped),
) -> Vec<i32> {
    let deadline = Instant::now() + PATIENCE;
    while reap_all(&mut reaped) {
        let mut left = processes::children();
        left.retain(|pid| !spare(*pid));
        let mut can_end = false;
        for pid in &left {
            can_end |= kill(Pid::from_raw(*pid), Signal::SIGKILL) != Err(Errno::EPERM);
        }
        if !can_end || Instant::now() > deadline {
            return left;
        }
        ends.wait(LOOK);
    }
    Vec::new()
}
