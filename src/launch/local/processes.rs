//! The processes of this machine, as `/proc` has them; none where there is no `/proc`.

use std::{fs, process};

/// What is asked of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Its parent.
    pub(super) parent: i32,
    /// Whether it has ended and waits for its parent to take note.
    pub(super) has_ended: bool,
}

/// The ids of all processes.
pub(super) fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `None` if the process is gone.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    // A name may be any bytes.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&stat))
}

fn parse(stat: &str) -> Option<Stat> {
    // The name is in parentheses and may have any character.
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Stat { parent, has_ended: matches!(state, "Z" | "X") })
}

/// The children of this process, those that it inherited among them.
pub(super) fn children() -> Vec<i32> {
    let own = own_id();
    all().filter(|pid| stat(*pid).is_some_and(|stat| stat.parent == own)).collect()
}

/// Parent, parent's parent and so on, the next one first.
pub(super) fn ancestors(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut next = stat(pid).map(|stat| stat.parent);
    while let Some(pid) = next.filter(|pid| *pid > 0 && !found.contains(pid)) {
        found.push(pid);
        next = stat(pid).map(|stat| stat.parent);
    }
    found
}

/// This process.
pub(super) fn own_id() -> i32 {
    process::id().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_behind_any_name() {
        let stat = |state: &str| parse(&format!("12 (a) R 7) b) {state} 34 12 12 0 -1 4194304"));
        assert_eq!(stat("S"), Some(Stat { parent: 34, has_ended: false }));
        assert_eq!(stat("Z"), Some(Stat { parent: 34, has_ended: true }));
        assert_eq!(parse(""), None);
        assert_eq!(parse("12 (a)"), None);
    }

    #[test]
    fn children_and_ancestors_are_found() {
        let mut child = process::Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        assert!(children().contains(&pid) && all().any(|one| one == pid));
        let ancestors = ancestors(pid);
        assert_eq!(ancestors[0], own_id());
        assert!(ancestors.len() > 1 && !ancestors.contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(stat(pid), None);
    }
}
