//! Processes that a dead orchestrator left behind are ended before their runs are started again.

use std::{fs, path::Path};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::store::Orphan;

/// Kills the process groups of these attempts, where they are alive and surely ours.
///
/// The pid alone proves nothing, since it may belong to another program by now: only a process on this machine whose
/// environment names the run's own directory is ended.
pub(super) fn end(experiment_dir: &Path, orphans: &[Orphan]) {
    let host = super::host();
    for orphan in orphans.iter().filter(|orphan| orphan.host == host) {
        let Ok(environment) = fs::read(format!("/proc/{}/environ", orphan.pid)) else { continue };
        let ours = format!("GRIDBOARD_RUN_DIR={}", experiment_dir.join(&orphan.name).display());
        let is_ours = environment.split(|byte| *byte == 0).any(|variable| variable == ours.as_bytes());
        if let (true, Ok(pid)) = (is_ours, i32::try_from(orphan.pid)) {
            // It may end by itself between the look and the signal: that is what is wanted.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
