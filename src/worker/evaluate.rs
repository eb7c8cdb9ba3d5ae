//! The network on the validation images: no gradients, memory bounded, the same result for any batch size of training.

use gridboard::metrics::{ConfusionMatrix, roc_auc};

use crate::{
    data::Order,
    engine::{Answers, Engine},
    error::TrainError,
    stop::Stop,
};

/// What the network says of some images.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Evaluation {
    /// Mean cross-entropy.
    pub(crate) loss: f64,
    /// True classes, `[n]`.
    pub(crate) truths: Vec<usize>,
    /// Predicted classes, `[n]`.
    pub(crate) predicted: Vec<usize>,
    /// `[n, K]`, row-major.
    pub(crate) probabilities: Vec<f32>,
}

impl Evaluation {
    /// Counts of true and predicted classes.
    pub(crate) fn confusion(&self, classes: usize) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(classes);
        for (&truth, &predicted) in self.truths.iter().zip(&self.predicted) {
            matrix.add(truth, predicted);
        }
        matrix
    }

    /// ROC AUC; `None` where a class has no image.
    pub(crate) fn auc(&self, classes: usize) -> Option<f64> {
        roc_auc(&self.probabilities, &self.truths, classes)
    }
}

/// Runs the network over the images of `order`.
///
/// # Errors
/// [`TrainError::Stopped`] between batches; [`TrainError::Engine`] where memory is short.
pub(crate) fn evaluate(
    engine: &mut Engine,
    order: &Order<'_>,
    classes: usize,
    stop: &Stop,
) -> Result<Evaluation, TrainError> {
    let mut sum = 0.0;
    let mut evaluation = Evaluation {
        loss: f64::NAN,
        truths: order.labels().collect(),
        predicted: Vec::with_capacity(order.len()),
        probabilities: Vec::with_capacity(order.len() * classes),
    };
    for batch in order.batches(engine.evaluation_batch(order.side())) {
        stop.check()?;
        let Answers { losses, predicted, probabilities } = engine.answer(batch)?;
        // In f64, so that the sum does not depend on where one batch ends.
        sum += losses.into_iter().map(f64::from).sum::<f64>();
        evaluation.predicted.extend(predicted);
        evaluation.probabilities.extend(probabilities);
    }
    evaluation.loss = sum / order.len() as f64;
    Ok(evaluation)
}

#[cfg(test)]
mod tests {
    use gridboard::{model::GridCnn, spec::Kernels};
    use tch::Device;

    use super::*;
    use crate::{data::Images, engine::tests::engine};

    fn network(classes: u32, kernels: Kernels) -> Engine {
        engine(GridCnn { conv_layers: 1, dense_layers: 1, layer_size: 4 }, 10, classes, 5, kernels)
    }

    #[test]
    fn every_image_is_evaluated_in_order() {
        let pixels: Vec<u8> = (0..600 * 100).map(|at| (at * 7 % 251) as u8).collect();
        let labels: Vec<u8> = (0..600).map(|row| (row % 3) as u8).collect();
        let images = Images::new(&pixels, &labels, 10, Device::Cpu).unwrap();
        for kernels in [Kernels::Fused, Kernels::Plain] {
            let mut network = network(3, kernels);
            let rows: Vec<usize> = (0..600).rev().collect();
            let all = evaluate(&mut network, &images.order(&rows).unwrap(), 3, &Stop::default()).unwrap();
            assert_eq!((all.truths.len(), all.predicted.len(), all.probabilities.len()), (600, 600, 1800));
            assert_eq!(all.truths[..3], [2, 1, 0]);

            // One by one, as a check on the order and on the mean.
            let mut sum = 0.0;
            for (place, row) in rows.iter().enumerate().step_by(97) {
                let one =
                    evaluate(&mut network, &images.order(&[*row]).unwrap(), 3, &Stop::default()).unwrap();
                for (ours, one) in all.probabilities[3 * place..].iter().zip(&one.probabilities) {
                    assert!((ours - one).abs() < 1e-6);
                }
                let truth = f64::from(one.probabilities[one.truths[0]]);
                assert!((one.loss + truth.ln()).abs() < 1e-5);
                sum += one.loss;
            }
            assert!((all.loss - sum / 7.0).abs() < 0.5, "{} {sum}", all.loss);
            assert_eq!(all.confusion(3).total(), 600);
            assert!(all.auc(3).is_some());
        }
    }

    #[test]
    fn a_large_image_goes_alone() {
        let network = network(2, Kernels::Plain);
        assert_eq!(network.evaluation_batch(10), 256);
        assert_eq!(network.evaluation_batch(224), 83);
        assert_eq!(network.evaluation_batch(100_000), 1);
    }

    #[test]
    fn stopping_is_noticed() {
        let stop = Stop::default();
        stop.request(crate::stop::Reason::Terminated);
        let images = Images::new(&[0; 100], &[0], 10, Device::Cpu).unwrap();
        assert!(matches!(
            evaluate(&mut network(2, Kernels::Auto), &images.order(&[0]).unwrap(), 2, &stop),
            Err(TrainError::Stopped(_))
        ));
    }
}
