//! VGG (Simonyan and Zisserman, arXiv:1409.1556), configurations D and E without batch norm, as torchvision has them
//! (`torchvision/models/vgg.py`).

use super::{
    COLOURS,
    builder::{Builder, Convolution},
    layers::{Activation, Layer, ModelError, last_activation, outputs},
};

/// Side of the image that the adaptive average pooling leaves for the classifier, pixels.
pub const POOLED_SIDE: u32 = 7;
/// Units of the two hidden dense layers.
pub const CLASSIFIER_WIDTH: u32 = 4096;

/// A VGG network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vgg {
    /// 13 convolutions.
    Vgg16,
    /// 16 convolutions.
    Vgg19,
}

/// One step of the convolutional part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VggStep {
    /// 3x3 convolution with padding 1 and bias to this many channels, then ReLU.
    Convolution(u32),
    /// 2x2 max pooling, stride 2.
    Pool,
}

impl Vgg {
    /// The convolutional part with the place of each step in torchvision's `features`, where a ReLU has a place of its own.
    #[must_use]
    pub fn features(self) -> Vec<(usize, VggStep)> {
        let [third, fourth, fifth] = match self {
            Self::Vgg16 => [3, 3, 3],
            Self::Vgg19 => [4, 4, 4],
        };
        let mut place = 0;
        let mut steps = Vec::new();
        for (channels, convolutions) in [(64, 2), (128, 2), (256, third), (512, fourth), (512, fifth)] {
            for _ in 0..convolutions {
                steps.push((place, VggStep::Convolution(channels)));
                place += 2;
            }
            steps.push((place, VggStep::Pool));
            place += 1;
        }
        steps
    }

    /// The layers for square images of `image_size` pixels.
    ///
    /// # Errors
    /// [`ModelError::TooSmall`] under 32 pixels, which the five poolings would make nothing of.
    pub(super) fn layers(self, image_size: u32, n_classes: u32) -> Result<Vec<Layer>, ModelError> {
        let mut builder = Builder::new(COLOURS, image_size);
        for (place, step) in self.features() {
            let name = format!("features.{place}");
            match step {
                VggStep::Convolution(channels) => {
                    let convolution = Convolution {
                        outputs: channels.into(),
                        kernel: 3,
                        stride: 1,
                        padding: 1,
                        bias: true,
                    };
                    builder.convolution(&name, convolution, Activation::Relu);
                }
                VggStep::Pool => builder.halve(&name)?,
            }
        }
        builder.average_pool("avgpool", POOLED_SIDE.into());
        builder.flatten();
        for (dense, dropout) in [("classifier.0", "classifier.2"), ("classifier.3", "classifier.5")] {
            builder.dense(dense, CLASSIFIER_WIDTH.into(), Activation::Relu);
            builder.dropout(dropout);
        }
        builder.dense("classifier.6", outputs(n_classes).into(), last_activation(n_classes));
        Ok(builder.finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Architecture;

    /// Published by torchvision for 1000 classes at 224 pixels: parameters, and billions of multiply-adds to two digits
    /// (`VGG16_Weights.IMAGENET1K_V1.meta`, `num_params` and `_ops`).
    #[test]
    fn counts_are_those_that_torchvision_publishes() {
        for (vgg, parameters, billions) in
            [(Vgg::Vgg16, 138_357_544, 15.47), (Vgg::Vgg19, 143_667_240, 19.632)]
        {
            let layers = vgg.layers(224, 1000).expect("large enough");
            assert_eq!(layers.iter().map(|layer| layer.parameters).sum::<u64>(), parameters, "{vgg:?}");
            let flops = layers.iter().map(|layer| layer.flops).sum::<u64>();
            assert!((flops as f64 / 2e9 - billions).abs() < 0.01, "{vgg:?}: {flops}");
        }
    }

    #[test]
    fn names_and_shapes_are_those_of_torchvision() {
        let layers = Vgg::Vgg16.layers(64, 2).expect("large enough");
        let find =
            |name: &str| layers.iter().find(|layer| layer.name == name).expect(name).output_shape.clone();
        assert_eq!(find("features.0"), [64, 64, 64]);
        assert_eq!(find("features.28"), [512, 4, 4]);
        assert_eq!(find("features.30"), [512, 2, 2]);
        assert_eq!(find("avgpool"), [512, 7, 7]);
        assert_eq!(find("flatten"), [25_088]);
        assert_eq!(find("classifier.6"), [1]);
        let last = Vgg::Vgg19.layers(64, 3).expect("large enough");
        assert!(last.iter().any(|layer| layer.name == "features.36" && layer.output_shape == [512, 2, 2]));
    }

    #[test]
    fn an_image_that_the_poolings_make_nothing_of_is_refused() {
        let error =
            |side| Architecture::Vgg(Vgg::Vgg16).layers(side, 2).map(|_| ()).map_err(|e| e.to_string());
        assert_eq!(error(32), Ok(()));
        assert_eq!(error(31), Err("`features.30` needs at least 2x2, gets 1x1".to_owned()));
    }
}
