//! What a run costs: parameters, FLOPs, and an estimate of the memory that its training needs.

use super::{Architecture, Layer, LayerKind, ModelError};
use crate::spec::{Freeze, Train};

/// Resident memory of a worker before it trains: libtorch's libraries, its thread pools, the mapped corpus' pages.
pub const PROCESS_BYTES: u64 = 300_000_000;

const F32_BYTES: u64 = 4;
/// libtorch's max pooling keeps the place of each maximum as a 64-bit index for the backward pass.
const INDEX_BYTES: u64 = 8;
/// Weights, gradients, and Adam's two moments.
const COPIES: u64 = 4;

/// What a run costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Trainable numbers.
    pub parameters: u64,
    /// Floating point operations of the forward pass of one image, see [`Layer::flops`](super::Layer::flops). A
    /// training step costs about three times that per image: the backward pass is two such passes.
    pub flops_per_image: u64,
    /// Estimated peak memory of the training process, bytes. The sum of
    ///
    /// - [`PROCESS_BYTES`];
    /// - 4 bytes x 4 x parameters (weights, gradients, two moments), and 4 bytes x those of the largest layer for the
    ///   temporary of its update;
    /// - per image of a batch: 4 bytes x the outputs of every layer kept for the backward pass and the input, and 8
    ///   bytes x the outputs of the poolings (indices of the maxima);
    /// - per image of a batch: 4 bytes x 2 x the largest output, for the two gradients (behind and before an
    ///   activation) that are alive at once in the backward pass.
    ///
    /// Behind a frozen backbone only the last layer has gradients and moments, and of the rest only the outputs of two
    /// layers are alive at once. Workspaces of the convolution library come on top and depend on the processor.
    pub memory_bytes: u64,
}

/// The costs of a network for square images of `image_size` pixels, trained as `train` says.
///
/// # Errors
/// The network cannot be built, see [`Architecture::layers`].
pub fn summary(
    model: &Architecture,
    image_size: u32,
    n_classes: u32,
    train: &Train,
) -> Result<Summary, ModelError> {
    let layers = model.layers(image_size, n_classes)?;
    let sum = |values: &mut dyn Iterator<Item = u64>| values.fold(0_u64, u64::saturating_add);
    let parameters = sum(&mut layers.iter().map(|layer| layer.parameters));
    let head = layers.last().map_or(0, |layer| layer.parameters);
    let (trained, largest_layer) = match train.freeze {
        Freeze::None => (parameters, layers.iter().map(|layer| layer.parameters).max().unwrap_or(0)),
        Freeze::Backbone => (head, head),
    };
    let input = [model.input_channels(), image_size, image_size].map(u64::from).iter().product();
    let activations = Activations::over(&layers, input);
    let per_image = match train.freeze {
        Freeze::None => F32_BYTES
            .saturating_mul(activations.kept.saturating_add(activations.largest.saturating_mul(2)))
            .saturating_add(INDEX_BYTES.saturating_mul(activations.indices)),
        Freeze::Backbone => F32_BYTES.saturating_mul(activations.largest.saturating_mul(2)),
    };
    let copies = trained.saturating_mul(COPIES - 1).saturating_add(parameters);
    let weights = F32_BYTES.saturating_mul(copies.saturating_add(largest_layer));
    Ok(Summary {
        parameters,
        flops_per_image: sum(&mut layers.iter().map(|layer| layer.flops)),
        memory_bytes: PROCESS_BYTES
            .saturating_add(weights)
            .saturating_add(per_image.saturating_mul(u64::from(train.batch_size))),
    })
}

/// Numbers per image that a forward pass leaves for the backward pass.
struct Activations {
    /// The input and the outputs that are kept.
    kept: u64,
    /// Places of maxima.
    indices: u64,
    /// Of the largest output.
    largest: u64,
}

impl Activations {
    fn over(layers: &[Layer], input: u64) -> Self {
        let mut sizes = Self { kept: input, indices: 0, largest: 0 };
        for layer in layers {
            let outputs =
                layer.output_shape.iter().fold(1_u64, |product, side| product.saturating_mul(*side));
            sizes.largest = sizes.largest.max(outputs);
            match layer.kind {
                // A view of what is there, or computed in place.
                LayerKind::Flatten | LayerKind::Add => continue,
                LayerKind::MaxPooling2d => sizes.indices = sizes.indices.saturating_add(outputs),
                LayerKind::Conv2d
                | LayerKind::Dense
                | LayerKind::BatchNormalization
                | LayerKind::AdaptiveAveragePooling2d
                | LayerKind::Dropout => {}
            }
            sizes.kept = sizes.kept.saturating_add(outputs);
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::GridCnn,
        spec::{Parameters, Value},
    };

    fn train(batch_size: i64) -> Train {
        let parameters = [("epochs", 1), ("batch_size", batch_size)]
            .map(|(name, value)| (name.to_owned(), Value::Int(value)));
        Train::from_parameters(&Parameters::from(parameters)).expect("whole")
    }

    /// (conv_layers, layer_size), then the parameters with 0, 1 and 2 dense layers, at 224 pixels and two classes.
    const PAPER: [((u32, u32), [u64; 3]); 9] = [
        ((1, 32), [394_593, 12_617_089, 12_618_145]),
        ((2, 32), [102_881, 2_995_617, 2_996_673]),
        ((3, 32), [40_449, 711_105, 712_161]),
        ((1, 64), [789_185, 50_467_585, 50_471_745]),
        ((2, 64), [224_193, 11_981_633, 11_985_793]),
        ((3, 64), [117_761, 2_843_521, 2_847_681]),
        ((1, 128), [1_578_369, 201_868_801, 201_885_313]),
        ((2, 128), [522_113, 47_924_865, 47_941_377]),
        ((3, 128), [382_977, 11_372_289, 11_388_801]),
    ];

    #[test]
    fn parameters_of_all_27_networks_of_the_paper() {
        for ((conv_layers, layer_size), expected) in PAPER {
            for (dense_layers, expected) in (0..).zip(expected) {
                let model = GridCnn { conv_layers, dense_layers, layer_size };
                let summary = summary(&model.into(), 224, 2, &train(32)).expect("224 pixels are enough");
                assert_eq!(summary.parameters, expected, "{model:?}");
            }
        }
    }

    #[test]
    fn memory_follows_its_formula() {
        // No convolution, one output: 16 weights and a bias; the input is kept, and its flat view is the largest output.
        let model = GridCnn { conv_layers: 0, dense_layers: 0, layer_size: 1 };
        let weights = 4 * (4 * 17 + 17);
        let per_image = 4 * (16 + 1 + 2 * 16);
        let summary = summary(&model.into(), 4, 2, &train(10)).expect("no convolution, no smallest image");
        assert_eq!(summary.memory_bytes, PROCESS_BYTES + weights + 10 * per_image);
    }

    #[test]
    fn memory_grows_with_the_batch_and_the_network() {
        let memory = |conv_layers, layer_size, batch_size| {
            let model = GridCnn { conv_layers, dense_layers: 1, layer_size };
            summary(&model.into(), 224, 2, &train(batch_size)).expect("224 pixels are enough").memory_bytes
        };
        assert!(memory(1, 128, 32) > 5_000_000_000, "{}", memory(1, 128, 32));
        assert!(memory(1, 128, 32) < 10_000_000_000);
        assert!(memory(3, 32, 64) > memory(3, 32, 32));
        assert!(memory(3, 64, 32) > memory(3, 32, 32));
    }
}
