//! Layers with their shapes, parameters and FLOPs; those of a network of the paper's family.
//!
//! The family: input 1 x H x W, one gray channel. `conv_layers` times: 3x3 convolution (stride 1, no padding, bias), ReLU, 2x2 max
//! pooling (stride 2, rounding down). Flatten. `dense_layers` times: dense, ReLU. A dense output.

use std::fmt;

use super::GridCnn;

/// Side of a convolution's kernel.
const KERNEL: u64 = 3;
/// Side and stride of a pooling's window.
const POOL: u64 = 2;

/// One layer; activations belong to the layer before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// A grid CNN: kind and number, counted from 1 as Keras does: `conv2d_1`, `max_pooling2d_1`, `flatten`, `dense_1`. VGG
    /// and ResNet: the module in torchvision, `features.0`, `layer1.0.conv1`.
    pub name: String,
    /// What it does.
    pub kind: LayerKind,
    /// What follows it.
    pub activation: Activation,
    /// Of one image: `[channels, height, width]`, or `[features]` from `flatten` on.
    pub output_shape: Vec<u64>,
    /// Trainable numbers, biases included; the running statistics of a batch norm are none.
    pub parameters: u64,
    /// Floating point operations of the forward pass of one image: a multiplication and an addition are 2; biases,
    /// activations, comparisons, normalisation, averages and residual sums are not counted, as they are not in the figures
    /// that torchvision publishes (which count the pair as 1).
    pub flops: u64,
}

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    /// Convolution.
    Conv2d,
    /// Max pooling.
    MaxPooling2d,
    /// Average pooling to a given side.
    AdaptiveAveragePooling2d,
    /// Normalisation over the batch, for each channel.
    BatchNormalization,
    /// Residual sum with the input of the block.
    Add,
    /// Half of the features are 0 in training.
    Dropout,
    /// `[c, h, w]` to `[c * h * w]`.
    Flatten,
    /// Fully connected.
    Dense,
}

/// What follows a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(0, x)`.
    Relu,
    /// The output for two classes: the probability of the second.
    Sigmoid,
    /// The output for more classes.
    Softmax,
}

/// A network that cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ModelError {
    /// The convolutions before it left too small an image.
    #[error("`{layer}` needs at least {needed}x{needed}, gets {side}x{side}")]
    TooSmall {
        /// The layer.
        layer: String,
        /// Side that it needs, pixels.
        needed: u64,
        /// Side that it gets, pixels.
        side: u64,
    },
}

/// Units of the output layer: one for two classes, else one for each class.
#[must_use]
pub const fn outputs(n_classes: u32) -> u32 {
    if n_classes <= 2 { 1 } else { n_classes }
}

/// The layers of a network for square images of `image_size` pixels.
///
/// # Errors
/// [`ModelError::TooSmall`] names the first layer that the image is too small for.
pub fn layers(model: &GridCnn, image_size: u32, n_classes: u32) -> Result<Vec<Layer>, ModelError> {
    let width = u64::from(model.layer_size);
    let (mut channels, mut side) = (1, u64::from(image_size));
    let mut layers = Vec::new();
    for number in 1..=model.conv_layers {
        let name = format!("conv2d_{number}");
        let out = (shrink(&name, side, KERNEL)?) + 1;
        let weights = product(&[KERNEL, KERNEL, channels, width]);
        layers.push(Layer {
            name,
            kind: LayerKind::Conv2d,
            activation: Activation::Relu,
            output_shape: vec![width, out, out],
            parameters: weights.saturating_add(width),
            flops: product(&[2, weights, out, out]),
        });
        let name = format!("max_pooling2d_{number}");
        shrink(&name, out, POOL)?;
        side = out / POOL;
        layers.push(Layer {
            name,
            kind: LayerKind::MaxPooling2d,
            activation: Activation::None,
            output_shape: vec![width, side, side],
            parameters: 0,
            flops: 0,
        });
        channels = width;
    }
    let mut features = product(&[channels, side, side]);
    layers.push(Layer {
        name: LayerKind::Flatten.to_string(),
        kind: LayerKind::Flatten,
        activation: Activation::None,
        output_shape: vec![features],
        parameters: 0,
        flops: 0,
    });
    let last = last_activation(n_classes);
    let hidden = (0..model.dense_layers).map(|_| (width, Activation::Relu));
    let output = std::iter::once((u64::from(outputs(n_classes)), last));
    for (number, (units, activation)) in (1..).zip(hidden.chain(output)) {
        let weights = product(&[features, units]);
        layers.push(Layer {
            name: format!("dense_{number}"),
            kind: LayerKind::Dense,
            activation,
            output_shape: vec![units],
            parameters: weights.saturating_add(units),
            flops: product(&[2, weights]),
        });
        features = units;
    }
    Ok(layers)
}

/// What ends a network: a sigmoid on one output for two classes, else a softmax.
pub(super) const fn last_activation(n_classes: u32) -> Activation {
    if n_classes <= 2 { Activation::Sigmoid } else { Activation::Softmax }
}

/// `side - needed`, where the layer fits.
pub(super) fn shrink(layer: &str, side: u64, needed: u64) -> Result<u64, ModelError> {
    side.checked_sub(needed).ok_or_else(|| ModelError::TooSmall { layer: layer.to_owned(), needed, side })
}

/// The product, or the largest number: within the bounds of a spec nothing comes near it.
pub(super) fn product(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product: u64, factor| product.saturating_mul(*factor))
}

/// As Keras calls the layer: `conv2d`.
impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Conv2d => "conv2d",
            Self::MaxPooling2d => "max_pooling2d",
            Self::AdaptiveAveragePooling2d => "adaptive_average_pooling2d",
            Self::BatchNormalization => "batch_normalization",
            Self::Add => "add",
            Self::Dropout => "dropout",
            Self::Flatten => "flatten",
            Self::Dense => "dense",
        })
    }
}

/// As Keras calls it: `relu`.
impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "linear",
            Self::Relu => "relu",
            Self::Sigmoid => "sigmoid",
            Self::Softmax => "softmax",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(model: GridCnn, image_size: u32, n_classes: u32) -> Vec<String> {
        let layers = layers(&model, image_size, n_classes).expect("the image is large enough");
        layers
            .iter()
            .map(|layer| {
                format!(
                    "{} {:?} {} {} {}",
                    layer.name, layer.output_shape, layer.activation, layer.parameters, layer.flops
                )
            })
            .collect()
    }

    #[test]
    fn layers_of_a_network_of_the_paper() {
        let model = GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 32 };
        assert_eq!(
            shapes(model, 224, 2),
            [
                "conv2d_1 [32, 222, 222] relu 320 28387584",
                "max_pooling2d_1 [32, 111, 111] linear 0 0",
                "conv2d_2 [32, 109, 109] relu 9248 218990592",
                "max_pooling2d_2 [32, 54, 54] linear 0 0",
                "flatten [93312] linear 0 0",
                "dense_1 [32] relu 2986016 5971968",
                "dense_2 [1] sigmoid 33 64",
            ]
        );
    }

    #[test]
    fn no_convolution_and_more_classes() {
        let model = GridCnn { conv_layers: 0, dense_layers: 0, layer_size: 8 };
        assert_eq!(shapes(model, 4, 3), ["flatten [16] linear 0 0", "dense_1 [3] softmax 51 96"]);
    }

    #[test]
    fn too_small_an_image_names_the_layer() {
        let error = |conv_layers, image_size| {
            let model = GridCnn { conv_layers, dense_layers: 0, layer_size: 8 };
            layers(&model, image_size, 2).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(error(3, 22), Ok(()));
        assert_eq!(error(3, 14), Err("`conv2d_3` needs at least 3x3, gets 2x2".to_owned()));
        assert_eq!(error(1, 3), Err("`max_pooling2d_1` needs at least 2x2, gets 1x1".to_owned()));
        assert_eq!(error(1, 4), Ok(()));
        assert_eq!(error(1, 2), Err("`conv2d_1` needs at least 3x3, gets 2x2".to_owned()));
    }

    #[test]
    fn the_largest_spec_stays_inside_64_bits() {
        let model = GridCnn { conv_layers: 1, dense_layers: 16, layer_size: 4096 };
        let layers = layers(&model, 4096, 256).expect("the image is large enough");
        assert!(layers.iter().all(|layer| layer.flops < u64::MAX && layer.parameters < u64::MAX));
    }
}
