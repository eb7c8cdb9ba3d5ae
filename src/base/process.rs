//! What tells a process from every other one, of any boot: its id, when it was started, and the boot; and how one lets others
//! come first.
//!
//! Asked by the launcher for the ledger, and by the lock of an experiment. An id alone is used again.

use std::{fs, sync::OnceLock};

/// Id of the boot that this machine is in; `None` where the kernel has none.
#[must_use]
pub fn boot_id() -> Option<&'static str> {
    static BOOT: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(text.trim().to_owned()).filter(|id| !id.is_empty())
    };
    BOOT.get_or_init(read).as_deref()
}

/// When a process of this machine was started, in clock ticks since the boot (field 22 of `/proc/PID/stat`, proc(5)); `None` if
/// it is gone.
#[must_use]
pub fn start_of(pid: u32) -> Option<u64> {
    // A name may be any bytes.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse_start(&String::from_utf8_lossy(&stat))
}

/// Whether a process of this machine with this start lives; one that has ended and was not waited for does not.
#[must_use]
pub fn is_alive(pid: u32, start: Option<u64>) -> bool {
    let Ok(stat) = fs::read(format!("/proc/{pid}/stat")) else { return false };
    let stat = String::from_utf8_lossy(&stat);
    let found = parse_start(&stat);
    let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_whitespace().next());
    !matches!(state, Some("Z" | "X")) && start.is_none_or(|start| found == Some(start))
}

fn parse_start(stat: &str) -> Option<u64> {
    // The name is in parentheses and may have any character; the state behind it is field 3.
    stat[stat.rfind(')')? + 1..].split_whitespace().nth(19)?.parse().ok()
}

/// Lets others come first where the cores are busy: the calling thread, and those that it starts, by so much (`nice`). What the
/// system does not allow is left as it is.
#[cfg(feature = "page")]
pub(crate) fn step_back(niceness: i32) {
    // Of a thread alone, on Linux: <https://man7.org/linux/man-pages/man2/setpriority.2.html>, "C library/kernel differences".
    let _ = rustix::process::setpriority_process(None, niceness);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_its_start() {
        let own = std::process::id();
        assert!(start_of(own).is_some_and(|start| start > 0) && start_of(own) == start_of(own));
        assert_eq!(start_of(u32::MAX), None);
        assert!(is_alive(own, start_of(own)) && is_alive(own, None) && !is_alive(own, Some(1)));
        assert!(!is_alive(u32::MAX, None));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        while is_alive(child.id(), None) {
            std::thread::yield_now();
        }
        assert!(start_of(child.id()).is_some(), "it was not waited for");
        child.wait().unwrap();
        assert_eq!(boot_id().map(str::len), Some(36));
        let stat = "12 (a) 9) b) S 34 12 12 0 -1 4194304 1 0 0 0 5 6 0 0 20 0 1 0 777 8 9";
        assert_eq!(parse_start(stat), Some(777));
        assert_eq!(parse_start("12 (a) S 34"), None);
    }
}
