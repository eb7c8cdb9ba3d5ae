//! Asks the worker what its libtorch can use. Takes as long as libtorch takes to load, and with CUDA as the
//! driver takes to start: a second or more, so it is asked only where CUDA devices are about to be used.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::device::LibtorchCuda;

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Its libtorch.
    pub cuda: LibtorchCuda,
    /// Why CUDA cannot be used, in libtorch's words, where it has any.
    pub said: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be started.
    #[error("cannot start the worker `{}`", worker.display())]
    Start {
        /// The program.
        worker: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ends with an error.
    #[error("the worker does not start ({status}): {words}")]
    Failed {
        /// Exit status.
        status: String,
        /// Its first words.
        words: String,
    },
    /// It is of another version.
    #[error("the worker's answer is not understood: is it of this version?")]
    Language,
}

/// Asks the worker for what its libtorch can use: `gridboard-worker probe`.
///
/// # Errors
/// [`ProbeError`], where it does not answer.
pub fn probe(worker: &Path) -> Result<Probe, ProbeError> {
    let (answer, said) = ask_worker(worker, "probe")?;
    let cuda = serde_json::from_value(answer).map_err(|_| ProbeError::Language)?;
    Ok(Probe { cuda, said })
}

/// The JSON that a verb of the worker prints, and what libtorch said of CUDA meanwhile.
///
/// # Errors
/// [`ProbeError`], where it does not answer.
pub fn ask_worker(worker: &Path, verb: &str) -> Result<(serde_json::Value, Option<String>), ProbeError> {
    let answer = Command::new(worker).arg(verb).env("CUDA_DEVICE_ORDER", "PCI_BUS_ID").output();
    let Output { status, stdout, stderr } =
        answer.map_err(|source| ProbeError::Start { worker: worker.to_owned(), source })?;
    let words = String::from_utf8_lossy(&stderr);
    if !status.success() {
        let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        return Err(ProbeError::Failed { status: status.to_string(), words: first.to_owned() });
    }
    // A native library may have something to say before it.
    let start = stdout.iter().position(|byte| *byte == b'{').unwrap_or(0);
    let json = serde_json::from_slice(&stdout[start..]).map_err(|_| ProbeError::Language)?;
    Ok((json, reason(&words)))
}

/// The reason in libtorch's warning: `[W…] Warning: CUDA initialization: REASON (function operator())`.
fn reason(words: &str) -> Option<String> {
    const MARK: &str = "CUDA initialization: ";
    let line = words.lines().find(|line| line.contains(MARK))?;
    let text = &line[line.find(MARK)? + MARK.len()..];
    Some(text.split(" (function ").next().unwrap_or(text).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn asked(script: &str) -> Result<Probe, ProbeError> {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        std::fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
        probe(&worker)
    }

    #[test]
    fn the_answer_is_read_with_the_reason_beside_it() {
        let script = r#"[ "$1" = probe ] || exit 9
            echo '[W1127 CUDA.cpp:109] Warning: CUDA initialization: no driver (function operator())' >&2
            echo hello
            echo '{"built":true,"version":13000,"available":false,"devices":0,"cudnn_version":null}'"#;
        let probe = asked(script).unwrap();
        assert_eq!(probe.said.as_deref(), Some("no driver"));
        assert!(probe.cuda.built && !probe.cuda.available && probe.cuda.version == Some(13_000));
    }

    #[test]
    fn a_worker_that_does_not_answer_is_an_error() {
        let failed =
            asked("echo 'error while loading shared libraries: libtorch.so' >&2; exit 127").unwrap_err();
        assert_eq!(
            failed.to_string(),
            "the worker does not start (exit status: 127): error while loading shared libraries: libtorch.so"
        );
        assert!(asked("echo no").unwrap_err().to_string().contains("is it of this version?"));
        assert!(matches!(probe(Path::new("/nonexistent/worker")), Err(ProbeError::Start { .. })));
    }
}
