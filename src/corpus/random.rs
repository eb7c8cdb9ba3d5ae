//! Random numbers that stay the same forever: ChaCha8 keyed by a domain and numbers, with the integer draws spelled out
//! here, so that no version of a random-number crate can change a split or a phantom.
//!
//! Called by the split and by the phantom generator.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

/// A stream of random numbers.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a purpose and its numbers; any difference in either gives an unrelated stream.
    pub(super) fn new(domain: &str, numbers: &[u64]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(domain);
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// A whole number under `bound`: the high word of a 64 x 64 bit product (its bias is under `bound` / 2^64).
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.0.next_u64()) * bound as u128;
        usize::try_from(product >> 64).expect("the high word is under `bound`")
    }

    /// Uniform over 0..1, in steps of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
        let numerator = (self.0.next_u64() >> 11) as f64;
        numerator / (1_u64 << 53) as f64
    }

    /// Uniform over `low..high`.
    pub(super) fn range(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True with the given probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Standard normal (Box-Muller).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Puts the items in random order (Fisher-Yates, from the end).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_never_change() {
        let mut stream = Stream::new("gridboard test v1", &[7]);
        let drawn: Vec<usize> = (0..8).map(|_| stream.below(1000)).collect();
        assert_eq!(drawn, GOLDEN);
    }

    const GOLDEN: [usize; 8] = [687, 424, 568, 231, 975, 45, 786, 668];

    #[test]
    fn domains_and_numbers_separate_streams() {
        let first = |domain: &str, numbers: &[u64]| Stream::new(domain, numbers).below(usize::MAX);
        assert_ne!(first("a", &[1]), first("b", &[1]));
        assert_ne!(first("a", &[1]), first("a", &[2]));
        assert_eq!(first("a", &[1]), first("a", &[1]));
    }

    #[test]
    fn moments_are_right() {
        let mut stream = Stream::new("moments", &[]);
        let n = 20_000;
        let mean = (0..n).map(|_| stream.unit()).sum::<f64>() / f64::from(n);
        assert!((mean - 0.5).abs() < 0.01, "{mean}");
        let variance = (0..n).map(|_| stream.normal().powi(2)).sum::<f64>() / f64::from(n);
        assert!((variance - 1.0).abs() < 0.05, "{variance}");
    }
}
