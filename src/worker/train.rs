//! The way of one attempt, in order: `run.json`, corpus, network, training, predictions, weights.

use std::{collections::BTreeMap, path::Path};

use gridboard::{
    base::files::{Durability, remove_if_there},
    predictions::{self, Prediction},
    run::{Phases, RunDir, RunFile, TrainingState},
    spec::{Checkpoint, Family, Train},
};
use serde_json::json;

use crate::{
    checkpoint::{self, Keeper},
    data::{Corpus, Images},
    doctor,
    engine::Engine,
    error::TrainError,
    evaluate::Evaluation,
    fit::{Sides, fit},
    machine,
    record::EventFiles,
    say,
    stop::Stop,
    weights,
};

/// Reads `run.json`.
///
/// # Errors
/// [`TrainError::RunFile`] where it is missing, damaged, or of a trainer that is not built in.
pub(crate) fn read_run_file(run_dir: &Path) -> Result<RunFile, TrainError> {
    let run = RunFile::read(run_dir).map_err(TrainError::ReadRunFile)?;
    if run.family == Family::Command {
        let problem = "a `command` run is not trained here".to_owned();
        return Err(TrainError::RunFile { path: RunDir::new(run_dir).run_file(), problem });
    }
    Ok(run)
}

/// Adds to `run.json` what only the trainer knows of the run's provenance: the libtorch that it has loaded.
///
/// # Errors
/// [`TrainError::Write`].
pub(crate) fn note_libtorch(run_dir: &Path, run: &RunFile) -> Result<(), TrainError> {
    let Some(provenance) = &run.provenance else { return Ok(()) };
    let mut provenance = provenance.clone();
    provenance.libtorch = doctor::libtorch();
    let run = RunFile { provenance: Some(provenance), ..run.clone() };
    Ok(run.write(run_dir)?)
}

/// What an attempt tells of itself, however it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Account {
    /// Where its time went.
    pub(crate) phases: Phases,
    /// The epoch that it went on with; `None` where it began anew.
    pub(crate) resumed_from: Option<u32>,
}

/// Trains the run and writes everything but `outcome.json` into its directory; tells in `account` what only it knows.
///
/// # Errors
/// [`TrainError`]; what was written until then stays.
pub(crate) fn train(
    run_dir: &Path,
    run: &RunFile,
    stop: &Stop,
    account: &mut Account,
) -> Result<(), TrainError> {
    let dir = RunDir::new(run_dir);
    note_libtorch(run_dir, run)?;
    let settings = Train::from_parameters(&run.parameters)?;
    let dataset = run.dataset.as_ref().ok_or_else(|| TrainError::RunFile {
        path: RunDir::new(run_dir).run_file(),
        problem: "`dataset` is missing".to_owned(),
    })?;
    let device = machine::device(&run.device)?;
    // Weights and shuffles come from streams of our own; this is for whatever else of libtorch should ever draw.
    tch::manual_seed(run.seed.cast_signed());

    let corpus = Corpus::open(dataset)?;
    let side = dataset.image_size;
    let images = Images::new(corpus.mapped.images(), corpus.mapped.labels(), side as usize, device)?;
    let mut engine = Engine::from_run(run, device)?;
    let resumed = match go_on(&dir, run, &settings, &mut engine) {
        Resumed::From(state) => Some(*state),
        Resumed::No { is_engine_whole } => {
            if !is_engine_whole {
                // One of them at a time: its memory may be half of the machine's.
                drop(engine);
                engine = Engine::from_run(run, device)?;
            }
            None
        }
    };
    account.resumed_from = resumed.as_ref().map(|state| state.epoch);
    if resumed.is_none()
        && let Some(path) = &settings.initial_weights
        && let Some(left_out) = weights::transfer(path, &mut engine)?
    {
        say(&left_out);
    }
    let about = json!({
        "experiment": run.experiment,
        "run": run.run,
        "id": run.id,
        "seed": run.seed,
        "epochs": settings.epochs,
        "classes": dataset.classes,
        "image_size": side,
        "version": run.version,
    });
    let files = resumed.as_ref().map(|state| state.files.clone()).unwrap_or_default();
    let mut keeper = Keeper::new(&dir, run, &engine, resumed, about.clone());
    if keeper.grace().is_some() {
        stop.be_patient();
    }
    let mut events = EventFiles::create(run_dir, keeper.start(), files, run.keeping.logging.batch_curves)?;
    let sides = Sides {
        images: &images,
        training: &corpus.training,
        validation: &corpus.validation,
        classes: &dataset.classes,
        run: &run.run,
        logging: run.keeping.logging,
    };
    let fitted = fit(&mut engine, &sides, &settings, run.seed, &mut events, &mut keeper, stop);
    // A run that diverged has spent its time too.
    account.phases = events.phases;
    let last = fitted?;

    let predictions = rows(&last, &corpus, dataset.classes.len());
    predictions::write(&dir.predictions(), &predictions, dataset.classes.len())?;
    weights::save(&dir.checkpoint(), &engine, about.to_string(), Durability::Synced)?;
    Ok(())
}

/// Whether an attempt goes on with an earlier one.
enum Resumed {
    /// From here.
    From(Box<TrainingState>),
    /// It begins anew.
    No {
        /// Whether the engine is as it was made.
        is_engine_whole: bool,
    },
}

/// Takes the state of an earlier attempt, or says why not and clears it away with what belongs to it.
fn go_on(dir: &RunDir, run: &RunFile, settings: &Train, engine: &mut Engine) -> Resumed {
    if run.keeping.checkpoint == Checkpoint::Never {
        return Resumed::No { is_engine_whole: true };
    }
    match checkpoint::resume(dir, run, settings.epochs, engine) {
        Ok(Some(state)) => {
            let bits = match checkpoint::inexact(&state, run, engine) {
                None => "with the same bits as if it had not been cut off".to_owned(),
                Some(why) => format!("but not bit-identical to a run that was not cut off: {why}"),
            };
            say(&format!("goes on at epoch {} of {}, {bits}", state.epoch, settings.epochs));
            Resumed::From(Box::new(state))
        }
        Ok(None) => Resumed::No { is_engine_whole: true },
        Err(error) => {
            say(&format!("the training state is not used, since {error}: the run starts anew"));
            let cleared = dir.clear_curves_but(&BTreeMap::new()).and_then(|()| dir.remove_state());
            // Weights of the refused attempt are none of this one's, which may keep none.
            let cleared = cleared.and_then(|()| remove_if_there(&dir.best()));
            if let Err(error) = cleared {
                say(&TrainError::from(error).one_line());
            }
            Resumed::No { is_engine_whole: false }
        }
    }
}

/// The predictions with the names of their images.
fn rows(last: &Evaluation, corpus: &Corpus, classes: usize) -> Vec<Prediction> {
    corpus
        .validation
        .iter()
        .enumerate()
        .map(|(place, &row)| Prediction {
            image: corpus.names[row].clone(),
            label: last.truths[place],
            predicted: last.predicted[place],
            probabilities: last.probabilities[place * classes..(place + 1) * classes].to_vec(),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use gridboard::{
        run::{Keeping, RunDataset},
        spec::{Parameters, Value},
    };

    use super::*;
    use crate::data::tests::write_corpus;

    /// The `run.json` of a small run.
    pub(crate) fn run_file(dataset: Option<RunDataset>, parameters: &[(&str, Value)]) -> RunFile {
        let mut all = Parameters::from(
            [("conv_layers", 1), ("layer_size", 4), ("dense_layers", 0), ("epochs", 2), ("batch_size", 4)]
                .map(|(name, value)| (name.to_owned(), Value::Int(value))),
        );
        all.extend(parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        RunFile {
            experiment: "toy".to_owned(),
            run: "1-conv-4-nodes-0-dense".to_owned(),
            id: "0011223344556677".to_owned(),
            attempt: 2,
            seed: 3,
            family: Family::GridCnn,
            axes: Parameters::new(),
            parameters: all,
            dataset,
            device: "cpu".to_owned(),
            threads: 1,
            version: "0".to_owned(),
            host: "here".to_owned(),
            started: 1.0,
            keeping: Keeping::default(),
            provenance: None,
        }
    }

    pub(crate) fn toy(folder: &Path, parameters: &[(&str, Value)]) -> RunFile {
        let labels: Vec<u8> = (0..30).map(|row| row / 2 % 2).collect();
        run_file(Some(write_corpus(folder, 8, &labels, 2)), parameters)
    }

    #[test]
    fn an_attempt_leaves_all_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let run = toy(folder.path(), &[]);
        fs::write(folder.path().join("run.json"), serde_json::to_string(&run).unwrap()).unwrap();
        let run = read_run_file(folder.path()).unwrap();
        train(folder.path(), &run, &Stop::default(), &mut Account::default()).unwrap();
        for sub_run in ["train", "batch", "validation"] {
            let files: Vec<_> = fs::read_dir(folder.path().join(sub_run)).unwrap().collect();
            assert_eq!(files.len(), 1, "{sub_run}");
        }
        let predictions = predictions::read(&folder.path().join("predictions.csv"), &[]).unwrap().rows;
        assert_eq!(predictions.len(), 10);
        assert_eq!((predictions[0].image.as_str(), predictions[0].label), ("a, 2.png", 1));

        // The weights are those of the predictions: the door for initial weights takes them back.
        let checkpoint = folder.path().join("checkpoint.safetensors");
        let again = Value::Text(checkpoint.to_string_lossy().into_owned());
        let next = toy(
            folder.path(),
            &[("initial_weights", again), ("learning_rate", Value::Float(1e-12)), ("epochs", Value::Int(1))],
        );
        train(folder.path(), &next, &Stop::default(), &mut Account::default()).unwrap();
        let same = predictions::read(&folder.path().join("predictions.csv"), &[]).unwrap().rows;
        for (first, second) in predictions.iter().zip(&same) {
            assert!((first.probabilities[1] - second.probabilities[1]).abs() < 1e-6);
        }
    }

    #[test]
    fn what_the_run_file_lacks_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let absent = read_run_file(folder.path()).unwrap_err().one_line();
        assert!(absent.ends_with("has no `run.json`"), "{absent}");
        let command = RunFile { family: Family::Command, ..run_file(None, &[]) };
        fs::write(folder.path().join("run.json"), serde_json::to_string(&command).unwrap()).unwrap();
        let foreign = read_run_file(folder.path()).unwrap_err().one_line();
        assert!(foreign.ends_with("a `command` run is not trained here"), "{foreign}");

        let message = |run: &RunFile| {
            train(folder.path(), run, &Stop::default(), &mut Account::default()).unwrap_err().one_line()
        };
        assert!(message(&run_file(None, &[])).ends_with("`dataset` is missing"));
        let absent = Value::Text("/absent.safetensors".to_owned());
        let absent = message(&toy(folder.path(), &[("initial_weights", absent)]));
        assert!(
            absent.starts_with("failed to read the weights `/absent.safetensors`: No such file"),
            "{absent}"
        );
        let small = message(&toy(folder.path(), &[("conv_layers", Value::Int(3))]));
        assert_eq!(small, "`max_pooling2d_2` needs at least 2x2, gets 1x1");
    }
}
