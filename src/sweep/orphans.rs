//! Processes that a dead orchestrator left behind are ended before their runs are started again.

use std::{collections::HashSet, fs, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::store::Orphan;

/// The variable that every process of an attempt inherits.
const RUN_DIR: &str = "GRIDBOARD_RUN_DIR=";

/// Kills what is alive of these attempts, and returns how many processes that were.
///
/// A recorded pid proves nothing, since it may belong to another program by now, and the attempt's first process may be
/// gone while what it started runs on. So every process of this machine is asked for its environment: only one that names
/// the run's own directory is ended.
pub(super) fn end(experiment_dir: &Path, orphans: &[Orphan]) -> usize {
    let host = super::host();
    let ours: HashSet<Vec<u8>> = orphans
        .iter()
        .filter(|orphan| orphan.host == host)
        .map(|orphan| format!("{RUN_DIR}{}", experiment_dir.join(&orphan.name).display()).into_bytes())
        .collect();
    if ours.is_empty() {
        return 0;
    }
    processes()
        .filter(|pid| {
            // Unreadable: ended by now, or another user's, and so not ours.
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| ours.contains(variable))
        })
        // It may end by itself between the look and the signal: that is what is wanted.
        .filter(|pid| kill(Pid::from_raw(*pid), Signal::SIGKILL).is_ok())
        .count()
}

/// The processes of this machine; none where there is no `/proc`.
fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}
