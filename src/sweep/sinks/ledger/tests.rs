//! The ledger's task with a stand-in for the database that fails as it is told to.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    event::{Totals, tags},
    run::Handle,
    tfevents::EventWriter,
};

/// What was written, in words.
type Written = Arc<Mutex<Vec<String>>>;

/// Notes what it is given.
pub(super) struct Fake {
    /// How often each entry fails before it is written; `usize::MAX` for ever.
    fails: usize,
    /// What an entry is answered for good instead.
    breaks: Option<StoreError>,
    tries: usize,
    written: Written,
}

fn locked() -> StoreError {
    StoreError::Sqlite { action: "write", message: "database is locked".to_owned(), code: Some(5) }
}

impl Fake {
    fn try_once(&mut self) -> Result<(), StoreError> {
        if let Some(error) = self.breaks.take() {
            return Err(error);
        }
        if self.tries < self.fails {
            self.tries += 1;
            return Err(locked());
        }
        self.tries = 0;
        Ok(())
    }

    pub(super) fn write(&mut self, entry: &Entry) -> Result<(), StoreError> {
        self.try_once()?;
        let words = match entry {
            Entry::Start(attempt) => format!("start {}", attempt.run),
            Entry::Began { attempt, host, .. } => format!("{} begins on {host}", attempt.run),
            Entry::Points { run, points } => format!("{} points of {run}", points.len()),
            Entry::Cuts { run, cuts } => format!("{} cuts of {run}", cuts.len()),
            Entry::Resumed { attempt, from } => format!("{} goes on at {from:?}", attempt.run),
            Entry::Problem { attempt, text } => format!("problem of {}: {text}", attempt.run),
            Entry::Curves { run, points } => format!("{} points of {run} anew", points.len()),
            Entry::Reread { .. } => "never".to_owned(),
            Entry::Decided { run, decided, .. } => format!("{run} {}", decided.action),
            Entry::Stop { run, .. } => format!("{run} is stopped"),
            Entry::Point { point, .. } => format!("point {}", point.number),
            Entry::Move { run, state } => format!("{run} is {state}"),
            Entry::End(end) => format!("end {} {}", end.attempt.run, end.state),
        };
        self.written.lock().unwrap().push(words);
        Ok(())
    }

    pub(super) fn rank(&mut self) -> Result<(), StoreError> {
        self.try_once()?;
        self.written.lock().unwrap().push("ranks".to_owned());
        Ok(())
    }
}

impl Ledger {
    /// A ledger of which each entry fails so often.
    pub(in crate::sweep) fn fake(fails: usize, breaks: Option<StoreError>) -> (Self, Written) {
        Self::fake_in(&ExperimentDir::at(Path::new("/nowhere")), fails, breaks)
    }

    fn fake_in(dir: &ExperimentDir, fails: usize, breaks: Option<StoreError>) -> (Self, Written) {
        let written = Written::default();
        let fake = Fake { fails, breaks, tries: 0, written: Arc::clone(&written) };
        let books = Books::fake(fake);
        (Self::start(books, dir, 1), written)
    }

    async fn closed(mut self) -> (Vec<LedgerState>, Result<(), StoreError>) {
        let mut states = Vec::new();
        self.close();
        loop {
            match self.closing().await {
                LedgerNews::State(state) => states.push(state),
                LedgerNews::Closed(result) => return (states, result),
            }
        }
    }
}

fn with_runtime<Test: AsyncFnOnce()>(test: Test) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
}

fn attempt(run: u64, number: u32) -> Arc<Attempt> {
    Arc::new(Attempt {
        run,
        name: format!("r{run}"),
        number,
        slot: "cpu/0".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        handle: Some(Handle::Process(1)),
        pid_start: None,
        started: 0.0,
        resumed: None,
    })
}

fn tell(ledger: &mut Ledger, change: Change) {
    ledger.tell(&Event { time: 1.0, totals: Totals::default(), change }, None);
}

fn points(run: u64, number: u32, n: usize) -> Change {
    let point = Scalar { tag: tags::BATCH_LOSS.to_owned(), step: 0, value: 0.0, wall_time: 0.0 };
    Change::Scalars { attempt: attempt(run, number), points: Arc::new(vec![point; n]) }
}

fn ended(run: u64, number: u32) -> Change {
    Change::AttemptEnded {
        attempt: attempt(run, number),
        state: RunState::Completed,
        failure: None,
        next: None,
        seconds: 1.0,
        used: Used::default(),
    }
}

#[test]
fn what_fails_for_a_while_is_written_in_order_and_told_once() {
    with_runtime(async || {
        let (mut ledger, written) = Ledger::fake(2, None);
        tell(&mut ledger, Change::AttemptStarted(attempt(0, 1)));
        tell(&mut ledger, points(0, 1, 3));
        let state = ledger.changed().await;
        assert_eq!(state.trouble.as_deref(), Some("cannot write: database is locked"));
        tell(&mut ledger, ended(0, 1));
        let (states, result) = ledger.closed().await;
        assert!(result.is_ok());
        assert_eq!(*written.lock().unwrap(), ["start 0", "3 points of 0", "end 0 completed", "ranks"]);
        assert!(
            states.iter().all(|state| !state.broken)
                && states.last().is_some_and(|last| last.trouble.is_none())
        );
    });
}

#[test]
fn what_does_not_pass_ends_the_ledger_and_keeps_nobody_waiting() {
    with_runtime(async || {
        let broken = StoreError::Corrupt("nonsense".to_owned());
        let (mut ledger, written) = Ledger::fake(0, Some(broken));
        for run in 0..1000 {
            tell(&mut ledger, Change::AttemptStarted(attempt(run, 1)));
        }
        assert!(!ledger.has_room());
        assert!(ledger.changed().await.broken);
        assert!(ledger.has_room() && written.lock().unwrap().is_empty());
        assert!(matches!(ledger.closed().await.1, Err(StoreError::Corrupt(_))));
    });
}

#[test]
fn points_beyond_the_limit_are_read_again_from_the_event_files() {
    with_runtime(async || {
        let folder = tempfile::tempdir().unwrap();
        let dir = ExperimentDir::at(folder.path());
        let train = dir.run("r0").path().join("train");
        std::fs::create_dir_all(&train).unwrap();
        let mut writer = EventWriter::create(&train).unwrap();
        for step in 0..7 {
            writer.scalar("batch_loss", step, 0.5, 1.0).unwrap();
        }
        writer.finish().unwrap();
        let (mut ledger, written) = Ledger::fake_in(&dir, 0, None);
        tell(&mut ledger, points(0, 1, MOST_POINTS - 1));
        // Over the limit: of these and of what comes after them nothing is kept.
        tell(&mut ledger, points(0, 1, 2));
        tell(&mut ledger, points(0, 1, 1));
        assert_eq!(ledger.waiting.points.load(Ordering::Relaxed), MOST_POINTS - 1);
        assert_eq!(ledger.n_waiting(), 2);
        tell(&mut ledger, ended(0, 1));
        // Those of another attempt are not forgotten with it.
        tell(&mut ledger, points(0, 2, 1));
        let (_, result) = ledger.closed().await;
        assert!(result.is_ok());
        let kept = format!("{} points of 0", MOST_POINTS - 1);
        let written = written.lock().unwrap();
        assert_eq!(written[..3], [kept.as_str(), "7 points of 0 anew", "end 0 completed"]);
        assert_eq!(written.last().map(String::as_str), Some("ranks"));
    });
}
