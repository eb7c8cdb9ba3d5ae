//! Measures how fast runs train side by side: several workers at once, each in `gridboard-worker calibrate`.
//!
//! Called before a sweep starts its runs. Blocks; the workers end with their standard input, so none is left behind
//! however this process ends.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::plan::environment;
use crate::run::{RunDir, RunFile};

/// Why a throughput is not known.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// A process or a file of it.
    #[error("cannot measure with `gridboard-worker calibrate`: {0}")]
    Io(#[from] io::Error),
    /// A worker ended or spoke otherwise.
    #[error("`gridboard-worker calibrate` answered `{0}`")]
    Answer(String),
}

/// Images per second of `slots` workers together, each training the run of `file` with its threads for `seconds`.
///
/// # Errors
/// If a worker cannot be started or does not answer, for want of memory for instance.
pub fn throughput(worker: &Path, file: &RunFile, slots: u32, seconds: f64) -> Result<f64, CalibrateError> {
    let folder = tempfile::tempdir()?;
    std::fs::write(
        RunDir::new(folder.path()).run_file(),
        serde_json::to_vec(file).map_err(io::Error::from)?,
    )?;
    let mut workers = Workers(Vec::new());
    for _ in 0..slots {
        let mut child = Command::new(worker)
            .args(["calibrate", "--seconds", &seconds.to_string()])
            .arg(folder.path())
            .envs(environment(folder.path(), file))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let answers =
            BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?);
        workers.0.push((child, answers));
    }
    for place in 0..workers.0.len() {
        let answer = workers.answer(place)?;
        if answer != "ready" {
            return Err(CalibrateError::Answer(answer));
        }
    }
    for (child, _) in &mut workers.0 {
        if let Some(input) = &mut child.stdin {
            input.write_all(b"go\n")?;
        }
    }
    let mut sum = 0.0;
    for place in 0..workers.0.len() {
        let answer = workers.answer(place)?;
        sum += answer.parse::<f64>().map_err(|_| CalibrateError::Answer(answer))?;
    }
    Ok(sum)
}

/// Workers that end when they are dropped.
struct Workers(Vec<(Child, BufReader<ChildStdout>)>);

impl Workers {
    fn answer(&mut self, place: usize) -> io::Result<String> {
        let mut line = String::new();
        self.0[place].1.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (child, _) in &mut self.0 {
            // They hold nothing that a kill could damage, and one in a long step would be waited for.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::launch::plan::tests::run_file;

    fn measured(script: &str, slots: u32) -> Result<f64, CalibrateError> {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        std::fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
        throughput(&worker, &run_file(&[]), slots, 0.5)
    }

    #[test]
    fn what_workers_say_is_added_up() {
        // Answers only when it was told to go, with the number of threads that it was given, and then never ends.
        let worker = "echo ready; read word; [ \"$word\" = go ] && echo $OMP_NUM_THREADS.5; exec sleep 1000";
        assert_eq!(measured(worker, 3).unwrap(), 10.5);
    }

    #[test]
    fn a_worker_that_fails_is_an_error() {
        for (script, expected) in [
            ("exit 1", "`gridboard-worker calibrate` answered ``"),
            ("echo ready; read word; echo fast", "`gridboard-worker calibrate` answered `fast`"),
        ] {
            assert_eq!(measured(script, 2).unwrap_err().to_string(), expected);
        }
    }
}
