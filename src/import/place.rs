//! Folders of ours for the runs of a log directory: links to its event files, or copies, and the attempt that each run was.
//!
//! Writes where something has changed, and only there. Of the log directory nothing is opened for writing.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use super::{experiment::ForeignRun, scan::LogDir};
use crate::{
    base::files::{Durability, FileError, remove_if_there, write_whole, write_whole_with},
    run::{
        AttemptEnding, AttemptEvent, AttemptStart, Evidence, Failure, FailureKind, RunDir, RunState, Used,
    },
    tfevents::hparams::Status,
};

/// Brings a run's folder to hold what its directories hold now.
///
/// # Errors
/// The file and what failed.
pub(super) fn place(dir: &RunDir, run: &ForeignRun, dirs: &[LogDir], copy: bool) -> Result<(), FileError> {
    let mut wanted: HashMap<PathBuf, &Path> = HashMap::new();
    for (index, below) in &run.members {
        for file in &dirs[*index].files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            let mut at = dir.path().join(below).join(&*name);
            let mut number = 2;
            // Two directories of a run may have files of one name.
            while wanted.contains_key(&at) {
                at = dir.path().join(below).join(format!("{name}.{number}"));
                number += 1;
            }
            wanted.insert(at, file);
        }
    }
    fs::create_dir_all(dir.path()).map_err(FileError::at("create folder", dir.path()))?;
    let kept: HashSet<&Path> = wanted.keys().map(PathBuf::as_path).collect();
    remove_others(dir.path(), &kept)?;
    for (at, file) in wanted {
        let folder = at.parent().unwrap_or(dir.path());
        fs::create_dir_all(folder).map_err(FileError::at("create folder", folder))?;
        if copy {
            copy_if_changed(file, &at)?;
        } else if fs::read_link(&at).ok().as_deref() != Some(file) {
            remove_if_there(&at)?;
            symlink(file, &at).map_err(FileError::at("link", &at))?;
        }
    }
    write_attempt(dir, run)
}

/// Removes event files and links of an earlier import that are not there any more.
fn remove_others(folder: &Path, kept: &HashSet<&Path>) -> Result<(), FileError> {
    for entry in fs::read_dir(folder).map_err(FileError::at("read", folder))? {
        let entry = entry.map_err(FileError::at("read", folder))?;
        let path = entry.path();
        if entry.file_type().map_err(FileError::at("read", &path))?.is_dir() {
            remove_others(&path, kept)?;
        } else if entry.file_name().to_string_lossy().contains("tfevents") && !kept.contains(path.as_path()) {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Event files only grow: one of the same length is the same.
fn copy_if_changed(file: &Path, at: &Path) -> Result<(), FileError> {
    let length = |path: &Path| fs::metadata(path).map(|file| file.len()).ok();
    if length(file) == length(at) {
        return Ok(());
    }
    let mut source = File::open(file).map_err(FileError::at("read", file))?;
    write_whole_with(at, Durability::Written, |copy| io::copy(&mut source, copy).map(drop))
}

/// Writes the attempt that the run was.
fn write_attempt(dir: &RunDir, run: &ForeignRun) -> Result<(), FileError> {
    let (started, finished) = run.times;
    let failure = (run.status == Some(Status::Failure)).then(|| Failure {
        kind: FailureKind::Trainer,
        reason: "its HParams session ended as a failure".to_owned(),
        log_tail: String::new(),
        evidence: Evidence::default(),
    });
    let state = if failure.is_some() { RunState::Failed } else { RunState::Completed };
    let events = [
        AttemptEvent::Started(AttemptStart {
            attempt: 1,
            pid: None,
            pid_start: None,
            boot_id: None,
            slot: None,
            device: None,
            threads: None,
            host: run.host.clone(),
            job: None,
            started,
            resumed_from: None,
        }),
        AttemptEvent::Ended(AttemptEnding { attempt: 1, state, finished, failure, used: Used::default() }),
    ];
    let mut text = Vec::new();
    for event in &events {
        serde_json::to_writer(&mut text, event).expect("an event is plain JSON");
        text.push(b'\n');
    }
    if fs::read(dir.attempts()).is_ok_and(|there| there == text) {
        return Ok(());
    }
    write_whole(&dir.attempts(), &[&text], Durability::Written)
}
