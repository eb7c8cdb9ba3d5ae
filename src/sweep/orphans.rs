//! Processes that a dead orchestrator left behind are ended before their runs are started again.

use std::{fs, path::Path, process};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// The variable that every process of an attempt inherits.
const RUN_DIR: &str = "GRIDBOARD_RUN_DIR=";

/// Kills what is alive of earlier sweeps of this experiment, and returns how many processes that were.
///
/// Only for the process that holds the experiment's lock: then whatever works in one of its run directories is left over.
/// A recorded pid proves nothing, since it may belong to another program by now, and an attempt may have been started an
/// instant before it could be recorded. So every process of this machine is asked for its environment.
pub(super) fn end(experiment_dir: &Path) -> usize {
    let ours = format!("{RUN_DIR}{}/", experiment_dir.display()).into_bytes();
    processes()
        .filter(|pid| u32::try_from(*pid) != Ok(process::id()))
        .filter(|pid| {
            // Unreadable: ended by now, or another user's, and so not ours.
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable.starts_with(&ours))
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
