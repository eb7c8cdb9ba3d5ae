//! The sink of the run folders: the HParams session of every attempt, and `outcome.json` where the trainer has left none.
//!
//! Both are written before the ledger hears of an end, so that what the ledger calls ended is complete on disk. A disk that
//! is full, or descriptors that have run out, pass: what could not be written is kept and tried again. A folder that takes
//! nothing for another reason fails its run, not the sweep.

use super::{hparams::write_session, network};
use crate::{
    base::error::{is_shortage, with_causes},
    base::files::{Durability, FileError},
    event::{Attempt, Scalar},
    run::{ExperimentDir, Outcome, RunState},
    spec::Experiment,
    sweep::runs::Runs,
    tfevents::{
        WriteError,
        hparams::{Status, append_graph_to_session, append_to_session},
    },
};

/// What is written for an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::sweep) struct Record {
    /// Index of the run.
    run: u64,
    /// Start of the attempt, seconds since 1970.
    started: f64,
    /// How it ended and when, where it has, and the run with it.
    end: Option<(Status, f64)>,
    /// What `outcome.json` is to say, where the trainer has said nothing.
    outcome: Option<Outcome>,
}

/// Why a record is not in its folder.
#[derive(Debug, thiserror::Error)]
enum RecordError {
    #[error(transparent)]
    Session(#[from] WriteError),
    #[error(transparent)]
    Outcome(#[from] FileError),
}

impl RecordError {
    fn is_shortage(&self) -> bool {
        match self {
            Self::Session(WriteError::Create { source, .. } | WriteError::Write { source, .. })
            | Self::Outcome(FileError { source, .. }) => is_shortage(source),
            Self::Session(WriteError::WallTime { .. }) => false,
        }
    }
}

/// Writes into the folders of the runs of one experiment.
pub(in crate::sweep) struct Folders<'a> {
    experiment: &'a Experiment,
    dir: &'a ExperimentDir,
    runs: &'a Runs,
    /// What could not be written yet, oldest first.
    late: Vec<Record>,
}

impl<'a> Folders<'a> {
    pub(in crate::sweep) fn new(experiment: &'a Experiment, dir: &'a ExperimentDir, runs: &'a Runs) -> Self {
        Self { experiment, dir, runs, late: Vec::new() }
    }

    /// An attempt has been started.
    ///
    /// # Errors
    /// What could not be written; the attempt goes on all the same.
    pub(in crate::sweep) fn started(&mut self, attempt: &Attempt) -> Result<(), String> {
        // What an earlier attempt has left unwritten must not overtake this one.
        self.late.retain(|record| record.run != attempt.run);
        self.write(Record { run: attempt.run, started: attempt.started, end: None, outcome: None })?;
        let nodes = network::graph(&self.runs[super::super::index(attempt.run)], self.experiment);
        if !nodes.is_empty() {
            let dir = self.dir.run(&attempt.name);
            // Where a full disk does not take it, the tab Graphs lacks a run.
            let _ = append_graph_to_session(dir.path(), attempt.started, &nodes);
        }
        Ok(())
    }

    /// An attempt has ended. `end` is for one that ends its run, `outcome` where the trainer has left none.
    ///
    /// # Errors
    /// Why the folder takes nothing: that fails the run.
    pub(in crate::sweep) fn ended(
        &mut self,
        attempt: &Attempt,
        end: Option<(Status, f64)>,
        outcome: Option<Outcome>,
    ) -> Result<(), String> {
        if end.is_none() && outcome.is_none() {
            return Ok(());
        }
        self.late.retain(|record| record.run != attempt.run);
        self.write(Record { run: attempt.run, started: attempt.started, end, outcome })
    }

    /// Adds what the machine has done for an attempt to its own file. What a full disk does not take is in the database alone.
    pub(in crate::sweep) fn measured(&mut self, attempt: &Attempt, points: &[Scalar]) {
        let dir = self.dir.run(&attempt.name);
        for reading in points.chunk_by(|one, next| one.step == next.step) {
            let values: Vec<(&str, f32)> =
                reading.iter().map(|point| (point.tag.as_str(), point.value)).collect();
            let at = (reading[0].step, reading[0].wall_time);
            if !matches!(append_to_session(dir.path(), attempt.started, at, &values), Ok(true)) {
                return;
            }
        }
    }

    fn write(&mut self, record: Record) -> Result<(), String> {
        match self.try_write(&record) {
            Ok(()) => Ok(()),
            Err(error) if error.is_shortage() => {
                self.late.push(record);
                Ok(())
            }
            Err(error) => Err(with_causes(&error)),
        }
    }

    /// Tries what is late again. Answers with the problems of folders that will not take it, ever.
    pub(in crate::sweep) fn catch_up(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for record in std::mem::take(&mut self.late) {
            if let Err(problem) = self.write(record) {
                problems.push(problem);
            }
        }
        problems
    }

    /// How many records are not written yet.
    pub(in crate::sweep) fn n_late(&self) -> usize {
        self.late.len()
    }

    fn try_write(&self, record: &Record) -> Result<(), RecordError> {
        let run = &self.runs[super::super::index(record.run)];
        let dir = self.dir.run(&run.name);
        write_session(dir.path(), self.experiment, run, record.started, record.end)?;
        if let Some(outcome) = &record.outcome {
            let mut outcome = outcome.clone();
            if outcome.state == RunState::Completed {
                outcome.files = dir.seal()?;
            }
            // The ledger's task syncs it, before the ledger calls the attempt ended: here the next start waits.
            outcome.write(dir.path(), Durability::Written)?;
        }
        Ok(())
    }
}
