//! What each stage of a step computes and moves, counted: to hold its time against what the machine can do.
//!
//! Two counts of arithmetic: what the stage stands for (a dense 3 x 3 convolution, its gradients, a matrix product), and
//! what the kernels really execute, which is less where Winograd or the winners of the pooling save it, and more where
//! channels are rounded up or tiles reach over the edge. Bytes are those that have to come from or go to memory once;
//! whatever a stage reads again from a cache is not counted.

use super::{
    Execution, Shape, block_shape, convolutions, dense,
    simd::padded,
    stopwatch::{Lap, Stage},
    winograd,
};

/// Counts for one step of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Floating point operations that the stage stands for.
    pub dense_flops: f64,
    /// Those that are executed.
    pub executed_flops: f64,
    /// Bytes from and to memory.
    pub bytes: f64,
}

/// Operations of transforming one tile of one channel: additions and multiplications of `inputs_1d` (twelve times) and of
/// `outputs_1d` (ten times).
const GATHER_FLOPS: f64 = 12.0 * 19.0;
const EMIT_FLOPS: f64 = 10.0 * 15.0;
/// Operations of Adam for one weight.
const ADAM_FLOPS: f64 = 12.0;
/// A value and a byte for its winner.
const POOLED_BYTES: f64 = 5.0;
const F32_BYTES: f64 = 4.0;
/// Weights and two moments, read and written.
const ADAM_BYTES: f64 = 6.0 * F32_BYTES;

/// The counts of a stage of one step on a whole batch. `lap.items` of the stage [`Stage::WinnerLists`] of that layer is how many
/// winners the step had, which the cost of [`Stage::Weights`] needs as `winners`.
#[must_use]
pub fn cost(shape: Shape, execution: Execution, lap: &Lap, winners: f64) -> Cost {
    let n = execution.batch_size as f64;
    let Lap { layer, stage, .. } = *lap;
    if layer >= shape.conv_layers {
        return dense_cost(shape, n, layer - shape.conv_layers, stage);
    }
    let (real, channels) = (shape.layer_size as f64, padded(shape.layer_size) as f64);
    let side = (0..layer).fold(shape.image_size, |side, _| (side - 2) / 2);
    let pooled = ((side - 2) / 2) as f64;
    let (windows, pixels) = (pooled * pooled, (side * side) as f64);
    let inputs = if layer == 0 { 1.0 } else { real };
    // The convolution, or either of its gradients.
    let dense_flops = n * 18.0 * inputs * real * ((side - 2) * (side - 2)) as f64;
    let tiles = match stage {
        Stage::GatherBackward | Stage::ProductsBackward | Stage::EmitBackward => side.div_ceil(4).pow(2),
        _ => (pooled as usize).div_ceil(2).pow(2),
    } as f64;
    let pooled_bytes = n * windows * channels * POOLED_BYTES;
    let input_bytes = n * pixels * channels * F32_BYTES;
    let weights = if layer == 0 {
        10.0 * channels
    } else {
        block_shape::weights_len(channels as usize, channels as usize) as f64
    };
    let later_weights =
        (shape.conv_layers - 1) * block_shape::weights_len(channels as usize, channels as usize);
    let of = |dense_flops, executed_flops, bytes| Cost { dense_flops, executed_flops, bytes };
    match stage {
        Stage::First => of(dense_flops, n * windows * 4.0 * 18.0 * channels, n * pixels + pooled_bytes),
        Stage::FirstBackward => of(dense_flops, n * windows * 19.0 * channels, n * pixels + pooled_bytes),
        Stage::Gather => of(0.0, n * tiles * channels * GATHER_FLOPS, input_bytes),
        Stage::Emit => of(0.0, n * tiles * channels * EMIT_FLOPS, pooled_bytes),
        Stage::Products | Stage::ProductsBackward => {
            let places = winograd::transformed_len(1, 1, super::Precision::Fp32) as f64;
            of(dense_flops, n * tiles * 2.0 * places * channels * channels, 0.0)
        }
        Stage::WinnerLists => of(0.0, 0.0, pooled_bytes),
        Stage::Weights => of(dense_flops, 18.0 * winners * channels, input_bytes),
        Stage::GatherBackward => of(0.0, n * tiles * channels * GATHER_FLOPS, pooled_bytes),
        Stage::EmitBackward => of(0.0, n * tiles * channels * EMIT_FLOPS, input_bytes),
        Stage::Adam => {
            let groups = convolutions::groups(execution.batch_size, later_weights) as f64;
            of(0.0, weights * (groups + ADAM_FLOPS), weights * (groups * F32_BYTES + ADAM_BYTES))
        }
        // Two transforms of each kernel; written, and read by every thread.
        Stage::Transform => {
            let bytes = 2.0 * 36.0 * execution.precision.bytes() as f64 + 9.0 * F32_BYTES;
            of(0.0, 2.0 * 9.0 * 13.0 * weights / 9.0, weights / 9.0 * bytes)
        }
        Stage::Dense | Stage::DenseBackward => Cost::default(),
    }
}

/// [`cost`] of a dense layer, from 0.
fn dense_cost(shape: Shape, n: f64, layer: usize, stage: Stage) -> Cost {
    let side = (0..shape.conv_layers).fold(shape.image_size, |side, _| (side - 2) / 2);
    let hidden = layer < shape.dense_layers;
    let outputs = if hidden { shape.layer_size } else { shape.outputs };
    let width = dense::width(outputs, hidden);
    let positions = side * side;
    let (features, real) = match (layer, shape.conv_layers) {
        (0, 0) => (padded(positions), positions),
        (0, _) => (positions * padded(shape.layer_size), positions * shape.layer_size),
        _ => (padded(shape.layer_size), shape.layer_size),
    };
    let weights = (features * width) as f64;
    let product = n * 2.0 * (real * outputs) as f64;
    let executed = n * 2.0 * weights;
    let input = n * features as f64 * F32_BYTES;
    if stage == Stage::Dense {
        return Cost { dense_flops: product, executed_flops: executed, bytes: weights * F32_BYTES + input };
    }
    // The input's gradient, in its place, where there is a layer below; the weights' gradient; Adam.
    let products = if layer == 0 && shape.conv_layers == 0 { 1.0 } else { 2.0 };
    Cost {
        dense_flops: products * product,
        executed_flops: products * executed + ADAM_FLOPS * weights,
        bytes: weights * ADAM_BYTES + products * input,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kernels::{InstructionSet, Precision},
        model::{GridCnn, layers},
    };

    fn sum(shape: Shape, stages: &[Stage]) -> Cost {
        let execution = Execution {
            batch_size: 32,
            threads: 2,
            instructions: InstructionSet::best(),
            precision: Precision::Fp32,
        };
        let mut sum = Cost::default();
        for layer in 0..shape.conv_layers + shape.dense_layers + 1 {
            for stage in stages {
                let dense = matches!(stage, Stage::Dense | Stage::DenseBackward);
                let first = matches!(stage, Stage::First | Stage::FirstBackward);
                let fits = if layer >= shape.conv_layers { dense } else { !dense && first == (layer == 0) };
                if fits {
                    let lap = Lap { layer, stage: *stage, seconds: 0.0, items: 0 };
                    let cost = cost(shape, execution, &lap, 0.0);
                    sum.dense_flops += cost.dense_flops;
                    sum.executed_flops += cost.executed_flops;
                    sum.bytes += cost.bytes;
                }
            }
        }
        sum
    }

    /// The forward stages stand for the forward pass that the plan counts (which adds biases, activations and poolings), and
    /// the backward stages for twice as much, less the first layer's input, of which there is no gradient.
    #[test]
    fn stages_stand_for_the_whole_network() {
        for (conv_layers, layer_size, dense_layers) in [(1, 32, 0), (2, 64, 1), (3, 128, 2)] {
            let model = GridCnn {
                conv_layers: conv_layers as u32,
                dense_layers: dense_layers as u32,
                layer_size: layer_size as u32,
            };
            let planned =
                32.0 * layers(&model, 224, 2).unwrap().iter().map(|layer| layer.flops).sum::<u64>() as f64;
            let shape = Shape { image_size: 224, conv_layers, dense_layers, layer_size, outputs: 1 };
            let forward = sum(shape, &[Stage::First, Stage::Products, Stage::Dense]);
            let ratio = forward.dense_flops / planned;
            assert!((0.75..=1.0).contains(&ratio), "{model:?}: {ratio}");
            let backward = sum(
                shape,
                &[Stage::FirstBackward, Stage::Weights, Stage::ProductsBackward, Stage::DenseBackward],
            );
            let first = sum(shape, &[Stage::First]).dense_flops;
            assert!((backward.dense_flops / (2.0 * forward.dense_flops - first) - 1.0).abs() < 1e-9);
            if conv_layers > 1 {
                assert!(forward.executed_flops < forward.dense_flops / 2.0, "Winograd saves most of it");
            }
        }
    }

    #[test]
    fn a_wide_layer_moves_its_weights_seven_times() {
        let shape = Shape { image_size: 224, conv_layers: 1, dense_layers: 1, layer_size: 128, outputs: 1 };
        let weights = 111.0 * 111.0 * 128.0 * 128.0 * 4.0;
        let both = sum(shape, &[Stage::Dense, Stage::DenseBackward]);
        assert!((both.bytes / weights - 7.0).abs() < 1.0, "{}", both.bytes / weights);
    }
}
