//! The network on the validation images: no gradients, memory bounded, the same result for any batch size of training.

use gridboard::metrics::{ConfusionMatrix, roc_auc};
use tch::no_grad;

use crate::{data::Images, error::TrainError, loss, network::Network, stop::Stop};

/// Bytes that the largest activation of a batch may take.
const ACTIVATION_BYTES: usize = 64 << 20;
/// Larger batches gain nothing on any device.
const LARGEST_BATCH: usize = 256;

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

/// Runs the network over `rows`.
///
/// # Errors
/// [`TrainError::Stopped`] between batches; [`TrainError::Torch`] where memory is short.
pub(crate) fn evaluate(
    network: &Network,
    images: &Images<'_>,
    rows: &[usize],
    stop: &Stop,
) -> Result<Evaluation, TrainError> {
    let mut sum = 0.0;
    let mut evaluation = Evaluation {
        loss: f64::NAN,
        truths: rows.iter().map(|&row| images.label(row)).collect(),
        predicted: Vec::with_capacity(rows.len()),
        probabilities: Vec::with_capacity(rows.len() * network.classes()),
    };
    for batch in rows.chunks(batch_size(network, images.side())) {
        stop.check()?;
        no_grad(|| {
            let (x, y) = images.batch(batch)?;
            let logits = network.forward(&x)?;
            // In f64, so that the sum does not depend on where one batch ends.
            sum +=
                Vec::<f32>::try_from(loss::per_image(&logits, &y)?)?.into_iter().map(f64::from).sum::<f64>();
            let predicted = Vec::<i64>::try_from(loss::predicted(&logits)?)?;
            evaluation.predicted.extend(predicted.into_iter().map(|class| class as usize));
            evaluation
                .probabilities
                .extend(Vec::<f32>::try_from(loss::probabilities(&logits)?.f_flatten(0, -1)?)?);
            Ok::<_, TrainError>(())
        })?;
    }
    evaluation.loss = sum / rows.len() as f64;
    Ok(evaluation)
}

/// Images that go through the network at once. A function of shapes alone, so that results repeat.
fn batch_size(network: &Network, side: usize) -> usize {
    // The first convolution's output is the largest activation by far; a network without one keeps little.
    let channels = network.parameters()[0].tensor.size()[0] as usize;
    let image = channels * side * side * size_of::<f32>();
    (ACTIVATION_BYTES / image.max(1)).clamp(1, LARGEST_BATCH)
}

#[cfg(test)]
mod tests {
    use gridboard::model::GridCnn;
    use tch::Device;

    use super::*;

    fn network(classes: u32) -> Network {
        let model = GridCnn { conv_layers: 1, dense_layers: 1, layer_size: 4 };
        Network::new(&model, 10, classes, 5, Device::Cpu).unwrap()
    }

    #[test]
    fn every_image_is_evaluated_in_order() {
        let pixels: Vec<u8> = (0..600 * 100).map(|at| (at * 7 % 251) as u8).collect();
        let labels: Vec<u8> = (0..600).map(|row| (row % 3) as u8).collect();
        let images = Images::new(&pixels, &labels, 10, Device::Cpu).unwrap();
        let network = network(3);
        assert_eq!(batch_size(&network, 10), LARGEST_BATCH);
        let rows: Vec<usize> = (0..600).rev().collect();
        let all = evaluate(&network, &images, &rows, &Stop::default()).unwrap();
        assert_eq!((all.truths.len(), all.predicted.len(), all.probabilities.len()), (600, 600, 1800));
        assert_eq!(all.truths[..3], [2, 1, 0]);

        // One by one, as a check on the order and on the mean.
        let mut sum = 0.0;
        for (place, row) in rows.iter().enumerate().step_by(97) {
            let one = evaluate(&network, &images, &[*row], &Stop::default()).unwrap();
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

    #[test]
    fn a_large_image_goes_alone() {
        let network = network(2);
        assert_eq!(batch_size(&network, 224), 83);
        assert_eq!(batch_size(&network, 100_000), 1);
    }

    #[test]
    fn stopping_is_noticed() {
        let stop = Stop::default();
        stop.request(crate::stop::Reason::Terminated);
        let images = Images::new(&[0; 100], &[0], 10, Device::Cpu).unwrap();
        assert!(matches!(evaluate(&network(2), &images, &[0], &stop), Err(TrainError::Stopped(_))));
    }
}
