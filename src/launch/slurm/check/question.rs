//! What a node is asked, what it answers, and the sentences about what is wrong there. Pure, but for the answer's file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    base::files::read_regular,
    launch::slurm::queue::{Over, Seen, State},
};

/// What is to be looked at from a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Question {
    /// What no other question has: a file of the same name elsewhere has another one.
    pub(super) nonce: String,
    /// Of the program that asks.
    pub(super) version: String,
    /// The experiment's folder, which has to be writable.
    pub(super) runs: PathBuf,
    /// The built-in trainer.
    pub(super) worker: Option<PathBuf>,
    /// Files, and folders of files, that have to be readable.
    pub(super) files: Vec<PathBuf>,
    /// The resolved spec, where runs are programs of the user's.
    pub(super) spec: Option<PathBuf>,
    pub(super) gpus: u32,
}

impl Question {
    pub(super) const FILE: &'static str = "question.json";
    const MOST_BYTES: u64 = 1 << 20;

    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(Self::FILE);
        let text = read_regular(&path, Self::MOST_BYTES).map_err(|error| error.source.to_string())?;
        serde_json::from_slice(&text).map_err(|error| error.to_string())
    }
}

/// What a node has seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// The question's.
    pub(super) nonce: String,
    pub(super) host: String,
    /// What was seen, in words.
    pub(super) found: Vec<String>,
    /// What was not.
    pub(super) problem: Option<Problem>,
}

impl Answer {
    pub(super) const FILE: &'static str = "answer.json";

    /// The answer to this question, where it is there.
    pub(super) fn read(folder: &Path, nonce: &str) -> Option<Self> {
        let text = read_regular(&folder.join(Self::FILE), Question::MOST_BYTES).ok()?;
        serde_json::from_slice::<Self>(&text).ok().filter(|answer| answer.nonce == nonce)
    }
}

/// What is wrong on a node, and what to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Problem {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }

    /// The sentence about it.
    pub(super) fn on(self, host: &str) -> Self {
        Self { what: format!("on node {host}: {}", self.what), ..self }
    }
}

/// What is to be tried where the runs directory is not the same everywhere.
pub(super) const SHARE: &str = "the runs directory has to lie on a file system that this machine and the nodes share: \
                                --runs-dir, GRIDBOARD_RUNS";

/// What is wrong where a check has ended without an answer: by what Slurm has last said of it, and by what it has printed.
pub(super) fn silent(seen: Option<&Seen>, said: Option<&str>, folder: &Path, program: &Path) -> Problem {
    let node = seen.map(|seen| seen.nodes.as_str()).filter(|nodes| !nodes.is_empty());
    let on = node.map_or_else(|| "on its node".to_owned(), |node| format!("on node {node}"));
    let line = said.and_then(|text| text.lines().rev().find(|line| !line.trim().is_empty())).map(str::trim);
    let hint = || {
        format!(
            "the lines of launcher.slurm.setup and `{}` have to work on the nodes; launcher.slurm.check: false leaves the check out",
            program.display()
        )
    };
    if let Some(line) = line {
        let what = format!("{on}: the job has ended before this program had a look: {line}");
        return Problem::new(what, hint());
    }
    match seen.map(|seen| &seen.state) {
        Some(State::Over(Over::Cancelled)) => {
            Problem::new("the check of a node was cancelled outside Gridboard", "run the spec again")
        }
        Some(State::Over(Over::NodeFailed | Over::Preempted | Over::TimeLimit)) => Problem::new(
            format!("{on}: Slurm has ended the check"),
            "run the spec again; launcher.slurm.check: false leaves the check out",
        ),
        _ if said.is_some() => Problem::new(
            format!("{on}: the job has ended without a word before this program had a look"),
            hint(),
        ),
        _ => Problem::new(
            format!("{on}: what a job writes into `{}` is not seen here", folder.display()),
            SHARE,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::slurm::queue::JobId;

    fn seen(state: State) -> Seen {
        let id = JobId { array: 12, task: None };
        Seen { id, state, reason: None, nodes: "n7".to_owned(), name: String::new() }
    }

    #[test]
    fn a_check_without_an_answer_is_told_by_what_is_known_of_it() {
        let of = |state: Option<State>, said: Option<&str>| {
            let seen = state.map(seen);
            silent(seen.as_ref(), said, Path::new("/runs/e/.slurm/check-1"), Path::new("/opt/gridboard"))
        };
        let failed = || Some(State::Over(Over::Failed));
        let line = of(failed(), Some("loading\nno such module: cuda\n\n"));
        assert_eq!(
            line.what,
            "on node n7: the job has ended before this program had a look: no such module: cuda"
        );
        assert!(line.hint.contains("launcher.slurm.setup") && line.hint.contains("/opt/gridboard"));
        let nothing = of(failed(), None);
        assert!(nothing.what.contains("`/runs/e/.slurm/check-1` is not seen here"), "{nothing:?}");
        assert!(nothing.hint.contains("--runs-dir"));
        assert!(of(None, None).what.starts_with("on its node: what a job writes"));
        assert!(of(Some(State::Over(Over::Cancelled)), None).what.contains("cancelled outside"));
        assert!(of(Some(State::Over(Over::TimeLimit)), None).what.contains("Slurm has ended"));
        assert!(of(failed(), Some("")).what.contains("without a word"));
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let answer = Answer { nonce: "a".to_owned(), host: "n1".to_owned(), found: vec![], problem: None };
        let json = serde_json::to_vec(&answer).unwrap();
        std::fs::write(folder.path().join(Answer::FILE), json).unwrap();
        assert_eq!(Answer::read(folder.path(), "a"), Some(answer));
        assert_eq!(Answer::read(folder.path(), "b"), None);
    }
}
