//! What Slurm says of jobs, read from the output of its programs. Pure.
//!
//! A word that is not known here is no error: Slurm has more states than any list of them, and new ones with new versions.

use std::fmt;

/// The format that `squeue` is asked for; [`parse_squeue`] reads it. The name comes last: it is anybody's text.
pub(super) const SQUEUE_FORMAT: &str = "%F|%K|%T|%r|%N|%j";

/// A job of ours: the array and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct JobId {
    /// Of the array, or of the job.
    pub(super) array: u64,
    /// The place in the array; none where it is no array.
    pub(super) task: Option<u32>,
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.task {
            Some(task) => write!(f, "{}_{task}", self.array),
            None => write!(f, "{}", self.array),
        }
    }
}

/// What Slurm says of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) id: JobId,
    pub(super) state: State,
    /// As Slurm writes it, `None` where there is no reason.
    pub(super) reason: Option<String>,
    /// Where it runs, or has run.
    pub(super) nodes: String,
    /// The job's name; empty where it is not told.
    pub(super) name: String,
}

/// A state of a job, as far as it matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It waits, and is to run.
    Waiting,
    /// It runs, is about to, or is about to end.
    Running,
    /// It was ended, or has ended, in this way.
    Over(Over),
    /// A word that is not known here: whatever it is, the job is in the queue.
    Other(String),
}

/// How a job was over, by its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Completed,
    Failed,
    Cancelled,
    TimeLimit,
    OutOfMemory,
    Preempted,
    NodeFailed,
}

impl State {
    /// By Slurm's word. `CANCELLED by 1000` is what `sacct` says.
    pub(super) fn parse(word: &str) -> Self {
        let word = word.split_whitespace().next().unwrap_or_default().trim_end_matches('+');
        match word {
            "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_HOLD" | "REQUEUE_FED" | "RESV_DEL_HOLD"
            | "SPECIAL_EXIT" => Self::Waiting,
            "RUNNING" | "COMPLETING" | "SUSPENDED" | "STOPPED" | "SIGNALING" | "RESIZING" | "STAGE_OUT" => {
                Self::Running
            }
            "COMPLETED" => Self::Over(Over::Completed),
            "FAILED" | "LAUNCH_FAILED" | "RECONFIG_FAIL" => Self::Over(Over::Failed),
            "CANCELLED" | "REVOKED" => Self::Over(Over::Cancelled),
            "TIMEOUT" | "DEADLINE" => Self::Over(Over::TimeLimit),
            "OUT_OF_MEMORY" => Self::Over(Over::OutOfMemory),
            "PREEMPTED" => Self::Over(Over::Preempted),
            "NODE_FAIL" | "BOOT_FAIL" => Self::Over(Over::NodeFailed),
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Reads the lines of `squeue -h -r -o` [`SQUEUE_FORMAT`]. What is no such line is passed over.
pub(super) fn parse_squeue(text: &str) -> Vec<Seen> {
    let line = |line: &str| {
        let mut parts = line.splitn(6, '|');
        let array = parts.next()?.trim().parse().ok()?;
        // `N/A` of a job that is no array.
        let task = parts.next()?.trim().parse().ok();
        let state = State::parse(parts.next()?.trim());
        let reason = reason(parts.next()?);
        let nodes = parts.next()?.trim().to_owned();
        let name = parts.next()?.trim().to_owned();
        Some(Seen { id: JobId { array, task }, state, reason, nodes, name })
    };
    text.lines().filter_map(line).collect()
}

/// Reads `scontrol show job ID --oneliner`, a line for each job.
pub(super) fn parse_scontrol(text: &str) -> Vec<Seen> {
    let line = |line: &str| {
        let value =
            |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        let array = value("ArrayJobId").or_else(|| value("JobId"))?.parse().ok()?;
        let task = value("ArrayTaskId").and_then(|task| task.parse().ok());
        Some(Seen {
            id: JobId { array, task },
            state: State::parse(value("JobState")?),
            reason: value("Reason").and_then(reason),
            nodes: value("NodeList").filter(|nodes| *nodes != "(null)").unwrap_or_default().to_owned(),
            name: value("JobName").unwrap_or_default().to_owned(),
        })
    };
    text.lines().filter_map(line).collect()
}

/// Reads `sacct -n -P -X -o JobID,State,NodeList`.
pub(super) fn parse_sacct(text: &str) -> Vec<Seen> {
    let line = |line: &str| {
        let mut parts = line.split('|');
        let (array, task) = match parts.next()?.split_once('_') {
            Some((array, task)) => (array, task.parse().ok()),
            None => (line.split('|').next()?, None),
        };
        let id = JobId { array: array.parse().ok()?, task };
        let state = State::parse(parts.next()?);
        let nodes = parts.next().unwrap_or_default().to_owned();
        Some(Seen { id, state, reason: None, nodes, name: String::new() })
    };
    text.lines().filter_map(line).collect()
}

fn reason(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('(').trim_end_matches(')');
    (!matches!(text, "" | "None" | "null" | "N/A")).then(|| text.to_owned())
}

/// The value of a key in `scontrol show config`: `MaxArraySize            = 1001`.
pub(super) fn config_value<'a>(config: &'a str, key: &str) -> Option<&'a str> {
    let line = config.lines().find(|line| {
        line.trim_start().strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    line.split_once('=').map(|(_, value)| value.trim())
}

/// The number of the job that `sbatch --parsable` has submitted: `123`, or `123;cluster`.
pub(super) fn submitted(text: &str) -> Option<u64> {
    text.lines().rev().find_map(|line| line.trim().split(';').next()?.parse().ok())
}

/// Slurm's sentence out of what one of its programs says: without the program's name and without the lines that say only that.
pub(super) fn sentence(stderr: &str) -> String {
    let plain = |line: &str| {
        let line = line.trim();
        let line = ["sbatch: error: ", "sbatch: fatal: ", "sbatch: ", "squeue: error: ", "scontrol: error: "]
            .iter()
            .chain(&["scancel: error: ", "allocation failure: "])
            .fold(line, |line, prefix| line.strip_prefix(prefix).unwrap_or(line));
        line.trim_start_matches("allocation failure: ").to_owned()
    };
    let lines: Vec<String> = stderr.lines().map(plain).filter(|line| !line.is_empty()).collect();
    // The last line sums up, and says least: "Batch job submission failed: Invalid account ..".
    let sentence = lines
        .iter()
        .map(|line| line.strip_prefix("Batch job submission failed: ").unwrap_or(line))
        .collect::<Vec<_>>();
    let mut said: Vec<&str> = Vec::new();
    for line in sentence {
        if !said.contains(&line) {
            said.push(line);
        }
    }
    if said.is_empty() { "it says nothing".to_owned() } else { said.join("; ") }
}

/// Whether a refusal passes by itself: the controller is away or busy, or the user has as many jobs as it takes.
pub(super) fn passes(stderr: &str) -> bool {
    const WORDS: [&str; 16] = [
        "Unable to contact slurm controller",
        "Socket timed out",
        "Slurm temporarily unable to accept job",
        "Connection refused",
        "Connection reset",
        "Zero Bytes were transmitted",
        "slurm_receive_msg",
        "Resource temporarily unavailable",
        "Backup controller",
        "in standby mode",
        "Slurmctld in startup",
        "MaxSubmitJobs",
        "SubmitJobLimit",
        "SubmitJobsLimit",
        "Job violates accounting/QOS policy",
        "Message receive failure",
    ];
    WORDS.iter().any(|word| stderr.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_read_line_by_line() {
        let text = "12|0|PENDING|Resources||gridboard-e-0001\n12|1|RUNNING|None|n1|gridboard-e-0001\n\
                    13|N/A|PENDING|BeginTime||a|b\nslurm_load_jobs error: x\n14|3|WONDROUS|(null)|n[1-2]|\n";
        let seen = parse_squeue(text);
        assert_eq!(seen.len(), 4);
        assert_eq!((seen[0].id.to_string().as_str(), &seen[0].state), ("12_0", &State::Waiting));
        assert_eq!(seen[0].reason.as_deref(), Some("Resources"));
        assert_eq!((seen[1].nodes.as_str(), &seen[1].reason), ("n1", &None));
        assert_eq!((seen[2].id.to_string().as_str(), seen[2].name.as_str()), ("13", "a|b"));
        assert_eq!((&seen[3].state, &seen[3].reason), (&State::Other("WONDROUS".to_owned()), &None));
    }

    #[test]
    fn what_scontrol_and_sacct_know_is_read() {
        let text = "JobId=7 ArrayJobId=5 ArrayTaskId=2 JobName=x UserId=a(1) JobState=NODE_FAIL Reason=NodeDown NodeList=n1 \
                    Restarts=0";
        let seen = &parse_scontrol(text)[0];
        assert_eq!((seen.id.to_string().as_str(), &seen.state), ("5_2", &State::Over(Over::NodeFailed)));
        assert_eq!((seen.reason.as_deref(), seen.nodes.as_str()), (Some("NodeDown"), "n1"));
        let seen = parse_sacct("5_2|CANCELLED by 1000|n2\n6|TIMEOUT|None assigned\n5_[3-9]|PENDING|\n");
        assert_eq!(seen.iter().map(|seen| seen.id.to_string()).collect::<Vec<_>>(), ["5_2", "6", "5"]);
        assert_eq!(seen[0].state, State::Over(Over::Cancelled));
        assert_eq!(seen[1].state, State::Over(Over::TimeLimit));
    }

    #[test]
    fn answers_of_the_programs_are_read() {
        assert_eq!(submitted("123\n"), Some(123));
        assert_eq!(submitted("a site's greeting\n77;cluster\n"), Some(77));
        assert_eq!(submitted("no"), None);
        let config = "Configuration data as of 2026\nMaxArraySize            = 1001\nMaxArraySizeX = 2\n";
        assert_eq!(config_value(config, "MaxArraySize"), Some("1001"));
        assert_eq!(config_value(config, "MaxJobCount"), None);
    }

    #[test]
    fn slurm_is_quoted_without_the_names_of_its_programs() {
        let said = sentence(
            "sbatch: error: invalid partition specified: nope\n\
             sbatch: error: Batch job submission failed: Invalid partition name specified\n",
        );
        assert_eq!(said, "invalid partition specified: nope; Invalid partition name specified");
        assert_eq!(sentence("allocation failure: Invalid account\n"), "Invalid account");
        assert_eq!(sentence("\n"), "it says nothing");
        assert!(passes(
            "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
        ));
        assert!(!passes("sbatch: error: Batch job submission failed: Invalid partition name specified"));
    }
}
