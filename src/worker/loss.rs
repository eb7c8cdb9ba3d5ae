//! From logits to loss, probabilities and predictions, as Keras computes them.
//!
//! The loss is computed from the logits and not from clipped probabilities. Keras documents its cross-entropies on
//! probabilities clipped to 1e-7, but on TensorFlow it takes the logits whenever a sigmoid or softmax ends the network
//! (`keras/src/backend/tensorflow/nn.py`, `_get_logits`; so it was seen with Keras 3.15, in compiled and eager
//! training). The two agree until a probability saturates; beyond that only the logits still carry a gradient.
//! `tests/fixtures/keras` holds two saturated runs that tell them apart.

use tch::{Kind, Reduction, TchError, Tensor};

/// Cross-entropy of each image, `[n]`, from logits (`[n]` for two classes, else `[n, K]`) and labels (`[n]`, i64).
///
/// For two classes it is log(1 + exp(s)), with s the logit of class 1 under the sign of the other class. libtorch's own
/// `binary_cross_entropy_with_logits` subtracts two nearly equal numbers for class 0 and gives 0 where Keras gives 1e-7.
///
/// # Errors
/// Where memory is short or the shapes differ.
pub(crate) fn per_image(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    if logits.dim() == 1 {
        let sign = labels.f_to_kind(Kind::Float)?.f_mul_scalar_(-2.0)?.f_add_scalar_(1.0)?;
        logits.f_mul(&sign)?.f_softplus()
    } else {
        logits.f_log_softmax(-1, Kind::Float)?.f_nll_loss::<&Tensor>(labels, None, Reduction::None, -100)
    }
}

/// Mean cross-entropy over a batch: a scalar to derive.
///
/// # Errors
/// As [`per_image`].
pub(crate) fn mean(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    per_image(logits, labels)?.f_mean(Kind::Float)
}

/// Class probabilities `[n, K]`.
///
/// # Errors
/// Where memory is short.
pub(crate) fn probabilities(logits: &Tensor) -> Result<Tensor, TchError> {
    if logits.dim() == 1 {
        let positive = logits.f_sigmoid()?;
        Tensor::f_stack(&[positive.f_rsub_scalar(1.0)?, positive], 1)
    } else {
        logits.f_softmax(-1, Kind::Float)
    }
}

/// Predicted classes `[n]`, i64: for two classes the second where its probability is over one half (Keras'
/// `BinaryAccuracy`; one half itself is the first class), else the most probable, the first of equals.
///
/// # Errors
/// Where memory is short.
pub(crate) fn predicted(logits: &Tensor) -> Result<Tensor, TchError> {
    if logits.dim() == 1 {
        // On the probability: a tiny positive logit rounds to one half.
        logits.f_sigmoid()?.f_gt(0.5)?.f_to_kind(Kind::Int64)
    } else {
        logits.f_argmax(-1, false)
    }
}

/// Number of images whose class was predicted: a scalar, i64.
///
/// # Errors
/// Where memory is short.
pub(crate) fn correct(logits: &Tensor, labels: &Tensor) -> Result<Tensor, TchError> {
    predicted(logits)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten(0, -1).try_into().unwrap()
    }

    #[test]
    fn two_classes_follow_the_formula_far_beyond_saturation() {
        let logits = Tensor::from_slice(&[0.0f32, 2.0, -3.0, 40.0, -200.0, -17.0, 17.0]);
        let labels = Tensor::from_slice(&[1i64, 0, 0, 0, 1, 0, 1]);
        let sure = (-17f64).exp().ln_1p();
        let expected =
            [0.5f64.ln().abs(), 2f64.exp().ln_1p(), (-3f64).exp().ln_1p(), 40.0, 200.0, sure, sure];
        for (ours, expected) in numbers(&per_image(&logits, &labels).unwrap()).iter().zip(expected) {
            assert!((f64::from(*ours) / expected - 1.0).abs() < 1e-6, "{ours} is not {expected}");
        }
        let mean = f64::try_from(mean(&logits, &labels).unwrap()).unwrap();
        assert!((mean / (expected.iter().sum::<f64>() / 7.0) - 1.0).abs() < 1e-6);
        let probabilities = numbers(&probabilities(&logits).unwrap());
        assert_eq!(probabilities[..2], [0.5, 0.5]);
        assert!(probabilities.chunks(2).all(|pair| (pair[0] + pair[1] - 1.0).abs() < 1e-6));
        assert_eq!(i64::try_from(correct(&logits, &labels).unwrap()).unwrap(), 3);
    }

    #[test]
    fn the_gradient_is_probability_minus_label() {
        let logits = Tensor::from_slice(&[0.0f32, 0.0, 2.0, -40.0, 40.0]).set_requires_grad(true);
        let labels = Tensor::from_slice(&[0i64, 1, 1, 1, 1]);
        let loss = mean(&logits, &labels).unwrap();
        let gradients = Tensor::f_run_backward(&[loss], &[&logits], false, false).unwrap();
        let expected = [0.5, -0.5, 1.0 / (1.0 + (-2f32).exp()) - 1.0, -1.0, 0.0];
        for (ours, expected) in numbers(&gradients[0]).iter().zip(expected) {
            assert!((ours * 5.0 - expected).abs() < 1e-6, "{ours} is not {expected}");
        }
    }

    #[test]
    fn one_half_is_the_first_class_even_if_the_logit_is_not_zero() {
        let predicted = predicted(&Tensor::from_slice(&[0.0f32, 1e-9, 1e-3, -1e-3])).unwrap();
        assert_eq!(Vec::<i64>::try_from(predicted).unwrap(), [0, 0, 1, 0]);
    }

    #[test]
    fn more_classes_follow_the_formula() {
        let logits = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 60.0, 0.0, 0.0]).reshape([2, 3]);
        let labels = Tensor::from_slice(&[2i64, 1]);
        let first = (1f64.exp() + 2f64.exp() + 3f64.exp()).ln() - 3.0;
        let ours = numbers(&per_image(&logits, &labels).unwrap());
        assert!((f64::from(ours[0]) / first - 1.0).abs() < 1e-6);
        assert_eq!(ours[1], 60.0);
        assert_eq!(i64::try_from(correct(&logits, &labels).unwrap()).unwrap(), 1);
        let sums: Vec<f32> =
            numbers(&probabilities(&logits).unwrap()).chunks(3).map(|row| row.iter().sum()).collect();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");
    }
}
