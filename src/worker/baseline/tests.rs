//! The baselines against torchvision: names, shapes, logits, gradients and running statistics for the same weights.
//!
//! `scripts/torchvision_fixture.py` made `tests/fixtures/torchvision/cases.json`; the rule for weights and images is there
//! and here.

use std::{collections::BTreeMap, fs, path::PathBuf};

use gridboard::{
    model::{Architecture, summary},
    spec::{Family, Freeze, Parameters, Train, Value},
};
use serde::Deserialize;
use tch::{Device, Kind, Tensor, no_grad};

use super::*;
use crate::loss;

/// After so many numbers the pattern begins again.
const PERIOD: usize = 65_537;

#[derive(Deserialize)]
struct Fixture {
    tensors: BTreeMap<String, Vec<(String, Vec<i64>)>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    family: String,
    classes: u32,
    size: u32,
    images: usize,
    evaluation: Pass,
    training: Option<Pass>,
    statistics: Option<BTreeMap<String, Vec<f64>>>,
    batches: Option<i64>,
}

#[derive(Deserialize)]
struct Pass {
    logits: Vec<f64>,
    loss: f64,
    /// Norm, and product with the pattern of the name with `.probe`.
    gradients: BTreeMap<String, [f64; 2]>,
}

fn fixture() -> Fixture {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/torchvision/cases.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn architecture(family: &str) -> Architecture {
    let family = Family::built_in(family).unwrap();
    Architecture::from_parameters(family, &Parameters::new()).unwrap().unwrap()
}

fn hashed(name: &str, n: usize) -> Vec<u32> {
    let seed =
        name.bytes().fold(0x811C_9DC5u32, |seed, byte| (seed ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..n as u32)
        .map(|at| {
            let mut h = at.wrapping_mul(2_654_435_761).wrapping_add(seed);
            h ^= h >> 16;
            h = h.wrapping_mul(0x045D_9F3B);
            h ^ h >> 16
        })
        .collect()
}

/// `n` numbers in -1..1.
fn pattern(name: &str, n: usize) -> Tensor {
    let once: Vec<f32> =
        hashed(name, n.min(PERIOD)).into_iter().map(|h| (h >> 8) as f32 / (1 << 23) as f32 - 1.0).collect();
    let once = Tensor::from_slice(&once);
    let times = n.div_ceil(PERIOD).max(1) as i64;
    once.repeat([times]).narrow(0, 0, n as i64)
}

/// Fills the network as the script fills torchvision's.
fn fill(network: &Baseline) {
    no_grad(|| {
        for Stored { name, tensor, role, .. } in network.stored() {
            let mut tensor = tensor.shallow_clone();
            if *role == Role::Count {
                let _ = tensor.fill_(7);
                continue;
            }
            let is_vgg = name.starts_with("features") || name.starts_with("classifier");
            let values = pattern(name, tensor.numel());
            let size = tensor.size();
            let values = if size.len() > 1 {
                let fan = size[1..].iter().product::<i64>() as f64;
                values * (if is_vgg { 6.0 / fan } else { 3.0 / fan }).sqrt()
            } else if is_vgg {
                values * 0.05
            } else if name.ends_with("running_var") || name.ends_with("weight") {
                values * 0.5 + 1.0
            } else {
                values * 0.2
            };
            tensor.copy_(&values.reshape(&size));
        }
    });
}

fn gray(case: &Case) -> Tensor {
    let pixels = (case.size * case.size) as usize;
    let values: Vec<u8> = hashed("images", case.images * pixels)
        .into_iter()
        .enumerate()
        .map(|(at, h)| (h >> 24) as u8 / 2 + (at / pixels * 30) as u8)
        .collect();
    let side = i64::from(case.size);
    Tensor::from_slice(&values).reshape([case.images as i64, 1, side, side]).to_kind(Kind::Float) / 255.0
}

#[track_caller]
fn near(what: &str, ours: f64, theirs: f64, scale: f64) {
    within(1e-4, what, ours, theirs, scale);
}

#[track_caller]
fn within(relative: f64, what: &str, ours: f64, theirs: f64, scale: f64) {
    let allowed = relative * scale.max(theirs.abs());
    assert!((ours - theirs).abs() <= allowed, "{what}: {ours}, torchvision {theirs}");
}

fn compare(network: &mut Baseline, case: &Case, mode: Mode, expected: &Pass) {
    let what = format!("{} at {} in {mode:?}", case.family, case.size);
    let labels: Vec<i64> = (0..case.images as i64).map(|row| row % i64::from(case.classes)).collect();
    let logits = network.forward(&gray(case), mode).unwrap();
    let ours = Vec::<f64>::try_from(logits.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(ours.len(), expected.logits.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(&expected.logits) {
        near(&what, *ours, *theirs, 1.0);
    }
    let loss = loss::mean(&logits, &Tensor::from_slice(&labels)).unwrap();
    near(&what, loss.double_value(&[]), expected.loss, 1.0);
    let trained: Vec<&Stored> = network.trained().collect();
    let tensors: Vec<&Tensor> = trained.iter().map(|stored| &stored.tensor).collect();
    let gradients = Tensor::f_run_backward(&[&loss], &tensors, false, false).unwrap();
    // Batch norms over few values magnify rounding through fifty layers, and processors round differently: a tenth of a
    // per cent in the first convolution of ResNet50 between AVX-512, AVX2 and SSE. The fixture is of one of them.
    let relative = if mode == Mode::Training { 5e-3 } else { 1e-4 };
    let mut compared = 0;
    for (stored, gradient) in trained.iter().zip(gradients) {
        let Some([norm, product]) = expected.gradients.get(&stored.name) else { continue };
        let gradient = gradient.flatten(0, -1).to_kind(Kind::Double);
        let probe = pattern(&format!("{}.probe", stored.name), gradient.numel()).to_kind(Kind::Double);
        let what = format!("{what}: gradient of {}", stored.name);
        within(relative, &what, gradient.norm().double_value(&[]), *norm, *norm);
        // A product is a sum of numbers of both signs: its rounding is that of the norm.
        within(relative, &what, gradient.dot(&probe).double_value(&[]), *product, 10.0 * *norm);
        compared += 1;
    }
    assert_eq!(compared, expected.gradients.len(), "{what}");
    assert!(compared >= 10, "{what}");
}

#[test]
fn logits_gradients_and_statistics_are_those_of_torchvision() {
    let fixture = fixture();
    assert!(fixture.cases.iter().filter(|case| case.training.is_some()).count() >= 3);
    for case in &fixture.cases {
        let architecture = architecture(&case.family);
        let mut network =
            Baseline::new(&architecture, case.size, case.classes, Freeze::None, Device::Cpu).unwrap();
        fill(&network);
        compare(&mut network, case, Mode::Evaluation, &case.evaluation);
        let (Some(training), Some(statistics)) = (&case.training, &case.statistics) else { continue };
        compare(&mut network, case, Mode::Training, training);
        let find = |name: &str| &network.stored().iter().find(|stored| stored.name == name).unwrap().tensor;
        for (name, expected) in statistics {
            let values = Vec::<f64>::try_from(find(name).to_kind(Kind::Double)).unwrap();
            let (sum, first) = expected.split_last().unwrap();
            near(name, values.iter().sum(), *sum, values.len() as f64);
            for (ours, theirs) in values.iter().zip(first) {
                near(name, *ours, *theirs, 1.0);
            }
        }
        assert_eq!(find("bn1.num_batches_tracked").int64_value(&[]), case.batches.unwrap());
        assert_eq!(case.batches, Some(8));
    }
}

/// Every tensor that torchvision stores, under its name, in its order and shape; and what the arithmetic counts.
#[test]
fn tensors_are_those_of_torchvision_and_those_that_were_counted() {
    let train = Train::from_parameters(&[("epochs".to_owned(), Value::Int(1))].into()).unwrap();
    for (family, expected) in fixture().tensors {
        let architecture = architecture(&family);
        let network = Baseline::new(&architecture, 64, 1000, Freeze::None, Device::Cpu).unwrap();
        let ours: Vec<(String, Vec<i64>)> =
            network.stored().iter().map(|stored| (stored.name.clone(), stored.tensor.size())).collect();
        assert_eq!(ours, expected, "{family}");
        let trained: usize = network.trained().map(|stored| stored.tensor.numel()).sum();
        assert_eq!(trained as u64, summary(&architecture, 64, 1000, &train).unwrap().parameters, "{family}");
        // Layer by layer.
        for layer in architecture.layers(64, 1000).unwrap() {
            let prefix = format!("{}.", layer.name);
            let of_layer = network.trained().filter(|stored| {
                stored.name.strip_prefix(&prefix).is_some_and(|rest| rest == "weight" || rest == "bias")
            });
            assert_eq!(
                of_layer.map(|stored| stored.tensor.numel()).sum::<usize>() as u64,
                layer.parameters,
                "{family}, {}",
                layer.name
            );
        }
    }
}

fn small(freeze: Freeze) -> Baseline {
    let mut network = Baseline::new(&architecture("resnet18"), 32, 3, freeze, Device::Cpu).unwrap();
    network.initialise(5).unwrap();
    network
}

fn everything(network: &Baseline) -> Vec<(String, Tensor)> {
    network.stored().iter().map(|stored| (stored.name.clone(), stored.tensor.detach().copy())).collect()
}

#[test]
fn a_frozen_backbone_trains_its_head_and_keeps_its_statistics() {
    let mut network = small(Freeze::Backbone);
    let trained: Vec<&str> = network.trained().map(|stored| stored.name.as_str()).collect();
    assert_eq!(trained, ["fc.weight", "fc.bias"]);
    let before = everything(&network);
    tch::manual_seed(1);
    let images = Tensor::rand([2, 1, 32, 32], (Kind::Float, Device::Cpu));
    let evaluated = network.forward(&images, Mode::Evaluation).unwrap();
    let trained = network.forward(&images, Mode::Training).unwrap();
    assert_eq!(evaluated, trained, "the batch's statistics are not used");
    assert!(trained.requires_grad());
    assert_eq!(everything(&network), before);
    // A single image with one pixel left is no matter then.
    assert!(network.forward(&images.narrow(0, 0, 1), Mode::Training).is_ok());
}

#[test]
fn one_value_a_channel_is_refused_before_it_spoils_the_statistics() {
    let mut network = small(Freeze::None);
    let before = everything(&network).pop();
    let image = Tensor::ones([1, 1, 32, 32], (Kind::Float, Device::Cpu));
    let error = network.forward(&image, Mode::Training).unwrap_err().to_string();
    assert!(error.starts_with("`layer4.0.bn1` cannot normalise"), "{error}");
    assert_eq!(everything(&network).pop(), before);
    assert!(network.forward(&image, Mode::Evaluation).is_ok());
}

#[test]
fn a_seed_is_a_network_and_another_seed_another() {
    let weights = |seed| {
        let mut network = small(Freeze::None);
        network.initialise(seed).unwrap();
        everything(&network)
    };
    let first = weights(5);
    assert_eq!(first, weights(5));
    let other = weights(6);
    let differ: Vec<bool> = first.iter().zip(&other).map(|(first, other)| first.1 != other.1).collect();
    let drawn: Vec<bool> = first.iter().map(|(name, tensor)| tensor.dim() > 1 || name == "fc.bias").collect();
    assert_eq!(differ, drawn);
    // `kaiming_normal_(mode="fan_out")` of 64 filters of 7x7, whatever the inputs.
    let deviation = first[0].1.std(false).double_value(&[]);
    assert!((deviation / (2.0f64 / (64.0 * 49.0)).sqrt() - 1.0).abs() < 0.05, "{deviation}");
}
