//! Attempts that are cut off and go on, against one that is not: files, curves, weights.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use gridboard::{
    follow::read_run,
    model::GridCnn,
    run::{Keeping, RunDir, RunFile},
    spec::{Family, Kernels, SpecDuration},
    tags,
};

use super::*;
use crate::{
    data::tests::write_corpus,
    engine::tests::{engine, values},
    stop::{Reason, Stop},
    train::{
        Account,
        tests::{run_file, toy},
        train,
    },
};

const EPOCHS: i64 = 4;

fn keeping(checkpoint: Checkpoint) -> Keeping {
    Keeping {
        checkpoint,
        grace: Some(600.0),
        best: Some(Metric::by_tag(tags::VALIDATION_LOSS)),
        ..Keeping::default()
    }
}

fn every() -> Keeping {
    keeping(Checkpoint::Every(SpecDuration::seconds(0)))
}

/// The large networks have fewer: numbers are slow in a build for debugging.
fn epochs(kernels: &str) -> i64 {
    if ["resnet18", "vgg16"].contains(&kernels) { 2 } else { EPOCHS }
}

/// A run of four epochs on the toy corpus in `folder`.
fn run(folder: &Path, kernels: &str) -> RunFile {
    let text = |text: &str| gridboard::spec::Value::Text(text.to_owned());
    let epochs = gridboard::spec::Value::Int(epochs(kernels));
    let baseline = match kernels {
        "resnet18" => Some(Family::Resnet18),
        // Its dropout draws from a counter that has to go on as well.
        "vgg16" => Some(Family::Vgg16),
        _ => None,
    };
    if let Some(family) = baseline {
        let labels: Vec<u8> = (0..30).map(|row| row / 2 % 2).collect();
        let dataset = write_corpus(folder, 32, &labels, 2);
        let baseline = run_file(Some(dataset), &[("epochs", epochs)]);
        return RunFile { family, keeping: every(), ..baseline };
    }
    RunFile { keeping: every(), ..toy(folder, &[("kernels", text(kernels)), ("epochs", epochs)]) }
}

/// An attempt in a folder; one that is asked to end before it begins comes to the end of an epoch.
fn attempt(folder: &Path, run: &RunFile, is_asked: bool) -> (Result<(), TrainError>, Account) {
    let (stop, mut account) = (Stop::default(), Account::default());
    if is_asked {
        stop.request(Reason::Terminated);
    }
    let result = train(folder, run, &stop, &mut account);
    (result, account)
}

/// What is left of a run, as far as it must be the same however often it was cut off.
#[derive(Debug, PartialEq)]
struct Left {
    files: Vec<Vec<u8>>,
    curves: BTreeMap<String, Vec<(i64, u32)>>,
}

fn left(folder: &Path, epochs: i64) -> Left {
    let files = [RunDir::CHECKPOINT, RunDir::BEST, RunDir::PREDICTIONS];
    let poll = read_run(folder);
    assert!(poll.problems.is_empty() && poll.cuts.is_empty(), "{:?}", poll.problems);
    let mut curves: BTreeMap<String, Vec<(i64, u32)>> = BTreeMap::new();
    for point in poll.scalars.into_iter().filter(|point| point.tag != tags::IMAGES_PER_SECOND) {
        curves.entry(point.tag).or_default().push((point.step, point.value.to_bits()));
    }
    for (tag, curve) in &curves {
        let steps: Vec<i64> = curve.iter().map(|(step, _)| *step).collect();
        let n = if tag == tags::BATCH_LOSS { epochs * 5 } else { epochs };
        assert_eq!(steps, (0..n).collect::<Vec<_>>(), "{tag} has a gap or a repetition");
    }
    Left { files: files.map(|name| fs::read(folder.join(name)).unwrap()).into(), curves }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target: PathBuf = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_run_that_was_cut_off_at_every_epoch_has_the_same_bits() {
    for kernels in ["fused", "plain", "resnet18"] {
        cut_off_at_every_epoch(kernels);
    }
}

#[test]
#[ignore = "its weights and their moments are gigabytes: make test-long"]
fn a_vgg_that_was_cut_off_at_every_epoch_has_the_same_bits() {
    cut_off_at_every_epoch("vgg16");
}

fn cut_off_at_every_epoch(kernels: &str) {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let undisturbed = run(whole.path(), kernels);
    attempt(whole.path(), &undisturbed, false).0.unwrap();
    let mut run = run(cut.path(), kernels);
    let epochs = epochs(kernels);
    for epoch in 1..epochs {
        // The results of our own kernels do not depend on the threads.
        run.threads = if kernels == "fused" { epoch as u32 } else { 1 };
        run.attempt = epoch as u32;
        let (result, account) = attempt(cut.path(), &run, true);
        assert!(matches!(result, Err(TrainError::Stopped(Reason::Terminated))), "{kernels} {result:?}");
        assert_eq!(account.resumed_from, (epoch > 1).then_some(epoch as u32 - 1));
        let state = TrainingState::read(&RunDir::new(cut.path())).unwrap().unwrap();
        assert_eq!((state.epoch, state.batch, state.updates), (epoch as u32, 5 * epoch, 5 * epoch as u32));
    }
    // The last epoch is finished by an attempt that is asked to end, too: the run is complete then.
    attempt(cut.path(), &run, true).0.unwrap();
    assert!(left(cut.path(), epochs) == left(whole.path(), epochs), "{kernels}");
}

/// As after `kill -9`: curves and the best weights are ahead of the state.
#[test]
fn what_a_killed_attempt_wrote_behind_its_state_does_not_count() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    attempt(whole.path(), &run(whole.path(), "fused"), false).0.unwrap();
    let run = run(cut.path(), "fused");
    attempt(cut.path(), &run, true).0.unwrap_err();
    let state = fs::read(cut.path().join(RunDir::STATE)).unwrap();
    // The next attempt writes no state until it is killed at the end of the last epoch.
    let rarely = RunFile { keeping: keeping(Checkpoint::Every(SpecDuration::seconds(9999))), ..run.clone() };
    attempt(cut.path(), &rarely, false).0.unwrap();
    fs::write(cut.path().join(RunDir::STATE), state).unwrap();
    let torn =
        fs::read_dir(cut.path().join("batch")).unwrap().map(|entry| entry.unwrap().path()).max().unwrap();
    let bytes = fs::read(&torn).unwrap();
    fs::write(&torn, &bytes[..bytes.len() - 3]).unwrap();
    let (result, account) = attempt(cut.path(), &run, false);
    result.unwrap();
    assert_eq!(account.resumed_from, Some(1));
    assert!(left(cut.path(), EPOCHS) == left(whole.path(), EPOCHS));
}

#[test]
fn a_damaged_or_foreign_state_is_refused_and_the_run_starts_anew() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    attempt(whole.path(), &run(whole.path(), "fused"), false).0.unwrap();
    let expected = left(whole.path(), EPOCHS);
    let run = run(cut.path(), "fused");
    attempt(cut.path(), &run, true).0.unwrap_err();
    let again = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&Path), words: &str| {
        let folder = again.path().join(words.replace(['`', ' ', '/'], "-"));
        copy(cut.path(), &folder);
        change(&folder);
        let mut fresh = engine_of(&run);
        let error = resume(&RunDir::new(&folder), &run, 4, &mut fresh).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
        let (result, account) = attempt(&folder, &run, false);
        result.unwrap();
        assert_eq!(account.resumed_from, None);
        assert!(left(&folder, EPOCHS) == expected, "{words}");
    };
    let state = |folder: &Path| folder.join(RunDir::STATE);
    let flip = |folder: &Path, at: usize| {
        let mut bytes = fs::read(state(folder)).unwrap();
        let at = bytes.len() - at;
        bytes[at] ^= 1;
        fs::write(state(folder), bytes).unwrap();
    };
    refused(&|folder| flip(folder, 100), "its content is not what was written");
    refused(&|folder| flip(folder, 1), "its content is not");
    let cut_short = |folder: &Path| {
        let bytes = fs::read(state(folder)).unwrap();
        fs::write(state(folder), &bytes[..bytes.len() - 5]).unwrap();
    };
    refused(&cut_short, "is damaged: it has ");
    refused(&|folder| fs::remove_file(folder.join(RunDir::BEST)).unwrap(), "is gone");
    let other = |folder: &Path| {
        let mut other = run.clone();
        other.id = "ffff".to_owned();
        fs::remove_file(state(folder)).unwrap();
        for sub_run in tags::SUB_RUNS {
            fs::remove_dir_all(folder.join(sub_run)).unwrap();
        }
        attempt(folder, &other, true).0.unwrap_err();
    };
    refused(&other, "it is of the run `ffff`");
}

#[test]
fn the_best_weights_of_a_refused_state_go_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "fused");
    attempt(folder.path(), &run, true).0.unwrap_err();
    assert!(folder.path().join(RunDir::BEST).exists());
    fs::write(folder.path().join(RunDir::STATE), "none").unwrap();
    let without_best = RunFile { keeping: Keeping { best: None, ..every() }, ..run };
    attempt(folder.path(), &without_best, true).0.unwrap_err();
    assert!(!folder.path().join(RunDir::BEST).exists());
}

fn engine_of(run: &RunFile) -> Engine {
    Engine::from_run(run, tch::Device::Cpu).unwrap()
}

/// What a state has is what the engine has: weights, both moments, counters; with either kernels.
#[test]
fn a_state_gives_back_every_number_of_the_engine() {
    for kernels in [Kernels::Fused, Kernels::Plain] {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::new(folder.path());
        let model = || GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 18 };
        let (mut one, mut other) = (engine(model(), 14, 3, 1, kernels), engine(model(), 14, 3, 2, kernels));
        let mut number = 0_u32;
        for (place, info) in one.state().iter().enumerate() {
            for part in [crate::engine::Values::FirstMoment, crate::engine::Values::SecondMoment] {
                let n: usize = info.shape.iter().product();
                let bytes: Vec<u8> = (0..n)
                    .flat_map(|_| {
                        number += 1;
                        (number as f32).to_le_bytes()
                    })
                    .collect();
                one.read(place, part, &mut &bytes[..]).unwrap();
                let mut back = Vec::new();
                one.write(place, part, &mut back).unwrap();
                assert!(back == bytes, "{} {part:?}", info.name);
            }
        }
        let state = TrainingState { format: STATE_FORMAT, updates: 7, masks: 3, ..TrainingState::default() };
        file::write(&dir.state(), &one, &state).unwrap();
        file::load(&dir, &state, &mut other).unwrap();
        assert_eq!(values(&one), values(&other));
        let again = folder.path().join("again");
        file::write(&again, &other, &state).unwrap();
        assert!(fs::read(again).unwrap() == fs::read(dir.state()).unwrap());
        // And nothing of it takes a network of another shape.
        let mut wider = engine(GridCnn { layer_size: 19, ..model() }, 14, 3, 1, kernels);
        let error = file::load(&dir, &state, &mut wider).unwrap_err().to_string();
        assert!(error.ends_with("its tensors are not those of the network"), "{error}");
    }
}

#[test]
fn of_equal_epochs_the_first_is_the_best_and_no_number_never_is() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(GridCnn { conv_layers: 1, dense_layers: 0, layer_size: 4 }, 9, 2, 1, Kernels::Fused);
    for (goal, values, best) in [
        (Goal::Minimize, vec![f32::NAN, 0.5, 0.25, 0.25, f32::NAN, 0.3], Some((2, 0.25))),
        (Goal::Maximize, vec![0.5, 0.75, 0.75, f32::INFINITY, f32::NAN], Some((3, f64::INFINITY))),
        (Goal::Maximize, vec![f32::NAN], None),
    ] {
        let metric = Metric { goal, ..Metric::by_tag(tags::VALIDATION_LOSS) };
        let mut keeper = Keeper::of_nothing();
        (keeper.dir, keeper.metric, keeper.about) = (RunDir::new(folder.path()), Some(metric), json!({}));
        for (epoch, value) in (0..).zip(values) {
            keeper
                .keep_best(&engine, epoch, &[("train/epoch_loss", 0.0), (tags::VALIDATION_LOSS, value)])
                .unwrap();
        }
        let found = keeper.state.best.map(|best| (best.epoch, best.value));
        assert_eq!(found, best);
        if let Some((epoch, _)) = best {
            let bytes = fs::read(folder.path().join(RunDir::BEST)).unwrap();
            assert!(String::from_utf8_lossy(&bytes).contains(&format!("\\\"epoch\\\":{epoch}")));
        }
    }
}

/// 2 % of the time, by the last writing; and as often as a duration says.
#[test]
fn a_state_is_written_when_it_is_due() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(GridCnn { conv_layers: 1, dense_layers: 0, layer_size: 4 }, 9, 2, 1, Kernels::Fused);
    let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
    for (checkpoint, seconds, is_due) in [
        ("auto", 99, false),
        ("auto", 101, true),
        ("1m", 59, false),
        ("1m", 61, true),
        ("0s", 0, true),
        ("never", 99_999, false),
    ] {
        let mut keeper = Keeper::of_nothing();
        keeper.dir = RunDir::new(folder.path());
        keeper.checkpoint = checkpoint.parse().unwrap();
        (keeper.cost, keeper.last) = (Duration::from_secs(2), ago(seconds));
        let mut memory = crate::record::tests::Memory::default();
        let next = Start { epoch: 1, batch: 5 };
        keeper.epoch_ended(&engine, &mut memory, next, &[], false).unwrap();
        assert_eq!(
            fs::remove_file(folder.path().join(RunDir::STATE)).is_ok(),
            is_due,
            "{checkpoint} {seconds}"
        );
        if is_due {
            assert!(keeper.cost < Duration::from_secs(2) && keeper.last.elapsed() < Duration::from_secs(60));
        }
    }
}
