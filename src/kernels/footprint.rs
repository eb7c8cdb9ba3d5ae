//! How much memory a network takes, without making it: for planning.
//!
//! The sum of its buffers, which are all there is: nothing of a size that matters is allocated in a step. A test adds up
//! the buffers of real networks.

use super::{
    block_shape, convolutions, dense, first_block,
    network::{Execution, Shape},
    precision::Precision,
    simd::padded,
    winner_lists::WinnerLists,
    winograd::{self, Scratch},
};

/// Bytes of the buffers of a network: weights with two moments, activations of a batch, workspaces of the threads. `None`
/// where the image does not reach through the convolutions.
#[must_use]
pub fn memory_bytes(shape: Shape, execution: Execution) -> Option<u64> {
    let Shape { image_size, conv_layers, dense_layers, layer_size, outputs } = shape;
    let Execution { batch_size, threads, precision, .. } = execution;
    let pixels = product(&[image_size, image_size]);
    let mut bytes = product(&[batch_size]).saturating_mul(pixels);
    bytes = add(bytes, floats(&[batch_size, outputs]));
    let mut inputs = pixels.next_multiple_of(padded(1) as u64);
    if conv_layers == 0 {
        bytes = add(bytes, product(&[batch_size, size_of::<f32>()]).saturating_mul(inputs));
    } else {
        let mut sides = vec![first_block::pooled(image_size.max(2))];
        for _ in 1..conv_layers {
            sides.push(first_block::pooled(sides.last().copied().unwrap_or(0).max(2)));
        }
        if sides.contains(&0) {
            return None;
        }
        bytes = add(bytes, blocks(&sides, shape, batch_size, threads, precision));
        let side = sides.last().copied().unwrap_or(0);
        inputs = product(&[side, side, padded(layer_size)]);
    }
    for layer in 0..=dense_layers {
        let hidden = layer < dense_layers;
        let width = dense::width(if hidden { layer_size } else { outputs }, hidden);
        let thin = dense::is_thin(if hidden { layer_size } else { outputs }, hidden);
        let weights = inputs.saturating_mul(width as u64).next_multiple_of(padded(1) as u64);
        // Values and two moments.
        bytes = add(bytes, weights.saturating_mul(3 * size_of::<f32>() as u64));
        bytes = add(bytes, floats(&[3, padded(width)]));
        bytes = add(bytes, floats(&[1 + dense::PARTS, batch_size, width]));
        if !thin {
            bytes = add(bytes, floats(&[width, padded(batch_size)]));
        }
        inputs = width as u64;
    }
    Some(bytes)
}

/// Bytes of the convolution blocks, whose pooled outputs have these sides.
fn blocks(sides: &[usize], shape: Shape, batch: usize, threads: usize, precision: Precision) -> u64 {
    let channels = padded(shape.layer_size);
    let n_later = sides.len() - 1;
    let output = |side: &usize| product(&[*side, *side, channels]);
    let first = padded(first_block::weights_len(channels));
    let later = block_shape::weights_len(channels, channels);
    let mut bytes = floats(&[3, first]);
    bytes = add(bytes, floats(&[n_later, 3, later]));
    bytes = add(bytes, floats(&[n_later, 3, channels]));
    bytes = add(bytes, floats(&[n_later, 2, winograd::transformed_len(channels, channels, precision)]));
    // A pooled value and a byte for which of the four it was.
    let values = sides.iter().map(output).fold(0, add).saturating_mul(size_of::<f32>() as u64 + 1);
    bytes = add(bytes, values.saturating_mul(batch as u64));
    let gradients = sides[..n_later].iter().map(output).fold(0, add).saturating_mul(size_of::<f32>() as u64);
    let workspace = [
        floats(&[shape.image_size, shape.image_size]),
        gradients,
        Scratch::bytes(if n_later > 0 { channels } else { 0 }, precision) as u64,
        WinnerLists::bytes(channels, precision) as u64,
    ];
    let workspace = workspace.into_iter().fold(0, add);
    bytes = add(bytes, workspace.saturating_mul(threads.min(batch) as u64));
    let sums = floats(&[first_block::weights_len(channels) + n_later * (later + channels)]);
    add(bytes, sums.saturating_mul(convolutions::groups(batch, n_later * later) as u64))
}

fn product(sides: &[usize]) -> u64 {
    sides.iter().fold(1, |product: u64, &side| product.saturating_mul(side as u64))
}

fn floats(sides: &[usize]) -> u64 {
    product(sides).saturating_mul(size_of::<f32>() as u64)
}

fn add(a: u64, b: u64) -> u64 {
    a.saturating_add(b)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::{InstructionSet, Network, buffer::tests::counted, simd::tests::available};

    proptest! {
        #[test]
        fn it_is_the_sum_of_the_buffers(
            image_size in 1usize..60,
            conv_layers in 0usize..=3,
            layer_size in 1usize..70,
            dense_layers in 0usize..=2,
            outputs in 1usize..12,
            batch_size in 1usize..40,
            threads in 1usize..5,
            halves: bool,
        ) {
            let shape = Shape { image_size, conv_layers, dense_layers, layer_size, outputs };
            let precision = if halves { Precision::Bf16 } else { Precision::Fp32 };
            for instructions in available() {
                let execution = Execution { batch_size, threads, instructions, precision };
                let (network, bytes) = counted(|| Network::new(shape, execution));
                match network {
                    Ok(_) => prop_assert_eq!(memory_bytes(shape, execution), Some(bytes)),
                    Err(_) => prop_assert_eq!(memory_bytes(shape, execution), None),
                }
            }
        }
    }

    #[test]
    fn no_size_is_too_large_to_plan() {
        let shape =
            Shape { image_size: 1 << 20, conv_layers: 8, dense_layers: 16, layer_size: 4096, outputs: 256 };
        let execution = Execution {
            batch_size: 1_000_000,
            threads: 64,
            instructions: InstructionSet::best(),
            precision: Precision::Fp32,
        };
        assert!(memory_bytes(shape, execution).is_some_and(|bytes| bytes > 1 << 50));
    }
}
