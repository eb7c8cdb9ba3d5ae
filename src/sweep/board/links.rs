//! Event files brought into a folder of links for TensorBoard, as the runs write them, but for HParams records that programs have
//! written themselves.
//!
//! TensorBoard takes an arbitrary one of several experiment records for its table, and every session for a row. So files with
//! such records are copied without them, as they grow; all others are links. Used by `View` and by `Mirror`.

use std::{
    collections::HashMap,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{
    run::ExperimentDir,
    tfevents::{
        WriteError,
        hparams::{Records, copy_without_records, is_session, records_in},
    },
};

/// Event files lie at most so deep in the folder of an experiment.
const DEEPEST: u32 = 8;

/// Which files have been copied, and how far.
#[derive(Default)]
pub(super) struct Links {
    copied: HashMap<PathBuf, u64>,
}

impl Links {
    /// Brings the event files at or below `from` to `to`. Files and folders for which `is_left_out` holds are not looked at.
    /// Answers whether there is such a folder.
    pub(super) fn bring(
        &mut self,
        from: &Path,
        to: &Path,
        is_left_out: &dyn Fn(&Path) -> bool,
    ) -> Result<bool, WriteError> {
        self.descend(from, to, is_left_out, DEEPEST)
    }

    /// Forgets what has been copied into a folder that is gone.
    pub(super) fn forget(&mut self, folder: &Path) {
        self.copied.retain(|file, _| !file.starts_with(folder));
    }

    fn descend(
        &mut self,
        from: &Path,
        to: &Path,
        is_left_out: &dyn Fn(&Path) -> bool,
        deeper: u32,
    ) -> Result<bool, WriteError> {
        let Ok(entries) = fs::read_dir(from) else { return Ok(false) };
        fs::create_dir_all(to).map_err(|source| WriteError::Create { path: to.to_owned(), source })?;
        for entry in entries.flatten() {
            let (source, target) = (entry.path(), to.join(entry.file_name()));
            if is_left_out(&source) {
                continue;
            }
            // Through links: an import has some.
            let is_dir = source.is_dir();
            if is_dir && deeper > 0 {
                self.descend(&source, &target, is_left_out, deeper - 1)?;
            } else if !is_dir && entry.file_name().to_string_lossy().contains("tfevents") {
                self.bring_file(&source, &target)?;
            }
        }
        remove_dangling(to);
        Ok(true)
    }

    fn bring_file(&mut self, source: &Path, target: &Path) -> Result<(), WriteError> {
        if fs::symlink_metadata(target).is_ok_and(|metadata| metadata.is_symlink()) {
            return Ok(());
        }
        let is_own =
            is_session(source) || source.extension().is_some_and(|last| last == ExperimentDir::BOARD);
        let known = self.copied.get(target).copied();
        match if is_own { Records::None } else { records_in(source) } {
            // What it begins with is not written yet.
            Records::NotYet => Ok(()),
            Records::Some => {
                let offset = copy_without_records(source, target, known.unwrap_or(0))?;
                self.copied.insert(target.to_owned(), offset);
                Ok(())
            }
            Records::None => match symlink(source, target) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    Err(WriteError::Create { path: target.to_owned(), source: error })
                }
                _ => Ok(()),
            },
        }
    }
}

/// Removes links to files that are gone.
fn remove_dangling(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) && !entry.path().exists() {
            // It is looked for again with the next look.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A log directory that is an experiment's own, without the HParams records of its programs.
pub(crate) struct Mirror {
    from: PathBuf,
    to: PathBuf,
    links: Links,
}

impl Mirror {
    /// The experiment's folder in `to`, an empty folder.
    #[must_use]
    pub(crate) fn new(dir: &ExperimentDir, to: &Path) -> Self {
        let from = std::path::absolute(dir.path()).unwrap_or_else(|_| dir.path().to_owned());
        Self { from, to: to.to_owned(), links: Links::default() }
    }

    /// Brings the folder up to date with that of the experiment.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub(crate) fn refresh(&mut self) -> Result<(), WriteError> {
        // Its own folders, of requests and of jobs.
        let is_hidden =
            |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        self.links.bring(&self.from, &self.to, &is_hidden).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        spec::Value,
        tfevents::{
            EventWriter,
            hparams::{
                HParamInfo, MetricInfo, has_experiment_record, write_experiment_record, write_session,
            },
        },
    };

    #[test]
    fn records_of_programs_stay_behind_and_what_they_log_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (experiment, to) = (folder.path().join("e"), folder.path().join("links"));
        let run = experiment.join("x-1");
        let session = write_session(&run, &[("x".to_owned(), Value::Int(1))], "", 1.0, None).unwrap();
        // As `add_hparams` does: a folder named after the time, with records and the metrics.
        let info = [HParamInfo::new("lr", &[Value::Float(0.1)])];
        let metrics = [MetricInfo::new("hparam/best", "")];
        let foreign = write_experiment_record(&run.join("1764.25"), &info, &metrics, "", "", 2.0).unwrap();
        let mut plain = EventWriter::create_at(&run.join("train"), 3.0).unwrap();
        plain.flush().unwrap();

        let mut mirror = Mirror::new(&ExperimentDir::at(&experiment), &to);
        mirror.refresh().unwrap();
        let there = |file: &Path| to.join(file.strip_prefix(&experiment).unwrap());
        assert!(there(&session).is_symlink());
        assert!(!there(plain.path()).exists(), "nothing is in it yet");
        plain.scalar("loss", 0, 1.0, 4.0).unwrap();
        plain.flush().unwrap();
        mirror.refresh().unwrap();
        assert!(there(plain.path()).is_symlink());
        let copy = there(&foreign);
        assert!(!copy.is_symlink() && has_experiment_record(&foreign) && !has_experiment_record(&copy));

        // What is logged behind the records comes over, once.
        let before = fs::metadata(&copy).unwrap().len();
        let mut more = Vec::new();
        let mut writer = EventWriter::new(&mut more, &foreign, 5.0).unwrap();
        writer.scalar("hparam/best", 0, 0.5, 5.0).unwrap();
        writer.finish().unwrap();
        let mut whole = fs::read(&foreign).unwrap();
        whole.extend_from_slice(&more);
        fs::write(&foreign, &whole).unwrap();
        for _ in 0..2 {
            mirror.refresh().unwrap();
            assert_eq!(fs::metadata(&copy).unwrap().len(), before + more.len() as u64);
        }
        fs::remove_file(plain.path()).unwrap();
        mirror.refresh().unwrap();
        assert!(!there(plain.path()).is_symlink(), "its link is gone with it");
    }
}
