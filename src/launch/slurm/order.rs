//! What a job is told, and what it answers: small files beside the run, which the node and the orchestrator both see.
//!
//! They lie in `.slurm/SUBMISSION/TASK/` of the experiment: `order.json` before the job is submitted, `started.json` when its
//! process begins, `ended.json` as its last act. So an orchestrator that comes later knows all of a job that it has not
//! submitted, whether Slurm still does or not.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    event::Resumed,
    launch::{AttemptEnd, LaunchError, LaunchPlan, Stdin, plan::RUN},
};

/// What a job is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::launch) struct Order {
    /// The run's name.
    pub(in crate::launch) run: String,
    /// From 1.
    pub(in crate::launch) attempt: u32,
    /// Seconds since 1970, as in the run's `run.json`.
    pub(in crate::launch) started: f64,
    /// Where it goes on with an earlier attempt: epoch and batch.
    pub(in crate::launch) resumed: Option<(u32, i64)>,
    pub(in crate::launch) run_dir: PathBuf,
    pub(in crate::launch) program: String,
    pub(in crate::launch) args: Vec<String>,
    pub(in crate::launch) env: Vec<(String, String)>,
    /// Variables whose values come from the job's own environment, so that no secret is in a file: by name, that there.
    pub(in crate::launch) inherited: BTreeMap<String, String>,
    pub(in crate::launch) folder: PathBuf,
    /// Whether its standard input is a pipe that ends with whoever watches it.
    pub(in crate::launch) lifeline: bool,
    /// Whether it was told when to pause, and ends by itself then.
    #[serde(default)]
    pub(in crate::launch) pauses: bool,
    /// Bytes that the log of the run may have.
    pub(in crate::launch) log_limit: u64,
    /// Whether it has GPUs, which Slurm chooses.
    pub(in crate::launch) gpus: u32,
    /// Its job's time limit, minutes, where that is an estimate.
    #[serde(default)]
    pub(in crate::launch) estimated_minutes: Option<u64>,
}

/// What a job says when its process begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::launch) struct Started {
    pub(in crate::launch) host: String,
    pub(in crate::launch) pid: u32,
    /// As Slurm calls it.
    pub(in crate::launch) job: String,
    /// `cpu`, or the GPUs as the job sees them: UUIDs where the driver tells, else Slurm's numbers.
    pub(in crate::launch) device: String,
    /// Seconds since 1970.
    pub(in crate::launch) time: f64,
}

/// What a job says as its last act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::launch) struct Ended {
    pub(in crate::launch) end: AttemptEnd,
    /// What had asked it to end, where anything had.
    pub(in crate::launch) asked: Option<AskedBy>,
    /// Seconds since 1970.
    pub(in crate::launch) time: f64,
}

/// What asks a job to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::launch) enum AskedBy {
    /// SIGUSR2: its time limit is near.
    Warning,
    /// SIGTERM: Slurm or the user.
    Term,
}

impl Order {
    /// The order of an attempt.
    ///
    /// # Errors
    /// [`LaunchError::NotText`] where a path or an argument is no UTF-8.
    pub(in crate::launch) fn new(
        plan: &LaunchPlan,
        folder: PathBuf,
        (log_limit, gpus): (u64, u32),
    ) -> Result<Self, LaunchError> {
        let text = |what: &std::ffi::OsStr| {
            what.to_str()
                .map(str::to_owned)
                .ok_or_else(|| LaunchError::NotText(what.to_string_lossy().into_owned()))
        };
        let run = plan.variable(RUN).unwrap_or_default();
        let env = plan.env.iter().filter(|(name, _)| !plan.inherited.contains_key(name));
        let env = env.map(|(name, value)| text(value).map(|value| (name.clone(), value)));
        Ok(Self {
            run,
            attempt: plan.attempt,
            started: plan.started,
            resumed: plan.resumed.map(|Resumed { epoch, batch }| (epoch, batch)),
            run_dir: text(plan.run_dir.as_os_str())?.into(),
            program: text(&plan.program)?,
            args: plan.args.iter().map(|word| text(word)).collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
            inherited: plan.inherited.clone(),
            folder: plan.folder.clone().unwrap_or(folder),
            lifeline: plan.stdin == Stdin::Lifeline,
            pauses: plan.pauses,
            log_limit,
            gpus,
            estimated_minutes: None,
        })
    }

    /// The same with another path to the run's folder, wherever the attempt is told of it.
    pub(in crate::launch) fn through(mut self, door: &Path) -> Self {
        let (Some(from), Some(to)) = (self.run_dir.to_str(), door.to_str()) else { return self };
        for text in self.args.iter_mut().chain(self.env.iter_mut().map(|(_, value)| value)) {
            *text = with_path(text, from, to);
        }
        if self.folder == self.run_dir {
            self.folder = door.to_owned();
        }
        self.run_dir = door.to_owned();
        self
    }

    /// Where it goes on.
    pub(in crate::launch) fn resumed(&self) -> Option<Resumed> {
        self.resumed.map(|(epoch, batch)| Resumed { epoch, batch })
    }
}

/// A text with another path in the place of `from`, where that stands as a whole: `/a/b` in `--dir=/a/b/c` and not in `/a/b2`.
fn with_path(text: &str, from: &str, to: &str) -> String {
    let mut rest = text;
    let mut made = String::with_capacity(text.len());
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        let is_name = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        let is_whole = !after.starts_with(is_name) && !before.ends_with(is_name);
        made.push_str(before);
        made.push_str(if is_whole { to } else { from });
        rest = after;
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_put_in_the_place_of_another_as_a_whole() {
        let put = |text: &str| with_path(text, "/runs/e/a-1", "/door");
        assert_eq!(put("/runs/e/a-1"), "/door");
        assert_eq!(put("--dir=/runs/e/a-1/state:/runs/e/a-1"), "--dir=/door/state:/door");
        for other in ["/runs/e/a-12", "/my/runs/e/a-1", "/runs/e/a-1.old", "/runs/e", ""] {
            let wanted = if other.starts_with("/my") { "/my/runs/e/a-1" } else { other };
            assert_eq!(put(other), wanted);
        }
    }
}
