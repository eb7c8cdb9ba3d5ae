//! `attempts.jsonl`: what happened to every attempt of a run, a line at a time, in the run's folder.
//!
//! The database knows of attempts what no trainer writes: process, slot, how they ended, what they used. The ledger's task
//! appends it here before it enters it there, so that the database can be made anew from the folders. A line is written in
//! one piece; a cut-off one is passed over by the reader, and the next writer begins a new line after it.

use std::{collections::BTreeMap, io};

use serde::{Deserialize, Serialize};

use super::{decided::Decided, failure::Failure, folder::RunDir, state::RunState, used::Used};
use crate::base::files::{Durability, FileError, append_line, read_regular};

/// No log of attempts is larger, bytes: tens of thousands of attempts.
const MOST_BYTES: u64 = 256 << 20;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AttemptEvent {
    /// An attempt has begun.
    Started(AttemptStart),
    /// It has begun after its time in the queue of a cluster.
    Began {
        /// The attempt.
        attempt: u32,
        /// The machine's name.
        host: String,
        /// What the cluster calls it.
        job: String,
        /// When, seconds since 1970 on the clock there.
        time: f64,
    },
    /// It turned out where it goes on with an earlier one.
    Resumed {
        /// The attempt.
        attempt: u32,
        /// The epoch or step; `None` where it began anew after all.
        from: Option<i64>,
    },
    /// Something is wrong with what it has left.
    Problem {
        /// The attempt.
        attempt: u32,
        /// Everything that was found so far, in one text.
        text: String,
    },
    /// A stopping rule has decided something of its run.
    Decided {
        /// The attempt.
        attempt: u32,
        /// What.
        #[serde(flatten)]
        decided: Decided,
    },
    /// It has ended.
    Ended(AttemptEnding),
    /// Its run is not made again, by a stopping rule, though it did not end by one.
    Stopped {
        /// The attempt.
        attempt: u32,
    },
    /// Its sweep was killed before anybody took its end for good.
    Lost {
        /// The attempt.
        attempt: u32,
    },
}

/// The start of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptStart {
    /// From 1.
    pub attempt: u32,
    /// Process id; `None` where it could not be started, or is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Start of the process, in clock ticks since the boot, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_start: Option<u64>,
    /// The boot of the machine, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<String>,
    /// Label of the slot; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// Id of the device; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Threads that it may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u32>,
    /// The machine's name; `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What a cluster calls it; `None` on this machine, and before it has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Seconds since 1970.
    pub started: f64,
    /// The epoch or step that it goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_from: Option<i64>,
}

/// The end of an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnding {
    /// The attempt.
    pub attempt: u32,
    /// What the run is after it.
    pub state: RunState,
    /// Seconds since 1970.
    pub finished: f64,
    /// Why, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// What it has used of the machine.
    #[serde(default)]
    pub used: Used,
}

/// An attempt, put together from its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct LoggedAttempt {
    /// How it began, with the last word on where it goes on.
    pub start: AttemptStart,
    /// What is wrong with what it has left.
    pub problem: Option<String>,
    /// What a stopping rule has decided.
    pub decisions: Vec<Decided>,
    /// Whether its run is not made again, whatever its end says.
    pub stopped: bool,
    /// How it ended; `None` where nobody saw it.
    pub end: Option<AttemptEnding>,
}

impl LoggedAttempt {
    /// What its run is after it, where nothing else is said of the run.
    #[must_use]
    pub fn run_state(&self) -> RunState {
        match &self.end {
            Some(AttemptEnding { state: RunState::Completed, .. }) => RunState::Completed,
            _ if self.stopped => RunState::Stopped,
            None => RunState::Pending,
            // Only a live sweep has such runs.
            Some(AttemptEnding { state: RunState::Running | RunState::Paused, .. }) => RunState::Pending,
            Some(end) => end.state,
        }
    }
}

/// What a log of attempts says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptLog {
    /// The attempts, the first one first.
    pub attempts: Vec<LoggedAttempt>,
    /// Lines that say nothing: cut off, or of a newer program.
    pub unreadable: usize,
}

impl RunDir {
    /// Appends an event to the log of attempts. The folder has to be there.
    ///
    /// # Errors
    /// The file and what failed; a part of the line may be there then, which no reader minds.
    pub fn log_attempt(&self, event: &AttemptEvent, durability: Durability) -> Result<(), FileError> {
        let line = serde_json::to_vec(event).expect("words and finite numbers are JSON");
        append_line(&self.attempts(), &line, durability)
    }

    /// The log of attempts; `None` where there is none: the run never began, or is of an older version.
    ///
    /// # Errors
    /// Where it is there and cannot be read.
    pub fn read_attempts(&self) -> Result<Option<AttemptLog>, FileError> {
        match read_regular(&self.attempts(), MOST_BYTES) {
            Ok(bytes) => Ok(Some(AttemptLog::parse(&bytes))),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AttemptLog {
    /// The log that is written like this. Of several words on one thing the last one counts; what is said of an attempt that
    /// never began is passed over.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let mut attempts: BTreeMap<u32, LoggedAttempt> = BTreeMap::new();
        let mut unreadable = 0;
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let Ok(event) = serde_json::from_slice::<AttemptEvent>(line) else {
                unreadable += 1;
                continue;
            };
            let number = event.attempt();
            if let AttemptEvent::Started(start) = event {
                attempts.insert(
                    number,
                    LoggedAttempt { start, problem: None, decisions: Vec::new(), stopped: false, end: None },
                );
                continue;
            }
            let Some(attempt) = attempts.get_mut(&number) else {
                unreadable += 1;
                continue;
            };
            match event {
                AttemptEvent::Started(_) => {}
                AttemptEvent::Began { host, job, time, .. } => {
                    let start = &mut attempt.start;
                    (start.host, start.job, start.started) = (Some(host), Some(job), time);
                }
                AttemptEvent::Resumed { from, .. } => attempt.start.resumed_from = from,
                AttemptEvent::Problem { text, .. } => attempt.problem = Some(text),
                AttemptEvent::Decided { decided, .. } => {
                    let is_there =
                        |other: &Decided| (other.epochs, other.action) == (decided.epochs, decided.action);
                    // The same one once more, as where its writer was cut off.
                    if !attempt.decisions.iter().any(is_there) {
                        attempt.decisions.push(decided);
                    }
                }
                AttemptEvent::Ended(end) => attempt.end = Some(end),
                AttemptEvent::Stopped { .. } => attempt.stopped = true,
                AttemptEvent::Lost { .. } => attempt.end = None,
            }
        }
        Self { attempts: attempts.into_values().collect(), unreadable }
    }
}

impl AttemptEvent {
    /// The attempt that it is of.
    fn attempt(&self) -> u32 {
        match self {
            Self::Started(AttemptStart { attempt, .. })
            | Self::Resumed { attempt, .. }
            | Self::Began { attempt, .. }
            | Self::Problem { attempt, .. }
            | Self::Decided { attempt, .. }
            | Self::Stopped { attempt }
            | Self::Ended(AttemptEnding { attempt, .. })
            | Self::Lost { attempt } => *attempt,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::{Evidence, FailureKind, Phases, Spent};

    fn start(attempt: u32) -> AttemptStart {
        AttemptStart {
            attempt,
            pid: Some(4711),
            pid_start: Some(815),
            boot_id: Some("boot".to_owned()),
            slot: Some("cpu/0".to_owned()),
            device: Some("cpu".to_owned()),
            threads: Some(2),
            host: Some("box".to_owned()),
            job: None,
            started: 1_700_000_000.1,
            resumed_from: None,
        }
    }

    fn end(attempt: u32, state: RunState, failure: Option<Failure>) -> AttemptEnding {
        let spent = |seconds| Spent { seconds, core_seconds: seconds / 3.0 };
        let phases = Some(Phases { training: spent(40.0), validation: spent(0.1) });
        let used =
            Used { peak_memory: Some(1 << 40), peak_device_memory: None, core_seconds: Some(0.7), phases };
        AttemptEnding { attempt, state, finished: 1_700_000_001.300_000_1, failure, used }
    }

    fn log(dir: &RunDir, event: AttemptEvent) {
        dir.log_attempt(&event, Durability::Written).unwrap();
    }

    #[test]
    fn attempts_come_back_as_they_were_told() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        assert_eq!(dir.read_attempts().unwrap(), None);
        let failure = Failure {
            kind: FailureKind::Exit,
            reason: "status 3".to_owned(),
            log_tail: "a\nb \u{1b}[0m".to_owned(),
            evidence: Evidence { exit_code: Some(3), ..Evidence::default() },
        };
        let failed = end(1, RunState::Failed, Some(failure));
        log(&dir, AttemptEvent::Started(start(1)));
        log(&dir, AttemptEvent::Problem { attempt: 1, text: "first".to_owned() });
        log(&dir, AttemptEvent::Problem { attempt: 1, text: "first; second".to_owned() });
        log(&dir, AttemptEvent::Ended(failed.clone()));
        log(&dir, AttemptEvent::Started(AttemptStart { resumed_from: Some(4), ..start(2) }));
        log(&dir, AttemptEvent::Resumed { attempt: 2, from: None });
        let began = |job: &str| AttemptEvent::Began {
            attempt: 2,
            host: "n1".to_owned(),
            job: job.to_owned(),
            time: 9.5,
        };
        log(&dir, began("41_3"));
        let read = dir.read_attempts().unwrap().unwrap();
        assert_eq!(read.unreadable, 0);
        let [first, second] = &read.attempts[..] else { panic!("two attempts, not {read:?}") };
        assert_eq!((first.problem.as_deref(), first.end.as_ref()), (Some("first; second"), Some(&failed)));
        let (host, job) = (Some("n1".to_owned()), Some("41_3".to_owned()));
        let expected = AttemptStart { host, job, started: 9.5, ..start(2) };
        assert_eq!((&second.start, &second.end), (&expected, &None));
        // The sweep was killed, and who took the run back says so.
        log(&dir, AttemptEvent::Ended(end(2, RunState::Completed, None)));
        log(&dir, AttemptEvent::Lost { attempt: 2 });
        assert_eq!(dir.read_attempts().unwrap().unwrap().attempts[1].end, None);
    }

    #[test]
    fn a_line_that_was_cut_off_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        log(&dir, AttemptEvent::Started(start(1)));
        let whole = fs::read(dir.attempts()).unwrap();
        for length in 1..whole.len() {
            fs::write(dir.attempts(), &whole[..length]).unwrap();
            log(&dir, AttemptEvent::Started(start(2)));
            let read = dir.read_attempts().unwrap().unwrap();
            let numbers: Vec<u32> = read.attempts.iter().map(|attempt| attempt.start.attempt).collect();
            // Without its line end alone, a line is whole.
            let expected = if length + 1 == whole.len() { (vec![1, 2], 0) } else { (vec![2], 1) };
            assert_eq!((numbers, read.unreadable), expected, "{length} bytes");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_log(bytes: Vec<u8>, places in proptest::collection::vec((0_usize..1000, 0_u8..), 0..6)) {
            let _ = AttemptLog::parse(&bytes);
            let mut text = Vec::new();
            for event in [AttemptEvent::Started(start(1)), AttemptEvent::Ended(end(1, RunState::Completed, None))] {
                text.extend(serde_json::to_vec(&event).unwrap());
                text.push(b'\n');
            }
            for (place, byte) in places {
                let place = place % text.len();
                text[place] = byte;
            }
            proptest::prop_assert!(AttemptLog::parse(&text).attempts.len() <= 2);
        }
    }
}
