//! Adam as Keras has it, which is not quite as PyTorch has it.
//!
//! Keras adds epsilon to sqrt(v) before the correction of the bias, not behind it (`keras/src/optimizers/adam.py`,
//! `update_step`), so neither tch's own optimizer nor PyTorch's fused kernel would follow the same curve. The state is
//! ours, for checkpoints.
//!
//! With g the gradient and t the step from 1:
//!
//! ```text
//! m += (g - m) (1 - b1)
//! v += (g² - v) (1 - b2)
//! w -= m a / (sqrt(v) + eps),   a = lr sqrt(1 - b2^t) / (1 - b1^t)
//! ```
//!
//! On a device all parameters move into one tensor before the first step, of which they are views from then on, and are
//! updated in eight kernels, whatever their number. A processor updates each parameter piece by piece, where it lies: what
//! the chain of operations computes on the way stays in a core's cache, and of the 80 bytes a weight that the chain reads
//! and writes 28 come from memory. Every number is computed by the same operations either way, so the bits are the same.

use std::{ops::Range, thread};

use tch::{Device, Kind, TchError, Tensor, no_grad};

/// Keras' defaults, all but the learning rate.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-7;

/// Numbers at a multiple of which each parameter begins: 256 bytes, as allocators of devices have it, so that kernels find
/// the alignment that they would find in a tensor of its own.
const ALIGNMENT: i64 = 64;
/// Numbers that a core updates at once. Four such pieces fit into its second cache, and libtorch does not divide the work on
/// so few any further (`at::internal::GRAIN_SIZE`), so that no operation waits for another core.
const PIECE: i64 = 1 << 15;
/// Pieces a thread for which threads are worth their start.
const PIECES_A_THREAD: usize = 4;

/// The optimizer: two moments for each parameter.
#[derive(Debug)]
pub(crate) struct Adam {
    /// Of each parameter.
    learning_rates: Vec<f64>,
    /// Updates made.
    step: i32,
    /// Made before the first step: a network that only answers has none.
    state: Option<State>,
}

/// All parameters and where each of them lies.
#[derive(Debug)]
struct State {
    /// One for all parameters, or one for each.
    numbers: Vec<Numbers>,
    places: Vec<Place>,
    /// Zeros for the gaps between gradients.
    gap: Tensor,
    updated: Updated,
}

/// Parameters and their moments, one behind the other: f32 `[n]` each.
#[derive(Debug)]
struct Numbers {
    weights: Tensor,
    /// Running means of the gradients.
    first: Tensor,
    /// Running means of their squares.
    second: Tensor,
}

/// Numbers of one parameter that are updated together.
#[derive(Debug)]
struct Piece {
    parameter: usize,
    numbers: Range<i64>,
}

/// Where a parameter lies.
#[derive(Debug)]
struct Place {
    /// Among those of [`State::numbers`]; from a multiple of [`ALIGNMENT`].
    numbers: Range<i64>,
    /// The order of its dimensions in memory, outermost first.
    order: Vec<i64>,
}

/// How much is updated at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Updated {
    /// Neighbours of one learning rate, from gradients that are laid one behind the other for it.
    Whole,
    /// At most so many numbers of one parameter, which stays where it is.
    Pieces(i64),
}

impl Adam {
    /// An optimizer at rest, for parameters with these learning rates.
    pub(crate) fn new(learning_rates: Vec<f64>) -> Self {
        Self { learning_rates, step: 0, state: None }
    }

    /// Makes the moments of the parameters, always the same ones, before their first step. On a device it moves them into one
    /// tensor: the tensors stay, what they lie in is another. Best called while there are no gradients: memory is free then.
    ///
    /// # Errors
    /// Where memory is short.
    pub(crate) fn prepare(&mut self, parameters: &[&Tensor]) -> Result<(), TchError> {
        if self.state.is_none() {
            let is_processor = parameters.first().is_none_or(|tensor| tensor.device() == Device::Cpu);
            let updated = if is_processor { Updated::Pieces(PIECE) } else { Updated::Whole };
            self.state = Some(State::at_rest(parameters, updated)?);
        }
        Ok(())
    }

    /// One update of the parameters. The gradients are spent: their memory holds what the update computes on the way.
    ///
    /// # Errors
    /// Where shapes differ, or memory is short.
    pub(crate) fn step(&mut self, parameters: &[&Tensor], gradients: Vec<Tensor>) -> Result<(), TchError> {
        self.prepare(parameters)?;
        self.step = self.step.saturating_add(1);
        let rate = |learning_rate: &f64| f64::from(rate(*learning_rate, self.step));
        let rates: Vec<f64> = self.learning_rates.iter().map(rate).collect();
        self.state.as_ref().map_or(Ok(()), |state| no_grad(|| state.update(gradients, &rates)))
    }
}

impl State {
    /// The parameters with moments of zero.
    fn at_rest(parameters: &[&Tensor], updated: Updated) -> Result<Self, TchError> {
        let mut places = Vec::with_capacity(parameters.len());
        let mut end = 0;
        for parameter in parameters {
            let n = parameter.numel() as i64;
            places.push(Place { numbers: end..end + n, order: memory_order(parameter) });
            if updated == Updated::Whole {
                end = aligned(end + n);
            }
        }
        let options = (Kind::Float, parameters.first().map_or(Device::Cpu, |tensor| tensor.device()));
        let both = parameters.iter().zip(&places);
        let numbers = no_grad(|| match updated {
            Updated::Whole => {
                let weights = Tensor::f_empty([end], options)?;
                for (parameter, place) in both {
                    let start = place.numbers.start;
                    let mut view = weights.f_as_strided(parameter.size(), parameter.stride(), start)?;
                    view.f_copy_(parameter)?;
                    // All handles of the parameter see it, and its old memory is free.
                    parameter.shallow_clone().f_set_data(&view)?;
                }
                Ok(vec![Numbers::at_rest(weights)?])
            }
            Updated::Pieces(_) => both
                .map(|(parameter, place)| {
                    Numbers::at_rest(parameter.f_detach()?.f_permute(&place.order)?.f_view([-1])?)
                })
                .collect::<Result<Vec<_>, TchError>>(),
        })?;
        Ok(Self { numbers, places, gap: Tensor::f_zeros([ALIGNMENT], options)?, updated })
    }

    fn update(&self, gradients: Vec<Tensor>, rates: &[f64]) -> Result<(), TchError> {
        let gradients = self.places.iter().zip(gradients);
        let gradients =
            gradients.map(|(place, gradient)| place.flattened(&gradient)).collect::<Result<Vec<_>, _>>()?;
        match self.updated {
            Updated::Pieces(size) => self.update_pieces(size, &gradients, rates),
            Updated::Whole => {
                let joined = self.neighbours(rates).into_iter().map(|(places, rate)| {
                    let start = self.places[places.start].numbers.start;
                    Ok((start, self.joined(places, &gradients)?, rate))
                });
                let joined = joined.collect::<Result<Vec<_>, TchError>>()?;
                // Two copies are enough for a moment.
                drop(gradients);
                let mut joined = joined.into_iter();
                joined.try_for_each(|(start, joined, rate)| self.numbers[0].update(start, joined, rate))
            }
        }
    }

    /// Divides the pieces among threads, each of which does its own one after another.
    fn update_pieces(&self, size: i64, gradients: &[Tensor], rates: &[f64]) -> Result<(), TchError> {
        let mut pieces = Vec::new();
        for (parameter, place) in self.places.iter().enumerate() {
            let n = place.numbers.end;
            let starts = (0..n).step_by(size as usize);
            pieces.extend(starts.map(|at| Piece { parameter, numbers: at..n.min(at + size) }));
        }
        let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1).max(1);
        let work = |share: &[Piece], numbers: &[Numbers], gradients: &[Tensor]| {
            no_grad(|| {
                share.iter().try_for_each(|Piece { parameter, numbers: Range { start, end } }| {
                    let gradient = gradients[*parameter].f_narrow(0, *start, end - start)?;
                    numbers[*parameter].update(*start, gradient, rates[*parameter])
                })
            })
        };
        if threads == 1 || pieces.len() < threads * PIECES_A_THREAD {
            return work(&pieces, &self.numbers, gradients);
        }
        thread::scope(|scope| {
            let mut shares = pieces.chunks(pieces.len().div_ceil(threads));
            let ours = shares.next().unwrap_or_default();
            let others: Vec<_> = shares
                .map(|share| {
                    // A handle may go to another thread, but not be seen by two.
                    let handles: Vec<Tensor> = gradients.iter().map(Tensor::shallow_clone).collect();
                    let numbers: Vec<Numbers> = self.numbers.iter().map(Numbers::shallow_clone).collect();
                    scope.spawn(move || work(share, &numbers, &handles))
                })
                .collect();
            let done = work(ours, &self.numbers, gradients);
            let ended = |other: thread::ScopedJoinHandle<'_, _>| other.join().expect("updates do not panic");
            others.into_iter().map(ended).fold(done, Result::and)
        })
    }

    /// Stretches of parameters with one rate.
    fn neighbours(&self, rates: &[f64]) -> Vec<(Range<usize>, f64)> {
        let mut stretches: Vec<(Range<usize>, f64)> = Vec::new();
        for (at, &rate) in rates.iter().enumerate().take(self.places.len()) {
            match stretches.last_mut() {
                Some((places, same)) if *same == rate => places.end = at + 1,
                _ => stretches.push((at..at + 1, rate)),
            }
        }
        stretches
    }

    /// The gradients of neighbours as the neighbours lie, zeros between them.
    fn joined(&self, places: Range<usize>, gradients: &[Tensor]) -> Result<Tensor, TchError> {
        let mut parts = Vec::with_capacity(2 * places.len());
        for at in places.clone() {
            parts.push(gradients[at].shallow_clone());
            let end = self.places[at].numbers.end;
            let gap = aligned(end) - end;
            if gap > 0 && at + 1 < places.end {
                parts.push(self.gap.f_narrow(0, 0, gap)?);
            }
        }
        Tensor::f_cat(&parts, 0)
    }
}

impl Numbers {
    fn at_rest(weights: Tensor) -> Result<Self, TchError> {
        Ok(Self { first: weights.f_zeros_like()?, second: weights.f_zeros_like()?, weights })
    }

    fn shallow_clone(&self) -> Self {
        let Self { weights, first, second } = self;
        Self {
            weights: weights.shallow_clone(),
            first: first.shallow_clone(),
            second: second.shallow_clone(),
        }
    }

    /// The chain of operations, all of them in place, for the numbers from `start` on that `gradient` is of.
    fn update(&self, start: i64, mut gradient: Tensor, rate: f64) -> Result<(), TchError> {
        let n = gradient.numel() as i64;
        let [mut weights, mut first, mut second] = [
            self.weights.f_narrow(0, start, n)?,
            self.first.f_narrow(0, start, n)?,
            self.second.f_narrow(0, start, n)?,
        ];
        // lerp(start, end, weight) is start + weight (end - start): Keras' expression, and one pass.
        let _ = first.f_lerp_(&gradient, 1.0 - BETA_1)?;
        let _ = gradient.f_square_()?;
        let _ = second.f_lerp_(&gradient, 1.0 - BETA_2)?;
        let mut change = second.f_sqrt_out(&gradient)?.f_add_scalar_(EPSILON)?;
        change = first.f_div_out(&change, &change)?.f_mul_scalar_(rate)?;
        let _ = weights.f_sub_(&change)?;
        Ok(())
    }
}

impl Place {
    /// A gradient as its parameter lies in memory, `[n]`.
    fn flattened(&self, gradient: &Tensor) -> Result<Tensor, TchError> {
        gradient.f_permute(&self.order)?.f_reshape([-1])
    }
}

/// The next place where a parameter may begin.
fn aligned(end: i64) -> i64 {
    (end + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// The dimensions of a tensor without gaps by their strides, largest first.
fn memory_order(tensor: &Tensor) -> Vec<i64> {
    let stride = tensor.stride();
    let mut order: Vec<i64> = (0..stride.len() as i64).collect();
    // Stable: dimensions of one element share strides with their neighbours, and stay where they are.
    order.sort_by_key(|&dim| std::cmp::Reverse(stride[dim as usize]));
    order
}

/// The step size with the correction of the bias, in f32 where Keras has f32: at the first steps 1 - b2^t loses five of its
/// digits there, and a rate computed in f64 leads to another curve.
fn rate(learning_rate: f64, step: i32) -> f32 {
    let rest = |beta: f64| 1.0 - f64::from(beta as f32).powi(step) as f32;
    learning_rate as f32 * rest(BETA_2).sqrt() / rest(BETA_1)
}

#[cfg(test)]
mod tests {
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
            let parameters: Vec<Tensor> =
                network.trained().map(|stored| stored.tensor.shallow_clone()).collect();
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
}
