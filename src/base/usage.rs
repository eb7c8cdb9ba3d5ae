//! What a process has used of the machine, by the kernel's word.
//!
//! Asked by the sweep's account, by the launcher about its children, and by the trainer about itself.

mod tree;

use std::fs;

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};

pub use tree::{ProcessTree, TreeUsage};

/// User and system time of all threads of this process so far, seconds; its children's is not in it.
#[must_use]
pub fn own_core_seconds() -> f64 {
    // Asking for one's own usage cannot fail.
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
        #[expect(clippy::cast_precision_loss, reason = "a time of years would lose microseconds")]
        let seconds = |microseconds: i64| microseconds as f64 * 1e-6;
        seconds(usage.user_time().num_microseconds()) + seconds(usage.system_time().num_microseconds())
    })
}

/// Peak resident memory of a live process, bytes: `VmHWM` of `/proc/<pid>/status`. `None` once it has ended, and where
/// there is no `/proc`.
#[must_use]
pub fn peak_memory(pid: u32) -> Option<u64> {
    peak_of(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Peak resident memory of this process, bytes.
#[must_use]
pub fn own_peak_memory() -> Option<u64> {
    peak_memory(std::process::id())
}

/// `VmHWM` of a status file, bytes.
fn peak_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(peak_of("Name:\tx\nVmHWM:\t    5184 kB\nVmRSS:\t 1 kB\n"), Some(5_308_416));
        assert_eq!(peak_of("Name:\tx\n"), None);
        assert!(own_peak_memory().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(peak_memory(u32::MAX), None);
    }

    #[test]
    fn own_time_only_grows() {
        let before = own_core_seconds();
        let mut sum = 0_u64;
        (0..3_000_000_u64).for_each(|i| sum = std::hint::black_box(sum.wrapping_add(i)));
        assert!(own_core_seconds() >= before && sum > 0);
    }
}
