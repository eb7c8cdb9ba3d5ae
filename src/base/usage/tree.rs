//! A process and all that it has started, as far as they are below it: processor, memory and disk together.
//!
//! Read from `/proc`, a few files for each process; who is below whom is looked up more rarely than that, since it takes a file
//! for each thread. Where there is no `/proc`, nothing is told. Used by the sweep's meter.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::unistd::{SysconfVar, sysconf};

/// How often new children are looked for.
const LOOK: Duration = Duration::from_secs(10);
/// More processes than these are not looked at: the numbers are then too low.
const MOST: usize = 1000;

/// A process and those below it.
#[derive(Clone, Debug)]
pub struct ProcessTree {
    root: u32,
    processes: Vec<u32>,
    looked: Option<Instant>,
    /// What was written by processes that have ended since.
    gone: Vec<(u32, u64)>,
    clock: f64,
    page: u64,
}

/// What a process and those below it have used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TreeUsage {
    /// User and system time, seconds, with that of children that were waited for.
    pub core_seconds: f64,
    /// Resident memory, bytes; what several share is counted for each.
    pub memory: u64,
    /// What was written to disks so far, bytes, where the kernel tells.
    pub written: Option<u64>,
}

impl ProcessTree {
    /// The tree below a process.
    #[must_use]
    pub fn new(root: u32) -> Self {
        let asked = |name, otherwise: i64| sysconf(name).ok().flatten().unwrap_or(otherwise);
        #[expect(clippy::cast_precision_loss, reason = "a hundred")]
        let clock = asked(SysconfVar::CLK_TCK, 100) as f64;
        let page = u64::try_from(asked(SysconfVar::PAGE_SIZE, 4096)).unwrap_or(4096);
        Self { root, processes: vec![root], looked: None, gone: Vec::new(), clock, page }
    }

    /// What is used now; `None` once the root has ended.
    pub fn read(&mut self) -> Option<TreeUsage> {
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            self.processes = below(self.root);
        }
        let mut sum = TreeUsage::default();
        for process in &self.processes {
            let Some(Stat { ticks, pages }) = stat(*process) else {
                // Its parent has its time.
                if *process == self.root {
                    return None;
                }
                continue;
            };
            #[expect(clippy::cast_precision_loss, reason = "a time")]
            let seconds = ticks as f64 / self.clock;
            sum.core_seconds += seconds;
            sum.memory += pages * self.page;
            if let Some(written) = written(*process) {
                match self.gone.iter_mut().find(|(known, _)| known == process) {
                    Some((_, last)) => *last = written,
                    None => self.gone.push((*process, written)),
                }
            }
        }
        if !self.gone.is_empty() {
            sum.written = Some(self.gone.iter().map(|(_, written)| written).sum());
        }
        Some(sum)
    }
}

/// A process and all below it.
fn below(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&process) = found.get(next).filter(|_| found.len() < MOST) {
        next += 1;
        for thread in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    found
}

struct Stat {
    /// User and system time of it and of children that it has waited for, in ticks.
    ticks: u64,
    /// Resident pages.
    pages: u64,
}

fn stat(process: u32) -> Option<Stat> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&stat))
}

/// Fields 14 to 17 and 24 of proc_pid_stat(5); a process that has ended and waits to be noted counts as gone.
fn parse(stat: &str) -> Option<Stat> {
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    let ticks = [14, 15, 16, 17].into_iter().filter_map(number).sum::<i64>();
    Some(Stat { ticks: u64::try_from(ticks).ok()?, pages: u64::try_from(number(24)?).ok()? })
}

/// `write_bytes` of a process.
fn written(process: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{process}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn times_of_children_are_counted_and_names_may_be_anything() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 10 5 3 2 20 0 1 0 99 1000000 250 184";
        let stat = parse(text).unwrap();
        assert_eq!((stat.ticks, stat.pages), (20, 250));
        assert!(parse(&text.replace(" S ", " Z ")).is_none());
    }

    #[test]
    fn what_a_child_of_a_child_does_is_seen() {
        let script = "(head -c 300000000 /dev/zero | sha256sum; sleep 1000) > /dev/null; true";
        let mut child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let mut tree = ProcessTree::new(child.id());
        let begun = Instant::now();
        let mut usage = TreeUsage::default();
        while usage.core_seconds < 0.1 && begun.elapsed() < Duration::from_secs(60) {
            tree.looked = None;
            usage = tree.read().unwrap();
            std::thread::yield_now();
        }
        assert!(usage.core_seconds >= 0.1 && usage.memory > 100_000, "{usage:?}");
        for process in tree.processes.iter().rev() {
            let process = nix::unistd::Pid::from_raw(process.cast_signed());
            let _ = nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGKILL);
        }
        child.wait().unwrap();
        assert_eq!(tree.read(), None);
    }
}
