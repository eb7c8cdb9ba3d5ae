//! Taking an ended child's status, its peak memory and its processor time from the kernel.

use std::{io, mem::MaybeUninit, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use nix::{
    errno::Errno,
    sys::wait::{Id, WaitPidFlag, WaitStatus, waitid},
    unistd::Pid,
};

/// Whether the child has ended, without taking its status: until it is reaped, its process id stays its own.
pub(super) fn has_ended(pid: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // An error is an end, too: a signal that nix has no name for, or a child whose status somebody else has taken.
    !matches!(waitid(Id::Pid(pid), flags), Ok(WaitStatus::StillAlive) | Err(Errno::EINTR))
}

/// What the kernel says of a child that has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reaped {
    /// How.
    pub(super) status: ExitStatus,
    /// Peak resident memory, bytes.
    pub(super) peak_memory: u64,
    /// User and system time, of the children that it has waited for too, seconds.
    pub(super) core_seconds: f64,
}

/// Takes the status of a child that has ended.
pub(super) fn reap(pid: Pid) -> io::Result<Reaped> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    loop {
        // SAFETY: both pointers are to local variables of the types that wait4 writes.
        #[expect(unsafe_code, reason = "neither std nor nix has a wait that tells a child's peak memory")]
        let reaped = unsafe { libc::wait4(pid.as_raw(), &raw mut status, 0, usage.as_mut_ptr()) };
        if reaped == pid.as_raw() {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: wait4 has returned the child, and so has written its usage.
    #[expect(unsafe_code, reason = "the other half of the call above")]
    let usage = unsafe { usage.assume_init() };
    // Kibibytes on Linux.
    let peak_memory = u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024);
    #[expect(clippy::cast_precision_loss, reason = "a time of years would lose microseconds")]
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    let core_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok(Reaped { status: ExitStatus::from_raw(status), peak_memory, core_seconds })
}
