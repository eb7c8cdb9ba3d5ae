//! Images to the worker and its answers back, both at once: while the network computes one array, the next is decoded.
//!
//! One process for all images, whatever their number; memory holds a few arrays. If this process dies, the worker's
//! input ends and so does the worker.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    thread,
};

use rayon::prelude::*;

use super::TrainedRun;
use crate::{
    base::signals::{Ends, Signals},
    corpus::{PreparationProgress, npy},
    launch::{LaunchPlan, PlanError},
    predictions::protocol::{Answers, Hello},
};

/// Pixels of one array, bytes: a second of work or less, and little beside the network.
const ARRAY_BYTES: usize = 16 << 20;
/// Most images of one array, so that small ones show progress too.
const ARRAY_IMAGES: usize = 1024;

/// What the network says of one image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Predicted class, below K.
    pub predicted: usize,
    /// `[K]`, each in 0..=1.
    pub probabilities: Vec<f32>,
}

/// Why the network gave no answers.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The run's directory has no path.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The worker cannot be started.
    #[error("cannot start `{}`", worker.display())]
    Start {
        /// The program.
        worker: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The worker ended before its work was done.
    #[error("the worker ended with {status}: {reason}")]
    Ended {
        /// Its exit status.
        status: String,
        /// Its last words.
        reason: String,
    },
    /// The worker speaks another language.
    #[error("the worker's answer is not understood ({0}): is it of this version?")]
    Language(String),
    /// A signal ended the work.
    #[error("interrupted")]
    Interrupted,
}

/// Asks the run's network about `n` images. `load` gives the pixels of each, `[side, side]`, or says why it is no image;
/// it is called from several threads. Answers and reasons come in the order of the images. `device` overrides where the
/// network computes: `cpu`, or the UUID of a CUDA device.
///
/// # Errors
/// [`AskError`], where there are no answers at all; [`AskError::Interrupted`] at the first signal.
pub(crate) fn ask(
    worker: &Path,
    run: &TrainedRun,
    device: Option<&str>,
    n: usize,
    load: impl Fn(usize) -> Result<Vec<u8>, String> + Sync,
    progress: &dyn PreparationProgress,
    signals: &Signals,
) -> Result<Vec<Result<Answer, String>>, AskError> {
    let process = Process::start(worker, run, device, signals)?;
    let answers = converse(process, run, n, load, progress);
    // It ends the worker, so that what came before is not all.
    if signals.heard() { Err(AskError::Interrupted) } else { answers }
}

fn converse(
    mut process: Process,
    run: &TrainedRun,
    n: usize,
    load: impl Fn(usize) -> Result<Vec<u8>, String> + Sync,
    progress: &dyn PreparationProgress,
) -> Result<Vec<Result<Answer, String>>, AskError> {
    let hello: Hello = match process.line()? {
        Some(line) => understood(&line)?,
        None => return Err(process.end()),
    };
    let (side, classes) = (run.dataset.image_size as usize, run.dataset.classes.len());
    if (hello.id.as_str(), hello.classes, hello.image_size as usize) != (&run.file.id, classes, side) {
        return Err(AskError::Language(format!("{hello:?}")));
    }
    progress.start(n);
    let array = (ARRAY_BYTES / (side * side)).clamp(1, ARRAY_IMAGES).next_multiple_of(hello.batch.max(1));
    let load = &load;
    let mut input = process.child.stdin.take().expect("the child was given a pipe");
    let (refused, answers) = thread::scope(|scope| {
        let sender = scope.spawn(move || {
            let refused = send(&mut input, n, array, side, load, progress);
            // The end of the input is the end of the work.
            drop(input);
            refused
        });
        let answers = receive(&mut process, classes, progress);
        if answers.is_err() {
            // Nobody listens to it any more: else it would wait for that, and the sender for it.
            let _ = process.child.kill();
        }
        let refused = sender.join().expect("reading images does not panic: decoders are guarded");
        (refused, answers)
    });
    progress.finish();
    let mut answers = answers?.into_iter();
    let status = process.wait();
    // Where the worker stopped reading it has said why.
    let (Ok(refused), Ok(true)) = (refused, status.map(|status| status.success())) else {
        return Err(process.end());
    };
    let mut refused = refused.into_iter().peekable();
    let all: Vec<Result<Answer, String>> = (0..n)
        .map_while(|place| match refused.next_if(|(refused, _)| *refused == place) {
            Some((_, reason)) => Some(Err(reason)),
            None => answers.next().map(Ok),
        })
        .collect();
    if all.len() < n || answers.next().is_some() {
        return Err(AskError::Language("it has another number of answers than there are images".to_owned()));
    }
    Ok(all)
}

/// Loads all images and sends them in arrays of `array`. Answers with the places of those that are none, and why.
fn send(
    input: &mut impl Write,
    n: usize,
    array: usize,
    side: usize,
    load: &(impl Fn(usize) -> Result<Vec<u8>, String> + Sync),
    progress: &dyn PreparationProgress,
) -> io::Result<Vec<(usize, String)>> {
    let mut refused = Vec::new();
    let mut pixels: Vec<u8> = Vec::new();
    let full = array * side * side;
    for first in (0..n).step_by(array) {
        let places = first..(first + array).min(n);
        let loaded: Vec<_> = places.clone().into_par_iter().map(load).collect();
        for (place, image) in places.zip(loaded) {
            match image {
                Ok(image) => pixels.extend(image),
                Err(reason) => {
                    refused.push((place, reason));
                    progress.advance();
                }
            }
        }
        // What is left over waits for the next images: arrays stay whole where some files are none.
        while pixels.len() >= full {
            send_array(input, &pixels[..full], side)?;
            pixels.drain(..full);
        }
    }
    if !pixels.is_empty() {
        send_array(input, &pixels, side)?;
    }
    Ok(refused)
}

fn send_array(input: &mut impl Write, pixels: &[u8], side: usize) -> io::Result<()> {
    let n = pixels.len() / (side * side);
    input.write_all(&npy::header(&[n as u64, side as u64, side as u64]))?;
    input.write_all(pixels)?;
    input.flush()
}

/// Reads answers until the worker has no more.
fn receive(
    process: &mut Process,
    classes: usize,
    progress: &dyn PreparationProgress,
) -> Result<Vec<Answer>, AskError> {
    let mut all = Vec::new();
    while let Some(line) = process.line()? {
        let Answers { predicted, probabilities } = understood(&line)?;
        if predicted.len() != probabilities.len() {
            return Err(AskError::Language(shortened(&line)));
        }
        for (predicted, probabilities) in predicted.into_iter().zip(probabilities) {
            if predicted >= classes || probabilities.len() != classes {
                return Err(AskError::Language(shortened(&line)));
            }
            #[expect(clippy::cast_possible_truncation, reason = "they are widened f32")]
            let probabilities = probabilities.into_iter().map(|probability| probability as f32).collect();
            all.push(Answer { predicted, probabilities });
            progress.advance();
        }
    }
    Ok(all)
}

fn understood<Message: serde::de::DeserializeOwned>(line: &str) -> Result<Message, AskError> {
    serde_json::from_str(line).map_err(|_| AskError::Language(shortened(line)))
}

fn shortened(line: &str) -> String {
    line.chars().take(100).collect()
}

/// The worker while it lives; killed and reaped when it is dropped.
struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
    /// Everything on stderr, once it has ended.
    words: Option<thread::JoinHandle<String>>,
    /// Lets a signal end it.
    ends: Option<Ends>,
}

impl Process {
    fn start(
        worker: &Path,
        run: &TrainedRun,
        device: Option<&str>,
        signals: &Signals,
    ) -> Result<Self, AskError> {
        let plan = LaunchPlan::predictor(worker, &run.dir, &run.file, device)?;
        let start = |source| AskError::Start { worker: worker.to_owned(), source };
        let mut child = Command::new(&plan.program)
            .args(&plan.args)
            .envs(plan.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(start)?;
        let ends = Some(signals.ends(child.id()));
        let output = BufReader::new(child.stdout.take().expect("the child was given a pipe"));
        let stderr = child.stderr.take().expect("the child was given a pipe");
        // Read all the time: a full pipe would stop the worker.
        let words = Some(thread::spawn(move || words(stderr)));
        Ok(Self { child, output, words, ends })
    }

    /// The next line of the protocol; `None` at the end.
    fn line(&mut self) -> Result<Option<String>, AskError> {
        loop {
            let mut line = String::new();
            match self.output.read_line(&mut line) {
                Ok(0) => return Ok(None),
                Ok(_) if line.starts_with('{') => return Ok(Some(line)),
                // A native library has something to say.
                Ok(_) => {}
                Err(error) => return Err(AskError::Language(error.to_string())),
            }
        }
    }

    /// Its status, once its output has ended.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        // Reaped, its process id may be another's.
        drop(self.ends.take());
        self.child.wait()
    }

    /// The error of a worker that ended before its time.
    fn end(&mut self) -> AskError {
        let status = self.wait().map_or_else(|error| error.to_string(), described);
        let words = self.words.take().and_then(|words| words.join().ok()).unwrap_or_default();
        let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        let reason = last.trim_start_matches("gridboard-worker: ").to_owned();
        AskError::Ended { status, reason }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended in the ordinary case; else nobody wants its answers any more.
        let _ = self.child.kill();
        let _ = self.wait();
    }
}

fn described(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What the worker says; of very much only the end.
fn words(mut stderr: ChildStderr) -> String {
    const KEPT: usize = 64 << 10;
    let mut all = Vec::new();
    let mut some = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut some) {
        all.extend_from_slice(&some[..read]);
        if all.len() > 2 * KEPT {
            all.drain(..all.len() - KEPT);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::{corpus::NoProgress, launch::test_run_file, run::RunDataset};

    /// A run of two classes and 2 x 2 pixels, and a worker that is a shell script.
    fn scripted(folder: &Path, script: &str) -> (PathBuf, TrainedRun) {
        let worker = folder.join("worker.sh");
        fs::write(&worker, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
        let dataset = RunDataset {
            cache: folder.to_owned(),
            split: folder.join("split.npy"),
            test: None,
            fingerprint: String::new(),
            classes: vec!["normal".to_owned(), "covid".to_owned()],
            image_size: 2,
        };
        (worker, TrainedRun { dir: folder.to_owned(), file: test_run_file(&[]), dataset })
    }

    const HELLO: &str = r#"echo '{"id":"0123456789abcdef","classes":2,"image_size":2,"batch":2}'"#;

    fn asked(script: &str, n: usize) -> Result<Vec<Result<Answer, String>>, AskError> {
        let folder = tempfile::tempdir().unwrap();
        let (worker, run) = scripted(folder.path(), script);
        let load = |place| if place % 3 == 1 { Err(format!("bad {place}")) } else { Ok(vec![0; 4]) };
        ask(&worker, &run, None, n, load, &NoProgress, &Signals::silent())
    }

    #[test]
    fn answers_and_refusals_come_in_the_order_of_the_images() {
        // Three of four images are good: 128 bytes of header and 3 x 4 pixels.
        let script = format!(
            r#"echo 'a library says hello'; {HELLO}; test $(wc -c) = 140 || exit 9
            echo '{{"predicted":[0,1,1],"probabilities":[[0.75,0.25],[0.5,0.5],[0,1]]}}'"#
        );
        let all = asked(&script, 4).unwrap();
        let predicted: Vec<_> =
            all.iter().map(|a| a.as_ref().map(|a| a.predicted).map_err(String::as_str)).collect();
        assert_eq!(predicted, [Ok(0), Err("bad 1"), Ok(1), Ok(1)]);
        assert_eq!(all[3].as_ref().unwrap().probabilities, [0.0, 1.0]);
    }

    #[test]
    fn a_worker_that_fails_is_quoted() {
        let message = |script: &str| asked(script, 4).unwrap_err().to_string();
        let early = message("echo 'gridboard-worker: no such weights' >&2; exit 1");
        assert_eq!(early, "the worker ended with exit code 1: no such weights");
        let late = message(&format!("{HELLO}; cat > /dev/null; echo gone >&2; kill -9 $$"));
        assert_eq!(late, "the worker ended with signal 9: gone");
        let few = message(&format!("{HELLO}; cat > /dev/null"));
        assert!(few.contains("another number of answers"), "{few}");
        let foreign = message(&format!(
            "{HELLO}; echo '{{\"predicted\":[7],\"probabilities\":[[1,0]]}}'; cat > /dev/null"
        ));
        assert!(foreign.contains("is it of this version?"), "{foreign}");
        assert!(message("echo '{}'").contains("is it of this version?"));
    }

    /// More than any pipe holds, to a worker that neither reads nor ends.
    #[test]
    fn a_worker_that_does_not_listen_stops_nobody() {
        let error = asked(&format!("{HELLO}; echo '{{nonsense'; exec sleep 600"), 100_000).unwrap_err();
        assert!(matches!(error, AskError::Language(_)), "{error}");
    }

    /// The shell's child holds the output, too.
    #[test]
    fn a_signal_ends_the_wait_for_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        let asked = folder.path().join("asked");
        let (worker, run) = scripted(folder.path(), &format!("sleep 1000 & touch {}; wait", asked.display()));
        let signals = Signals::silent();
        let answer = thread::scope(|scope| {
            let answer =
                scope.spawn(|| ask(&worker, &run, None, 1, |_| Ok(vec![0; 4]), &NoProgress, &signals));
            while !asked.exists() {
                thread::yield_now();
            }
            signals.request();
            answer.join().unwrap()
        });
        assert!(matches!(answer, Err(AskError::Interrupted)), "{answer:?}");
    }
}
