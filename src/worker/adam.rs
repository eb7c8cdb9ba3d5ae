//! Adam as Keras has it, which is not quite as PyTorch has it.
//!
//! Keras adds epsilon to sqrt(v) before the correction of the bias, not behind it (`keras/src/optimizers/adam.py`,
//! `update_step`), so tch's own optimizer would not follow the same curve. The state is ours, for checkpoints.
//!
//! With g the gradient and t the step from 1:
//!
//! ```text
//! m += (g - m) (1 - b1)
//! v += (g² - v) (1 - b2)
//! w -= m a / (sqrt(v) + eps),   a = lr sqrt(1 - b2^t) / (1 - b1^t)
//! ```

use tch::{TchError, Tensor, no_grad};

/// Keras' defaults, all but the learning rate.
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-7;

/// The optimizer: two moments for each parameter.
#[derive(Debug)]
pub(crate) struct Adam {
    /// Of each parameter.
    learning_rates: Vec<f64>,
    /// Updates made.
    step: i32,
    /// Made at the first update: a network that only answers has none.
    moments: Vec<Moments>,
}

/// Running means of the gradient and of its square, shaped as their parameter.
#[derive(Debug)]
struct Moments {
    first: Tensor,
    second: Tensor,
}

impl Adam {
    /// An optimizer at rest, for parameters with these learning rates.
    pub(crate) fn new(learning_rates: Vec<f64>) -> Self {
        Self { learning_rates, step: 0, moments: Vec::new() }
    }

    /// One update of the parameters. The gradients are spent: their memory holds what the update computes on the way.
    ///
    /// # Errors
    /// Where shapes differ, or memory is short.
    pub(crate) fn step(&mut self, parameters: &[&Tensor], gradients: Vec<Tensor>) -> Result<(), TchError> {
        if self.moments.is_empty() {
            self.moments =
                parameters.iter().map(|parameter| Moments::at_rest(parameter)).collect::<Result<_, _>>()?;
        }
        self.step = self.step.saturating_add(1);
        let states = self.moments.iter_mut().zip(&self.learning_rates);
        no_grad(|| {
            for ((parameter, gradient), (moments, learning_rate)) in
                parameters.iter().zip(gradients).zip(states)
            {
                update(parameter, gradient, moments, f64::from(rate(*learning_rate, self.step)))?;
            }
            Ok(())
        })
    }
}

impl Moments {
    fn at_rest(parameter: &Tensor) -> Result<Self, TchError> {
        // In the parameter's memory format too.
        let zeros = || parameter.f_detach()?.f_zeros_like();
        Ok(Self { first: zeros()?, second: zeros()? })
    }
}

/// The step size with the correction of the bias, in f32 where Keras has f32: at the first steps 1 - b2^t loses five of its
/// digits there, and a rate computed in f64 leads to another curve.
fn rate(learning_rate: f64, step: i32) -> f32 {
    let rest = |beta: f64| 1.0 - f64::from(beta as f32).powi(step) as f32;
    learning_rate as f32 * rest(BETA_2).sqrt() / rest(BETA_1)
}

/// The update as a chain of tensor operations, all of them in place.
fn update(
    parameter: &Tensor,
    mut gradient: Tensor,
    moments: &mut Moments,
    rate: f64,
) -> Result<(), TchError> {
    let Moments { first, second } = moments;
    // lerp(start, end, weight) is start + weight (end - start): Keras' expression, and one pass.
    let _ = first.f_lerp_(&gradient, 1.0 - BETA_1)?;
    let _ = gradient.f_square_()?;
    let _ = second.f_lerp_(&gradient, 1.0 - BETA_2)?;
    let mut change = second.f_sqrt_out(&gradient)?.f_add_scalar_(EPSILON)?;
    change = first.f_div_out(&change, &change)?.f_mul_scalar_(rate)?;
    let _ = parameter.shallow_clone().f_sub_(&change)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

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
}
