//! The check of a node: before the first jobs of a sweep, a small job looks whether a node sees what its runs need. What is wrong
//! is told in a sentence, before any run fails for it.
//!
//! Called by `gridboard run`. The job becomes this program (`node`), which answers a [`Question`] with a file; how long it is
//! waited for is decided in `wait`. What was found stands in `.slurm/nodes.json` of the experiment, and holds until something
//! changes of what it was found by.

mod node;
mod question;
mod wait;

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

pub use self::node::check_node_if_asked;
use self::{
    question::{Answer, Problem, Question, silent},
    wait::{Step, Wait},
};
use super::{
    SlurmSetup,
    client::{self, SlurmError},
    folder::rand_16,
    queue::{JobId, Seen},
    request::Shape,
    script::{Act, Script},
    words,
};
use crate::{
    base::{
        clock::wall_now,
        disk,
        files::{Durability, read_regular, write_whole},
        program::version,
        signals::Signals,
    },
    run::ExperimentDir,
};

/// What the runs of an experiment need of a node, beside the runs directory and this program.
#[derive(Clone, Debug, Default)]
pub struct NodeNeeds {
    /// The built-in trainer, where runs are its.
    pub worker: Option<PathBuf>,
    /// Files, and folders of files, that runs read.
    pub files: Vec<PathBuf>,
    /// The words of a `command`.
    pub command: Vec<String>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeCheck {
    /// The same was found before.
    Known,
    /// A node has all that is needed: which one, and what was seen there, in words.
    Passed {
        /// The node.
        host: String,
        /// `the runs directory, this program`.
        found: String,
    },
    /// The queue has not started it in time: runs are submitted without it.
    NotStarted,
    /// A signal came while it was waited for.
    Interrupted,
}

/// What was found, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Of what it was found by: another key, another check.
    key: String,
    host: String,
    found: String,
    /// Seconds since 1970.
    time: f64,
}

/// Between two looks at a file system of this machine alone, and at one that others see, too.
const LOOK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// Pauses between two looks at the queue, seconds: the first, and the longest.
const QUEUE: (f64, f64) = (0.5, 8.0);
/// How the folder of a check begins.
const FOLDER: &str = "check-";

/// Checks a node by a small job that asks for the same nodes as the runs of an experiment, unless that was done before. `say` is
/// told what is waited for.
///
/// # Errors
/// [`SlurmError::Node`] where something is not to be seen there; what Slurm or the file system says.
pub fn check_node(
    dir: &ExperimentDir,
    setup: &SlurmSetup,
    needs: &NodeNeeds,
    signals: &Signals,
    say: impl Fn(&str),
) -> Result<NodeCheck, SlurmError> {
    let program = super::program().map_err(no_program)?;
    let key = key(setup, needs, &program);
    let kept = dir.slurm().join("nodes.json");
    let known = read_regular(&kept, 1 << 20).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    if known.is_some_and(|known| known.key == key) {
        return Ok(NodeCheck::Known);
    }
    remove_left(dir);
    let nonce = format!("{:04x}{:04x}", rand_16(), rand_16());
    let folder = dir.slurm().join(format!("{FOLDER}{nonce}"));
    let question = Question {
        nonce: nonce.clone(),
        version: version().to_owned(),
        runs: dir.path().to_owned(),
        worker: needs.worker.clone(),
        files: needs.files.clone(),
        spec: (!needs.command.is_empty()).then(|| dir.spec()),
        gpus: setup.plan.gpus,
    };
    let script = Script {
        plan: &setup.plan,
        shape: Shape::of_check(&setup.plan, needs.worker.is_some()),
        name: &super::name_of(super::experiment_of(dir), &format!("{FOLDER}{nonce}")),
        tasks: None,
        grace: setup.grace,
        program: &program,
        submission: &folder,
        folder: &std::env::current_dir().map_err(no_program)?,
        act: Act::Check { nonce: &nonce },
    };
    let job = submit(&folder, &question, &script)?;
    let asked =
        Asked { folder: &folder, nonce: &nonce, job: JobId { array: job, task: None }, program: &program };
    let came = asked.wait(signals, say);
    if !matches!(came, Ok(Came::Answer(_) | Came::Silence(_))) {
        // Where it cannot be ended, its own limit of a few minutes does.
        let _ = client::cancel(&[asked.job], false);
    }
    // What stays is removed before the next check.
    let _ = fs::remove_dir_all(&folder);
    let problem = match came? {
        Came::Answer(Answer { host, problem: None, found, .. }) => {
            let found = found.join(", ");
            let text = Kept { key, host: host.clone(), found: found.clone(), time: wall_now() };
            let json = serde_json::to_vec_pretty(&text).map_err(io::Error::other).map_err(no_program)?;
            // Where it cannot be kept, the next sweep checks once more.
            let _ = write_whole(&kept, &[&json, b"\n"], Durability::Written);
            return Ok(NodeCheck::Passed { host, found });
        }
        Came::Answer(Answer { host, problem: Some(problem), .. }) => problem.on(&host),
        Came::Silence(problem) => problem,
        Came::TooLate => return Ok(NodeCheck::NotStarted),
        Came::Signal => return Ok(NodeCheck::Interrupted),
    };
    Err(SlurmError::Node { problem: problem.what, hint: problem.hint })
}

fn no_program(error: io::Error) -> SlurmError {
    SlurmError::NoProgram { program: "gridboard", error }
}

/// What a check depends on: where any of it is another, a node is to be asked again.
fn key(setup: &SlurmSetup, needs: &NodeNeeds, program: &Path) -> String {
    let stamp = |path: &Path| {
        let data = fs::metadata(path).ok();
        let modified = data.as_ref().and_then(|data| data.modified().ok());
        format!("{} {:?} {:?}", path.display(), data.map(|data| data.len()), modified)
    };
    let plan = &setup.plan;
    let text = format!(
        "{:?} {:?} {} {} {:?} {:?} {} {:?} {:?} {:?} {}",
        plan.partition,
        plan.account,
        plan.gpus,
        plan.cpus,
        plan.setup,
        plan.options,
        stamp(program),
        needs.worker.as_deref().map(stamp),
        needs.files,
        needs.command,
        version()
    );
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// Ends and removes checks whose program was killed.
fn remove_left(dir: &ExperimentDir) {
    for entry in fs::read_dir(dir.slurm()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(FOLDER) {
            let job = fs::read_to_string(entry.path().join("job")).ok();
            if let Some(array) = job.and_then(|job| job.trim().parse().ok()) {
                // It has ended by itself, in all likelihood.
                let _ = client::cancel(&[JobId { array, task: None }], false);
            }
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Writes what a check is made of, and submits it.
fn submit(folder: &Path, question: &Question, script: &Script<'_>) -> Result<u64, SlurmError> {
    let write = || -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let json = serde_json::to_vec_pretty(question)?;
        write_whole(&folder.join(Question::FILE), &[&json], Durability::Synced).map_err(io::Error::other)?;
        let path = folder.join("script.sh");
        fs::write(&path, script.text())?;
        Ok(path)
    };
    let path = write().map_err(no_program)?;
    let submitted = client::submit(folder, &path);
    match &submitted {
        // Where it is not kept, its own limit ends it.
        Ok(job) => drop(fs::write(folder.join("job"), job.to_string())),
        Err(_) => drop(fs::remove_dir_all(folder)),
    }
    submitted
}

/// A check that was submitted.
struct Asked<'a> {
    folder: &'a Path,
    nonce: &'a str,
    job: JobId,
    program: &'a Path,
}

/// What came of waiting.
enum Came {
    Answer(Answer),
    /// It has ended without an answer.
    Silence(Problem),
    TooLate,
    Signal,
}

impl Asked<'_> {
    fn wait(&self, signals: &Signals, say: impl Fn(&str)) -> Result<Came, SlurmError> {
        let is_shared = disk::may_be_shared(self.folder);
        let look = if is_shared { LOOK.1 } else { LOOK.0 };
        let begun = Instant::now();
        let mut wait = Wait::new(is_shared);
        let (mut queue_at, mut pause) = (QUEUE.0, QUEUE.0);
        let mut told = None;
        let mut last: Option<Seen> = None;
        loop {
            if signals.heard() {
                return Ok(Came::Signal);
            }
            if let Some(answer) = Answer::read(self.folder, self.nonce) {
                return Ok(Came::Answer(answer));
            }
            let now = begun.elapsed().as_secs_f64();
            if now >= queue_at {
                pause = (2.0 * pause).min(QUEUE.1);
                queue_at = now + pause;
                match client::jobs() {
                    Ok(jobs) => {
                        let seen = jobs.into_iter().find(|seen| seen.id == self.job);
                        wait.seen(seen.as_ref(), now);
                        let reason = seen.as_ref().and_then(|seen| seen.reason.clone());
                        if reason.is_some() && reason != told && wait.is_queued() {
                            let word = reason.as_deref().unwrap_or_default();
                            say(&format!(
                                "waiting for a node to check (job {}): {}",
                                self.job,
                                words::reason(word)
                            ));
                            told = reason;
                        }
                        last = seen.or(last);
                    }
                    Err(error) if error.passes() => {}
                    Err(error) => return Err(error),
                }
            }
            match wait.step(now) {
                Step::Wait => {}
                Step::TooLate => return Ok(Came::TooLate),
                Step::Silent => {
                    // The last word may have come with the end.
                    if let Some(answer) = Answer::read(self.folder, self.nonce) {
                        return Ok(Came::Answer(answer));
                    }
                    let said = fs::read_to_string(self.folder.join("0.out")).ok();
                    return Ok(Came::Silence(silent(
                        last.as_ref(),
                        said.as_deref(),
                        self.folder,
                        self.program,
                    )));
                }
            }
            thread::sleep(look);
        }
    }
}
