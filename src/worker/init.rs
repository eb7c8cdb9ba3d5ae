//! Initial weights and shuffles, from the run's seed alone.
//!
//! Drawn from our own ChaCha streams and not from libtorch's generator, so that they depend neither on the version of
//! libtorch nor on the device or the number of threads. Each tensor and each epoch has a stream of its own: what one
//! draws never shifts another, and an epoch's order is known without those before it.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// First stream of the shuffles; the tensors' streams, one a layer, lie far below.
const SHUFFLES: u64 = 1 << 32;

fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(stream);
    random
}

/// Keras' `GlorotUniform`: uniform in ±sqrt(6 / (fan_in + fan_out)), where the fans count the receptive field
/// (`keras/src/initializers/random_initializers.py`, `compute_fans`). Gives the numbers in the tensor's order, as many at a
/// time as are wanted: the largest of the paper's have 800 MB.
pub(crate) struct GlorotUniform {
    limit: f32,
    random: ChaCha8Rng,
}

impl GlorotUniform {
    /// The numbers of one tensor. `shape` is PyTorch's, `[out, in, …]`; `layer` counts the layers with weights from 0.
    pub(crate) fn new(shape: &[i64], seed: u64, layer: u64) -> Self {
        Self { limit: glorot_limit(shape), random: stream(seed, layer) }
    }

    /// The next of them.
    pub(crate) fn fill(&mut self, values: &mut [f32]) {
        for value in values {
            // 24 bits are what an f32 holds of 0..1; the doubled and shifted number is exact in f32 too.
            *value = ((self.random.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0) * self.limit;
        }
    }
}

/// All numbers of a tensor.
pub(crate) fn glorot_uniform(shape: &[i64], seed: u64, layer: u64) -> Vec<f32> {
    let mut values = vec![0.0; shape.iter().product::<i64>() as usize];
    GlorotUniform::new(shape, seed, layer).fill(&mut values);
    values
}

fn glorot_limit(shape: &[i64]) -> f32 {
    let field: i64 = shape[2..].iter().product();
    let fans = (shape[0] + shape[1]) * field;
    (6.0 / fans as f64).sqrt() as f32
}

/// Puts the training images in the order of an epoch (Fisher-Yates).
pub(crate) fn shuffle(rows: &mut [usize], seed: u64, epoch: u32) {
    let mut random = stream(seed, SHUFFLES + u64::from(epoch));
    for last in (1..rows.len()).rev() {
        rows.swap(last, below(&mut random, last as u64 + 1) as usize);
    }
}

/// A uniform number below `bound`: Lemire's multiplication with rejection, so without bias.
fn below(random: &mut ChaCha8Rng, bound: u64) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(random.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_keras() {
        // Conv2D(32, 3x3) on 16 channels: fans 144 and 288; Dense(1) on 200: fans 200 and 1.
        assert_eq!(glorot_limit(&[32, 16, 3, 3]), (6.0f64 / 432.0).sqrt() as f32);
        assert_eq!(glorot_limit(&[1, 200]), (6.0f64 / 201.0).sqrt() as f32);
    }

    #[test]
    fn weights_fill_their_range_evenly() {
        let weights = glorot_uniform(&[64, 64, 3, 3], 7, 1);
        let limit = glorot_limit(&[64, 64, 3, 3]);
        assert_eq!(weights.len(), 36_864);
        assert!(weights.iter().all(|weight| weight.abs() <= limit));
        let mean = weights.iter().map(|w| f64::from(*w)).sum::<f64>() / weights.len() as f64;
        let variance = weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>() / weights.len() as f64;
        let limit = f64::from(limit);
        // Four standard errors of the mean and of the variance of a uniform sample of this size.
        assert!(mean.abs() < limit * 0.0121, "{mean}");
        assert!((variance / (limit * limit / 3.0) - 1.0).abs() < 0.019, "{variance}");
    }

    #[test]
    fn seeds_and_layers_have_streams_of_their_own() {
        let first = |seed, layer| glorot_uniform(&[4, 4], seed, layer);
        assert_eq!(first(1, 0), first(1, 0));
        assert_ne!(first(1, 0), first(2, 0));
        assert_ne!(first(1, 0), first(1, 1));
    }

    /// Stored runs name only their seed: what it means must never change.
    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        assert_eq!(glorot_uniform(&[1, 3], 42, 0), GOLDEN_WEIGHTS);
        let (mut some, mut parts) = ([0.0; 3], GlorotUniform::new(&[1, 3], 42, 0));
        parts.fill(&mut some[..2]);
        parts.fill(&mut some[2..]);
        assert_eq!(some, GOLDEN_WEIGHTS, "in parts as at once");
        let mut rows: Vec<usize> = (0..8).collect();
        shuffle(&mut rows, 42, 3);
        assert_eq!(rows, GOLDEN_ORDER);
    }

    const GOLDEN_WEIGHTS: [f32; 3] = [-0.98016757, -0.3716992, -1.0083377];
    const GOLDEN_ORDER: [usize; 8] = [2, 5, 0, 4, 1, 6, 3, 7];

    #[test]
    fn every_order_is_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..6_000 {
            let mut rows = [0, 1, 2];
            shuffle(&mut rows, 5, epoch);
            *counts.entry(rows).or_insert(0i32) += 1;
        }
        assert_eq!(counts.len(), 6);
        // Five standard deviations of a count around 1,000.
        assert!(counts.values().all(|count| (count - 1_000).abs() < 145), "{counts:?}");
    }
}
