//! Initial weights, shuffles and the masks of dropout, from the run's seed alone.
//!
//! Drawn from our own ChaCha streams and not from libtorch's generator, so that they depend neither on the version of
//! libtorch nor on the device or the number of threads. Each tensor and each epoch has a stream of its own: what one
//! draws never shifts another, and an epoch's order is known without those before it.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// First stream of the shuffles; the tensors' streams, one a layer or a tensor, lie far below.
const SHUFFLES: u64 = 1 << 32;
/// First stream of the masks of dropout; an epoch's shuffle is below, since epochs are counted in 32 bits.
const MASKS: u64 = 1 << 33;

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
            *value = signed_unit(&mut self.random) * self.limit;
        }
    }
}

/// All numbers of a tensor.
pub(crate) fn glorot_uniform(shape: &[i64], seed: u64, layer: u64) -> Vec<f32> {
    let mut values = vec![0.0; shape.iter().product::<i64>() as usize];
    GlorotUniform::new(shape, seed, layer).fill(&mut values);
    values
}

/// `n` numbers of the normal distribution around 0 (Box and Muller's transform, in f64).
pub(crate) fn normal(n: usize, deviation: f64, seed: u64, tensor: u64) -> Vec<f32> {
    let mut random = stream(seed, tensor);
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // 32 bits each: the first is never 0, whose logarithm is infinite.
        let radius = (f64::from(random.next_u32()) + 1.0) / (1u64 << 32) as f64;
        let angle = f64::from(random.next_u32()) / (1u64 << 32) as f64;
        let radius = deviation * (-2.0 * radius.ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * angle).sin_cos();
        values.push((radius * cosine) as f32);
        values.push((radius * sine) as f32);
    }
    values.truncate(n);
    values
}

/// `n` numbers of the uniform distribution in ±`limit`.
pub(crate) fn uniform(n: usize, limit: f64, seed: u64, tensor: u64) -> Vec<f32> {
    let mut random = stream(seed, tensor);
    let limit = limit as f32;
    (0..n).map(|_| signed_unit(&mut random) * limit).collect()
}

/// Uniform in -1..1. 24 bits are what an f32 holds of 0..1; the doubled and shifted number is exact in f32 too.
fn signed_unit(random: &mut ChaCha8Rng) -> f32 {
    (random.next_u32() >> 8) as f32 / (1u32 << 23) as f32 - 1.0
}

/// The mask number `draw` of dropout with p = 1/2: 0 or 2 for each of `n` features, a bit each.
pub(crate) fn doubled_or_nothing(n: usize, seed: u64, draw: u64) -> Vec<u8> {
    let mut random = stream(seed, MASKS + draw);
    let mut mask = Vec::with_capacity(n.next_multiple_of(32));
    while mask.len() < n {
        let bits = random.next_u32();
        mask.extend((0..32).map(|bit| ((bits >> bit & 1) << 1) as u8));
    }
    mask.truncate(n);
    mask
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
    fn normal_and_uniform_weights_have_their_moments() {
        let n = 100_001;
        for (values, variance, fourth) in
            [(normal(n, 0.5, 3, 4), 0.25, 3.0), (uniform(n, 0.5, 3, 5), 0.25 / 3.0, 1.8)]
        {
            assert_eq!(values.len(), n);
            let moment =
                |power: i32| values.iter().map(|value| f64::from(*value).powi(power)).sum::<f64>() / n as f64;
            // Five standard errors of the mean, of the variance, and one part in twenty for the tails.
            assert!(moment(1).abs() < 5.0 * (variance / n as f64).sqrt());
            assert!((moment(2) / variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt());
            assert!((moment(4) / moment(2).powi(2) / fourth - 1.0).abs() < 0.05);
        }
    }

    #[test]
    fn a_mask_keeps_half_and_no_two_are_alike() {
        let mask = doubled_or_nothing(10_001, 1, 0);
        assert_eq!(mask.len(), 10_001);
        assert!(mask.iter().all(|value| *value == 0 || *value == 2));
        let kept = mask.iter().filter(|value| **value == 2).count();
        // Five standard deviations of a count around one half.
        assert!(kept.abs_diff(5_000) < 250, "{kept}");
        assert_eq!(mask, doubled_or_nothing(10_001, 1, 0));
        assert_ne!(mask, doubled_or_nothing(10_001, 1, 1));
        assert_ne!(mask, doubled_or_nothing(10_001, 2, 0));
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
        assert_eq!(normal(3, 1.0, 42, 0), GOLDEN_NORMAL);
        assert_eq!(doubled_or_nothing(8, 42, 0), GOLDEN_MASK);
    }

    const GOLDEN_WEIGHTS: [f32; 3] = [-0.98016757, -0.3716992, -1.0083377];
    const GOLDEN_NORMAL: [f32; 3] = [-1.2426603, 1.750429, -0.4899883];
    const GOLDEN_MASK: [u8; 8] = [0, 0, 0, 0, 0, 0, 2, 2];
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
