//! Tests of the optimizer against the formulas, and against itself in other memory.

use gridboard::{
    model::{Architecture, Resnet},
    spec::Freeze,
};
use tch::{Device, Kind};

use super::*;
use crate::{
    baseline::{Baseline, Mode, Role, Stored},
    loss,
};

/// The formulas in f64, number by number.
fn reference(weights: &mut [f64], gradients: &[Vec<f64>], rate: f64) {
    let (mut m, mut v) = (vec![0.0; weights.len()], vec![0.0; weights.len()]);
    for (step, gradient) in (1..).zip(gradients) {
        let rate = rate * (1.0 - 0.999f64.powi(step)).sqrt() / (1.0 - 0.9f64.powi(step));
        for (place, g) in gradient.iter().enumerate() {
            m[place] += (g - m[place]) * 0.1;
            v[place] += (g * g - v[place]) * 0.001;
            weights[place] -= m[place] * rate / (v[place].sqrt() + 1e-7);
        }
    }
}

#[test]
fn updates_follow_the_formulas_where_epsilon_counts() {
    let start = [0.5, -0.25, 1.0, 0.0];
    // Gradients around and far below epsilon, where its place decides.
    let gradients: Vec<Vec<f64>> =
        (0..5).map(|step| vec![0.3 - 0.1 * f64::from(step), -2.0, 1e-7, -3e-9]).collect();
    let mut expected = start;
    reference(&mut expected, &gradients, 0.01);

    let weights = Tensor::from_slice(&start).to_kind(Kind::Float).set_requires_grad(true);
    let mut adam = Adam::new(vec![0.01]);
    for gradient in &gradients {
        adam.step(&[&weights], vec![Tensor::from_slice(gradient).to_kind(Kind::Float)]).unwrap();
    }
    let ours: Vec<f32> = (&weights.detach()).try_into().unwrap();
    for ((ours, expected), start) in ours.iter().zip(expected).zip(start) {
        let (change, should) = (f64::from(*ours) - start, expected - start);
        assert!((change - should).abs() < 1e-4 * should.abs() + 1e-7, "{change} is not {should}");
    }
}

#[test]
fn each_parameter_has_its_rate() {
    let weights = [(); 2].map(|()| Tensor::ones([3], (Kind::Float, Device::Cpu)));
    let [first, second] = &weights;
    let mut adam = Adam::new(vec![0.1, 0.001]);
    for _ in 0..3 {
        let gradients = [(); 2].map(|()| Tensor::ones([3], (Kind::Float, Device::Cpu)));
        adam.step(&[first, second], gradients.into()).unwrap();
    }
    // With a constant gradient of 1 every step of Adam is as long as its rate.
    assert!((first.double_value(&[0]) - 0.7).abs() < 1e-4);
    assert!((second.double_value(&[0]) - 0.997).abs() < 1e-6);
}

#[test]
fn the_rate_is_rounded_as_keras_rounds_it() {
    // Printed by Keras 3.15 on TensorFlow. In f64 the first is 0.000316227…, 6e-6 beside it.
    let keras =
        [(1, 0.000_316_225_66), (2, 0.000_235_314_38), (10, 0.000_153_188_04), (1_000, 0.000_795_172_9)];
    for (step, keras) in keras {
        assert!((rate(0.001, step) / keras - 1.0).abs() < 3e-7, "{} is not {keras}", rate(0.001, step));
    }
    assert_eq!(rate(0.001, i32::MAX), 0.001);
}

#[test]
fn a_gradient_in_another_memory_order_is_the_same_gradient() {
    let gradient = Tensor::arange(6, (Kind::Float, Device::Cpu)).reshape([2, 3]);
    let run = |gradient: Tensor| {
        let weights = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
        Adam::new(vec![0.1]).step(&[&weights], vec![gradient]).unwrap();
        weights
    };
    let turned = gradient.tr().contiguous().tr();
    assert!(!turned.is_contiguous());
    assert_eq!(run(gradient.copy()), run(turned));
}

/// The chain tensor by tensor, each in memory of its own.
fn one_by_one(
    parameters: &[Tensor],
    moments: &mut [[Tensor; 2]],
    gradients: Vec<Tensor>,
    rates: &[f64],
    step: i32,
) {
    for (((parameter, mut gradient), [first, second]), learning_rate) in
        parameters.iter().zip(gradients).zip(moments).zip(rates)
    {
        let _ = first.lerp_(&gradient, 1.0 - BETA_1);
        let _ = gradient.square_();
        let _ = second.lerp_(&gradient, 1.0 - BETA_2);
        let mut change = second.sqrt_out(&gradient).g_add_scalar_(EPSILON);
        change = first.div_out(&change, &change).g_mul_scalar_(f64::from(rate(*learning_rate, step)));
        let _ = parameter.shallow_clone().g_sub_(&change);
    }
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap().into_iter().map(f32::to_bits).collect()
}

/// Whole and in pieces, in parameters of every length around a vector and a piece, channels last, with two learning
/// rates: to the bit what the chain does to each tensor by itself.
#[test]
fn one_tensor_for_all_changes_no_bit() {
    tch::manual_seed(3);
    let options = (Kind::Float, Device::Cpu);
    let shapes: [&[i64]; 8] =
        [&[6, 5, 3, 3], &[6], &[1], &[40, 33], &[40], &[7, 4, 3, 3], &[PIECE + 9], &[3, 64]];
    let rates = [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.003, 0.003];
    let start: Vec<Tensor> = shapes.iter().map(|shape| Tensor::randn(*shape, options)).collect();
    let gradients: Vec<Vec<Tensor>> = (0..5)
        .map(|step| {
            let scale = 10f64.powi(-2 * step);
            shapes.iter().map(|shape| Tensor::randn(*shape, options) * scale).collect()
        })
        .collect();
    let copies = |tensors: &[Tensor]| -> Vec<Tensor> {
        let channels_last = |at: usize, tensor: &Tensor| match tensor.size()[..] {
            [_, c, h, w] if at == 5 => {
                let rows = tensor.permute([0, 2, 3, 1]).contiguous();
                rows.as_strided(tensor.size(), [h * w * c, 1, w * c, c], None)
            }
            _ => tensor.copy(),
        };
        tensors.iter().enumerate().map(|(at, tensor)| channels_last(at, tensor)).collect()
    };

    let expected = copies(&start);
    let mut moments: Vec<[Tensor; 2]> =
        expected.iter().map(|tensor| [tensor.zeros_like(), tensor.zeros_like()]).collect();
    for (step, gradients) in (1..).zip(&gradients) {
        one_by_one(&expected, &mut moments, copies(gradients), &rates, step);
    }
    // The last are so many that threads share them.
    for updated in [Updated::Whole, Updated::Pieces(PIECE), Updated::Pieces(100)] {
        let ours: Vec<Tensor> =
            copies(&start).into_iter().map(|tensor| tensor.set_requires_grad(true)).collect();
        let parameters: Vec<&Tensor> = ours.iter().collect();
        let mut adam = Adam::new(rates.to_vec());
        adam.state = Some(State::at_rest(&parameters, updated).unwrap());
        for gradients in &gradients {
            // A gradient may come in either order.
            adam.step(&parameters, gradients.iter().map(Tensor::copy).collect()).unwrap();
        }
        for ((ours, expected), shape) in ours.iter().zip(&expected).zip(shapes) {
            assert!(bits(ours) == bits(expected), "{updated:?}: {shape:?}");
            assert!(ours.is_leaf() && ours.requires_grad());
            assert_eq!((ours.size(), ours.stride()), (expected.size(), expected.stride()));
            assert_eq!(ours.data_ptr() as usize % 64, 0, "{shape:?}");
        }
    }
}

/// A ResNet with two learning rates, whose parameters are shared by layers, lists and the optimizer: moved together or
/// left where they are, training gives the same bits.
#[test]
fn a_network_whose_parameters_moved_trains_to_the_same_bits() {
    let options = (Kind::Float, Device::Cpu);
    let trained = |updated| {
        let architecture = Architecture::Resnet(Resnet::Resnet18);
        let mut network = Baseline::new(&architecture, 33, 3, Freeze::None, Device::Cpu).unwrap();
        network.initialise(5).unwrap();
        let parameters: Vec<Tensor> = network.trained().map(|stored| stored.tensor.shallow_clone()).collect();
        let parameters: Vec<&Tensor> = parameters.iter().collect();
        let head = |stored: &Stored| if stored.role == Role::Head { 0.01 } else { 0.001 };
        let mut adam = Adam::new(network.trained().map(head).collect());
        adam.state = Some(State::at_rest(&parameters, updated).unwrap());
        let labels = Tensor::from_slice(&[0i64, 2, 1, 1]);
        let mut losses = Vec::new();
        for step in 1..4 {
            // Not from libtorch's generator: other tests draw from it too.
            let images = Tensor::arange(4 * 33 * 33, options).g_mul_scalar(f64::from(step)).sin();
            let images = images.reshape([4, 1, 33, 33]);
            let logits = network.forward(&images, Mode::Training).unwrap();
            let loss = loss::mean(&logits, &labels).unwrap();
            losses.extend(bits(&loss));
            let gradients = Tensor::f_run_backward(&[loss], &parameters, false, false).unwrap();
            adam.step(&parameters, gradients).unwrap();
        }
        let stored = network.stored().iter().map(|stored| bits(&stored.tensor.to_kind(Kind::Float)));
        (losses, stored.collect::<Vec<_>>())
    };
    let (moved, left) = (trained(Updated::Whole), trained(Updated::Pieces(PIECE)));
    assert_eq!(moved.0, left.0);
    assert!(moved.0[0] != moved.0[1] && moved.1 == left.1);
}
