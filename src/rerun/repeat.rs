//! What is trained again, where, and on which images: decided from `run.json` before anything is written.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    base::{
        clock::wall_now,
        program::{host, version},
    },
    corpus::{self, Part},
    device::Discovery,
    grid,
    launch::{LaunchPlan, PlanError},
    predict::TrainedRunError,
    run::{ExperimentDir, Keeping, Outcome, OutcomeError, RunDir, RunFile, RunIndex, RunSpec, RunState},
    schedule::Slot,
    spec::{self, Checkpoint, Dataset, Experiment, Family, Overrides, SpecError, Untold},
    sweep::{self, Corpus, RunForecast, Surroundings, SweepError},
};

/// A training that is to be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    /// The run's directory.
    pub dir: PathBuf,
    /// What the first training was told.
    pub then: RunFile,
    /// What the second is told.
    pub now: RunFile,
    /// The run's spec.
    pub experiment: Experiment,
    /// Number of its CUDA device.
    device_index: Option<String>,
}

/// Why a run is not trained again.
#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    /// `run.json` cannot be used.
    #[error(transparent)]
    RunFile(#[from] TrainedRunError),
    /// The spec beside the run cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// How the run ended cannot be read.
    #[error(transparent)]
    Outcome(#[from] OutcomeError),
    /// There is nothing to compare with.
    #[error("run `{}` is not completed: there is nothing to compare a second training with", .0.display())]
    NotCompleted(PathBuf),
    /// `run.json` is not what the attempt was told: to repeat it would be another training.
    #[error("`{}` was altered: {problem}", path.display())]
    AlteredRunFile {
        /// The file.
        path: PathBuf,
        /// How that is known.
        problem: String,
    },
    /// The run's kind of device is not there.
    #[error("the run was trained on a CUDA device (`{0}`), and this machine has none")]
    NoDevice(String),
    /// The images are gone, and so is what they were made from.
    #[error("the run's images are gone: {0}")]
    CorpusGone(String),
    /// The images there are now are others.
    #[error("the run's images are gone ({reason}), and what `{}` gives now are others: content id {then}, now {now}", images.display())]
    OtherImages {
        /// Why the prepared corpus is not used.
        reason: String,
        /// Where the images come from.
        images: PathBuf,
        /// The fingerprint in `run.json`.
        then: String,
        /// That of what is there.
        now: String,
    },
    /// The folder to keep the second training in is taken.
    #[error("`{}` is not an empty folder", .0.display())]
    Taken(PathBuf),
    /// The command cannot be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The images cannot be prepared, or a file cannot be written.
    #[error(transparent)]
    Sweep(#[from] SweepError),
}

impl RepeatError {
    /// Whether the command line asks for what is not to be had.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Sweep(error) => error.is_usage(),
            Self::Outcome(_) | Self::Plan(_) => false,
            _ => true,
        }
    }

    /// What can be done.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::RunFile(error) => error.hint().map(str::to_owned),
            Self::Sweep(error) => error.hint(),
            Self::NotCompleted(_) => Some("`gridboard show` says how it ended".to_owned()),
            Self::Taken(_) => Some("`--keep` takes a folder that is empty or not there yet".to_owned()),
            _ => None,
        }
    }
}

impl Repeat {
    /// The training in a run's directory, to be repeated on this machine: the same parameters, seed, threads and kind of
    /// device.
    ///
    /// # Errors
    /// [`RepeatError`]: the run is not completed, or what it needs is not here.
    pub(crate) fn new(
        dir: &Path,
        discovery: &Discovery,
        surroundings: &Surroundings,
    ) -> Result<Self, RepeatError> {
        let then = RunFile::read(dir).map_err(TrainedRunError::from)?;
        let outcome = Outcome::read(dir)?;
        if outcome.is_none_or(|outcome| outcome.state != RunState::Completed) {
            return Err(RepeatError::NotCompleted(dir.to_owned()));
        }
        let experiment = match &then.provenance {
            Some(provenance) => provenance.spec.clone(),
            None => {
                let path = ExperimentDir::at(dir.parent().unwrap_or(Path::new("."))).spec();
                spec::load(&path, &Overrides { untold: Untold::Higher, ..Overrides::default() })?
            }
        };
        if let Some(problem) = altered(dir, &then, &experiment)? {
            return Err(RepeatError::AlteredRunFile { path: RunDir::new(dir).run_file(), problem });
        }
        let device = device(&then.device, discovery)?;
        let index = discovery.cuda.iter().find(|gpu| gpu.uuid == device).map(|gpu| gpu.index);
        let device_index = index.map(|index| index.to_string());
        let run = RunSpec {
            index: RunIndex::default(),
            name: then.run.clone(),
            id: then.id.clone(),
            axes: then.axes.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            parameters: then.parameters.clone(),
            seed: then.seed,
            family: then.family,
        };
        let now = RunFile {
            attempt: 1,
            provenance: Some(Box::new(surroundings.provenance_of(&experiment, &run, &device))),
            device,
            version: version().to_owned(),
            host: host().to_owned(),
            started: wall_now(),
            // Nobody goes on with it; what it keeps is compared.
            keeping: Keeping { checkpoint: Checkpoint::Never, grace: None, ..then.keeping.clone() },
            ..then.clone()
        };
        Ok(Self { dir: dir.to_owned(), then, now, experiment, device_index })
    }

    /// The dataset to prepare anew, where the prepared corpus of the run is not usable any more, and why it is not.
    ///
    /// # Errors
    /// [`RepeatError::CorpusGone`] where nothing says how to prepare it.
    pub(crate) fn lost_corpus(&self) -> Result<Option<(&Dataset, String)>, RepeatError> {
        let Some(dataset) = &self.then.dataset else { return Ok(None) };
        match (sweep::check_dataset(dataset), &self.experiment.dataset) {
            (Ok(()), _) => Ok(None),
            (Err(reason), Some(spec)) => Ok(Some((spec, reason))),
            (Err(reason), None) => Err(RepeatError::CorpusGone(reason)),
        }
    }

    /// Takes a corpus that was prepared anew in place of the lost one, and writes its split into `folder`.
    ///
    /// # Errors
    /// [`RepeatError::OtherImages`] where it is not the run's.
    pub(crate) fn take_corpus(
        &mut self,
        corpus: &Corpus,
        reason: String,
        folder: &Path,
    ) -> Result<(), RepeatError> {
        let then = self.then.dataset.as_ref().map(|dataset| dataset.fingerprint.clone()).unwrap_or_default();
        let dataset = sweep::write_split(&ExperimentDir::at(folder), &self.experiment, corpus)?;
        if dataset.fingerprint != then {
            let images = match self.experiment.dataset.as_ref().map(|dataset| &dataset.source) {
                Some(spec::Source::Images(images)) => images.clone(),
                Some(spec::Source::Phantom(_)) | None => PathBuf::from("phantom"),
            };
            return Err(RepeatError::OtherImages { reason, images, then, now: dataset.fingerprint });
        }
        self.now.dataset = Some(dataset);
        Ok(())
    }

    /// The process that trains again in `folder`. `worker` is only used for built-in trainers.
    ///
    /// # Errors
    /// [`RepeatError::Plan`].
    pub(crate) fn plan(&self, worker: &Path, folder: &Path) -> Result<LaunchPlan, RepeatError> {
        let plan = match self.then.family {
            Family::Command => LaunchPlan::command(0, &self.experiment.command, folder, &self.now)?
                .with_state(false)
                .with_variables(&self.experiment.env)?
                .in_folder(self.experiment.cwd.as_deref()),
            _ => LaunchPlan::worker(0, worker, folder, &self.now)?,
        };
        Ok(plan.on_device(self.device_index.as_deref()))
    }

    /// Writes `run.json` of the second training into `folder`.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), RepeatError> {
        if self.then.family == Family::Command {
            RunDir::new(folder).make_state_dir().map_err(SweepError::from)?;
        }
        Ok(self.now.write(folder).map_err(SweepError::from)?)
    }

    /// What is known of the training before it starts, for its progress.
    #[must_use]
    pub(crate) fn forecast(&self) -> RunForecast {
        let number = |name: &str| self.now.parameters.get(name).and_then(crate::spec::Value::as_u64);
        let batch_size = number("batch_size").filter(|size| *size > 0);
        let parts = self.now.dataset.as_ref().and_then(|dataset| corpus::read_split(&dataset.split).ok());
        let train = parts.map(|parts| parts.iter().filter(|part| **part == Part::Train).count() as u64);
        RunForecast {
            name: self.now.run.clone(),
            epochs: number("epochs"),
            steps_per_epoch: train.zip(batch_size).map(|(train, batch)| train.div_ceil(batch)),
            rank_by: self.experiment.rank.by.tag.clone(),
            batch_size,
        }
    }

    /// Reads `run.json` of the second training again: the trainer adds to it what only it knows.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn reread(&mut self, folder: &Path) -> Result<(), RepeatError> {
        self.now = RunFile::read(folder).map_err(TrainedRunError::from)?;
        Ok(())
    }

    /// Whether the trainer is one of Gridboard's own.
    #[must_use]
    pub(crate) fn is_built_in(&self) -> bool {
        self.then.family != Family::Command
    }
}

/// Makes the folder that is kept, or finds it empty.
///
/// # Errors
/// [`RepeatError::Taken`], or where it cannot be made.
pub(crate) fn make_kept(folder: &Path) -> Result<(), RepeatError> {
    let fail = |source: io::Error| SweepError::Io { what: "create", path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(RepeatError::Taken(folder.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(fs::create_dir_all(folder).map_err(fail)?)
        }
        Err(_) => Err(RepeatError::Taken(folder.to_owned())),
    }
}

/// How it is known that `run.json` is not what the attempt was told, where that is known: its hash, or what is in it does not
/// give its own content id.
fn altered(dir: &Path, then: &RunFile, experiment: &Experiment) -> Result<Option<String>, OutcomeError> {
    let id = grid::content_id(&experiment.command, then.family, &then.parameters, then.seed);
    if id != then.id {
        let told = &then.id;
        return Ok(Some(format!("its parameters and seed give the content id {id}, and it says {told}")));
    }
    let seal = RunDir::new(dir).look_at_seal()?;
    let broken = seal.altered.iter().any(|name| name == RunDir::RUN_FILE);
    Ok(broken.then(|| "its hash is not the one in outcome.json".to_owned()))
}

/// The same device where it is there, else the first of its kind.
fn device(then: &str, discovery: &Discovery) -> Result<String, RepeatError> {
    if then == Slot::CPU || discovery.cuda.iter().any(|device| device.uuid == then) {
        return Ok(then.to_owned());
    }
    let other = discovery.cuda.first().ok_or_else(|| RepeatError::NoDevice(then.to_owned()))?;
    Ok(other.uuid.clone())
}
