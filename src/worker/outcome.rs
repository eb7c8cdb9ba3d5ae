//! How an attempt ends: `outcome.json`, one line on stderr, and the exit code.

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use gridboard::{
    base::{clock::wall_now, files::Durability, usage::own_peak_memory},
    run::{Evidence, Failure, FailureKind, Outcome, RunDir, RunFile, RunState},
};

use crate::{
    error::TrainError,
    machine, say,
    stop::Stop,
    train::{self, Account},
};

thread_local! {
    /// Where this thread panicked last.
    static PANIC_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Executes the attempt that `run_dir/run.json` describes, to its end or until so many epochs are done. Returns the exit code.
pub(crate) fn attempt(run_dir: &Path, pause_after: Option<u32>) -> u8 {
    machine::keep_memory();
    let stop = match Stop::watch() {
        Ok(stop) => stop,
        Err(error) => return failed(&format!("cannot wait for signals: {error}")),
    };
    if let Some(epochs) = pause_after {
        stop.pause_after(epochs);
    }
    let run = match train::read_run_file(run_dir) {
        Ok(run) => run,
        // Without run.json it is not even known which attempt failed: no outcome can be written.
        Err(error) => return failed(&error.one_line()),
    };
    machine::set_threads(run.threads);
    let mut account = Account::default();
    let result = guarded(|| train::train(run_dir, &run, &stop, &mut account));
    let code = match &result {
        Ok(()) => 0,
        Err(TrainError::Stopped(reason)) => {
            say(&format!("stopped: {reason}"));
            return reason.exit_code();
        }
        Err(error) => {
            if let Some(words) = error.words() {
                say(&words);
            }
            failed(&error.one_line())
        }
    };
    // Last, when nobody writes to the files any more.
    let files = if result.is_ok() { RunDir::new(run_dir).seal() } else { Ok(BTreeMap::new()) };
    let files = match files {
        Ok(files) => files,
        Err(error) => return failed(&TrainError::from(error).one_line()),
    };
    // Where the same epochs would only diverge again, there is nothing to go on from.
    let is_over = result.as_ref().err().is_none_or(|error| error.kind() == Some(FailureKind::Diverged));
    let outcome = Outcome {
        peak_memory: own_peak_memory(),
        peak_device_memory: machine::peak_device_memory(),
        phases: Some(account.phases),
        resumed_from: account.resumed_from,
        files,
        ..outcome(&run, result.err(), wall_now())
    };
    if let Err(error) = outcome.write(run_dir, Durability::Synced).map_err(TrainError::from) {
        return failed(&error.one_line());
    }
    if is_over && let Err(error) = RunDir::new(run_dir).remove_state() {
        // The attempt has its outcome: that is no failure of it.
        say(&TrainError::from(error).one_line());
    }
    code
}

/// Says why; returns the exit code of a failure.
fn failed(why: &str) -> u8 {
    say(why);
    1
}

/// Runs `train`; a panic becomes an error with its message and place, without a backtrace.
fn guarded(train: impl FnOnce() -> Result<(), TrainError>) -> Result<(), TrainError> {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        PANIC_PLACE.with(|last| *last.borrow_mut() = place);
    }));
    let result = panic::catch_unwind(AssertUnwindSafe(train));
    // Dropping the hook puts the default one back.
    drop(panic::take_hook());
    result.unwrap_or_else(|payload| {
        let place = PANIC_PLACE.with(|last| last.borrow().clone());
        Err(TrainError::Panic(format!("{} ({place})", message(payload.as_ref()))))
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

/// What is written, `finished` in seconds since 1970. The tail of the log is the launcher's to add: it holds the log.
fn outcome(run: &RunFile, error: Option<TrainError>, finished: f64) -> Outcome {
    let failure = error.and_then(|error| {
        let kind = error.kind()?;
        Some(Failure {
            kind,
            reason: error.one_line(),
            log_tail: String::new(),
            evidence: Evidence::default(),
        })
    });
    let state = if failure.is_some() { RunState::Failed } else { RunState::Completed };
    Outcome {
        attempt: run.attempt,
        state,
        failure,
        finished,
        peak_memory: None,
        peak_device_memory: None,
        phases: None,
        resumed_from: None,
        files: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use gridboard::run::Phases;

    use super::*;
    use crate::train::tests::run_file;

    #[test]
    fn a_panic_is_a_failure_of_its_own_kind() {
        let error = guarded(|| panic!("index {} out of bounds", 7)).unwrap_err();
        let line = error.one_line();
        assert!(
            line.starts_with("the trainer panicked: index 7 out of bounds (src/worker/outcome.rs:"),
            "{line}"
        );
        assert_eq!(error.kind(), Some(FailureKind::Panic));
        guarded(|| Ok(())).unwrap();
    }

    #[test]
    fn the_outcome_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let run = run_file(None, &[]);
        for error in [None, Some(TrainError::Diverged { loss: f32::INFINITY, epoch: 1, batch: 3 })] {
            let failed = error.is_some();
            let phases = Some(Phases::default());
            let outcome = Outcome { peak_memory: Some(1 << 30), phases, ..outcome(&run, error, 12.5) };
            outcome.write(folder.path(), Durability::Written).unwrap();
            let text = std::fs::read_to_string(folder.path().join("outcome.json")).unwrap();
            assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
            assert_eq!(outcome.state, if failed { RunState::Failed } else { RunState::Completed });
            assert_eq!(text.contains("the loss became inf in epoch 1, batch 3"), failed);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
