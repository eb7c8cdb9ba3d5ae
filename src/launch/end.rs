//! How an attempt ended: from its exit status, its own word in `outcome.json`, and the end of its log.
//!
//! Pure. The trainer's own word comes first: it is written last, so that whatever happens behind it (a library that
//! crashes in its exit handlers) takes nothing away.

use std::{collections::BTreeMap, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::{
    alive::Alive,
    reason::{error_line, own, readable, shortened},
};
use crate::{
    run::{CudaFault, Evidence, Failure, FailureKind, Outcome, OutcomeError, RunState, Shortage, Used},
    schedule::{Again, Ended},
    spec::Retry,
};

/// An attempt that has ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptEnd {
    /// Index of the run in the grid.
    pub run: u64,
    /// From 1.
    pub attempt: u32,
    /// How.
    pub ending: Ending,
    /// What it has used of the machine.
    pub used: Used,
    /// Whether the trainer left an `outcome.json` of this attempt. Where not, the sweep writes one.
    pub has_outcome: bool,
    /// The epoch that the trainer says it went on with, where it has told anything; `None` in it: it began anew.
    pub resumed_from: Option<Option<u32>>,
    /// Whether it ended as programs do that a signal has asked to end. Who sent it is not known.
    pub asked_to_end: bool,
    /// Whether it has ended by itself where it was told to pause.
    pub has_paused: bool,
    /// When it was alive, where that was on another machine and is heard of later.
    #[serde(default)]
    pub alive: Option<Alive>,
}

/// The ways in which an attempt ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The trainer says so, or the process ended with status 0.
    Completed,
    /// For this reason.
    Failed(Failure),
    /// It was stopped by Gridboard before it was done.
    Interrupted,
}

impl AttemptEnd {
    /// For the scheduler, which is told whether `retry` makes a failure worth another attempt.
    #[must_use]
    pub fn ended(&self, retry: &Retry) -> Ended {
        match &self.ending {
            Ending::Completed => Ended::Completed,
            Ending::Failed(failure) => Ended::Failed(Again::after(failure, retry)),
            Ending::Interrupted => Ended::Interrupted,
        }
    }

    /// The run's new state in the ledger.
    #[must_use]
    pub fn state(&self) -> RunState {
        match self.ending {
            Ending::Completed => RunState::Completed,
            Ending::Failed(_) => RunState::Failed,
            Ending::Interrupted => RunState::Pending,
        }
    }

    /// What `outcome.json` should say, `finished` in seconds since 1970. `None` for an interrupted attempt: its run has
    /// no outcome yet.
    #[must_use]
    pub fn outcome(&self, finished: f64) -> Option<Outcome> {
        let failure = match &self.ending {
            Ending::Completed => None,
            Ending::Failed(failure) => Some(failure.clone()),
            Ending::Interrupted => return None,
        };
        let Used { peak_memory, peak_device_memory, phases, .. } = self.used;
        Some(Outcome {
            attempt: self.attempt,
            state: self.state(),
            failure,
            finished,
            peak_memory,
            peak_device_memory,
            phases,
            resumed_from: None,
            files: BTreeMap::new(),
        })
    }
}

/// What is known of an ended attempt.
pub(super) struct Known<Tail> {
    /// `None` if whoever had to take the status was killed.
    pub(super) status: Option<ExitStatus>,
    /// What `outcome.json` says, if it is of this attempt.
    pub(super) outcome: Result<Option<Outcome>, OutcomeError>,
    /// Whether Gridboard has sent the attempt a signal, or it has paused where it was told to.
    pub(super) stopped: bool,
    /// Whether the kernel's out-of-memory killer has struck since the last end that it explains.
    pub(super) oom_kill: bool,
    /// Reads the end of the log; asked for only where it is needed.
    pub(super) tail: Tail,
}

impl<Tail: FnOnce() -> String> Known<Tail> {
    /// The verdict.
    pub(super) fn ending(self) -> Ending {
        let word = match self.outcome {
            Ok(Some(Outcome { state: RunState::Completed, .. })) => return Ending::Completed,
            Ok(Some(Outcome { state: RunState::Failed, failure: Some(mut failure), .. })) => {
                failure.reason = readable(&failure.reason)
                    .map(own)
                    .unwrap_or_else(|| "the trainer's reason cannot be read".to_owned());
                if failure.log_tail.is_empty() {
                    failure.log_tail = (self.tail)();
                }
                return Ending::Failed(failure);
            }
            Ok(Some(outcome)) => {
                Some(format!("the trainer's outcome is `{}`, without a reason", outcome.state))
            }
            Ok(None) => None,
            Err(error) => Some(error.to_string()),
        };
        if self.stopped {
            return Ending::Interrupted;
        }
        let success = self.status.is_some_and(|status| status.success());
        if success && word.is_none() {
            return Ending::Completed;
        }
        let log_tail = (self.tail)();
        let (kind, reason) = match (self.status, word) {
            (Some(status), Some(word)) if status.success() => (FailureKind::Trainer, word),
            (Some(status), _) => reason(status, self.oom_kill, &log_tail),
            (None, _) => (FailureKind::Lost, "its supervisor was killed, and the attempt with it".to_owned()),
        };
        Ending::Failed(Failure { kind, reason, log_tail, evidence: Evidence::default() })
    }
}

/// Kind and reason of an end that is no success.
fn reason(status: ExitStatus, oom_kill: bool, log_tail: &str) -> (FailureKind, String) {
    let with = |what: String, line: Option<String>| match line {
        Some(line) => shortened(format!("{what}: {line}")),
        None => what,
    };
    if let Some(shortage) = log_tail.lines().rev().find_map(Shortage::told_by) {
        return (FailureKind::OutOfMemory, shortage.to_string());
    }
    if let Some(fault) = log_tail.lines().rev().find_map(CudaFault::told_by) {
        return (FailureKind::CudaFault, fault.to_string());
    }
    match (status.code(), status.signal()) {
        (_, Some(signal)) if signal == Signal::SIGKILL as i32 && oom_kill => {
            (FailureKind::OutOfMemory, "the machine has no memory left: killed by the kernel".to_owned())
        }
        (_, Some(signal)) => {
            (FailureKind::Signal, with(format!("killed by {}", signal_name(signal)), error_line(log_tail)))
        }
        (Some(code), None) => {
            (FailureKind::Exit, with(format!("exited with status {code}"), error_line(log_tail)))
        }
        (None, None) => (FailureKind::Exit, format!("ended with {status}")),
    }
}

/// Whether a status is that of a program which a signal has asked to end: killed by it, or ended in order with the status
/// that a shell gives it.
pub(super) fn was_asked_to_end(status: ExitStatus) -> bool {
    let signal = status.signal().or_else(|| status.code().map(|code| code - 128));
    let asks = |signal| {
        use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU};
        [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU].contains(&signal)
    };
    signal.and_then(|signal| Signal::try_from(signal).ok()).is_some_and(asks)
}

fn signal_name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABORT: i32 = 6;
    const KILL: i32 = 9;

    fn exit(code: i32) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(code << 8))
    }

    fn signal(signal: i32) -> Option<ExitStatus> {
        Some(ExitStatus::from_raw(signal))
    }

    fn outcome(state: RunState, failure: Option<Failure>) -> Option<Outcome> {
        Some(Outcome {
            attempt: 1,
            state,
            failure,
            finished: 0.0,
            peak_memory: None,
            peak_device_memory: None,
            phases: None,
            resumed_from: None,
            files: BTreeMap::new(),
        })
    }

    fn ending(status: Option<ExitStatus>, outcome: Option<Outcome>, stopped: bool, log: &str) -> Ending {
        Known { status, outcome: Ok(outcome), stopped, oom_kill: false, tail: || log.to_owned() }.ending()
    }

    fn failed(ending: Ending) -> (FailureKind, String) {
        match ending {
            Ending::Failed(failure) => (failure.kind, failure.reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn status_0_completes() {
        assert_eq!(ending(exit(0), None, false, "MemoryError"), Ending::Completed);
    }

    #[test]
    fn the_trainers_word_comes_first() {
        let failure = Failure {
            kind: FailureKind::Diverged,
            reason: "loss is NaN".into(),
            log_tail: String::new(),
            evidence: Evidence::default(),
        };
        let with_tail = Failure { log_tail: "log".into(), ..failure.clone() };
        for (status, stopped) in
            [(exit(0), false), (exit(1), false), (signal(ABORT), false), (signal(15), true)]
        {
            let completed = outcome(RunState::Completed, None);
            assert_eq!(ending(status, completed, stopped, "log"), Ending::Completed);
            let failed = outcome(RunState::Failed, Some(failure.clone()));
            assert_eq!(ending(status, failed, stopped, "log"), Ending::Failed(with_tail.clone()));
        }
    }

    #[test]
    fn a_word_that_says_nothing_is_a_failure_of_the_trainer() {
        for state in [RunState::Failed, RunState::Running] {
            let (kind, reason) = failed(ending(exit(0), outcome(state, None), false, ""));
            assert_eq!(kind, FailureKind::Trainer);
            assert_eq!(reason, format!("the trainer's outcome is `{state}`, without a reason"));
        }
        let error = serde_json::from_str::<Outcome>("{").expect_err("half an outcome");
        let broken = || Err(OutcomeError::Format { path: "x/outcome.json".into(), error });
        let known =
            Known { status: exit(0), outcome: broken(), stopped: false, oom_kill: false, tail: String::new };
        let (kind, reason) = failed(known.ending());
        assert_eq!(kind, FailureKind::Trainer);
        assert!(reason.starts_with("`x/outcome.json` is not an outcome"), "{reason}");
    }

    #[test]
    fn a_program_that_was_asked_to_end_shows_it() {
        for status in [signal(15), signal(2), signal(1), exit(143), exit(130)] {
            assert!(status.is_some_and(was_asked_to_end), "{status:?}");
        }
        for status in [exit(0), exit(1), exit(128), exit(137), exit(255), signal(KILL), signal(ABORT)] {
            assert!(!status.is_some_and(was_asked_to_end), "{status:?}");
        }
    }

    #[test]
    fn what_gridboard_stopped_is_interrupted() {
        for status in [exit(0), exit(143), signal(15), signal(KILL), None] {
            assert_eq!(ending(status, None, true, "CUDA out of memory"), Ending::Interrupted);
        }
    }

    #[test]
    fn the_status_is_named_with_the_line_that_tells_most() {
        let check = |status, log: &str, kind, reason: &str| {
            assert_eq!(failed(ending(status, None, false, log)), (kind, reason.to_owned()));
        };
        check(exit(3), "", FailureKind::Exit, "exited with status 3");
        check(exit(3), "epoch 1\n\nenv {\"A\": 1}\n", FailureKind::Exit, "exited with status 3");
        check(
            exit(1),
            "Traceback (most recent call last):\n  File \"t.py\", line 1\nValueError: bad axis\ncleaning up",
            FailureKind::Exit,
            "exited with status 1: ValueError: bad axis",
        );
        check(
            exit(101),
            "thread 'main' (7) panicked at src/main.rs:1:2:\nno such thing\nnote: run with `RUST_BACKTRACE=1`",
            FailureKind::Exit,
            "exited with status 101: no such thing",
        );
        check(exit(2), "error: no `x`\nusage: t", FailureKind::Exit, "exited with status 2: error: no `x`");
        check(signal(ABORT), "epoch 1", FailureKind::Signal, "killed by SIGABRT");
        check(
            signal(ABORT),
            "terminate called after throwing\n  what():  bad shape",
            FailureKind::Signal,
            "killed by SIGABRT: what():  bad shape",
        );
        check(signal(KILL), "", FailureKind::Signal, "killed by SIGKILL");
        check(signal(40), "", FailureKind::Signal, "killed by signal 40");
        check(
            exit(1),
            "RuntimeError: CUDA error: an illegal memory access was encountered\nbye",
            FailureKind::CudaFault,
            "the GPU failed: an illegal memory access",
        );
        check(None, "", FailureKind::Lost, "its supervisor was killed, and the attempt with it");
    }

    #[test]
    fn reasons_are_short_and_readable() {
        let long = format!("error: {}", "é".repeat(500));
        let (_, reason) = failed(ending(exit(1), None, false, &long));
        assert_eq!(reason, format!("exited with status 1: error: {}…", "é".repeat(130)));
        assert_eq!(reason.chars().count(), 160);
        let garbage = format!("error: {}", "\u{fffd}".repeat(500));
        assert_eq!(failed(ending(exit(1), None, false, &garbage)).1, "exited with status 1");
        assert_eq!(failed(ending(signal(ABORT), None, false, &garbage)).1, "killed by SIGABRT");
        let garbage = format!("std::bad_alloc {}", "\u{fffd}".repeat(500));
        let out_of_memory = (FailureKind::OutOfMemory, "the machine has no memory left".to_owned());
        assert_eq!(failed(ending(signal(ABORT), None, false, &garbage)), out_of_memory);
    }

    #[test]
    fn the_trainers_reason_is_made_short_and_readable() {
        let check = |reason: &str, expected: &str| {
            let failure = Failure {
                kind: FailureKind::Trainer,
                reason: reason.into(),
                log_tail: String::new(),
                evidence: Evidence::default(),
            };
            let failed = failed(ending(exit(1), outcome(RunState::Failed, Some(failure)), false, ""));
            assert_eq!(failed, (FailureKind::Trainer, expected.to_owned()));
        };
        check("first\nsecond", "first second");
        check(&"x".repeat(501), &format!("{}…", "x".repeat(499)));
        check("\0\u{fffd}", "the trainer's reason cannot be read");
        check(" ", "the trainer's reason cannot be read");
    }

    #[test]
    fn memory_that_ran_out_is_told_apart() {
        for (status, line, reason) in [
            (
                exit(1),
                "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity",
                "the GPU has no memory left: 2.1 GB more were asked for",
            ),
            (
                exit(1),
                "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                "the GPU has no memory left",
            ),
            (
                exit(1),
                "RuntimeError: GET was unable to find an engine to execute this computation",
                "the GPU has probably no memory left: cuDNN found no algorithm that fits",
            ),
            (signal(ABORT), "  what():  std::bad_alloc", "the machine has no memory left"),
        ] {
            let end = failed(ending(status, None, false, &format!("epoch 1\n{line}\nbye")));
            assert_eq!(end, (FailureKind::OutOfMemory, reason.to_owned()));
        }
        let killed = |status| {
            let known =
                Known { status, outcome: Ok(None), stopped: false, oom_kill: true, tail: String::new };
            failed(known.ending())
        };
        assert_eq!(
            killed(signal(KILL)),
            (FailureKind::OutOfMemory, "the machine has no memory left: killed by the kernel".to_owned())
        );
        assert_eq!(killed(signal(ABORT)).0, FailureKind::Signal);
        assert_eq!(killed(exit(1)).0, FailureKind::Exit);
    }

    #[test]
    fn an_end_has_its_state_and_its_outcome() {
        let used = Used { peak_memory: Some(5), peak_device_memory: Some(7), ..Used::default() };
        let end = |ending| AttemptEnd {
            run: 1,
            attempt: 2,
            ending,
            used,
            has_outcome: false,
            resumed_from: None,
            asked_to_end: false,
            has_paused: false,
            alive: None,
        };
        let failure = Failure {
            kind: FailureKind::Exit,
            reason: "no".into(),
            log_tail: String::new(),
            evidence: Evidence::default(),
        };
        let retry = Retry::default();
        let completed = end(Ending::Completed);
        assert_eq!((completed.state(), completed.ended(&retry)), (RunState::Completed, Ended::Completed));
        assert!(completed.outcome(7.0).is_some_and(|outcome| outcome.state == RunState::Completed));
        let failed = end(Ending::Failed(failure.clone()));
        assert_eq!((failed.state(), failed.ended(&retry)), (RunState::Failed, Ended::Failed(Again::No)));
        let expected = Outcome {
            attempt: 2,
            state: RunState::Failed,
            failure: Some(failure),
            finished: 7.0,
            peak_memory: Some(5),
            peak_device_memory: Some(7),
            phases: None,
            resumed_from: None,
            files: BTreeMap::new(),
        };
        assert_eq!(failed.outcome(7.0), Some(expected));
        let interrupted = end(Ending::Interrupted);
        assert_eq!((interrupted.state(), interrupted.ended(&retry)), (RunState::Pending, Ended::Interrupted));
        assert_eq!(interrupted.outcome(7.0), None);
    }
}
