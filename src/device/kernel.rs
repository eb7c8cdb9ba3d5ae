//! What the Linux kernel says of memory: how much is available under the control groups' limits, and how often its
//! out-of-memory killer has struck here.
//!
//! Used by discovery and by the launcher. Reads `/proc` and `/sys/fs/cgroup`, versions 1 and 2; everything that is not
//! there, or not readable, counts as no limit: a container may hide any of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Available memory of this machine for this process, bytes: what the kernel says is available, or what the tightest
/// control group leaves, whichever is less. `None` where there is no `/proc`.
pub(crate) fn available_memory() -> Option<u64> {
    available_memory_below(Path::new("/"))
}

fn available_memory_below(root: &Path) -> Option<u64> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let machine = field(&meminfo, "MemAvailable:")?.saturating_mul(1024);
    let groups = Group::all(root).into_iter().filter_map(|group| group.available_memory()).min();
    Some(groups.map_or(machine, |groups| groups.min(machine)))
}

/// Counts the out-of-memory kills among the processes of this control group, or on the machine where groups do not
/// count.
#[derive(Clone, Debug)]
pub(crate) struct OomCounter {
    path: PathBuf,
}

impl OomCounter {
    /// The counter that is nearest to this process. `None` where nothing counts.
    pub(crate) fn find() -> Option<Self> {
        Self::find_below(Path::new("/"))
    }

    fn find_below(root: &Path) -> Option<Self> {
        let groups = Group::all(root).into_iter().map(|group| match group.version {
            Version::One => group.folder.join("memory.oom_control"),
            Version::Two => group.folder.join("memory.events"),
        });
        groups
            .chain([root.join("proc/vmstat")])
            .map(|path| Self { path })
            .find(|counter| counter.kills().is_some())
    }

    /// Kills so far.
    pub(crate) fn kills(&self) -> Option<u64> {
        field(&fs::read_to_string(&self.path).ok()?, "oom_kill")
    }
}

/// A memory control group that this process is in.
#[derive(Clone, Debug)]
struct Group {
    version: Version,
    folder: PathBuf,
}

#[derive(Clone, Copy, Debug)]
enum Version {
    One,
    Two,
}

impl Group {
    /// The groups of this process, the nearest first, up to the root of the hierarchy.
    fn all(root: &Path) -> Vec<Self> {
        let Ok(memberships) = fs::read_to_string(root.join("proc/self/cgroup")) else { return Vec::new() };
        let mut groups = Vec::new();
        // Lines of `hierarchy:controllers:path`; version 2 has no controllers there.
        for line in memberships.lines() {
            let mut parts = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
            let (version, mount) = if controllers.is_empty() {
                (Version::Two, root.join("sys/fs/cgroup"))
            } else if controllers.split(',').any(|controller| controller == "memory") {
                (Version::One, root.join("sys/fs/cgroup/memory"))
            } else {
                continue;
            };
            let relative = Path::new(path.trim_start_matches('/'));
            // In a container the path is often that of the host while the mount is the group itself: then only the
            // mount is there.
            groups.extend(
                relative
                    .ancestors()
                    .map(|ancestor| mount.join(ancestor))
                    .filter(|folder| folder.is_dir())
                    .map(|folder| Self { version, folder }),
            );
        }
        groups
    }

    /// The limit less what is in use, file pages that could be dropped not counted, bytes. `None` without a limit.
    fn available_memory(&self) -> Option<u64> {
        let (limit, usage, droppable) = match self.version {
            Version::One => ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
            Version::Two => ("memory.max", "memory.current", "inactive_file"),
        };
        // "max" in version 2 is no number and so no limit.
        let limit = self.number(limit)?;
        let usage = self.number(usage)?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let droppable = field(&stat, droppable).unwrap_or(0);
        Some(limit.saturating_sub(usage.saturating_sub(droppable)))
    }

    fn number(&self, file: &str) -> Option<u64> {
        fs::read_to_string(self.folder.join(file)).ok()?.trim().parse().ok()
    }
}

/// The number after `key` on the line that begins with it.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(key)).then(|| words.next()?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root folder with the given files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:   8000 kB\n");

    #[test]
    fn without_groups_the_machine_decides() {
        assert_eq!(available_memory_below(root(&[MEMINFO]).path()), Some(8000 * 1024));
        assert_eq!(available_memory_below(root(&[]).path()), None);
    }

    #[test]
    fn the_tightest_group_of_version_2_decides() {
        let root = root(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/user/job\n"),
            ("sys/fs/cgroup/user/memory.max", "5000\n"),
            ("sys/fs/cgroup/user/memory.current", "3000\n"),
            ("sys/fs/cgroup/user/memory.stat", "anon 7\ninactive_file 500\n"),
            ("sys/fs/cgroup/user/job/memory.max", "9000\n"),
            ("sys/fs/cgroup/user/job/memory.current", "10\n"),
            ("sys/fs/cgroup/memory.max", "max\n"),
            ("sys/fs/cgroup/memory.current", "4000\n"),
        ]);
        assert_eq!(available_memory_below(root.path()), Some(2500));
    }

    #[test]
    fn a_container_sees_its_group_of_version_1_at_the_mount() {
        let root = root(&[
            MEMINFO,
            ("proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/docker/abc\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1200\n"),
            ("sys/fs/cgroup/memory/memory.stat", "total_inactive_file 300\n"),
            ("sys/fs/cgroup/memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ]);
        assert_eq!(available_memory_below(root.path()), Some(100));
        assert_eq!(OomCounter::find_below(root.path()).and_then(|counter| counter.kills()), Some(3));
    }

    #[test]
    fn the_nearest_counter_of_kills_is_taken() {
        let files = [
            ("proc/vmstat", "nr_free 1\noom_kill 9\n"),
            ("proc/self/cgroup", "0::/job\n"),
            ("sys/fs/cgroup/job/memory.events", "oom 4\noom_kill 2\noom_group_kill 1\n"),
        ];
        let kills = |files: &[_]| OomCounter::find_below(root(files).path()).map(|counter| counter.path);
        assert!(kills(&files).is_some_and(|path| path.ends_with("job/memory.events")));
        assert!(kills(&files[..2]).is_some_and(|path| path.ends_with("proc/vmstat")));
        assert_eq!(kills(&files[1..2]), None);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(available_memory().is_some_and(|bytes| bytes > 0));
    }
}
