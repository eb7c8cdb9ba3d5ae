//! What an attempt keeps while it trains: the state that the next one can be resumed from, and the weights of the best
//! epoch.
//!
//! The loop calls [`Keeper::epoch_ended`] at each end of an epoch; what is due then is decided here. A state is everything
//! that the rest of the training depends on, so that a resumed run has the same bits as one that was never cut off: the
//! order of an epoch follows from the seed and its number, masks of dropout from the seed and how many were drawn.

mod file;

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use gridboard::{
    base::{error::with_causes, files::Durability, program::version},
    run::{BestEpoch, RunDir, RunFile, STATE_FORMAT, StateError, TrainingState},
    spec::{Checkpoint, Goal, Metric},
};
use serde_json::{Value, json};

use crate::{
    engine::{Counters, Engine},
    error::TrainError,
    record::{Recorder, Start},
    say, weights,
};

/// What a first writing is taken to cost: a file's way to the disk, and its bytes at so many a second.
const FIRST_COST: (Duration, f64) = (Duration::from_millis(10), 1e9);

/// Keeps what is due.
pub(crate) struct Keeper {
    dir: RunDir,
    checkpoint: Checkpoint,
    /// How long the attempt has to end when it is asked to.
    grace: Option<Duration>,
    /// The metric whose best epoch counts.
    metric: Option<Metric>,
    /// What every state of the attempt says of itself.
    state: TrainingState,
    /// What files of weights say of themselves.
    about: Value,
    /// Whether the best weights are not on the disk yet.
    is_best_volatile: bool,
    /// When a state was last written, or the training began.
    last: Instant,
    /// What that took.
    cost: Duration,
}

/// Puts the state in the run's folder into the engine, where there is one that is this run's, and cuts the curves back to
/// where it was written.
///
/// # Errors
/// [`StateError`]: the state is not to be used. The engine may then hold a part of it.
pub(crate) fn resume(
    dir: &RunDir,
    run: &RunFile,
    epochs: u32,
    engine: &mut Engine,
) -> Result<Option<TrainingState>, StateError> {
    let Some(state) = TrainingState::read(dir)? else { return Ok(None) };
    state.must_be_of(run)?;
    state.must_be_by(&engine.kernels())?;
    state.must_have_files(dir)?;
    if state.epoch >= epochs {
        let problem = format!("it has {} epochs of {epochs}", state.epoch);
        return Err(StateError::Damaged { path: dir.state(), problem });
    }
    file::load(dir, &state, engine)?;
    engine.set_counters(Counters { updates: state.updates, masks: state.masks });
    dir.clear_curves_but(&state.files)
        .map_err(|error| StateError::Io { path: error.path, error: error.source })?;
    Ok(Some(state))
}

/// Why a run that goes on may have other bits than one that was never cut off; `None` where it has the same.
pub(crate) fn inexact(state: &TrainingState, run: &RunFile, engine: &Engine) -> Option<String> {
    if engine.is_elastic() {
        return None;
    }
    if run.device != "cpu" {
        return Some("libtorch on CUDA promises no bits".to_owned());
    }
    (state.threads != run.threads).then(|| {
        let (then, now) = (state.threads, run.threads);
        format!("libtorch had {then} threads and has {now}")
    })
}

impl Keeper {
    /// Keeps what the run file says, for an attempt that goes on from `resumed` or begins anew. `about` is what files of
    /// weights say of themselves.
    pub(crate) fn new(
        dir: &RunDir,
        run: &RunFile,
        engine: &Engine,
        resumed: Option<TrainingState>,
        about: Value,
    ) -> Self {
        let corpus = run.dataset.as_ref().map(|dataset| dataset.fingerprint.clone()).unwrap_or_default();
        let state = TrainingState {
            format: STATE_FORMAT,
            run: run.id.clone(),
            corpus,
            program: version().to_owned(),
            kernels: engine.kernels(),
            threads: run.threads,
            attempt: run.attempt,
            ..resumed.unwrap_or_default()
        };
        let bytes = Duration::from_secs_f64(file::size(engine) as f64 / FIRST_COST.1);
        let keeping = &run.keeping;
        Self {
            dir: dir.clone(),
            checkpoint: keeping.checkpoint,
            grace: keeping.grace.and_then(|grace| Duration::try_from_secs_f64(grace).ok()),
            metric: keeping.best.clone(),
            state,
            about,
            is_best_volatile: false,
            last: Instant::now(),
            cost: FIRST_COST.0 + bytes,
        }
    }

    /// Keeps nothing.
    #[cfg(test)]
    pub(crate) fn of_nothing() -> Self {
        Self {
            dir: RunDir::new(std::path::Path::new("")),
            checkpoint: Checkpoint::Never,
            grace: None,
            metric: None,
            state: TrainingState::default(),
            about: Value::Null,
            is_best_volatile: false,
            last: Instant::now(),
            cost: Duration::ZERO,
        }
    }

    /// Where the training begins.
    pub(crate) fn start(&self) -> Start {
        Start { epoch: self.state.epoch, batch: self.state.batch }
    }

    /// How long an attempt that is asked to end may go on, towards a state that it can write; `None` where it writes none.
    pub(crate) fn grace(&self) -> Option<Duration> {
        self.grace.filter(|_| self.checkpoint != Checkpoint::Never)
    }

    /// What the next writing is taken to cost.
    pub(crate) fn cost(&self) -> Duration {
        self.cost
    }

    /// An epoch has ended with these metrics, and the next begins at `next`. Keeps its weights where it is the best so far;
    /// writes a state where that is due, or where it `must`.
    ///
    /// # Errors
    /// Where the best weights or the curves cannot be written. A state that cannot be written is said in the log: the
    /// training goes on without.
    pub(crate) fn epoch_ended(
        &mut self,
        engine: &Engine,
        recorder: &mut dyn Recorder,
        next: Start,
        metrics: &[(&str, f32)],
        must: bool,
    ) -> Result<(), TrainError> {
        self.keep_best(engine, next.epoch - 1, metrics)?;
        let is_due = match self.checkpoint {
            Checkpoint::Never => return Ok(()),
            Checkpoint::Every(pause) => self.last.elapsed() >= pause.duration(),
            Checkpoint::Auto => self.last.elapsed().mul_f64(Checkpoint::MOST_TIME) >= self.cost,
        };
        if !is_due && !must {
            return Ok(());
        }
        let begun = Instant::now();
        let Counters { updates, masks } = engine.counters();
        let files = recorder.sync()?;
        self.sync_best()?;
        let Start { epoch, batch } = next;
        self.state = TrainingState { epoch, batch, updates, masks, files, ..self.state.clone() };
        if let Err(error) = file::write(&self.dir.state(), engine, &self.state) {
            say(&format!("the training state cannot be written: {}", with_causes(&error)));
        }
        (self.cost, self.last) = (begun.elapsed(), Instant::now());
        Ok(())
    }

    /// The last epoch has ended with these metrics: no state is needed any more.
    ///
    /// # Errors
    /// Where the best weights cannot be written.
    pub(crate) fn training_ended(
        &mut self,
        engine: &Engine,
        epoch: u32,
        metrics: &[(&str, f32)],
    ) -> Result<(), TrainError> {
        self.keep_best(engine, epoch, metrics)?;
        self.sync_best()
    }

    /// Keeps the weights where the epoch is better than every one before it: of equal ones the first counts, and what is no
    /// number is never the best.
    fn keep_best(&mut self, engine: &Engine, epoch: u32, metrics: &[(&str, f32)]) -> Result<(), TrainError> {
        let Some(metric) = &self.metric else { return Ok(()) };
        let value = metrics.iter().find(|(tag, _)| *tag == metric.tag).map(|(_, value)| f64::from(*value));
        let Some(value) = value.filter(|value| !value.is_nan()) else { return Ok(()) };
        let is_better = self.state.best.is_none_or(|best| match metric.goal {
            Goal::Maximize => value > best.value,
            Goal::Minimize => value < best.value,
        });
        if !is_better {
            return Ok(());
        }
        let mut about = self.about.clone();
        about["epoch"] = json!(epoch);
        about[metric.tag.as_str()] = json!(value);
        // On the disk before a state says so, and at the end; meanwhile nothing rests on it.
        weights::save(&self.dir.best(), engine, about.to_string(), Durability::Written)?;
        self.is_best_volatile = true;
        self.state.best = Some(BestEpoch { epoch, value });
        Ok(())
    }

    fn sync_best(&mut self) -> Result<(), TrainError> {
        if self.is_best_volatile {
            let path = self.dir.best();
            let sync = || -> io::Result<()> { File::open(&path)?.sync_all() };
            sync().map_err(|source| TrainError::Write { path: path.clone(), source })?;
            self.is_best_volatile = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
