//! Measures how fast runs train side by side: several workers at once, each in `gridboard-worker calibrate`.
//!
//! Called before a sweep starts its runs. Blocks; the workers end with their standard input, so none is left behind
//! however this process ends.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::plan::environment;
use crate::{
    base::signals::{Ends, Signals},
    run::{RunDir, RunFile},
};

/// Why a throughput is not known.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// A process or a file of it.
    #[error("cannot measure with `gridboard-worker calibrate`: {0}")]
    Io(#[from] io::Error),
    /// A worker ended or spoke otherwise.
    #[error("`gridboard-worker calibrate` answered `{0}`")]
    Answer(String),
    /// A signal ended the measurement.
    #[error("interrupted")]
    Interrupted,
}

/// Images per second of `slots` workers together, each training the run of `file` with its threads for `seconds`.
///
/// # Errors
/// If a worker cannot be started or does not answer, for want of memory for instance; [`CalibrateError::Interrupted`] at the
/// first signal.
pub fn throughput(
    worker: &Path,
    file: &RunFile,
    slots: u32,
    seconds: f64,
    signals: &Signals,
) -> Result<f64, CalibrateError> {
    let measured = measure(worker, file, slots, seconds, signals);
    // It ends the workers, so that their answers are none.
    if signals.heard() { Err(CalibrateError::Interrupted) } else { measured }
}

fn measure(
    worker: &Path,
    file: &RunFile,
    slots: u32,
    seconds: f64,
    signals: &Signals,
) -> Result<f64, CalibrateError> {
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
            .process_group(0)
            .spawn()?;
        let ends = signals.ends(child.id());
        let answers =
            BufReader::new(child.stdout.take().ok_or_else(|| io::Error::other("no standard output"))?);
        workers.0.push((child, answers, Some(ends)));
    }
    for place in 0..workers.0.len() {
        let answer = workers.answer(place)?;
        if answer != "ready" {
            return Err(CalibrateError::Answer(answer));
        }
    }
    for (child, ..) in &mut workers.0 {
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
struct Workers(Vec<(Child, BufReader<ChildStdout>, Option<Ends>)>);

impl Workers {
    fn answer(&mut self, place: usize) -> io::Result<String> {
        let mut line = String::new();
        self.0[place].1.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for (child, _, ends) in &mut self.0 {
            // Before the process id may be another's.
            drop(ends.take());
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
        throughput(&worker, &run_file(&[]), slots, 0.5, &Signals::silent())
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

    #[test]
    fn a_signal_ends_the_measurement() {
        let folder = tempfile::tempdir().unwrap();
        let (worker, ready) = (folder.path().join("worker"), folder.path().join("ready"));
        // The shell's child holds its output, too.
        let script = format!("#!/bin/sh\nsleep 1000 &\ntouch {}\nwait\n", ready.display());
        std::fs::write(&worker, script).unwrap();
        std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
        let signals = Signals::silent();
        let user = signals.clone();
        let measured = std::thread::scope(|scope| {
            let measured = scope.spawn(|| throughput(&worker, &run_file(&[]), 2, 0.5, &signals));
            while !ready.exists() {
                std::thread::yield_now();
            }
            user.request();
            measured.join().unwrap()
        });
        assert!(matches!(measured, Err(CalibrateError::Interrupted)), "{measured:?}");
    }
}
