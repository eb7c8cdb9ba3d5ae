//! VGG's forward pass, without its head. Layers, names and order are those of `torchvision/models/vgg.py`.

use gridboard::model::{CLASSIFIER_WIDTH, COLOURS, POOLED_SIDE, Vgg, VggStep};
use tch::{TchError, Tensor};

use super::{
    Dropout,
    tensors::{Convolution, Linear, LinearStart, Role, Tensors},
};

/// All layers of a VGG but the last.
#[derive(Debug)]
pub(super) struct VggLayers {
    features: Vec<Step>,
    classifier: [Linear; 2],
}

#[derive(Debug)]
enum Step {
    Convolution(Convolution),
    Pool,
}

impl VggLayers {
    /// The layers, and the head.
    pub(super) fn new(model: Vgg, outputs: i64, tensors: &mut Tensors) -> Result<(Self, Linear), TchError> {
        let mut inputs = COLOURS;
        let mut features = Vec::new();
        for (place, step) in model.features() {
            features.push(match step {
                VggStep::Convolution(channels) => {
                    let name = format!("features.{place}");
                    let convolution = tensors.convolution(&name, [channels, inputs, 3], 1, true)?;
                    inputs = channels;
                    Step::Convolution(convolution)
                }
                VggStep::Pool => Step::Pool,
            });
        }
        let (width, start) = (i64::from(CLASSIFIER_WIDTH), LinearStart::Vgg);
        let flat = i64::from(inputs * POOLED_SIDE * POOLED_SIDE);
        let classifier = [
            tensors.linear("classifier.0", [width, flat], Role::Backbone, start)?,
            tensors.linear("classifier.3", [width, width], Role::Backbone, start)?,
        ];
        let head = tensors.linear("classifier.6", [outputs, width], Role::Head, start)?;
        Ok((Self { features, classifier }, head))
    }

    /// Features `[n, 4096]` of normalised images `[n, 3, h, w]`. `dropout` is given in training.
    pub(super) fn forward(&self, x: &Tensor, mut dropout: Option<&mut Dropout>) -> Result<Tensor, TchError> {
        let mut x = x.shallow_clone();
        for step in &self.features {
            x = match step {
                Step::Convolution(convolution) => convolution.forward(&x)?.f_relu_()?,
                Step::Pool => x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?,
            };
        }
        let side = i64::from(POOLED_SIDE);
        x = x.f_adaptive_avg_pool2d([side, side])?.f_flatten(1, -1)?;
        for dense in &self.classifier {
            x = dense.forward(&x)?.f_relu_()?;
            if let Some(dropout) = dropout.as_deref_mut() {
                x = dropout.apply(&x)?;
            }
        }
        Ok(x)
    }
}
