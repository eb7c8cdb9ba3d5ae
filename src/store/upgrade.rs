//! Who is told how far a database from before is brought up to date, where that takes long. The command line says it once, at its
//! start: any command that may write can be the first one.

use std::sync::OnceLock;

/// Is told how many curves of how many are done.
pub(crate) type Progress = fn(done: usize, total: usize);

static PROGRESS: OnceLock<Progress> = OnceLock::new();

/// Says who is told; the first one stays.
pub(crate) fn tell_upgrades(progress: Progress) {
    let _ = PROGRESS.set(progress);
}

/// So many curves of all are done; at first none.
pub(super) fn told(done: usize, total: usize) {
    if let Some(progress) = PROGRESS.get() {
        progress(done, total);
    }
}
